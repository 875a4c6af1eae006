"""What a network game is made of: weights, biases and activations that fit, and how the output is fed back."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from theorysim.equations.activations import Activation
from theorysim.errors import ProblemError
from theorysim.games.activations import named
from theorysim.problem.validation import one_of, shown

Array = NDArray[np.float64]
Tying = Literal["cyclic", "equilibrium", "unrolled"]


@dataclass(frozen=True, eq=False)
class Layers:
    """Layers of a network.

    Attributes
    ----------
    weights : tuple of ndarray, shapes (n_l, n_{l-1})
    biases : tuple of ndarray, shapes (n_l,)
    activations : tuple of Activation
    """

    weights: tuple[Array, ...]
    biases: tuple[Array, ...]
    activations: tuple[Activation, ...]


def layers_of(weights: Any, biases: Any, activations: Any) -> Layers:
    """Return layers as stated by a user; one activation stands for all, biases may be left out.

    Raises
    ------
    ProblemError
        If shapes do not fit, numbers are not finite, or an activation is unknown.
    """
    matrices = tuple(_matrix(f"weights[{i}]", w) for i, w in enumerate(weights))
    if not matrices:
        raise ProblemError("games.NetworkGame: `weights` must hold at least one layer, got none")
    shifts = (None,) * len(matrices) if biases is None else tuple(biases)
    names = [activations] if isinstance(activations, str | Activation) else list(activations)
    names = names * len(matrices) if len(names) == 1 else names
    for name, given in (("biases", shifts), ("activations", names)):
        if len(given) != len(matrices):
            raise ProblemError(f"games.NetworkGame: `{name}` must hold {len(matrices)}, got {len(given)}")
    for i, (below, above) in enumerate(pairwise(matrices), start=1):
        if above.shape[1] != below.shape[0]:
            raise ProblemError(
                f"games.NetworkGame: `weights[{i}]` must have {below.shape[0]} columns, got shape {above.shape}"
            )
    vectors = tuple(_vector(f"biases[{i}]", b, len(matrices[i])) for i, b in enumerate(shifts))
    return Layers(matrices, vectors, tuple(map(_activation, names)))


def checked_tying(weights: Sequence[Array], tying: Tying, inputs: Any) -> Array | None:
    """Return the input of an unrolled network; None where the output is fed back and fits."""
    if tying not in get_args(Tying):
        raise ProblemError(f"games.NetworkGame: `tying` {one_of(tying, get_args(Tying))}")
    fed = weights[0].shape[1]
    if tying == "unrolled":
        given = np.shape(inputs) if inputs is not None else None
        if given != (fed,):
            raise ProblemError(f"games.NetworkGame: `inputs` must have shape ({fed},) when unrolled, got {given}")
        return _vector("inputs", inputs, fed)
    if inputs is not None:
        raise ProblemError(f"games.NetworkGame: `inputs` must be None when {tying}: the output is fed back")
    if tying == "equilibrium" and len(weights) != 1:
        raise ProblemError(f"games.NetworkGame: `weights` must hold one tied layer, got {len(weights)}")
    if len(weights[-1]) != fed:
        raise ProblemError(
            f"games.NetworkGame: `weights` must feed {fed} outputs back as inputs, got {len(weights[-1])} "
            '(for a feed-forward network: tying="unrolled" with `inputs`)'
        )
    return None


def _activation(value: Any) -> Activation:
    if isinstance(value, Activation):
        return value
    if isinstance(value, str):
        return named(value)
    raise ProblemError(f"games.NetworkGame: `activations` must be names or activations, got {shown(value)}")


def _matrix(name: str, value: Any) -> Array:
    array = np.array(value, dtype=float)
    if array.ndim != 2 or 0 in array.shape or not np.all(np.isfinite(array)):
        raise ProblemError(f"games.NetworkGame: `{name}` must be a finite matrix, got shape {array.shape}")
    return array


def _vector(name: str, value: Any, size: int) -> Array:
    array = np.zeros(size) if value is None else np.array(value, dtype=float)
    if array.shape != (size,) or not np.all(np.isfinite(array)):
        raise ProblemError(f"games.NetworkGame: `{name}` must hold {size} finite numbers, got shape {array.shape}")
    return array
