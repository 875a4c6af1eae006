"""Orders of the schemes in dt at a fixed equation: exactly, over all values of their noise; strong ones by sampling."""

from __future__ import annotations

import math
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
import sympy as sp
from numpy.typing import NDArray

from tests.solvers.sde.enumeration import expectation, second_moment, slope
from tests.solvers.sde.sde_equations import crossed, debrabant, levy_number, ornstein_uhlenbeck
from theorysim.solvers.sde import Equation, integrate, one_step
from theorysim.solvers.sde.noise import rows, words_of

Array = NDArray[np.float64]

E_X2 = (math.exp(-1.0) - math.exp(-3.0)) / 2.0
x, y, z = sp.symbols("x y z")


def test_euler_on_the_debrabant_roessler_case() -> None:
    found = [second_moment(debrabant(), [1.0, 1.0], 3.0 / n, n, "euler")[0, 0] for n in (6, 12, 24, 48)]
    np.testing.assert_allclose(found, [0.0346868808, 0.0419534364, 0.0458116693, 0.0477860486], atol=5e-11)


def test_talay_tubaro_on_the_debrabant_roessler_case() -> None:
    exact = math.exp(-3.0)
    values = [second_moment(debrabant(), [1.0, 1.0], 3.0 / n, n, "euler")[0, 0] for n in (6, 12, 24, 48)]
    errors = [2.0 * fine - coarse - exact for coarse, fine in pairwise(values)]
    np.testing.assert_allclose(errors, [-5.6708e-4, -1.1717e-4, -2.664e-5], rtol=2e-4)
    assert slope(errors) > 1.85


def test_srk2_on_the_debrabant_roessler_case() -> None:
    errors = [second_moment(debrabant(), [1.0, 1.0], 3.0 / n, n, "srk2", pairs=1)[0, 0] - math.exp(-3.0)
              for n in (6, 12, 24, 48)]  # fmt: skip
    assert slope(errors) > 1.85 and abs(errors[-1]) < 3e-5


def test_noise_that_does_not_commute() -> None:
    """E X2^2: order 2 with the pair variables, order 1 without them (that the case can tell)."""
    steps = (4, 8, 16, 32)

    def errors(scheme: str, pairs: int = 0) -> list[float]:
        return [second_moment(crossed(), [1.0, 0.0], 1.0 / n, n, scheme, pairs=pairs)[1, 1] - E_X2 for n in steps]

    np.testing.assert_allclose(errors("euler"), [5.409e-2, 2.471e-2, 1.176e-2, 5.738e-3], rtol=4e-4)
    right, mutilated = errors("srk2", pairs=1), errors("srk2")
    np.testing.assert_allclose(right, [-3.343e-3, -6.077e-4, -1.351e-4, -3.217e-5], rtol=4e-4)
    np.testing.assert_allclose(mutilated, [-1.411e-2, -5.883e-3, -2.703e-3, -1.296e-3], rtol=4e-4)
    assert slope(right) > 1.85
    assert 0.9 < slope(mutilated) < 1.15
    euler = errors("euler")
    assert slope([2.0 * fine - coarse for coarse, fine in pairwise(euler)]) > 1.85


def test_euler_on_the_ornstein_uhlenbeck_process() -> None:
    """Mean and variance of linear steps: the map of x and of w are read off one step."""
    for n, mean, variance in ((10, 0.3486784401, 0.1155820191), (20, 0.3584859224, 0.1117292107)):
        factor, width = one_step(ornstein_uhlenbeck(), [[1.0], [0.0]], 1.0 / n, [[0.0], [1.0]])[:, 0]
        assert abs(factor**n - mean) < 6e-11
        assert abs(width**2 * sum(factor ** (2 * k) for k in range(n)) - variance) < 6e-11


@pytest.mark.parametrize(
    ("scheme", "order"), [("euler", 1), ("milstein", 1), ("implicit", 1), ("srk2", 2), ("heun", 2)]
)
def test_additive_noise(scheme: str, order: int) -> None:
    errors = []
    for n in (10, 20, 40):
        factor, width = one_step(ornstein_uhlenbeck(), [[1.0], [0.0]], 1.0 / n, [[0.0], [1.0]], scheme=scheme)[:, 0]
        errors.append(width**2 * sum(factor ** (2 * k) for k in range(n)) - (1.0 - math.exp(-2.0)) / 8.0)
    assert abs(slope(errors) - order) < 0.15


def nonlinear() -> Equation:
    """dX = (X/2 + sqrt(X^2 + 1)) dt + sqrt(X^2 + 1) dW: asinh X_t = t + W_t from 0."""
    root = sp.sqrt(x**2 + 1)
    return Equation.from_sympy([x / 2 + root], [[root]], [x])


def rotated() -> Equation:
    """The same X under two noises whose mixture turns with Y: it does not commute, the law of X is what it was."""
    root = sp.sqrt(x**2 + 1)
    noise = [[root * sp.cos(y), root * sp.sin(y)], [1, 0]]
    return Equation.from_sympy([x / 2 + root, -y], noise, [x, y])


def cubic(state: Array) -> Array:
    u = np.arcsinh(state[:, 0])
    return u**3 - 6.0 * u**2 + 8.0 * u


@pytest.mark.parametrize(("scheme", "order"), [("euler", 1), ("implicit", 1), ("srk2", 2)])
def test_nonlinear_equation(scheme: str, order: int) -> None:
    """E p(asinh X_t) = t^3 - 3 t^2 + 2 t, .375 at t = 1/2."""
    counts = (3, 6, 12) if scheme == "srk2" else (4, 8, 16)
    errors = [expectation(nonlinear(), [0.0], 0.5 / n, n, scheme, cubic) - 0.375 for n in counts]
    assert slope(errors) > order - 0.15
    if scheme == "euler":
        extrapolated = [2.0 * fine - coarse for coarse, fine in pairwise(errors)]
        assert slope(extrapolated) > 1.85 and abs(extrapolated[-1]) < 0.2 * abs(errors[-1])


def test_nonlinear_equation_that_does_not_commute() -> None:
    assert rotated().kind == "general"
    exact = 0.25**3 - 3 * 0.25**2 + 2 * 0.25
    right, mutilated = (
        [expectation(rotated(), [0.0, 0.3], 0.25 / n, n, "srk2", cubic, pairs=pairs) - exact for n in (1, 2, 4)]
        for pairs in (1, 0)
    )
    assert slope(right) > 1.85
    assert slope(mutilated) < 1.3 and abs(mutilated[-1]) > 10.0 * abs(right[-1])


def test_stratonovich() -> None:
    """dX = X o dW/2: E X = e^(t/8). The Ito reading of the same functions would give 1."""
    equation = Equation.from_sympy([0 * x], [[x / 2]], [x], calculus="stratonovich")
    errors = [expectation(equation, [1.0], 1.0 / n, n, "heun", lambda s: s[:, 0]) - math.exp(1 / 8) for n in (4, 8, 16)]
    assert slope(errors) > 0.85
    several = Equation.from_sympy([0 * x, 0 * y], [[y / 2, 0], [0, x / 2]], [x, y], calculus="stratonovich")
    exact = math.cosh(0.0)  # the correction of crossed noise vanishes: E X = 1
    found = [expectation(several, [1.0, 0.0], 1.0 / n, n, "heun", lambda s: s[:, 0]) for n in (2, 4)]
    assert max(abs(v - exact) for v in found) < 1e-12


def levels(equation: Equation, scheme: str, exact: Any, **more: Any) -> list[float]:
    """Return the mean error at time 1 for 16, 32, 64 steps, against the exact end for the noise of each path."""
    errors, paths = [], 4000
    for n in (16, 32, 64):
        e = integrate(equation, np.ones(equation.dimension), [1.0], dt=1.0 / n, paths=paths, seed=8, scheme=scheme,
                      keep="paths", **more)  # fmt: skip
        w, fill = np.zeros((paths, equation.noises)), rows("normal")
        for chunk in range(n // 4):
            four = np.empty((4, paths, equation.noises))
            fill(four, 0, chunk, 0.0, *words_of(8))
            w += four.sum(axis=0) / math.sqrt(n)
        assert e.paths is not None
        errors.append(float(np.abs(e.paths[0] - exact(w)).mean()))
    return errors


def test_strong_orders_of_one_component() -> None:
    """Geometric Brownian motion: Euler 1/2, Milstein 1 with the derivative and with differences."""
    symbolic = Equation.from_sympy([x / 2], [[x]], [x])
    assert symbolic.slope is not None
    plain = Equation(drift=symbolic.drift, diffusion=symbolic.diffusion, kind="diagonal")

    def exact(w: Array) -> Array:
        return np.exp(w)

    assert 0.35 < slope(levels(symbolic, "euler", exact)) < 0.65
    assert 0.85 < slope(levels(symbolic, "milstein", exact)) < 1.15
    assert 0.85 < slope(levels(plain, "milstein", exact)) < 1.15


def test_strong_orders_of_several_components() -> None:
    """Two noises that commute, and diagonal noise; the kind is found by algebra."""
    both = Equation.from_sympy([x / 2, y / 2], [[0.6 * x, 0.8 * x], [0.8 * y, 0.6 * y]], [x, y])
    assert both.kind == "commutative"
    turn = np.array([[0.6, 0.8], [0.8, 0.6]])
    assert 0.35 < slope(levels(both, "euler", lambda w: np.exp(w @ turn))) < 0.65
    assert 0.85 < slope(levels(both, "milstein", lambda w: np.exp(w @ turn))) < 1.15
    diagonal = Equation.from_sympy([x / 2, y / 2], [[x, 0], [0, y]], [x, y])
    plain = Equation(drift=diagonal.drift, diffusion=diagonal.diffusion, dimension=2, noises=2, kind="diagonal")
    assert diagonal.kind == "diagonal" and diagonal.slope is not None
    assert 0.85 < slope(levels(diagonal, "milstein", np.exp)) < 1.15
    assert 0.85 < slope(levels(plain, "milstein", np.exp)) < 1.15


def test_kinds_agree() -> None:
    """One equation stated as diagonal and as general: the same step, where no component moves another's noise."""
    diagonal = Equation.from_sympy([-x, x - y], [[sp.sin(x), 0], [0, sp.exp(-y)]], [x, y])

    def matrix(t: float, state: Any, constants: Any, out: Any) -> None:
        out[0, 0], out[0, 1] = math.sin(state[0]), 0.0
        out[1, 0], out[1, 1] = 0.0, math.exp(-state[1])

    general = Equation(drift=diagonal.drift, diffusion=matrix, dimension=2, noises=2, kind="general")
    rng = np.random.default_rng(0)
    start, w, v = rng.normal(size=(5, 2)), rng.normal(size=(5, 2)), rng.choice([-1.0, 1.0], size=(5, 1))
    one, two = (one_step(e, start, 0.1, w, signs=v, scheme="srk2") for e in (diagonal, general))
    np.testing.assert_allclose(one, two, atol=1e-12)


def test_levy_noise_exactly() -> None:
    """E cos X of the steps: characteristic functions multiply; x0 and the noise enter a step linearly."""
    found = []
    for n in (5, 10, 20, 40):
        factor, width = one_step(levy_number(), [[1.0], [0.0]], 1.0 / n, [[0.0], [1.0]], scheme="levy")[:, 0]
        decay = sum(abs(width * factor**k) ** 1.5 for k in range(n))
        found.append(math.cos(factor**n) * math.exp(-decay))
    np.testing.assert_allclose(found, [0.7736551522, 0.7755991727, 0.7763466055, 0.7766707035], atol=6e-11)
    assert slope([value - 0.7769639138 for value in found]) > 0.85


def test_levy_noise_sampled() -> None:
    """The law of the increments: |z| < 4 at several wave numbers; the law of alpha = 1.4 is rejected."""
    e = integrate(levy_number(), 1.0, [1.0], dt=0.1, paths=200_000, seed=3, scheme="levy", observables=np.cos)
    assert e.observed is not None
    assert abs((e.observed.mean[0, 0] - 0.7755991727) / e.observed.standard_error[0, 0]) < 4.0
    free = Equation(
        drift=lambda t, x, constants: 0.0, diffusion=lambda t, x, constants: 1.0, kind="additive", alpha=0.8
    )
    k = np.array([0.3, 1.0, 2.5])
    f = integrate(free, 0.0, [1.0], dt=0.25, paths=200_000, seed=3, scheme="levy", observables=lambda s: np.cos(s * k))
    assert f.observed is not None
    score = np.abs((f.observed.mean[0] - np.exp(-(k**0.8))) / f.observed.standard_error[0])
    assert score.max() < 4.0
    assert np.abs((f.observed.mean[0] - np.exp(-(k**0.9))) / f.observed.standard_error[0]).max() > 4.0


@pytest.mark.parametrize("scheme", ["srk2", "talay-tubaro", "euler"])
def test_the_ensemble_draws_what_was_enumerated(scheme: str) -> None:
    """E X2^2 of the ensemble against the tree of outcomes, |z| < 4; the mutilated scheme is rejected."""
    e = integrate(crossed(), [1.0, 0.0], [1.0], dt=0.25, paths=400_000, seed=6, scheme=scheme, variables="points",
                  observables=lambda s: s[:, 1:] ** 2)  # fmt: skip
    euler = {n: second_moment(crossed(), [1.0, 0.0], 1.0 / n, n, "euler")[1, 1] for n in (4, 8)}
    srk2 = second_moment(crossed(), [1.0, 0.0], 0.25, 4, "srk2", pairs=1)[1, 1]
    exact = {"euler": euler[4], "talay-tubaro": 2.0 * euler[8] - euler[4], "srk2": srk2}[scheme]
    assert e.observed is not None
    assert abs(e.observed.mean[0, 0] - exact) < 4.0 * e.observed.standard_error[0, 0]
    mutilated = second_moment(crossed(), [1.0, 0.0], 0.25, 4, "srk2")[1, 1]
    assert abs(e.observed.mean[0, 0] - mutilated) > 4.0 * e.observed.standard_error[0, 0]
