"""The numbers of every layer against a table computed by hand (conventions, section 1)."""

from __future__ import annotations

import math

import numpy as np
import pytest

from theorysim.errors import ProblemError
from theorysim.problem import MLP, SGD, Adam, Training, data

# d = 5, C = 3, widths 4 and 8 (N = 8), sw = (1, 2, 3), sb = (0.5, 0, 2).
STDS = {"weight_std": (1.0, 2.0, 3.0), "bias_std": (0.5, 0.0, 2.0)}
TABLE = {
    # s, alpha, alpha', a = alpha/(s^2 fan-in), a' = alpha'/s^2
    "ntk": (1.0, (1, 4, 9), (0.25, 0, 4), (1 / 5, 1.0, 9 / 8), (0.25, 0, 4)),
    "standard": (1.0, (5, 4, 8), (1, 1, 1), (1, 1, 1), (1, 1, 1)),
    # gamma0 = 1/2: s = 1/(sqrt 8 / 2), s^-2 = 2
    "mup": (1 / math.sqrt(2), (1, 4, 9), (0.25, 0, 4), (2 / 5, 2.0, 9 / 4), (0.5, 0, 8)),
}


def _mlp(parameterization: str, **given: object) -> MLP:
    gamma0 = {"gamma0": 0.5} if parameterization == "mup" else {}
    return MLP(depth=2, width=(4, 8), parameterization=parameterization, **{**STDS, **gamma0, **given})


@pytest.mark.parametrize("parameterization", TABLE)
def test_table(parameterization: str) -> None:
    scale, weight_rates, bias_rates, weight_steps, bias_steps = TABLE[parameterization]
    layers = _mlp(parameterization).layers(inputs=5, outputs=3)
    assert layers.widths == (5, 4, 8, 3)
    assert layers.has_bias
    assert layers.output_scale == pytest.approx(scale, rel=1e-15)
    np.testing.assert_array_equal(layers.weight_std, (1, 2, 3))
    np.testing.assert_array_equal(layers.bias_std, (0.5, 0, 2))
    np.testing.assert_allclose(layers.weight_rates, weight_rates, rtol=1e-15)
    np.testing.assert_allclose(layers.bias_rates, bias_rates, rtol=1e-15)
    np.testing.assert_allclose(layers.weight_steps, weight_steps, rtol=1e-15)
    np.testing.assert_allclose(layers.bias_steps, bias_steps, rtol=1e-15)


@pytest.mark.parametrize(
    ("given", "std"),
    [
        ({"activation": "relu"}, math.sqrt(2.0)),
        ({"activation": "leaky_relu", "slope": 0.5}, math.sqrt(2.0 / 1.25)),
        ({"activation": "leaky_relu"}, math.sqrt(2.0 / 1.0001)),
        ({"activation": "erf"}, 1.0),
        ({"activation": "linear"}, 1.0),
    ],
)
def test_default_weight_std(given: dict[str, object], std: float) -> None:
    layers = MLP(depth=1, width=4, **given).layers(inputs=2, outputs=1)
    np.testing.assert_allclose(layers.weight_std, std, rtol=1e-15)
    np.testing.assert_allclose(layers.weight_rates, std**2, rtol=1e-15)


def test_without_biases_nothing_of_them_remains() -> None:
    for parameterization in TABLE:
        layers = _mlp(parameterization, bias_std=None).layers(inputs=5, outputs=3)
        assert not layers.has_bias
        assert not layers.bias_std.any() and not layers.bias_rates.any() and not layers.bias_steps.any()


def test_biases_that_start_at_zero_train_under_standard_only() -> None:
    trains = {name: _mlp(name, bias_std=0.0).layers(inputs=5, outputs=3).bias_rates.any() for name in TABLE}
    assert trains == {"ntk": False, "standard": True, "mup": False}
    assert _mlp("ntk", bias_std=0.0, bias_rates=1.0).layers(inputs=5, outputs=3).bias_rates.tolist() == [1, 1, 1]


def test_given_rates_replace_the_default_ones() -> None:
    layers = _mlp("mup", weight_rates=(5, 2, 2), bias_rates=1.0).layers(inputs=5, outputs=3)
    np.testing.assert_allclose(layers.weight_steps, (2.0, 1.0, 0.5), rtol=1e-15)
    np.testing.assert_allclose(layers.bias_steps, (2.0, 2.0, 2.0), rtol=1e-15)


def test_mup_at_one_over_root_width_is_ntk() -> None:
    ntk, mup = (
        MLP(depth=2, width=64, parameterization=name, gamma0=gamma0, bias_std=0.3).layers(inputs=7, outputs=2)
        for name, gamma0 in (("ntk", None), ("mup", 0.125))
    )
    assert mup.output_scale == ntk.output_scale == 1.0
    np.testing.assert_array_equal(mup.weight_steps, ntk.weight_steps)
    np.testing.assert_array_equal(mup.bias_steps, ntk.bias_steps)


def test_mup_package_restated_is_standard_at_the_base_width() -> None:
    """The last row of conventions, section 7, at the base width: the rates of `standard`."""
    base, d = 16, 5
    mup = MLP(
        depth=2, width=base, parameterization="mup", gamma0=base**-0.5, weight_rates=(d, base, base),
        bias_std=0.0, bias_rates=1.0,
    ).layers(inputs=d, outputs=3)  # fmt: skip
    standard = MLP(depth=2, width=base, parameterization="standard", bias_std=0.0).layers(inputs=d, outputs=3)
    np.testing.assert_allclose(mup.weight_steps, standard.weight_steps, rtol=1e-15)
    np.testing.assert_allclose(mup.bias_steps, standard.bias_steps, rtol=1e-15)


def test_gamma0_zero_has_no_finite_output_scale() -> None:
    layers = MLP(depth=1, width=4, parameterization="mup", gamma0=0.0).layers(inputs=2, outputs=1)
    assert layers.output_scale == math.inf
    assert not layers.weight_steps.any()
    assert layers.weight_rates.all()


def test_mup_defaults_to_gamma0_one() -> None:
    assert MLP(depth=1, width=4, parameterization="mup") == MLP(depth=1, width=4, parameterization="mup", gamma0=1.0)


def test_frozen_rates_of_standard_at_another_width() -> None:
    layers = _mlp("standard").at_width(2).layers(inputs=5, outputs=3)
    assert layers.widths == (5, 1, 2, 3)
    np.testing.assert_array_equal(layers.weight_rates, (5, 4, 8))
    # a_l = alpha_l / n'_{l-1}
    np.testing.assert_array_equal(layers.weight_steps, (1, 4, 4))
    np.testing.assert_array_equal(layers.bias_steps, (1, 1, 1))


def test_at_width_twice_is_at_width_once_and_back_is_the_same() -> None:
    network = MLP(depth=3, width=128, parameterization="standard")
    assert network.at_width(64).at_width(32) == network.at_width(32)
    assert network.at_width(32).at_width(128) == network
    assert network.at_width(128) == network


def test_at_width_keeps_given_rates_and_other_parameterizations() -> None:
    given = MLP(depth=1, width=8, parameterization="standard", weight_rates=(3.0, 5.0)).at_width(2)
    np.testing.assert_array_equal(given.layers(inputs=4, outputs=1).weight_rates, (3, 5))
    assert MLP(depth=1, width=8).at_width(2) == MLP(depth=1, width=2)
    with pytest.raises(ProblemError, match="`width` must be at least 1, got 0"):
        given.at_width(0)


def test_adam_twin_of_standard_keeps_the_rates_of_the_run() -> None:
    network = MLP(depth=3, width=256, parameterization="standard", bias_std=0.0)
    run = Training(data=data.digits(train=20, test=5), network=network, optimizer=Adam(learning_rate=1e-3), steps=10)
    twin = run.at_width(64)
    assert twin.network.width == 64
    assert isinstance(twin.optimizer, Adam)
    assert twin.optimizer.layer_rates == (2.0, 8.0, 8.0, 4.0)
    assert twin.optimizer.bias_layer_rates == (2.0, 2.0, 2.0, 1.0)
    again = twin.at_width(16).optimizer
    assert again == run.at_width(16).optimizer


def test_twins_of_other_runs_keep_their_optimizer() -> None:
    for optimizer in (Adam(learning_rate=0.1), SGD(learning_rate=0.1)):
        run = Training(data=data.digits(train=20, test=5), network=MLP(depth=1, width=8), optimizer=optimizer, steps=3)
        assert run.at_width(4).optimizer == optimizer
