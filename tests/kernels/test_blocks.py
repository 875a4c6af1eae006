"""Kernels of networks of blocks: against neural-tangents, against perceptrons, and what holds without a peer."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import theorysim as ts
from tests.infinite import block_reference
from theorysim import kernels
from theorysim.errors import ProblemError
from theorysim.problem import blocks as b

STORED = np.load(Path(__file__).parents[1] / "data" / "blocks.npz")
"""Made by benchmarks/stax_cases.py."""
CASES = sorted({name.partition("/")[0] for name in STORED.files})
RELU, ERF, GELU, TANH = (b.activation(name) for name in ("relu", "erf", "gelu", "tanh"))
GAP, FLAT = b.global_average_pool(), b.flatten()
CONV = b.conv(filter=3, weight_std=1.4, bias_std=0.2)
ROUND = b.conv(filter=3, weight_std=1.4, bias_std=0.2, padding="circular")
READOUT = b.dense(weight_std=1.2, bias_std=0.3)
RNG = np.random.default_rng(11)
IMAGES, OTHERS, VECTORS = RNG.normal(size=(4, 4, 4, 2)), RNG.normal(size=(3, 4, 4, 2)), RNG.normal(size=(5, 7))


def both(network: b.Block, x1: np.ndarray, x2: np.ndarray | None = None) -> tuple[np.ndarray, np.ndarray]:
    return kernels.nngp(network, x1, x2).values, kernels.ntk(network, x1, x2).values


def stored(case: str) -> tuple[b.Block, np.ndarray, np.ndarray | None]:
    x2 = STORED[f"{case}/x2"] if f"{case}/x2" in STORED.files else None
    return b.from_json(str(STORED[f"{case}/network"])), STORED[f"{case}/x1"], x2


def assert_same(one: tuple[np.ndarray, ...], other: tuple[np.ndarray, ...], tolerance: float = 1e-13) -> None:
    for found, wanted in zip(one, other, strict=True):
        np.testing.assert_allclose(found, wanted, rtol=0, atol=tolerance * np.abs(wanted).max())


@pytest.mark.parametrize("case", CASES)
def test_values_of_neural_tangents(case: str) -> None:
    network, x1, x2 = stored(case)
    found, peer = both(network, x1, x2), (STORED[f"{case}/nngp"], STORED[f"{case}/ntk"])
    if x2 is None and RELU in network.blocks:  # there the peer loses half its digits, see below
        np.testing.assert_allclose(np.diag(found[1]), np.diag(peer[1]), rtol=1e-8)
        np.fill_diagonal(peer[1], np.diag(found[1]))
    for ours, theirs in zip(found, peer, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-12)


def test_tangent_kernels_of_samples_with_themselves_keep_all_digits_under_a_kink() -> None:
    network, x1, _ = stored("filter_same_self")
    exact = np.diag(block_reference.kernels(network, x1)[1])  # with the angle of equal positions set to 0
    assert np.abs(np.diag(kernels.ntk(network, x1)) / exact - 1.0).max() < 1e-14
    assert np.abs(np.diag(STORED["filter_same_self/ntk"]) / exact - 1.0).max() > 1e-11


@pytest.mark.parametrize("name", ["relu", "tanh"])
def test_a_chain_of_dense_layers_is_a_perceptron(name: str) -> None:
    layer = b.dense(weight_std=1.3, bias_std=0.4)
    chain = b.chain(layer, b.activation(name), layer, b.activation(name), layer)
    mlp = ts.MLP(depth=2, width=1, activation=name, weight_std=1.3, bias_std=0.4)
    for x2 in (None, VECTORS[:3] + 0.1):
        one, other = both(chain, VECTORS, x2), both(mlp, VECTORS, x2)
        assert_same(one, other, 1e-13 if name == "relu" else 1e-12)
        for found, wanted, kernel in zip(one, other, (kernels.nngp, kernels.ntk), strict=True):
            assert np.abs(found - wanted).max() <= 1e-13 + 2.0 * kernel(chain, VECTORS, x2).attrs["error"]


def test_rates_are_those_of_a_perceptron() -> None:
    layers = [b.dense(weight_std=1.3, bias_std=0.4, weight_rate=a, bias_rate=c) for a, c in ((7, 1), (0, 2), (50, 0))]
    mlp = ts.MLP(depth=2, width=1, activation="relu", weight_std=1.3, bias_std=0.4, weight_rates=(7.0, 0.0, 50.0),
                 bias_rates=(1.0, 2.0, 0.0))  # fmt: skip
    assert_same(both(b.chain(layers[0], RELU, layers[1], RELU, layers[2]), VECTORS), both(mlp, VECTORS))


@pytest.mark.parametrize("end", [GAP, FLAT])
@pytest.mark.parametrize("shape", [(1, 1), (1,)])
def test_images_of_one_position_are_vectors(end: b.Block, shape: tuple[int, ...]) -> None:
    layer = b.conv(filter=1, weight_std=1.3, bias_std=0.4)
    network = b.chain(layer, RELU, layer, RELU, end, b.dense(weight_std=1.3, bias_std=0.4))
    mlp = ts.MLP(depth=2, width=1, activation="relu", weight_std=1.3, bias_std=0.4)
    assert_same(both(network, VECTORS.reshape(5, *shape, 7)), both(mlp, VECTORS))


def test_a_branch_that_is_zero_changes_nothing() -> None:
    def network(*middle: b.Block) -> b.Block:
        return b.chain(CONV, *middle, ERF, CONV, GELU, GAP, READOUT)

    zero = b.residual(b.chain(ERF, b.conv(filter=3, weight_std=0.0), b.layer_norm(), b.dense(weight_std=0.0)))
    assert_same(both(network(zero), IMAGES), both(network(), IMAGES), 1e-15)


def test_dropout_that_keeps_all_changes_nothing() -> None:
    kept = b.chain(CONV, ERF, b.dropout(1.0), CONV, GELU, b.dropout(1.0), GAP, READOUT)
    assert_same(both(kept, IMAGES), both(b.chain(CONV, ERF, CONV, GELU, GAP, READOUT), IMAGES), 1e-15)


def test_equal_branches_side_by_side_are_one() -> None:
    branch = b.chain(CONV, ERF, b.conv(filter=2, weight_std=1.3))
    one = b.chain(branch, CONV, GELU, GAP, READOUT)
    assert_same(both(b.chain(b.concatenate(branch, branch), CONV, GELU, GAP, READOUT), IMAGES), both(one, IMAGES))


def test_the_mean_over_all_positions_is_a_pool_as_large_as_the_image() -> None:
    """Two routes of the machine: one shift at a time, and all pairs of positions."""
    for activation in (RELU, TANH):
        strided = b.conv(filter=3, stride=2, weight_std=1.3)
        body = b.chain(CONV, activation, b.residual(b.chain(CONV, activation, CONV)), strided, activation)
        mean, pool = b.chain(body, GAP, READOUT), b.chain(body, b.average_pool(2), FLAT, READOUT)
        for x2 in (None, OTHERS):
            assert_same(both(mean, IMAGES, x2), both(pool, IMAGES, x2))


def test_translations_are_seen_by_zero_padding_alone() -> None:
    around, padded = (b.chain(conv, ERF, conv, GELU, GAP, READOUT) for conv in (ROUND, CONV))
    moved = np.roll(IMAGES, (1, 2), axis=(1, 2))
    assert_same(both(around, moved, OTHERS), both(around, IMAGES, OTHERS))
    assert_same(both(around, moved, IMAGES), both(around, IMAGES))
    assert np.abs(both(padded, moved, OTHERS)[1] / both(padded, IMAGES, OTHERS)[1] - 1.0).max() > 1e-3


def test_frozen_layers() -> None:
    def network(rate: float | None, last: float | None) -> b.Block:
        conv = b.conv(filter=3, bias_std=0.2, weight_rate=rate, bias_rate=rate)
        return b.chain(conv, ERF, conv, GELU, GAP, b.dense(bias_std=0.3, weight_rate=last, bias_rate=last))

    nngp, ntk = both(network(0.0, None), IMAGES)
    assert np.array_equal(nngp, ntk)  # only the readout learns
    assert not both(network(0.0, 0.0), IMAGES)[1].any()
    below, all_learn = both(network(None, 0.0), IMAGES)[1], both(network(None, None), IMAGES)[1]
    assert_same((below + nngp,), (all_learn,))


def test_equal_samples_of_two_sets() -> None:
    network = b.chain(CONV, RELU, CONV, RELU, FLAT, READOUT)
    assert_same(both(network, IMAGES, IMAGES), both(network, IMAGES), 1e-15)
    dropped = b.chain(CONV, ERF, b.dropout(0.5), CONV, GELU, GAP, READOUT)
    two, one = both(dropped, IMAGES, IMAGES), both(dropped, IMAGES)
    for different, same in zip(two, one, strict=True):
        assert (np.diag(same) > 1.01 * np.diag(different)).all()  # a sample has one mask
        np.fill_diagonal(same, np.diag(different))
    assert_same(two, one)


@pytest.mark.parametrize("case", CASES)
def test_kernels_are_symmetric_and_positive(case: str) -> None:
    network, x1, _ = stored(case)
    x = np.concatenate((x1, x1[:1], -x1[:1], np.zeros_like(x1[:1]), 1e-3 * x1[1:2]))
    for kernel in both(network, x):
        assert np.array_equal(kernel, kernel.T)
        values = np.linalg.eigvalsh(kernel)
        assert values[0] > -1e-13 * values[-1]


def test_answers_carry_labels_and_errors() -> None:
    network = b.chain(CONV, RELU, GAP, READOUT)
    found = kernels.ntk(network, IMAGES, OTHERS)
    assert found.dims == ("sample", "sample_other") and found.shape == (4, 3) and found.name == "ntk"
    assert found.attrs["error"] == 0.0 and found.attrs["long_name"] == "neural tangent kernel"
    series = kernels.ntk(b.chain(CONV, TANH, CONV, TANH, GAP, READOUT), IMAGES)
    assert 0.0 < series.attrs["error"] < 1e-6


def test_wrong_inputs() -> None:
    network = b.chain(CONV, RELU, GAP, READOUT)
    with pytest.raises(ProblemError, match="`x2` must hold samples of shape"):
        kernels.ntk(network, IMAGES, OTHERS[:, :3])
    with pytest.raises(ProblemError, match="`x1` must have shape"):
        kernels.ntk(network, IMAGES[..., None])
    with pytest.raises(ProblemError, match="must be an MLP or a network of blocks"):
        kernels.ntk("relu", IMAGES)
    with pytest.raises(ProblemError, match="`conv` at blocks"):
        kernels.nngp(network, VECTORS)
    with pytest.raises(ProblemError, match="the nngp must be finite"):
        kernels.nngp(b.chain(b.dense(weight_std=1e100), RELU, b.dense(weight_std=1e100)), VECTORS)


def jumps(choice: str | None) -> b.Block:
    """Return dense, sign, dense, step, dense, rectified square, dense."""
    step, sign = ({"name": name, "derivative": choice} for name in ("step", "sign"))
    square = {"name": "rectified_monomial", "degree": 2}
    layers = [part for name in (sign, step, square) for part in (b.dense(), b.activation(name))]
    return b.chain(*layers, b.dense())


def correlations(kernel: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    norms = np.sqrt(np.diag(kernel))
    angle = np.arccos(np.clip(kernel / np.outer(norms, norms), -1.0, 1.0))
    np.fill_diagonal(angle, 0.0)
    return angle, np.outer(norms, norms)


def test_activations_that_jump() -> None:
    angle, _ = correlations(VECTORS @ VECTORS.T)
    angle, _ = correlations(1.0 - 2.0 * angle / np.pi)  # sign
    stepped = (np.pi - angle) / (2.0 * np.pi)
    angle, norms = correlations(stepped)
    cosine, sine = np.cos(angle), np.sin(angle)
    nngp = norms**2 * (3.0 * sine * cosine + (np.pi - angle) * (1.0 + 2.0 * cosine**2)) / (2.0 * np.pi)
    slope = 2.0 * norms * (sine + (np.pi - angle) * cosine) / np.pi
    for choice in (None, "zero", "distribution"):
        np.testing.assert_allclose(kernels.nngp(jumps(choice), VECTORS), nngp, rtol=1e-13)
    np.testing.assert_allclose(kernels.ntk(jumps("zero"), VECTORS), nngp + slope * stepped, rtol=1e-13)
    for choice in (None, "distribution"):
        with pytest.raises(ProblemError, match='`activation` sign jumps: its tangent kernel needs derivative = "zero"'):
            kernels.ntk(jumps(choice), VECTORS)


def test_a_convolutional_network_learns_digits() -> None:
    samples = ts.data.digits(train=100, test=50).load()
    images = np.concatenate((samples.x_train, samples.x_test)).reshape(-1, 8, 8, 1)
    conv = b.conv(filter=3, weight_std=2**0.5, bias_std=0.1)
    network = b.chain(conv, RELU, conv, RELU, GAP, b.dense())
    theta, sigma = kernels.ntk(network, images), kernels.nngp(network, images)
    curve = kernels.dynamics(
        theta, sigma, samples.classes_train, ts.GradientFlow(), y_test=samples.classes_test, time=1e6,
        record=(0.0, 1e2, 1e3, 1e4, 1e5, 1e6),
    )  # fmt: skip
    assert (np.diff(curve.train_loss) < 0.0).all()
    assert float(curve.test_loss[-1]) < 0.6 * float(curve.test_loss[0])
    assert float(curve.ensemble_accuracy[-1]) > 0.7
    flat = b.chain(conv, RELU, conv, RELU, FLAT, b.dense())
    assert np.abs(kernels.ntk(flat, images[:3]).values / theta.values[:3, :3] - 1.0).max() > 0.1
