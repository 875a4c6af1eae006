"""A network as a game: layers (or units) are players, and the network's fixed points are its Nash equilibria.

    player l picks x_l to minimise f_l(x_l) + |x_l - W_l x_{l-1} - b_l|^2/2,   rho_l = prox_{f_l}
    best response = layer l:  x_l = rho_l(W_l x_{l-1} + b_l)
    equilibrium  <=>  z = rho(W z + b)  <=>  0 in (I - W) z - b + df(z)

Model    z = (x_1, .., x_L), W block-cyclic where the output is fed back as input (``tying="cyclic"``), square and full
         for one tied layer (``"equilibrium"``), strictly block-lower for a given input (``"unrolled"``).
Limit    Infinitely many passes of the network through itself.
Valid    Proximal activations (`activations.slopes`) make it a game; others keep the fixed-point equation alone. A plain
         feed-forward network (``"unrolled"``) has its forward pass as the only, trivial, equilibrium: nothing is fed
         back, and players decide one after another.
Error    That of the solver (`solve`).
Sources  In the sense of [Combettes2020] and of arXiv 2401.12321.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from theorysim.backend.linalg import single_thread
from theorysim.equations.activations import Activation
from theorysim.errors import ProblemError
from theorysim.finite.initial import opened
from theorysim.games.activations import Slopes, checked_proximal, potential, slopes
from theorysim.games.layers import Tying, checked_tying, layers_of
from theorysim.games.pointwise import loops
from theorysim.problem.validation import one_of
from theorysim.solvers.variational_inequality import Inequality

Array = NDArray[np.float64]
Units = Literal["layer", "unit"]
_BOXES = {"relu": (0.0, np.inf), "hardtanh": (-1.0, 1.0), "relu6": (0.0, 6.0), "linear": (-np.inf, np.inf)}


@dataclass(frozen=True, kw_only=True, eq=False)
class NetworkGame:
    """A network as a game.

    Parameters
    ----------
    weights : sequence of array_like, shapes (n_l, n_{l-1})
    biases : sequence of array_like, shapes (n_l,), optional
        Default 0.
    activations : sequence of str or Activation
        One for each layer, or one for all.
    tying : {"cyclic", "equilibrium", "unrolled"}
        "cyclic": the output is the next input. "equilibrium": one layer whose output is its own input, as in deep
        equilibrium models. "unrolled": a feed-forward network at `inputs`.
    units : {"layer", "unit"}
        Who the players are.
    inputs : array_like, shape (n_0,), optional
        The input of an unrolled network.

    Raises
    ------
    ProblemError
        If shapes do not fit, numbers are not finite, or an activation is unknown.
    """

    weights: Any
    biases: Any = None
    activations: Any
    tying: Tying = "cyclic"
    units: Units = "layer"
    inputs: Any = None

    def __post_init__(self) -> None:
        stated = layers_of(self.weights, self.biases, self.activations)
        inputs = checked_tying(stated.weights, self.tying, self.inputs)
        if self.units not in get_args(Units):
            raise ProblemError(f"games.NetworkGame: `units` {one_of(self.units, get_args(Units))}")
        for name in ("weights", "biases", "activations"):
            object.__setattr__(self, name, getattr(stated, name))
        object.__setattr__(self, "inputs", inputs)

    @classmethod
    def from_layers(
        cls, layers: Sequence[tuple[Any, Any, str | Activation]], *, tying: Tying = "cyclic", units: Units = "layer",
        inputs: Any = None,
    ) -> NetworkGame:  # fmt: skip
        """Return the game of layers (weights, biases, activation)."""
        weights, biases, names = ([row[i] for row in layers] for i in range(3))
        return cls(weights=weights, biases=biases, activations=names, tying=tying, units=units, inputs=inputs)

    @classmethod
    def from_arrays(
        cls, arrays: Mapping[str, Any] | str | Path, *, activation: str | Activation,
        readout: str | Activation = "linear", tying: Tying = "cyclic", units: Units = "layer", inputs: Any = None,
    ) -> NetworkGame:  # fmt: skip
        """Return the game of trained weights W1, b1, W2, ...; a path is an npz file, as for `kernels.empirical_ntk`.

        Parameters
        ----------
        arrays : mapping or path
            W{l} of shape (n_l, n_{l-1}); b{l} of shape (n_l,), 0 where missing.
        activation, readout : str or Activation
            Of the hidden layers, and of the last.
        """
        found = opened(arrays)
        depth = next(i for i in range(1, len(found) + 2) if f"W{i}" not in found) - 1
        if depth == 0:
            raise ProblemError(f"games.NetworkGame: `arrays` must hold W1, W2, ...; got {sorted(found)}")
        weights = [found[f"W{i}"] for i in range(1, depth + 1)]
        biases = [found.get(f"b{i}") for i in range(1, depth + 1)]
        names = [activation] * (depth - 1) + [readout]
        return cls(weights=weights, biases=biases, activations=names, tying=tying, units=units, inputs=inputs)

    @property
    def trivial(self) -> bool:
        """Whether the equilibrium is just the forward pass: nothing is fed back."""
        return self.tying == "unrolled"

    @cached_property
    def dimension(self) -> int:
        """Units of all layers."""
        return sum(len(w) for w in self.weights)

    @cached_property
    def layers(self) -> tuple[slice, ...]:
        """Where each layer is in z."""
        ends = np.cumsum([0, *(len(w) for w in self.weights)])
        return tuple(slice(int(i), int(j)) for i, j in pairwise(ends))

    @property
    def players(self) -> tuple[slice, ...]:
        """Where the decision of each player is in z."""
        alone = tuple(slice(i, i + 1) for i in range(self.dimension))
        return self.layers if self.units == "layer" else alone

    @cached_property
    def matrix(self) -> Array:
        """W of z = rho(W z + b), shape (n, n)."""
        whole = np.zeros((self.dimension, self.dimension))
        for i, w in enumerate(self.weights):
            if i > 0 or not self.trivial:
                whole[self.layers[i], self.layers[i - 1]] = w
        return whole

    @cached_property
    def shift(self) -> Array:
        """The b of z = rho(W z + b), shape (n,)."""
        whole = np.concatenate(self.biases)
        if self.trivial:
            whole[self.layers[0]] += self.weights[0] @ self.inputs
        return whole

    @cached_property
    def monotonicity(self) -> tuple[float, float]:
        """m and L of F(z) = (I - W) z - b: the least eigenvalue of its symmetric part, and its norm."""
        operator = np.eye(self.dimension) - self.matrix
        with single_thread():
            least = float(np.linalg.eigvalsh(0.5 * (operator + operator.T))[0])
            return least, float(np.linalg.norm(operator, 2))

    @cached_property
    def slopes(self) -> tuple[Slopes, ...]:
        """The range of slopes of each layer's activation."""
        return tuple(slopes(activation) for activation in self.activations)

    @property
    def proximal(self) -> bool:
        """Whether every activation is a proximal map: whether best responses are those of a game with convex costs."""
        return all(found.proximal for found in self.slopes)

    def respond(self, z: Any) -> Array:
        """Return all best responses at once, rho(W z + b), to one state or to many, shape (.., n)."""
        v = np.asarray(z, float) @ self.matrix.T + self.shift
        out = np.empty_like(v)
        for part, activation in zip(self.layers, self.activations, strict=True):
            out[..., part] = _activated(activation, v[..., part])
        return out

    def respond_in_turn(self, z: Any) -> Array:
        """Return z after each player, one after another, has given its best response to what the others do now."""
        now = np.array(z, dtype=float)
        for player in self.players:
            now[player] = self.respond_of(now, player)
        return now

    def respond_of(self, z: Array, player: slice) -> Array:
        """Return the best response of one player, who is a part of a layer."""
        return _activated(self.activation_of(player), self.matrix[player] @ z + self.shift[player])

    def activation_of(self, player: slice) -> Activation:
        """Return the activation of the layer in which a player is."""
        layer = next(i for i, part in enumerate(self.layers) if part.start <= player.start < part.stop)
        found: Activation = self.activations[layer]
        return found

    def forward(self, x: Any) -> Array:
        """Return the output of one pass, shape (.., n_L), from one input or from many, shape (.., n_0)."""
        below: Array = np.asarray(x, float)
        for w, b, activation in zip(self.weights, self.biases, self.activations, strict=True):
            below = _activated(activation, below @ w.T + b)
        return below

    def response_slopes(self, z: Any) -> Array:
        """Return rho'(W z + b), shape (n,)."""
        v: Array = np.asarray(self.matrix @ np.asarray(z, float) + self.shift)
        out: Array = np.empty_like(v)
        for part, activation in zip(self.layers, self.activations, strict=True):
            loops(activation).slope(v[part], out[part])
        return out

    def _prox(self, v: Array, a: float) -> tuple[Array, Array]:
        """Return prox_{a f} and its slopes."""
        out, steep = np.empty_like(v), np.empty_like(v)
        for part, activation in zip(self.layers, self.activations, strict=True):
            loops(activation).prox(v[part], a, out[part], steep[part])
        return out, steep

    @cached_property
    def inequality(self) -> Inequality:
        """The variational inequality 0 in (I - W) z - b + df(z).

        Raises
        ------
        ProblemError
            If an activation is not a proximal map.
        """
        for activation in self.activations:
            checked_proximal(activation)
        operator = np.eye(self.dimension) - self.matrix
        shift = self.shift
        boxes = [_BOXES.get(activation.name) for activation in self.activations]
        box = None
        if all(found is not None for found in boxes):
            ends = [np.full((2, part.stop - part.start), np.array(found)[:, None])
                    for part, found in zip(self.layers, boxes, strict=True)]  # fmt: skip
            low, high = np.concatenate(ends, axis=1)
            box = (low, high)
        return Inequality(
            self.dimension, lambda z: operator @ z - shift, lambda v, a: self._prox(v, a)[0],
            lambda v, a: self._prox(v, a)[1], lambda z: operator, (operator, -shift), box,
        )  # fmt: skip

    def costs(self, z: Any) -> Array:
        """Return what each player pays, f(x) + |x - W x_others - b|^2/2, shape (players,).

        Raises
        ------
        ProblemError
            If f of an activation has no closed form.
        """
        place = np.asarray(z, float)
        aim = self.matrix @ place + self.shift
        each = 0.5 * (place - aim) ** 2
        for part, activation in zip(self.layers, self.activations, strict=True):
            f = potential(activation)
            each[part] += [f(float(y)) for y in place[part]]
        return np.array([each[player].sum() for player in self.players])


def _activated(activation: Activation, v: Array) -> Array:
    """Return rho of every entry, same shape."""
    flat = np.ascontiguousarray(v)
    out = np.empty_like(flat)
    loops(activation).value(flat.reshape(-1), out.reshape(-1))
    return out
