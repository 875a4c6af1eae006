"""Mean losses over samples: gradients of blocks of states, structured noise, batches.

    f(x) = (1/n) sum_i l(F_i(x), y_i) + (weight_decay/2) |x|^2,   G = rows of gradients of the n terms
    noise of one sample  n^-1/2 (G - mean G)^T xi,  xi ~ N(0, 1_n): covariance Cov_i G_i, no matrix square root

Every one of them is a gradient of a weighted sum, sum_i w_i l_i: w = 1/n the mean, w = (xi - mean xi)/sqrt n the noise.

Limit    none: exact for each finite sum; Gaussian xi replaces the batch in the equations.
Valid    any `Predictor` F: `linear_models`, `factorised`, `perceptrons`.
Error    rounding. G is never formed where weights pass through a product.
Sources  the weighted form is ours; covariance of batches as in [Li2019].
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from theorysim.backend.compile import compiled
from theorysim.equations.descent import replacement_noise, subset_noise
from theorysim.errors import ProblemError
from theorysim.sde.pointwise import Pointwise

Array = NDArray[np.float64]
Rows = NDArray[np.int64]
DIFFERENCE = 1e-5
"""Relative step of central differences of gradients."""


class Predictor(Protocol):
    """Outputs of all samples for a block of states.

    `forward(x, rows)` returns outputs (paths, B, C) and what `backward` needs; rows (paths, B) or None for all.
    `backward(tape, d)` returns sum_ic d_ic dF_ic/dx, shape (paths, d); `squares(tape, d)` the sum over samples of
    the squares of each sample's sum_c d_ic dF_ic/dx. A tape serves once.
    """

    @property
    def dimension(self) -> int:
        """Number of parameters d."""
        ...

    def forward(self, x: Array, rows: Rows | None) -> tuple[Array, Any]:
        """Return outputs and tape."""
        ...

    def backward(self, tape: Any, d: Array) -> Array:
        """Return the gradient of sum d F."""
        ...

    def squares(self, tape: Any, d: Array) -> Array:
        """Return sums of squared gradients of the samples."""
        ...


@runtime_checkable
class Curved(Protocol):
    """A predictor whose second derivatives are known in closed form."""

    def tangent(self, tape: Any, v: Array) -> Array:
        """Return the change of the outputs along v, shape (paths, B, C)."""
        ...

    def bend(self, tape: Any, d: Array, v: Array) -> Array:
        """Return sum_ic d_ic (d^2 F_ic/dx^2) v, shape (paths, d)."""
        ...


@dataclass(frozen=True, eq=False)
class FiniteSum:
    """A mean loss over samples; made by `linear_model`, `diagonal_network`, `matrix_factorisation`, `network`.

    Attributes
    ----------
    predictor : Predictor
    pointwise : Pointwise
    targets : ndarray, shape (n, C)
    weight_decay : float
    name : str
    """

    predictor: Predictor
    pointwise: Pointwise
    targets: Array
    weight_decay: float = 0.0
    name: str = "finite sum"

    @property
    def dimension(self) -> int:
        """Number of parameters d."""
        return self.predictor.dimension

    @property
    def noises(self) -> int:
        """Number of independent Gaussian numbers in the noise of one sample: n."""
        return len(self.targets)

    def losses(self, x: Array) -> Array:
        """Return the loss of every sample, shape (paths, n), without the penalty."""
        return self.pointwise.value(self.predictor.forward(x, None)[0], self.targets)

    def loss(self, x: Array) -> Array:
        """Return f, shape (paths,), for states of shape (paths, d)."""
        return np.asarray(self.losses(x).mean(axis=1) + 0.5 * self.weight_decay * (x * x).sum(axis=1))

    def weighted(self, x: Array, weights: Array) -> Array:
        """Return the gradient of sum_i w_i l_i, shape (paths, d), for weights of shape (paths or 1, n)."""
        f, tape = self.predictor.forward(x, None)
        d = self.pointwise.slope(f, self.targets)
        d *= weights[:, :, None]
        return self.predictor.backward(tape, d)

    def gradient(self, x: Array) -> Array:
        """Return grad f, shape (paths, d)."""
        return self.weighted(x, np.full((1, self.noises), 1.0 / self.noises)) + self.weight_decay * x

    def product(self, x: Array, xi: Array) -> Array:
        """Return n^-1/2 (G - mean G)^T xi, shape (paths, d), for xi of shape (paths, n)."""
        return self.weighted(x, centred(xi))

    def drift_and_product(self, x: Array, xi: Array, drift: float, noise: float) -> Array:
        """Return drift grad f + noise product(x, xi) in one pass."""
        weights = np.empty_like(xi)
        _weights(xi, drift / self.noises, noise / np.sqrt(self.noises), weights)
        found = self.weighted(x, weights)
        return found + (drift * self.weight_decay) * x if self.weight_decay else found

    def batch_gradient(self, x: Array, rows: Rows, shift: Array | None = None) -> Array:
        """Return the gradient on batches, shape (paths, d); `shift` (paths, B, C) is added to the labels."""
        f, tape = self.predictor.forward(x, rows)
        labels = self.targets[rows] if shift is None else self.targets[rows] + shift
        d = self.pointwise.slope(f, labels)
        d /= rows.shape[1]
        return self.predictor.backward(tape, d) + self.weight_decay * x

    def batch_loss(self, x: Array, rows: Rows) -> Array:
        """Return the loss on batches, shape (paths,)."""
        value = self.pointwise.value(self.predictor.forward(x, rows)[0], self.targets[rows])
        return np.asarray(value.mean(axis=1) + 0.5 * self.weight_decay * (x * x).sum(axis=1))

    def variance(self, x: Array) -> Array:
        """Return the diagonal of the covariance of one sample's gradient, shape (paths, d)."""
        mean = self.weighted(x, np.full((1, self.noises), 1.0 / self.noises))
        f, tape = self.predictor.forward(x, None)
        squares = self.predictor.squares(tape, self.pointwise.slope(f, self.targets)) / self.noises
        return np.asarray(np.maximum(squares - mean**2, 0.0))

    def label_product(self, x: Array, zeta: Array) -> Array:
        """Return n^-1/2 sum_ic zeta_ic d^2 l_i/(dx dy_ic): what a label moved by zeta does, zeta (paths, n C)."""
        f, tape = self.predictor.forward(x, None)
        moved = zeta.reshape(len(x), *self.targets.shape)
        return self.predictor.backward(tape, -moved / (np.sqrt(self.noises) * f.shape[-1]))

    def sample_gradients(self, x: Array) -> Array:
        """Return G at one point, shape (n, d)."""
        rows, chunk = np.arange(self.noises)[:, None], max(1, (1 << 22) // self.dimension)
        parts = [rows[i : i + chunk] for i in range(0, len(rows), chunk)]
        return np.concatenate([self.batch_gradient(np.repeat(x[None], len(p), axis=0), p) for p in parts])

    def hessian_product(self, x: Array, v: Array) -> Array:
        """Return H v, shape (paths, d): in closed form, or by central differences of the gradient for networks."""
        if not isinstance(self.predictor, Curved):
            return central_difference(self.gradient, x, v)
        f, tape = self.predictor.forward(x, None)
        slope = self.pointwise.slope(f, self.targets) / self.noises
        along = self.pointwise.bend(f, self.targets, self.predictor.tangent(tape, v)) / self.noises
        first = self.predictor.backward(tape, along)
        return np.asarray(first + self.predictor.bend(tape, slope, v) + self.weight_decay * v)

    def strength(self, batch: int | None, sampling: str) -> float:
        """Return the covariance of a batch's gradient over that of one sample's.

        Raises
        ------
        ProblemError
            If the batch is larger than the data, or batches of an epoch are asked for.
        """
        if batch is None:
            return 0.0
        if sampling == "epochs":
            raise ProblemError('sde: `sampling` must be "subset" or "replacement" (batches of an epoch are correlated)')
        check_batch(batch, sampling, self.noises)
        return replacement_noise(batch) if sampling == "replacement" else subset_noise(self.noises, batch)


def check_batch(batch: int, sampling: str, samples: int) -> None:
    """Refuse batches of different samples that are larger than the data."""
    if sampling != "replacement" and batch > samples:
        raise ProblemError(f"sde: `batch` must be at most {samples}, got {batch}")


@compiled
def _weights(xi: Any, shift: float, scale: float, out: Any) -> None:
    """out[p, i] = shift + scale (xi[p, i] - mean_i xi[p, i]), in one pass over memory."""
    for p in range(xi.shape[0]):
        mean = 0.0
        for i in range(xi.shape[1]):
            mean += xi[p, i]
        mean /= xi.shape[1]
        for i in range(xi.shape[1]):
            out[p, i] = shift + scale * (xi[p, i] - mean)


def centred(xi: Array) -> Array:
    """Return (xi - mean xi)/sqrt n, the weights of the noise of one sample."""
    return np.asarray((xi - xi.mean(axis=1, keepdims=True)) / np.sqrt(xi.shape[1]))


def central_difference(gradient: Any, x: Array, v: Array) -> Array:
    """Return H v from two gradients."""
    size = np.linalg.norm(v, axis=1, keepdims=True)
    step = DIFFERENCE * (1.0 + np.linalg.norm(x, axis=1, keepdims=True)) / np.where(size > 0, size, 1.0)
    return np.asarray((gradient(x + step * v) - gradient(x - step * v)) / (2.0 * step))
