"""Training of one block of replicas: the step loop."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from theorysim.finite.batches import Order, Rows, batch_order, fixed
from theorysim.finite.divergence import diverged
from theorysim.finite.flow import flat_parameters, integrate
from theorysim.finite.losses import LOSSES, subtract_rows, targets
from theorysim.finite.network import Parameters, Pass, activation_of, outputs
from theorysim.finite.updates import Penalties, flat, step_factors, update_rule
from theorysim.problem import GradientFlow, Layers, Training

Array = NDArray[np.float64]
Probe = Callable[[int, Parameters], None]  # (index of the record, parameters), at every recorded step
Advance = Callable[[float], None]  # (fraction done); raises to stop

Precision = Literal["double", "single"]
KINDS: dict[str, Any] = {"double": np.float64, "single": np.float32}

FLOW_TOLERANCE = 1e-8


@dataclass(frozen=True)
class Record:
    """Outputs at the recorded steps, shapes (K, R, P, C) and (K, R, M, C)."""

    train: Array
    test: Array


class Block:
    """Some replicas of a run, trained together.

    Parameters
    ----------
    training : Training
        The run.
    replicas : sequence of int
        Their numbers: streams of the generators.
    seed : int
        Key of the generators.
    p : Parameters
        Their initial parameters, changed in place.
    batches : list of ndarray, optional
        Rows of each step, the same for all replicas, in place of drawn ones.
    precision : "double" or "single"
        Of passes and gradients; parameters are kept and updated in double precision.
    """

    def __init__(
        self,
        training: Training,
        replicas: Sequence[int],
        *,
        seed: int,
        p: Parameters,
        batches: Sequence[NDArray[np.int64]] | None = None,
        precision: Precision = "double",
    ) -> None:
        self.training, self.p = training, p
        self.kind = KINDS[precision]
        self.seen = p.cast(self.kind)  # what the passes see: `p` itself in double precision
        self.layers: Layers = training.layers
        self.activation = activation_of(training.network)
        samples = training.samples
        self.x, self.x_test = np.array(samples.x_train, self.kind), np.array(samples.x_test, self.kind)
        self.y = targets(training)[0].astype(self.kind)
        self.loss = LOSSES[training.loss]
        self.passes: dict[int, Pass] = {}
        self.all_rows = np.arange(len(self.x))[None]
        self.order = self._order(replicas, seed, batches)
        self.gradients = self.seen.zeros()
        count = len(training.recorded)
        self.record = Record(*(np.empty((count, *f.shape)) for f in self._evaluate()))
        self.start: tuple[Array, Array] | None = None
        if training.network.initial_output == "subtracted":
            self.start = self._evaluate()

    def _order(self, replicas: Sequence[int], seed: int, batches: Sequence[NDArray[np.int64]] | None) -> Order | None:
        """Return the batch order; None for full batches in the order of the data."""
        optimizer, samples = self.training.optimizer, len(self.x)
        if isinstance(optimizer, GradientFlow):
            return None
        if batches is not None:
            return fixed(batches, samples=samples, steps=self.training.steps or 0).__getitem__
        if optimizer.batch is None:
            return None
        return batch_order(optimizer.sampling, optimizer.batch, samples=samples, replicas=replicas, seed=seed)

    def _pass(self, samples: int) -> Pass:
        if samples not in self.passes:
            self.passes[samples] = Pass(self.layers, self.activation, self.p.replicas, samples, self.kind)
        return self.passes[samples]

    def _evaluate(self) -> tuple[Array, Array]:
        """Return what the networks compute on the training and test samples, nothing subtracted."""
        if self.order is None:
            train = self._pass(len(self.x)).forward(self.seen, self.x).copy()
        else:
            train = outputs(self.seen, self.layers, self.activation, self.x)
        return train, outputs(self.seen, self.layers, self.activation, self.x_test)

    def _keep(self, index: int, train: Array, test: Array) -> None:
        """Write outputs into the record."""
        self.record.train[index], self.record.test[index] = train, test
        if self.start is not None:
            self.record.train[index] -= self.start[0]
            self.record.test[index] -= self.start[1]

    def _gradient(self, f: Array, x: Array, rows: Rows) -> None:
        """Turn the outputs of a forward pass into gradients of the loss; spends `f`."""
        if self.start is not None:
            subtract_rows(f, self.start[0], rows)
        self.loss.gradient(f, self.y, rows)
        self._pass(f.shape[1]).backward(self.seen, x, f, self.gradients)

    def descend(self, probe: Probe | None, advance: Advance) -> Record:
        """Run the update rule up to the last recorded step; return the outputs at the recorded ones."""
        recorded = {step: i for i, step in enumerate(self.training.recorded)}
        steps = self.training.recorded[-1]
        update = update_rule(self.training, self.p)
        for step in range(steps + 1):
            if step in recorded:
                self._keep(recorded[step], *self._evaluate())
                self._check(self.record.train[recorded[step]], step)
                if probe is not None:
                    probe(recorded[step], self.p)
            if step < steps:
                self._step(step, step in recorded)
                update(step, self.gradients)
                self._look()
            advance(step / max(steps, 1))
        return self.record

    def _look(self) -> None:
        """Show the passes the parameters as they are now."""
        if self.seen.weights[0] is not self.p.weights[0]:
            for seen, kept in zip(self.seen.arrays, self.p.arrays, strict=True):
                seen[...] = kept

    def _step(self, step: int, evaluated: bool) -> None:
        """Compute the gradients of a step; a full batch that was just recorded is not passed forward again."""
        if self.order is None:
            x, rows = self.x, self.all_rows
        else:
            rows = self.order(step)
            x = self.x[rows]
        through = self._pass(rows.shape[1])
        f = through.output if evaluated and self.order is None else through.forward(self.seen, x)
        self._check(f, step)
        self._gradient(f, x, rows)

    def _check(self, f: Array, step: int) -> None:
        if not np.isfinite(f.sum()):
            raise diverged(self.training, step)

    def flow(self, probe: Probe | None, advance: Advance) -> Record:
        """Integrate the gradient flow of a single replica; return the outputs at the recorded times."""
        optimizer, times = self.training.optimizer, [float(t) for t in self.training.recorded_times]
        assert isinstance(optimizer, GradientFlow) and self.p.replicas == 1 and self.kind is np.float64
        work, self.p = flat_parameters(self.p)
        self.seen = self.p
        speed, self.gradients = flat_parameters(self.gradients)
        ridge = self.training.kappa * optimizer.ridge
        penalties = Penalties(self.p, step_factors(self.layers), optimizer.weight_decay, ridge)

        def slope(state: Array, out: Array) -> None:
            work[:] = state
            self._gradient(self._pass(len(self.x)).forward(self.p, self.x), self.x, self.all_rows)
            penalties.add(flat(self.gradients))
            np.negative(speed, out=out)

        state = work.copy()
        for index in integrate(slope, state, times, tolerance=FLOW_TOLERANCE, advance=advance):
            work[:] = state
            self._keep(index, *self._evaluate())
            if probe is not None:
                probe(index, self.p)
        return self.record
