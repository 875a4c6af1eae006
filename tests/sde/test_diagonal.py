"""Diagonal linear networks: printed cases, flows of u and v, limits of the scale, degenerate data, SGD."""

from __future__ import annotations

import numpy as np
import pytest

from theorysim.errors import ProblemError
from theorysim.sde import diagonal

# data, alpha, weights to the digits printed (case K, then S5)
CASES = [
    ([1, 2], 0.01, (0.0070446979, 0.4964776510), 6e-11),
    ([1, 2], 0.1, (0.0668580177, 0.4665709911), 6e-11),
    ([1, 2], 1.0, (0.1992113774, 0.4003943113), 6e-11),
    ([1, 2], 10.0, (0.1999999200, 0.4000000400), 6e-11),
    ([1, 2, -0.5], 0.01, (0.00704323, 0.49627153, -0.00082741), 6e-9),
    ([1, 2, -0.5], 0.1, (0.06645664, 0.46121510, -0.02222631), 6e-9),
    ([1, 2, -0.5], 1.0, (0.18983624, 0.38137897, -0.09481164), 6e-9),
]


@pytest.mark.parametrize(("x", "alpha", "wanted", "accuracy"), CASES)
def test_the_cases_of_the_note(x, alpha, wanted, accuracy):
    found = diagonal.limit([x], [1.0], alpha)
    np.testing.assert_allclose(found, wanted, atol=accuracy)
    np.testing.assert_allclose(diagonal.finite([x], [1.0], alpha), found, atol=1e-8)


def sparse(n: int = 20, d: int = 60) -> tuple[np.ndarray, np.ndarray]:
    """Targets of three weights: fewer than the data, so the least l1 norm has a degenerate dual."""
    x = np.random.default_rng(0).standard_normal((n, d))
    return x, x[:, :3] @ [1.0, -2.0, 0.5]


@pytest.mark.parametrize("alpha", [1e-6, 1e-3, 1.0, 1e3, 1e6])
@pytest.mark.parametrize("kind", ["sparse", "dense"])
def test_twelve_decades_of_the_scale(alpha, kind):
    x, y = sparse()
    y = y if kind == "sparse" else np.random.default_rng(1).standard_normal(len(y))
    w = diagonal.limit(x, y, alpha)
    np.testing.assert_allclose(x @ w, y, atol=1e-11)
    multiplier = np.arcsinh(w / (2.0 * alpha**2))  # optimal: in the span of the data
    inside = x.T @ np.linalg.lstsq(x.T, multiplier, rcond=None)[0]
    np.testing.assert_allclose(inside, multiplier, atol=1e-6 * np.abs(multiplier).max())


def test_the_least_potential():
    """No other interpolator has a smaller one."""
    x, y = sparse(5, 12)
    w, rng = diagonal.limit(x, y, 0.3), np.random.default_rng(2)
    null = np.linalg.svd(x)[2][5:]
    least = diagonal.potential(w, 0.3)
    for _ in range(20):
        assert diagonal.potential(w + 0.01 * rng.standard_normal(7) @ null, 0.3) > least


def test_limits_of_the_scale():
    x, y = sparse()
    np.testing.assert_allclose(diagonal.least_norm(x, y, 1), np.r_[1.0, -2.0, 0.5, np.zeros(57)], atol=1e-8)
    np.testing.assert_allclose(diagonal.limit(x, y, 1e6), diagonal.least_norm(x, y, 2), atol=1e-11)
    norms = [np.abs(diagonal.limit(x, y, alpha)).sum() for alpha in (1e-6, 1e-4, 1e-2, 1.0)]
    assert np.all(np.diff(norms) > 0.0)
    assert norms[0] == pytest.approx(3.5, abs=1e-3)
    np.testing.assert_allclose(diagonal.least_norm([[1, 2, -0.5]], [1.0], 1), [0, 0.5, 0], atol=1e-12)
    np.testing.assert_allclose(
        diagonal.least_norm([[1, 2, -0.5]], [1.0], 2), [0.19047619, 0.38095238, -0.09523810], atol=6e-9
    )


def test_many_data_by_the_flow_itself():
    x, y = sparse()
    np.testing.assert_allclose(diagonal.finite(x, y, 0.05), diagonal.limit(x, y, 0.05), atol=1e-8)


def test_repeated_data_and_a_scale_per_weight():
    x = np.array([[1.0, 2.0, -0.5], [2.0, 4.0, -1.0]])
    np.testing.assert_allclose(diagonal.limit(x, [1.0, 2.0], 0.1), diagonal.limit(x[:1], [1.0], 0.1), atol=1e-13)
    alpha = np.array([0.01, 1.0, 0.1])
    np.testing.assert_allclose(diagonal.finite(x[:1], [1.0], alpha), diagonal.limit(x[:1], [1.0], alpha), atol=1e-8)
    np.testing.assert_array_equal(diagonal.limit(x, [0.0, 0.0], 0.1), np.zeros(3))


def test_sgd_ends_where_its_own_scale_leads():
    """The scale sqrt(u v) that SGD leaves is nearly the predicted one, and the weights are those of that scale."""
    x = np.random.default_rng(1).standard_normal((10, 20))
    y = x[:, :3] @ [1.0, -1.0, 1.0]
    found = diagonal.sgd(x, y, 0.3, learning_rate=0.01, steps=6000, replicas=40, seed=0)
    integral = float(found["loss_integral"].mean())
    predicted = np.log(diagonal.effective_alpha(x, 0.3, learning_rate=0.01, loss_integral=integral) / 0.3)
    measured = np.log(found["scale"].values / 0.3).mean(axis=1)
    assert np.mean(measured / predicted) == pytest.approx(1.0, abs=0.1)
    assert abs(np.mean(measured / (2.0 * predicted)) - 1.0) > 0.1  # a factor of two would be seen
    w, scale = found["weights"].values[:, 0], found["scale"].values[:, 0]
    np.testing.assert_allclose(diagonal.limit(x, x @ w, scale), w, atol=2e-4)
    assert np.abs(diagonal.limit(x, x @ w, 0.3) - w).max() > 2e-3
    few = diagonal.sgd(x, y, 0.3, learning_rate=0.01, steps=10, replicas=2, seed=0)["weights"].values
    more = diagonal.sgd(x, y, 0.3, learning_rate=0.01, steps=10, replicas=5, seed=0)["weights"].values
    np.testing.assert_allclose(few, more[:, :2], rtol=1e-12)


X, Y = [[1.0, 2.0]], [1.0]
WRONG = [
    (lambda: diagonal.limit(X, Y, 0.0), "`alpha` must be positive"),
    (lambda: diagonal.limit(X, Y, [1.0, 2.0, 3.0]), "`alpha` must be positive, one number or 2"),
    (lambda: diagonal.limit(X, [1.0, 2.0], 1.0), "`x`, `y` must have shapes"),
    (lambda: diagonal.limit([[1.0, np.nan]], Y, 1.0), "must be finite"),
    (lambda: diagonal.limit([[0.0, 0.0]], Y, 1.0), "`x` must not be zero"),
    (lambda: diagonal.limit([[1.0, 2.0], [1.0, 2.0]], [1.0, 2.0], 1.0), "`y` must be fitted"),
    (lambda: diagonal.least_norm(X, Y, 3), "`norm` must be 1 or 2"),
    (lambda: diagonal.effective_alpha(X, 1.0, learning_rate=0.0, loss_integral=1.0), "`learning_rate` must be"),
    (lambda: diagonal.effective_alpha(X, 1.0, learning_rate=0.1, loss_integral=-1.0), "`loss_integral` must be"),
    (lambda: diagonal.sgd(X, Y, 1.0, learning_rate=0.1, steps=0, replicas=1, seed=0), "`steps` must be"),
]


@pytest.mark.parametrize(("make", "message"), WRONG)
def test_wrong_input_is_told(make, message):
    with pytest.raises(ProblemError, match=message):
        make()


def test_divergence_is_an_exception():
    with pytest.raises(FloatingPointError, match="diverges"):
        diagonal.sgd(X, [100.0], 10.0, learning_rate=1.0, steps=50, replicas=1, seed=0)
