"""Networks of any width trained without their weight matrices: exact in law, for widths of thousands and more.

A weight matrix acts on a few features and, transposed, on a few gradients; it need be known there alone. Given what it
made of whitened features d_i and gradients e_j, the same matrix on a new feature is

    W phi = sum_i y_i <d_i phi> + sum_j e_j <r_j phi> + (1 - sum_j e_j e_j^T) fresh normal vector times the rest,

and its transpose alike: the march of the mean-field equations (`march`), with as many samples as neurons and fresh
vectors that are made orthogonal to the opposite directions seen there, and to nothing else. Memory and time are width
times directions, not width^2.

Sources  [Bolthausen2014]. Proof: derivations/exact_width.py (`conditioning`).
"""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from theorysim.backend.linalg import single_thread
from theorysim.errors import ProblemError
from theorysim.finite.block import Record
from theorysim.finite.results import dataset
from theorysim.meanfield.batches import Given, order_of
from theorysim.meanfield.deviation import rule_of
from theorysim.meanfield.domain import Refusal, check_arguments, common_refusal, refuse
from theorysim.meanfield.flow import diverged
from theorysim.meanfield.march import March
from theorysim.meanfield.neurons import Fields
from theorysim.meanfield.replicas import batch_of
from theorysim.meanfield.restated import restated
from theorysim.meanfield.setting import Setting, setting_of
from theorysim.meanfield.whitening import Coupling, Noise
from theorysim.problem.optimizer import SGD, Adam
from theorysim.problem.training import Training
from theorysim.problem.validation import shown
from theorysim.solvers.gaussian_process import Span

Array = NDArray[np.float64]
NAME = "meanfield.wide_networks"
DROPPED = 1e-11
"""Share of the squared length of a feature outside the known directions that is dropped: rounding."""
MOST_BYTES = 4 << 30
"""Of the directions of all networks that are trained at once."""


def wide_networks(
    training: Training, *, replicas: int, seed: int = 0, batches: Given = None, threads: int | None = None
) -> xr.Dataset:
    """Train random networks of the problem's width and return their observables, with the dimension ``replica``.

    The law of the answers is that of `train` (not the networks themselves); the cost grows as width times steps times
    samples, so that it pays where steps times samples are fewer than the width.

    Parameters
    ----------
    training : Training
        An MLP of one width in any parameterization; SGD or GD.
    replicas : int
    seed : int
        Draws networks and batches; replica r has the batches of network r of `train`.
    batches : list of ndarray, optional
        Row indices of each step, for all replicas.
    threads : int, optional
        Default: the processor's cores. The numbers do not depend on it.

    Raises
    ------
    ProblemError
        If the hidden widths differ, the optimizer is not SGD, or the directions do not fit into memory.
    FloatingPointError
        If training diverges.
    """
    refuse(NAME, refusal(training))
    check_arguments(NAME, training, device="cpu", batches=batches)
    if isinstance(replicas, bool) or not isinstance(replicas, int) or replicas < 1:
        raise ProblemError(f"{NAME}: `replicas` must be a whole number of at least 1, got {shown(replicas)}")
    stated = restated(training)
    setting = setting_of(stated, samples=stated.network.widths[-1], tolerance=DROPPED)
    count = threads or (len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()) or 1

    def one(stream: int) -> tuple[Array, Array]:
        with np.errstate(all="ignore"):  # divergence is looked for at each step
            return _trained(stated, Network(stated, setting, Noise(seed, stream), count), seed, stream, batches)

    try:
        with single_thread(), ThreadPoolExecutor(count) as pool:
            found = list(pool.map(one, range(replicas)))
    except FloatingPointError as failure:
        raise diverged(NAME, training, failure) from None
    train, test = (np.stack(side, axis=1) for side in zip(*found, strict=True))
    return dataset(training, Record(train, test), seed=seed).assign_attrs(theory=NAME)


def refusal(training: Training) -> Refusal | None:
    """Return why these networks cannot be trained without their matrices, None where they can."""
    if not isinstance(training.optimizer, SGD):
        kind = "Adam (use `train`)" if isinstance(training.optimizer, Adam) else "gradient flow (use small steps)"
        return f"networks are trained by SGD or GD, not by {kind}", None
    reason = common_refusal(restated(training))
    if reason is not None:
        return reason
    if len(set(training.network.widths)) > 1:
        return f"hidden layers have one width, not {training.network.widths} (use `train`)", None
    if training.network.gamma0 == 0.0:
        return "gamma0 = 0 is a limit, not a network", "meanfield.deep"
    return None


class _Conditioned(Span):
    """Directions that a matrix has been seen on: fresh vectors are normal outside them, of any length."""

    def fresh(self, draws: Array) -> Array:
        """Return what normal vectors have outside the span; nothing is included."""
        return self.outside(draws)


class Network(March):
    """One network of finite width.

    Parameters
    ----------
    training : Training
        Stated as `mup`.
    setting : Setting
        With as many samples as the network has neurons.
    noise : Noise
        Random numbers of this network.
    together : int
        Networks that are in memory at once.
    """

    def __init__(self, training: Training, setting: Setting, noise: Noise, together: int) -> None:
        super().__init__(setting, noise)
        width = setting.samples
        self.couplings = [
            Coupling(_Conditioned(width), _Conditioned(width), i + 1, std=float(setting.layers.weight_std[i + 1]),
                     ratio=1.0, noise=noise, tolerance=setting.tolerance)
            for i in range(setting.depth - 1)
        ]  # fmt: skip
        self.most = MOST_BYTES // (together * 24 * width * max(1, setting.depth - 1))
        size = float(setting.layers.bias_std[-1]) / (setting.gamma0 * width**0.5)
        self.bias = size * noise.draw(3 * setting.depth, 1, setting.outputs)[0]
        self.first_outputs = tuple(self._seen(x) for x in (setting.x, setting.x_test))
        if training.network.initial_output == "random":
            self.first_outputs = tuple(np.zeros_like(f) for f in self.first_outputs)

    def _initial(self, layer: int, place: int, rows: int) -> Array:
        """Return normal vectors, not made orthogonal to each other."""
        return self.noise.draw(place, rows, self.setting.samples)

    def _seen(self, x: Array) -> Array:
        """Return what the network computes, shape (n, C); new features make new directions."""
        if not len(x):
            return np.zeros((0, self.setting.outputs))
        inputs = self.now(x)
        return np.asarray(self.outputs_of(self.forward(inputs)[-1], inputs) + self.start.share * self.bias)

    def look(self, rows: NDArray[np.int64]) -> tuple[list[Fields], Array]:
        """Return the fields of a batch of different training samples and its outputs, shape (n, C)."""
        inputs = self.now(self.setting.x[rows])
        fields = self.forward(inputs)
        f = self.outputs_of(fields[-1], inputs) + self.start.share * self.bias
        if self.rank > self.most:
            raise ProblemError(
                f"{NAME}: `width` must be smaller for as many directions as {self.rank}, got {self.setting.samples}"
            )
        return fields, f - self.first_outputs[0][rows]

    def outputs(self, x: Array) -> Array:
        """Return the outputs on the training or on the test samples, shape (n, C)."""
        return self._seen(x) - self.first_outputs[0 if x is self.setting.x else 1]


def _trained(training: Training, network: Network, seed: int, stream: int, batches: Given) -> tuple[Array, Array]:
    """Return the outputs of one network at the recorded steps, shapes (K, P, C) and (K, M, C)."""
    optimizer, setting, recorded = training.optimizer, network.setting, set(training.recorded)
    assert isinstance(optimizer, SGD)
    order = order_of(training, seed=seed, stream=stream, batches=batches)
    etas, found = optimizer.step_sizes(training.steps or 0), []
    for step in range(training.recorded[-1] + 1):
        if step in recorded:
            found.append([network.outputs(x) for x in (setting.x, setting.x_test)])
        if step == training.recorded[-1]:
            break
        rows, weights = batch_of(order, step, len(setting.x))
        fields, f = network.look(rows)
        if not np.isfinite(f).all():
            raise FloatingPointError(f"the outputs are not finite at step {step}")
        network.descend(fields, f, rows, setting.kappa * weights, rule_of(optimizer, float(etas[step]), setting.kappa))
    train, test = zip(*found, strict=True)
    return np.stack(train), np.stack(test)
