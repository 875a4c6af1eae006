"""How slowly regret can grow: slopes in log n of consistent policies, and the minimax bound.

    Lai-Robbins   liminf R_n/log n >= C = sum over arms with gap Delta > 0 of Delta/KL(arm, best arm)
    minimax       for every policy and n >= k - 1 some k unit Gaussian arms give R_n >= sqrt((k - 1) n)/27

C is an asymptotic slope, of policies that are good on every bandit: never a bound at a finite n. Thompson sampling on
Bernoulli arms (.9, .8) has regret 2.6 at n = 100, C log n is 10.4; 10 at n = 10^4, C log n is 20.7. Plot slopes, not
levels.

Sources  [Lai1985], [Lattimore2020]. Proof: derivations/bandits.py.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import xarray as xr

from theorysim.equations import bandits
from theorysim.errors import ProblemError
from theorysim.games.learning.arguments import means_of, positive, whole
from theorysim.problem.validation import one_of

LAWS = ("bernoulli", "gaussian")


def lai_robbins(means: Sequence[float], *, law: str = "bernoulli", std: float = 1.0) -> xr.DataArray:
    """Return C, the smallest slope of regret in log n that a consistent policy can have as n -> infinity.

    Parameters
    ----------
    means : sequence of float
        Of all arms; Bernoulli means in [0, 1].
    law : "bernoulli" or "gaussian"
    std : float
        Standard deviation of a reward of Gaussian arms.

    Returns
    -------
    DataArray
        A number. ``attrs["meaning"]`` repeats that it bounds no finite n.

    Raises
    ------
    ProblemError
        For an unknown law, or a mean out of range.
    """
    where = "lai_robbins"
    if law not in LAWS:
        raise ProblemError(f"{where}: `law` {one_of(law, LAWS)}")
    span = 1.0 if law == "bernoulli" else 1e100
    values = means_of(means, where=where, least=0.0 if law == "bernoulli" else -span, most=span)
    noise, best = positive(std, "std", where=where), float(values.max())
    slope = sum(_slope(float(p), best, law, noise) for p in values if p < best)
    return xr.DataArray(float(slope), name="lai_robbins", attrs={
        "units": "1", "long_name": "asymptotic slope of regret in log n", "symbol": "C", "law": law,
        "meaning": "liminf of regret/log n; no lower bound at any finite n",
    })  # fmt: skip


def _slope(mean: float, best: float, law: str, std: float) -> float:
    """Return Delta/KL; nothing where one reward of the best arm is certain and tells the arms apart at once."""
    if law == "gaussian":
        return bandits.gaussian_slope(best - mean, std)
    divergence = math.inf if best == 1.0 else bandits.bernoulli_divergence(mean, best)
    return (best - mean) / divergence


def minimax_bound(arms: int, horizon: int) -> float:
    """Return sqrt((k - 1) n)/27: no policy has less regret on all bandits of k unit Gaussian arms with means in [0, 1].

    Raises
    ------
    ProblemError
        Unless k >= 2 and n >= k - 1.
    """
    count = whole(arms, "arms", where="minimax_bound", least=2)
    return bandits.minimax_bound(count, whole(horizon, "horizon", where="minimax_bound", least=count - 1))
