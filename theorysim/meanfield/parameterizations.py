"""Which limit a parameterization has: the abc classification.

    W^l = n^-a_l w^l,  w^l_ij ~ N(0, n^-2b_l),  learning rate eta n^-c_l,   l = 1 .. L + 1

Limit    width n -> inf at fixed inputs, depth, steps and eta; SGD.
Valid    multilayer perceptrons with smooth activations and biases that follow the weights of the input layer.
Error    none: exponents are exact; `coordinate_check` measures them on finite networks.
Sources  [Yang2021]. Proof: derivations/scaling.py.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from theorysim.equations.scaling import feature_exponent
from theorysim.errors import ProblemError
from theorysim.problem.validation import is_real, one_of, plain, shown

Regime = Literal["unstable", "trivial", "kernel", "feature"]
_ROUNDING = 1e-9


@dataclass(frozen=True, kw_only=True)
class Scaling:
    """What an abc parameterization does as the width grows.

    Attributes
    ----------
    regime : str
        "unstable" (something diverges), "trivial" (the output never moves), "kernel" (features do not move) or
        "feature".
    r : float
        Features of the last hidden layer move by n^-r in a step.
    stable : bool
    reason : str
        The condition that decides, in one sentence.
    """

    regime: Regime
    r: float
    stable: bool
    reason: str


_EXPONENTS = {  # of the input layer, of other hidden layers, of the readout
    "standard": ((0.0, 0.0, 0.0), (0.0, 0.5, 0.5)),
    "ntk": ((0.0, 0.5, 0.5), (0.0, 0.0, 0.0)),
    "mup": ((-0.5, 0.0, 0.5), (0.5, 0.5, 0.5)),
}


def exponents(parameterization: str, depth: int) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Return a and b of a parameterization of `MLP` with `depth` hidden layers; its c is that of its learning rate.

    Parameters
    ----------
    parameterization : "standard", "ntk" or "mup"
    depth : int

    Raises
    ------
    ProblemError
        If there is no such parameterization, or no hidden layer.
    """
    if parameterization not in _EXPONENTS:
        raise ProblemError(f"abc: `parameterization` {one_of(parameterization, _EXPONENTS)}")
    if isinstance(depth, bool) or not isinstance(depth, int) or depth < 1:
        raise ProblemError(f"abc: `depth` must be a whole number of at least 1, got {shown(depth)}")
    a, b = ((first, *[middle] * (depth - 1), last) for first, middle, last in _EXPONENTS[parameterization])
    return a, b


def abc(a: Sequence[float], b: Sequence[float], c: float | Sequence[float]) -> Scaling:
    """Classify an abc parameterization.

    Parameters
    ----------
    a, b : sequences of L + 1 numbers
        Exponents of multiplier and standard deviation of each layer, input layer first.
    c : number, or sequence of L + 1 numbers
        Exponent of the learning rate, of all layers or of each.

    Returns
    -------
    Scaling

    Raises
    ------
    ProblemError
        If there are not two layers or more, the lengths differ, or something is no finite number.
    """
    given = {"a": plain(a), "b": plain(b), "c": plain(c)}
    layers = len(given["a"]) if isinstance(given["a"], tuple) else 0
    if is_real(given["c"]):
        given["c"] = (given["c"],) * layers
    for name, numbers in given.items():
        if not isinstance(numbers, tuple) or not all(is_real(one) for one in numbers):
            raise ProblemError(f"abc: `{name}` must be finite numbers, one for each layer, got {shown(numbers)}")
        if len(numbers) < 2 or len(numbers) != layers:
            least = f"{layers} numbers as `a`" if layers > 1 else "one number for each of 2 or more layers"
            raise ProblemError(f"abc: `{name}` must be {least}, got {len(numbers)}")
    a, b, rates = given.values()
    # a -> a + t, b -> b - t, c -> c - 2 t in one layer is the same network: rates become equal, c = 0
    multipliers = [one + 0.5 * rate for one, rate in zip(a, rates, strict=True)]
    spreads = [one - 0.5 * rate for one, rate in zip(b, rates, strict=True)]
    return _classified(multipliers, spreads)


def _classified(a: list[float], b: list[float]) -> Scaling:
    """Classify at c = 0."""
    slowest = min(2.0 * a[0] + 1.0, *(2.0 * one for one in a[1:-1])) if len(a) > 2 else 2.0 * a[0] + 1.0
    r = float(feature_exponent(a[-1], b[-1], 0.0, slowest))
    output, update = a[-1] + b[-1], 2.0 * a[-1]
    hidden = [one + other for one, other in zip(a[1:-1], b[1:-1], strict=True)]
    broken = [
        text
        for holds, text in (
            (abs(a[0] + b[0]) < _ROUNDING, f"features of the first layer start at n^{-(a[0] + b[0]):g}"),
            (all(abs(one - 0.5) < _ROUNDING for one in hidden), "features of a hidden layer do not start at order 1"),
            (output >= 0.5 - _ROUNDING, f"the output starts at n^{0.5 - output:g}"),
            (r >= -_ROUNDING, f"features move by n^{-r:g} in a step"),
            (update >= 1.0 - _ROUNDING, f"the readout moves the output by n^{1.0 - update:g} in a step"),
            (output + r >= 1.0 - _ROUNDING, f"features move the output by n^{1.0 - output - r:g} in a step"),
        )
        if not holds
    ]
    if broken:
        return Scaling(regime="unstable", r=r, stable=False, reason=broken[0])
    if min(update, output + r) > 1.0 + _ROUNDING:
        text = f"the output moves by n^{1.0 - min(update, output + r):g} in a step"
        return Scaling(regime="trivial", r=r, stable=True, reason=text)
    if r > _ROUNDING:
        return Scaling(regime="kernel", r=r, stable=True, reason=f"features move by n^{-r:g} in a step")
    return Scaling(regime="feature", r=max(r, 0.0), stable=True, reason="features move by order 1 in a step")
