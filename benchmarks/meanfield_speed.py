"""What an answer of deep mean-field theory costs: the march, finite networks, and the published fixed-point algorithm.

    python benchmarks/meanfield_speed.py targets     time and memory of two known runs
    python benchmarks/meanfield_speed.py scaling     exponents of the cost in samples, steps and data, with the rank
    python benchmarks/meanfield_speed.py fixed       fixed point and march on one problem, ratio at equal error
    python benchmarks/meanfield_speed.py curves      error against cost in three regimes (or the one named: four, ten,
                                                     images), into meanfield_cost.csv

Processor seconds of one core; compilation left out by a small run first. Errors are those of the training loss at the
middle of training, relative to the limit, over independent answers.
"""

from __future__ import annotations

import csv
import json
import math
import resource
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from fixed_point import Toy, scaled_tanh, solve

import theorysim as ts
from theorysim.meanfield import deep
from theorysim.meanfield.replicas import Size

TABLE = Path(__file__).with_name("meanfield_cost.csv")
Exact = tuple[float, float]
COLUMNS = ("problem", "method", "size", "cpu_seconds", "bias", "bias_error", "std", "rank")
FLOW_EULER, FLOW_EULER_ERROR = 0.1612, 0.0006
"""Mean squared error of the toy at step 10, flow-Euler: eight marches of 20,000 samples by an older solver."""


def _phi(x: float) -> float:
    return math.tanh(0.8 * x) / 0.8


def _slope(x: float) -> float:
    return 1.0 - math.tanh(0.8 * x) ** 2


def four() -> tuple[ts.Training, Any]:
    """Return four samples, three layers, twenty steps."""
    x, y = np.random.RandomState(0).randn(25, 4).T, np.array([-1.0, -1.0, 1.0, 1.0])
    return _run(x, y, ts.activation(_phi, _slope, name="scaled tanh"), 3, 20, record=(0, 10, 19)), None


def ten(steps: int = 100) -> tuple[ts.Training, Any]:
    """Return ten samples with random labels, three layers, a hundred steps."""
    draw = np.random.RandomState(0)
    return _run(draw.randn(10, 25), np.sign(draw.randn(10)), "tanh", 3, steps, record=(0, 20, steps)), None


def images() -> tuple[ts.Training, Any]:
    """Return a hundred digits in batches of twenty, two layers of relu, fifty steps."""
    data = ts.data.digits(train=100, test=0, inputs="unit", labels="one-hot-centred")
    draw = np.random.default_rng(0)
    training = ts.Training(data=data, network=_network("relu", 2), optimizer=ts.SGD(learning_rate=2.0, batch=20),
                           steps=50, record=(0, 25, 50))  # fmt: skip
    return training, [draw.choice(100, 20, replace=False) for _ in range(50)]


def circle(samples: int, steps: int) -> ts.Training:
    """Return points on a circle with a smooth target: more of them say little more, so that the rank saturates."""
    angle = 2.0 * np.pi * (np.arange(samples) + 0.5) / samples
    x = math.sqrt(2.0) * np.stack([np.cos(angle), np.sin(angle)], axis=1)
    return _run(x, np.sin(2.0 * angle), "tanh", 3, steps, record=(0, steps))


def _network(activation: Any, depth: int) -> ts.MLP:
    return ts.MLP(depth=depth, width=512, activation=activation, parameterization="mup", initial_output="subtracted")


def _run(x: Any, y: Any, activation: Any, depth: int, steps: int, record: Any) -> ts.Training:
    data = ts.data.arrays(x, y, labels="regression")
    return ts.Training(data=data, network=_network(activation, depth), optimizer=ts.GD(learning_rate=0.3), steps=steps,
                       record=record)  # fmt: skip


def timed(work: Callable[[], Any]) -> tuple[Any, float]:
    """Return what some work gives, and its processor seconds."""
    start = time.process_time()
    return work(), time.process_time() - start


def targets() -> None:
    """Time the toy at its default tolerance, and ten samples with populations of 8000 in a process of its own."""
    training, _ = four()
    deep.limit(training, size=Size(256, 2, 1e-3))
    wall = time.perf_counter()
    found, seconds = timed(lambda: deep.limit(training))
    wall = time.perf_counter() - wall
    error = float(found.train_loss_error[1] / found.train_loss[1])
    print(f"P 4, T 20, L 3, default: {seconds:.2f} CPU-s ({wall:.2f} s), {found.attrs['replicas']} replicas of "
          f"{found.attrs['samples']}, error of the loss at step 10 {100 * error:.2f} %", flush=True)  # fmt: skip
    for replicas, samples in ((1, 8000), (4, 2000)):
        command = [sys.executable, __file__, "--one", str(replicas), str(samples)]
        one = json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()[-1])
        print(f"P 10, T 100, L 3, {replicas} x {samples}: {one['seconds']:.2f} CPU-s ({one['wall']:.2f} s), rank "
              f"{one['rank']}, peak {one['peak']:.0f} MB, {one['before']:.0f} MB before", flush=True)  # fmt: skip


def one(replicas: int, samples: int) -> None:
    """Print what one run of ten samples takes."""
    training, _ = ten()
    deep.limit(four()[0], size=Size(256, 2, 1e-3))
    before, wall = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3, time.perf_counter()
    found, seconds = timed(lambda: deep.limit(training, size=Size(samples, replicas, 3e-5)))
    wall = time.perf_counter() - wall
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3
    print(json.dumps({"seconds": seconds, "wall": wall, "peak": peak, "before": before, "rank": found.attrs["rank"]}))


def scaling() -> None:
    """Print cost and rank while one number doubles, and the exponent of the cost."""
    deep.limit(four()[0], size=Size(256, 2, 1e-3))
    cases: dict[str, list[tuple[int, Callable[[], Any]]]] = {
        "samples S": [(s, lambda s=s: deep.limit(ten()[0], size=Size(s, 1, 1e-4))) for s in (1000, 2000, 4000, 8000)],
        "steps T": [(t, lambda t=t: deep.limit(ten(t)[0], size=Size(1024, 1, 1e-4))) for t in (150, 300, 600)],
        "data P": [(p, lambda p=p: deep.limit(circle(p, 60), size=Size(1024, 1, 1e-4))) for p in (20, 40, 80, 160)],
    }
    for name, runs in cases.items():
        seconds, ranks = [], []
        for number, work in runs:
            found, first = timed(work)
            seconds.append(min(first, timed(work)[1]))
            ranks.append(found.attrs["rank"])
            print(f"{name} {number:6d}: {seconds[-1]:.2f} CPU-s, rank {ranks[-1]}", flush=True)
        x = np.log([number for number, _ in runs])
        print(f"{name}: exponent {np.polyfit(x, np.log(seconds), 1)[0]:.2f}, of the rank "
              f"{np.polyfit(x, np.log(ranks), 1)[0]:.2f}", flush=True)  # fmt: skip


def fixed_points() -> list[dict[str, Any]]:
    """Return rows of the fixed point on the toy, and print how the loss at step 10 settles."""
    x, y = np.random.RandomState(0).randn(25, 4), np.array([-1.0, -1.0, 1.0, 1.0])
    toy, rows = Toy(x.T @ x / 25, y, 3, 20, 0.3, 1.0, scaled_tanh()), []
    for paths, count in ((100, 8), (300, 5), (1000, 3)):
        ends, start = [], time.process_time()
        for seed in range(count):
            states = solve(toy, paths=paths, iterations=12, seed=seed)
            losses = [np.mean(state.delta.reshape(20, 4)[10] ** 2) for state in states]
            ends.append(losses[-1] / FLOW_EULER - 1.0)
        seconds = (time.process_time() - start) / count
        print(f"fixed point, {paths} paths: loss at step 10 after 2, 4, .. 12 iterations {np.round(losses[1::2], 4)}, "
              f"{seconds:.1f} CPU-s", flush=True)  # fmt: skip
        rows.append(
            _row("four", "fixed point", paths, seconds, np.array(ends), 1, 80, FLOW_EULER_ERROR / FLOW_EULER)
            | {"answers": count}
        )
    return rows


def fixed() -> None:
    """Print the ratio of costs at an error of 1 %: both errors fall as the square root of the cost."""
    rows = fixed_points()
    march = marched("four", four, 1024, 12, 1e-4, truth(four, Size(4096, 16, 1e-6)))
    for row in (*rows, march):
        print(f"{row['method']} {row['size']}: {row['cpu_seconds']:.2f} CPU-s, error {100 * row['std']:.2f} %, "
              f"1 % for {_for_one_percent([row]):.2f} CPU-s", flush=True)  # fmt: skip
    print(f"ratio at equal error {_for_one_percent(rows) / _for_one_percent([march]):.0f}", flush=True)


def _for_one_percent(rows: list[dict[str, Any]]) -> float:
    """Return the cost of an error of 1 % by scatter alone, pooled over sizes."""
    freedom = [row.get("answers", 2) - 1 for row in rows]
    return float(np.average([row["cpu_seconds"] * (row["std"] / 0.01) ** 2 for row in rows], weights=freedom))


def truth(problem: Callable[[], tuple[ts.Training, Any]], size: Size) -> tuple[float, float]:
    """Return the training loss of the limit in the middle, and its relative error."""
    training, batches = problem()
    found = deep.limit(training, batches=batches, size=size, seed=1000).isel(step=1)
    return float(found.train_loss), float(found.train_loss_error / found.train_loss)


def marched(name: str, problem: Any, samples: int, answers: int, truncation: float, exact: Exact) -> dict[str, Any]:
    """Return the row of answers of two replicas each."""
    training, batches = problem()

    def all_of_them() -> list[Any]:
        size = Size(samples, 2, truncation)
        return [deep.limit(training, batches=batches, size=size, seed=s, threads=1) for s in range(answers)]

    found, seconds = timed(all_of_them)
    losses = np.array([float(each.train_loss[1]) for each in found]) / exact[0] - 1.0
    return _row(name, "march", samples, seconds / (2 * answers), losses, 2, found[0].attrs["rank"], exact[1])


def networks(name: str, problem: Any, width: int, replicas: int, exact: Exact) -> dict[str, Any]:
    """Return the row of networks of one width."""
    training, batches = problem()
    run, seconds = timed(lambda: ts.train(training.at_width(width), replicas=replicas, seed=width, batches=batches))
    losses = run.train_loss.values[1] / exact[0] - 1.0
    return _row(name, "networks", width, seconds / replicas, losses, 1, width, exact[1])


def _row(
    problem: str, method: str, size: int, seconds: float, errors: Any, each: int, rank: int, of_truth: float
) -> dict[str, Any]:
    """Return a row; `each` replicas made one of the relative errors."""
    std = float(np.std(errors, ddof=1))
    own = math.hypot(std / len(errors) ** 0.5, of_truth)
    values = (problem, method, size, seconds, float(np.mean(errors)), own, std * each**0.5, rank)
    return dict(zip(COLUMNS, values, strict=True))


REGIMES: dict[str, tuple[Any, Size, tuple[int, ...], float]] = {
    "four": (four, Size(4096, 16, 1e-6), (256, 512, 1024, 2048), 1e-4),
    "ten": (ten, Size(2048, 24, 1e-5), (768, 1024, 2048), 1e-4),
    "images": (images, Size(4096, 6, 1e-4), (2048, 4096), 1e-3),
}


ANSWERS = {"four": 16, "ten": 6, "images": 3}
NETWORKS = {64: 600, 128: 400, 256: 200, 512: 80, 1024: 16}


def curves(*names: str) -> None:
    """Measure the regimes and write their rows of the table."""
    for name in names or REGIMES:
        problem, best, sizes, truncation = REGIMES[name]
        exact, rows = truth(problem, best), fixed_points() if name == "four" else []
        rows += [marched(name, problem, s, ANSWERS[name], truncation, exact) for s in sizes]
        rows += [networks(name, problem, n, NETWORKS[n], exact) for n in NETWORKS]
        print(f"{name}: loss {exact[0]:.5f}, relative error {exact[1]:.4f}", *rows, sep="\n", flush=True)
        _write(name, rows)


def _write(name: str, rows: list[dict[str, Any]]) -> None:
    """Replace the rows of a problem in the table."""
    kept: list[dict[str, Any]] = []
    if TABLE.is_file():
        with TABLE.open(newline="") as file:
            kept = [row for row in csv.DictReader(file) if row["problem"] != name]
    with TABLE.open("w", newline="") as file:
        writer = csv.DictWriter(file, COLUMNS, lineterminator="\n", extrasaction="ignore")
        writer.writeheader()
        writer.writerows(kept)
        writer.writerows({k: f"{v:.4g}" if isinstance(v, float) else v for k, v in row.items()} for row in rows)


if __name__ == "__main__":
    if sys.argv[1:2] == ["--one"]:
        one(int(sys.argv[2]), int(sys.argv[3]))
    elif sys.argv[1:2] == ["curves"]:
        curves(*sys.argv[2:])
    else:
        for part in sys.argv[1:] or ["targets", "scaling", "fixed", "curves"]:
            {"targets": targets, "scaling": scaling, "fixed": fixed, "curves": curves}[part]()
