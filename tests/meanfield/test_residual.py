"""Residual networks: known numbers, exact linear networks, trained networks, special cases, depth and responses."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np
import pytest

import theorysim as ts
from tests.meanfield.exact_residual import outputs as exact
from tests.meanfield.networks import extrapolated, outputs_of
from theorysim.equations.residual import first_step, growth
from theorysim.errors import ProblemError
from theorysim.kernels import mlp
from theorysim.meanfield import deep, fluctuations, linear, residual, responses, transfer, two_layer
from theorysim.meanfield.replicas import Draw, Size, replicas_of
from theorysim.meanfield.residual_kernels import deep_kernels, start_kernels
from theorysim.meanfield.residual_march import ResidualMarch, Severed
from theorysim.meanfield.residual_setting import at_depth, setting_of

EXACT, SMALL = Size(512, 2, 1e-11), Size(768, 12, 1e-4)
KNOWN_X, KNOWN_Y = np.random.RandomState(1).randn(20, 4).T, np.array([1.0, -1.0, 1.0, -0.5])
KNOWN = ts.data.arrays(KNOWN_X, KNOWN_Y, labels="regression")
DRAW = np.random.default_rng(5)
X, X_TEST = DRAW.normal(size=(6, 8)), DRAW.normal(size=(3, 8))
PLAIN = ts.data.arrays(X, X[:, :1], X_TEST, X_TEST[:, :1], labels="regression")
LABELLED = ts.data.arrays(X, np.array([0, 1, 2, 2, 1, 0]), X_TEST, np.array([0, 1, 2]), labels="one-hot")


def run(data: Any = PLAIN, optimizer: Any = None, steps: int = 9, loss: Any = "mse", **network: Any) -> ts.Training:
    keywords = {"depth": 2, "width": 64, "activation": "tanh", "initial_output": "subtracted"} | network
    optimizer = ts.GD(learning_rate=0.4) if optimizer is None else optimizer
    return ts.Training(data=data, network=ts.ResidualMLP(**keywords), optimizer=optimizer, steps=steps, loss=loss,
                       record=tuple(range(steps + 1)))  # fmt: skip


START = {  # kernels at depth 1 of the unit interval for H(0) = [[1, .3], [.3, .6]]: H, and G over G at the top
    "relu": ([1.648721, 0.581488, 0.989233], [1.648721, 1.376318, 1.648721]),
    "tanh": ([1.427900, 0.437965, 0.945038], [1.540774, 1.469557, 1.672946]),
}


def start_inputs() -> np.ndarray:
    values, vectors = np.linalg.eigh(np.array([[1.0, 0.3], [0.3, 0.6]]))
    return vectors * np.sqrt(2.0 * values)


@pytest.mark.parametrize("activation", START)
def test_kernels_before_training(activation: str) -> None:
    """Infinite depth, and an error of order 1/L at L blocks."""
    x, network, upper = start_inputs(), ts.ResidualMLP(depth=4, width=1, activation=activation), np.triu_indices(2)
    deep_ones = deep_kernels(network, x)
    transport = deep_ones.gradient[0] / deep_ones.gradient[-1]
    np.testing.assert_allclose(deep_ones.stream[-1][upper], START[activation][0], atol=6e-7)
    np.testing.assert_allclose(transport[upper], START[activation][1], atol=6e-7)
    depths, errors = np.array([4, 8, 16, 32, 64]), []
    for depth in depths:
        own = start_kernels(network.at_depth(int(depth)), x)
        parts = (own.stream[-1] - deep_ones.stream[-1], own.gradient[0] / own.gradient[-1] - transport,
                 own.tangent - deep_ones.tangent)  # fmt: skip
        errors.append([np.abs(part).max() for part in parts])
    slopes = np.polyfit(np.log(depths), np.log(errors), 1)[0]
    np.testing.assert_allclose(slopes, {"relu": [-0.97, -0.97, -0.96], "tanh": [-0.99, -0.98, -0.98]}[activation],
                               atol=0.006)  # fmt: skip


def test_homogeneous_networks_grow_as_derived() -> None:
    x, scale, std = start_inputs(), 1.3, 1.2
    for activation, mean in (("relu", 0.5), ("linear", 1.0)):
        network = ts.ResidualMLP(depth=5, width=1, activation=activation, branch_scale=scale, weight_std=std)
        finite, infinite = growth((scale * std) ** 2 * mean, 5.0)
        for found, expected in ((start_kernels(network, x), finite), (deep_kernels(network, x), infinite)):
            np.testing.assert_allclose(np.diagonal(found.stream[-1] / found.stream[0]), expected, rtol=1e-7)


def test_tangent_kernel_by_another_route() -> None:
    """Forward recursion of Theta with dual maps by quadrature; the closed form of linear networks."""
    network = ts.ResidualMLP(depth=5, width=1, activation="sin", branch_scale=1.3, weight_std=1.2)
    nodes, weights = np.polynomial.hermite_e.hermegauss(60)
    weights = weights / weights.sum()
    share, h = 1.44 * network.branch**2, 1.44 * X[:2] @ X[:2].T / 8

    def maps(q: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        u = np.einsum("ij,jab->iab", np.linalg.cholesky(q), np.stack(np.meshgrid(nodes, nodes, indexing="ij")))
        both = (np.sin(u), np.cos(u))
        return tuple(np.einsum("iab,jab,a,b->ij", f, f, weights, weights) for f in both)

    theta = h.copy()
    for _ in range(5):
        t, tdot = maps(h)
        h, theta = h + share * t, theta * (1.0 + share * tdot) + share * t
    t, tdot = maps(h)
    np.testing.assert_allclose(start_kernels(network, X[:2]).tangent, 1.44 * (tdot * theta + t), rtol=1e-10)
    one = ts.ResidualMLP(depth=5, width=1, activation="linear", branch_scale=1.3)
    np.testing.assert_allclose(start_kernels(one, np.ones((1, 3))).tangent, first_step(1.69, 5.0)[0], rtol=1e-12)


@pytest.mark.parametrize("depth", [1, 3, 8])
def test_linear_networks_are_solved_exactly(depth: int) -> None:
    """Nothing is sampled: linear fields have second moments only, and the population has those exactly."""
    given = {"depth": depth, "eta": 0.1, "gamma0": 1.5, "steps": 6, "branch_scale": 1.2, "momentum": 0.5}
    optimizer = ts.GD(learning_rate=0.1, momentum=0.5)
    training = run(KNOWN, optimizer, 6, depth=depth, activation="linear", gamma0=1.5, branch_scale=1.2)
    found = residual.limit(training, size=EXACT)
    np.testing.assert_allclose(
        found.train_prediction[:, :, 0], exact(KNOWN_X @ KNOWN_X.T / 20, KNOWN_Y, **given), atol=1e-9
    )
    severed = replicas_of(training, setting_of(training, samples=512, tolerance=1e-11), Draw(0), range(1),
                          partial(ResidualMarch, weights=Severed))  # fmt: skip
    without = exact(KNOWN_X @ KNOWN_X.T / 20, KNOWN_Y, **given, responses=False)
    np.testing.assert_allclose(severed.train[0, :, :, 0], without, atol=1e-9)
    assert np.max(np.abs(without - found.train_prediction[:, :, 0].values)) > 0.03


@pytest.mark.parametrize(
    ("depth", "loss", "loss_without", "shift"), [(2, 0.0373, 0.0469, 0.169), (8, 0.0348, 0.0444, 0.180)]
)
def test_known_numbers_with_and_without_responses(depth: int, loss: float, loss_without: float, shift: float) -> None:
    """Squared errors and shifts of features after nine steps: three replicas of 6000 samples, one without responses."""
    found = responses(run(KNOWN, depth=depth, gamma0=1.5), size=Size(768, 6, 1e-4)).isel(step=-1)
    for name, known, error in (("train_loss", loss, 4e-4), ("train_loss_without", loss_without, 8e-4)):
        assert abs(2.0 * found[name] - known) < 4.0 * np.hypot(2.0 * found[f"{name}_error"], error)
    assert abs(found["shift"] - shift) < 4.0 * np.hypot(found["shift_error"], 1e-3)
    assert found.train_loss_without - found.train_loss > 6.0 * found.train_loss_error
    assert found.change > 10.0 * found.change_error


def test_responses_do_not_vanish_with_depth() -> None:
    """A linear network on one input: the closed form at 1 to 64 blocks, and its limit r/(2 + r)."""
    one, rate = ts.data.arrays(np.ones((1, 4)), np.array([1.0]), labels="regression"), 1.44
    shares = []
    for depth in (1, 4, 64):
        training = run(
            one, ts.GD(learning_rate=0.01), 1, depth=depth, activation="linear", gamma0=0.0, branch_scale=1.2
        )
        found = responses(training, size=EXACT).isel(step=-1)
        moved = [(1.0 - np.sqrt(2.0 * float(found[name]))) / 0.01 for name in ("train_loss", "train_loss_without")]
        np.testing.assert_allclose(moved, first_step(rate, float(depth)), rtol=1e-6)
        shares.append(1.0 - moved[1] / moved[0])
    assert shares == sorted(shares)
    np.testing.assert_allclose(shares[-1], rate / (2.0 + rate), rtol=0.02)


CASES = {
    "heavy ball": run(optimizer=ts.GD(learning_rate=0.3, momentum=0.5, weight_decay=0.1), steps=6, depth=2, gamma0=1.5),
    "batches": run(LABELLED, ts.SGD(learning_rate=0.6, batch=3, momentum=0.5), 8, "cross-entropy", activation="erf",
                   gamma0=1.2, branch_scale=1.3, weight_std=1.1),
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_trained_networks(name: str) -> None:
    """Widths 48 and 96, extrapolated; without responses the same comparison fails."""
    training, order = CASES[name], np.random.default_rng(2)
    batches = [order.choice(6, 3, replace=False) for _ in range(8)] if name == "batches" else None
    mean, error = extrapolated(training, width=48, replicas=300, batches=batches)
    found = residual.limit(training, batches=batches, size=SMALL)
    own = np.concatenate([found[f"{side}_prediction_error"].values for side in ("train", "test")], axis=1)

    def scores(f: np.ndarray) -> np.ndarray:
        return (f - mean)[1:] / np.hypot(error, own)[1:]

    z = scores(outputs_of(found))
    assert np.max(np.abs(z)) < 4.0 and np.mean(z**2) < 3.0  # entries are strongly correlated
    severed = replicas_of(training, setting_of(training, samples=768, tolerance=1e-4), Draw(0, batches), range(12),
                          partial(ResidualMarch, weights=Severed))  # fmt: skip
    z = scores(np.concatenate([severed.train, severed.test], axis=2).mean(axis=0))
    assert np.max(np.abs(z)) > 5.0


def test_no_branches_are_a_network_of_one_hidden_layer() -> None:
    plain = ts.MLP(depth=1, width=64, activation="tanh", parameterization="mup", gamma0=1.5)
    bare = run(steps=5, branch_scale=0.0, gamma0=1.5)
    found, expected = residual.limit(bare, size=Size(1024, 12, 1e-4)), two_layer.limit(
        ts.Training(data=PLAIN, network=plain, optimizer=bare.optimizer, steps=5, record=bare.record))  # fmt: skip
    for name in ("train_prediction", "test_prediction"):
        error = np.hypot(found[f"{name}_error"], expected[f"{name}_error"])[1:]
        assert float(np.abs((found[name] - expected[name])[1:] / error).max()) < 4.0


def test_lazy_limit_is_the_static_kernel() -> None:
    training = run(gamma0=0.0, depth=4, activation="gelu")
    assert isinstance(training.network, ts.ResidualMLP)
    found, theta = (
        residual.limit(training, size=SMALL),
        start_kernels(training.network, np.concatenate([X, X_TEST])).tangent,
    )
    f, rows = np.zeros((9, 1)), [np.zeros((9, 1))]
    for _ in range(9):
        f = f + 0.4 / 6 * theta[:, :6] @ (X[:, :1] - f[:6])
        rows.append(f)
    error = np.concatenate([found.train_prediction_error, found.test_prediction_error], axis=1)[1:]
    z = (outputs_of(found)[1:] - np.array(rows)[1:]) / error
    assert np.max(np.abs(z)) < 4.0
    assert np.max(np.abs((outputs_of(found)[1:] - 1.05 * np.array(rows)[1:]) / error)) > 4.0


def test_before_the_first_step() -> None:
    """f = 0, and the order parameters are the kernels of Gaussian fields."""
    training = run(depth=3, steps=2, gamma0=1.5)
    assert isinstance(training.network, ts.ResidualMLP)
    found, start = residual.kernels(training, size=Size(1024, 16, 1e-5)), start_kernels(training.network, X)
    np.testing.assert_array_equal(residual.limit(training, size=SMALL).train_prediction[0], 0.0)
    gradient, error = found.gradient_kernel[0].values, found.gradient_kernel_error[0].values
    assert np.max(np.abs(gradient - start.gradient) / error) < 4.5
    assert float(found.kernel_change[0]) == 0.0 < float(found.kernel_change[-1])


def test_depth_is_a_limit() -> None:
    """After training: an error of order 1/L, of order 1/L^2 where two depths are extrapolated (linear: not sampled)."""
    training = run(KNOWN, ts.GD(learning_rate=0.1), 4, activation="linear", gamma0=1.5)
    few, more, most = (exact(KNOWN_X @ KNOWN_X.T / 20, KNOWN_Y, depth=depth, eta=0.1, gamma0=1.5, steps=4)[-1]
                       for depth in (6, 12, 24))  # fmt: skip
    infinite = (few - 6.0 * more + 8.0 * most) / 3.0  # 1/L and 1/L^2 go
    found = residual.depth_limit(training, (6, 12), size=EXACT)
    np.testing.assert_allclose(found.train_prediction[-1, :, 0], 2.0 * more - few, atol=1e-8)
    far, near, extrapolated_far, extrapolated_near = (
        np.linalg.norm(one - infinite) for one in (few, more, 2.0 * more - few, 2.0 * most - more))  # fmt: skip
    assert 1.8 < far / near < 2.1 and 3.3 < extrapolated_far / extrapolated_near < 4.5
    loss, error = float(found.train_loss[-1]), float(found.train_loss_error[-1])
    assert 0.0 < abs(loss - np.mean((KNOWN_Y - infinite) ** 2) / 2.0) < 4.0 * error < 0.5 * loss
    with pytest.raises(ProblemError, match="increasing"):
        residual.depth_limit(training, (8, 8))


def test_errors_threads_and_longer_runs() -> None:
    size = Size(512, 4, 1e-4)
    short, long = (residual.limit(run(steps=steps), size=size, threads=threads) for steps, threads in ((4, 1), (8, 3)))
    for name in ("train_loss", "test_prediction", "train_prediction_error"):
        np.testing.assert_array_equal(short[name], long[name].sel(step=short.step))
    found = residual.limit(run(steps=3, depth=1), tolerance=0.05)
    assert set(residual.OBSERVABLES[:2]) <= set(found) and not np.any(found.train_loss_std)
    assert 0.0 < float((found.train_loss_error / found.train_loss)[-1]) < 0.05
    assert found.attrs["theory"] == "meanfield.residual" and found.attrs["depths"] == [1]
    trained = residual.finite(run(steps=2), replicas=2, seed=0)
    assert trained.sizes["replica"] == 2
    with pytest.raises(FloatingPointError, match="largest stable one at the start"):
        residual.limit(run(optimizer=ts.GD(learning_rate=80.0), steps=200, activation="relu"), size=Size(256, 1, 1e-3))


def test_gradient_flow_is_that_of_small_steps() -> None:
    flow = ts.Training(data=PLAIN, network=run().network, optimizer=ts.GradientFlow(), time=0.4, record=(0.0, 0.4))
    size = Size(256, 2, 1e-4)
    found, small = (
        residual.limit(flow, size=size),
        residual.limit(run(optimizer=ts.GD(learning_rate=0.01), steps=40), size=size),
    )
    large = residual.limit(run(optimizer=ts.GD(learning_rate=0.4), steps=1), size=size)
    far, near = (np.max(np.abs(found.train_prediction[-1] - one.train_prediction[-1])) for one in (large, small))
    assert near < 0.2 * far


def test_verdict() -> None:
    verdict = residual.validity(run(width=1024))
    assert verdict.applies and verdict.number < verdict.threshold
    assert residual.validity(run(width=16)).number > 4.0 * verdict.number
    digits = ts.data.digits(train=400, test=10, inputs="unit")
    dear = residual.validity(run(digits, ts.SGD(learning_rate=1.0, batch=20), 500, depth=8))
    assert not dear.applies and "directions" in dear.reason


def test_every_other_theory_names_this_one() -> None:
    training = run(steps=2)
    for theory in (mlp, deep, linear, two_layer, fluctuations, transfer):
        with pytest.raises(ProblemError, match=r"meanfield\.residual"):
            theory.limit(training)
        verdict = theory.validity(training)
        assert not verdict.applies and verdict.instead == "meanfield.residual"
    with pytest.raises(ProblemError, match=r"meanfield\.deep"):
        residual.limit(ts.Training(data=PLAIN, network=ts.MLP(depth=1, width=8, parameterization="mup"),
                                   optimizer=training.optimizer, steps=1))  # fmt: skip
    with pytest.raises(ProblemError, match="euler_step"):
        residual.limit(
            ts.Training(data=PLAIN, network=training.network, optimizer=ts.GradientFlow(euler_step=0.5), time=1.0)
        )
    assert at_depth(training, 5).network.depth == 5
