"""Answers made by formula, for the tests of what only shows answers."""

from __future__ import annotations

import json

import numpy as np
import xarray as xr

from theorysim.observables import labelled

STEPS = np.array([0, 1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1000])
PROBLEM = {"optimizer": {"name": "sgd", "learning_rate": 2.0}}


def curves() -> dict[str, np.ndarray]:
    loss = 0.4 * np.exp(-STEPS / 200.0) + 0.01
    return {"train_loss": loss, "test_loss": 1.1 * loss, "train_accuracy": 1 - loss, "test_accuracy": 1 - 1.2 * loss}


def forecast(**attrs: object) -> xr.Dataset:
    values = {}
    for name, curve in curves().items():
        values |= {name: curve, f"{name}_std": 0.01 * curve, f"{name}_error": np.full(curve.shape, 1e-4)}
    verdicts = [
        {"theory": "kernels.mlp", "applies": True, "number": 0.031, "threshold": 0.05,
         "reason": "predicted kernel change 3.1 %", "instead": None},
        {"theory": "depth/width", "applies": True, "number": 0.003, "threshold": 0.04,
         "reason": "3/1024, calibrated up to 0.04", "instead": None},
        {"theory": "twins", "applies": False, "number": 3.0, "threshold": 1.0,
         "reason": "the twins disagree", "instead": None},
        {"theory": "kernels.mlp", "applies": False, "number": 3.0, "threshold": 1.0,
         "reason": "the network is not mup", "instead": "kernels.mlp"},
    ]  # fmt: skip
    held = {"problem": json.dumps(PROBLEM), "theory": "kernels.mlp", "version": "0", "seed": 1,
            "verdicts": json.dumps(verdicts), "largest_stable_learning_rate": 19.04}  # fmt: skip
    return labelled(values, steps=STEPS, time=2.0 * STEPS, attrs=held | attrs)


def trained(replicas: int = 4) -> xr.Dataset:
    wobble = 1.0 + 0.01 * np.cos(np.arange(replicas) * 2.0 + np.arange(STEPS.size)[:, None])
    values = {name: curve[:, None] * wobble for name, curve in curves().items()}
    return labelled(values, steps=STEPS, time=2.0 * STEPS, attrs={"problem": json.dumps(PROBLEM)},
                    replicas=np.arange(replicas))  # fmt: skip
