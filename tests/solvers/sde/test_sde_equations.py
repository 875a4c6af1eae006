"""Equations from sympy, implicit steps, and the pairs of schemes and equations that do not exist."""

from __future__ import annotations

import math
import re
from typing import Any

import numpy as np
import pytest
import sympy as sp
from numpy.typing import NDArray

from tests.solvers.sde.sde_equations import crossed, growing, ornstein_uhlenbeck, pushed
from theorysim.errors import NotConverged, ProblemError
from theorysim.solvers.sde import Equation, integrate, one_step
from theorysim.solvers.sde.noise import rows, words_of
from theorysim.solvers.sde.symbolic import kind_of

Array = NDArray[np.float64]
x, y, s, t = sp.symbols("x y s t")


@pytest.mark.parametrize(
    ("diffusion", "kind"),
    [
        ([[s, 1], [t, 0]], "additive"),
        ([[x * y], [1]], "scalar"),
        ([[x, 0], [0, sp.sin(y)]], "diagonal"),
        ([[x * y, 0], [0, 1]], "general"),
        ([[s * x, 3 * x], [s * y, 3 * y]], "commutative"),
        ([[y, 0], [0, x]], "general"),
    ],
)
def test_kinds_are_found(diffusion: Any, kind: str) -> None:
    assert kind_of(diffusion, [x, y]) == kind


def test_symbols_are_what_they_say() -> None:
    """Time, constants and powers, against the expressions themselves; other constants share the code."""
    drift, noise = [-s * x + sp.exp(-t), sp.Abs(y) * 3], [[sp.sqrt(x**2 + 1), 2], [x * y, sp.cos(s * t)]]
    one = Equation.from_sympy(drift, noise, [x, y], time=t, constants={s: 1.5})
    state, w = np.array([[0.3, -0.7]]), np.array([[0.5, -1.0]])
    got = one_step(one, state, 0.25, w, time=2.0)
    at = {x: 0.3, y: -0.7, s: 1.5, t: 2.0}
    a, b = (np.array(sp.Matrix(m).subs(at), float) for m in (drift, noise))
    np.testing.assert_allclose(got[0], state[0] + 0.25 * a[:, 0] + 0.5 * b @ w[0], rtol=1e-14)
    other = Equation.from_sympy(drift, noise, [x, y], time=t, constants={s: 9.0})
    assert other.code == one.code


@pytest.mark.parametrize(
    ("drift", "message"),
    [
        ([x], "must have 2 rows"),
        ([x, sp.Symbol("q")], "got q"),
        ([x, sp.gamma(y)], "must be real, made of exp"),
        ([x, sp.I * y], "must be real"),
    ],
)
def test_expressions_that_are_refused(drift: Any, message: str) -> None:
    with pytest.raises(ProblemError, match=message):
        Equation.from_sympy(drift, [[1], [1]], [x, y])


def stiff(t: float, state: Any, constants: Any, out: Any) -> None:
    out[0] = -1e4 * (state[0] ** 3 - state[1])
    out[1] = -state[1] - state[0]


def stiff_jacobian(t: float, state: Any, constants: Any, out: Any) -> None:
    out[0, 0], out[0, 1] = -3e4 * state[0] ** 2, 1e4
    out[1, 0], out[1, 1] = -1.0, -1.0


def unit(t: float, state: Any, constants: Any, out: Any) -> None:
    out[0], out[1] = 0.1, 0.2


@pytest.mark.parametrize("jacobian", [None, stiff_jacobian])
def test_implicit_steps_solve_their_equation(jacobian: Any) -> None:
    """y - x - a(y) dt - b dW vanishes to rounding, at steps 1000 times longer than an explicit one could be."""
    equation = Equation(drift=stiff, diffusion=unit, dimension=2, noises=2, kind="diagonal", jacobian=jacobian)
    rng = np.random.default_rng(0)
    start, w, h = rng.normal(size=(200, 2)), rng.normal(size=(200, 2)), 0.1
    end = one_step(equation, start, h, w, scheme="implicit")
    at = np.stack([-1e4 * (end[:, 0] ** 3 - end[:, 1]), -end[:, 1] - end[:, 0]], axis=1)
    miss = end - start - h * at - math.sqrt(h) * w * [0.1, 0.2]
    assert np.abs(miss).max() < 1e-11 * 1e3
    number = Equation.from_sympy([-(10**4) * (x**3 - x)], [[1 + x / 2]], [x])
    plain = Equation(
        drift=number.drift, diffusion=number.diffusion, jacobian=None if jacobian is None else number.jacobian
    )
    one = one_step(plain, start[:, :1], h, w[:, :1], scheme="implicit")[:, 0]
    miss_one = one - start[:, 0] + 1e3 * (one**3 - one) - math.sqrt(h) * (1 + start[:, 0] / 2) * w[:, 0]
    assert np.abs(miss_one).max() < 1e-11 * 1e3


def test_stiff_ensemble() -> None:
    """dX = -1000 (X - cos t) dt + dW, dt = .02: Euler explodes, the implicit scheme follows the cosine."""
    equation = Equation.from_sympy([-1000 * (x - sp.cos(t))], [[sp.Integer(1)]], [x], time=t)
    e = integrate(equation, 0.0, [3.0], dt=0.02, paths=20_000, seed=1, scheme="implicit")
    assert abs(e.mean[0, 0] - math.cos(3.0)) < 4.0 * e.standard_error[0, 0] + 2e-3
    assert abs(e.variance[0, 0] - 0.02 / (21.0**2 - 1.0)) < 4.0 * e.state.variance_error[0, 0]
    with pytest.raises(FloatingPointError, match="not finite"):
        integrate(equation, 0.0, [30.0], dt=0.02, paths=10, seed=1)


def test_a_step_without_solution() -> None:
    equation = Equation.from_sympy([x**2 + 1000], [[sp.Integer(1)]], [x])
    with pytest.raises(NotConverged, match=r"path 0 by time 1 \(dt 1\)"):
        integrate(equation, 0.0, [1.0], dt=1.0, paths=10, seed=0, scheme="implicit")


@pytest.mark.parametrize(
    ("equation", "scheme", "message"),
    [
        (crossed(), "milstein", 'must be "euler" or "srk2"'),
        (crossed(), "heun", 'must be "euler", "srk2" or "talay-tubaro"'),
        (Equation.from_sympy([x], [[x]], [x], calculus="stratonovich"), "srk2", 'must be "heun"'),
        (Equation.from_sympy([x], [[x]], [x], alpha=1.2), "euler", 'must be "levy"'),
    ],
)
def test_pairs_that_do_not_exist(equation: Equation, scheme: str, message: str) -> None:
    with pytest.raises(ProblemError, match=re.escape(message)):
        one_step(equation, np.ones((1, equation.dimension)), 0.1, np.ones((1, equation.noises)), scheme=scheme)


def test_variables_that_do_not_fit() -> None:
    ask: dict[str, Any] = {"dt": 0.1, "paths": 10, "seed": 0}
    with pytest.raises(ProblemError, match='`variables` must be "normal" for the scheme "milstein"'):
        integrate(ornstein_uhlenbeck(), 1.0, [1.0], scheme="milstein", variables="points", **ask)
    with pytest.raises(ProblemError, match='`histogram` must be None for the scheme "talay-tubaro"'):
        integrate(ornstein_uhlenbeck(), 1.0, [1.0], scheme="talay-tubaro", histogram=[0.0, 1.0], **ask)
    with pytest.raises(ProblemError, match='`keep` must be None or "state" for the scheme "talay-tubaro"'):
        integrate(ornstein_uhlenbeck(), 1.0, [1.0], scheme="talay-tubaro", keep="paths", **ask)


def test_points_have_the_moments_of_normals() -> None:
    """Kolmogorov distance aside: the ensemble of points has Euler's exact variance, and an extrapolation its mean."""
    e = integrate(ornstein_uhlenbeck(), 1.0, [1.0], dt=0.1, paths=200_000, seed=1, variables="points")
    assert abs(e.variance[0, 0] - 0.1155820191) < 4.0 * e.state.variance_error[0, 0]
    both = integrate(ornstein_uhlenbeck(), 1.0, [0.5, 1.0], dt=0.1, paths=200_000, seed=1, scheme="talay-tubaro")
    assert abs(both.variance[1, 0] - (2.0 * 0.1117292107 - 0.1155820191)) < 4.0 * both.state.variance_error[1, 0]
    assert abs(both.mean[1, 0] - (2.0 * 0.3584859224 - 0.3486784401)) < 4.0 * both.standard_error[1, 0]
    cut = integrate(ornstein_uhlenbeck(), 1.0, [0.5], dt=0.1, paths=1000, seed=1, scheme="talay-tubaro", keep="state")
    whole = integrate(ornstein_uhlenbeck(), 1.0, [0.5, 1.0], dt=0.1, paths=2000, seed=1, scheme="talay-tubaro")
    later = cut.extended(paths=2000, times=[1.0])
    assert np.array_equal(later.mean, whole.mean) and np.array_equal(later.covariance_error, whole.covariance_error)


@pytest.mark.parametrize("scheme", ["srk2", "implicit"])
def test_additive_steps_of_several_components(scheme: str) -> None:
    """One step against its formula, and the ensemble against the step: time enters the noise."""
    rng, h, time = np.random.default_rng(0), 0.2, 0.5
    start, w = rng.normal(size=(7, 2)), rng.normal(size=(7, 3))
    first, second = (math.sqrt(h) * w @ growing(s).T for s in (time, time + h))
    expected = {
        "srk2": start - 0.5 * h * (start + (start * (1.0 - h) + first)) + 0.5 * (first + second),
        "implicit": (start + first) / (1.0 + h),
    }[scheme]
    np.testing.assert_allclose(one_step(pushed(), start, h, w, scheme=scheme, time=time), expected, rtol=1e-12)
    e = integrate(pushed(), start, [time + h], start=time, dt=h, paths=7, seed=2, scheme=scheme, variables="normal",
                  keep="paths")  # fmt: skip
    drawn = np.empty((4, 7, 3))
    rows("normal")(drawn, 0, 0, 0.0, *words_of(2))
    assert e.paths is not None
    np.testing.assert_allclose(e.paths[0], one_step(pushed(), start, h, drawn[0], scheme=scheme, time=time), rtol=1e-12)
