"""Small runs of every learning agent, as lists of numbers: the same on every device and for any number of threads."""

from __future__ import annotations

import numpy as np

from theorysim.games import learning


def answers(device: str, runs: int = 2) -> list[list[float]]:
    """Return regret and pulls of each agent, exact regret and moments, and imitation."""
    found = []
    for agent in ("thompson", "ucb1", "kl-ucb", "greedy", "bayes-optimal"):
        run = learning.bernoulli(agent, 4, means=[0.7, 0.4], runs=runs, seed=5, device=device)
        found += [run["regret"].values, run["pulls"].values]
    for agent in ("thompson", "ucb1", "greedy"):
        run = learning.gaussian(agent, 5, means=[0.3, 0.0, -0.4], runs=runs, seed=5, std=0.5, device=device)
        found += [run["regret"].values, run["pulls"].values]
    linear = learning.linucb(*learning.end_of_optimism(0.1), 5, runs=runs, seed=5, device=device)
    found += [linear["regret"].values, linear["pulls"].values]
    found.append(
        learning.ucb_vi(learning.river(3, 3), 2, runs=runs, seed=5, bonus=0.05, device=device)["regret"].values
    )
    for agent in ("thompson", "bayes-optimal"):
        problem = learning.BayesBandit(horizon=3, agent=agent)
        limit = learning.agents.limit(problem, device=device)
        found += [limit[name].values for name in ("regret", "regret_std", "best_pulls", "best_pulls_std")]
        found.append(learning.agents.finite(problem, replicas=runs, seed=2, device=device)["regret"].values)
        found.append(learning.imitation_gap(agent, 3, device=device)["gap"].values)
    found.append(learning.optimal_regret([3], device=device).values)
    return [np.asarray(values, float).ravel().tolist() for values in found]
