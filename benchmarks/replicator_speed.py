"""Population games: processor seconds against numpy and scipy, who take turns.

    python benchmarks/replicator_speed.py [--short]

`rps`    rock-paper-scissors, 10,000 starts times 10,000 Runge-Kutta steps: numpy on (n, 3) and on (3, n) arrays, the
         same formula in batches. numpy makes a twentieth of the steps and is scaled up.
`one`    one trajectory of 100 strategies, random payoffs, time 100: our adaptive method against LSODA
         (scipy.integrate.odeint), both at the loosest tolerance that meets an error of 1e-6 against rtol 1e-12.
`many`   1,000 trajectories of the same game, 1,000 Runge-Kutta steps: numpy batches with BLAS.

Everything on one thread (set OPENBLAS_NUM_THREADS=1); the best of five; beside each ratio stands the bar it was built
for. `--short` makes a tenth of the steps of `rps` and `many`: for machines that others use.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import scipy.integrate

from theorysim.games import PopulationGame, simulate

RPS = np.array([[0.0, -1.0, 1.0], [1.0, 0.0, -1.0], [-1.0, 1.0, 0.0]])
ROUNDS = 5


def game_of_100() -> tuple[np.ndarray, np.ndarray]:
    """Return payoffs, shape (100, 100), and a start."""
    rng = np.random.default_rng(0)
    a = rng.standard_normal((100, 100))
    x0 = 1.0 + 0.01 * rng.standard_normal(100)
    return a, x0 / x0.sum()


def rows_velocity(x: np.ndarray, a: np.ndarray) -> np.ndarray:
    """Return x' for x of shape (members, n)."""
    f = x @ a.T
    return x * (f - (x * f).sum(axis=1, keepdims=True))


def columns_velocity(x: np.ndarray, a: np.ndarray) -> np.ndarray:
    """Return x' for x of shape (n, members)."""
    f = a @ x
    return x * (f - (x * f).sum(axis=0))


def numpy_steps(velocity: Callable[..., Any], x: np.ndarray, a: np.ndarray, steps: int, h: float) -> np.ndarray:
    """Return x after Runge-Kutta steps."""
    for _ in range(steps):
        k1 = velocity(x, a)
        k2 = velocity(x + 0.5 * h * k1, a)
        k3 = velocity(x + 0.5 * h * k2, a)
        k4 = velocity(x + h * k3, a)
        x = x + h / 6.0 * (k1 + 2.0 * (k2 + k3) + k4)
    return x


def seconds(calls: dict[str, Callable[[], Any]], rounds: int = ROUNDS) -> dict[str, float]:
    """Return the least processor time of each, in turns, after a first call."""
    best = dict.fromkeys(calls, np.inf)
    for turn in range(rounds + 1):
        for name, call in calls.items():
            start = time.process_time()
            call()
            if turn:
                best[name] = min(best[name], time.process_time() - start)
    return best


def rps(share: float) -> None:
    members, steps = 10_000, int(10_000 * share)
    x0 = np.random.default_rng(0).dirichlet(np.ones(3), size=members)
    game, few = PopulationGame(payoffs=RPS), max(steps // 20, 10)
    columns = np.ascontiguousarray(x0.T)
    best = seconds({
        "ours": lambda: simulate(game, "replicator", x0, steps=steps, step=0.01, record=[steps], threads=1),
        "rows": lambda: numpy_steps(rows_velocity, x0, RPS, few, 0.01),
        "columns": lambda: numpy_steps(columns_velocity, columns, RPS, few, 0.01),
    })  # fmt: skip
    full, ours = 10_000 / steps, best["ours"]
    print(f"rps   ours {ours * full:.2f} s for 1e8 steps (bar 1.5)")
    for name, bar in (("rows", 15), ("columns", 5)):
        theirs = best[name] * steps / few
        print(f"      numpy {name:8} {theirs * full:6.1f} s: {theirs / ours:.1f} times (bar {bar})")


def one() -> None:
    a, x0 = game_of_100()
    game, time_ = PopulationGame(payoffs=a), 100.0

    def lsoda(rtol: float) -> np.ndarray:
        def velocity(x: np.ndarray, t: float) -> np.ndarray:
            f = a @ x
            return x * (f - x @ f)

        return np.asarray(
            scipy.integrate.odeint(velocity, x0, [0.0, time_], rtol=rtol, atol=rtol * 1e-2, mxstep=10**6)[-1]
        )

    def ours(rtol: float) -> np.ndarray:
        run = simulate(game, "replicator", x0, steps=1, step=time_, method="adaptive", rtol=rtol, atol=rtol * 1e-2,
                       record=[1], threads=1)  # fmt: skip
        return np.asarray(run["share"][0])

    exact = lsoda(1e-12)
    chosen = {}
    for name, solve in (("ours", ours), ("lsoda", lsoda)):
        errors = {r: float(np.abs(solve(r) - exact).max()) for r in 10.0 ** -np.arange(4.0, 10.0, 0.25)}
        chosen[name] = max(r for r, error in errors.items() if error <= 1e-6)
        print(f"one   {name}: rtol {chosen[name]:.1e}, error {errors[chosen[name]]:.1e}")
    best = seconds({"ours": lambda: ours(chosen["ours"]), "lsoda": lambda: lsoda(chosen["lsoda"])})
    print(f"      ours {1e3 * best['ours']:.1f} ms, LSODA {1e3 * best['lsoda']:.1f} ms: "
          f"{best['lsoda'] / best['ours']:.2f} times (bar 1)")  # fmt: skip


def many(share: float) -> None:
    a, x0 = game_of_100()
    steps, h = int(1000 * share), 0.01
    starts = np.tile(x0, (1000, 1)) * np.exp(0.01 * np.random.default_rng(1).standard_normal((1000, 100)))
    starts /= starts.sum(axis=1, keepdims=True)
    game, columns = PopulationGame(payoffs=a), np.ascontiguousarray(starts.T)
    best = seconds({
        "ours": lambda: simulate(game, "replicator", starts, steps=steps, step=h, record=[steps], threads=1),
        "rows": lambda: numpy_steps(rows_velocity, starts, a, steps, h),
        "columns": lambda: numpy_steps(columns_velocity, columns, a, steps, h),
    }, rounds=3)  # fmt: skip
    print(f"many  ours {best['ours'] / share:.2f} s for 1e6 steps of 100 strategies")
    for name in ("rows", "columns"):
        print(f"      numpy {name:8} {best[name] / share:.2f} s: {best[name] / best['ours']:.2f} times (bar 1)")


def main() -> None:
    """Print all measurements."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--short", action="store_true", help="a tenth of the steps")
    share = 0.1 if parser.parse_args().short else 1.0
    rps(share)
    one()
    many(share)


if __name__ == "__main__":
    main()
