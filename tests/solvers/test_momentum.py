"""Momentum by products against matrix powers; the drift is an honest measure of the error."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from theorysim.errors import NotConverged
from theorysim.solvers.momentum import State, momentum_descent

Array = NDArray[np.float64]
N, STEPS = 60, 700


def problem(power: float) -> tuple[Array, Array, Array, Array]:
    rng = np.random.default_rng(5)
    u = np.linalg.qr(rng.normal(size=(N, N)))[0]
    w = np.arange(1, N + 1.0) ** -power
    return (u * w) @ u.T, w, u, rng.normal(size=(N, 2))


def by_modes(w: Array, u: Array, y: Array, sizes: Array, momentum: float, shares: tuple[float, float], ridge: float
             ) -> list[Array]:  # fmt: skip
    """Return A x of every step from one recursion per mode, in extended precision."""
    x = np.zeros((N, 2), np.longdouble)
    buffer, images, c = x.copy(), [], (u.T @ y).astype(np.longdouble)
    for size in [*sizes, 0.0]:
        images.append(np.asarray(u @ (w[:, None] * x).astype(float)))
        gradient = (w + ridge).astype(np.longdouble)[:, None] * x - c
        buffer = momentum * buffer + gradient
        x = x - size * (shares[0] * gradient + shares[1] * buffer)
    return images


CASES = [(0.0, (0.0, 1.0), 0.0), (0.9, (0.0, 1.0), 0.0), (0.8, (1.0, 0.8), 0.01), (0.99, (0.0, 1.0), 1e-3)]


@pytest.mark.parametrize("momentum, shares, ridge", CASES)
@pytest.mark.parametrize("power", [0.5, 2.0])
def test_every_step_agrees_with_the_modes(
    momentum: float, shares: tuple[float, float], ridge: float, power: float
) -> None:
    a, w, u, y = problem(power)
    sizes = np.where(np.arange(STEPS) < 300, 1.0, 0.5)
    exact = by_modes(w, u, y, sizes, momentum, shares, ridge)
    everything = range(STEPS + 1)
    states = list(
        momentum_descent(
            lambda v: a @ v, y, sizes, recorded=everything, checked=everything, momentum=momentum,
            gradient_share=shares[0], buffer_share=shares[1], ridge=ridge,
        )
    )  # fmt: skip
    assert [state.step for state in states] == list(everything)
    errors = np.array([np.abs(state.image - image).max() for state, image in zip(states, exact, strict=True)])
    drifts = np.array([np.max(state.drift) for state in states])
    assert errors.max() < 1e-12
    assert np.all(errors <= 2 * drifts + 5e-14)  # honest, but for the rounding of `a` itself
    np.testing.assert_array_equal(states[0].image, 0.0)


def test_drift_sees_sloppy_products() -> None:
    a, w, u, y = problem(1.0)
    rng = np.random.default_rng(0)

    def sloppy(v: Array) -> Array:
        return a @ v * (1 + 1e-6 * rng.normal(size=v.shape))

    sizes = np.ones(300)
    (state,) = momentum_descent(sloppy, y, sizes, recorded=[300], checked=[300])
    error = np.abs(state.image - by_modes(w, u, y, sizes, 0.0, (0.0, 1.0), 0.0)[-1]).max()
    assert 1e-10 < error < 2 * np.max(state.drift)


def test_only_recorded_and_checked_steps_cost() -> None:
    a, _, _, y = problem(1.0)
    calls: list[int] = []
    fractions: list[float] = []

    def product(v: Array) -> Array:
        calls.append(1)
        return a @ v

    found: list[State] = list(
        momentum_descent(product, y, np.ones(10), recorded=[0, 4, 10], checked=[10], progress=fractions.append)
    )
    assert [state.drift is None for state in found] == [True, True, False]
    assert len(calls) == 11
    np.testing.assert_allclose(fractions, np.arange(1, 11) / 10)


def test_divergence_is_an_exception() -> None:
    a, _, _, y = problem(1.0)
    with pytest.raises(NotConverged, match="smaller step"):
        list(momentum_descent(lambda v: a @ v, y, np.full(5000, 50.0), recorded=[5000], checked=[]))
