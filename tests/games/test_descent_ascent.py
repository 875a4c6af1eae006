"""Particles beside their mean-field law: acceptance numbers, z-scores, the exponent in N, planted errors."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from theorysim.compare import compare
from theorysim.equations import descent_ascent as forms
from theorysim.errors import ProblemError
from theorysim.games import descent_ascent
from theorysim.games.descent_ascent import Problem

CASE = Problem(
    a=1.0, b=2.0, c=1.5, inverse_temperature=4.0, particles=100, step=0.25, steps=16, start_mean=[1.0, -1.0],
    start_variance=0.3, record=[0, 1, 2, 4, 8, 16],
)  # fmt: skip


def worst(limit, runs, key="z", names=descent_ascent.OBSERVABLES):
    scores = compare(limit, runs, names=names)
    return max(float(np.abs(scores[f"{name}_{key}"]).max()) for name in names)


@pytest.fixture(scope="module")
def runs():
    return descent_ascent.finite(CASE, replicas=600, seed=1)


def test_the_acceptance_numbers():
    found = descent_ascent.stationary(CASE)
    np.testing.assert_allclose(found["variance"], [[0.25, 0.0], [0.0, 0.125]], atol=1e-12)
    s = [[0.0020588235, 0.0002941176], [0.0002941176, 0.0014705882]]
    np.testing.assert_allclose(found["mean_covariance"], s, atol=1e-10)
    np.testing.assert_allclose(found["eigenvalue_real"], 1.5, atol=1e-12)
    np.testing.assert_allclose(found["eigenvalue_imag"], [-1.4142135624, 1.4142135624], atol=1e-10)
    assert found.attrs["frequency"] == pytest.approx(2.0**0.5) and found.attrs["slowest_rate"] == pytest.approx(1.5)


@pytest.mark.parametrize("a, b, c", [(1.0, 2.0, 1.5), (3.0, 0.2, 0.4), (1.0, 1.0, -2.0)])
def test_matrices_and_closed_forms_agree(a, b, c):
    found = descent_ascent.stationary(replace(CASE, a=a, b=b, c=c))
    xx, xy, yy = forms.mean_covariance(a, b, c)
    np.testing.assert_allclose(found["mean_covariance"], np.array([[xx, xy], [xy, yy]]) / 400.0, atol=1e-15)
    assert found.attrs["slowest_rate"] == pytest.approx(found["eigenvalue_real"].min())
    assert found.attrs["frequency"] == pytest.approx(float(found["eigenvalue_imag"].max()), abs=1e-12)


def test_particles_have_the_predicted_moments(runs):
    for answer in (descent_ascent.limit(CASE), descent_ascent.exact(CASE)):
        assert worst(answer, runs) < 4.0
        assert worst(answer, runs, "std_z") < 4.0
    late = runs["particle_mean"].isel(step=-1)
    covariance = np.cov(late.values)
    expected = descent_ascent.stationary(CASE)["mean_covariance"].values
    error = np.sqrt((expected**2 + np.outer(np.diag(expected), np.diag(expected))) / 599)
    assert np.abs((covariance - expected) / error).max() < 4.0


def test_planted_errors_are_rejected(runs):
    assert worst(descent_ascent.limit(replace(CASE, c=1.7)), runs) > 8.0
    assert worst(descent_ascent.limit(replace(CASE, c=-1.5)), runs) > 8.0
    assert worst(descent_ascent.exact(replace(CASE, particles=50)), runs, "std_z") > 8.0
    hot = descent_ascent.exact(replace(CASE, inverse_temperature=3.6))
    assert worst(hot, runs, names=("particle_variance",)) > 8.0


def test_the_bias_falls_as_one_over_n():
    base = replace(CASE, steps=8, record=[8])
    bare = descent_ascent.limit(base).drop_vars([f"{n}_error" for n in descent_ascent.OBSERVABLES])
    sizes = {n: descent_ascent.finite(replace(base, particles=n), replicas=40_000 // n, seed=n) for n in (4, 8, 16, 32)}
    found = compare.widths(bare, sizes, names=("particle_variance",))
    p, error = found["particle_variance_exponent"].values[0], found["particle_variance_exponent_error"].values[0]
    assert np.all(np.abs(p - 1.0) < 4.0 * error) and np.all(error < 0.1)
    assert np.all(np.abs(p - 0.5) > 4.0 * error)
    bias = [descent_ascent.limit(replace(base, particles=n))["payoff_error"].item() for n in (100, 1000)]
    assert bias[0] / bias[1] == pytest.approx(10.0, rel=1e-9)


def test_many_dimensions_and_euler_steps():
    a, b = [[1.0, 0.2], [0.2, 0.8]], [[1.5, 0.1, 0.0], [0.1, 1.0, 0.0], [0.0, 0.0, 0.7]]
    c = [[0.5, -1.0, 0.3], [0.0, 0.4, 1.2]]
    wide = Problem(
        a=a, b=b, c=c, inverse_temperature=2.0, particles=20, step=0.2, steps=20, start_mean=[1, 0, -1, 0.5, 2],
        scheme="euler", record=[1, 5, 20],
    )  # fmt: skip
    found = descent_ascent.finite(wide, replicas=1500, seed=4)
    assert list(found["side"].values) == ["descent"] * 2 + ["ascent"] * 3
    assert worst(descent_ascent.exact(wide), found) < 4.0
    assert worst(descent_ascent.exact(wide), found, "std_z") < 4.0
    assert worst(descent_ascent.exact(replace(wide, scheme="exact")), found) > 6.0  # the bias of Euler is seen
    assert worst(descent_ascent.limit(wide), found) < 4.0  # and it is inside X_error


def test_the_exact_scheme_does_not_depend_on_the_step():
    coarse = replace(CASE, step=2.0, steps=2, record=[2])
    fine = replace(CASE, step=0.01, steps=400, record=[400])
    for one, two in zip(
        descent_ascent.exact(coarse).data_vars.values(), descent_ascent.exact(fine).data_vars.values(), strict=True
    ):
        np.testing.assert_allclose(one.values, two.values, rtol=1e-9, atol=1e-11)
    late = descent_ascent.limit(replace(CASE, step=500.0, steps=2, record=[1, 2]))
    np.testing.assert_allclose(late["particle_variance"][-1], [0.25, 0.125], rtol=1e-12)


def test_euler_steps_equal_pairwise_forces():
    """The O(N) steps by means against the definition: a double sum over particles, with the same noise."""
    from theorysim.backend.random import GAME_PARTICLES, normals

    small = replace(CASE, particles=5, scheme="euler", steps=3, record=[0, 1, 2, 3], step=0.1)
    found = descent_ascent.finite(small, replicas=2, seed=9)
    z = np.array([1.0, -1.0]) + np.sqrt(0.3) * normals((5, 2), seed=9, stream=1, purpose=GAME_PARTICLES)
    for k in (1, 2, 3):
        g = normals((5, 2), seed=9, stream=1, step=k, purpose=GAME_PARTICLES)
        x, y = z.T
        down = np.array([np.mean([1.0 * xi + 1.5 * yj for yj in y]) for xi in x])
        up = np.array([np.mean([1.5 * xi - 2.0 * yj for xi in x]) for yj in y])
        z = z + 0.1 * np.stack([-down, up], axis=1) + np.sqrt(2.0 * 0.1 / 4.0) * g
        here = found.sel(step=k, replica=1)
        np.testing.assert_allclose(here["particle_mean"], z.mean(axis=0), atol=1e-14)
        np.testing.assert_allclose(here["particle_variance"], z.var(axis=0), atol=1e-14)
        x, y = z.T
        payoff = np.mean([[0.5 * xi**2 + 1.5 * xi * yj - yj**2 for yj in y] for xi in x])
        np.testing.assert_allclose(here["payoff"], payoff, atol=1e-14)


def test_replicas_do_not_depend_on_their_number():
    few, many = (descent_ascent.finite(CASE, replicas=n, seed=7)["payoff"].values for n in (2, 5))
    np.testing.assert_array_equal(few, many[:, :2])


def test_a_side_without_curvature_has_no_equilibrium():
    flat = replace(CASE, a=-0.1)
    verdict = descent_ascent.validity(flat)
    assert not verdict.applies and verdict.number == pytest.approx(0.1)
    assert descent_ascent.validity(CASE).applies
    with pytest.raises(ProblemError, match=r"`a, b` must be positive definite, got least eigenvalue -0.1"):
        descent_ascent.stationary(flat)
    spread = descent_ascent.limit(replace(flat, step=1.0))["particle_variance"].values
    assert spread[-1, 0] > 2.0 * spread[1, 0]


@pytest.mark.parametrize(
    "change, message",
    [
        ({"c": [[1.0, 2.0]]}, r"`c` must have the shape \(1, 1\)"),
        ({"a": [[1.0, 2.0], [0.0, 1.0]], "c": [[0.0], [0.0]]}, r"`a` must be symmetric"),
        ({"b": np.nan}, r"`a, b, c` must be finite"),
        ({"particles": 1}, r"`particles` must be a whole number of at least 2, got 1"),
        ({"inverse_temperature": 0.0}, r"`inverse_temperature` must be a positive number"),
        ({"step": "x"}, r"`step` must be a positive number"),
        ({"start_mean": [1.0]}, r"`start_mean` must hold 2 finite numbers"),
        ({"start_variance": -1.0}, r"`start_variance` must be a number of at least 0"),
        ({"scheme": "heun"}, r'`scheme` must be "exact" or "euler"'),
        ({"scheme": "euler", "step": 2.0}, r"`step` must be small enough for scheme \"euler\""),
        ({"record": [3, 99]}, r"`record` must hold ascending steps from 0 to 16"),
    ],
)
def test_bad_input_is_one_line(change, message):
    with pytest.raises(ProblemError, match=message):
        replace(CASE, **change)


def test_too_many_replicas_are_refused():
    with pytest.raises(ProblemError, match=r"`replicas` must be at most 671088"):
        descent_ascent.finite(CASE, replicas=10**6, seed=0)
