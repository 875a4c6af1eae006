"""Leading corrections in 1/width to the kernels of a random network: scalar maps of one input.

    K' = w T(K) + v,  Theta' = alpha T + alpha' + w Tdot Theta,  T = E phi(u)^2, Tdot = E phi'(u)^2, u ~ N(0, K)

The kernel of layer l + 1, given layer l, is a mean over n independent neurons whose law depends on the kernel of
layer l alone: a Markov chain. Hence its variance V and the shift M of its mean obey

    V' = w^2 ((E phi^4 - T^2)/n + T_q^2 V)         T_q  = dT/dK,
    M' = w (T_q M + T_qq V/2)                       T_qq = d^2T/dK^2,

and the excess kurtosis of an output is 3 V/K^2. V, M here are O(1/width): the width is multiplied out.

Error    O(1/width^2). Relu without biases is exact: E K^2 = (E K)^2 prod (1 + 5/n_l), see `relu_square`.
Sources  [Roberts2022, chapters 4 and 8], [Hanin2022]; relu moments [Hanin2020]. Proof: derivations/finite_width.py.
"""

from __future__ import annotations

from theorysim.equations.registry import equation


@equation("finite_width.kernel_variance")
def kernel_variance(v: float, n: float, w: float, square: float, fourth: float, slope: float) -> float:
    """Return V' = w^2 ((fourth - square^2)/n + slope^2 V).

    Parameters
    ----------
    v : float
        Variance of the kernel of this layer.
    n : float
        Neurons of this layer.
    w : float
        Weight variance of the next layer.
    square, fourth, slope : float
        E phi^2, E phi^4 and dE phi^2/dK of this layer.
    """
    return w * w * ((fourth - square * square) / n + slope * slope * v)


@equation("finite_width.kernel_shift")
def kernel_shift(m: float, v: float, w: float, slope: float, curvature: float) -> float:
    """Return M' = w (slope M + curvature V/2), curvature = d^2 E phi^2/dK^2."""
    return w * (slope * m + 0.5 * curvature * v)


@equation("finite_width.excess_kurtosis")
def excess_kurtosis(v: float, k: float) -> float:
    """Return 3 V/K^2, the excess kurtosis of a Gaussian whose variance has mean K and variance V."""
    return 3.0 * v / (k * k)


@equation("finite_width.tangent_covariance")
def tangent_covariance(
    d: float, v: float, n: float, theta: float, w: float, rate: float,
    tdot: float, slope: float, tangent_slope: float, site: float, site_cross: float,
) -> float:  # fmt: skip
    """Return D' = Cov(K', E[Theta' | layer]).

    Parameters
    ----------
    d, v, n, theta : float
        D, V, neurons and Theta of this layer.
    w, rate : float
        Weight variance and rate alpha of the next layer.
    tdot, slope, tangent_slope : float
        E phi'^2, dE phi^2/dK, dE phi'^2/dK.
    site, site_cross : float
        Var phi^2 and Cov(phi^2, phi'^2) of one neuron.
    """
    gain = rate * slope + w * theta * tangent_slope
    return w * ((rate * site + w * theta * site_cross) / n + slope * (gain * v + w * tdot * d))


@equation("finite_width.tangent_variance")
def tangent_variance(
    a: float, d: float, v: float, n: float, theta: float, w: float, rate: float,
    tdot: float, slope: float, tangent_slope: float, site: float, site_cross: float, site_tangent: float,
) -> float:  # fmt: skip
    """Return A' = Var E[Theta' | layer], the part of the variance that all neurons of the next layer share.

    As `tangent_covariance`, with A of this layer and site_tangent = Var phi'^2 of one neuron.
    """
    gain = rate * slope + w * theta * tangent_slope
    back = w * tdot
    own = rate * rate * site + 2.0 * rate * w * theta * site_cross + w * w * theta * theta * site_tangent
    return own / n + gain * gain * v + 2.0 * gain * back * d + back * back * a


@equation("finite_width.tangent_between")
def tangent_between(b: float, n: float, theta: float, w: float, tdot: float, tangent_fourth: float) -> float:
    """Return B' = Var Theta'_ij between two neurons: w^2 (tangent_fourth theta^2/n + tdot^2 B).

    tangent_fourth = E phi'^4. The variance of Theta' of one neuron is A' + 2 B'.
    """
    return w * w * (tangent_fourth * theta * theta / n + tdot * tdot * b)


@equation("finite_width.paired_gradient")
def paired_gradient(f: float, n: float, theta: float, before: float, slope: float, mixed: float) -> float:
    """Return F' = E sum_ij phi_i phi'_i Theta_ij phi_j phi'_j / n^2 = mixed theta/n + (before slope)^2 F.

    Parameters
    ----------
    f, n, theta : float
        F of the layer before; neurons and Theta of this layer.
    before : float
        Weight variance of this layer (between the two).
    slope, mixed : float
        dE phi^2/dK and E phi^2 phi'^2 of this layer.
    """
    return mixed * theta / n + before * before * slope * slope * f


@equation("finite_width.tangent_shift")
def tangent_shift(
    shift: float, m: float, d: float, v: float, f: float, theta: float, w: float, rate: float, before: float,
    tdot: float, slope: float, curvature: float, tangent_slope: float, tangent_curvature: float,
) -> float:  # fmt: skip
    """Return E Theta' - Theta' at infinite width.

    Parameters
    ----------
    shift, m, d, v, theta : float
        The same of this layer, M, D, V and Theta of this layer.
    f : float
        F of the layer before (`paired_gradient`).
    w, rate : float
        Weight variance and rate of the next layer.
    before : float
        Weight variance of this layer.
    tdot, slope, curvature, tangent_slope, tangent_curvature : float
        E phi'^2; first and second derivative of E phi^2; first and second of E phi'^2.
    """
    forward = rate * (slope * m + 0.5 * curvature * v)
    moved = theta * (tangent_slope * m + 0.5 * tangent_curvature * v)
    return forward + w * (tdot * shift + moved + tangent_slope * (d + 2.0 * before * before * f))


@equation("finite_width.relu_square")
def relu_square(n: float) -> float:
    """Return E s^2/(E s)^2 = 1 + 5/n for s the mean of relu(u)^2 over n neurons: exact."""
    return 1.0 + 5.0 / n
