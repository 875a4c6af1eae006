"""Learning curves on digits from scratch: processor time and memory against neural-tangents.

    python benchmarks/dynamics_speed.py --peer PYTHON

PYTHON is the interpreter of an environment with neural-tangents (its last release needs jax 0.5.3). 1000 training
and 500 test images, relu, three hidden layers, 13 times; mean and full covariance of the test outputs under gradient
flow, for the tangent kernel and for readout-only training (NNGP), kernels included. Each measurement is a process of
its own and the two packages take turns. The peer's first call counts (it compiles its kernel in it, as every user's
does); its second, compiled and with eigenvectors kept, is printed too. Processor time of all threads, without imports.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import time
from typing import Any

import numpy as np

STD, BIAS, DEPTH = 1.5, 0.05, 3
TIMES = np.logspace(0, 6, 13)
TRAIN, TEST = 1000, 500


def ours() -> list[float]:
    import theorysim as ts
    from theorysim.infinite.ensemble import test_law
    from theorysim.infinite.filters import filter_of
    from theorysim.kernels.learner import learner_of, run_of

    data = ts.data.digits(train=TRAIN, test=TEST, labels="one-hot-centred")
    readout = {"weight_rates": (0.0,) * DEPTH + (STD**2,), "bias_rates": (0.0,) * DEPTH + (BIAS**2,)}
    data.load()
    warm = ts.MLP(depth=1, width=1, bias_std=BIAS)
    start = 0.0
    for k in range(2):  # the first round, on ten images, loads the compiled code
        some = ts.data.digits(train=10, test=2) if k == 0 else data
        start = time.process_time()
        for rates in ({}, readout if k else {}):
            network = ts.MLP(depth=DEPTH, width=1, weight_std=STD, bias_std=BIAS, **rates) if k else warm
            training = ts.Training(
                data=some, network=network, optimizer=ts.GradientFlow(), time=1e6, record=tuple(TIMES)
            )
            learner, run = learner_of(training), run_of(training)
            moved = filter_of(run.optimizer, learner.modes.eigenvalues, run.kappa, run.recorded).moved
            laws = [test_law(learner.modes, h, run.target, run.test_target) for h in moved]
            assert all(np.all(np.isfinite(law.covariance)) for law in laws)
    return [time.process_time() - start]


def peer() -> list[float]:
    import jax

    jax.config.update("jax_enable_x64", True)
    import jax.numpy as jnp
    from neural_tangents import predict, stax
    from sklearn.datasets import load_digits

    digits = load_digits()
    order = np.random.default_rng(0).permutation(len(digits.data))
    x, y = digits.data[order] / 16, np.eye(10)[digits.target[order]] - 0.1
    dense = [stax.Dense(512, W_std=STD, b_std=BIAS), stax.Relu()] * DEPTH
    _, _, kernel = stax.serial(*dense, stax.Dense(1, W_std=STD, b_std=BIAS))
    kernel = jax.jit(kernel, static_argnames="get")
    calls = []
    start = time.process_time()
    answer = predict.gradient_descent_mse_ensemble(kernel, jnp.array(x[:TRAIN]), jnp.array(y[:TRAIN]), diag_reg=0.0)
    for _ in range(2):
        found = answer(
            t=jnp.array(TIMES), x_test=jnp.array(x[TRAIN : TRAIN + TEST]), get=("nngp", "ntk"), compute_cov=True
        )
        jax.block_until_ready(found)
        calls.append(time.process_time() - start)
        start = time.process_time()
    return calls


def measured(python: str, who: str) -> dict[str, Any]:
    done = subprocess.run([python, __file__, "--one", who], capture_output=True, text=True, check=True)
    return dict(json.loads(done.stdout.splitlines()[-1]))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--peer")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--one", choices=("ours", "peer"))
    options = parser.parse_args()
    if options.one:
        calls = ours() if options.one == "ours" else peer()
        memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        print(json.dumps({"calls": calls, "memory": memory}))
        return
    names = {"ours": sys.executable} | ({"peer": options.peer} if options.peer else {})
    found = {name: [] for name in names}
    for _ in range(options.rounds):
        for name, python in names.items():
            found[name].append(measured(python, name))
    best = {name: np.min([run["calls"] for run in runs], axis=0) for name, runs in found.items()}
    memory = {name: min(run["memory"] for run in runs) for name, runs in found.items()}
    print(f"ours  {best['ours'][0]:.2f} CPU-s  peak {memory['ours']:.0f} MiB")
    if options.peer:
        first, later = best["peer"]
        print(f"peer  first call {first:.2f}, second {later:.2f} CPU-s  peak {memory['peer']:.0f} MiB")
        print(f"ratio first {first / best['ours'][0]:.1f}  second {later / best['ours'][0]:.1f}  "
              f"memory {memory['peer'] / memory['ours']:.1f}")  # fmt: skip


if __name__ == "__main__":
    main()
