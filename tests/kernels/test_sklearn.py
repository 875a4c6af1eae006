"""scikit-learn: kernels and their gradients, the laws against independent routes, and the checks of estimators."""

from __future__ import annotations

import subprocess
import sys
import warnings
from pathlib import Path
from types import SimpleNamespace

import mpmath as mp
import numpy as np
import pytest
from sklearn.datasets import load_diabetes
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.gaussian_process.kernels import RBF, WhiteKernel
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import parametrize_with_checks

import theorysim as ts
from tests.infinite import reference
from theorysim import kernels
from theorysim.kernels.sklearn import (
    KernelGPClassifier,
    KernelGPRegressor,
    KernelRidgeClassifier,
    KernelRidgeRegressor,
    NNGPKernel,
    NTKKernel,
)
from theorysim.kernels.sklearn.classification import votes

DATA = np.load(Path(__file__).parents[1] / "data" / "A2_digits_dynamics.npz")
RNG = np.random.default_rng(2)
X, X_TEST = RNG.normal(size=(25, 3)), RNG.normal(size=(12, 3))
Y = np.stack([np.sin(X[:, 0]), X[:, 1] * X[:, 2]], axis=1)
KINDS = {NNGPKernel: kernels.nngp, NTKKernel: kernels.ntk}


@parametrize_with_checks(
    [
        KernelGPRegressor(),
        KernelGPRegressor(kernel=NTKKernel(depth=1), law="ensemble"),
        KernelGPClassifier(),
        KernelRidgeRegressor(),
        KernelRidgeClassifier(kernel=NNGPKernel()),
    ]
)
def test_estimators_keep_the_rules_of_scikit_learn(estimator, check) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        check(estimator)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("activation", ["relu", "tanh"])
def test_kernels_are_those_of_the_package(kind, activation) -> None:
    kernel = kind(depth=3, activation=activation, weight_std=1.3, bias_std=0.2)
    network = ts.MLP(depth=3, width=1, activation=activation, weight_std=1.3, bias_std=0.2)
    np.testing.assert_array_equal(kernel(X), KINDS[kind](network, X))
    np.testing.assert_array_equal(kernel(X, X_TEST), KINDS[kind](network, X, X_TEST))
    np.testing.assert_allclose(kernel.diag(X), np.diag(kernel(X)), rtol=1e-12)
    assert not kernel.is_stationary()
    assert "depth=3" in repr(kernel)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("activation, dual", [("relu", reference.relu), ("erf", reference.erf)])
def test_gradient_is_the_derivative_at_fifty_digits(kind, activation, dual) -> None:
    kernel = kind(depth=3, activation=activation, weight_std=1.4, bias_std=0.3)
    value, gradient = kernel(X[:3], eval_gradient=True)
    assert gradient.shape == (3, 3, 2)  # bias_std, weight_std: in the order of theta
    np.testing.assert_allclose(kernel.theta, np.log([0.3, 1.4]))
    for place, (b, w) in enumerate([(1.0, 0.0), (0.0, 1.0)]):
        found = []
        for h in (1e-6, -1e-6):
            stds = np.full(4, 1.4 * (1 + w * h)), np.full(4, 0.3 * (1 + b * h))
            layers = SimpleNamespace(weight_std=stds[0], bias_std=stds[1], weight_rates=stds[0] ** 2,
                                     bias_rates=stds[1] ** 2)  # fmt: skip
            number = reference.kernels(dual, layers, X[0], X[1])[0 if kind is NNGPKernel else 1]
            found.append((number, mp.log(mp.mpf(float((stds[0] if w else stds[1])[0])))))
        exact = float((found[0][0] - found[1][0]) / (found[0][1] - found[1][1]))
        # the rates above are squared in double precision: 1e-16/1e-6
        assert gradient[0, 1, place] == pytest.approx(exact, rel=2e-9)
    np.testing.assert_array_equal(value, kernel(X[:3]))


def test_gradient_of_a_homogeneous_network_and_of_a_series() -> None:
    """Without biases relu kernels grow as weight_std^(2 (L + 1)); a bias of 0 is no hyperparameter."""
    kernel = NTKKernel(depth=4, bias_std=0.0)
    value, gradient = kernel(X, eval_gradient=True)
    assert gradient.shape == (25, 25, 1) and kernel.n_dims == 1
    np.testing.assert_allclose(gradient[..., 0], 10 * value, rtol=1e-10)
    series, closed = (NTKKernel(activation=name, weight_std=0.05, bias_std=0.2) for name in ("tanh", "linear"))
    assert np.abs(series(X, eval_gradient=True)[1] - closed(X, eval_gradient=True)[1]).max() < 1e-2
    fixed = NTKKernel(weight_std_bounds="fixed", bias_std_bounds="fixed")
    assert fixed(X, eval_gradient=True)[1].shape == (25, 25, 0)
    with pytest.raises(ValueError, match="Y is None"):
        kernel(X, X_TEST, eval_gradient=True)


def test_tuning_by_the_marginal_likelihood() -> None:
    """The likelihood's gradient fits its differences, and the optimum is at least as likely as the truth."""
    truth = NNGPKernel(depth=2, weight_std=2.0, bias_std=0.5)
    draw = np.random.default_rng(0).multivariate_normal(np.zeros(25), truth(X) + 0.1 * np.eye(25), method="eigh")
    ours = GaussianProcessRegressor(NNGPKernel() + WhiteKernel(0.1, "fixed")).fit(X, draw)
    assert ours.log_marginal_likelihood() >= ours.log_marginal_likelihood(np.log([0.5, 2.0]))
    theta = np.log([0.5, 1.7])
    slope = ours.log_marginal_likelihood(theta, eval_gradient=True)[1]
    for place in range(2):
        step = 1e-5 * np.eye(2)[place]
        ends = [ours.log_marginal_likelihood(theta + s * step) for s in (1, -1)]
        assert slope[place] == pytest.approx((ends[0] - ends[1]) / 2e-5, rel=1e-5)
    tuned = KernelGPRegressor(NNGPKernel(), ridge=0.1, optimizer="fmin_l_bfgs_b").fit(X, draw)
    assert tuned.log_marginal_likelihood_value_ == pytest.approx(ours.log_marginal_likelihood(), rel=1e-6)
    assert tuned.kernel == NNGPKernel() and tuned.kernel_ != tuned.kernel


@pytest.mark.parametrize("kernel", [NNGPKernel(depth=1, activation="erf"), NTKKernel(), RBF(2.0)])
@pytest.mark.parametrize("target", [Y, Y[:, 0]])
def test_posterior_is_that_of_scikit_learn(kernel, target) -> None:
    ours = KernelGPRegressor(kernel, ridge=0.05).fit(X, target)
    theirs = GaussianProcessRegressor(kernel, alpha=0.05, optimizer=None).fit(X, target)
    for asked in ({}, {"return_std": True}, {"return_cov": True}):
        found = [law.predict(X_TEST, **asked) for law in (ours, theirs)]
        for one, other in zip(*(pair if asked else (pair,) for pair in found), strict=True):
            np.testing.assert_allclose(one, other, atol=1e-10)
    ridge = KernelRidgeRegressor(kernel, ridge=0.05).fit(X, target)
    np.testing.assert_allclose(ridge.predict(X_TEST), ours.predict(X_TEST), atol=1e-10)


def test_ensemble_of_digits_at_infinite_time() -> None:
    """The acceptance arrays: networks trained by gradient descent to the end, and their readout alone."""
    samples = ts.data.digits(train=1000, test=500).load()
    shape = {"depth": 3, "weight_std": 1.5, "bias_std": 0.05}
    for kernel, name in ((NTKKernel(**shape), "ntk"), (NNGPKernel(**shape), "nngp")):
        ours = KernelGPClassifier(kernel, ridge=0.0).fit(samples.x_train, samples.classes_train)
        mean, _ = ours.outputs(samples.x_test[:25])
        np.testing.assert_allclose(mean, DATA[f"{name}_meaninf25"], atol=1e-7)
        covariance = ours.law_.covariance(samples.x_test[:12])
        np.testing.assert_allclose(covariance, DATA[f"{name}_covinf12"], atol=1e-8)
        np.testing.assert_allclose(ours.outputs(samples.x_test[:12])[1] ** 2, np.diag(covariance), atol=1e-10)
        assert ours.score(samples.x_test, samples.classes_test) == pytest.approx(DATA[f"{name}_inf_acc"])


def test_ensemble_of_the_readout_without_ridge_is_the_posterior() -> None:
    laws = [KernelGPRegressor(NNGPKernel(), law=law, ridge=0.0).fit(X, Y[:, 0]) for law in ("ensemble", "posterior")]
    (one, one_cov), (other, other_cov) = (law.predict(X_TEST, return_cov=True) for law in laws)
    np.testing.assert_allclose(one, other, atol=1e-10)
    np.testing.assert_allclose(one_cov, other_cov, atol=1e-10)
    ridged = KernelGPRegressor(NNGPKernel(), law="ensemble", ridge=0.5).fit(X, Y[:, 0])
    posterior = KernelGPRegressor(NNGPKernel(), ridge=0.5).fit(X, Y[:, 0])
    gap = ridged.predict(X_TEST, return_std=True)[1] - posterior.predict(X_TEST, return_std=True)[1]
    assert np.all(gap < -1e-3)  # trained networks scatter less than a posterior with noise


def test_ensemble_is_the_limit_of_a_long_training() -> None:
    network = ts.MLP(depth=2, width=64, activation="erf", weight_std=1.5, bias_std=0.1)
    training = ts.Training(data=ts.data.arrays(X, Y, X_TEST, Y[:12], labels="regression"), network=network,
                           optimizer=ts.GradientFlow(ridge=0.1), time=1e9, record=(0.0, 1e9))  # fmt: skip
    limit = kernels.mlp.limit(training, covariances=("test",))
    ours = KernelGPRegressor(NTKKernel(2, "erf"), law="ensemble", ridge=0.1).fit(X, Y)
    mean, covariance = ours.predict(X_TEST, return_cov=True)
    np.testing.assert_allclose(mean, limit.test_prediction[1], atol=1e-9)
    assert covariance.shape == (12, 12, 2)
    np.testing.assert_allclose(covariance[..., 1], limit.test_covariance[1], atol=1e-9)
    np.testing.assert_allclose(ours.prior(X_TEST), limit.test_covariance[0], atol=1e-12)


def test_drawn_networks_have_the_law() -> None:
    ours = KernelGPRegressor(NTKKernel(), law="ensemble", ridge=0.1).fit(X, Y)
    draws = ours.sample_y(X_TEST, 4000, random_state=3)
    assert draws.shape == (12, 2, 4000)
    mean, std = ours.predict(X_TEST, return_std=True)
    assert np.abs((draws.mean(axis=2) - mean) / (std / 4000**0.5)).max() < 4.5
    assert np.abs(draws.std(axis=2) / std - 1).max() < 4.5 / 8000**0.5
    np.testing.assert_array_equal(draws, ours.sample_y(X_TEST, 4000, random_state=3))
    assert KernelGPRegressor().fit(X, Y[:, 0]).sample_y(X_TEST, 5).shape == (12, 5)


def test_shares_of_votes_are_those_of_drawn_networks() -> None:
    labels = np.digitize(X[:, 0], [-0.5, 0.5])
    ours = KernelGPClassifier(NTKKernel(depth=1)).fit(X, labels)
    shares, draws = ours.predict_proba(X_TEST), ours.law_.draws(X_TEST, 20_000, seed=1)
    counted = np.stack([(draws.argmax(axis=1) == c).mean(axis=1) for c in range(3)], axis=1)
    error = np.sqrt(np.maximum(shares * (1 - shares), 1e-4) / 20_000)
    assert np.abs((counted - shares) / error).max() < 4.5
    assert np.ptp(shares[:, 1]) > 0.2
    np.testing.assert_array_equal(ours.predict(X_TEST), shares.argmax(axis=1))
    two = KernelGPClassifier().fit(X, np.where(X[:, 0] > 0, "yes", "no"))
    np.testing.assert_allclose(two.predict_proba(X_TEST).sum(axis=1), 1.0, rtol=1e-14)
    assert set(two.predict(X_TEST)) == {"yes", "no"}


def test_votes_without_scatter_are_decisions() -> None:
    mean = np.array([[0.2, 0.1, -0.3], [-1.0, 2.0, 0.0]])
    np.testing.assert_allclose(votes(mean, np.zeros(2)), [[1, 0, 0], [0, 1, 0]], atol=1e-12)
    np.testing.assert_allclose(votes(np.zeros((1, 4)), np.ones(1)), np.full((1, 4), 0.25), rtol=1e-12)


def test_grid_search_over_the_parameters_of_the_network() -> None:
    x, y = load_diabetes(return_X_y=True)
    pipeline = make_pipeline(StandardScaler(), KernelRidgeRegressor(NTKKernel()))
    grid = {"kernelridgeregressor__kernel__depth": [1, 3], "kernelridgeregressor__ridge": [1e-3, 10.0]}
    search = GridSearchCV(pipeline, grid, cv=3).fit(x[:200], y[:200] - y[:200].mean())
    assert search.best_params_["kernelridgeregressor__ridge"] == 10.0
    assert search.best_score_ > 0.3


def test_scikit_learn_is_not_loaded_with_the_kernels() -> None:
    code = "import sys, theorysim.kernels as k; print('sklearn' in sys.modules); print(k.sklearn.NTKKernel().kind)"
    shown = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout.split()
    assert shown == ["False", "ntk"]


@pytest.mark.parametrize(
    "estimator, message",
    [
        (KernelGPRegressor(law="bayes"), "`law` must be one of posterior, ensemble"),
        (KernelGPRegressor(ridge=-1.0), "`ridge` must be finite and at least 0"),
        (KernelGPRegressor(RBF(), law="ensemble"), "`kernel` must be NTKKernel or NNGPKernel"),
        (KernelGPRegressor(NTKKernel(), law="ensemble", optimizer="fmin_l_bfgs_b"), "`optimizer` must be None unless"),
        (KernelRidgeRegressor(NNGPKernel(activation="linear"), ridge=0.0), "`ridge` must be larger"),
        (KernelGPRegressor(NTKKernel(activation="rleu")), "`activation` must be one of"),
        (KernelGPRegressor(NTKKernel(depth=0)), "`depth` must be at least 1"),
    ],
)
def test_wrong_settings_are_named(estimator, message) -> None:
    with pytest.raises(ts.ProblemError, match=message):
        estimator.fit(X, Y[:, 0])
