"""Spectra of large symmetric matrices by products: the leading eigenpairs, and averages over all eigenvalues.

Leading pairs   Rayleigh-Ritz on a block Krylov space, thick restarts. The residuals |A u - w u| are computed afresh at
                the end; within each of them of w lies an eigenvalue (and an orthonormal set of k pairs stands for k
                different ones within the norm of all its residuals). Blocks read A once for many vectors.
Averages        tr f(A)/n by stochastic Lanczos quadrature: mean over random vectors of signs, standard error from
                their scatter; the cut of the quadrature is estimated by leaving out its last steps.
Sources         thick restart: Wu & Simon, SIAM J. Matrix Anal. Appl. 22, 602 (2000); residual bounds: Parlett, The
                Symmetric Eigenvalue Problem, chapter 11; quadrature: Ubaru, Chen & Saad, SIAM J. Matrix Anal. Appl. 38,
                1075 (2017). Without reorthogonalisation: Golub & Strakos, Numer. Algorithms 8, 241 (1994).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import scipy.linalg
from numpy.typing import NDArray

from theorysim.backend import random
from theorysim.backend.linalg import eigh, single_thread
from theorysim.errors import NotConverged
from theorysim.solvers.products import Product

Array = NDArray[np.float64]

_SPARE = 4  # columns of a block beyond the wanted pairs: they turn slow convergence of the last ones into fast
_DEPENDENT = 1e-10  # part of a column that must be new
_ROUNDING = 1e-13
_KEPT = 0.75  # of the steps, for the estimate of the cut


@dataclass(frozen=True, eq=False)
class Pairs:
    """Eigenpairs, largest eigenvalue first.

    Attributes
    ----------
    values : ndarray, shape (k,)
    vectors : ndarray, shape (n, k)
        Orthonormal columns.
    residuals : ndarray, shape (k,)
        |A u - w u|: within it of w lies an eigenvalue.
    products : int
        Products used, each with many vectors.
    """

    values: Array
    vectors: Array
    residuals: Array
    products: int


def leading_pairs(
    product: Product,
    size: int,
    count: int,
    *,
    tolerance: float = 1e-10,
    basis: int | None = None,
    most: int = 500,
    seed: int = 0,
    progress: Callable[[float], None] | None = None,
) -> Pairs:
    """Return the `count` largest eigenvalues of a symmetric matrix and their eigenvectors.

    Parameters
    ----------
    product : callable
        v -> A v, shape (n, c).
    size : int
        n.
    count : int
        At most n.
    tolerance : float
        Largest residual, as a share of the largest eigenvalue in size.
    basis : int, optional
        Most vectors of the Krylov space, twice of which are held (default 4 (count + 4) + 32).
    most : int
        Most products.
    seed : int
        Of the random start: an eigenvector orthogonal to it would be missed, which has probability zero.
    progress : callable, optional
        Called with the fraction of pairs found.

    Raises
    ------
    NotConverged
        If `most` products are not enough.
    """
    block = min(size, count + _SPARE)
    basis = min(size, max(4 * block + 32 if basis is None else basis, 2 * block))
    start = random.normals((size, block), seed=seed, stream=0, purpose=random.LANCZOS_START)
    with single_thread():
        v = _new_directions(np.empty((size, 0)), start)
        av = product(v)
        for products in range(1, most + 1):
            values, turn = (part[..., ::-1] for part in eigh(_symmetric(v.T @ av)))
            vectors, images = v @ turn[:, :block], av @ turn[:, :block]
            remainder = images - vectors * values[:block]
            wrong = np.linalg.norm(remainder, axis=0) > tolerance * np.max(np.abs(values))
            if progress is not None:
                progress(1.0 - float(np.mean(wrong[:count])))
            if not wrong[:count].any() or v.shape[1] == size:
                return _verified(product, values[:count], vectors[:, :count], products + 1)
            if v.shape[1] + block > basis:
                v, av = vectors, images
            v, av = _grown(product, v, av, remainder[:, wrong])  # a pair that is found needs no more
        raise NotConverged("leading pairs", most, float(np.sum(wrong[:count])), "fewer pairs or a larger tolerance")


def _symmetric(a: Array) -> Array:
    return 0.5 * (a + a.T)


def _grown(product: Product, v: Array, av: Array, new: Array) -> tuple[Array, Array]:
    """Return the basis and its images with new directions; random ones where the residuals bring nothing new."""
    room = len(v) - v.shape[1]
    added = _new_directions(v, new)[:, :room]
    if not added.shape[1]:
        spare = random.normals((len(v), min(room, 2)), seed=0, stream=v.shape[1], purpose=random.LANCZOS_START)
        added = _new_directions(v, spare)
    return np.hstack((v, added)), np.hstack((av, product(added)))


def _new_directions(v: Array, columns: Array) -> Array:
    """Return an orthonormal basis of what the columns add to the span of v."""
    norms = np.linalg.norm(columns, axis=0)
    unit = columns[:, norms > 0.0] / norms[norms > 0.0]
    for _ in range(2):  # twice is enough (Kahan, Parlett)
        unit = unit - v @ (v.T @ unit)
    q, r, _ = scipy.linalg.qr(unit, mode="economic", pivoting=True)
    q = q[:, np.abs(np.diagonal(r)) > _DEPENDENT]
    q = q - v @ (v.T @ q)
    return np.asarray(scipy.linalg.qr(q, mode="economic")[0]) if q.shape[1] else q


def _verified(product: Product, values: Array, vectors: Array, products: int) -> Pairs:
    remainder = product(vectors) - vectors * values
    return Pairs(values.copy(), vectors.copy(), np.linalg.norm(remainder, axis=0), products)


@dataclass(frozen=True, eq=False)
class Quadrature:
    """Gauss quadrature of the spectral measure of each random vector.

    Attributes
    ----------
    nodes, weights : ndarray, shape (probes, steps)
        Weights of a probe sum to 1.
    short_nodes, short_weights : ndarray, shape (probes, fewer steps)
        The quadrature after three quarters of the steps.
    """

    nodes: Array
    weights: Array
    short_nodes: Array
    short_weights: Array

    def average(self, f: Callable[[Array], Array]) -> tuple[Array, Array, Array]:
        """Return tr f(A)/n, its standard error, and the estimated error of the quadrature.

        Parameters
        ----------
        f : callable
            (...) -> (..., m): m functions of an eigenvalue at once, or (...) -> (...).

        Returns
        -------
        tuple of ndarray, shape (m,) or ()
        """
        each, short = _sums(f, self.nodes, self.weights), _sums(f, self.short_nodes, self.short_weights)
        error = np.std(each, axis=0, ddof=1) / np.sqrt(len(each))
        rounding = _ROUNDING * np.mean(np.abs(each), axis=0)
        return np.mean(each, axis=0), error, np.abs(np.mean(each - short, axis=0)) + rounding


def _sums(f: Callable[[Array], Array], nodes: Array, weights: Array) -> Array:
    return np.array([np.tensordot(w, f(x), axes=(0, 0)) for x, w in zip(nodes, weights, strict=True)])


def lanczos_quadrature(
    product: Product,
    size: int,
    *,
    probes: int = 16,
    steps: int = 64,
    seed: int = 0,
    progress: Callable[[float], None] | None = None,
) -> Quadrature:
    """Return the quadratures of random sign vectors after `steps` Lanczos steps; all probes share a product.

    Parameters
    ----------
    product : callable
        v -> A v, shape (n, c).
    size : int
        n.
    probes : int
        Random vectors, at least 2.
    steps : int
        Products; polynomials up to degree 2 steps - 1 are averaged without error of the quadrature. At most n.
    seed : int
    progress : callable, optional
        Called with the fraction done.
    """
    steps = min(steps, size)
    signs = random.uniforms((size, probes), seed=seed, stream=0, purpose=random.LANCZOS_PROBES)
    v = np.where(signs < 0.5, -1.0, 1.0) / np.sqrt(size)
    before, beta = np.zeros_like(v), np.zeros(probes)
    diagonal, beside = np.zeros((probes, steps)), np.zeros((probes, steps))
    for k in range(steps):
        w = product(v) - beta * before
        diagonal[:, k] = np.sum(w * v, axis=0)
        w -= diagonal[:, k] * v
        beta = np.linalg.norm(w, axis=0)
        # A vanishing remainder: the vector has met all its eigenvectors, and the rest of the chain has weight 0.
        beta = np.where(beta > 1e-14 * np.max(np.abs(diagonal), axis=1), beta, 0.0)
        beside[:, k] = beta
        before, v = v, np.divide(w, beta, out=np.zeros_like(w), where=beta > 0.0)
        if progress is not None:
            progress((k + 1) / steps)
    short = max(1, int(_KEPT * steps))
    return Quadrature(*_gauss(diagonal, beside), *_gauss(diagonal[:, :short], beside[:, :short]))


def _gauss(diagonal: Array, beside: Array) -> tuple[Array, Array]:
    found = [scipy.linalg.eigh_tridiagonal(d, b[:-1]) for d, b in zip(diagonal, beside, strict=True)]
    return np.array([values for values, _ in found]), np.array([vectors[0] ** 2 for _, vectors in found])
