"""Kernel dynamics: the acceptance arrays on digits, special cases, refusals."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import theorysim as ts
from theorysim.kernels import mlp
from theorysim.kernels.learner import learner_of, run_of

DATA = np.load(Path(__file__).parents[1] / "data" / "A2_digits_dynamics.npz")
WEIGHTS, BIASES = 1.5, 0.05


def digits_flow(**network: object) -> ts.Training:
    return ts.Training(
        data=ts.data.digits(train=1000, test=500, labels="one-hot-centred"),
        network=ts.MLP(depth=3, width=512, activation="relu", weight_std=WEIGHTS, bias_std=BIASES, **network),
        optimizer=ts.GradientFlow(),
        time=1e6,
        record=tuple(float(t) for t in DATA["t"]),
    )


@pytest.fixture(scope="module")
def flow() -> tuple[ts.Training, object]:
    training = digits_flow()
    return training, mlp.limit(training)


def test_spectrum_of_digits(flow: tuple[ts.Training, object]) -> None:
    values = learner_of(flow[0]).modes.eigenvalues
    np.testing.assert_allclose(values[:10], DATA["ntk_eig_top10"], rtol=1e-8)
    np.testing.assert_allclose(mlp.largest_stable_learning_rate(with_gd(flow[0])), 11.704, rtol=1e-4)


def with_gd(training: ts.Training, **kwargs: object) -> ts.Training:
    return ts.Training(
        data=training.data, network=training.network, optimizer=ts.GD(learning_rate=1.0, **kwargs), steps=10
    )


def test_flow_on_digits_mean_and_variance(flow: tuple[ts.Training, object]) -> None:
    _, answer = flow
    np.testing.assert_allclose(answer.test_prediction[:, :25], DATA["ntk_mean25"], atol=1e-8)
    target = flow[0].samples.y_test
    bias = np.mean((answer.test_prediction.values - target) ** 2, axis=(1, 2))
    np.testing.assert_allclose(bias, DATA["ntk_test_bias2"], atol=1e-8)
    np.testing.assert_allclose(np.mean(answer.test_prediction_std**2, axis=(1, 2)), DATA["ntk_test_var"], atol=1e-8)
    expected = 0.5 * (DATA["ntk_test_bias2"] + DATA["ntk_test_var"])
    np.testing.assert_allclose(answer.test_loss, expected, atol=1e-8)
    np.testing.assert_allclose(answer.ensemble_accuracy, DATA["ntk_test_acc"], atol=1e-12)


def test_covariance_on_digits(flow: tuple[ts.Training, object]) -> None:
    diagonal = np.diagonal(DATA["ntk_cov12"], axis1=1, axis2=2)
    np.testing.assert_allclose(flow[1].test_prediction_std[:, :12, 0] ** 2, diagonal, atol=1e-8)


def test_readout_only_on_digits() -> None:
    """Only the readout trains: its rates alone are not zero, and the dynamics are those of the NNGP."""
    training = digits_flow(weight_rates=(0.0, 0.0, 0.0, WEIGHTS**2), bias_rates=(0.0, 0.0, 0.0, BIASES**2))
    answer = mlp.limit(training)
    np.testing.assert_allclose(learner_of(training).modes.eigenvalues[:10], DATA["nngp_eig_top10"], rtol=1e-10)
    np.testing.assert_allclose(answer.test_prediction[:, :25], DATA["nngp_mean25"], atol=1e-8)
    np.testing.assert_allclose(np.mean(answer.test_prediction_std**2, axis=(1, 2)), DATA["nngp_test_var"], atol=1e-8)


def test_discrete_descent_differs_from_flow_by_the_known_amount() -> None:
    """Test bias^2 at t = 10: flow .0835804, ten steps of size 1 .0835607 (conventions, section 8)."""
    training = with_gd(digits_flow())
    answer = mlp.limit(training)
    bias = np.mean((answer.test_prediction.values[-1] - training.samples.y_test) ** 2)
    assert bias == pytest.approx(0.0835607, abs=5e-8)


def test_subtracted_output_has_the_same_mean_and_no_spread(flow: tuple[ts.Training, object]) -> None:
    answer = mlp.limit(digits_flow(initial_output="subtracted"))
    np.testing.assert_allclose(answer.test_prediction, flow[1].test_prediction, atol=1e-12)
    assert float(answer.test_prediction_std.max()) == 0.0


SMALL = ts.data.digits(train=60, test=40)
NETWORK = ts.MLP(depth=2, width=256, activation="erf", bias_std=0.1)


def small(optimizer: object, **kwargs: object) -> ts.Training:
    return ts.Training(data=SMALL, network=NETWORK, optimizer=optimizer, **kwargs)


def test_ridge_ends_at_kernel_ridge_regression() -> None:
    training = small(ts.GradientFlow(ridge=0.5), time=1e9)
    answer = mlp.limit(training)
    learner, run = learner_of(training), run_of(training)
    u, w = learner.modes.vectors, learner.modes.eigenvalues
    expected = learner.modes.cross.T @ ((u.T @ run.target) / (w + 0.5)[:, None])
    np.testing.assert_allclose(answer.test_prediction[-1], expected, atol=1e-9)


def test_schedule_of_equal_steps_equals_the_closed_form() -> None:
    for extra in ({}, {"momentum": 0.8}, {"momentum": 0.8, "nesterov": True}):
        closed = mlp.limit(small(ts.SGD(learning_rate=2.0, **extra), steps=50))
        stepped = mlp.limit(small(ts.SGD(schedule=(2.0,) * 50, **extra), steps=50))
        np.testing.assert_allclose(closed.test_prediction, stepped.test_prediction, atol=1e-12)
        np.testing.assert_allclose(closed.train_loss, stepped.train_loss, rtol=1e-9)


def test_epochs_of_one_full_batch_equal_gradient_descent() -> None:
    whole = mlp.limit(small(ts.GD(learning_rate=2.0), steps=20))
    sampled = mlp.limit(small(ts.SGD(learning_rate=2.0, batch=60, sampling="epochs"), steps=20))
    z = (sampled.test_loss - whole.test_loss) / sampled.test_loss_error
    assert float(abs(z).max()) < 4


def test_refusals_name_what_fits() -> None:
    with pytest.raises(ts.ProblemError, match=r"kernels\.mlp.*meanfield\.deep"):
        mlp.limit(ts.Training(data=SMALL, network=ts.MLP(depth=1, width=64, parameterization="mup"),
                              optimizer=ts.GD(learning_rate=1.0), steps=3))  # fmt: skip
    with pytest.raises(ts.ProblemError, match="Adam"):
        mlp.limit(small(ts.Adam(learning_rate=1e-3), steps=3))
    with pytest.raises(ts.ProblemError, match=r"weight decay.*meanfield\.deep"):
        mlp.limit(small(ts.GD(learning_rate=1.0, weight_decay=0.1), steps=3))


def test_unstable_learning_rate_warns_with_the_number() -> None:
    stable = mlp.largest_stable_learning_rate(small(ts.GD(learning_rate=1.0), steps=3))
    with pytest.warns(ts.StabilityWarning, match=f"{stable:.4g}"):
        mlp.limit(small(ts.GD(learning_rate=1.5 * stable), steps=3))


def test_sweep_over_learning_rates_equals_single_calls() -> None:
    training = small(ts.GD(learning_rate=1.0), steps=20)
    swept = mlp.sweep(training, [1.0, 3.0])
    one = mlp.limit(small(ts.GD(learning_rate=3.0), steps=20))
    np.testing.assert_allclose(swept.test_loss.sel(learning_rate=3.0), one.test_loss)


def test_propagated_pairs_average_to_the_limit() -> None:
    training = small(ts.GD(learning_rate=3.0), steps=30)
    learner = learner_of(training)
    from theorysim.kernels.learner import initial_pairs

    starts = initial_pairs(learner, training.outputs, seed=5, networks=2000)
    found = mlp.propagate(training, *starts)["test_loss"]
    answer = mlp.limit(training)
    z = (found.mean(axis=1) - answer.test_loss) / (found.std(axis=1) / np.sqrt(found.shape[1] / 2))
    assert float(abs(z).max()) < 4
    np.testing.assert_allclose(found.std(axis=1), answer.test_loss_std, rtol=0.1)


def test_a_kernel_that_its_series_does_not_reach_is_not_trusted() -> None:
    """tanh on raw inputs of size 1e3 is a step: the series converges too slowly, and the verdict says so."""
    training = ts.Training(
        data=ts.data.breast_cancer(train=20, test=5),
        network=ts.MLP(depth=2, width=64, activation="tanh"),
        optimizer=ts.GD(learning_rate=0.1),
        steps=3,
    )
    verdict = mlp.validity(training)
    assert not verdict.applies
    assert "series" in verdict.reason


@pytest.mark.parametrize("batch", [None, 10])
def test_a_rough_limit_differs_by_its_error(batch: int | None) -> None:
    optimizer = ts.GD(learning_rate=1.0) if batch is None else ts.SGD(learning_rate=1.0, batch=batch)
    data = ts.data.digits(train=60, test=30, inputs="unit")
    training = ts.Training(data=data, network=ts.MLP(depth=2, width=64), optimizer=optimizer, steps=300)
    exact, rough = mlp.limit(training), mlp.rough_limit(training)
    assert np.all(rough.test_loss_error >= 1e-5 * rough.test_loss)
    for name in ("train_loss", "test_loss", "train_loss_std", "test_loss_std"):
        np.testing.assert_allclose(rough[name], exact[name], rtol=3e-5)
        assert np.any(rough[name] != exact[name])
    for name in ("train_accuracy", "test_accuracy"):  # with batches: spread of the training samples as exact as nodes
        np.testing.assert_allclose(rough[name], exact[name], atol=1e-6 if batch is None else 3e-3)


def test_price_is_that_of_closed_forms() -> None:
    def price(samples: int, **fields: object) -> float:
        data = ts.data.digits(train=samples, test=50, labels="one-hot")
        return mlp.price(ts.Training(data=data, network=ts.MLP(depth=1, width=64), steps=50, **fields), 1.0)

    full, batched = ts.GD(learning_rate=1.0), ts.SGD(learning_rate=1.0, batch=10)
    assert 6.0 < price(200, optimizer=full) / price(100, optimizer=full) < 8.0
    assert price(200, optimizer=batched) > 2.0 * price(200, optimizer=full)
    assert price(200, optimizer=full, loss="cross-entropy") == 0.0
