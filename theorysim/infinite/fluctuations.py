"""Leading corrections in 1/width to the kernels of random multilayer perceptrons, at arbitrary inputs.

Given layer l the pre-activations of layer l + 1 are independent Gaussians of covariance K = sw^2 mean_i phi_i phi_i +
sb^2 over n_l neurons i, and the mean of the tangent kernel of one neuron is Theta = alpha mean_i phi_i phi_i + alpha' +
sw^2 mean_i phi'_i phi'_i Theta_ii. To leading order (dK, dTheta) is a linear Gaussian chain,

    S' = site/n_l + L S L^T,       L = dK'/dK, dTheta'/dK, dTheta'/dTheta   (slopes of the dual maps)

S its covariance over pairs of samples, `site` the covariance of one neuron's terms. Two neurons' tangent kernels share
S; the products of the weights of the next layer add

    B'_{ab,cd} = E Theta_ij(a,b) Theta_ij(c,d)
               = sw^4 (E phi'_a phi'_b phi'_c phi'_d Theta_ab Theta_cd/n + Tdot_ac Tdot_bd B),   i != j,
    Cov(Theta_ii(a,b), Theta_ii(c,d)) = S + B_{ab,cd} + B_{ab,dc},

and the means shift by what is quadratic in dK, plus the correlation of Theta with its own neuron,

    F'_{cd} = E sum_ij phi_i(c) phi'_i(a) Theta_ij(a,b) phi'_j(b) phi_j(d)/n^2.

Error    O(1/width^2): relative to a variance, about half the relative variance of the kernel (relu). Gaussian means:
         1e-9 for one and two inputs, sampled (`gaussian_rules`) for more, in independent blocks: the first axis here.
Cost     P = m (m + 1)/2 pairs: slopes 8000 P, site moments 4 P^2 times 65 000 points, the chain 40 P^2, a layer.
Sources  [Roberts2022, chapters 4 and 8] for the expansion; derived here as a chain. Proof: derivations/finite_width.py.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from theorysim.backend.linalg import single_thread
from theorysim.equations.activations import Activation
from theorysim.errors import ProblemError
from theorysim.infinite.dual_slopes import Slopes, slopes_of
from theorysim.infinite.gaussian_rules import blocks, evaluated, gaussian_rule
from theorysim.infinite.pairs import Pairs, pairs_of
from theorysim.infinite.recursion import steps_of
from theorysim.problem.layers import Layers

Array = NDArray[np.float64]
_FAR, _LARGEST_TAIL = 12.0, 1e-9  # the rules end at 13


@dataclass(frozen=True, eq=False)
class Fluctuations:
    """Kernels of one layer and their leading corrections; R blocks estimate the same, P pairs of m samples.

    Attributes
    ----------
    kernel, tangent : ndarray, shape (P,)
        K and Theta at infinite width.
    kernel_shift, tangent_shift : ndarray, shape (R, P)
        Shifts of their means.
    joint : ndarray, shape (R, 2 P, 2 P)
        S, covariance of (K, mean of Theta given the layer below).
    between : ndarray, shape (R, m, m, m, m)
        B, covariance of the tangent kernels Theta_ij(a, b), Theta_ij(c, d) between two neurons i, j.
    paired : ndarray, shape (R, P, 2, 2)
        F of the layer below, c and d in (a, b).
    """

    kernel: Array
    tangent: Array
    kernel_shift: Array
    tangent_shift: Array
    joint: Array
    between: Array
    paired: Array

    @property
    def kernel_covariance(self) -> Array:
        """Cov(K_ab, K_cd), shape (R, P, P)."""
        return self.joint[:, : len(self.kernel), : len(self.kernel)]

    @property
    def mixed_covariance(self) -> Array:
        """Cov(K_ab, Theta_cd), shape (R, P, P); the same for the Theta of one neuron and for its mean."""
        return self.joint[:, : len(self.kernel), len(self.kernel) :]

    def tangent_covariance(self, pairs: Pairs) -> Array:
        """Return Cov(Theta_ab, Theta_cd) of one neuron (one output), shape (R, m, m, m, m)."""
        shared = self.joint[:, len(self.kernel) :, len(self.kernel) :]
        spread = shared[:, pairs.table[:, :, None, None], pairs.table]
        return np.asarray(spread + self.between + np.swapaxes(self.between, 3, 4))


def fluctuations(layers: Layers, activation: Activation, x: Array) -> list[Fluctuations]:
    """Return kernels and their leading corrections, of layers 1 to L + 1.

    Parameters
    ----------
    layers : Layers
        Widths, standard deviations and rates.
    activation : Activation
    x : ndarray, shape (m, d)
        Inputs; none of zero norm without a bias, no two parallel for an activation with a kink.
    """
    pairs, steps = pairs_of(len(x)), steps_of(layers)
    found = [_first(x, steps[0], pairs)]
    if np.any(found[0].kernel[pairs.parts[:, 0]] <= 0.0):
        raise ProblemError("kernels: inputs must not be zero where the first layer has no bias and weights")
    before = steps[0, 0] * layers.widths[0]
    for width, step in zip(layers.widths[1:-1], steps[1:], strict=True):
        found.append(_next(found[-1], activation, pairs, width, step, before))
        before = step[0]
    return found


def _first(x: Array, step: Array, pairs: Pairs) -> Fluctuations:
    """Return the first layer, whose kernels do not fluctuate."""
    with single_thread():
        gram = (x @ x.T)[pairs.first, pairs.second]
    m, count, r = len(x), len(gram), blocks(len(x))
    return Fluctuations(
        kernel=step[0] * gram + step[1], tangent=step[2] * gram + step[3],
        kernel_shift=np.zeros((r, count)), tangent_shift=np.zeros((r, count)),
        joint=np.zeros((r, 2 * count, 2 * count)), between=np.zeros((r, m, m, m, m)), paired=np.zeros((r, count, 2, 2)),
    )  # fmt: skip


def _next(
    now: Fluctuations, activation: Activation, pairs: Pairs, width: int, step: Array, before: float
) -> Fluctuations:
    """Carry one layer of `width` neurons to the next; `before` is the weight variance of this layer."""
    w, v, rate, bias_rate = step
    covariance = now.kernel[pairs.table]
    slopes = slopes_of(activation, covariance, pairs)
    site = _site(activation, covariance, pairs, slopes)
    t, tdot = slopes.value
    curved = _curved(slopes, now, pairs)
    kernel_shift = w * curved[0]
    own = _correlated(slopes, now, pairs, before)
    tangent_shift = rate * curved[0] + w * (tdot * now.tangent_shift + now.tangent * curved[1] + own)
    return Fluctuations(
        kernel=w * t + v,
        tangent=rate * t + bias_rate + w * tdot * now.tangent,
        kernel_shift=kernel_shift,
        tangent_shift=tangent_shift,
        joint=_driven(site, now.tangent, w, rate) / width + _carried(now, slopes, pairs, w, rate),
        between=_between(now, site, slopes, pairs, width, w),
        paired=_paired(now, site, slopes, pairs, width, before),
    )


def _site(activation: Activation, covariance: Array, pairs: Pairs, slopes: Slopes) -> Array:
    """Return the covariance of (phi_a phi_b, phi'_a phi'_b) of one neuron, shape (R, 2 P, 2 P)."""
    found = []
    for points, weights in gaussian_rule(covariance):
        terms = []
        for k, function in enumerate((activation.function, activation.derivative)):
            values = evaluated(function, points)
            terms.append(values[pairs.first] * values[pairs.second] - slopes.value[k][:, None])
        both = np.concatenate(terms)
        with single_thread():
            found.append((both * weights) @ both.T)
        far = np.max(np.abs(points) / np.sqrt(np.diagonal(covariance))[:, None], axis=0) > _FAR
        beyond = both[:, far] ** 2 @ weights[far]
        if len(covariance) <= 2 and not np.all(beyond <= _LARGEST_TAIL * np.diagonal(found[-1])):
            raise ProblemError(
                f"kernels: fluctuations need activations whose fourth moments are within {_FAR:g} standard "
                f"deviations, got {activation.name} at kernel {covariance.max():.3g}"
            )
    return np.stack(found)


def _driven(site: Array, tangent: Array, w: float, rate: float) -> Array:
    """Return the covariance of one neuron's terms of (K', Theta')."""
    count = len(tangent)
    phi, cross, dphi = site[:, :count, :count], site[:, :count, count:], site[:, count:, count:]
    back = w * tangent
    upper = w * (rate * phi + cross * back)
    mixed = rate * cross * back
    lower = rate**2 * phi + mixed + np.swapaxes(mixed, 1, 2) + back[:, None] * dphi * back
    return np.block([[w**2 * phi, upper], [np.swapaxes(upper, 1, 2), lower]])


def _carried(now: Fluctuations, slopes: Slopes, pairs: Pairs, w: float, rate: float) -> Array:
    """Return L S L^T."""

    def forward(rows: Array) -> Array:  # L applied to the first of the last two axes
        kernel, tangent = rows[:, : len(now.tangent)], rows[:, len(now.tangent) :]
        parts = kernel[:, pairs.parts]  # (R, P, 3, ...)
        moved, slope = (np.einsum("pk,rpk...->rp...", slopes.gradient[k], parts) for k in (0, 1))
        back = rate * moved + w * (now.tangent[:, None] * slope + slopes.value[1][:, None] * tangent)
        return np.concatenate([w * moved, back], axis=1)

    return np.swapaxes(forward(np.swapaxes(forward(now.joint), 1, 2)), 1, 2)


def _curved(slopes: Slopes, now: Fluctuations, pairs: Pairs) -> tuple[Array, Array]:
    """Return the shifts of E T(K) and E Tdot(K), each of shape (R, P)."""
    parts = now.kernel_covariance[:, pairs.parts[:, :, None], pairs.parts[:, None, :]]
    shifts = now.kernel_shift[:, pairs.parts]
    one, two = (
        np.einsum("pk,rpk->rp", slopes.gradient[k], shifts)
        + 0.5 * np.einsum("pkl,rpkl->rp", slopes.curvature[k], parts)
        for k in (0, 1)
    )  # fmt: skip
    return one, two


def _correlated(slopes: Slopes, now: Fluctuations, pairs: Pairs, before: float) -> Array:
    """Return E phi'_a phi'_b (Theta_ii - E Theta): through the layer below, and through the neuron's own weights."""
    gradient, f = slopes.gradient[1], now.paired
    every = np.arange(len(now.kernel))
    below = np.einsum("pk,rpk->rp", gradient, now.mixed_covariance[:, pairs.parts, every[:, None]])
    selves = 2.0 * (gradient[:, 0] * f[:, :, 0, 0] + gradient[:, 1] * f[:, :, 1, 1])
    return np.asarray(below + before**2 * (selves + gradient[:, 2] * (f[:, :, 0, 1] + f[:, :, 1, 0])))


def _between(now: Fluctuations, site: Array, slopes: Slopes, pairs: Pairs, width: int, w: float) -> Array:
    """Return B of the next layer."""
    count, tdot, tangent = len(now.kernel), slopes.value[1], now.tangent
    fourth = (site[:, count:, count:] + np.outer(tdot, tdot)) * np.outer(tangent, tangent)
    own = fourth[:, pairs.table[:, :, None, None], pairs.table] / width
    one = tdot[pairs.table]
    return np.asarray(w**2 * (own + one[:, None, :, None] * one[None, :, None, :] * now.between))


def _paired(now: Fluctuations, site: Array, slopes: Slopes, pairs: Pairs, width: int, before: float) -> Array:
    """Return F of this layer, c and d in (a, b)."""
    count, (t, tdot), gradient = len(now.kernel), slopes.value, slopes.gradient[0]
    every = np.arange(count)[:, None, None]
    among = pairs.parts[:, [[0, 2], [2, 1]]]  # pair (c, d)
    mixed = site[:, :count, count:][:, among, every] + t[among] * tdot[:, None, None]
    left, right = np.zeros((2, count, 2, 2))  # E d(phi_c phi'_a)/du_e, E d(phi_d phi'_b)/du_f
    left[:, 0, 0], right[:, 1, 1] = gradient[pairs.parts[:, 0], 0], gradient[pairs.parts[:, 1], 0]
    left[:, 1, 0], right[:, 0, 1] = 2.0 * gradient[:, 0], 2.0 * gradient[:, 1]
    left[:, 1, 1], right[:, 0, 0] = gradient[:, 2], gradient[:, 2]
    same = pairs.first == pairs.second  # a = b: one entry serves
    left[same], right[same] = 0.0, 0.0
    left[same, 0, 0] = right[same, 0, 0] = gradient[same, 0]
    own = mixed * (now.tangent / width)[:, None, None]
    return np.asarray(own + before**2 * np.einsum("pce,rpef,pdf->rpcd", left, now.paired, right))
