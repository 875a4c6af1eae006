"""Built-in activations with parameters, for ``MLP(activation=...)``; ``{name = "monomial", degree = 3}`` in TOML.

Those without parameters, and the default ones of the others, are given by their name alone.
"""

from __future__ import annotations

from typing import Literal

from theorysim.equations.activations import Activation, activation

Derivative = Literal["zero", "distribution"]


def leaky_relu(slope: float) -> Activation:
    """Return x for x > 0, else slope x."""
    return activation("leaky_relu", parameters={"slope": slope})


def abrelu(below: float, above: float) -> Activation:
    """Return above x for x > 0, else below x."""
    return activation("abrelu", parameters={"below": below, "above": above})


def elu(alpha: float = 1.0) -> Activation:
    """Return x for x > 0, else alpha (e^x - 1)."""
    return activation("elu", parameters={"alpha": alpha})


def swish(beta: float = 1.0) -> Activation:
    """Return x/(1 + e^(-beta x)); silu for beta = 1."""
    return activation("swish", parameters={"beta": beta})


def erf(rate: float = 1.0) -> Activation:
    """Return erf(rate x)."""
    return activation("erf", parameters={"rate": rate})


def sin(rate: float = 1.0, phase: float = 0.0) -> Activation:
    """Return sin(rate x + phase)."""
    return activation("sin", parameters={"rate": rate, "phase": phase})


def rbf(gamma: float = 1.0) -> Activation:
    """Return sqrt(2) sin(sqrt(2 gamma) x + pi/4), of kernel e^(-gamma |u - v|^2)."""
    return activation("rbf", parameters={"gamma": gamma})


def exp(scale: float = 1.0, rate: float = 1.0) -> Activation:
    """Return scale e^(rate x)."""
    return activation("exp", parameters={"scale": scale, "rate": rate})


def gaussian(rate: float = 1.0) -> Activation:
    """Return e^(-rate x^2)."""
    return activation("gaussian", parameters={"rate": rate})


def monomial(degree: int) -> Activation:
    """Return x^degree, degree 1 to 20."""
    return activation("monomial", parameters={"degree": degree})


def rectified_monomial(degree: int) -> Activation:
    """Return x^degree for x > 0, else 0, degree 1 to 20 (degree 0: `step`)."""
    return activation("rectified_monomial", parameters={"degree": degree})


def hermite(degree: int) -> Activation:
    """Return the Hermite polynomial He_degree(x)/sqrt(degree!), degree 1 to 20, orthonormal at variance 1."""
    return activation("hermite", parameters={"degree": degree})


def sign(derivative: Derivative | None = None) -> Activation:
    """Return 1 for x > 0, -1 for x < 0, and how its jump counts in the derivative.

    Parameters
    ----------
    derivative : "zero", "distribution" or None
        "zero": the derivative almost everywhere, so that only the readout learns. "distribution": 2 delta(x), the
        limit of steep smooth functions, whose tangent kernel exists between different inputs alone. None: there is
        no tangent kernel and no training.
    """
    return activation("sign", parameters={"derivative": derivative})


def step(derivative: Derivative | None = None) -> Activation:
    """Return 1 for x > 0, 0 for x < 0; `derivative` as for `sign`."""
    return activation("step", parameters={"derivative": derivative})
