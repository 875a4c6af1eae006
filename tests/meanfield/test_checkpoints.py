"""Marches that are interrupted or go on for longer: the same bits as in one go, and nothing is marched twice."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import theorysim as ts
from theorysim.errors import ProblemError
from theorysim.meanfield import deep
from theorysim.meanfield.march import March
from theorysim.meanfield.replicas import Size
from theorysim.problem.schedule import Cosine

SMALL = Size(256, 2, 1e-4)
DRAW = np.random.default_rng(7)
X, X_TEST = DRAW.normal(size=(6, 8)), DRAW.normal(size=(5, 8))
DATA = ts.data.arrays(X, np.sign(X[:, 0]), X_TEST, np.sign(X_TEST[:, 0]), labels="sign")
STATED: dict[str, Any] = {"learning_rate": 0.3, "batch": 2, "momentum": 0.5, "weight_decay": 0.01}
SGD, COSINE = ts.SGD(**STATED), ts.SGD(**STATED, schedule=Cosine())


def run(steps: int, record: tuple[int, ...], optimizer: Any = SGD) -> ts.Training:
    network = ts.MLP(depth=3, width=512, activation="tanh", parameterization="mup", bias_std=0.1)
    return ts.Training(data=DATA, network=network, optimizer=optimizer, steps=steps, record=record)


@pytest.fixture
def looks(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Count the steps that are marched; a negative number in place of the first one interrupts after as many."""
    counted = [0]
    look = March.look

    def counting(self: March, rows: Any) -> Any:
        counted[0] += 1
        if counted[0] == 0:
            raise KeyboardInterrupt
        return look(self, rows)

    monkeypatch.setattr(March, "look", counting)
    return counted


def same(one: Any, other: Any) -> None:
    for name in one:
        np.testing.assert_array_equal(one[name], other[name].sel(step=one.step))


def test_an_interrupted_run_goes_on(tmp_path: Path, looks: list[int]) -> None:
    training = run(40, (0, 5, 11, 23, 40))
    whole = deep.limit(training, size=SMALL, threads=1)
    looks[0] = -30
    with pytest.raises(KeyboardInterrupt):
        deep.limit(training, size=SMALL, threads=1, checkpoint=tmp_path)
    looks[0] = 0
    same(deep.limit(training, size=SMALL, threads=1, checkpoint=tmp_path), whole)
    assert looks[0] == 40 + 40 - 28  # both replicas, but for the first 28 steps of the first
    looks[0] = 0
    same(deep.limit(training, size=SMALL, threads=1, checkpoint=tmp_path), whole)
    assert looks[0] == 0  # only the last outputs are left of a finished run


def test_a_longer_run_goes_on_from_a_shorter_one(tmp_path: Path, looks: list[int]) -> None:
    deep.limit(run(15, (0, 5, 15)), size=SMALL, threads=1, checkpoint=tmp_path)
    looks[0] = 0
    long = deep.limit(run(30, (0, 5, 15, 30)), size=SMALL, threads=1, checkpoint=tmp_path)
    assert looks[0] == 2 * 15
    same(long, deep.limit(run(30, (0, 5, 15, 30)), size=SMALL))


@pytest.mark.parametrize("change", ["seed", "record", "schedule", "size", "broken"])
def test_a_run_that_differs_starts_anew(change: str, tmp_path: Path, looks: list[int]) -> None:
    deep.limit(run(15, (0, 5, 15)), size=SMALL, threads=1, checkpoint=tmp_path)
    training, size, seed = run(30, (0, 5, 15, 30)), SMALL, 0
    if change == "seed":
        seed = 1
    elif change == "record":
        training = run(30, (0, 5, 14, 30))
    elif change == "schedule":
        training = run(30, (0, 5, 15, 30), COSINE)
    elif change == "size":
        size = Size(512, 2, 1e-4)
    else:
        for file in tmp_path.iterdir():
            file.write_bytes(file.read_bytes()[:1000])
    looks[0] = 0
    found = deep.limit(training, size=size, seed=seed, threads=1, checkpoint=tmp_path)
    assert looks[0] == 2 * 30
    same(found, deep.limit(training, size=size, seed=seed))


def test_schedules_of_another_length_start_anew(tmp_path: Path, looks: list[int]) -> None:
    deep.limit(run(15, (0, 5, 15), COSINE), size=SMALL, threads=1, checkpoint=tmp_path)
    looks[0] = 0
    deep.limit(run(30, (0, 5, 15, 30), COSINE), size=SMALL, threads=1, checkpoint=tmp_path)
    assert looks[0] == 2 * 30


def test_refusals(tmp_path: Path) -> None:
    training = run(2, (0, 2))
    with pytest.raises(ProblemError, match="`checkpoint` must be left out"):
        deep.limit(training, size=SMALL, checkpoint=tmp_path, batches=[np.array([0, 1])] * 2)
    (tmp_path / "file").write_text("")
    with pytest.raises(ProblemError, match="`checkpoint` must be a folder"):
        deep.limit(training, size=SMALL, checkpoint=tmp_path / "file")
