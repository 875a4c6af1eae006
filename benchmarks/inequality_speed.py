"""Extragradient steps on an affine variational inequality in a box, n = 200: what a step costs.

    python benchmarks/inequality_speed.py

Interleaved in one process, microseconds of processor time per step, best of 15: `games.solve` with its history, the
compiled march alone, the plain double loop compiled, and numpy with `np.clip` as projection (the inner loop of packages
written in numpy). Prints how far each is from the known solution, too.
"""

from __future__ import annotations

import time
from collections.abc import Callable

import numpy as np
from numba import njit
from numpy.typing import NDArray

from theorysim import games
from theorysim.backend.linalg import single_thread
from theorysim.solvers.box_inequality import march_in_box

Array = NDArray[np.float64]
SIZE, STEPS, TURNS = 200, 1000, 15


def problem() -> tuple[Array, Array, Array]:
    """Return M, q and the solution of F(z) = M z + q on [-1, 1]^n."""
    rng = np.random.default_rng(0)
    twist = rng.standard_normal((SIZE, SIZE)) / np.sqrt(SIZE)
    matrix = 0.1 * np.eye(SIZE) + twist - twist.T
    solution = np.clip(rng.standard_normal(SIZE), -1, 1)
    push = np.where(solution >= 1, -rng.random(SIZE), np.where(solution <= -1, rng.random(SIZE), 0))
    return matrix, push - matrix @ solution, solution


@njit(fastmath=True)  # type: ignore[untyped-decorator, unused-ignore]
def plain(matrix, shift, a, steps):  # type: ignore[no-untyped-def]
    """Run the steps as one writes them down."""
    n = len(shift)
    z, y, after = np.zeros(n), np.empty(n), np.empty(n)
    for _ in range(steps):
        for source, target in ((z, y), (y, after)):
            for i in range(n):
                force = shift[i]
                for j in range(n):
                    force += matrix[i, j] * source[j]
                target[i] = min(max(z[i] - a * force, -1.0), 1.0)
        z[:] = after
    return z


def clipped(matrix: Array, shift: Array, a: float, steps: int) -> Array:
    """Run the steps in numpy."""
    z = np.zeros(len(shift))
    for _ in range(steps):
        y = np.clip(z - a * (matrix @ z + shift), -1, 1)
        z = np.clip(z - a * (matrix @ y + shift), -1, 1)
    return z


def main() -> None:
    matrix, shift, solution = problem()
    a, ends = 0.9 / float(np.linalg.norm(matrix, 2)), (-np.ones(SIZE), np.ones(SIZE))
    game = games.VariationalInequality(dimension=SIZE, matrix=matrix, shift=shift, over=games.box(-1, 1))

    def solved() -> Array:
        run = games.solve(game, method="extragradient", step=a, steps=STEPS, tolerance=0.0, reference=solution)
        return np.asarray(run["position"].values[-1])

    def marched() -> Array:
        return march_in_box("extragradient", (matrix, shift), ends, np.zeros(SIZE), step=a, steps=STEPS,
                            tolerance=0.0, keep=False)[0][-1]  # fmt: skip

    runs: dict[str, Callable[[], Array]] = {
        "theorysim, with history": solved,
        "theorysim, the march": marched,
        "plain loops, compiled": lambda: plain(matrix, shift, a, STEPS),
        "numpy": lambda: clipped(matrix, shift, a, STEPS),
    }
    best = dict.fromkeys(runs, np.inf)
    for run in runs.values():
        run()
    for _ in range(TURNS):
        for name, run in runs.items():
            start = time.process_time()
            with single_thread():
                run()
            best[name] = min(best[name], time.process_time() - start)
    ours = best["theorysim, the march"]
    for name, run in runs.items():
        away = float(np.abs(run() - solution).max())
        print(f"{name:24} {best[name] / STEPS * 1e6:6.1f} us  {best[name] / ours:5.2f} times  off by {away:.1e}")


if __name__ == "__main__":
    main()
