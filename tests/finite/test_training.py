"""The run as a whole: bits, records, divergence, interrupts."""

from __future__ import annotations

import json
import threading
from itertools import pairwise

import numpy as np
import pytest

from tests.finite import cases
from theorysim.errors import ProblemError
from theorysim.finite import training as module
from theorysim.finite.movement import kernel_change, trained_parameters
from theorysim.finite.network import activation_of, initialise, outputs
from theorysim.finite.training import train
from theorysim.problem import GD, SGD, Adam, GradientFlow

RUNS = {
    "full batch": cases.run(optimizer=GD(learning_rate=0.2)),
    "batches": cases.run(optimizer=SGD(learning_rate=0.2, batch=4, momentum=0.5, sampling="epochs")),
    "one output": cases.run(cases.regression(1), optimizer=SGD(learning_rate=0.2, batch=4, weight_decay=0.1)),
    "adam": cases.run(optimizer=Adam(learning_rate=0.02, batch=3)),
    "wide": cases.run(optimizer=SGD(learning_rate=0.2, batch=7), width=(67, 33), activation="relu"),
}


@pytest.mark.parametrize("name", RUNS)
def test_bits_depend_neither_on_threads_nor_on_replicas_nor_on_blocks(name, monkeypatch):
    every = train(RUNS[name], replicas=7, seed=2, threads=1)
    monkeypatch.setattr(module, "_LARGEST_BLOCK", 2)
    for threads in (1, 3):
        assert train(RUNS[name], replicas=7, seed=2, threads=threads).identical(every)
    few = train(RUNS[name], replicas=3, seed=2, threads=2)
    for variable in ("train_prediction", "test_prediction", "train_loss", "test_loss"):
        assert np.array_equal(few[variable], every[variable][..., :3])
    assert not np.array_equal(every.train_loss[..., 0], every.train_loss[..., 1])


def test_flow_bits_do_not_depend_on_threads():
    training = cases.flow(time=3.0)
    assert train(training, replicas=3, threads=1).identical(train(training, replicas=3, threads=2))


def test_step_zero_is_what_the_initial_network_computes():
    training = cases.run()
    p = initialise(training.layers, range(2), seed=9)
    f = outputs(p, training.layers, activation_of(training.network), training.samples.x_test)
    ours = train(training, replicas=2, seed=9)
    assert ours.step[0] == 0
    np.testing.assert_allclose(np.moveaxis(f, 0, -1), ours.test_prediction[0], rtol=1e-12, atol=1e-15)


@pytest.mark.parametrize("optimizer", [GD(learning_rate=0.2), SGD(learning_rate=0.2, batch=3)])
def test_subtracted_twin_starts_at_zero_exactly(optimizer):
    twin = train(cases.run(optimizer=optimizer, initial_output="subtracted"), replicas=3, seed=1)
    assert not twin.train_prediction[0].values.any() and not twin.test_prediction[0].values.any()
    y = cases.TARGETS[3]
    np.testing.assert_allclose(twin.train_loss[0], (y**2).mean() / 2, rtol=1e-13)


def test_losses_and_accuracies_follow_from_the_predictions():
    training = cases.run(cases.classes(), loss="cross-entropy", optimizer=GD(learning_rate=3.0))
    ours = train(training, replicas=4)
    f, right = ours.test_prediction.values, training.samples.classes_test
    log_softmax = f - np.log(np.exp(f).sum(axis=2, keepdims=True))
    np.testing.assert_allclose(ours.test_loss, -log_softmax[:, np.arange(5), right].mean(axis=1), rtol=1e-12)
    assert np.array_equal(ours.test_accuracy, (f.argmax(axis=2) == right[:, None]).mean(axis=1))
    assert np.array_equal(ours.ensemble_accuracy, (f.mean(axis=-1).argmax(axis=2) == right).mean(axis=1))
    assert ours.ensemble_accuracy.dims == ("step",) and ours.train_accuracy.dims == ("step", "replica")


def test_regression_has_no_accuracy_and_no_test_samples_no_test_observables():
    names = set(train(RUNS["batches"], replicas=1).data_vars)
    assert names == {"train_loss", "test_loss", "train_prediction", "test_prediction"}
    alone = cases.run(cases.data.arrays(cases.X, cases.TARGETS[1], labels="regression"))
    assert set(train(alone, replicas=1).data_vars) == {"train_loss", "train_prediction"}


def test_provenance_and_coordinates():
    training = cases.run(optimizer=GD(learning_rate=0.2), record=(0, 2, 5))
    ours = train(training, replicas=2, seed=8)
    assert ours.attrs["seed"] == 8 and ours.attrs["theory"] == "finite"
    assert json.loads(ours.attrs["problem"]) == json.loads(training.to_json())
    assert ours.step.values.tolist() == [0, 2, 5]
    np.testing.assert_allclose(ours.time, [0.0, 0.4, 1.0])


def test_recording_less_changes_nothing():
    every, few = (train(cases.run(record=record), replicas=2) for record in (None, (0, 5)))
    np.testing.assert_array_equal(few.test_prediction, every.test_prediction[[0, 5]])


def test_divergence_names_the_step_and_a_stable_rate():
    training = cases.run(optimizer=GD(learning_rate=1e6), steps=400, activation="linear", record=(0, 400))
    with pytest.raises(FloatingPointError, match=r"not finite at step \d+; the learning rate is 1e\+06, the") as e:
        train(training, replicas=3, threads=2)
    stable = float(str(e.value).split("about ")[1])
    # Half of it converges, ten times it does not (the cubic terms of a deep linear network).
    fine = cases.run(optimizer=GD(learning_rate=stable / 2), steps=400, activation="linear", record=(0, 400))
    loss = train(fine, replicas=3).train_loss
    assert (loss[-1] < loss[0]).all()
    with pytest.raises(FloatingPointError):
        train(cases.run(optimizer=GD(learning_rate=10 * stable), steps=400, activation="linear"), replicas=3)


@pytest.mark.parametrize("threads", [1, 2])
def test_an_interrupt_stops_the_run_and_comes_through(threads):
    seen = []

    def interrupt(fraction):
        seen.append(fraction)
        if fraction >= 0.0:
            raise KeyboardInterrupt

    before = threading.active_count()
    with pytest.raises(KeyboardInterrupt):
        train(cases.run(steps=300_000, record=(0, 300_000)), replicas=128, threads=threads, progress=interrupt)
    assert len(seen) == 1 and threading.active_count() == before


@pytest.mark.parametrize("threads", [1, 2])
def test_progress_rises_to_one(threads):
    seen: list[float] = []
    train(cases.run(steps=50), replicas=130, threads=threads, progress=seen.append)
    assert seen[-1] == 1.0 and all(a < b for a, b in pairwise(seen))


@pytest.mark.parametrize(
    ("run", "arguments", "message"),
    [
        (cases.run(), {"replicas": 0}, "`replicas` must be at least 1, got 0"),
        (cases.run(), {"replicas": 1, "device": "tpu"}, "`device` must be"),
        (cases.run(parameterization="mup", gamma0=0.0), {"replicas": 1}, "`gamma0` must be positive"),
        (cases.flow(time=1.0), {"replicas": 1, "batches": [np.arange(3)]}, "`batches` must be left out"),
        (cases.flow(time=1.0, optimizer=GradientFlow(euler_step=0.1)), {"replicas": 1}, "`euler_step`"),
    ],
)
def test_what_does_not_fit_is_refused(run, arguments, message):
    with pytest.raises(ProblemError, match=message):
        train(run, **arguments)


def test_trained_parameters_compute_the_last_prediction():
    training = cases.run(optimizer=SGD(learning_rate=0.2, batch=4))
    p = trained_parameters(training, replicas=5, seed=3, threads=2)
    f = outputs(p, training.layers, activation_of(training.network), training.samples.x_test)
    ours = train(training, replicas=5, seed=3)
    np.testing.assert_array_equal(np.moveaxis(f, 0, -1), ours.test_prediction[-1])


def test_kernel_change_falls_with_width_and_is_zero_at_the_start():
    narrow, wide = (
        kernel_change(cases.run(width=w, optimizer=GD(learning_rate=1.0), bias_std=None), replicas=8, threads=2)
        for w in (32, 512)
    )
    assert not narrow[0].values.any() and narrow.dims == ("step", "replica")
    ratio = float(narrow[-1].mean() / wide[-1].mean())
    assert 8.0 < ratio < 32.0  # as 1/width: 16
