"""Noisy game dynamics: closed forms, runs beside moments, planted errors, and the drifts of the equations."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import scipy.linalg

from theorysim.compare import compare
from theorysim.equations import stochastic_games as forms
from theorysim.errors import ProblemError
from theorysim.games import stochastic
from theorysim.games.stochastic import Problem

ROTATION = [[0.5, 1.0], [-1.0, 0.5]]
CASE = Problem(matrix=ROTATION, step=0.1, steps=200, start=[1.0, 2.0], centre=[0.3, -0.2])


def worst(limit, runs, key="z"):
    scores = compare(limit, runs, names=stochastic.OBSERVABLES)
    return max(float(np.abs(scores[f"{name}_{key}"]).max()) for name in stochastic.OBSERVABLES)


def test_the_acceptance_numbers():
    found = stochastic.stationary(CASE)
    np.testing.assert_allclose(found["covariance"], 0.1142857143 * np.eye(2), atol=1e-10)
    np.testing.assert_allclose(found["first_order"], 0.1 * np.eye(2), atol=1e-10)
    assert found.attrs["critical_step"] == pytest.approx(0.8, abs=1e-12)
    other = stochastic.stationary(replace(CASE, method="extragradient"))
    np.testing.assert_allclose(other["covariance"], 0.0977375566 * np.eye(2), atol=1e-10)


@pytest.mark.parametrize("mu, w, e", [(0.5, 1.0, 0.1), (1.0, 0.0, 0.3), (0.2, 2.0, 0.05)])
def test_matrices_and_closed_forms_agree(mu, w, e):
    game = Problem(matrix=[[mu, w], [-w, mu]], step=e, steps=1, noise=1.5)
    found = stochastic.stationary(game)
    for name, form in (
        ("covariance", forms.descent_ascent), ("first_order", forms.first_order), ("second_order", forms.second_order),
    ):  # fmt: skip
        np.testing.assert_allclose(found[name], 2.25 * form(mu, w, e) * np.eye(2), rtol=1e-12, atol=1e-14)
    assert stochastic.critical_step(game) == pytest.approx(forms.critical_step(mu, w), rel=1e-12)
    other = stochastic.stationary(replace(game, method="extragradient"))
    np.testing.assert_allclose(other["covariance"], 2.25 * forms.extragradient(mu, w, e) * np.eye(2), atol=1e-13)


@pytest.mark.parametrize("method", stochastic.METHODS)
def test_the_critical_step_is_where_the_radius_is_one(method):
    rng = np.random.default_rng(0)
    matrix = rng.normal(size=(4, 4))
    matrix = matrix - matrix.T + 0.4 * np.eye(4)
    edge = stochastic.critical_step(Problem(matrix=matrix, step=0.1, steps=1, method=method))
    for share, stable in ((0.999, True), (1.001, False)):
        game = Problem(matrix=matrix, step=share * edge, steps=1, method=method)
        assert stochastic.validity(game).applies == stable
        assert (game.radius < 1.0) == stable
    assert stochastic.critical_step(Problem(matrix=-np.eye(2), step=0.1, steps=1, method=method)) == 0.0


def test_extragradient_is_stable_on_a_pure_rotation():
    game = Problem(matrix=[[0.0, 1.0], [-1.0, 0.0]], step=0.5, steps=1, method="extragradient")
    assert stochastic.critical_step(game) == pytest.approx(1.0, rel=1e-9)
    assert stochastic.critical_step(replace(game, method="descent-ascent")) == 0.0


@pytest.mark.parametrize("method", stochastic.METHODS)
def test_runs_have_the_predicted_moments(method):
    root = np.array([[1.0, 0.0, 0.0], [0.5, 0.8, 0.0], [0.0, -0.3, 0.6]])
    matrix = [[0.4, 1.0, 0.2], [-1.0, 0.5, -0.7], [-0.1, 0.7, 0.6]]
    game = Problem(matrix=matrix, step=0.1, steps=150, noise=root, method=method, start=[1.0, 2.0, -1.0])
    runs = stochastic.finite(game, replicas=4000, seed=3)
    assert worst(stochastic.limit(game), runs) < 4.0
    assert worst(stochastic.limit(game), runs, "std_z") < 4.0


def test_planted_errors_are_rejected():
    runs = stochastic.finite(CASE, replicas=4000, seed=2)
    assert worst(stochastic.limit(replace(CASE, matrix=[[0.5, 1.1], [-1.1, 0.5]])), runs) > 8.0
    assert worst(stochastic.limit(replace(CASE, noise=1.1)), runs, "std_z") > 8.0
    assert worst(stochastic.equation(CASE, 1), runs) > 8.0  # the equation of order 1 is not the algorithm
    assert worst(stochastic.limit(replace(CASE, method="extragradient")), runs) > 8.0


@pytest.mark.parametrize("order", stochastic.ORDERS)
@pytest.mark.parametrize("method", stochastic.METHODS)
def test_paths_of_the_equations_have_their_moments(method, order):
    game = replace(CASE, method=method, record=[5, 20, 100])
    law = stochastic.equation(game, order)
    paths = stochastic.simulate(game, order, paths=8000, seed=5, substeps=4)
    z = (paths.mean - law["position"].values) / paths.standard_error
    spread = law["position_std"].values ** 2
    assert np.abs(z).max() < 4.0
    assert np.abs((paths.variance / spread - 1.0) / np.sqrt(2.0 / 8000)).max() < 4.0


def test_one_component_is_simulated_too():
    game = Problem(matrix=0.7, step=0.2, steps=60, start=1.0, noise=0.5, record=[10, 60])
    paths = stochastic.simulate(game, 2, paths=6000, seed=1)
    law = stochastic.equation(game, 2)
    assert np.abs((paths.mean - law["position"].values) / paths.standard_error).max() < 4.0
    np.testing.assert_allclose(paths.variance[-1], law["position_std"].values[-1] ** 2, rtol=0.08)


def test_equations_relax_to_their_stationary_law():
    game = replace(CASE, steps=4000, record=[4000])
    for order, name in ((1, "first_order"), (2, "second_order")):
        law = stochastic.equation(game, order)["position_std"].values[0] ** 2
        np.testing.assert_allclose(law, np.diag(stochastic.stationary(game)[name]), rtol=1e-10)
    algorithm = stochastic.limit(game)["position_std"].values[0] ** 2
    np.testing.assert_allclose(algorithm, np.diag(stochastic.stationary(game)["covariance"]), rtol=1e-10)


@pytest.mark.parametrize("method", stochastic.METHODS)
def test_drifts_are_logarithms_of_a_step_to_second_order(method):
    """log M/e minus the drift of order 2 falls as e^2, minus that of order 1 as e."""
    rng = np.random.default_rng(1)
    matrix = rng.normal(size=(3, 3))
    gaps = []
    for e in (1e-2, 1e-3):
        game = Problem(matrix=matrix, step=e, steps=1, method=method)
        exact = scipy.linalg.logm(game.iteration[0]).real / e
        gaps.append([np.abs(stochastic.drift_matrix(game, order) - exact).max() for order in stochastic.ORDERS])
    slopes = np.log10(np.array(gaps[0]) / gaps[1])
    np.testing.assert_allclose(slopes, [1.0, 2.0], atol=0.05)


def test_the_drift_of_the_proximal_point_method_is_that_of_extragradient():
    matrix, e = np.array(ROTATION), 1e-3
    exact = scipy.linalg.logm(np.linalg.inv(np.eye(2) + e * matrix)) / e
    drift = stochastic.drift_matrix(Problem(matrix=matrix, step=e, steps=1, method="extragradient"), 2)
    np.testing.assert_allclose(drift, exact, atol=2.0 * e**2)


def test_replicas_do_not_depend_on_their_number_and_a_divergence_is_told():
    few, many = (stochastic.finite(CASE, replicas=n, seed=7)["position"].values for n in (2, 9))
    np.testing.assert_array_equal(few, many[..., :2])
    wild = Problem(matrix=ROTATION, step=3.0, steps=5000, start=[1.0, 0.0])
    with pytest.raises(FloatingPointError, match="diverged"):
        stochastic.finite(wild, replicas=2, seed=0)
    with pytest.raises(FloatingPointError):
        stochastic.limit(wild)
    with pytest.raises(ProblemError, match=r"`step` must be below the critical 0.8"):
        stochastic.stationary(wild)


@pytest.mark.parametrize(
    "change, message",
    [
        ({"matrix": [[1.0, 2.0]]}, r"`matrix` must be square"),
        ({"step": 0.0}, r"`step` must be a positive number, got 0.0"),
        ({"noise": [[1.0]]}, r"`noise` must be a number or of shape \(2, 2\)"),
        ({"steps": 0}, r"`steps` must be a whole number"),
        ({"method": "adam"}, r"`method` must be one of descent-ascent, extragradient"),
        ({"start": [1.0]}, r"`start` must hold 2 finite numbers"),
        ({"record": [5, 3]}, r"`record` must hold ascending steps"),
    ],
)
def test_bad_input_is_one_line(change, message):
    with pytest.raises(ProblemError, match=message):
        replace(CASE, **change)


def test_bad_arguments_are_one_line():
    with pytest.raises(ProblemError, match="`replicas`"):
        stochastic.finite(CASE, replicas=0, seed=0)
    with pytest.raises(ProblemError, match="`order` must be 1 or 2, got 3"):
        stochastic.equation(CASE, 3)
