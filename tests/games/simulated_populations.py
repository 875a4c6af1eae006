"""Run by test_simulate in a process of its own: populations on numba's CUDA simulator, printed as JSON."""

from __future__ import annotations

import json

from tests.games.population_examples import matching_pennies, members, rock_paper_scissors
from theorysim.games import PopulationGame, simulate
from theorysim.games.populations import Agents, finite


def cases(device: str) -> list[list[float]]:
    """Return the last shares of a few runs, flattened."""
    rps, two = rock_paper_scissors(), matching_pennies()
    pairs = (members(3, 2, 1), members(3, 2, 2))
    runs = [
        simulate(rps, "replicator", members(3, 3), steps=5, step=0.1, device=device),
        simulate(two, "replicator", pairs, steps=3, step=0.1, device=device),
        simulate(rps, "logit", members(2, 3), steps=3, step=0.1, noise=0.3, device=device),
        simulate(rps, "replicator", members(2, 3), steps=2, step=0.5, method="adaptive", rtol=1e-6, device=device),
        simulate(two, "stochastic-fictitious-play", pairs, steps=6, noise=0.3, seed=4, device=device),
    ]
    game = PopulationGame(payoffs=rps.matrix)
    agents = [
        finite(Agents(game=game, protocol=name, agents=10, start=[0.5, 0.3, 0.2], rounds=2, record=[2],
                      noise=0.5 if name == "logit" else None), replicas=3, seed=1, device=device)
        for name in ("logit", "imitation")
    ]  # fmt: skip
    return [run["share"].values[-1].ravel().tolist() for run in [*runs, *agents]]


if __name__ == "__main__":
    print(json.dumps(cases("cuda")))
