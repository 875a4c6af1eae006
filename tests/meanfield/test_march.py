"""The march against finite networks, the exact solution of deep linear networks, and stored numbers."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

import theorysim as ts
from tests.meanfield import stored
from theorysim.compare import widths
from theorysim.kernels import mlp
from theorysim.meanfield import deep, linear
from theorysim.meanfield.linear import _outputs as linear_outputs
from theorysim.meanfield.replicas import Size

SMALL = Size(768, 12, 1e-4)
DRAW = np.random.default_rng(5)
X, X_TEST = DRAW.normal(size=(6, 8)), DRAW.normal(size=(4, 8))
CLASSES, CLASSES_TEST = np.array([0, 1, 2, 2, 1, 0]), np.array([0, 1, 2, 0])
PLAIN = ts.data.arrays(X, X[:, :1], X_TEST, X_TEST[:, :1], labels="regression")
LABELLED = ts.data.arrays(X, CLASSES, X_TEST, CLASSES_TEST, labels="one-hot")


def run(data: Any = PLAIN, optimizer: Any = None, steps: int | None = 12, **network: Any) -> ts.Training:
    keywords = {"depth": 2, "width": 512, "activation": "tanh", "parameterization": "mup"} | network
    loss = keywords.pop("loss", "mse")
    optimizer = ts.GD(learning_rate=0.3) if optimizer is None else optimizer
    duration = {"time": 3.0} if isinstance(optimizer, ts.GradientFlow) else {"steps": steps}
    return ts.Training(data=data, network=ts.MLP(**keywords), optimizer=optimizer, loss=loss, **duration)


def scores(found: Any, expected: np.ndarray, error: np.ndarray) -> np.ndarray:
    own = found.train_prediction_error.values
    return ((found.train_prediction.values - expected) / np.hypot(own, error))[1:]


@pytest.mark.parametrize("case", ["base", "mom", "sgd", "sgdrep", "wd", "bias", "C3"])
def test_stored_networks(case: str) -> None:
    training, batches = stored.problem(case)
    z = scores(deep.limit(training, batches=batches, size=Size(2048, 24, 1e-5)), *stored.limit(case))
    assert np.max(np.abs(z)) < 4.0 and np.mean(z**2) < 1.5


def test_a_planted_error_is_rejected() -> None:
    """Power: batches in another order, and a learning rate that is 5 % off."""
    training, batches = stored.problem("sgd")
    z = scores(deep.limit(training, batches=batches[::-1], size=SMALL), *stored.limit("sgd"))
    assert np.max(np.abs(z)) > 10.0
    training, _ = stored.problem("base")
    other = ts.Training(data=training.data, network=training.network, optimizer=ts.GD(learning_rate=0.42),
                        steps=12, record=training.record)  # fmt: skip
    assert np.max(np.abs(scores(deep.limit(other, size=SMALL), *stored.limit("base")))) > 4.0


def toy(activation: Any, depth: int, gamma0: float, optimizer: Any, **duration: Any) -> ts.Training:
    x, y = np.random.RandomState(0).randn(25, 4).T, np.array([-1.0, -1, 1, 1])
    network = ts.MLP(depth=depth, width=500, activation=activation, parameterization="mup", gamma0=gamma0)
    data = ts.data.arrays(x, y, 0.5 * x[:2], y[:2], labels="regression")
    return ts.Training(data=data, network=network, optimizer=optimizer, **duration)


def scaled_tanh(x: float) -> float:
    return math.tanh(0.8 * x) / 0.8


def scaled_tanh_slope(x: float) -> float:
    return 1.0 - math.tanh(0.8 * x) ** 2


def scaled_erf(x: float) -> float:
    return math.erf(math.sqrt(0.5) * x)


def scaled_erf_slope(x: float) -> float:
    return math.sqrt(2.0 / math.pi) * math.exp(-0.5 * x * x)


def test_three_tanh_layers_and_their_features() -> None:
    """Networks of widths 500 and 1000, extrapolated, and the features at the last step."""
    activation = ts.activation(scaled_tanh, scaled_tanh_slope, name="scaled tanh")
    training = toy(activation, 3, 1.0, ts.GD(learning_rate=0.3), steps=19, record=(5, 10, 19))
    found = deep.limit(training, size=Size(1024, 12, 1e-4))
    left = np.array([[-0.6864, -0.7013, 0.8954, 0.7029], [-0.3290, -0.3435, 0.5263, 0.3355],
                     [-0.0251, -0.0316, 0.1043, 0.0217]])  # fmt: skip
    error = np.array([[24, 24, 23, 25], [33, 35, 43, 33], [9, 9, 15, 10]]) * 1e-4
    outputs, own = found.train_prediction.values[:, :, 0], found.train_prediction_error.values[:, :, 0]
    assert np.max(np.abs(outputs - (training.samples.y_train[:, 0] - left)) / np.hypot(own, error)) < 4.0
    features = deep.kernels(training, size=Size(512, 8, 1e-4)).isel(step=-1)
    phi, spread = features.feature_kernel.values[2], features.feature_kernel_error.values[2]
    entries, wanted = (
        [(0, 0), (1, 1), (2, 2), (3, 3), (0, 1), (0, 2)],
        [0.5141, 0.4953, 0.4416, 0.4957, 0.3880, -0.3313],
    )
    assert max(abs(phi[e] - w) / math.hypot(spread[e], 1e-3) for e, w in zip(entries, wanted, strict=True)) < 4.0


def test_losses_of_three_tanh_layers() -> None:
    """Exact GD and flow-Euler, which differ by several percent, against an older solver (mean squared errors)."""
    activation = ts.activation(scaled_tanh, scaled_tanh_slope, name="scaled tanh")
    steps = toy(activation, 3, 1.0, ts.GD(learning_rate=0.3), steps=19, record=(1, 2, 5, 10, 15, 19))
    times = tuple(0.3 * k for k in steps.recorded)
    euler = toy(activation, 3, 1.0, ts.GradientFlow(euler_step=0.3), time=times[-1], record=times)
    exact, flow = np.array([[0.9079, 0.8239, 0.5633, 0.1521, 0.0182, 0.00313],
                            [0.9082, 0.8257, 0.5738, 0.1612, 0.0193, 0.00327]])  # fmt: skip
    errors = (3e-4, 3e-4, 5e-4, 6e-4, 1e-4, 3e-5)
    for training, losses, other in ((steps, exact, flow), (euler, flow, exact)):
        found = deep.limit(training, size=Size(2048, 10, 2e-5))
        own = np.hypot(2.0 * found.train_loss_error.values, errors)
        assert np.max(np.abs(2.0 * found.train_loss.values - losses) / own) < 4.0
        assert np.max(np.abs(2.0 * found.train_loss.values - other) / own) > 4.0


def test_one_hidden_layer_is_a_gaussian_integral() -> None:
    """Mean squared errors of two samples, erf, from a rule of 110^3 points; and another order of the samples."""
    k0, y = np.array([[1.0, 0.3], [0.3, 0.8]]), np.array([1.0, -0.5])
    x = math.sqrt(2.0) * np.linalg.cholesky(k0)
    scaled = ts.activation(scaled_erf, scaled_erf_slope, name="scaled erf")
    network = ts.MLP(depth=1, width=512, activation=scaled, parameterization="mup", gamma0=0.5)
    for order in ([0, 1], [1, 0]):
        data = ts.data.arrays(x[order], y[order], labels="regression")
        training = ts.Training(data=data, network=network, optimizer=ts.GD(learning_rate=0.2), steps=59,
                               record=(1, 5, 10, 20, 40, 59))  # fmt: skip
        found = deep.limit(training, size=Size(2048, 16, 1e-5))
        exact = (0.561850209, 0.370359537, 0.221840554, 0.077755144, 0.008068023, 0.000824439)
        assert np.max(np.abs(2.0 * found.train_loss - exact) / (2.0 * found.train_loss_error)) < 4.0
        left = (y - (0.54852366, -0.37789271))[order]
        error = found.train_prediction_error[2, :, 0]
        assert np.max(np.abs(found.train_prediction[2, :, 0] - left) / error) < 4.0


@pytest.mark.parametrize(("activation", "steps"), [("tanh", 16), ("linear", 8)])
def test_bias_of_finite_networks_falls_as_one_over_width(activation: str, steps: int) -> None:
    network = {"weight_std": 1.0, "initial_output": "subtracted", "activation": activation}
    training = toy("tanh", 2, 1.0, ts.GD(learning_rate=0.3), steps=steps)
    training = ts.Training(**{**dict(training), "network": ts.MLP(**{**dict(training.network), **network})})
    limit = linear.limit(training) if activation == "linear" else deep.limit(training, size=Size(2048, 24, 2e-5))
    runs = {n: ts.train(training.at_width(n), replicas=r, seed=n) for n, r in ((40, 2000), (80, 1400), (160, 800))}
    last = limit.isel(step=slice(-1, None))
    fitted = widths(last, runs, names=["train_loss"])
    p, error = float(fitted.train_loss_exponent[0]), float(fitted.train_loss_exponent_error[0])
    assert error < 0.2 and abs(p - 1.0) < 2.5 * error
    last["train_loss"] = 0.8 * last.train_loss  # power: a limit that is off leaves a bias of another exponent
    wrong = widths(last, runs, names=["train_loss"])
    assert float(wrong.train_loss_exponent[0] + 2.5 * wrong.train_loss_exponent_error[0]) < 1.0


EVERYTHING = ts.SGD(learning_rate=0.2, batch=4, momentum=0.5, nesterov=True, weight_decay=0.05, ridge=0.5,
                    sampling="epochs", schedule=ts.Cosine(final=0.2))  # fmt: skip
LINEAR = {
    "plain": run(weight_std=1.3, gamma0=0.8),
    "one layer": run(depth=1, bias_std=0.3),
    "batches, momentum": run(optimizer=ts.SGD(learning_rate=0.08, batch=3, momentum=0.6), depth=3),
    "drawn twice": run(optimizer=ts.SGD(learning_rate=0.2, batch=4, sampling="replacement")),
    "outputs, biases": run(LABELLED, ts.GD(learning_rate=0.8), bias_std=0.5, gamma0=1.5),
    "everything": run(LABELLED, EVERYTHING, depth=3, width=(512, 256, 512), bias_std=(0.3, 0.2, 0.4, 0.5),
                      weight_std=(1.0, 1.4, 1.2, 0.9), weight_rates=(0.5, 1.0, 2.0, 1.0), loss="cross-entropy"),
    "lazy": run(gamma0=0.0),
    "flow-Euler": run(LABELLED, ts.GradientFlow(euler_step=0.1)),
}  # fmt: skip


@pytest.mark.parametrize("name", LINEAR)
def test_linear_networks_are_solved_exactly(name: str) -> None:
    """Linear fields have second moments only, and the samples have those exactly: nothing is left but rounding."""
    given = LINEAR[name]
    network = ts.MLP(**{**dict(given.network), "activation": "linear"})
    training = ts.Training(**{**dict(given), "network": network})
    found = deep.limit(training, size=Size(256, 2, 1e-11))
    (train, test), _ = linear_outputs(training, 0, 1e-7, None)
    if training.optimizer.__class__ is ts.SGD and training.optimizer.batch is not None:
        train, test = train[:2], test[:2]  # two orders of batches: ours are those of the first two networks
    np.testing.assert_allclose(found.train_prediction, train.mean(axis=0), atol=1e-6)
    np.testing.assert_allclose(found.test_prediction, test.mean(axis=0), atol=1e-6)


FLOW_EULER = {  # squared errors of the training samples at t = 1, 2, 5, 10, 20, 30 (step 0.1), two independent codes
    (1, 1.0): (0.93577618, 0.87786688, 0.73203396, 0.54896954, 0.30574436, 0.15828393),
    (2, 1.0): (0.90495324, 0.82329955, 0.62560003, 0.38306383, 0.10299517, 0.01493217),
    (2, 0.2): (0.90495324, 0.82379228, 0.63916107, 0.44476798, 0.23488131, 0.12637699),
    (3, 1.0): (0.87498961, 0.77223748, 0.52471088, 0.22763772, 0.01088713, 0.00012135),
}


@pytest.mark.parametrize(("depth", "gamma0"), FLOW_EULER)
def test_flow_euler_numbers(depth: int, gamma0: float) -> None:
    record = (0.1, 0.2, 0.5, 1.0, 2.0, 3.0)
    training = toy("linear", depth, gamma0, ts.GradientFlow(euler_step=0.1), time=3.0, record=record)
    found = deep.limit(training, size=Size(256, 2, 1e-11))
    np.testing.assert_allclose(2.0 * found.train_loss, FLOW_EULER[depth, gamma0], atol=2e-8)


@pytest.mark.parametrize("gamma0", [0.0, 1e-3])
def test_lazy_limit_is_the_kernel_limit(gamma0: float) -> None:
    mean_field = run(gamma0=gamma0, activation="gelu", bias_std=0.2, depth=3)
    kernel = run(parameterization="ntk", initial_output="subtracted", activation="gelu", bias_std=0.2, depth=3)
    found, expected = deep.limit(mean_field, size=SMALL), mlp.limit(kernel)
    for name in ("train_prediction", "test_prediction"):
        z = (found[name] - expected[name])[1:] / found[f"{name}_error"][1:]
        assert float(np.abs(z).max()) < 4.0
    far = run(parameterization="ntk", initial_output="subtracted", activation="gelu", bias_std=0.3, depth=3)
    z = (found.test_prediction - mlp.limit(far).test_prediction)[1:] / found.test_prediction_error[1:]
    assert float(np.abs(z).max()) > 4.0


def test_gradient_flow_is_extrapolated_to_small_steps() -> None:
    """Lazy and linear, so that nothing is sampled: what is left is the error of the steps, and X_error holds it."""
    flow = ts.GradientFlow(ridge=0.1)
    found = deep.limit(run(optimizer=flow, gamma0=0.0, activation="linear", depth=3), size=Size(256, 2, 1e-11))
    kernel = run(optimizer=flow, parameterization="ntk", initial_output="subtracted", activation="linear", depth=3)
    expected = mlp.limit(kernel)
    np.testing.assert_allclose(found.test_prediction, expected.test_prediction, atol=2e-3)
    for name in ("train_loss", "test_loss"):
        assert np.all(np.abs(found[name] - expected[name]) < 2.0 * found[f"{name}_error"] + 1e-9)


def test_own_networks_with_biases_outputs_batches_and_momentum() -> None:
    optimizer = ts.SGD(learning_rate=0.5, batch=3, momentum=0.5)
    training = run(LABELLED, optimizer, activation="erf", bias_std=0.5, gamma0=1.5, initial_output="subtracted")
    order = np.random.default_rng(2)
    batches = [order.choice(6, 3, replace=False) for _ in range(12)]
    found = deep.limit(training, batches=batches, size=SMALL)
    sizes, replicas = (48, 96, 192), (900, 450, 250)
    runs = [ts.train(training.at_width(n), replicas=r, seed=n, batches=batches)
            for n, r in zip(sizes, replicas, strict=True)]  # fmt: skip
    for side in ("train", "test"):
        outputs = [one[f"{side}_prediction"] for one in runs]
        means = np.array([f.mean("replica").values for f in outputs])[:, 1:]
        errors = np.array([f.std("replica").values / f.sizes["replica"] ** 0.5 for f in outputs])[:, 1:]
        expected, error = stored.extrapolated(sizes, means, errors)
        own = found[f"{side}_prediction_error"].values[1:]
        z = (found[f"{side}_prediction"].values[1:] - expected) / np.hypot(own, error)
        assert np.max(np.abs(z)) < 4.0
