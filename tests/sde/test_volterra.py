"""Homogenized SGD: the case of the note, exact recursions, literal runs, stability, momentum, large spectra."""

from __future__ import annotations

import numpy as np
import pytest

import theorysim as ts
from theorysim import sde
from theorysim.errors import ProblemError
from theorysim.sde import moments, volterra

TIMES = [0.0, 0.5, 1.0, 2.0, 5.0]


def case(n: int = 200, d: int = 100) -> tuple[np.ndarray, np.ndarray]:
    """Case L: drawn in this order."""
    rng = np.random.default_rng(7)
    a = rng.standard_normal((n, d)) / 10.0
    truth = rng.standard_normal(d)
    return a, a @ truth + 0.3 * rng.standard_normal(n)


def exact(a: np.ndarray, b: np.ndarray, times: list[float], eta: float, momentum: float = 0.0) -> np.ndarray:
    optimizer = ts.SGD(learning_rate=eta, batch=1, sampling="replacement", momentum=momentum)
    record = [round(t * len(a)) for t in times]
    run = sde.Run(sde.from_optimizer(sde.least_squares(a, b), optimizer), np.zeros(a.shape[1]), record[-1], record)
    return moments.exact(run)["loss"].values


def test_the_case_of_the_note():
    a, b = case()
    spectrum = volterra.of_data(a, b)
    found = volterra.limit(spectrum, TIMES, learning_rate=0.8)
    np.testing.assert_allclose(found, [0.52999555, 0.18882982, 0.09667238, 0.04814259, 0.02951084], atol=6e-9)
    assert volterra.largest_learning_rate(spectrum) == pytest.approx(2.03055, abs=6e-6)
    recursion = exact(a, b, TIMES[:3], 0.8)
    np.testing.assert_allclose(recursion, [0.52999555, 0.19319774, 0.09936309], atol=6e-9)


def test_the_long_end_of_the_exact_recursion():
    """E L at t = 2 and 5 of case L, by the recursion in the basis of A^T A that the module of moments would take."""
    a, b = case()
    eta, n = 0.8, len(a)
    lam, basis = np.linalg.eigh(a.T @ a)
    rows = a @ basis
    best = np.linalg.lstsq(a, b, rcond=None)[0]
    rest = a @ best - b
    z = basis.T @ best  # minus the parameters from the minimum: only second moments enter below
    moment, mean, found = np.outer(z, z), -z, {}
    push = rows.T @ (rows * rest[:, None] ** 2) / n
    for k in range(1, 1001):
        squares = np.einsum("ni,ni->n", rows @ moment, rows) + 2.0 * rest * (rows @ mean)
        left = lam / n * moment
        moment = moment - eta * (left + left.T) + eta * eta * ((rows * squares[:, None]).T @ rows / n + push)
        mean = mean - eta * lam / n * mean
        if k in (400, 1000):
            found[k] = (float(lam @ np.diag(moment)) + float(rest @ rest)) / (2 * n)
    assert found[400] == pytest.approx(0.04895527, abs=6e-9)
    assert found[1000] == pytest.approx(0.02950256, abs=6e-9)


def test_literal_runs():
    a, b = case()
    runs = volterra.finite(a, b, TIMES, learning_rate=0.8, replicas=400, seed=1).values
    error = runs[1:].std(axis=1) / np.sqrt(runs.shape[1])
    wanted = np.array([0.19319774, 0.09936309, 0.04895527, 0.02950256])
    assert np.abs((runs[1:].mean(axis=1) - wanted) / error).max() < 4.0
    assert np.abs((runs[1:].mean(axis=1) - 1.1 * wanted) / error).max() > 4.0
    few = volterra.finite(a, b, TIMES[:2], learning_rate=0.8, replicas=3, seed=1).values
    np.testing.assert_allclose(few, runs[:2, :3], rtol=1e-12)


@pytest.mark.parametrize("momentum", [0.0, 0.6])
def test_the_gap_closes_with_size(momentum):
    """Concentration: the exact recursion tends to the curve as the problem grows at fixed n/d."""
    gaps, eta = [], 0.8 * (1.0 - momentum)
    for d in (8, 64):
        rng, n, total = np.random.default_rng(3), 2 * d, []
        for _ in range(4 if d == 8 else 1):
            a = rng.standard_normal((n, d)) / np.sqrt(d)
            b = a @ rng.standard_normal(d) + 0.3 * rng.standard_normal(n)
            times = [0.5, 1.0]
            curve = volterra.limit(volterra.of_data(a, b), times, learning_rate=eta, momentum=momentum).values
            total.append(np.abs(curve / exact(a, b, times, eta, momentum) - 1.0).max())
        gaps.append(np.mean(total))
    assert gaps[1] < 0.5 * gaps[0]
    assert gaps[1] < 0.06


def test_momentum_without_momentum():
    """Steps with a vanishing beta tend to the equation as n grows: eta lam/n falls."""
    lam = np.array([2.0, 1.0, 0.3])
    gaps = []
    for n in (200, 400):
        spectrum = volterra.Spectrum(n * lam, np.array([1.0, 2.0, 3.0]) * n, 0.5 * n, n)
        one = volterra.limit(spectrum, [20.0 / n], learning_rate=0.02, momentum=1e-12).values
        gaps.append(abs(one[0] - volterra.limit(spectrum, [20.0 / n], learning_rate=0.02).values[0]))
    assert gaps[0] < 0.01


@pytest.mark.parametrize("momentum", [0.0, 0.8])
def test_the_largest_learning_rate_is_the_edge(momentum):
    a, b = case(60, 30)
    spectrum = volterra.of_data(a, b)
    edge = volterra.largest_learning_rate(spectrum, momentum)
    late = [200.0, 400.0]
    below, above = (
        volterra.limit(spectrum, late, learning_rate=share * edge, momentum=momentum).values for share in (0.97, 1.03)
    )
    assert below[1] <= below[0] * (1.0 + 1e-9)
    assert above[1] > 1.2 * above[0]


def test_many_modes_by_quadrature(monkeypatch):
    spectrum = volterra.power_law(modes=900, samples=1500, decay=1.5, source=1.8, noise=0.1)
    times = np.geomspace(0.01, 1e4, 12)
    every = volterra.limit(spectrum, times, learning_rate=0.3).values
    monkeypatch.setattr(volterra, "DENSE", 100)
    few = volterra.limit(spectrum, times, learning_rate=0.3).values
    np.testing.assert_allclose(few, every, rtol=1e-9)
    assert np.all(np.diff(every) < 1e-12)


def test_power_law_of_the_loss():
    """Source and decay give the exponent of the loss where sampling does not matter."""
    spectrum = volterra.power_law(modes=20_000, samples=10_000, decay=1.5, source=1.6)
    loss = volterra.limit(spectrum, [3.0, 30.0], learning_rate=0.02).values
    assert np.log10(loss[0] / loss[1]) == pytest.approx(0.6 / 1.5, abs=0.05)


def test_divergence_is_an_exception():
    a, b = case(60, 30)
    with pytest.raises(FloatingPointError, match="beyond the largest"):
        volterra.limit(volterra.of_data(a, b), [1e5], learning_rate=20.0)
    with pytest.raises(FloatingPointError, match="diverges"):
        volterra.finite(a, b, [100.0], learning_rate=50.0, replicas=1, seed=0)


SPECTRUM = volterra.Spectrum(np.ones(2), np.ones(2), 0.0, 4)
WRONG = [
    (lambda: volterra.Spectrum(np.array([1.0, -1.0]), np.ones(2), 0.0, 4), "`eigenvalues` must be positive"),
    (lambda: volterra.Spectrum(np.ones(2), np.ones(3), 0.0, 4), "`squares` must hold 2"),
    (lambda: volterra.Spectrum(np.ones(2), np.ones(2), -1.0, 4), "`rest` must be"),
    (lambda: volterra.Spectrum(np.ones(2), np.ones(2), 0.0, 0), "`samples` must be"),
    (lambda: volterra.of_data(np.ones((3, 2)), np.ones(2)), "`a`, `b` must have shapes"),
    (lambda: volterra.of_data(np.ones((3, 2)), np.full(3, np.nan)), "must be finite"),
    (lambda: volterra.of_data(np.ones((3, 2)), np.ones(3), np.ones(3)), "`start` must hold 2"),
    (lambda: volterra.power_law(modes=0, samples=1, decay=1.0, source=1.0), "`modes` must be"),
    (lambda: volterra.power_law(modes=3, samples=1, decay=-1.0, source=1.0), "`decay` must be"),
    (lambda: volterra.limit(SPECTRUM, [1.0, 0.5], learning_rate=0.1), "`times` must be ascending"),
    (lambda: volterra.limit(SPECTRUM, [1.1], learning_rate=0.1, momentum=0.5), "`times` must be whole numbers"),
    (lambda: volterra.limit(SPECTRUM, [1.0], learning_rate=0.0), "`learning_rate` must be"),
    (lambda: volterra.limit(SPECTRUM, [1.0], learning_rate=0.1, momentum=1.0), "`momentum` must be"),
    (lambda: volterra.finite(*case(6, 3), [1.0], learning_rate=0.1, replicas=0, seed=0), "`replicas` must be"),
]


@pytest.mark.parametrize(("make", "message"), WRONG)
def test_wrong_input_is_told(make, message):
    with pytest.raises(ProblemError, match=message):
        make()
