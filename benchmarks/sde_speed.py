"""Ensembles of stochastic differential equations: nanoseconds for a step of a path, against torchsde and diffrax.

    python benchmarks/sde_speed.py --torchsde PYTHON --diffrax PYTHON

PYTHON is the interpreter of an environment with that package; without it only our own numbers are printed. Problems,
all in float64, Euler-Maruyama, from one core: `ou` a scalar Ornstein-Uhlenbeck process; `dense` one of 10 dimensions
with full matrices; `sum` the equation of SGD on least squares of 200 samples in 100 dimensions, batch 8, whose noise
n^-1/2 (G - mean G)^T dW is one product fused with the drift for us and for torchsde (`f_and_g_prod`), and the dense G
of each path for diffrax, which has no other form.

Each measurement is a process of its own whose calls after the first are timed: processor time, the best of five, the
processes take turns. Beside it, in the same process: the generator's raw words, its normals, the bare products of
`sum`, and an arithmetic loop on one and two threads.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import resource
import subprocess
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np

PATHS = {"ou": 10_240, "dense": 2_048, "sum": 256}
STEPS = {"ou": 1000, "dense": 500, "sum": 100}
DT, RATE, BATCH = 1e-3, 0.1, 8
NOISE = math.sqrt(RATE / BATCH)
RNG = np.random.default_rng(0)
PULL, SPREAD = np.eye(10) + 0.1 * RNG.normal(size=(10, 10)), 0.3 * RNG.normal(size=(10, 10))
DATA, TARGET = RNG.normal(size=(200, 100)) / 10.0, RNG.normal(size=200)
SINGLE = {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1", "NUMBA_NUM_THREADS": "1", "MKL_NUM_THREADS": "1",
          "XLA_FLAGS": "--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1"}  # fmt: skip


def best(call: Callable[[], Any], calls: int = 5, clock: Callable[[], float] = time.process_time) -> float:
    """Return the least time of some calls after a first one."""
    call()
    times = []
    for _ in range(calls):
        start = clock()
        call()
        times.append(clock() - start)
    return min(times)


def a_drift(t: float, x: Any, constants: Any, out: Any) -> None:
    for i in range(out.shape[0]):
        total = 0.0
        for j in range(x.shape[0]):
            total += constants[i, j] * x[j]
        out[i] = -total


def a_noise(t: float, x: Any, constants: Any, out: Any) -> None:
    for i in range(out.shape[0]):
        for j in range(out.shape[1]):
            out[i, j] = constants[i, x.shape[0] + j]


def our_equation(problem: str) -> tuple[Any, Any]:
    from theorysim.solvers.sde import Equation, Fields

    if problem == "ou":
        pull, width = (lambda t, x, c: -c[0] * x), (lambda t, x, c: c[1])
        return Equation(drift=pull, diffusion=width, kind="additive", constants=[1.0, 0.5]), 1.0
    if problem == "dense":
        both = np.concatenate((PULL, SPREAD), axis=1)
        equation = Equation(drift=a_drift, diffusion=a_noise, dimension=10, noises=10, kind="additive", constants=both)
        return equation, np.ones(10)

    scale = NOISE / math.sqrt(200.0)

    def step(t: float, x: Any, dt: float, w: Any) -> Any:
        residual = x @ DATA.T
        residual -= TARGET
        weights = scale * w
        weights -= weights.mean(axis=1, keepdims=True) + dt / 200.0
        weights *= residual
        return weights @ DATA

    return Fields(
        drift=lambda t, x: -(x @ DATA.T - TARGET) @ DATA / 200.0, step=step, dimension=100, noises=200,
        product=lambda t, x, w: step(t, x, 0.0, w), group=256,
    ), np.ones(100)  # fmt: skip


def ours(problem: str) -> dict[str, float]:
    from theorysim.solvers.sde import integrate

    equation, start = our_equation(problem)
    paths, steps = PATHS[problem], STEPS[problem]

    def run(threads: int = 1) -> Any:
        return integrate(equation, start, [steps * DT], dt=DT, paths=paths, seed=1, threads=threads)

    found = {"ns": best(run) / (paths * steps) * 1e9}
    if problem == "ou":
        found |= generator()
        alone, both = (best(lambda k=k: run(k), clock=time.perf_counter) for k in (1, 2))
        found["scaling"] = alone / both
        found["arithmetic scaling"] = arithmetic_scaling()
    if problem == "sum":
        x, r = np.ones((256, 100)), np.ones((256, 200))
        found["product ns"] = best(lambda: [(x @ DATA.T, r @ DATA) for _ in range(20)]) / (256 * 20) * 1e9
    return found


def generator() -> dict[str, float]:
    from theorysim.backend.bits import wide_vectors
    from theorysim.backend.compile import compiled
    from theorysim.backend.random import normals_of_blocks, philox

    @compiled
    def wide_words(out: Any, key: Any) -> None:
        wide_vectors()
        for b in range(out.size // 4):
            out[4 * b], out[4 * b + 1], out[4 * b + 2], out[4 * b + 3] = philox(np.uint64(b), key, key, key, key, key)

    @compiled
    def words(out: Any, key: Any) -> None:
        for b in range(out.size // 4):
            out[4 * b], out[4 * b + 1], out[4 * b + 2], out[4 * b + 3] = philox(np.uint64(b), key, key, key, key, key)

    key, z, raw = np.uint64(1), np.empty(1 << 16), np.empty(1 << 16, np.uint64)
    normals = best(lambda: [normals_of_blocks(z, 0, key, key, key, key, key) for _ in range(50)])
    two_words = best(lambda: [words(raw, key) for _ in range(50)])
    two_wide = best(lambda: [wide_words(raw, key) for _ in range(50)])
    each = {"normal ns": normals, "words ns": 2.0 * two_words, "words in the widest vectors ns": 2.0 * two_wide}
    return {name: seconds / (z.size * 50) * 1e9 for name, seconds in each.items()}


def arithmetic_scaling() -> float:
    from theorysim.backend.compile import compiled

    @compiled
    def loop(n: int) -> float:
        x = 0.5
        for _ in range(n):
            x = 3.7 * x * (1.0 - x)
        return x

    def work(threads: int) -> None:
        with ThreadPoolExecutor(threads) as pool:
            list(pool.map(loop, [20_000_000 // threads] * threads))

    alone, both = (best(lambda k=k: work(k), clock=time.perf_counter) for k in (1, 2))
    return alone / both


def torchsde(problem: str) -> dict[str, float]:
    import torch
    import torchsde as package

    torch.set_default_dtype(torch.float64)
    torch.set_num_threads(1)
    a, b, data, target = (torch.tensor(m) for m in (PULL, SPREAD, DATA, TARGET))

    class System(torch.nn.Module):  # type: ignore[misc, name-defined, unused-ignore]
        sde_type, noise_type = "ito", {"ou": "diagonal", "dense": "additive", "sum": "general"}[problem]

        def f(self, t: Any, y: Any) -> Any:
            return -y if problem == "ou" else -y @ a.T

        def g(self, t: Any, y: Any) -> Any:
            return torch.full_like(y, 0.5) if problem == "ou" else b.expand(len(y), 10, 10)

    class Sum(torch.nn.Module):  # type: ignore[misc, name-defined, unused-ignore]
        sde_type, noise_type = "ito", "general"

        def f_and_g_prod(self, t: Any, y: Any, w: Any) -> Any:
            r = y @ data.T - target
            noise = (r * (w - w.mean(1, keepdim=True))) @ data
            return -(r @ data) / 200.0, (NOISE / math.sqrt(200.0)) * noise

    paths, steps = PATHS[problem], STEPS[problem]
    shape = {"ou": (paths, 1), "dense": (paths, 10), "sum": (paths, 100)}[problem]
    noises = {"ou": 1, "dense": 10, "sum": 200}[problem]
    system, times = (Sum() if problem == "sum" else System()), torch.tensor([0.0, steps * DT])

    def run() -> Any:
        noise = package.BrownianInterval(0.0, steps * DT, size=(paths, noises), dt=DT, entropy=1)
        with torch.no_grad():
            return package.sdeint(system, torch.ones(shape), times, bm=noise, dt=DT, method="euler")

    return {"ns": best(run, 3) / (paths * steps) * 1e9}


def diffrax(problem: str) -> dict[str, float]:
    import diffrax as package
    import jax
    import jax.numpy as jnp

    jax.config.update("jax_enable_x64", True)
    paths, steps = PATHS[problem], STEPS[problem]
    a, b, data, target = (jnp.asarray(m) for m in (PULL, SPREAD, DATA, TARGET))

    def spread(t: Any, y: Any, args: Any) -> Any:
        g = (data @ y - target)[:, None] * data
        return (NOISE / math.sqrt(200.0)) * (g - g.mean(0)).T

    drift, diffusion, start, shape = {
        "ou": (lambda t, y, args: -y, lambda t, y, args: 0.5, jnp.ones(()), ()),
        "dense": (lambda t, y, args: -a @ y, lambda t, y, args: b, jnp.ones(10), (10,)),
        "sum": (lambda t, y, args: -(data @ y - target) @ data / 200.0, spread, jnp.ones(100), (200,)),
    }[problem]

    def path(key: Any) -> Any:
        noise = package.UnsafeBrownianPath(shape=shape, key=key)
        terms = package.MultiTerm(package.ODETerm(drift), package.ControlTerm(diffusion, noise))
        return package.diffeqsolve(
            terms, package.Euler(), 0.0, steps * DT, None, start, max_steps=steps + 2, adjoint=package.DirectAdjoint(),
            saveat=package.SaveAt(t1=True), stepsize_controller=package.StepTo(ts=jnp.arange(steps + 1) * DT),
        ).ys  # fmt: skip

    keys = jax.random.split(jax.random.PRNGKey(0), paths)
    run = jax.jit(jax.vmap(path))
    return {"ns": best(lambda: run(keys).block_until_ready(), 3) / (paths * steps) * 1e9}


def measured(python: str, who: str, problem: str) -> dict[str, float]:
    """Run one measurement in a process of its own."""
    command = [python, __file__, "--measure", who, problem]
    answer = subprocess.run(command, capture_output=True, text=True, env=os.environ | SINGLE)
    if answer.returncode:
        sys.exit(answer.stderr)
    return dict(json.loads(answer.stdout.splitlines()[-1]))


def memory(paths: int, steps: int) -> float:
    """Return the peak memory in MB of an ensemble of so many paths and steps."""
    from theorysim.solvers.sde import integrate

    integrate(our_equation("ou")[0], 1.0, [steps * DT], dt=DT, paths=paths, seed=1)
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (1e6 if sys.platform == "darwin" else 1e3)


def compare(problem: str, who: dict[str, str], rounds: int) -> None:
    runs: dict[str, list[dict[str, float]]] = {name: [] for name in who}
    for _ in range(rounds):
        for name, python in who.items():
            runs[name].append(measured(python, name, problem))
    ns = {name: min(each["ns"] for each in several) for name, several in runs.items()}
    line = f"{problem:6} ours {ns['ours']:9.2f}"
    for name in list(who)[1:]:
        line += f"   {name} {ns[name]:9.1f} ({ns[name] / ns['ours']:.1f} times)"
    print(line)
    for key in runs["ours"][0]:
        if key != "ns":
            values = [each[key] for each in runs["ours"]]
            print(f"       {key:20} {max(values) if 'scaling' in key else min(values):.2f}")
    sys.stdout.flush()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--torchsde", metavar="PYTHON", help="interpreter with torchsde")
    parser.add_argument("--diffrax", metavar="PYTHON", help="interpreter with diffrax")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--measure", nargs=2, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.measure:
        who, problem = options.measure
        if who == "memory":
            paths, steps = map(int, problem.split("x"))
            print(json.dumps({"MB": memory(paths, steps)}))
        else:
            print(json.dumps({"ours": ours, "torchsde": torchsde, "diffrax": diffrax}[who](problem)))
        return
    who = {"ours": sys.executable}
    who |= {name: python for name in ("torchsde", "diffrax") if (python := getattr(options, name))}
    print("nanoseconds of one core for a step of a path")
    for problem in PATHS:
        compare(problem, who, options.rounds)
    for size in ("10000x100", "100000x100", "10000x5000"):
        peak = measured(sys.executable, "memory", size)["MB"]
        print(f"peak memory with {size.replace('x', ' paths, ')} steps: {peak:.0f} MB", flush=True)


if __name__ == "__main__":
    main()
