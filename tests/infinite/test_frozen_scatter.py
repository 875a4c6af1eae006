"""Scatter of predictions in random kernels: against a finite ensemble of kernels, trained exactly one by one."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.linalg

from theorysim.errors import ProblemError
from theorysim.infinite import frozen_scatter
from theorysim.infinite.frozen_scatter import Kernel, flowing, stepped
from theorysim.problem.optimizer import SGD
from theorysim.problem.schedule import PowerLaw

SAMPLES, TRAIN, OUTPUTS = 4, 3, 2
KAPPA = 1.0 / (TRAIN * OUTPUTS)
GENERATOR = np.random.default_rng(0)
MEAN = (lambda a: a @ a.T / 8)(GENERATOR.standard_normal((SAMPLES, 8)))
TARGET = GENERATOR.standard_normal((TRAIN, OUTPUTS))


def ensemble(size):
    """Return kernels dTheta_cc'(a, b), symmetric, with the symmetries between outputs that networks have."""
    big = size * GENERATOR.standard_normal((12, SAMPLES, OUTPUTS, SAMPLES, OUTPUTS))
    big = big + big.transpose(0, 3, 4, 1, 2)
    found = []
    for kernel in big:
        for order in ([0, 1], [1, 0]):
            for sign in (1.0, -1.0):
                one = kernel[:, order][:, :, :, order].copy()
                one[:, 0, :, 1] *= sign
                one[:, 1, :, 0] *= sign
                found += [one, -one]
    return np.array(found)


def statistics(members, scale):
    own, between = (
        scale**2 * np.einsum("kab,kde->abde", *2 * [members[:, :, 0, :, c]]) / len(members) for c in range(2)
    )
    return Kernel(MEAN, np.zeros_like(MEAN), own, between)


def whole(members, scale):
    return MEAN[:, None, :, None] * np.eye(OUTPUTS)[None, :, None, :] + scale * members


def stepped_exactly(kernel, optimizer, steps):
    sizes, f, buffer = KAPPA * optimizer.step_sizes(steps), np.zeros((SAMPLES, OUTPUTS)), 0.0
    for size in sizes:
        push = np.einsum("xcad,ad->xc", kernel[:, :, :TRAIN], f[:TRAIN] - TARGET) + optimizer.ridge * f
        buffer = optimizer.momentum * buffer + push
        f = f - size * (push + optimizer.momentum * buffer if optimizer.nesterov else buffer)
    return f


def flowed_exactly(kernel, time):
    kernel = kernel.copy()
    kernel[:, :, TRAIN:] = 0.0
    target = np.concatenate([TARGET, np.zeros((SAMPLES - TRAIN, OUTPUTS))])
    matrix = kernel.reshape(SAMPLES * OUTPUTS, SAMPLES * OUTPUTS)
    return target - (scipy.linalg.expm(-KAPPA * time * matrix) @ target.ravel()).reshape(target.shape)


def compare(found, exact, infinite, tolerance):
    mean = exact.mean(axis=0)
    spread = np.einsum("kxc,kyc->cxy", exact - mean, exact - mean) / len(exact)
    np.testing.assert_allclose(found.mean[-1], infinite, atol=1e-12)
    np.testing.assert_allclose(found.covariance[-1], spread, atol=tolerance * np.abs(spread).max())
    shift = mean - infinite
    np.testing.assert_allclose(found.shift[-1], shift, atol=tolerance * np.abs(shift).max())
    assert np.abs(found.covariance[-1] - 2 * spread).max() > 0.5 * np.abs(spread).max()


OPTIMIZERS = {
    "plain": SGD(learning_rate=2.0),
    "heavy ball, ridge": SGD(learning_rate=1.0, momentum=0.7, ridge=0.2),
    "nesterov": SGD(learning_rate=1.0, momentum=0.7, nesterov=True),
    "schedule": SGD(learning_rate=2.0, schedule=PowerLaw(exponent=0.5)),
}


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_steps(name):
    optimizer, members = OPTIMIZERS[name], ensemble(0.02)
    scale, steps = 0.05, 12
    exact = np.array([stepped_exactly(kernel, optimizer, steps) for kernel in whole(members, scale)])
    found = stepped(statistics(members, scale), TARGET, optimizer, KAPPA, np.array([0, 5, steps]), steps)
    compare(found, exact, stepped_exactly(whole(members[:1], 0.0)[0], optimizer, steps), 1e-3)
    assert not found.covariance[0].any() and not found.shift[0].any()


@pytest.mark.parametrize("time", [0.3, 20.0, 300.0])
def test_flow(time):
    members, scale = ensemble(0.02), 0.05
    exact = np.array([flowed_exactly(kernel, time) for kernel in whole(members, scale)])
    found = flowing(statistics(members, scale), TARGET, KAPPA, np.array([time]))
    compare(found, exact, flowed_exactly(whole(members[:1], 0.0)[0], time), 2e-3)


def test_a_shift_of_the_kernel_moves_predictions_linearly():
    shift = 1e-4 * (MEAN @ MEAN)
    zero = np.zeros((SAMPLES,) * 4)
    moved = whole(np.zeros((1, SAMPLES, OUTPUTS, SAMPLES, OUTPUTS)), 0.0)[0]
    shifted = moved + shift[:, None, :, None] * np.eye(OUTPUTS)[None, :, None, :]
    kernel = Kernel(MEAN, shift, zero, zero)
    for found, exact in (
        (flowing(kernel, TARGET, KAPPA, np.array([9.0])), flowed_exactly(shifted, 9.0) - flowed_exactly(moved, 9.0)),
        (
            stepped(kernel, TARGET, OPTIMIZERS["plain"], KAPPA, np.array([7]), 7),
            stepped_exactly(shifted, OPTIMIZERS["plain"], 7) - stepped_exactly(moved, OPTIMIZERS["plain"], 7),
        ),
    ):
        np.testing.assert_allclose(found.shift[-1], exact, atol=1e-3 * np.abs(exact).max())


def test_divided_differences_of_near_and_far_nodes():
    nodes = np.array([0.0, 1e-9, 0.3, 0.999, 1.001, 40.0])
    a, b, c = (m.ravel() for m in np.meshgrid(nodes, nodes, nodes))
    x, w = np.polynomial.legendre.leggauss(60)
    s, w = 0.5 * (1 + x), 0.5 * w
    u, t = s[:, None], s[None, :]
    integrand = [u * np.exp(-(p * (1 - u) + u * (q * (1 - t) + r * t))) for p, q, r in zip(a, b, c, strict=True)]
    np.testing.assert_allclose(frozen_scatter._twice(a, b, c), w @ np.array(integrand) @ w, rtol=1e-11)
    one = np.array([np.sum(w * np.exp(-(p * (1 - s) + q * s))) for p, q in zip(a, b, strict=True)])
    np.testing.assert_allclose(frozen_scatter._once(a, b), one, rtol=1e-13)


def test_a_singular_kernel_is_refused():
    zero = np.zeros((3,) * 4)
    with pytest.raises(ProblemError, match="independent"):
        flowing(Kernel(np.ones((3, 3)), np.zeros((3, 3)), zero, zero), np.ones((2, 1)), 0.5, np.array([1.0]))
