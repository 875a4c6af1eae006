"""Deep linear networks: known numbers, exact recursions, trained networks, and what must hold by symmetry."""

from __future__ import annotations

import numpy as np
import pytest

import theorysim as ts
from tests.meanfield.networks import extrapolated, largest_z, outputs_of
from theorysim import meanfield
from theorysim.meanfield import linear

PLAIN = {"activation": "linear", "parameterization": "mup", "initial_output": "subtracted"}
RNG = np.random.default_rng(3)
X, Y, X_TEST = RNG.normal(size=(4, 6)), RNG.normal(size=(4, 2)), RNG.normal(size=(2, 6))
BATCHES = [RNG.choice(4, 2, replace=False) for _ in range(8)]

X_A1 = np.random.RandomState(0).randn(25, 4).T
STEPS_A1 = (1, 2, 5, 10, 20, 30, 40, 49)
A1 = {
    (1, 1.0): (0.93577618, 0.87786688, 0.73203396, 0.54896954, 0.30574436, 0.15828393, 0.07374229, 0.03392800),
    (2, 1.0): (0.90495324, 0.82329955, 0.62560003, 0.38306383, 0.10299517, 0.01493217, 0.00138105, 0.00013752),
    (2, 0.2): (0.90495324, 0.82379228, 0.63916107, 0.44476798, 0.23488131, 0.12637699, 0.06722040, 0.03756759),
    (3, 1.0): (0.87498961, 0.77223748, 0.52471088, 0.22763772, 0.01088713, 0.00012135, 9.9e-7, 1e-8),
}
TRACES = {(1, 1.0): (4.8967296, 2.5947454), (2, 1.0): (6.047179, 5.2836019), (3, 1.0): (7.0967621, 7.6148483)}


def training(optimizer, *, targets=Y, steps=8, depth=2, width=64, loss="mse", **network):
    labels = "regression" if loss == "mse" else "one-hot"
    return ts.Training(
        data=ts.data.arrays(X, targets, X_TEST, targets[:2], labels=labels),
        network=ts.MLP(depth=depth, width=width, **{**PLAIN, **network}),
        optimizer=optimizer, steps=steps, record=tuple(range(steps + 1)), loss=loss,
    )  # fmt: skip


@pytest.mark.parametrize("case", A1)
def test_flow_euler_agrees_with_two_older_solvers(case) -> None:
    depth, gamma0 = case
    run = ts.Training(
        data=ts.data.arrays(X_A1, np.array([-1.0, -1.0, 1.0, 1.0]), labels="regression"),
        network=ts.MLP(depth=depth, width=10**6, gamma0=gamma0, **PLAIN),
        optimizer=ts.GradientFlow(euler_step=0.1),
        time=4.9,
        record=tuple(round(0.1 * k, 1) for k in STEPS_A1),
    )
    kernels = linear.kernels(run)
    np.testing.assert_allclose(2.0 * linear.limit(run).train_loss, A1[case], atol=1e-7, rtol=0)
    if case in TRACES:
        trace = np.trace(kernels.feature_kernel.values[-1, -1])
        np.testing.assert_allclose((trace, kernels.gradient_kernel.values[-1, 0, 0, 0]), TRACES[case], rtol=1e-7)


def test_every_extension_at_once_agrees_with_an_older_solver() -> None:
    """Three outputs, biases, heavy ball, weight decay, minibatches."""
    x = np.random.RandomState(1).randn(20, 5).T
    order = np.random.RandomState(3)
    batches = [order.choice(5, 2, replace=False) for _ in range(12)]
    run = ts.Training(
        data=ts.data.arrays(x, 2.0 * np.eye(3)[[0, 1, 2, 0, 1]] - 1.0, labels="regression"),
        network=ts.MLP(depth=2, width=10**6, gamma0=1.2, bias_std=(0.6, 0.6, 0.5), **PLAIN),
        optimizer=ts.SGD(learning_rate=0.36, batch=2, momentum=0.5, weight_decay=0.03 / 0.36),
        steps=11,
    )
    f = linear.limit(run, batches=batches).train_prediction.values[-1]
    np.testing.assert_allclose(f[0], (0.49741099, -0.51550266, -0.74187641), atol=1e-8)
    np.testing.assert_allclose(f[1, 0], -0.70734404, atol=1e-8)


CASES = {
    "three hidden layers, nesterov, ridge": (
        training(ts.GD(learning_rate=0.2, momentum=0.6, nesterov=True, ridge=0.5), depth=3, gamma0=0.8), None),
    "biases, batches, heavy ball, decay": (
        training(ts.SGD(learning_rate=0.5, batch=2, momentum=0.5, weight_decay=0.1), bias_std=(0.6, 0.5, 0.4)),
        BATCHES),
    "cross-entropy, rates and stds of layers": (
        training(ts.GD(learning_rate=1.0), targets=np.array([0, 1, 2, 1]), loss="cross-entropy", bias_std=0.0,
                 weight_std=(1.2, 0.8, 1.0), weight_rates=(1.0, 0.5, 2.0), bias_rates=(0.3, 0.2, 0.5)), None),
    "unequal widths": (training(ts.GD(learning_rate=0.5), width=(32, 64)), None),
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_trained_networks_extrapolate_to_the_limit(name: str) -> None:
    run, batches = CASES[name]
    mean, error = extrapolated(run, width=48, replicas=1000, batches=batches)
    assert largest_z(outputs_of(linear.limit(run, batches=batches)), mean, error) < 4
    if name == "unequal widths":  # power: the limit of equal widths is another one
        assert largest_z(outputs_of(linear.limit(training(ts.GD(learning_rate=0.5)))), mean, error) > 10


OPTIMIZERS = (
    ts.SGD(learning_rate=0.4, batch=2, momentum=0.5, weight_decay=0.1, ridge=0.4),
    ts.SGD(learning_rate=0.4, batch=2, momentum=0.5, nesterov=True, schedule=ts.Cosine()),
    ts.SGD(learning_rate=0.4, batch=2, ridge=0.3),
)


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
@pytest.mark.parametrize("loss", ["mse", "cross-entropy"])
def test_two_layers_agree_with_the_moments_of_neurons(optimizer, loss: str) -> None:
    """The recursion of second moments knows neither layers nor responses: equal to rounding, test points included."""
    from theorysim.meanfield.batches import order_of, sample_weights
    from theorysim.meanfield.inputs import joint_inputs_of
    from theorysim.meanfield.moments import Moments

    targets = Y if loss == "mse" else np.array([0, 1, 2, 1])
    run = training(optimizer, depth=1, targets=targets, loss=loss, gamma0=1.2, bias_std=(0.6, 0.5))
    moments = Moments(run, joint_inputs_of(run))
    weights = sample_weights(order_of(run, seed=0, stream=0, batches=BATCHES), 8, 4)
    expected = [jet[0][0] for jet in moments.march(moments.limit_start(), weights)]
    np.testing.assert_allclose(outputs_of(linear.limit(run, batches=BATCHES)), expected, atol=1e-12)


def test_drawn_batches_are_averaged_with_their_scatter() -> None:
    run = training(ts.SGD(learning_rate=0.5, batch=2))
    found = linear.limit(run, seed=1)
    single = linear.limit(run, batches=BATCHES)
    assert found.train_loss_error.values[-1] > 0.0 == single.train_loss_error.values[-1]
    runs = ts.train(run.at_width(256), replicas=64, seed=9)
    bias, noise = runs.train_loss.mean("replica") - found.train_loss, runs.train_loss.std("replica") / 8.0
    assert float(np.abs(bias / np.hypot(noise, found.train_loss_error))[1:].max()) < 4


def test_gradient_flow_is_the_limit_of_small_steps() -> None:
    flow = ts.Training(**{**_fields(training(ts.GD(learning_rate=1.0))), "steps": None, "record": None,
                          "optimizer": ts.GradientFlow(weight_decay=0.1), "time": 3.0})  # fmt: skip
    found = linear.limit(flow)
    rows = []
    for steps in (75, 150):
        run = training(ts.GD(learning_rate=3.0 / steps, weight_decay=0.1), steps=steps)
        rows.append(linear.limit(run).train_loss.values[-1])
    assert found.train_loss_error.values[-1] < 1e-5
    np.testing.assert_allclose(2 * rows[1] - rows[0], found.train_loss.values[-1], rtol=3e-5)
    assert abs(rows[1] - found.train_loss.values[-1]) > 3e-4 * rows[1]  # GD itself differs


def _fields(run: ts.Training) -> dict[str, object]:
    return {name: getattr(run, name) for name in ("data", "network", "loss")}


def test_lazy_limit_is_the_kernel_limit() -> None:
    run = training(ts.GD(learning_rate=0.5, momentum=0.5), gamma0=0.0, bias_std=0.5)
    network = ts.MLP(depth=2, width=64, activation="linear", bias_std=0.5, initial_output="subtracted")
    lazy = ts.kernels.mlp.limit(ts.Training(**{**_fields(run), "network": network, "optimizer": run.optimizer,
                                               "steps": 8, "record": run.record}))  # fmt: skip
    np.testing.assert_allclose(linear.limit(run).test_prediction, lazy.test_prediction, atol=1e-7)


def test_a_longer_run_begins_like_a_shorter_one() -> None:
    short, long = (linear.limit(training(ts.GD(learning_rate=0.5), steps=steps)) for steps in (8, 16))
    np.testing.assert_allclose(long.train_prediction.values[:9], short.train_prediction, rtol=1e-13, atol=1e-15)


def test_scatter_is_that_of_networks() -> None:
    run = training(ts.GD(learning_rate=0.5), width=256)
    spread = ts.train(run, replicas=200, seed=4).train_prediction.std("replica").values[-1]
    np.testing.assert_allclose(linear.limit(run).train_prediction_std.values[-1].mean(), spread.mean(), rtol=0.3)


def test_divergence_raises_with_the_stable_rate() -> None:
    with pytest.raises(FloatingPointError, match="largest stable one"):
        linear.limit(training(ts.GD(learning_rate=200.0), steps=30))


def test_refusals_name_what_fits() -> None:
    with pytest.raises(ts.ProblemError, match=r"meanfield\.linear: .*not for tanh; use meanfield\.deep"):
        linear.limit(training(ts.GD(learning_rate=1.0), activation="tanh"))
    with pytest.raises(ts.ProblemError, match=r"use kernels\.mlp"):
        linear.limit(training(ts.GD(learning_rate=1.0), parameterization="ntk"))
    with pytest.raises(ts.ProblemError, match="Adam"):
        linear.limit(training(ts.Adam(learning_rate=1.0)))
    with pytest.raises(ts.ProblemError, match="`steps` must be at most"):
        linear.limit(training(ts.GD(learning_rate=0.1), steps=9000))
    assert not linear.validity(training(ts.GD(learning_rate=1.0), activation="tanh")).applies
    verdict = linear.validity(training(ts.GD(learning_rate=0.5), width=4096))
    assert verdict.applies and 0.0 < verdict.number < 0.1
    assert meanfield.linear is linear


def test_a_schedule_runs_on_after_the_last_record() -> None:
    """A record that ends early sees the same steps as one that does not."""
    run = training(ts.GD(learning_rate=0.5, schedule=ts.Cosine(final=0.0)), steps=12)
    early = ts.Training(data=run.data, network=run.network, optimizer=run.optimizer, steps=12, record=(0, 4))
    losses = [linear.limit(one).train_loss.sel(step=[0, 4]).values for one in (early, run)]
    np.testing.assert_allclose(*losses, rtol=1e-12)
