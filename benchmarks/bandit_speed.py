"""Ensembles of bandit agents: processor time of compiled runs against plain numpy that is vectorised over runs.

    python benchmarks/bandit_speed.py

Bernoulli arms, regret at the end; numpy holds all runs in arrays and takes one step of all of them at a time, with
`Generator.beta` and `Generator.random`: the natural program without a compiler. Processor time of all threads, median
of several rounds in turns, after a first call of each. "apart" is the difference of the mean regrets in standard
errors. The last lines time the exact recursion of two arms, which needs no runs at all.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable

import numpy as np

from theorysim.games import learning

MEANS = {2: (0.9, 0.8), 10: tuple(np.linspace(0.9, 0.45, 10))}


def ours(agent: str, arms: int, horizon: int, runs: int) -> np.ndarray:
    found = learning.bernoulli(agent, horizon, means=MEANS[arms], runs=runs, seed=1, record=[horizon])
    return found["regret"].values[0]


def plain(agent: str, arms: int, horizon: int, runs: int) -> np.ndarray:
    """Return the regret of each run: numpy, one step of all runs at a time; ties are as good as never there."""
    rng, means, rows = np.random.default_rng(2), np.array(MEANS[arms]), np.arange(runs)
    pulls, wins = np.zeros((runs, arms)), np.zeros((runs, arms))
    for t in range(horizon):
        if agent == "thompson":
            values = rng.beta(1.0 + wins, 1.0 + pulls - wins)
        elif t < arms:
            values = rng.random((runs, arms)) - 10.0 * pulls
        else:
            values = wins / pulls + np.sqrt(2.0 * np.log(t) / pulls) + 1e-12 * rng.random((runs, arms))
        arm = values.argmax(axis=1)
        pulls[rows, arm] += 1.0
        wins[rows, arm] += rng.random(runs) < means[arm]
    return pulls @ (means.max() - means)


def timed(call: Callable[[], np.ndarray]) -> tuple[np.ndarray, float]:
    start = time.process_time()
    found = call()
    return found, time.process_time() - start


def compare(agent: str, arms: int, horizon: int, runs: int, rounds: int) -> str:
    programs = (ours, plain)
    for program in programs:
        program(agent, arms, 20, 10)
    seconds: dict[str, list[float]] = {program.__name__: [] for program in programs}
    answers = {}
    for _ in range(rounds):
        for program in programs:
            found, spent = timed(lambda p=program: p(agent, arms, horizon, runs))  # type: ignore[misc]
            answers[program.__name__] = found
            seconds[program.__name__].append(spent)
    one, two = (statistics.median(seconds[name]) for name in ("ours", "plain"))
    error = np.sqrt((answers["ours"].var() + answers["plain"].var()) / runs)
    apart = (answers["ours"].mean() - answers["plain"].mean()) / error
    step = 1e9 * one / (runs * horizon)
    return f"{agent:10} {arms:4} {horizon:6} {runs:6}  {one:8.3f} {step:8.0f} {two:8.3f} {two / one:6.1f} {apart:6.1f}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3)
    rounds = parser.parse_args().rounds
    print("agent      arms  pulls   runs    ours/s  ns/step  numpy/s  ratio  apart")
    for agent, arms, horizon, runs in (
        ("thompson", 2, 1000, 2000), ("thompson", 2, 10_000, 200), ("thompson", 10, 1000, 1000),
        ("ucb1", 2, 1000, 2000), ("ucb1", 2, 10_000, 200), ("ucb1", 10, 1000, 1000),
    ):  # fmt: skip
        print(compare(agent, arms, horizon, runs, rounds), flush=True)
    print("\nexact recursion, CPU seconds")
    for agent, horizon in (("thompson", 100), ("thompson", 200), ("ucb1", 200)):
        learning.regret(agent, 5)
        print(f"{agent:10} {horizon:6} pulls  {timed(lambda: learning.regret(agent, horizon).values)[1]:.2f}")  # noqa: B023
    learning.optimal_regret(5)
    spent = timed(lambda: learning.optimal_regret(100).values)[1]
    print(f"{'least':10} {100:6} pulls  {spent:.2f} (all horizons)")


if __name__ == "__main__":
    main()
