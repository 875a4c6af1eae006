"""The vocabulary of residual networks: validation, documents, and that nobody takes them for an MLP."""

from __future__ import annotations

import numpy as np
import pytest

import theorysim as ts
from theorysim import kernels
from theorysim.errors import ProblemError
from theorysim.problem import activations

X = np.random.default_rng(0).normal(size=(4, 3))
DATA = ts.data.arrays(X, X[:, 0], labels="regression")


def run(**network) -> ts.Training:
    keywords = {"depth": 4, "width": 16} | network
    return ts.Training(data=DATA, network=ts.ResidualMLP(**keywords), optimizer=ts.GD(learning_rate=0.1), steps=2)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"depth": 0}, "`depth` must be at least 1"),
        ({"branch_scale": -1.0}, "`branch_scale` must be at least 0"),
        ({"weight_std": 0.0}, "`weight_std` must be positive"),
        ({"gamma0": -0.5}, "`gamma0` must be at least 0"),
        ({"activation": "tan"}, "`activation` must be one of"),
        ({"bias_std": 0.1}, "unknown key `bias_std`"),
        ({"kind": "transformer"}, "`kind` must be one of residual"),
    ],
)
def test_wrong_fields(fields: dict, message: str) -> None:
    with pytest.raises(ProblemError, match=message):
        ts.ResidualMLP(**({"depth": 2, "width": 8} | fields))


def test_documents() -> None:
    for network in (
        {},
        {"activation": activations.leaky_relu(0.2), "branch_scale": 0.5, "initial_output": "subtracted"},
    ):
        training = run(**network)
        assert ts.Training.from_toml(training.to_toml()) == training
        assert ts.Training.from_json(training.to_json()) == training
    assert 'kind = "residual"' in run().to_toml()
    assert "residual relu network of 4 blocks, width 16, muP (gamma0 1)" in run().describe()
    assert "branch scale 1" in run().describe()


def test_sizes() -> None:
    network = run(branch_scale=3.0).network
    assert network.branch == 1.5 and network.widths == (16,) * 5
    assert network.at_width(8).width == 8 and network.at_depth(9).branch == 1.0
    layers = network.matrices(inputs=3, outputs=1)
    np.testing.assert_array_equal(layers.weight_rates, 1.0)
    assert len(layers.weight_std) == 6


def test_nobody_takes_it_for_an_mlp() -> None:
    training = run()
    for use in (lambda: training.layers, lambda: training.mlp):
        with pytest.raises(ProblemError, match=r"meanfield\.residual"):
            use()
    with pytest.raises(ProblemError, match="must be an MLP"):
        kernels.ntk(training.network, X)
    with pytest.raises(ProblemError, match="Adam"):
        ts.Training(data=DATA, network=training.network, optimizer=ts.Adam(learning_rate=0.1), steps=2)
    with pytest.raises(ProblemError, match="derivative"):
        run(activation="sign")


def test_a_forecast_asks_its_own_theory() -> None:
    problem = run(width=40, activation="tanh")
    found = ts.forecast(problem)
    assert "meanfield.residual" in found.attrs["verdicts"]
    mean = ts.train(problem, replicas=64, seed=5)["train_loss"].mean("replica")
    np.testing.assert_allclose(found["train_loss"], mean, rtol=0.15)
