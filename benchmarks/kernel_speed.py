"""NNGP and NTK of wide networks: processor time and memory against neural-tangents and against a floor.

    python benchmarks/kernel_speed.py --peer PYTHON

PYTHON is the interpreter of an environment with neural-tangents (its last release needs jax 0.5.3); without it only the
comparison with the floor is made. Each measurement is a process of its own; the two packages take turns, and the
minimum over the rounds counts. Time is processor time of all threads, so a busy machine disturbs it little. The peer
is compiled before its clock starts, and works in float64.

The floor is what no program with these formulas can go below on the machine at hand: the product x x' by BLAS, one
evaluation of the dual maps per pair and layer on numbers that are already in the nearest cache, and writing two arrays.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import time
from collections.abc import Callable
from typing import Any

import numpy as np

CASES = (("relu", 3), ("relu", 10), ("erf", 3), ("erf", 10))
STDS = {"weight_std": 1.5, "bias_std": 0.05}
REPEATS = 3


def inputs(samples: int, dimension: int) -> Any:
    return np.random.default_rng(0).normal(size=(samples, dimension))


def seconds(call: Callable[[], Any], repeats: int = REPEATS) -> float:
    """Return the least processor time of a call."""
    times = []
    for _ in range(repeats):
        start = time.process_time()
        call()
        times.append(time.process_time() - start)
    return min(times)


def ours(activation: str, depth: int, samples: int, dimension: int) -> dict[str, float]:
    start = time.process_time()
    from theorysim.equations import activation as named
    from theorysim.infinite.recursion import kernels_of
    from theorysim.problem.network import MLP

    x = inputs(samples, dimension)
    layers = MLP(depth=depth, width=1, activation=activation, **STDS).layers(inputs=dimension, outputs=1)
    kernels_of(layers, named(activation), x[:2])
    ready = time.process_time() - start
    return {"ready": ready, "cpu": seconds(lambda: kernels_of(layers, named(activation), x))}


def peer(activation: str, depth: int, samples: int, dimension: int) -> dict[str, float]:
    start = time.process_time()
    import jax

    jax.config.update("jax_enable_x64", True)
    from neural_tangents import stax

    dense = (1, STDS["weight_std"], STDS["bias_std"])
    hidden = [stax.Dense(*dense), {"relu": stax.Relu, "erf": stax.Erf}[activation]()] * depth
    kernel = stax.serial(*hidden, stax.Dense(*dense))[2]
    x = jax.numpy.asarray(inputs(samples, dimension))
    compiled = jax.jit(lambda x: kernel(x, None, get=("nngp", "ntk"))).lower(x).compile()
    ready = time.process_time() - start
    return {"ready": ready, "cpu": seconds(lambda: jax.block_until_ready(compiled(x)))}


def floor(activation: str, depth: int, samples: int, dimension: int) -> dict[str, float]:
    from scipy.linalg.blas import dsyrk
    from threadpoolctl import threadpool_limits

    x, out = inputs(samples, dimension), np.zeros((samples, samples))
    with threadpool_limits(1, user_api="blas"):
        product = seconds(lambda: dsyrk(1.0, x.T, c=out.T, trans=1, overwrite_c=1))
    writes = seconds(lambda: (np.full((samples, samples), 1.0), np.full((samples, samples), 1.0)))
    pair = pair_nanoseconds(activation)
    pairs = 0.5 * samples * (samples - 1)
    return {"ready": 0.0, "pair": pair, "cpu": product + writes + 1e-9 * pair * pairs * depth}


def pair_nanoseconds(activation: str, length: int = 1024, loops: int = 20_000) -> float:
    """Return the time of one pair and layer in a loop over arrays that stay in the nearest cache."""
    from numba import njit

    from theorysim.equations import dual

    maps = dual(activation)
    assert maps is not None
    prepare, pair = maps.prepare, maps.pair

    @njit(error_model="numpy")  # type: ignore[untyped-decorator]
    def layers(s: Any, t: Any, a: Any, b: Any, loops: int) -> None:
        a1, b1 = prepare(1.2)
        for _ in range(loops):
            for j in range(s.shape[0]):
                value, slope = pair(s[j], a1, b1, a[j], b[j])
                t[j] = value + 0.5 * slope * t[j]
                s[j] = 0.7 * value + 0.1

    q = np.linspace(1.0, 2.0, length)
    a, b = np.array([prepare(v) for v in q]).T.copy()
    s, t = 0.5 * q, np.ones(length)
    layers(s, t, a, b, 1)
    return seconds(lambda: layers(s, t, a, b, loops), 7) / (length * loops) * 1e9


def measured(python: str, who: str, case: tuple[str, int], samples: int, dimension: int) -> dict[str, float]:
    """Run one measurement in a process of its own."""
    command = [python, __file__, "--measure", who, case[0], str(case[1]), str(samples), str(dimension)]
    answer = subprocess.run(command, capture_output=True, text=True)
    if answer.returncode:
        sys.exit(answer.stderr)
    return dict(json.loads(answer.stdout.splitlines()[-1]))


def compare(case: tuple[str, int], peer_python: str | None, samples: int, dimension: int, rounds: int) -> str:
    who = {"ours": sys.executable, "floor": sys.executable} | ({"peer": peer_python} if peer_python else {})
    runs: dict[str, list[dict[str, float]]] = {name: [] for name in who}
    for _ in range(rounds):
        for name, python in who.items():
            runs[name].append(measured(python, name, case, samples, dimension))
    least = {name: {key: min(run[key] for run in several) for key in several[0]} for name, several in runs.items()}
    mine, bound = least["ours"], least["floor"]
    line = f"{case[0]:5} {case[1]:3}  {mine['cpu']:7.2f} {bound['cpu']:7.2f} {mine['cpu'] / bound['cpu']:6.2f}"
    line += f"  {bound['pair']:6.2f}  {mine['ready']:5.1f} {mine['peak']:6.2f}"
    if peer_python:
        theirs = least["peer"]
        line += f"  {theirs['cpu']:7.2f} {theirs['cpu'] / mine['cpu']:6.1f}"
        line += f"  {theirs['ready']:5.1f} {theirs['peak']:6.2f} {theirs['peak'] / mine['peak']:5.1f}"
    return line


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--peer", metavar="PYTHON", help="interpreter with neural-tangents")
    parser.add_argument("--samples", type=int, default=4000)
    parser.add_argument("--dimension", type=int, default=784)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--measure", nargs=5, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.measure:
        who, activation, *numbers = options.measure
        result = {"ours": ours, "peer": peer, "floor": floor}[who](activation, *map(int, numbers))
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024) / 1e9
        print(json.dumps(result | {"peak": peak}))
        return
    print(f"{options.samples} samples of dimension {options.dimension}; CPU seconds, peak memory in GB")
    columns = "case       ours   floor  ratio ns/pair  ready   peak"
    print(columns + ("     peer  ratio  ready   peak ratio" if options.peer else ""))
    for case in CASES:
        print(compare(case, options.peer, options.samples, options.dimension, options.rounds), flush=True)


if __name__ == "__main__":
    main()
