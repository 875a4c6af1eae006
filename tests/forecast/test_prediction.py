"""Forecasts of small runs: positive, labelled, honest; twins, control variate, plan, refusals."""

from __future__ import annotations

import importlib
import json

import numpy as np
import pytest
import xarray as xr

import theorysim as ts
from theorysim.errors import ProblemError
from theorysim.finite.cost import seconds
from theorysim.forecast.ladder import planned
from theorysim.forecast.nearest import Nearest
from theorysim.forecast.twins import controlled_mean, subtracted
from theorysim.forecast.width import Log, Logit, Target, scattered

prediction = importlib.import_module("theorysim.forecast.prediction")  # the name `forecast` is the function
DATA = ts.data.digits(train=60, test=40, inputs="unit")


def training(**changes: object) -> ts.Training:
    network = ts.MLP(**{"depth": 1, "width": changes.pop("width", 128), **changes.pop("network", {})})  # type: ignore[arg-type, call-overload]
    stated = {"optimizer": ts.SGD(learning_rate=0.5), "steps": 40, **changes}
    return ts.Training(data=DATA, network=network, **stated)  # type: ignore[arg-type]


def test_control_variate_recovers_the_mean_and_shrinks_the_error() -> None:
    rng = np.random.default_rng(0)
    control = rng.standard_normal((5, 4000, 16))
    values = 3.0 + 0.7 * control + 0.1 * rng.standard_normal(control.shape)
    answers = [controlled_mean(values[:, i], control[:, i]) for i in range(400)]
    means, errors = (np.array(part) for part in zip(*answers, strict=True))
    plain = values[:, :400].std(axis=2, ddof=1).mean() / 4.0
    assert errors.mean() < 0.25 * plain
    z = (means - 3.0) / errors
    assert abs(z.mean()) < 0.15
    assert 0.85 < z.std() < 1.25  # Student's t with 14 degrees of freedom


def test_useless_control_changes_nothing() -> None:
    values = np.random.default_rng(1).uniform(1, 2, (3, 16))
    mean, error = controlled_mean(values, np.zeros((3, 16)))
    np.testing.assert_allclose(mean, values.mean(axis=1))
    np.testing.assert_allclose(error, values.std(axis=1, ddof=1) / 4.0)


@pytest.mark.parametrize("scale", [Log(), Logit(100)])
def test_scales_invert_and_know_their_slope(scale: Log | Logit) -> None:
    x = np.array([0.1, 0.5, 0.9])
    np.testing.assert_allclose(scale.backward(scale.forward(x)), x, rtol=1e-12)
    slope = (scale.forward(x + 1e-6) - scale.forward(x - 1e-6)) / 2e-6
    np.testing.assert_allclose(scale.slope(x), slope, rtol=1e-6)


def test_scatter_follows_its_law() -> None:
    widths, replicas = np.array([32.0, 64.0]), np.array([32.0, 32.0])
    level, part = np.full(20, 0.04), np.full(20, 0.8)
    variances = level + part / widths[:, None]
    target = Target(width=256, reach=10.0, vanishing=False)
    expected = level + part / 256
    np.testing.assert_allclose(scattered(widths, replicas, variances, limit=level, target=target), expected, rtol=1e-6)
    free = scattered(widths, replicas, variances, limit=None, target=target)
    assert np.all(np.abs(free / expected - 1) < 0.25)
    pure = part / widths[:, None]
    vanishing = scattered(widths, replicas, pure, limit=None, target=Target(256, 10.0, True))
    np.testing.assert_allclose(vanishing, part / 256, rtol=1e-6)


def test_plan_keeps_budget_and_tolerance() -> None:
    wide = training(width=4096)
    cheap = planned(wide, reach=5.0, limit_error=0.002, split=False, tolerance=0.02, budget=5.0)
    fine = planned(wide, reach=5.0, limit_error=0.002, split=False, tolerance=0.002, budget=5.0)
    assert cheap.seconds <= fine.seconds <= 5.0
    assert cheap.error <= 0.02
    assert fine.error < cheap.error
    assert all(n <= 2048 for n, _ in fine.ladder)
    alone = planned(wide, reach=5.0, limit_error=None, split=True, tolerance=0.01, budget=5.0)
    assert len(alone.ladder) == 2


@pytest.mark.parametrize(
    ("changes", "method"),
    [
        ({}, "kernels.mlp"),
        ({"network": {"parameterization": "standard"}, "optimizer": ts.SGD(learning_rate=0.01, batch=20)},
         "kernels.mlp"),
        ({"network": {"parameterization": "mup", "activation": "tanh"}}, "meanfield.two_layer"),
        ({"network": {"parameterization": "mup", "activation": "tanh", "depth": 2}}, "simulation (ladder of twins)"),
        ({"optimizer": ts.Adam(learning_rate=1e-3, batch=20), "network": {"parameterization": "standard"}},
         "simulation (ladder of twins)"),
        ({"width": 16}, "simulation"),
    ],
)  # fmt: skip
def test_forecast_agrees_with_trained_networks(changes: dict[str, object], method: str) -> None:
    run = training(**changes)
    forecast = ts.forecast(run)
    assert forecast.attrs["theory"] == method
    for name in ("train_loss", "test_loss", "train_accuracy", "test_accuracy"):
        assert forecast[name].dims == ("step",)
        assert np.all(forecast[name] > 0)
        assert np.all(forecast[f"{name}_std"] >= 0)
        assert np.all(forecast[f"{name}_error"] >= 0)
    trained = ts.train(run, replicas=24, seed=5)
    single = trained["test_loss"].values
    band = 2 * np.hypot(forecast["test_loss_std"], forecast["test_loss_error"]).values
    assert np.mean(np.abs(single - forecast["test_loss"].values[:, None]) <= band[:, None] + 1e-12) > 0.8
    scores = ts.compare(forecast, trained, names=["test_loss"])
    assert np.median(np.abs(scores["test_loss_z"])) < 3
    mean = single.mean(axis=1)
    assert np.median(np.abs(forecast["test_loss"].values / mean - 1)) < 0.08


def test_verdicts_carry_numbers_and_json() -> None:
    forecast = ts.forecast(training())
    verdicts = json.loads(forecast.attrs["verdicts"])
    assert next(row["theory"] for row in verdicts) == "kernels.mlp"
    by_name = {row["theory"]: row for row in verdicts}
    assert by_name["learning rate"]["number"] == pytest.approx(0.5 / forecast.attrs["largest_stable_learning_rate"])
    assert by_name["twins"]["number"] > 0
    assert by_name["depth/width"]["number"] == 1 / 128


def test_seed_decides_everything() -> None:
    first, again, other = (ts.forecast(training(), seed=seed)["test_loss"].values for seed in (0, 0, 1))
    np.testing.assert_array_equal(first, again)
    assert np.any(first != other)


def test_subtracted_keeps_the_rest() -> None:
    run = training()
    assert subtracted(run).network.initial_output == "subtracted"
    assert subtracted(run).network.width == run.network.width
    assert subtracted(run).optimizer == run.optimizer


def test_an_unstable_limit_is_left_out_and_named() -> None:
    forecast = ts.forecast(training(optimizer=ts.SGD(learning_rate=12.0)))
    assert forecast.attrs["theory"].startswith("simulation")
    rate = {row["theory"]: row for row in json.loads(forecast.attrs["verdicts"])}["learning rate"]
    assert not rate["applies"]
    assert rate["number"] > 1


def test_divergence_is_refused_with_the_nearest_problem() -> None:
    with pytest.raises(ProblemError, match="diverges"):
        ts.forecast(training(optimizer=ts.SGD(learning_rate=500.0), network={"activation": "linear"}))


def test_too_deep_and_dear_is_refused() -> None:
    deep = ts.MLP(depth=40, width=128)
    run = ts.Training(data=DATA, network=deep, optimizer=ts.Adam(learning_rate=1e-3), steps=10**6)
    with pytest.raises(ProblemError, match="depth/width"):
        ts.forecast(run)


def test_a_diverging_run_is_refused_with_the_rate_that_can_be_forecast() -> None:
    rng = np.random.default_rng(0)
    training = ts.Training(
        data=ts.data.arrays(rng.normal(size=(20, 4)), rng.normal(size=(20, 1)), labels="regression"),
        network=ts.MLP(depth=2, width=128),
        optimizer=ts.GD(learning_rate=500.0),
        steps=400,
    )
    with pytest.raises(ts.ProblemError, match=r"diverges at `learning_rate` 500.*one below \d"):
        ts.forecast(training)


def test_a_long_run_keeps_its_share_and_the_limit_can_stand_alone() -> None:
    long = training(width=256, steps=200_000)
    share = prediction.SHARE * seconds(long, 256)
    start = Nearest("kernels.mlp", xr.Dataset(), None, share=0.5, distance=0.1)
    left = share - ts.kernels.mlp.price(long, share)
    assert prediction._budget(long, None) == share > left > 0.0
    assert prediction._budget(long, start) == left and prediction._worth(long) == share
    short = training()
    assert prediction._worth(short) == prediction.LIMIT and prediction._budget(short, start) == prediction.BUDGET
    assert prediction._budget(short, None) == prediction.BUDGET_ALONE
    plan = planned(long, reach=5.0, limit_error=0.002, split=False, tolerance=0.01, budget=share)
    assert plan.seconds <= share
    nothing = planned(long, reach=5.0, limit_error=0.002, split=False, tolerance=0.01, budget=0.0)
    assert nothing.ladder == ()


def test_the_limit_alone_is_a_forecast_with_a_wider_error(monkeypatch: pytest.MonkeyPatch) -> None:
    with_twins = ts.forecast(training(), seed=1)
    monkeypatch.setattr(prediction, "BUDGET", 0.0)
    assert ts.forecast(training(), seed=0).attrs["twins"] == '{"64": 4}'  # those of the verdict cost nothing more
    alone = ts.forecast(training(), seed=1)
    limit = ts.kernels.mlp.limit(training())
    np.testing.assert_allclose(alone["test_loss"], limit["test_loss"], rtol=1e-6)
    assert alone.attrs["twins"] == "{}"
    assert float((alone["test_loss_error"] / with_twins["test_loss_error"]).median()) > 1.5
    last = json.loads(alone.attrs["verdicts"])[-1]
    assert last["theory"] == "twins" and last["reason"].startswith("none within a twentieth of the run")
