"""A run of PyTorch, restated by the conventions (section 7) and replayed: equal at every step.

`torch_run.npz` was written by benchmarks/train_torch.py: `nn.Linear`-like layers, MSELoss (a mean, no half),
SGD at half our learning rate and twice our weight decay, momentum, shuffled batches with a short last one.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from theorysim.errors import ProblemError
from theorysim.finite.replay import replay
from theorysim.problem import MLP, SGD, Training, data

FIXTURE = Path(__file__).with_name("torch_run.npz")
THEIRS = {"learning_rate": 0.2, "weight_decay": 0.02, "momentum": 0.8, "batch": 6}
OURS = {**THEIRS, "learning_rate": 2 * THEIRS["learning_rate"], "weight_decay": THEIRS["weight_decay"] / 2}


def stated(bias_std=0.1, **optimizer) -> Training:
    return Training(
        data=data.digits(train=20, test=5, labels="one-hot"),
        network=MLP(depth=2, width=16, parameterization="standard", bias_std=bias_std),
        optimizer=SGD(**{**OURS, **optimizer}, sampling="epochs"),
        steps=16,
        record=tuple(range(17)),
    )


@pytest.fixture(scope="module")
def run() -> dict[str, np.ndarray]:
    with np.load(FIXTURE, allow_pickle=False) as archive:
        return {name: archive[name] for name in archive.files}


@pytest.fixture(scope="module")
def batches(run) -> list[np.ndarray]:
    return np.split(run["batches"], np.cumsum(run["sizes"])[:-1])


def test_every_output_of_every_step_is_theirs(run, batches):
    ours = replay(stated(), FIXTURE, batches)
    assert dict(ours.sizes) == {"step": 17, "sample": 20, "output": 10, "test_sample": 5, "replica": 1}
    for name in ("train", "test"):
        theirs = run[f"{name}_outputs"]
        np.testing.assert_allclose(ours[f"{name}_prediction"].values[..., 0], theirs, rtol=0, atol=1e-9 * theirs.max())
    labels = stated().samples.y_train
    mean_square = ((run["train_outputs"] - labels) ** 2).mean(axis=(1, 2))
    np.testing.assert_allclose(ours.train_loss[:, 0], mean_square / 2, rtol=1e-9)
    assert sorted({len(batch) for batch in batches}) == [2, 6] and mean_square[-1] < mean_square[0] / 3


WRONG = [{"learning_rate": 0.2}, {"weight_decay": 0.02}, {"momentum": 0.81}, {"nesterov": True}]


@pytest.mark.parametrize("wrong", WRONG)
def test_another_statement_of_the_run_is_noticed(run, batches, wrong):
    ours = replay(stated(**wrong), FIXTURE, batches)
    assert np.abs(ours.test_prediction.values[..., 0] - run["test_outputs"]).max() > 1e-5


def without(run, *names):
    return {name: array for name, array in run.items() if name not in names}


def test_what_does_not_fit_is_refused(run, batches, tmp_path):
    with pytest.raises(ProblemError, match=r"`W2` must be there, of shape \(16, 16\)"):
        replay(stated(), without(run, "W2"), batches)
    with pytest.raises(ProblemError, match=r"`W1` must be real, of shape \(16, 64\), got float64 of \(64, 16\)"):
        replay(stated(), {**run, "W1": run["W1"].T}, batches)
    with pytest.raises(ProblemError, match="`b3` must be finite"):
        replay(stated(), {**run, "b3": run["b3"] * np.nan}, batches)
    with pytest.raises(ProblemError, match="one index array for each of the 16 steps"):
        replay(stated(), run, batches[:-1])
    with pytest.raises(ProblemError, match="`b1` is not zero, but the network has no biases"):
        replay(stated(bias_std=None), run, batches)


def test_files_that_are_not_plain_arrays_are_refused(tmp_path):
    objects, text, cut = tmp_path / "objects.npz", tmp_path / "text.npz", tmp_path / "cut.npz"
    np.savez(objects, W1=np.array([{}], dtype=object))
    text.write_text("W1")
    cut.write_bytes(FIXTURE.read_bytes()[:20_000])
    for path in (objects, text, cut, tmp_path / "missing.npz"):
        with pytest.raises(ProblemError, match="is not an npz file of plain arrays"):
            replay(stated(), path)
