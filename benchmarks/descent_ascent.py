"""Particles of descent-ascent: processor nanoseconds per particle and step, against plain numpy, and the exponent in N.

    python benchmarks/descent_ascent.py

Quadratic payoff: a x^2/2 + c x y - b y^2/2 through the means of both sides; torus: five features a side. numpy runs
the same steps with `default_rng` normals, all particles of a replica in one array. The last columns are the general
payoff by a double sum over particles, which is O(N^2) and what features avoid. One thread, best of three.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import numpy as np

from theorysim.games import descent_ascent, torus_game

A, B, C, BETA, H, STEPS = 1.0, 2.0, 1.5, 4.0, 0.02, 50
SIZES = (100, 1000, 10_000, 100_000)
TABLE = np.zeros((5, 5))
TABLE[1, 1], TABLE[2, 2], TABLE[3, 2], TABLE[0, 2] = 2.0, 1.0, 0.7, 0.6


def seconds(call: Callable[[], Any]) -> float:
    """Return the least processor time of three calls after a first one."""
    call()
    times = []
    for _ in range(3):
        start = time.process_time()
        call()
        times.append(time.process_time() - start)
    return min(times)


def quadratic(particles: int) -> Callable[[], Any]:
    """Return our run of one replica."""
    problem = descent_ascent.Problem(
        a=A, b=B, c=C, inverse_temperature=BETA, particles=particles, step=H, steps=STEPS, scheme="euler",
        record=[STEPS],
    )  # fmt: skip
    return lambda: descent_ascent.finite(problem, replicas=1, seed=0)


def torus(particles: int) -> Callable[[], Any]:
    """Return our run of one replica on the torus."""
    problem = torus_game.Problem(
        payoff=TABLE, inverse_temperature=BETA, particles=particles, step=H, steps=STEPS, record=[STEPS]
    )
    return lambda: torus_game.finite(problem, replicas=1, seed=0)


def numpy_quadratic(particles: int) -> Callable[[], Any]:
    """Return the same in numpy."""

    def run() -> Any:
        rng = np.random.default_rng(0)
        x, y = np.zeros(particles), np.zeros(particles)
        noise = np.sqrt(2.0 * H / BETA)
        for _ in range(STEPS):
            mx, my = x.mean(), y.mean()
            x, y = (
                x - H * (A * x + C * my) + noise * rng.standard_normal(particles),
                y + H * (C * mx - B * y) + noise * rng.standard_normal(particles),
            )
        return x, y

    return run


def numpy_torus(particles: int, pairwise: str) -> Callable[[], Any]:
    """Return the torus in numpy: by features, or by a double sum."""
    weights = TABLE[1:, 1:]

    def waves(x: Any) -> tuple[Any, Any]:
        c, s, c2, s2 = np.cos(x), np.sin(x), np.cos(2 * x), np.sin(2 * x)
        return np.stack([c, s, c2, s2]), np.stack([-s, c, -2 * s2, 2 * c2])

    def forces(x: Any, y: Any) -> tuple[Any, Any]:
        (px, dx), (py, dy) = waves(x), waves(y)
        if pairwise == "features":
            down = (TABLE[1:, 0] + weights @ py.mean(axis=1)) @ dx
            up = (TABLE[0, 1:] + px.mean(axis=1) @ weights) @ dy
        else:
            down = (dx.T @ weights @ py).mean(axis=1) + TABLE[1:, 0] @ dx
            up = (px.T @ weights @ dy).mean(axis=0) + TABLE[0, 1:] @ dy
        return down, up

    def run() -> Any:
        rng = np.random.default_rng(0)
        x, y = rng.uniform(0, 2 * np.pi, (2, particles))
        noise = np.sqrt(2.0 * H / BETA)
        for _ in range(STEPS):
            down, up = forces(x, y)
            x = np.mod(x - H * down + noise * rng.standard_normal(particles), 2 * np.pi)
            y = np.mod(y + H * up + noise * rng.standard_normal(particles), 2 * np.pi)
        return x, y

    return run


def main() -> None:
    """Print nanoseconds per particle of a side and step, and exponents."""
    rows = {
        "quadratic ours": quadratic, "quadratic numpy": numpy_quadratic, "torus ours": torus,
        "torus numpy features": lambda n: numpy_torus(n, "features"),
        "torus numpy pairs": lambda n: numpy_torus(n, "pairs"),
    }  # fmt: skip
    for name, make in rows.items():
        sizes = [n for n in SIZES if n <= (1000 if "pairs" in name else SIZES[-1])]
        found = np.array([seconds(make(n)) for n in sizes])
        exponent = np.log(found[-1] / found[-2]) / np.log(sizes[-1] / sizes[-2])
        each = " ".join(f"N={n}: {1e9 * t / (2 * n * STEPS):7.1f}" for n, t in zip(sizes, found, strict=True))
        print(f"{name:22} {each}   exponent {exponent:.2f}")


if __name__ == "__main__":
    main()
