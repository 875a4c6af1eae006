"""Methods for variational inequalities: every step against its exact iteration matrix, and the closed cases."""

from __future__ import annotations

import math

import numpy as np
import pytest

from theorysim.equations import inequality_rates as rates
from theorysim.solvers.box_inequality import CODES, march_in_box
from theorysim.solvers.linearised import MATRICES, in_turn, spectral_radius
from theorysim.solvers.variational_inequality import METHODS, Inequality, fitted_rate, march, period

QUARTER = np.array([[0.0, 1.0], [-1.0, 0.0]])


def free(matrix: np.ndarray, shift: np.ndarray | None = None) -> Inequality:
    shift = np.zeros(len(matrix)) if shift is None else shift
    return Inequality(len(matrix), lambda z: matrix @ z + shift, lambda v, a: v, affine=(matrix, shift))


def quadratic(matrix: np.ndarray, curvature: np.ndarray) -> Inequality:
    """f = sum c_i z_i^2/2: the proximal map divides by 1 + a c, so everything is linear."""
    return Inequality(
        len(matrix),
        lambda z: matrix @ z,
        lambda v, a: v / (1.0 + a * curvature),
        affine=(matrix, np.zeros(len(matrix))),
    )


def packed(name: str, problem: Inequality, state: tuple, a: float) -> np.ndarray:
    """The state in the variables of the iteration matrix."""
    if name in ("optimistic", "popov"):  # the code carries F z- or F y-, the matrix z- or y-
        return np.concatenate([state[0], np.linalg.solve(problem.affine[0], state[1])])
    return np.concatenate(state) if name == "projected-reflected" else state[0]


@pytest.mark.parametrize("name", sorted(MATRICES))
def test_one_step_is_the_iteration_matrix(name):
    """The spectral-radius test: a wrong sign (2 F_t + F_{t-1}) or a wrong proximal step is another matrix."""
    draw = np.random.default_rng(1)
    matrix = np.eye(4) + draw.standard_normal((4, 4))
    curvature, a, r = draw.random(4), 0.23, 0.4
    problem = quadratic(matrix, curvature)
    exact = MATRICES[name](matrix, np.diag(1.0 / (1.0 + a * curvature)), a, r)
    method = METHODS[name]
    state = method.start(problem, draw.standard_normal(4), a)
    for k in range(6):
        new = method.step(problem, state, k, a, r)
        before, after = (packed(name, problem, s, a) for s in (state, new))
        np.testing.assert_allclose(after, exact @ before, atol=1e-12)
        state = new


@pytest.mark.parametrize("name", sorted(MATRICES))
def test_measured_rate_is_the_spectral_radius(name):
    """On a rotation with contraction the residual falls as the spectral radius says."""
    matrix = 0.6 * np.eye(2) + QUARTER
    a = 0.3
    found = march(free(matrix), METHODS[name], np.array([1.0, 0.5]), step=a, relaxation=0.7, steps=250, tolerance=0.0)
    radius = spectral_radius(MATRICES[name](matrix, np.eye(2), a, 0.7))
    assert radius < 1.0
    assert fitted_rate(found.residual, floor=1e-280) == pytest.approx(radius, rel=2e-3)


def test_planted_sign_of_the_reflected_step_is_another_radius():
    """Power: with 2 F_t + F_{t-1} the min-max game diverges at 0.3, and the matrix sees it."""
    one, zero = np.eye(2), np.zeros((2, 2))
    wrong = np.block([[one - 0.6 * QUARTER, -0.3 * QUARTER], [one, zero]])
    assert spectral_radius(wrong) > 1.3
    assert spectral_radius(MATRICES["optimistic"](QUARTER, one, 0.3, 1.0)) == pytest.approx(0.948683298051, abs=1e-12)


# step, method, factor, norm after 100 steps (None: not printed)
MIN_MAX = [
    (0.1, "forward-backward", 1.004987562112, 2.325860627562),
    (0.1, "extragradient", 0.995037687728, 0.859939748216),
    (0.1, "douglas-rachford", 0.995037190210, None),  # without f: the proximal point method
    (0.1, "optimistic", 0.994936153005, 0.859985278817),
    (0.3, "forward-backward", 1.044030650891, 105.157413355654),
    (0.3, "extragradient", 0.958175349297, 0.019724879893),
    (0.3, "douglas-rachford", 0.957826285221, None),
    (0.3, "optimistic", 0.948683298051, 0.008199606145),
]


@pytest.mark.parametrize(("e", "name", "factor", "norm"), MIN_MAX)
def test_min_max_of_a_product(e, name, factor, norm):
    """Case 3 of the notes."""
    assert spectral_radius(MATRICES[name](QUARTER, np.eye(2), e, 1.0)) == pytest.approx(factor, abs=6e-13)
    found = march(free(QUARTER), METHODS[name], np.ones(2), step=e, relaxation=1.0, steps=100, tolerance=0.0)
    if norm is not None:
        assert np.linalg.norm(found.path[-1]) == pytest.approx(norm, abs=6e-13)
    if name == "optimistic":
        assert rates.optimistic_rotation(e) == pytest.approx(factor, abs=6e-13)


def test_edge_of_the_optimistic_method():
    for e, radius in ((1 / math.sqrt(3), 1.0), (0.57, 0.98071), (0.58, 1.00686)):
        assert rates.optimistic_rotation(e) == pytest.approx(radius, abs=6e-6)
        assert spectral_radius(MATRICES["optimistic"](QUARTER, np.eye(2), e, 1.0)) == pytest.approx(radius, abs=6e-6)


def test_the_same_sequence_without_a_set():
    paths = {
        name: march(free(QUARTER), METHODS[name], np.ones(2), step=0.2, relaxation=1.0, steps=30, tolerance=0.0).path
        for name in ("optimistic", "projected-reflected")
    }
    np.testing.assert_allclose(paths["optimistic"], paths["projected-reflected"], atol=1e-13)


@pytest.mark.parametrize("angle", [math.pi / 2, 0.7, 3.0])
def test_halpern_and_relaxation_on_a_rotation(angle):
    """Case 15: exact residuals."""
    c, s = math.cos(angle), math.sin(angle)
    problem = free(np.eye(2) - np.array([[c, -s], [s, c]]))
    x0 = np.ones(2)
    found = march(problem, METHODS["halpern"], x0, step=1.0, relaxation=1.0, steps=40, tolerance=0.0)
    exact = [rates.halpern_rotation(k, angle) * math.sqrt(2) for k in range(41)]
    np.testing.assert_allclose(found.residual, exact, atol=2e-14)
    relaxed = march(problem, METHODS["krasnoselskii-mann"], x0, step=1.0, relaxation=0.5, steps=40, tolerance=0.0)
    sizes = np.cos(angle / 2) ** np.arange(41) * math.sqrt(2)
    np.testing.assert_allclose(np.linalg.norm(relaxed.path, axis=1), sizes, atol=2e-14)
    np.testing.assert_allclose(relaxed.residual, 2 * math.sin(angle / 2) * sizes, atol=2e-14)
    if angle == math.pi / 2:
        assert found.residual[10] == pytest.approx(2 / 11, abs=1e-14)


def test_anchored_bound_and_its_constant():
    """Squared residual of the anchored method on min-max xy: at most 260 L^2 d^2/(k + 1)^2; the largest is 211."""
    found = march(free(QUARTER), METHODS["anchored"], np.ones(2), step=0.125, relaxation=1.0, steps=1000, tolerance=0.0)
    ratio = found.residual**2 * np.arange(1, 1002) ** 2 / 2.0
    assert ratio.max() <= 260.0
    assert ratio.max() == pytest.approx(211.0, abs=0.1)


def test_golden_ratio_needs_no_constant():
    matrix = 30.0 * (0.3 * np.eye(2) + QUARTER)
    found = march(
        free(matrix), METHODS["golden-ratio"], np.ones(2), step=1.0, relaxation=1.0, steps=600, tolerance=1e-9
    )
    assert found.residual[-1] <= 1e-9


def box_case() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Case 13: M, q and the solution."""
    rng = np.random.default_rng(0)
    q = rng.standard_normal((200, 200)) / np.sqrt(200)
    g = 0.1 * np.eye(200) + q - q.T
    x = np.clip(rng.standard_normal(200), -1, 1)
    nu = np.where(x >= 1, -rng.random(200), np.where(x <= -1, rng.random(200), 0.0))
    return g, nu - g @ x, x


def test_extragradient_on_a_box():
    g, q, x = box_case()
    size = np.linalg.norm(g, 2)
    assert size == pytest.approx(2.7550147644, abs=6e-11)
    assert np.count_nonzero(np.abs(x) == 1.0) == 70
    ends = (np.full(200, -1.0), np.full(200, 1.0))
    path, residual = march_in_box("extragradient", (g, q), ends, np.zeros(200), step=0.9 / size, steps=1000,
                                  tolerance=0.0, keep=True)  # fmt: skip
    assert np.abs(path[500] - x).max() == pytest.approx(5.598e-8, rel=1e-3)
    assert np.abs(path[-1] - x).max() <= 9e-15
    assert np.linalg.norm(x - np.clip(x - (g @ x + q), *ends)) <= 1e-14
    assert residual[0] == pytest.approx(np.linalg.norm(np.clip(q, -1, 1)), rel=1e-13)


@pytest.mark.parametrize("name", sorted(CODES))
@pytest.mark.parametrize("n", [1, 4, 7])
def test_compiled_steps_are_the_plain_ones(name, n):
    draw = np.random.default_rng(n)
    matrix, shift = np.eye(n) + draw.standard_normal((n, n)), draw.standard_normal(n)
    low, high = np.full(n, -0.5), np.where(np.arange(n) % 2 == 0, np.inf, 0.4)
    plain = Inequality(n, lambda z: matrix @ z + shift, lambda v, a: np.clip(v, low, high))
    want = march(plain, METHODS[name], np.full(n, 0.3), step=0.2, relaxation=1.0, steps=30, tolerance=0.0)
    path, residual = march_in_box(name, (matrix, shift), (low, high), np.full(n, 0.3), step=0.2, steps=30,
                                  tolerance=0.0, keep=True)  # fmt: skip
    np.testing.assert_allclose(path, want.path, rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(residual, want.residual, rtol=1e-9, atol=1e-12)


def test_period_and_rate():
    cycle = np.tile(np.array([[0.0], [1.0], [3.0]]), (20, 1))
    assert period(cycle) == 3
    assert period(np.cumsum(np.ones((50, 1)), axis=0)) == 0
    assert fitted_rate(0.9 ** np.arange(100)) == pytest.approx(0.9, rel=1e-12)
    assert math.isnan(fitted_rate([1.0, 1e-20]))


def test_turns_of_one_player_are_a_product():
    w = np.random.default_rng(3).standard_normal((3, 3))
    np.testing.assert_allclose(in_turn(w, [slice(0, 3)]), w)
    z = np.array([1.0, -2.0, 0.5])
    want = z.copy()
    for i in range(3):
        want[i] = w[i] @ want
    np.testing.assert_allclose(in_turn(w, [slice(i, i + 1) for i in range(3)]) @ z, want)
