"""One choice of parameters for every built-in activation, for tests that run through all of them."""

from __future__ import annotations

from theorysim.equations.activations import NAMES, Activation, activation

PARAMETERS: dict[str, dict[str, object]] = {
    "leaky_relu": {"slope": 0.2},
    "erf": {"rate": 1.3},
    "sin": {"rate": 0.8, "phase": 0.4},
    "swish": {"beta": 1.7},
    "elu": {"alpha": 0.6},
    "abrelu": {"below": -0.3, "above": 0.9},
    "sign": {"derivative": "zero"},
    "step": {"derivative": "zero"},
    "rectified_monomial": {"degree": 2},
    "monomial": {"degree": 3},
    "hermite": {"degree": 3},
    "exp": {"scale": 0.7, "rate": 0.5},
    "rbf": {"gamma": 0.6},
    "gaussian": {"rate": 0.8},
}


def example(name: str) -> Activation:
    """Return an activation, with parameters that are not the default ones where it has any."""
    return activation(name, parameters=PARAMETERS.get(name))


def table(name: str) -> dict[str, object]:
    """Return the same as a table, as a problem is given it."""
    return {"name": name, **PARAMETERS.get(name, {})}


ALL = NAMES
