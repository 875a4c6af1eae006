"""A training run: its duration, record, clock, factors and headline."""

from __future__ import annotations

import math
from itertools import pairwise

import numpy as np
import pytest

from theorysim.errors import ProblemError
from theorysim.problem import MLP, SGD, Adam, GradientFlow, Training, Warmup, data

DIGITS = data.digits(train=100, test=40)
NET = MLP(depth=1, width=8)


def _run(**given: object) -> Training:
    flow = isinstance(given.get("optimizer"), GradientFlow)
    default = {"time": 10.0} if flow else {"steps": 2000}
    return Training(**{"data": DIGITS, "network": NET, "optimizer": SGD(learning_rate=0.5), **default, **given})


@pytest.mark.parametrize("steps", [1, 2, 29, 1000, 10**6])
def test_default_record(steps: int) -> None:
    recorded = _run(steps=steps).recorded
    assert recorded[:2] == (0, 1) and recorded[-1] == steps
    assert all(a < b for a, b in pairwise(recorded))
    assert len(recorded) <= 31
    assert steps < 1000 or len(recorded) >= 25


def test_given_record_is_kept() -> None:
    assert _run(record=[0, 10, 2000]).recorded == (0, 10, 2000)
    assert _run(record=np.array([0, 10])).recorded == (0, 10)
    assert _run(optimizer=GradientFlow(), record=[0.0, 0.5, 10]).recorded_times == (0.0, 0.5, 10.0)


@pytest.mark.parametrize("time", [0.5, 10.0, 1e6])
def test_default_times_of_gradient_flow(time: float) -> None:
    run = _run(optimizer=GradientFlow(), time=time)
    times = run.recorded_times
    assert times[0] == 0.0 and times[-1] == pytest.approx(time, rel=1e-14) and len(times) == 30
    assert run.recorded == tuple(range(30))
    assert run.clock.tolist() == list(times)
    assert all(a < b for a, b in pairwise(times))


def test_euler_times_are_multiples() -> None:
    times = np.array(_run(optimizer=GradientFlow(euler_step=0.1), time=10.0).recorded_times)
    np.testing.assert_allclose(times / 0.1, np.rint(times / 0.1), atol=1e-9)
    assert times[0] == 0.0 and times[-1] == pytest.approx(10.0)


def test_clock_is_the_time_spent_before_a_step() -> None:
    assert _run(record=(0, 1, 10)).clock.tolist() == [0.0, 0.5, 5.0]
    warm = _run(optimizer=SGD(learning_rate=1.0, schedule=Warmup(steps=4)), record=(0, 1, 2, 4, 6))
    np.testing.assert_allclose(warm.clock, [0.0, 0.25, 0.75, 2.5, 4.5], rtol=1e-15)
    assert _run(record=(0, 1, 10)).recorded_times == (0.0, 0.5, 5.0)


def test_kappa_and_outputs() -> None:
    assert _run().outputs == 10
    assert _run().kappa == pytest.approx(1e-3, rel=1e-15)
    entropy = _run(data=data.digits(train=100, test=40, labels="one-hot"), loss="cross-entropy")
    assert entropy.kappa == 0.01


def test_layers_know_the_data() -> None:
    assert _run().layers.widths == (64, 8, 10)


def test_equality_and_hash_survive_the_caches() -> None:
    one, two = _run(), _run()
    for run in (one, two):
        assert run.samples is run.samples and run.layers is run.layers
        assert run.recorded and run.clock.size
    assert one == two and hash(one) == hash(two)
    assert one != _run(steps=7)
    assert len({one, two, _run(steps=7)}) == 2


def test_frozen() -> None:
    with pytest.raises(ValueError, match="frozen"):
        _run().steps = 3  # type: ignore[misc]


def test_headline() -> None:
    run = Training(
        data=data.digits(train=1000, test=500),
        network=MLP(depth=3, width=1024, activation="relu", parameterization="mup", gamma0=1.0),
        optimizer=SGD(learning_rate=5.0, batch=50),
        steps=2000,
    )
    assert run.describe() == (
        "3-layer relu MLP, width 1024, muP (gamma0 1) on digits (1000 train, 500 test); "
        "SGD, learning rate 5, batch 50, 2000 steps; weight std 1.414, no biases"
    )


@pytest.mark.parametrize(
    ("given", "part"),
    [
        ({"optimizer": GradientFlow(ridge=0.1)}, "gradient flow, ridge 0.1, time 10;"),
        ({"optimizer": SGD(learning_rate=0.1, momentum=0.9, nesterov=True)}, "GD, learning rate 0.1, Nesterov mom"),
        ({"optimizer": Adam(learning_rate=1e-3, weight_decay=0.1), "steps": 1}, "weight decay 0.1, 1 step;"),
        ({"network": MLP(depth=2, width=(4, 8), bias_std=(0.0, 0.1, 0.2))}, "widths 4-8, NTK on"),
        ({"network": MLP(depth=2, width=(4, 8), bias_std=(0.0, 0.1, 0.2))}, "bias std 0 0.1 0.2"),
        ({"network": MLP(depth=1, width=4, activation="leaky_relu", slope=0.2)}, "1-layer leaky relu (0.2) MLP"),
    ],
)
def test_headline_names(given: dict[str, object], part: str) -> None:
    assert part in _run(**given).describe()
    assert "\n" not in _run(**given).describe()


def test_batch_is_checked_when_a_files_size_is_known(tmp_path: object) -> None:
    path = f"{tmp_path}/mine.npz"
    np.savez(path, x=np.eye(4), y=np.arange(4.0))
    run = _run(data=data.file(path), optimizer=SGD(learning_rate=0.1, batch=5))
    with pytest.raises(
        ProblemError, match="training: optimizer's `batch` must be at most the 4 training samples, got 5"
    ):
        _ = run.samples


def test_infinite_width_rates_have_no_surprise_in_json() -> None:
    run = _run(network=MLP(depth=1, width=8, parameterization="mup", gamma0=0.0))
    assert math.isinf(run.layers.output_scale)
    assert Training.from_json(run.to_json()) == run
