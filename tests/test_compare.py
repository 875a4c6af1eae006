"""Comparison: a correct limit passes, a planted wrong factor or exponent is rejected."""

from __future__ import annotations

import numpy as np
import pytest
import xarray as xr

from theorysim.compare import compare, exponent, widths
from theorysim.errors import ProblemError
from theorysim.observables import labelled

STEPS = np.array([0, 1, 3, 10, 30])
CURVE = np.exp(-STEPS / 20.0)


def limit(factor: float = 1.0, spread: float = 0.1) -> xr.Dataset:
    values = {
        "test_loss": factor * CURVE,
        "test_loss_std": spread * CURVE,
        "test_loss_error": 1e-4 * CURVE,
    }
    return labelled(values, steps=STEPS, time=STEPS * 0.1, attrs={"theory": "test"})


def finite(width: int, *, power: float = 1.0, replicas: int = 400, seed: int = 0) -> xr.Dataset:
    """Networks whose mean is CURVE (1 + 20 width^-power) and whose relative scatter is 0.1."""
    rng = np.random.default_rng(seed + width)
    mean = CURVE * (1.0 + 20.0 * width**-power)
    runs = mean[:, None] * (1.0 + 0.1 * rng.standard_normal((STEPS.size, replicas)))
    return labelled({"test_loss": runs}, steps=STEPS, time=STEPS * 0.1, attrs={}, replicas=np.arange(replicas))


def test_correct_limit_is_accepted_with_labels() -> None:
    scores = compare(limit(), finite(10**7))
    assert np.all(np.abs(scores["test_loss_z"]) < 4)
    assert np.all(np.abs(scores["test_loss_std_z"]) < 4)
    assert scores["test_loss_z"].dims == ("step",)
    assert all({"units", "long_name", "symbol"} <= set(v.attrs) for v in scores.data_vars.values())
    np.testing.assert_allclose(scores["test_loss_bias"], scores["test_loss_mean"] - scores["test_loss"])


@pytest.mark.parametrize("factor", [2.0, 0.9])
def test_planted_factor_is_rejected(factor: float) -> None:
    assert np.all(np.abs(compare(limit(factor), finite(10**7))["test_loss_z"]) > 4)


def test_planted_spread_is_rejected() -> None:
    assert np.all(np.abs(compare(limit(spread=0.2), finite(10**7))["test_loss_std_z"]) > 4)


def test_widths_fit_the_exponent_and_reject_a_wrong_one() -> None:
    runs = {n: finite(n, replicas=2000) for n in (32, 64, 128, 256)}
    fit = widths(limit(), runs)
    p, error = fit["test_loss_exponent"], fit["test_loss_exponent_error"]
    assert np.all(np.abs(p - 1.0) < 4 * error)
    assert np.all(error < 0.1)
    assert np.all(np.abs(p - 2.0) > 4 * error)
    assert fit["test_loss_bias"].sizes == {"width": 4, "step": 5}
    half = widths(limit(), {n: finite(n, power=0.5, replicas=2000) for n in (32, 64, 128, 256)})
    assert np.all(np.abs(half["test_loss_exponent"] - 1.0) > 4 * half["test_loss_exponent_error"])


def test_exponent_is_exact_without_noise_and_unknown_without_bias() -> None:
    sizes = np.array([10.0, 20.0, 40.0])
    p, _ = exponent(sizes, 3.0 * sizes[:, None] ** -1.5, np.full((3, 1), 1e-6))
    np.testing.assert_allclose(p, 1.5, rtol=1e-10)
    _, error = exponent(sizes, np.full((3, 1), 1e-3), np.ones((3, 1)))
    assert np.all(np.isinf(error))


def test_equal_numbers_score_zero() -> None:
    runs = finite(10**7)
    runs["test_loss"] = xr.zeros_like(runs["test_loss"]) + xr.DataArray(CURVE, dims="step")
    still = limit(spread=0.0)
    still["test_loss_error"] *= 0.0
    assert np.all(np.abs(compare(still, runs)["test_loss_z"]) < 0.01)


def test_error_of_the_spread_of_the_limit_counts() -> None:
    runs, wide = finite(10**7), limit(spread=0.13)
    exact = compare(wide, runs)["test_loss_std_z"]
    assert np.all(np.abs(exact) > 4)
    uncertain = compare(wide.assign(test_loss_std_error=0.1 * wide["test_loss_std"]), runs)["test_loss_std_z"]
    assert np.all(np.abs(uncertain) < np.abs(exact)) and np.all(np.abs(uncertain) < 4)


def test_refusals() -> None:
    with pytest.raises(ProblemError, match="2 or more replicas"):
        compare(limit(), finite(100, replicas=1))
    with pytest.raises(ProblemError, match="no step"):
        compare(limit(), finite(100).assign_coords(step=STEPS + 1000))
    with pytest.raises(ProblemError, match="names"):
        compare(limit(), finite(100), names=["train_loss"])
    with pytest.raises(ProblemError, match="2 or more widths"):
        widths(limit(), {100: finite(100)})
