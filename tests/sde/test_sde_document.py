"""Equations stated in TOML, and the verb that simulates them beside their algorithms."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import xarray as xr

from theorysim import report, store
from theorysim.cli import main
from theorysim.errors import ProblemError
from theorysim.sde import document

TEXT = """
[data]
name = "digits"
train = 30
test = 0
labels = "one-hot"

[objective]
name = "linear"
loss = "cross-entropy"

[optimizer]
name = "sgd"
learning_rate = 0.2
batch = 5

[equation]
steps = 12
paths = 40
order = 2
"""
NETWORK = """
[network]
depth = 1
width = 4
activation = "tanh"
parameterization = "standard"
"""


def test_a_document_states_an_equation() -> None:
    stated = document.from_toml(TEXT)
    assert stated.model.order == 2 and stated.model.objective.dimension == 650
    assert stated.start(0).shape == (650,) and not stated.start(0).any()
    equation, algorithm = stated.equation(1), stated.algorithm(1)
    assert equation.step[-1] == 12 and algorithm.sizes["replica"] == 40
    z = (equation.loss - algorithm.loss.mean("replica"))[-1] / np.hypot(
        equation.loss_error[-1], algorithm.loss[-1].std("replica", ddof=1) / np.sqrt(40)
    )
    assert abs(float(z)) < 4.0


def test_networks_start_at_their_initialisation() -> None:
    text = TEXT.replace('"linear"', '"network"').replace("order = 2", "order = 1") + NETWORK
    stated = document.from_toml(text)
    start = stated.start(3)
    assert start.shape == (40, stated.model.objective.dimension) and start.std() > 0.0
    assert stated.algorithm(3).loss[0].std("replica") > 0.0


@pytest.mark.parametrize(
    ("old", "new", "line"),
    [
        ("[equation]", "[equations]", r"equations"),
        ('name = "linear"', 'name = "linar"', r'objective: `name` .*did you mean "linear"'),
        ('loss = "cross-entropy"', 'los = "mse"', r'objective: `los` .*did you mean "loss"'),
        ('name = "sgd"', 'name = "sdg"', r'optimizer: `name` .*did you mean "sgd"'),
        ("order = 2", "order = 3", r"equation: `order`"),
        ("order = 2", "ordr = 2", r"equation: .*`ordr`"),
        ("steps = 12", "steps = 0", r"equation: `steps` must be at least 1"),
        ("paths = 40", "paths = 1", r"equation: `paths` must be at least 2"),
        ("paths = 40", "paths = 40\nstart = [1.0, 2.0]", r"start"),
        ('name = "linear"', 'name = "network"', r"section \[network\]"),
        ("batch = 5", "batch = 31", r"`batch` must be"),
        ('labels = "one-hot"', "labels = 3", r"labels"),
        ("[data]", "[data", r"must be TOML"),
    ],
)
def test_wrong_documents(old: str, new: str, line: str) -> None:
    with pytest.raises(ProblemError, match=line):
        document.from_toml(TEXT.replace(old, new)).equation(0)


def test_the_verb(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine.toml").write_text(TEXT)
    assert main(["sde", "mine.toml", "--quiet", "--trust"]) == 0
    text = capsys.readouterr().out
    assert "SGD, order 2" in text and r"\nabla" in text and "SVAG l = 2" in text and "standard deviation" in text
    assert store.load(tmp_path / "mine-equation.nc").loss.sizes == {
        "step": store.load("mine-algorithm.nc").sizes["step"]
    }
    assert (tmp_path / "mine-equation.svg").stat().st_size > 5000
    assert main(["sde", "none.toml"]) == 2
    assert 'must be readable, got "none.toml" (No such file' in capsys.readouterr().err


def test_table_of_an_equation() -> None:
    runs = np.array([[1.0, 1.0, 1.0, 1.0], [0.4, 0.6, 0.5, 0.5]])
    algorithm = xr.Dataset({"loss": (("step", "replica"), runs)}, {"step": [0, 5]})
    columns = {"loss": [1.0, 0.7], "loss_error": [0.0, 0.03], "loss_std": [0.0, 0.1], "loss_std_error": [0.0, 0.01]}
    equation = xr.Dataset({name: ("step", values) for name, values in columns.items()}, {"step": [0, 5]})
    rows = report.equation_table(equation, algorithm).splitlines()
    assert rows[1].split() == ["0", "1", "1", "-", "0", "0", "-"]
    assert float(rows[2].split()[7]) == pytest.approx(0.2 / np.hypot(0.03, np.std(runs[1], ddof=1) / 2.0), abs=0.06)
