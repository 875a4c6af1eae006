"""Kernels of one's own: the acceptance arrays on digits, the same numbers as `kernels.mlp`, labels, bad input."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

import theorysim as ts
from theorysim import kernels
from theorysim.infinite import modes as modes_module

DATA = np.load(Path(__file__).parents[1] / "data" / "A2_digits_dynamics.npz")
SOME = slice(0, 13, 4)
TIMES = tuple(float(t) for t in DATA["t"][SOME])
DEEP = ts.MLP(depth=3, width=512, activation="relu", weight_std=1.5, bias_std=0.05)


@pytest.fixture(scope="module")
def digits():
    """Return Theta and Sigma of train and test, and the classes."""
    samples = ts.data.digits(train=1000, test=500).load()
    x = np.concatenate([samples.x_train, samples.x_test])
    return kernels.ntk(DEEP, x), kernels.nngp(DEEP, x), samples.classes_train, samples.classes_test


@pytest.mark.parametrize("trained", ["ntk", "nngp"])
def test_means_and_full_covariances_of_digits(digits, trained) -> None:
    theta, sigma, y, y_test = digits
    answer = kernels.dynamics(theta if trained == "ntk" else sigma, sigma, y, ts.GradientFlow(), y_test=y_test,
                              time=1e6, record=TIMES, covariances=("test",))  # fmt: skip
    np.testing.assert_allclose(answer.test_prediction[:, :25], DATA[f"{trained}_mean25"][SOME], atol=1e-8)
    covariance = answer.test_covariance
    assert covariance.dims == ("step", "test_sample", "test_sample_other") and covariance.shape == (4, 500, 500)
    np.testing.assert_allclose(covariance[:, :12, :12], DATA[f"{trained}_cov12"][SOME], atol=1e-9)
    np.testing.assert_allclose(answer.ensemble_accuracy, DATA[f"{trained}_test_acc"][SOME], atol=1e-12)
    diagonal = np.diagonal(covariance.values, axis1=1, axis2=2)
    np.testing.assert_allclose(diagonal, answer.test_prediction_std[..., 0] ** 2, atol=1e-12)


def test_infinite_time_on_digits(digits) -> None:
    theta, sigma, y, y_test = digits
    answer = kernels.dynamics(theta, sigma, y, ts.GradientFlow(), y_test=y_test, time=1e9, record=(1e9,),
                              covariances=("train", "test"))  # fmt: skip
    np.testing.assert_allclose(answer.test_prediction[0, :25], DATA["ntk_meaninf25"], atol=1e-8)
    np.testing.assert_allclose(answer.test_covariance[0, :12, :12], DATA["ntk_covinf12"], atol=1e-9)
    assert float(np.abs(answer.train_covariance).max()) < 1e-12


SMALL = ts.data.digits(train=60, test=40)
NETWORK = ts.MLP(depth=2, width=256, activation="erf", bias_std=0.1)
LOADED = SMALL.load()
X = np.concatenate([LOADED.x_train, LOADED.x_test])
THETA, SIGMA = kernels.ntk(NETWORK, X), kernels.nngp(NETWORK, X)
OPTIMIZERS = {
    "flow, ridge": ts.GradientFlow(ridge=0.3),
    "heavy ball, ridge": ts.GD(learning_rate=5.0, momentum=0.7, ridge=0.3),
    "nesterov, schedule": ts.GD(learning_rate=5.0, momentum=0.7, nesterov=True, schedule=ts.Cosine()),
    "batches": ts.SGD(learning_rate=2.0, batch=10),
    "epochs": ts.SGD(learning_rate=2.0, batch=10, sampling="epochs"),
}


def stated(optimizer, loss="mse"):
    labels = "one-hot" if loss == "cross-entropy" else "one-hot-centred"
    duration = {"time": 30.0} if isinstance(optimizer, ts.GradientFlow) else {"steps": 30}
    return ts.Training(data=ts.data.digits(train=60, test=40, labels=labels), network=NETWORK, optimizer=optimizer,
                       loss=loss, **duration), duration  # fmt: skip


@pytest.mark.parametrize("optimizer", OPTIMIZERS.values(), ids=OPTIMIZERS)
@pytest.mark.parametrize("loss", ["mse", "cross-entropy"])
def test_the_limit_of_a_network_is_the_dynamics_of_its_kernels(optimizer, loss) -> None:
    training, duration = stated(optimizer, loss)
    limit = kernels.mlp.limit(training, tolerance=0.2)
    ours = kernels.dynamics(THETA, SIGMA, LOADED.classes_train, optimizer, y_test=LOADED.classes_test, loss=loss,
                            tolerance=0.2, **duration)  # fmt: skip
    assert set(ours) == set(limit)
    for name in limit:
        np.testing.assert_allclose(ours[name], limit[name], rtol=1e-9, atol=1e-11, err_msg=str(name))
    np.testing.assert_allclose(ours.time, limit.time)
    if "largest_stable_learning_rate" in limit.attrs:
        assert ours.attrs["largest_stable_learning_rate"] == pytest.approx(limit.attrs["largest_stable_learning_rate"])


def test_blocks_arrays_and_labelled_arrays_say_the_same() -> None:
    y, y_test, gd = LOADED.y_train, LOADED.y_test, ts.GD(learning_rate=3.0)
    whole = kernels.dynamics(THETA, SIGMA, y, gd, y_test=y_test, steps=9, covariances=("test",))
    theta, sigma = THETA.values, SIGMA.values
    blocks = kernels.dynamics(
        theta[:60, :60], sigma[:60, :60], y, gd, y_test=y_test, steps=9, covariances=("test",),
        theta_test=theta[60:, :60], nngp_test=sigma[60:, :60], nngp_test_test=sigma[60:, 60:],
    )  # fmt: skip
    mixed = kernels.dynamics(theta, sigma[:60, :60], y, gd, y_test=y_test, steps=9, covariances=("test",),
                             nngp_test=sigma[60:, :60], nngp_test_test=sigma[60:, 60:])  # fmt: skip
    for other in (blocks, mixed):
        for name in whole:
            np.testing.assert_array_equal(other[name], whole[name])


def test_without_test_targets_the_predictions_stay() -> None:
    gd = ts.GD(learning_rate=3.0)
    with_targets = kernels.dynamics(THETA, SIGMA, LOADED.classes_train, gd, y_test=LOADED.classes_test, steps=9)
    without = kernels.dynamics(THETA, SIGMA, LOADED.classes_train, gd, steps=9)
    assert not [name for name in without if str(name).startswith(("test_loss", "test_accuracy", "ensemble"))]
    np.testing.assert_array_equal(without.test_prediction, with_targets.test_prediction)
    np.testing.assert_array_equal(without.train_accuracy, with_targets.train_accuracy)
    alone = kernels.dynamics(THETA[:60, :60], SIGMA[:60, :60], LOADED.classes_train, gd, steps=9)
    assert not [name for name in alone if str(name).startswith("test")]
    np.testing.assert_allclose(alone.train_loss, without.train_loss, rtol=1e-12)


def test_no_prior_means_outputs_that_start_at_zero() -> None:
    answer = kernels.dynamics(THETA, None, LOADED.classes_train, ts.GD(learning_rate=3.0), steps=9)
    subtracted = kernels.mlp.limit(
        ts.Training(data=SMALL, network=NETWORK.model_copy(update={"initial_output": "subtracted"}),
                    optimizer=ts.GD(learning_rate=3.0), steps=9))  # fmt: skip
    np.testing.assert_allclose(answer.test_prediction, subtracted.test_prediction, atol=1e-12)
    assert not answer.test_prediction_std.values.any()


def test_batches_add_to_the_covariance_what_simulated_learners_show() -> None:
    """Variances along the leading directions under batch noise; with the noise of replacement they are rejected."""
    y, sgd, runs = LOADED.y_train[:, :1], ts.SGD(learning_rate=2.0, batch=5), 20_000
    rng, theta, dual = np.random.default_rng(1), THETA.values, np.zeros((60, runs))
    for _ in range(20):
        mask = np.zeros((runs, 60))
        np.put_along_axis(mask, np.argsort(rng.random((runs, 60)), axis=1)[:, :5], 60 / 5, axis=1)
        dual -= 2.0 / 60 * mask.T * (theta[:60, :60] @ dual - y)
    found = {"train": theta[:60, :60] @ dual, "test": theta[60:, :60] @ dual}

    def scores(optimizer: ts.SGD) -> np.ndarray:
        answer = kernels.dynamics(THETA, None, y, optimizer, steps=20, record=(20,), covariances=("train", "test"))
        z = []
        for side, f in found.items():
            values, vectors = np.linalg.eigh(answer[f"{side}_covariance"].values[0])
            squares = (vectors[:, -4:].T @ (f - f.mean(axis=1, keepdims=True))) ** 2
            z.append((squares.mean(axis=1) - values[-4:]) / (squares.std(axis=1) / np.sqrt(runs)))
        return np.abs(z)

    assert scores(sgd).max() < 4
    assert scores(ts.SGD(learning_rate=2.0, batch=5, sampling="replacement")).max() > 5


def test_many_learning_rates_share_one_diagonalisation(monkeypatch) -> None:
    calls = []
    solve = modes_module.eigh
    monkeypatch.setattr(modes_module, "eigh", lambda a: calls.append(a.shape) or solve(a))
    rates = (1.0, 3.0, 10.0)
    swept = kernels.dynamics(THETA, SIGMA, LOADED.classes_train, ts.GD(learning_rate=1.0), y_test=LOADED.classes_test,
                             steps=9, learning_rates=rates)  # fmt: skip
    assert calls == [(60, 60)]
    assert swept.test_loss.dims == ("learning_rate", "step")
    for rate in rates:
        one = kernels.dynamics(THETA, SIGMA, LOADED.classes_train, ts.GD(learning_rate=rate), steps=9,
                               y_test=LOADED.classes_test)  # fmt: skip
        np.testing.assert_allclose(swept.test_loss.sel(learning_rate=rate), one.test_loss, rtol=1e-12)


def test_largest_stable_rates() -> None:
    theta = THETA.values[:60, :60]
    top = np.linalg.eigvalsh(theta)[-1]
    plain, ball = ts.GD(learning_rate=1.0), ts.GD(learning_rate=1.0, momentum=0.5)
    assert kernels.largest_stable_learning_rate(theta, plain, outputs=10) == pytest.approx(2 * 600 / top)
    assert kernels.largest_stable_learning_rate(theta, ball) == pytest.approx(3 * 60 / top)
    assert kernels.largest_stable_learning_rate(theta, plain, loss="cross-entropy") == pytest.approx(4 * 60 / top)
    noisy = kernels.largest_stable_learning_rate(theta, ts.SGD(learning_rate=1.0, batch=2))
    assert noisy < 0.9 * 2 * 60 / top
    with pytest.warns(ts.StabilityWarning, match="above the largest stable one"):
        kernels.dynamics(theta, None, LOADED.y_train, ts.GD(learning_rate=2.2 * 600 / top), steps=3)


def test_the_kernels_of_a_finite_network_and_what_is_recorded() -> None:
    weights = {"W1": np.eye(2), "W2": np.ones((2, 2)), "W3": np.ones((1, 2))}
    network = ts.MLP(depth=2, width=2, activation="erf")
    x = np.array([[0.0, 1.0], [1.0, 0.2], [0.4, 0.4]])
    theta = kernels.empirical_ntk(network, weights, x)
    answer = kernels.dynamics(theta, None, [0.0, 1.0, 2.0], ts.GradientFlow(), time=1.0)
    problem = json.loads(answer.attrs["problem"])
    assert answer.attrs["theory"] == "kernels.dynamics"
    assert problem["network"]["theta"]["shape"] == [3, 3] and len(problem["network"]["theta"]["sha256"]) == 64
    assert "x" not in problem["data"] and problem["optimizer"]["name"] == "gradient-flow"


def test_single_precision_passes_and_its_negative_eigenvalues_are_zero() -> None:
    x = np.repeat(X, 2, axis=0)  # rank 100 of 200
    sigma = kernels.nngp(NETWORK, x).values.astype(np.float32)
    single = kernels.dynamics(sigma, sigma, np.repeat(LOADED.y_train, 2, axis=0), ts.GD(learning_rate=1.0), steps=9)
    double = kernels.dynamics(sigma.astype(float), None, np.repeat(LOADED.y_train, 2, axis=0), ts.GD(learning_rate=1.0),
                              steps=9)  # fmt: skip
    np.testing.assert_allclose(single.test_prediction, double.test_prediction, atol=1e-6)


INDEFINITE = np.array([[1.0, 2.0], [2.0, 1.0]])
GOOD, Y = np.array([[2.0, 1.0], [1.0, 2.0]]), [0.0, 1.0]


@pytest.mark.parametrize(
    "changed, message",
    [
        ({"theta": INDEFINITE}, r"`theta` must be positive semidefinite, got negative eigenvalues of sum -1"),
        ({"nngp": INDEFINITE}, "`nngp` must be positive semidefinite"),
        ({"theta": np.array([[2.0, 1.0], [0.9, 2.0]])}, r"`theta` must be symmetric, got entries that differ by 0\.1"),
        ({"theta": np.array([[2.0, np.nan], [1.0, 2.0]])}, r"`theta` must be finite, got nan at \(0, 1\)"),
        ({"theta": np.zeros((2, 2))}, "`theta` must not vanish"),
        ({"theta": np.ones(3)}, "`theta` must be a matrix"),
        ({"theta": np.ones((2, 3))}, "`theta` must be square"),
        ({"theta": "kernel"}, "`theta` must be a matrix of numbers"),
        ({"theta": np.ones((1, 1))}, "`theta` must have a row for each of the 2 samples"),
        ({"nngp": np.eye(3)}, r"`nngp` must have shape \(2, 2\)"),
        ({"nngp_test": np.ones((1, 2)), "nngp": None}, "`nngp_test` must be left out without `nngp`"),
        ({"theta_test": np.ones((1, 3))}, r"`theta_test` must have shape \(1, 2\)"),
        ({"theta": np.eye(3), "theta_test": np.ones((1, 2))}, r"`theta` must have shape \(2, 2\) with `theta_test`"),
        ({"theta": np.eye(3), "nngp": GOOD, "nngp_test": np.ones((1, 2))}, "without `nngp_test_test`"),
        ({"y_test": [1.0]}, "`y_test` must come with test samples"),
        ({"theta": np.eye(3), "nngp": None, "y_test": [1.0, 2.0]}, "`y_test` must hold 1 samples"),
        ({"y": 3.0}, "`y` must have shape"),
        ({"y": [0.0, np.inf]}, "`y` must be finite"),
        ({"optimizer": ts.Adam(learning_rate=0.1)}, "`optimizer` must be gradient flow or SGD, got Adam"),
        ({"optimizer": ts.GD(learning_rate=0.1, weight_decay=0.1)}, "`weight_decay` must be 0"),
        ({"steps": None}, "`steps` must be given"),
        ({"covariances": ("tests",)}, r'`covariances` must be one of train, test; got "tests" \(did you mean "test"'),
        ({"covariances": ("test",)}, "without test samples"),
        ({"covariances": ("train",), "loss": "cross-entropy", "y": [0, 1]}, "no closed form"),
        ({"learning_rates": ()}, "`learning_rates` must hold at least one"),
    ],
)
def test_bad_input_is_told_in_one_line(changed, message) -> None:
    settings = {"theta": GOOD, "nngp": GOOD, "y": Y, "optimizer": ts.GD(learning_rate=0.1), "steps": 3, **changed}
    with pytest.raises(ts.ProblemError, match=message) as error:
        kernels.dynamics(**settings)
    assert "\n" not in str(error.value)


def test_replicas_are_not_one_kernel() -> None:
    network = ts.MLP(depth=1, width=4)
    from theorysim.finite.network import initialise

    p = initialise(network.layers(inputs=2, outputs=1), range(3), seed=0)
    theta = kernels.empirical_ntk(network, p, np.eye(2))
    with pytest.raises(ts.ProblemError, match="`theta` must be one kernel, got 3 replicas"):
        kernels.dynamics(theta, None, Y, ts.GD(learning_rate=0.1), steps=2)
    kernels.dynamics(theta.isel(replica=[1]), None, Y, ts.GD(learning_rate=0.1), steps=2)
