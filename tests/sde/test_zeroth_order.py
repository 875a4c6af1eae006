"""Zeroth-order descent: its moments, its largest learning rate and the prediction from the effective rank."""

from __future__ import annotations

import numpy as np
import pytest

import theorysim as ts
from theorysim import sde
from theorysim.errors import ProblemError
from theorysim.sde import moments, zeroth_order

CURVATURES = np.r_[1.0, np.full(9, 0.1)]


@pytest.mark.parametrize(("probes", "wanted"), [(1, 0.2607878656), (4, 0.2125087937)])
def test_the_case_of_the_note(probes, wanted):
    model = sde.from_optimizer(sde.quadratic(np.diag(CURVATURES)), sde.SPSA(learning_rate=0.2, probes=probes))
    run = sde.Run(model, np.ones(10), 20, [20])
    assert float(moments.exact(run)["loss"][0]) == pytest.approx(wanted, abs=6e-11)


def test_gradient_descent_beside_it():
    model = sde.from_optimizer(sde.quadratic(np.diag(CURVATURES)), ts.GD(learning_rate=0.2))
    run = sde.Run(model, np.ones(10), 20, [20])
    assert float(moments.exact(run)["loss"][0]) == pytest.approx(0.2006316432, abs=6e-11)


@pytest.mark.parametrize(("d", "wanted"), [(10, 0.589523), (100, 0.586144), (1000, 0.585822)])
def test_effective_rank_not_dimension(d, wanted):
    h = np.r_[1.0, np.full(d - 1, 1.0 / d)]
    assert zeroth_order.largest_learning_rate(h) == pytest.approx(wanted, abs=6e-7)
    assert zeroth_order.effective_rank(h) == pytest.approx(1.0 + (d - 1) / d)


@pytest.mark.parametrize("d", [1, 7, 1000])
def test_equal_curvatures(d):
    assert zeroth_order.largest_learning_rate(np.ones(d)) == pytest.approx(2.0 / (d + 2), rel=1e-12)


@pytest.mark.parametrize("probes", [1, 3])
def test_the_largest_learning_rate_is_the_edge_of_the_moments(probes):
    h = np.array([2.0, 0.5, 0.3])
    edge = zeroth_order.largest_learning_rate(h, probes)
    for share, stable in ((1.0 - 1e-6, True), (1.0 + 1e-6, False)):
        model = sde.from_optimizer(sde.quadratic(np.diag(h)), sde.SPSA(learning_rate=share * edge, probes=probes))
        assert (model.algorithm.growth() < 1.0) == stable


def test_predicted_learning_rate():
    """eta/gamma keeps the bound of one step of descent; probes buy it back."""
    h = np.r_[1.0, np.full(99, 0.01)]
    assert zeroth_order.slowdown(1.99) == pytest.approx(3.99)
    assert zeroth_order.predicted_learning_rate(1.0, h) == pytest.approx(1.0 / 3.99)
    assert zeroth_order.predicted_learning_rate(1.0, h, 100) == pytest.approx(1.0 / 1.0299)
    bound = zeroth_order.predicted_learning_rate(2.0, h)  # 2/|H| is the edge of gradient descent
    assert bound < zeroth_order.largest_learning_rate(h)


WRONG = [
    (lambda: zeroth_order.effective_rank([-1.0, 1.0]), "`eigenvalues` must be"),
    (lambda: zeroth_order.effective_rank([0.0]), "`eigenvalues` must be"),
    (lambda: zeroth_order.slowdown(0.5), "`rank` must be"),
    (lambda: zeroth_order.slowdown(2.0, 0), "`probes` must be"),
    (lambda: zeroth_order.predicted_learning_rate(0.0, [1.0]), "`learning_rate` must be"),
]


@pytest.mark.parametrize(("make", "message"), WRONG)
def test_wrong_input_is_told(make, message):
    with pytest.raises(ProblemError, match=message):
        make()
