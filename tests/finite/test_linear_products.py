"""Jacobian, transposed and kernel products against the dense kernel and finite differences; the kernel's movement."""

from __future__ import annotations

import numpy as np
import pytest

import theorysim as ts
from tests.finite import cases
from tests.finite.test_empirical import NETWORKS
from theorysim import kernels
from theorysim.errors import ProblemError
from theorysim.finite import empirical, movement, tangent
from theorysim.finite.network import Parameters, activation_of, initialise, outputs
from theorysim.problem import MLP

RNG = np.random.default_rng(3)


def random_like(p: Parameters) -> Parameters:
    return Parameters(*([RNG.standard_normal(a.shape) for a in arrays] for arrays in (p.weights, p.biases)))


@pytest.mark.parametrize("network", NETWORKS)
@pytest.mark.parametrize("outputs_", [1, 3])
@pytest.mark.parametrize("chunk", [1 << 22, 150])
def test_kernel_product_is_the_dense_kernel_times_the_vectors(network, outputs_, chunk, monkeypatch):
    training = cases.run(cases.regression(outputs_), **network)
    p = initialise(training.layers, [0, 1], seed=1)
    dense = empirical.ntk_between_outputs(p, training.layers, training.network, cases.X_TEST, cases.X)
    monkeypatch.setattr(tangent, "_CHUNK", chunk)
    v = RNG.standard_normal((9, outputs_, 4))
    ours = kernels.ntk_product(training.network, p, cases.X_TEST, cases.X, v)
    assert ours.dims == ("sample", "output", "vector", "replica")
    exact = np.einsum("rijcd,jdk->ickr", dense, v)
    np.testing.assert_allclose(ours, exact, atol=1e-13 * np.abs(exact).max())
    bare = kernels.ntk_product(training.network, p, cases.X_TEST, cases.X, v[..., 0])
    assert bare.dims == ("sample", "output", "replica")
    np.testing.assert_allclose(bare, exact[:, :, 0], atol=1e-13 * np.abs(exact).max())


def test_kernel_product_of_one_output_is_that_of_the_empirical_kernel():
    training = cases.run(cases.regression(1))
    p = initialise(training.layers, [0], seed=1)
    v = RNG.standard_normal((9, 1))
    theta = kernels.empirical_ntk(training.network, p, cases.X)
    ours = kernels.ntk_product(training.network, p, cases.X, None, v)
    np.testing.assert_allclose(ours[:, 0, 0], theta.values[..., 0] @ v[:, 0], rtol=1e-12)


@pytest.mark.parametrize("network", NETWORKS)
def test_jacobian_product_is_a_directional_derivative_and_the_transposed_its_adjoint(network):
    training = cases.run(cases.regression(3), **network)
    p, function, h = initialise(training.layers, [0, 1], seed=1), activation_of(training.network), 1e-5
    t, v = random_like(p), RNG.standard_normal((9, 3))
    moved = [
        outputs(Parameters([w + s * d for w, d in zip(p.weights, t.weights, strict=True)],
                           [b + s * d for b, d in zip(p.biases, t.biases, strict=True)]),
                training.layers, function, cases.X)
        for s in (h, -h)
    ]  # fmt: skip
    along = kernels.jacobian_product(training.network, p, cases.X, t)
    np.testing.assert_allclose(np.moveaxis(along.values, -1, 0), (moved[0] - moved[1]) / (2 * h), rtol=1e-7, atol=1e-8)
    back = kernels.transposed_jacobian_product(training.network, p, cases.X, v)
    for r in range(2):
        inner = sum(np.sum(a[r] * b[r]) for a, b in zip(t.arrays, back.arrays, strict=True))
        assert inner == pytest.approx(np.sum(along.values[..., r] * v), rel=1e-12)


def test_products_take_weights_from_a_file_and_refuse_what_does_not_fit(tmp_path):
    training = cases.run(cases.regression(3))
    p = initialise(training.layers, [0], seed=1)
    names = {f"W{i + 1}": w[0] for i, w in enumerate(p.weights)} | {f"b{i + 1}": b[0] for i, b in enumerate(p.biases)}
    np.savez(tmp_path / "w.npz", **names)
    v = RNG.standard_normal((9, 3))
    ours = [kernels.ntk_product(training.network, w, cases.X, None, v) for w in (p, names, tmp_path / "w.npz")]
    assert ours[0].identical(ours[1]) and ours[0].identical(ours[2])
    with pytest.raises(ProblemError, match=r"`vectors` must have shape \(9, 3\)"):
        kernels.ntk_product(training.network, p, cases.X, None, v[:, :2])
    with pytest.raises(ProblemError, match="`vectors` must be finite"):
        kernels.ntk_product(training.network, p, cases.X, None, np.full_like(v, np.nan))
    with pytest.raises(ProblemError, match="`x2` must have shape"):
        kernels.ntk_product(training.network, p, cases.X, cases.X[0], v)
    with pytest.raises(ProblemError, match="their shapes must fit a network of widths"):
        kernels.empirical_ntk(MLP(depth=2, width=7), p, cases.X)
    with pytest.raises(ProblemError, match="`tangents` must have the shapes"):
        kernels.jacobian_product(training.network, p, cases.X, Parameters([w[:0] for w in p.weights], p.biases))


def test_movement_is_what_the_kernels_at_each_step_say(tmp_path):
    training = cases.run(optimizer=ts.GD(learning_rate=2.0), steps=4)
    first = initialise(training.layers, range(3), seed=5)
    last = movement.trained_parameters(training, replicas=3, seed=5)
    reference = kernels.ntk(training.network, cases.X)
    ours = kernels.movement(training, replicas=3, seed=5, modes=4, reference=reference)
    assert ours.ntk_eigenvalues.dims == ("step", "mode", "replica") and ours.sizes["mode"] == 4
    thetas = [kernels.empirical_ntk(training.network, p, cases.X).values for p in (first, last)]
    yy = cases.TARGETS[3] @ cases.TARGETS[3].T
    for r in range(3):
        start, end = thetas[0][..., r], thetas[1][..., r]
        size = np.linalg.norm(end)
        change = np.linalg.norm(end - start) / np.linalg.norm(start)
        assert ours.kernel_change.values[-1, r] == pytest.approx(change, rel=1e-10)
        assert change > 0.01
        distance = np.linalg.norm(end - reference.values) / np.linalg.norm(reference.values)
        assert ours.kernel_distance.values[-1, r] == pytest.approx(distance, rel=1e-12)
        assert ours.alignment.values[-1, r] == pytest.approx(np.sum(end * yy) / size / np.linalg.norm(yy), rel=1e-12)
        np.testing.assert_allclose(ours.ntk_eigenvalues[-1, :, r], np.linalg.eigvalsh(end)[::-1][:4], rtol=1e-10)
    assert not ours.kernel_change.values[0].any()
    saved = kernels.checkpoint_movement(training.network, {0: first, 4: last}, cases.X, cases.TARGETS[3], modes=4,
                                        reference=reference)  # fmt: skip
    for name in saved:
        np.testing.assert_allclose(saved[name], ours[name].sel(step=[0, 4]), rtol=1e-10)


def test_alignment_of_a_kernel_that_is_the_target():
    y = RNG.standard_normal((6, 2))
    assert movement.alignment(y @ y.T, y) == pytest.approx(1.0, abs=1e-14)
    assert movement.alignment(np.eye(6), y) == pytest.approx(np.sum(y**2) / np.linalg.norm(y @ y.T) / 6**0.5)
