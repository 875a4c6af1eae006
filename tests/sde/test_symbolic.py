"""Equations of losses that are formulas: against the moments of quadratics and the densities of a double well."""

from __future__ import annotations

import numpy as np
import pytest
import sympy as sp

import theorysim as ts
from theorysim import sde
from theorysim.errors import ProblemError
from theorysim.solvers.sde import integrate

X, Y = sp.symbols("x y", real=True)


@pytest.mark.parametrize("order", [1, 2])
@pytest.mark.parametrize("rule", [{}, {"momentum": 0.8}, {"momentum": 0.8, "nesterov": True}])
def test_quadratics_have_the_matrices_of_the_moments(rule: dict[str, object], order: int) -> None:
    """Drift and noise of (Z, 1) in time t, against the model's in steps."""
    h = np.array([[2.0, 0.5], [0.5, 1.0]])
    optimizer = ts.SGD(learning_rate=0.04, batch=4, **rule)  # type: ignore[arg-type]
    model = sde.from_optimizer(sde.quadratic(h, covariance=0.36, slope=[0.3, -0.2]), optimizer, order)  # type: ignore[arg-type]
    z = sp.Matrix([X, Y])
    loss = (z.T * sp.Matrix(h) * z)[0] / 2 - sp.Float(0.3) * X + sp.Float(0.2) * Y
    found = sde.symbolic(loss, [X, Y], sp.Float(0.3), optimizer, order)  # type: ignore[arg-type]
    drift = found.drift.subs(dict(found.values))
    matrix = np.array(drift.jacobian(found.state), float)
    offset = np.array(drift.subs(dict.fromkeys(found.state, 0)), float)
    np.testing.assert_allclose(found.clock * np.hstack([matrix, offset]), model.equation.matrix[:-1], atol=1e-14)
    diffusion = np.array(found.diffusion.subs(dict(found.values)), float)
    moment = np.zeros((len(model.equation.matrix),) * 2)
    moment[-1, -1] = 1.0
    spread = model.equation.spread(moment)[:-1, :-1]
    np.testing.assert_allclose(found.clock * diffusion @ diffusion.T, spread, atol=1e-15)


@pytest.mark.parametrize(("order", "loss", "square"), [(1, 0.0465094, 0.7151016), (2, 0.0478473, 0.7124132)])
def test_the_double_well_is_simulated(order: int, loss: float, square: float) -> None:
    found = sde.symbolic((X**2 - 1) ** 2 / 4, [X], sp.Rational(1, 2), ts.SGD(learning_rate=0.1), order)  # type: ignore[arg-type]
    ran = integrate(
        found.equation(), lambda z: 0.3 + 0.2 * z, [2.0], dt=0.02, paths=40_000, seed=order, scheme="srk2",
        observables=lambda x: np.hstack([(x**2 - 1) ** 2 / 4, x**2]),
    )  # fmt: skip
    assert ran.observed is not None
    z = (ran.observed.mean[0] - [loss, square]) / ran.observed.standard_error[0]
    assert np.max(np.abs(z)) < 4.0
    assert abs(ran.observed.mean[0, 0] - 1.05 * loss) / ran.observed.standard_error[0, 0] > 4.0


def test_it_is_printed() -> None:
    found = sde.symbolic(X**4 / 4, [X], 1, ts.SGD(learning_rate=0.1), 2)
    eta = next(iter(found.values))
    assert sp.simplify(found.drift[0] + X**3 + sp.Rational(3, 2) * eta * X**5) == 0
    assert r"\sqrt{\eta}" in found.latex() and r"\,dW" in found.latex()


def test_refusals() -> None:
    good = ts.SGD(learning_rate=0.1)
    for arguments, line in (
        ((X**2, [X], 1, ts.Adam(learning_rate=0.1)), "`optimizer` must be SGD"),
        ((X**2, [X], 1, good, 3), "`order` must be 1 or 2"),
        ((X**2, [], 1, good), "`state` must hold"),
        ((X**2, ["x"], 1, good), "`state` must hold"),
        ((X**2, [X], sp.eye(2), good), "matrix with 1 rows"),
    ):
        with pytest.raises(ProblemError, match=line):
            sde.symbolic(*arguments)
