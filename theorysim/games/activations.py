"""What an activation is to a game: the range of its slopes, computed, and whose proximal map it is.

    rho = prox_f (f proper, closed, convex)  <=>  0 <= rho' <= 1
    rho is alpha-averaged, alpha = (1 - d)/2, where d <= rho' <= 1 and d >= -1

Model    One number in, one out; networks apply it to each unit.
Limit    None: the range is that of the function itself.
Valid    Any activation. relu, leaky relu, tanh, sigmoid, softplus, elu and the like are proximal; GELU, SiLU, Mish and
         SELU are not: their slopes leave [0, 1].
Error    Ends of the range to 1e-9 of its size: a grid over 300 orders of magnitude, golden-section refinement, and the
         slopes at large arguments.
Sources  [Combettes2020], [Bauschke2017]. Proof: derivations/proximal.py.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from theorysim.equations import proximal
from theorysim.equations.activations import NAMES, Activation, _bound, almost_everywhere
from theorysim.equations.activations import activation as built_in
from theorysim.errors import ProblemError
from theorysim.games.pointwise import loops
from theorysim.problem.validation import is_real, meant, shown

Array = NDArray[np.float64]
FAR = 1e6
"""Arguments to which slopes are scanned (sines lose their digits beyond)."""
_ROUNDING = 1e-9


@dataclass(frozen=True)
class Slopes:
    """The range of the slopes of an activation.

    Attributes
    ----------
    low, high : float
        Infimum and supremum of rho'; infinite where the function jumps or grows faster than linearly.
    name : str
        The activation.
    """

    low: float
    high: float
    name: str

    @property
    def lipschitz(self) -> float:
        """The Lipschitz constant max |rho'|."""
        return max(abs(self.low), abs(self.high))

    @property
    def proximal(self) -> bool:
        """Whether rho is the proximal map of a convex function: slopes in [0, 1]."""
        return self.low >= -_ROUNDING and self.high <= 1.0 + _ROUNDING

    @property
    def averagedness(self) -> float:
        """The smallest alpha for which rho is alpha-averaged; NaN where it is not nonexpansive.

        1/2 for a proximal map with slopes from 0 to 1, 1 for one that is only nonexpansive.
        """
        inside = self.high <= 1.0 + _ROUNDING and self.low >= -1.0 - _ROUNDING
        return min(1.0, 0.5 * (1.0 - self.low)) if inside else math.nan


def checked_proximal(activation: Activation) -> Slopes:
    """Return the slopes of an activation that is a proximal map.

    Raises
    ------
    ProblemError
        If its slopes leave [0, 1], with their range.
    """
    found = slopes(activation)
    if not found.proximal:
        raise ProblemError(
            f"games: `activation` must be a proximal map (slopes in [0, 1]), got {activation.name} with slopes in "
            f"[{found.low:.4g}, {found.high:.4g}]"
        )
    return found


@cache
def slopes(activation: Activation) -> Slopes:
    """Return the range of the slopes of an activation, measured.

    Parameters
    ----------
    activation : Activation
        Built in, named by `named`, or the user's own.
    """
    activation = almost_everywhere(activation)
    x = _grid()
    value, slope = np.empty_like(x), np.empty_like(x)
    loops(activation).value(x, value)
    loops(activation).slope(x, slope)
    kept = np.isfinite(value) & np.isfinite(slope)  # exponentials overflow, sines lose their digits
    x, value, slope = x[kept], value[kept], slope[kept]
    with np.errstate(over="ignore"):
        chords = np.diff(value) / np.diff(x)
    ends = [_refined(activation, x, sign * slope, sign) for sign in (-1.0, 1.0)]
    low, high = -ends[0], ends[1]
    # A chord steeper than every slope is a jump; one that is as steep within rounding is not.
    jump = np.abs(np.diff(value)) > 1e-6
    size = 1e-6 + 1e-3 * max(abs(low), abs(high))
    low = -math.inf if np.any(jump & (chords < low - size)) else low
    high = math.inf if np.any(jump & (chords > high + size)) else high
    for end in (0, -1):  # still growing like a power at the far ends
        if abs(slope[end]) > 10.0 * max(1.0, abs(slope[np.argmin(np.abs(x - 1e-3 * x[end]))])):
            low, high = (-math.inf, high) if slope[end] < 0.0 else (low, math.inf)
    return Slopes(float(low), float(high), activation.name)


@cache
def _grid() -> Array:
    """Return arguments: every 0.0004 up to 40, and 400 to a decade from 1e-12 to `FAR`, both signs."""
    fine = np.linspace(0.0, 40.0, 100_001)[1:]
    wide = np.geomspace(1e-12, FAR, 7200)
    half = np.unique(np.concatenate([fine, wide]))
    return np.concatenate([-half[::-1], half])


def _refined(activation: Activation, x: Array, signed: Array, sign: float) -> float:
    """Return the largest of signed slopes: golden-section search around the best grid points."""
    best = float(signed.max())
    inner = np.flatnonzero((signed[1:-1] >= signed[:-2]) & (signed[1:-1] >= signed[2:])) + 1
    near = inner[np.abs(x[inner]) < 39.0]  # where the grid is fine
    tops = (some[np.argsort(signed[some])[-5:]] for some in (inner, near))
    for top in np.concatenate(list(tops)):
        best = max(best, _golden(lambda t: sign * activation.derivative(t), x[top - 1], x[top + 1]))
    return best


def _golden(function: Callable[[float], float], low: float, high: float) -> float:
    ratio = 0.5 * (math.sqrt(5.0) - 1.0)
    best = -math.inf
    for _ in range(60):
        left, right = high - ratio * (high - low), low + ratio * (high - low)
        f_left, f_right = function(left), function(right)
        best = max(best, f_left, f_right)
        low, high = (low, right) if f_left > f_right else (left, high)
    return best


def named(name: str, parameters: dict[str, float] | None = None) -> Activation:
    """Return an activation by name: those of networks, and hardtanh, relu6, soft_threshold, arctan, isru, softsign.

    Parameters
    ----------
    name : str
    parameters : dict, optional
        ``threshold`` of soft_threshold; else as for the activations of networks (``slope`` of leaky_relu).
    """
    if name in _OWN:
        return _own(name, parameters or {})
    if name not in NAMES:
        known = (*_OWN, *NAMES)
        raise ProblemError(
            f"games: `activation` must be one of {', '.join(known)}; got {shown(name)}{meant(name, known)}"
        )
    return built_in(name, parameters=parameters or {})


_OWN: dict[str, tuple[Any, Any, tuple[float, ...]]] = {
    "hardtanh": (proximal.clip, proximal.clip_derivative, (-1.0, 1.0)),
    "relu6": (proximal.clip, proximal.clip_derivative, (0.0, 6.0)),
    "soft_threshold": (proximal.soft_threshold, proximal.soft_threshold_derivative, ()),
    "arctan": (proximal.arctan, proximal.arctan_derivative, ()),
    "isru": (proximal.isru, proximal.isru_derivative, ()),
    "softsign": (proximal.softsign, proximal.softsign_derivative, ()),
}


def _own(name: str, parameters: dict[str, float]) -> Activation:
    function, derivative, values = _OWN[name]
    wanted = {"threshold"} if name == "soft_threshold" else set()
    if set(parameters) != wanted:
        need = "its `threshold`" if wanted else "no parameters"
        raise ProblemError(f"games: {name} must be given {need}, got {sorted(parameters)}")
    threshold = parameters.get("threshold", 0.0)
    if not is_real(threshold) or threshold < 0.0:
        raise ProblemError(f"games: `threshold` must be a number of at least 0, got {shown(threshold)}")
    values = (float(threshold),) if wanted else values
    given = tuple(parameters.items())
    return Activation(name, _bound(function, values), _bound(derivative, values), None, given)


_POTENTIALS: dict[str, Callable[..., float]] = {
    "leaky_relu": proximal.leaky_relu_potential,
    "soft_threshold": proximal.soft_threshold_potential,
    "tanh": proximal.tanh_potential,
    "sigmoid": proximal.sigmoid_potential,
    "arctan": proximal.arctan_potential,
    "isru": proximal.isru_potential,
    "softsign": proximal.softsign_potential,
    "softplus": proximal.softplus_potential,
    "elu": proximal.elu_potential,
}
_INTERVALS = {"relu": (0.0, math.inf), "hardtanh": (-1.0, 1.0), "relu6": (0.0, 6.0), "linear": (-math.inf, math.inf)}
_RANGES = {
    "tanh": (-1.0, 1.0), "sigmoid": (0.0, 1.0), "arctan": (-1.0, 1.0), "isru": (-1.0, 1.0), "softsign": (-1.0, 1.0),
    "softplus": (0.0, math.inf),
}  # fmt: skip


def potential(activation: Activation) -> Callable[[float], float]:
    """Return the convex f with rho = prox_f, up to a constant; infinite outside its domain.

    Raises
    ------
    ProblemError
        If the activation is not a proximal map, or its f has no closed form here.
    """
    checked_proximal(activation)
    name = activation.name
    if name in _INTERVALS:
        low, high = _INTERVALS[name]
        return lambda y: 0.0 if low <= y <= high else math.inf
    if name not in _POTENTIALS:
        known = (*_INTERVALS, *_POTENTIALS)
        raise ProblemError(f"games: `activation` must have f in closed form ({', '.join(known)}), got {name}")
    formula, values = _POTENTIALS[name], tuple(value for _, value in activation.parameters)
    low, high = (-float(str(values[0])), math.inf) if name == "elu" else _RANGES.get(name, (-math.inf, math.inf))
    return lambda y: _inside(formula, y, low, high, values)


def _inside(formula: Callable[..., float], y: float, low: float, high: float, values: tuple[Any, ...]) -> float:
    open_edge = formula in (proximal.arctan_potential, proximal.softsign_potential)
    if not low <= y <= high or (open_edge and abs(y) >= 1.0):
        return math.inf
    return float(formula(y, *values))


def prox(activation: Activation, v: Any, scale: float) -> Array:
    """Return the proximal map of `scale` times f at v, where the activation is that of f; shape of `v`.

    Raises
    ------
    ProblemError
        If the activation is not a proximal map, or `scale` is not positive.
    """
    checked_proximal(activation)
    if not is_real(scale) or scale <= 0.0:
        raise ProblemError(f"games: `scale` must be a positive number, got {shown(scale)}")
    place = np.asarray(v, float)
    flat = np.ascontiguousarray(place.ravel())
    out, steep = np.empty_like(flat), np.empty_like(flat)
    loops(activation).prox(flat, float(scale), out, steep)
    return out.reshape(place.shape)
