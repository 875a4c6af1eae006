"""Networks of finite width without their matrices: what a Gaussian matrix does, given where it has acted."""

from __future__ import annotations

import sympy as sp

from .claim import Claim, Domain, Proof

SIZE = 3


def _products(left: sp.Matrix, right: sp.Matrix) -> sp.Matrix:
    """Return the coefficients of left^T W right on the entries of W, row by row."""
    return sp.Matrix([[left[i] * right[j] for i in range(SIZE) for j in range(SIZE)]])


def _acting(directions: sp.Matrix) -> sp.Matrix:
    """Return the coefficients of all entries of W d on those of W."""
    return sp.Matrix.vstack(*[_products(sp.eye(SIZE)[:, i], directions) for i in range(SIZE)])


def _transposed(directions: sp.Matrix) -> sp.Matrix:
    """Return the coefficients of all entries of W^T e on those of W."""
    return sp.Matrix.vstack(*[_products(directions, sp.eye(SIZE)[:, j]) for j in range(SIZE)])


def conditioning() -> Claim:
    """Given y = W d and r = W^T e, on a unit vector x orthogonal to d: W x = e <r, x> + (1 - e e^T) normal vector.

    W has independent standard normal entries, d and e are unit vectors. Likewise W^T e = d <y, e> + (1 - d d^T)
    normal vector given y alone: all that a march needs, one direction after another.

    Source: Bolthausen (2014), the construction (statement recalled, derived here).
    """
    proof = Proof()
    c, s = sp.symbols("c s", real=True)  # half-angle tangents keep everything rational
    d = sp.Matrix([1, 0, 0])
    x = sp.Matrix([0, (1 - c**2) / (1 + c**2), 2 * c / (1 + c**2)])
    e = sp.Matrix([(1 - s**2) / (1 + s**2), 2 * s / (1 + s**2), 0])
    proof.note("W by its nine independent entries; y, r and W x are linear in them, hence jointly normal")
    y_rows, r_rows, new = _acting(d), _transposed(e), _acting(x)
    given_y = y_rows * y_rows.T
    mean = (r_rows * y_rows.T * given_y.inv()).applyfunc(sp.cancel)
    proof.equal_entries("E[W^T e | y] = d <y, e>", mean, d * e.T)
    left = (r_rows * r_rows.T - mean * given_y * mean.T).applyfunc(sp.cancel)
    proof.equal_entries("Cov[W^T e | y] = 1 - d d^T", left, sp.eye(SIZE) - d * d.T)
    proof.note("r = d <y, e> + r', r' of covariance 1 - d d^T: y and r' are independent and hold all of y and r")
    rest = r_rows - (d * e.T) * y_rows
    proof.equal_entries("Cov(r', y) = 0", (rest * y_rows.T).applyfunc(sp.cancel), sp.zeros(SIZE, SIZE))
    proof.equal_entries("Cov(W x, y) = 0", (new * y_rows.T).applyfunc(sp.cancel), sp.zeros(SIZE, SIZE))
    cross = (new * rest.T).applyfunc(sp.cancel)
    proof.equal_entries("Cov(W x, r') = e x^T, so E[W x | y, r] = e <r, x>", cross, e * x.T)
    left = (new * new.T - (e * x.T) * (sp.eye(SIZE) - d * d.T) * (e * x.T).T).applyfunc(sp.cancel)
    proof.equal_entries("Cov[W x | y, r] = 1 - e e^T", left, (sp.eye(SIZE) - e * e.T).applyfunc(sp.cancel))
    return proof.claim((c, s), tuple(x), Domain(()))
