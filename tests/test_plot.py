"""The house figure shows the numbers of the answer, and its files are the same bytes every time."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tests.synthetic import STEPS, curves, forecast, trained
from theorysim.errors import ProblemError
from theorysim.plot import band, plot, save


def test_line_is_the_forecast_and_band_is_two_sigma() -> None:
    ax = plot(forecast()).axes[0]
    line = next(line for line in ax.lines if line.get_label() == "test")
    np.testing.assert_array_equal(line.get_xdata(), STEPS)
    np.testing.assert_array_equal(line.get_ydata(), curves()["test_loss"])
    top = ax.collections[1].get_paths()[0].vertices[:, 1].max()
    loss = curves()["test_loss"]
    assert top == pytest.approx(loss[0] + 2 * np.hypot(0.01 * loss[0], 1e-4), rel=1e-12)


def test_band_adds_scatter_and_error_in_quadrature() -> None:
    sigma = band(forecast(), "train_loss")
    np.testing.assert_allclose(sigma**2, (0.01 * curves()["train_loss"]) ** 2 + 1e-8, rtol=1e-12)


def test_trained_networks_are_drawn_beside() -> None:
    alone, beside = plot(forecast()).axes[0], plot(forecast(), trained(3)).axes[0]
    # per curve: three networks and their mean
    assert len(beside.lines) - len(alone.lines) == 2 * (3 + 1)


def test_mean_predictor_stays_alone() -> None:
    accuracy = curves()["test_accuracy"]
    predicted, runs = forecast(), trained(3)
    for result in (predicted, runs):
        result["ensemble_accuracy"] = ("step", accuracy)
    ax = plot(predicted, runs).axes[1]
    assert len(ax.lines) == 2 * (1 + 3 + 1) + 1


def test_regression_has_one_panel() -> None:
    data = forecast()
    assert len(plot(data.drop_vars([n for n in data.data_vars if "accuracy" in str(n)])).axes) == 1


def test_flow_is_drawn_against_time() -> None:
    figure = plot(forecast(problem='{"optimizer": {"name": "gradient-flow"}}'))
    np.testing.assert_array_equal(figure.axes[0].lines[0].get_xdata(), 2.0 * STEPS)
    assert "time" in figure.axes[0].get_xlabel()


def test_nothing_to_draw_is_refused() -> None:
    data = forecast()
    with pytest.raises(ProblemError, match="train_loss, test_loss or loss"):
        plot(data.drop_vars([n for n in data.data_vars if "loss" in str(n)]))


@pytest.mark.parametrize("suffix", ["svg", "png", "pdf"])
def test_file_is_the_same_bytes_every_time(tmp_path: Path, suffix: str) -> None:
    first = save(plot(forecast(), trained()), tmp_path / f"a.{suffix}").read_bytes()
    assert first == save(plot(forecast(), trained()), tmp_path / f"b.{suffix}").read_bytes()


def test_other_suffix_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ProblemError, match=r"must end in .svg, .pdf, .png"):
        save(plot(forecast()), tmp_path / "a.jpg")
