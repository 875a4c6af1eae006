"""Replay runs of PyTorch step by step, and compare the processor time of one thread.

    python replay_torch.py prepare RUN.toml RUN.npz     writes the data and the run for train_torch.py
    python replay_torch.py compare OUT.npz              compares every step with what train_torch.py wrote
    python replay_torch.py time --python PYTHON         both, for the runs below; PYTHON has torch

The fixture of tests/finite/test_replay_torch.py is RUNS["fixture"].
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from theorysim.finite.replay import replay
from theorysim.finite.training import train
from theorysim.problem import MLP, SGD, Adam, Training, data

RUNS = {
    "fixture": Training(
        data=data.digits(train=20, test=5, labels="one-hot"),
        network=MLP(depth=2, width=16, parameterization="standard", bias_std=0.1),
        optimizer=SGD(learning_rate=0.4, batch=6, momentum=0.8, weight_decay=0.01, sampling="epochs"),
        steps=16,
    ),
    "full batch": Training(
        data=data.digits(train=1000, test=500, labels="one-hot-centred"),
        network=MLP(depth=3, width=512),
        optimizer=SGD(learning_rate=1.0),
        steps=200,
    ),
    "batch 50": Training(
        data=data.digits(train=1000, test=500, labels="one-hot"),
        network=MLP(depth=3, width=512, parameterization="standard"),
        optimizer=SGD(learning_rate=0.1, batch=50, momentum=0.9, sampling="epochs"),
        steps=400,
        loss="cross-entropy",
    ),
    "batch 50, mup": Training(
        data=data.digits(train=1000, test=500, labels="one-hot"),
        network=MLP(depth=3, width=512, parameterization="mup", gamma0=1.0, activation="tanh"),
        optimizer=SGD(learning_rate=1.0, batch=50, sampling="epochs"),
        steps=400,
    ),
    "small, adam": Training(
        data=data.digits(train=1000, test=500, labels="one-hot"),
        network=MLP(depth=2, width=64, parameterization="standard", bias_std=0.0),
        optimizer=Adam(learning_rate=0.001, batch=50, sampling="epochs"),
        steps=400,
        loss="cross-entropy",
    ),
}


def prepare(training: Training, target: Path, *, outputs: bool = True, seed: int = 0) -> None:
    """Write data and run, for a program that knows nothing of ours."""
    samples, layers = training.samples, training.layers
    y = samples.y_train if training.loss == "mse" else samples.classes_train
    assert y is not None
    run = {
        **{part: json.loads(training.to_json())[part] for part in ("network", "optimizer")},
        "loss": training.loss, "steps": training.steps, "outputs": outputs, "seed": seed,
        "widths": layers.widths, "has_bias": layers.has_bias,
        "weight_std": layers.weight_std.tolist(), "bias_std": layers.bias_std.tolist(),
    }  # fmt: skip
    defaults = {"batch": None, "momentum": 0.0, "nesterov": False, "weight_decay": 0.0}
    adam = {"beta1": 0.9, "beta2": 0.999, "epsilon": 1e-8}
    run["optimizer"] = {**defaults, **adam, **run["optimizer"]}
    np.savez(
        target, run=json.dumps(run), problem=training.to_json(), x_train=samples.x_train, y_train=y,
        x_test=samples.x_test,
    )  # fmt: skip


def batches_in(out: dict[str, np.ndarray]) -> list[np.ndarray] | None:
    """Return the rows of each step, or None for full batches."""
    return np.split(out["batches"], np.cumsum(out["sizes"])[:-1]) if "batches" in out else None


def stated(out: dict[str, np.ndarray], record: tuple[int, ...]) -> Training:
    """Return the run that was prepared, recorded at these steps."""
    training = Training.from_json(str(out["problem"]))
    return Training(
        data=training.data, network=training.network, optimizer=training.optimizer, steps=training.steps,
        loss=training.loss, record=record,
    )  # fmt: skip


def largest_difference(out: dict[str, np.ndarray], path: Path) -> float:
    """Return max |ours - theirs| over all steps, samples and outputs, relative to the largest output."""
    training = stated(out, tuple(range(len(out["test_outputs"]))))
    ours, worst = replay(training, path, batches_in(out)), 0.0
    for name in ("train", "test"):
        theirs = out[f"{name}_outputs"]
        difference = np.abs(ours[f"{name}_prediction"].values[..., 0] - theirs).max()
        worst = max(worst, float(difference / np.abs(theirs).max()))
    return worst


def seconds_of(out: dict[str, np.ndarray], path: Path) -> float:
    """Return the processor seconds of our training loop, recorded at the ends only, compiled before."""
    steps = int(json.loads(str(out["run"]))["steps"])
    replay(stated(out, (0, 3)), path, batches_in(out))
    training = stated(out, (0, steps))
    assert training.samples is not None
    began = time.process_time()
    train(training, replicas=1, initial=path, batches=batches_in(out), threads=1)
    return time.process_time() - began


def loaded(path: Path) -> dict[str, np.ndarray]:
    """Return the arrays of an npz file."""
    with np.load(path, allow_pickle=False) as archive:
        return {name: archive[name] for name in archive.files}


def side_by_side(python: str, folder: Path) -> None:
    """Train each run in PyTorch and here; print differences and the ratio of times."""
    print("run              difference  torch ms  ours ms ours/torch   (a step, one thread)")
    for name, training in RUNS.items():
        source, target = folder / "run.npz", folder / "out.npz"
        prepare(training, source)
        script = Path(__file__).with_name("train_torch.py")
        subprocess.run([python, script, source, target], check=True, stdout=subprocess.DEVNULL)
        out = loaded(target)
        theirs, ours = float(out["seconds"]), seconds_of(out, target)
        steps = training.steps or 1
        print(
            f"{name:16s} {largest_difference(out, target):10.1e} {1e3 * theirs / steps:9.3f} "
            f"{1e3 * ours / steps:8.3f} {ours / theirs:10.2f}"
        )


def main(verb: str, *arguments: str) -> None:
    """Do what the first word says."""
    if verb == "prepare":
        prepare(Training.read(arguments[0]), Path(arguments[1]))
    elif verb == "compare":
        print(f"largest relative difference {largest_difference(loaded(Path(arguments[0])), Path(arguments[0])):.1e}")
    elif verb == "time":
        with tempfile.TemporaryDirectory() as folder:
            side_by_side(arguments[1], Path(folder))
    else:
        raise SystemExit(__doc__)


if __name__ == "__main__":
    main(*sys.argv[1:] or ("help",))
