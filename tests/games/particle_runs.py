"""A few small runs of every body of particles and noisy steps, on a device."""

from __future__ import annotations

from theorysim.games import descent_ascent, stochastic, torus_game


def runs(device: str) -> list[list[float]]:
    """Return the observables of two replicas after two steps."""
    found = []
    quadratic = descent_ascent.Problem(
        a=1.0, b=2.0, c=1.5, inverse_temperature=4.0, particles=2, step=0.1, steps=2, start_variance=1.0
    )
    found.append(descent_ascent.finite(quadratic, replicas=2, seed=1, device=device)["particle_variance"])
    payoff = [[0.0, 0.0, 0.5], [0.0, 2.0, 0.3], [0.2, -0.7, 1.0]]
    torus = torus_game.Problem(payoff=payoff, inverse_temperature=2.0, particles=2, step=0.1, steps=2)
    found.append(torus_game.finite(torus, replicas=2, seed=1, device=device)["harmonic"])
    for method in stochastic.METHODS:
        game = stochastic.Problem(matrix=[[0.5, 1.0], [-1.0, 0.5]], step=0.1, steps=2, method=method)
        found.append(stochastic.finite(game, replicas=2, seed=1, device=device)["position"])
    return [array.values.ravel().tolist() for array in found]
