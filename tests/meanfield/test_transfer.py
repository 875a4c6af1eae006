"""Transfer of learning rates: the recursion on one sample, drifts, networks in three parameterizations, exponents."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import theorysim as ts
from theorysim import meanfield
from theorysim.meanfield import linear, transfer, two_layer
from theorysim.meanfield.transfer import one_sample, optimum

ONE = ts.data.arrays(np.ones((1, 1)), np.ones((1, 1)), labels="regression")
DRAW = np.random.default_rng(2)
X, X_TEST = DRAW.normal(size=(4, 5)), DRAW.normal(size=(3, 5))
REAL = ts.data.arrays(X, X[:, :1] - X[:, 1:2] ** 2, X_TEST, X_TEST[:, :1], labels="regression")
CLASSES = ts.data.arrays(X, np.array([0, 1, 2, 1]), X_TEST, np.array([0, 1, 2]), labels="one-hot")


def run(optimizer: Any = None, *, data: Any = REAL, steps: int = 5, record: Any = None, loss: str = "mse",
        **network: Any) -> ts.Training:  # fmt: skip
    keywords = {"depth": 1, "width": 256, "activation": "linear", "parameterization": "mup"} | network
    optimizer = ts.GD(learning_rate=0.5) if optimizer is None else optimizer
    return ts.Training(data=data, network=ts.MLP(**keywords), optimizer=optimizer, steps=steps, record=record,
                       loss=loss)  # fmt: skip


def starts(width: int, networks: int, seed: int = 0) -> np.ndarray:
    """Return (a.h, |a|^2, |h|^2)/n of random networks, shape (networks, 3): h has a part along a, the rest across."""
    draw = np.random.default_rng(seed)
    along, length, across = (
        draw.normal(size=networks),
        draw.chisquare(width, networks),
        draw.chisquare(width - 1, networks),
    )
    return np.stack([np.sqrt(length) * along, length, along**2 + across], axis=1) / width


def losses_of(rates: Any, steps: int, width: int, networks: int, seed: int = 0) -> np.ndarray:
    """Return losses of random networks, shape (networks, rates, steps + 1)."""
    return np.stack([one_sample(rates, steps, start=tuple(each)) for each in starts(width, networks, seed)])


def test_numbers_of_one_sample() -> None:
    losses = one_sample([0.1, 0.36], 10)
    np.testing.assert_allclose(losses[0, [5, 10]], [0.0448739406, 0.0023299086], atol=1e-10)
    np.testing.assert_allclose(losses[1, 3], 4.72112113e-6, rtol=1e-8)
    for steps, rate in enumerate((0.5, 0.41594131, 0.38535746, 0.38149767, 0.38145186), start=1):
        found = one_sample([rate], 10)[0]
        assert np.all(found[steps:] < 1e-16) and found[steps - 1] > 1e6 * found[steps]  # and zero for ever
    assert np.all(one_sample(np.linspace(0.36, 0.3757, 20), 10)[:, 10] < 1e-22)
    assert one_sample([40.0], 30)[0, -1] == np.inf


def test_one_sample_at_finite_width() -> None:
    """Networks of the note, by their first three numbers; and finite networks of ours, one by one."""
    for width, mean, error in ((64, 0.050054, 1.195e-3), (256, 0.046118, 5.18e-4), (1024, 0.045388, 2.67e-4)):
        losses = losses_of([0.1], 5, width, 1000)[:, 0, -1]
        z = (np.mean(losses) - mean) / np.hypot(error, np.std(losses) / 1000**0.5)
        assert abs(z) < 4.0
    training = run(ts.GD(learning_rate=0.1), data=ONE, width=16)
    a, h = np.random.default_rng(3).normal(size=(2, 16))
    initial = {"W1": h[:, None], "W2": a[None] / 4.0}
    found = ts.train(training, replicas=1, initial=initial).train_loss.isel(replica=0)
    expected = one_sample([0.1], 5, start=(np.mean(a * h), np.mean(a * a), np.mean(h * h)))
    np.testing.assert_allclose(found, expected[0], rtol=1e-12)


def test_curve_and_drift_of_one_sample() -> None:
    """The exact drift against random networks of two widths, extrapolated; half of it is rejected."""
    rates = [0.1, 0.2, 0.3, 0.45]
    found = transfer.limit(run(data=ONE, record=(3, 5)), learning_rates=rates)
    np.testing.assert_allclose(found.train_loss, one_sample(rates, 5)[:, [3, 5]], atol=1e-14)
    assert found.attrs["answered_by"] == "meanfield.moments"
    narrow, wide = (losses_of(rates, 5, width, 10_000)[:, :, [3, 5]] for width in (1024, 2048))
    shift = 2.0 * 2048 * (wide.mean(0) - found.train_loss.values) - 1024 * (narrow.mean(0) - found.train_loss.values)
    error = np.hypot(2.0 * 2048 * wide.std(0), 1024 * narrow.std(0)) / 100.0
    drift = found.train_loss_drift.values
    assert np.max(np.abs(shift - drift) / error) < 4.0
    assert np.max(np.abs(shift - 0.5 * drift) / error) > 8.0
    np.testing.assert_allclose(found.train_loss_std[:2] / 2.0, narrow.std(0)[:2], rtol=0.05)


def test_drift_of_networks_with_everything() -> None:
    """Cross-entropy, batches, momentum, biases, ridge, decay, test samples: E loss = L + D/N of trained networks."""
    optimizer = ts.GD(learning_rate=1.0, momentum=0.5, weight_decay=0.05, ridge=0.2)
    training = run(optimizer, data=CLASSES, loss="cross-entropy", bias_std=0.5, gamma0=0.7, width=128)
    found = transfer.limit(training, learning_rates=[1.0]).isel(learning_rate=0)
    runs = ts.train(training, replicas=3000, seed=1)
    exact = linear.limit(training)
    for side in ("train", "test"):
        np.testing.assert_allclose(found[f"{side}_loss"], exact[f"{side}_loss"], atol=1e-12)
        values = runs[f"{side}_loss"].values
        drift = found[f"{side}_loss_drift"].values / 128
        error = values.std(axis=-1) / 3000**0.5
        shift = values.mean(axis=-1) - found[f"{side}_loss"].values
        assert np.max(np.abs(shift - drift) / np.hypot(error, 0.05 * np.abs(drift))) < 4.0
        assert np.max(np.abs(shift) / error) > 8.0  # power: without the drift
        np.testing.assert_allclose(found[f"{side}_loss_std"], values.std(axis=-1), rtol=0.08)


def test_best_rates_transfer_in_mup_and_not_in_standard() -> None:
    """After three steps: best rates of widths 64, 256, 1024 on a grid of factors 10^(1/40)."""
    rates = 10.0 ** (np.arange(-20, -8) / 40)
    for width, best in ((64, 0.4217), (256, 0.3981), (1024, 0.3981)):
        losses = losses_of(rates, 3, width, 3000)[:, :, 3].mean(0)
        assert abs(np.log10(rates[np.argmin(losses)] / best)) < 0.026
    widths, standard = (64, 256, 1024), []
    for width in widths:
        training = run(ts.GD(learning_rate=1.0 / width), data=ONE, steps=3, record=(3,), parameterization="standard",
                       width=width)  # fmt: skip
        curve = transfer.finite(
            training, replicas=60, seed=2, learning_rates=10.0 ** np.arange(-0.3, 0.35, 0.1) / width
        )
        standard.append(float(optimum(curve.mean("replica")).learning_rate))
        np.testing.assert_allclose(standard[-1], {64: 0.01585, 256: 0.00398, 1024: 0.001}[width], rtol=0.13)


def test_drift_of_the_optimum() -> None:
    """log eta*(N) = log eta* + d/N: at width 4096 by random networks at the same three rates."""
    rates = np.array([0.3795, 0.3854, 0.3914])
    curve = transfer.limit(run(data=ONE, steps=3, record=(3,)), learning_rates=rates)
    best = optimum(curve)
    assert abs(float(best.learning_rate) - 0.38535746) < 2e-3
    drawn = losses_of(rates, 3, 4096, 10_000)[:, :, 3].mean(0)
    found = optimum(curve.assign(train_loss=curve.train_loss.copy(data=drawn[:, None])))
    shift = 4096 * np.log(float(found.learning_rate) / float(best.learning_rate))
    assert abs(shift / float(best.drift) - 1.0) < 0.25  # the next order is 15 %


@pytest.mark.parametrize("parameterization", ["ntk", "standard"])
def test_other_parameterizations_are_answered_at_their_own_width(parameterization: str) -> None:
    """Two linear layers with random outputs, of order 1 at every width: mean and scatter of the loss, with power."""
    width, stable = 512, {"ntk": 1.0, "standard": 1.0 / 512}[parameterization]
    training = run(ts.GD(learning_rate=stable), parameterization=parameterization, width=width, bias_std=0.3)
    found = transfer.limit(training, learning_rates=[0.5 * stable, stable])
    for k, rate in enumerate(found.learning_rate.values):
        runs = ts.train(training.at_learning_rate(float(rate)), replicas=1500, seed=k)
        for side in ("train", "test"):
            at, values = found.isel(learning_rate=k), runs[f"{side}_loss"].values
            mean, error = values.mean(axis=-1), values.std(axis=-1) / 1500**0.5
            theory = (at[f"{side}_loss"] + at[f"{side}_loss_drift"] / width).values
            assert np.max(np.abs(theory - mean) / np.hypot(error, 0.01 * mean)) < 4.0
            assert np.max(np.abs(at[f"{side}_loss"].values - mean) / error) > 10.0
    stated = transfer.restated(training)
    given = {"replicas": 3, "seed": 0}
    np.testing.assert_allclose(ts.train(stated, **given).train_prediction, ts.train(training, **given).train_prediction,
                               rtol=1e-9, atol=1e-9)  # fmt: skip


def test_nonlinear_networks_are_answered_by_their_theory() -> None:
    training = run(activation="tanh", record=(0, 5), initial_output="subtracted")
    found = transfer.limit(training, learning_rates=[0.3, 0.6], tolerance=0.02)
    assert found.attrs["answered_by"] == "meanfield.two_layer" and "train_loss_drift" not in found
    single = two_layer.limit(training.at_learning_rate(0.6), tolerance=0.02)
    for name in ("train_loss", "test_loss_std", "test_loss_error"):
        np.testing.assert_array_equal(found[name].sel(learning_rate=0.6), single[name])
    wide = run(activation="tanh", parameterization="ntk", initial_output="subtracted", width=4096, record=(0, 5))
    kernel = ts.kernels.mlp.limit(wide)
    lazy = transfer.limit(wide, learning_rates=[0.5], tolerance=0.02).isel(learning_rate=0)
    np.testing.assert_allclose(lazy.train_loss, kernel.train_loss, rtol=0.02)
    deep = run(activation="linear", depth=2, record=(0, 5))
    assert transfer.limit(deep, learning_rates=[0.3]).attrs["answered_by"] == "meanfield.linear"


def test_rates_that_diverge_are_left_out() -> None:
    late = run(steps=60, record=(60,))
    found = transfer.limit(late, learning_rates=[0.3, 4000.0])
    assert found.learning_rate.values.tolist() == [0.3] and found.attrs["diverged"] == [4000.0]
    with pytest.raises(FloatingPointError, match="diverges at every learning rate"):
        transfer.limit(late, learning_rates=[4000.0, 8000.0])
    assert transfer.limit(run(record=(5,))).sizes["learning_rate"] == len(transfer.FACTORS)


def test_schedules_are_scaled_as_a_whole() -> None:
    training = run(ts.SGD(learning_rate=0.4, schedule=(0.4, 0.2, 0.2, 0.1, 0.1)))
    assert training.at_learning_rate(0.8).optimizer.schedule == (0.8, 0.4, 0.4, 0.2, 0.2)


def test_optimum_refuses_a_curve_without_one() -> None:
    curve = transfer.limit(run(data=ONE, steps=3), learning_rates=[0.1, 0.2, 0.3])
    for keywords, message in (({}, "`learning_rates` must go beyond the best one, got 0.3"),
                              ({"loss": "test_loss"}, "`loss` must be one of train_loss"),
                              ({"step": 7}, "`step` must be one of the recorded ones, got 7")):  # fmt: skip
        with pytest.raises(ts.ProblemError, match=message):
            optimum(curve, **keywords)
    level = curve.assign(train_loss=curve.train_loss.copy(data=np.outer([1.0, 1.0 - 1e-17, 1.0], np.ones(4))))
    with pytest.raises(ts.ProblemError, match="go beyond the best one"):
        optimum(level)


def test_refusals_name_the_field_and_what_fits() -> None:
    for wrong, message in (
        (run(ts.Adam(learning_rate=0.1), parameterization="standard"), "learning rates are those of SGD and GD"),
        (run(parameterization="standard", activation="tanh"), "initial_output = \"subtracted\""),
        (run(parameterization="ntk", depth=2), "order 1 at every width"),
    ):  # fmt: skip
        with pytest.raises(ts.ProblemError, match=message):
            transfer.limit(wrong)
        assert not transfer.validity(wrong).applies
    for rates in ([], [0.0], [-1.0, 1.0], [np.nan], 0.5, ["fast"]):
        with pytest.raises(ts.ProblemError, match="`learning_rates` must be one or more positive numbers"):
            transfer.limit(run(), learning_rates=rates)
    with pytest.raises(ts.ProblemError, match="`steps` must be a whole number"):
        one_sample([0.1], -1)
    with pytest.raises(ts.ProblemError, match="`device`"):
        transfer.limit(run(), device="cuda")
    assert transfer.validity(run()).applies


REGIMES = {
    "standard, c = 0": ((0, 0, 0), (0, 0.5, 0.5), 0, "unstable", -1.0),
    "standard, c = 1": ((0, 0, 0), (0, 0.5, 0.5), 1, "kernel", 0.5),
    "ntk": ((0, 0.5, 0.5), (0, 0, 0), 0, "kernel", 0.5),
    "mup": ((-0.5, 0, 0.5), (0.5, 0.5, 0.5), 0, "feature", 0.0),
    "mean field, two layers": ((0, 1), (0, 0), -1, "feature", 0.0),
    "ntk with a small readout": ((0, 0.5, 1), (0, 0, 0), 0, "trivial", 1.0),
    "large outputs": ((0, 0.5, 0.25), (0, 0, 0), 0, "unstable", 0.25),
    "features explode at the start": ((-0.25, 0.5, 0.5), (0, 0, 0), 0, "unstable", 0.0),
    "between": ((0, 0.75), (0, 0), -0.5, "kernel", 0.25),
    "rates of layers: mup": ((0, 0, 0), (0, 0.5, 1), (-1, 0, 1), "feature", 0.0),
}  # fmt: skip


@pytest.mark.parametrize("name", REGIMES)
def test_regimes(name: str) -> None:
    a, b, c, regime, r = REGIMES[name]
    found = meanfield.abc(a, b, c)
    assert (found.regime, found.stable) == (regime, regime != "unstable") and found.reason
    assert found.r == pytest.approx(r)


def test_exponents_of_our_parameterizations() -> None:
    for name, c, regime in (
        ("standard", 0, "unstable"),
        ("standard", 1, "kernel"),
        ("ntk", 0, "kernel"),
        ("mup", 0, "feature"),
    ):
        for depth in (1, 3):
            assert meanfield.abc(*meanfield.exponents(name, depth), c).regime == regime
    for call, message in (
        (lambda: meanfield.exponents("npt", 2), "`parameterization` must be one of standard, ntk, mup"),
        (lambda: meanfield.exponents("ntk", 0), "`depth` must be a whole number"),
        (lambda: meanfield.abc((0,), (0,), 0), "`a` must be one number for each of 2 or more layers, got 1"),
        (lambda: meanfield.abc((0, 1), (0, 1, 2), 0), "`b` must be 2 numbers as `a`, got 3"),
        (lambda: meanfield.abc((0, 1), (0, np.inf), 0), "`b` must be finite numbers"),
        (lambda: meanfield.abc((0, 1), (0, 1), "0"), "`c` must be finite numbers"),
    ):
        with pytest.raises(ts.ProblemError, match=message):
            call()


def test_coordinate_check_measures_the_exponents() -> None:
    """One step: features move by n^0 in mup, n^-1/2 in ntk, n^(1/2) in standard at a fixed rate."""
    x = np.random.default_rng(0).normal(size=(6, 5))
    data = ts.data.arrays(x, np.sign(x[:, 0]), labels="sign")
    slopes = {}
    for name, rate in (("mup", 0.3), ("ntk", 0.3), ("standard", 1e-4)):
        training = run(ts.GD(learning_rate=rate), data=data, activation="tanh", depth=2, parameterization=name)
        found = meanfield.coordinate_check(training, (64, 256, 1024), 1, replicas=8)
        slopes[name] = found.slope.sel(quantity=["dh2", "df"]).values
        error = found.slope_error.sel(quantity=["dh2", "df"]).values
        expected = {"mup": (0.0, 0.0), "ntk": (-0.5, 0.0), "standard": (0.5, 1.0)}[name]
        assert np.all(np.abs(slopes[name] - expected) < 4.0 * error + 0.03) and np.all(error < 0.1)
        r = meanfield.abc(*meanfield.exponents(name, 2), 0).r
        assert name == "standard" or abs(slopes[name][0] + r) < 4.0 * error[0] + 0.03
    assert np.abs(slopes["mup"] - slopes["ntk"])[0] > 0.3


def test_coordinate_check_refuses() -> None:
    for arguments, message in (
        (((64,),), "`widths` must be 2 or more different widths"),
        (((64, 64),), "`widths`"),
        (((8, 16), 0), "`steps` must be a whole number of at least 1"),
        (((8, 16), 9), "`steps` must be at most 5"),
    ):
        with pytest.raises(ts.ProblemError, match=message):
            meanfield.coordinate_check(run(), *arguments)
    with pytest.raises(ts.ProblemError, match="`replicas` must be a whole number of at least 2"):
        meanfield.coordinate_check(run(), (8, 16), replicas=1)
    flow = ts.Training(data=REAL, network=run().network, optimizer=ts.GradientFlow(), time=1.0)
    with pytest.raises(ts.ProblemError, match="gradient flow"):
        meanfield.coordinate_check(flow, (8, 16))
    own = meanfield.coordinate_check(lambda width: run(width=width), (8, 16), 2)
    assert own.sizes == {"width": 2, "quantity": 3} and np.all(own.slope_error > 0.0)
