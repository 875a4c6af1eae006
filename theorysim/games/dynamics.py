"""The table of dynamics: what each is called, its law, and where it comes from."""

from __future__ import annotations

from typing import NamedTuple


class Dynamics(NamedTuple):
    """A dynamics.

    Attributes
    ----------
    kind : str
        "flow" (of populations, in time), "rounds" (of players who learn), or "operator" (of differentiable games).
    law : str
        One step, or the velocity.
    source : str
        Key of the reference, empty for plain definitions.
    needs : tuple of str
        Arguments of `simulate` that must be given.
    """

    kind: str
    law: str
    source: str
    needs: tuple[str, ...] = ()


DYNAMICS: dict[str, Dynamics] = {
    "replicator": Dynamics("flow", "x_i' = x_i (F_i - x.F)", "Taylor1978", ("step",)),
    "best-response": Dynamics("flow", "x' = e_(first best) - x", "Gilboa1991", ("step",)),
    "logit": Dynamics("flow", "x' = softmax(F/noise) - x", "Fudenberg1998", ("step", "noise")),
    "projection": Dynamics("flow", "x' = F projected on the directions that leave no face", "Sandholm2010", ("step",)),
    "bnn": Dynamics("flow", "x_i' = k_i - x_i sum k, k_i = max(F_i - x.F, 0)", "Brown1950", ("step",)),
    "smith": Dynamics("flow", "x_i' = sum_j x_j max(F_i - F_j, 0) - x_i max(F_j - F_i, 0)", "Smith1984", ("step",)),
    "fictitious-play": Dynamics("rounds", "x+ = x + (e_(first best) - x)/(weight + k + 1)", "Brown1951"),
    "smoothed-fictitious-play": Dynamics(
        "rounds", "x+ = x + (softmax(F/noise) - x)/(weight + k + 1)", "Fudenberg1998", ("noise",)
    ),
    "stochastic-fictitious-play": Dynamics(
        "rounds", "x+ = x + (e_a - x)/(weight + k + 1), a drawn from softmax(F/noise)", "Fudenberg1998", ("noise",)
    ),
    "discrete-logit": Dynamics("rounds", "x+ = softmax(F/noise)", "Fudenberg1998", ("noise",)),
    "multiplicative-weights": Dynamics(
        "rounds", "x_i+ = x_i e^(step F_i)/sum: entropic mirror descent and FTRL", "Freund1999", ("step",)
    ),
    "optimistic-multiplicative-weights": Dynamics(
        "rounds", "the same with 2 F_k - F_(k-1) for F", "Daskalakis2019", ("step",)
    ),
    "projected-gradient": Dynamics("rounds", "x+ = P(x + step F): mirror descent, squares", "Zinkevich2003", ("step",)),
    "dual-averaging": Dynamics("rounds", "x+ = P(x_0 + step sum F): FTRL with squares", "Nesterov2009", ("step",)),
    "regret-matching": Dynamics("rounds", "r+ = r + F - x.F; x+ = max(r+, 0)/sum", "Hart2000"),
    "regret-matching-plus": Dynamics("rounds", "r+ = max(r + F - x.F, 0); x+ = r+/sum", "Tammelin2014"),
    "synchronous-best-response": Dynamics("rounds", "x+ = e_(first best)", ""),
    "asynchronous-best-response": Dynamics("rounds", "the same for one population drawn at random", ""),
    "delayed-best-response": Dynamics("rounds", "the same to the payoffs of `delay` rounds before", ""),
    "gradient-descent-ascent": Dynamics("operator", "z+ = z - step F(z)", "", ("step",)),
    "alternating-gradient-descent-ascent": Dynamics(
        "operator", "one player after another, F at the newest z", "Gidel2019", ("step",)
    ),
    "negative-momentum": Dynamics(
        "operator", "one player after another, z_i+ = z_i - step F_i + strength (z_i - z_i of the last round)",
        "Gidel2019", ("step", "strength"),
    ),
    "extragradient": Dynamics("operator", "z+ = z - step F(z - step F(z))", "Korpelevich1976", ("step",)),
    "optimistic-gradient": Dynamics("operator", "z+ = z - step (2 F(z) - F of the last round)", "Popov1980", ("step",)),
    "proximal-point": Dynamics("operator", "z+ = z - step F(z+), F affine", "Rockafellar1976", ("step",)),
    "consensus": Dynamics("operator", "z+ = z - step (F + strength J^T F)", "Mescheder2017", ("step", "strength")),
    "symplectic-gradient-adjustment": Dynamics(
        "operator", "z+ = z - step (F + strength A^T F), A = (J - J^T)/2", "Balduzzi2018", ("step", "strength")
    ),
}  # fmt: skip
"""Every dynamics of `simulate`, by name."""
