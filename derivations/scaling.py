"""Exponents of width in an abc parameterization: W^l = n^-a_l w^l, w^l ~ N(0, n^-2b_l), learning rate eta n^-c."""

from __future__ import annotations

import sympy as sp

from .claim import Claim, Domain, Proof, Range

a, b, c = sp.symbols("a b c", real=True)
slowest = sp.Symbol("m", real=True)
n = sp.Symbol("n", positive=True)
eta, x, omega, error = sp.symbols("eta x omega e", positive=True)

HALF, QUARTER = sp.Rational(1, 2), sp.Rational(1, 4)
CASES = {  # of two layers: a_1, b_1, a_2, b_2, c
    "ntk": (0, 0, HALF, 0, 0),
    "muP": (-HALF, HALF, HALF, HALF, 0),
    "standard, c = 1": (0, 0, 0, HALF, 1),
    "between, r = 1/4": (0, 0, 3 * QUARTER, 0, -HALF),
}


def _exponent(size: sp.Expr) -> sp.Expr:
    """Return s of something that falls as n^-s."""
    return sp.limit(-sp.log(size) / sp.log(n), n, sp.oo)


def _two_layers(proof: Proof) -> None:
    """The second step of f = W2 W1 x at label and error e: w2 has moved by then."""
    for name, (a1, b1, a2, b2, rate) in CASES.items():
        hidden = n ** -(a1 + b1) * omega * x
        readout = n**-b2 * omega + eta * n**-rate * n**-a2 * hidden * error
        change = eta * n**-rate * n ** (-2 * a1) * x**2 * n**-a2 * readout * error
        formula = sp.Min(a2 + b2, 2 * a2 + rate) + rate - 1 + 2 * a1 + 1
        proof.equal(f"two layers, {name}: exponent of the change of h in the second step", _exponent(change), formula)


def feature_exponent() -> Claim:
    """Features of hidden layers move by n^-r, r = min(a + b, 2 a + c) + c - 1 + m, in a few steps of SGD.

    a, b of the readout; m the least of 2 a_l over hidden layers, with 2 a_1 + 1 for the input layer; a_1 + b_1 = 0 and
    a_l + b_l = 1/2 between.  Source: Yang and Hu (2021), "Tensor Programs IV" (statement recalled, derived here).
    """
    proof = Proof()
    proof.note("readout: dL/dh^L ~ n^-a w, where w = n^-b omega + (update) n^-c n^-a: together n^-min(a + b, 2 a + c)")
    proof.note("a_l + b_l = 1/2 keeps backpropagation at order 1: dL/dh^l ~ dL/dh^L for all hidden layers")
    proof.note("update of W^l x: n^-c n^-2a_l (dL/dh^l) x.x, with x.x ~ n in hidden layers and ~ 1 in the input layer")
    al, back = sp.symbols("a_l q", real=True)
    count = sp.log(n ** (-c) * n ** (-2 * al) * n ** (-back) * n) / sp.log(n)
    proof.equal("hidden layer: exponent of its change", -sp.expand_log(count, force=True), back + c + 2 * al - 1)
    count = sp.log(n ** (-c) * n ** (-2 * al) * n ** (-back)) / sp.log(n)
    proof.equal("input layer", -sp.expand_log(count, force=True), back + c - 1 + (2 * al + 1))
    _two_layers(proof)
    formula = sp.Min(a + b, 2 * a + c) + c - 1 + slowest
    ranges = (Range(-1, 1), Range(-1, 1), Range(-1, 2), Range(-1, 1))
    edges = ((0.5, 0.0, 0.0, 0.0), (0.5, 0.5, 0.0, 0.0), (1.0, 0.0, -1.0, 1.0))
    scale = sp.Abs(a) + sp.Abs(b) + sp.Abs(c) + sp.Abs(slowest) + 1
    return proof.claim((a, b, c, slowest), formula, Domain(ranges, edges=edges), scale=scale)


def symmetry() -> Claim:
    """a -> a + t, b -> b - t, c -> c - 2 t in one layer is the same network at every step of SGD."""
    proof = Proof()
    t, w, g = sp.symbols("t w g", real=True)
    effective = n**-a * (n**-b * w)
    other = n ** -(a + t) * (n ** -(b - t) * w)
    proof.equal("the weights at the start", other, effective)
    step = n**-a * (eta * n**-c * n**-a * g)
    moved = n ** -(a + t) * (eta * n ** -(c - 2 * t) * n ** -(a + t) * g)
    proof.equal("their step, g the gradient with respect to the effective weights", moved, step)
    return proof.claim((a, b, c), (a + b, 2 * a + c), Domain(()))
