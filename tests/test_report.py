"""Numbers as text."""

from __future__ import annotations

import json

import numpy as np
import pytest

from tests.synthetic import STEPS, curves, forecast, trained
from theorysim import report
from theorysim.compare import compare


@pytest.mark.parametrize(
    ("value", "sigma", "text"),
    [
        (0.021342, 0.00024, "0.0213 ± 0.0002"),
        (0.021342, 0.00014, "0.02134 ± 0.00014"),
        (0.8613, 0.0061, "0.861 ± 0.006"),
        (12.34, 3.0, "12 ± 3"),
        (1.5, 0.096, "1.50 ± 0.10"),
        (3.21e-6, 4.4e-7, "(3.2 ± 0.4)e-06"),
        (0.5, 0.0, "0.5"),
        (0.5, 1e-9, "0.500000 ± 0.000000"),
        (-0.2, 0.03, "-0.20 ± 0.03"),
    ],
)
def test_plus_minus_keeps_the_digits_that_mean_something(value: float, sigma: float, text: str) -> None:
    assert report.plus_minus(value, sigma) == text


def test_table_has_about_eight_rows_with_first_and_last() -> None:
    lines = report.learning_table(forecast()).splitlines()
    assert lines[0].split("   ")[0].strip() == "step"
    steps = [int(line.split()[0]) for line in lines[1:]]
    assert (steps[0], steps[-1], len(steps)) == (0, int(STEPS[-1]), 8)


def test_table_prints_the_values_with_scatter_and_error() -> None:
    last = report.learning_table(forecast()).splitlines()[-1]
    loss = curves()["train_loss"][-1]
    assert report.plus_minus(loss, np.hypot(0.01 * loss, 1e-4)) in last


def test_table_of_regression_has_no_accuracy() -> None:
    data = forecast()
    table = report.learning_table(data.drop_vars([n for n in data.data_vars if "accuracy" in str(n)]))
    assert "accuracy" not in table


def test_verdicts_say_what_was_used_and_what_was_not() -> None:
    text = report.verdict_table(forecast())
    assert "kernels.mlp   used: predicted kernel change 3.1 %" in text
    assert "kernels.mlp   not here: the network is not mup; use kernels.mlp" in text
    assert "depth/width   3/1024, calibrated up to 0.04" in text
    assert "twins         careful: the twins disagree" in text


def test_learning_rates_only_where_known() -> None:
    assert report.learning_rates(forecast()) == "largest stable learning rate 19"
    assert report.learning_rates(forecast(best_learning_rate=8.0)).endswith("best predicted 8")


def test_mapping_is_json_and_complete() -> None:
    plain = json.loads(json.dumps(report.as_mapping(forecast())))
    assert plain["curves"]["test_loss"]["value"] == curves()["test_loss"].tolist()
    assert plain["problem"]["optimizer"]["name"] == "sgd"
    assert [v["theory"] for v in plain["verdicts"]] == ["kernels.mlp", "depth/width", "twins", "kernels.mlp"]
    assert plain["largest_stable_learning_rate"] == 19.04


def test_comparison_prints_scores_and_their_summary() -> None:
    comparison = compare(forecast(), trained())
    table, summary = report.comparison_table(comparison), report.comparison_summary(comparison)
    z = float(comparison["test_loss_z"][-1])
    assert f"{z:+.1f}" in table.splitlines()[-1]
    rms = float(np.sqrt((comparison["test_loss_z"] ** 2).mean()))
    assert f"{rms:.2g}" in next(line for line in summary.splitlines() if line.startswith("test loss"))
