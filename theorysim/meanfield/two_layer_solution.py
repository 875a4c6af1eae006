"""A two-layer run as a quadrature: populations that start at points, more of them until the answer is good enough."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
from numpy.typing import NDArray

from theorysim.errors import ProblemError
from theorysim.meanfield.answers import Values, curves
from theorysim.meanfield.batches import Given, order_of, random_batches
from theorysim.meanfield.flow import stiffness
from theorysim.meanfield.inputs import Inputs, inputs_of
from theorysim.meanfield.points import MOST_DIMENSIONS, Points, gauss_hermite, sobol_points
from theorysim.meanfield.population import Population, dimensions
from theorysim.meanfield.population_march import descend, euler, flow
from theorysim.meanfield.scatter import Deviations
from theorysim.problem.optimizer import SGD, GradientFlow
from theorysim.problem.training import Training

Array = NDArray[np.float64]
Outputs = tuple[Array, Array]
Measure = Callable[[Points, int], Outputs]  # points, number of the scrambling -> two arrays over the recorded steps
ErrorOf = Callable[[Outputs, Outputs], float]  # a measure of runs with enough points, and with half as many
SCRAMBLINGS = 16
FEWEST, MOST_NUMBERS, MOST_OPERATIONS = 8, 1 << 24, 2e10
"""Points are 2^8 or more for each scrambling; with the batch they give at most so many activations, and a march of all
scramblings costs at most so many operations."""
FAR = 10.0
"""Error over the tolerance above which points are not added when more of them did not make it smaller."""
FLOW_STEP, FLOW_STEPS = 1.0, 300
"""Gradient flow: Runge-Kutta steps over the inverse of the largest rate (stable to 2.7); how many, about."""
GRIDS = {1: (96, 128), 2: (96, 128), 3: (48, 64)}
"""Dimensions in which a Gauss-Hermite grid is tried first, with the nodes of the coarse and of the fine one."""


class Solver:
    """Populations of one run at points of one's choice, and what they give at a tolerance.

    Attributes
    ----------
    points : str
        What the answer was integrated with.
    """

    def __init__(self, training: Training, *, seed: int, batches: Given = None, temperature: float = 0.0) -> None:
        self.training, self.seed, self.batches, self.temperature = training, seed, batches, temperature
        self.inputs: Inputs = inputs_of(training)
        self.dimensions = dimensions(training, self.inputs)
        self.vary = random_batches(training, batches)
        self.points = ""
        if self.dimensions > MOST_DIMENSIONS:
            raise ProblemError(
                f"meanfield.two_layer: `data` must have at most {MOST_DIMENSIONS} independent inputs, biases and "
                f"outputs together, got {self.dimensions}; use meanfield.deep"
            )

    @property
    def attrs(self) -> dict[str, str | float]:
        """What an answer says about how it was found."""
        return {"points": self.points, "temperature": self.temperature}

    def sobol(self, exponent: int, scrambling: int) -> Points:
        """Return 2^exponent points of one scrambling."""
        return sobol_points(self.dimensions, exponent, self.training.outputs, seed=self.seed, scrambling=scrambling)

    def march(self, points: Points, stream: int) -> Iterator[Population]:
        """Yield the population at each recorded step."""
        population = Population(self.training, self.inputs, points)
        optimizer = self.training.optimizer
        if isinstance(optimizer, GradientFlow):
            for _ in flow(population, self._flow_step(points)):
                yield population
            return
        assert isinstance(optimizer, SGD)
        order = order_of(self.training, seed=self.seed, stream=stream, batches=self.batches)
        for _ in descend(population, optimizer, order, temperature=self.temperature, seed=self.seed, stream=stream):
            yield population

    def _flow_step(self, points: Points) -> float:
        """Return the largest step of gradient flow, halved once where there are more points than the fewest."""
        optimizer = self.training.optimizer
        assert isinstance(optimizer, GradientFlow)
        speed = stiffness(self.training) + optimizer.weight_decay + self.training.kappa * optimizer.ridge
        return FLOW_STEP / speed / (2.0 if len(points.weights) > 2**FEWEST else 1.0)

    def outputs(self, points: Points, stream: int = 0) -> Outputs:
        """Return the outputs at the recorded steps, shapes (K, P, C) and (K, M, C)."""
        optimizer = self.training.optimizer
        with np.errstate(over="ignore", invalid="ignore"):
            if isinstance(optimizer, GradientFlow) and optimizer.euler_step is not None:
                rows = list(euler(Population(self.training, self.inputs, points), optimizer.euler_step))
            else:
                rows = [population.evaluate() for population in self.march(points, stream)]
        train_rows, test_rows = zip(*rows, strict=True)
        return np.stack(train_rows), np.stack(test_rows)

    def kernels_at(self, points: Points, stream: int = 0) -> Outputs:
        """Return <phi phi> and <phi' phi' z.z>/C at the recorded steps, shape (K, P, P) each."""
        rows, inside = [], np.zeros(len(self.inputs.train))
        with np.errstate(over="ignore", invalid="ignore"):
            for population in self.march(points, stream):
                active, slope = population.activations(self.inputs.train, inside)
                size = np.mean(population.p.weights[1] ** 2, axis=1)
                own = population.weights[:, None]
                rows.append((active.T @ (own * active), slope.T @ (own * size[:, None] * slope)))
                if not np.isfinite(rows[-1]).all():
                    raise FloatingPointError("the kernels are not finite")
        features, gradients = zip(*rows, strict=True)
        return np.stack(features), np.stack(gradients)

    def values(self, deviations: Deviations | None, tolerance: float) -> Values:
        """Return all observables: points are added until the error is below the tolerance, or the most are reached."""
        fine, coarse = self._refined(self.outputs, self._loss_error, tolerance)
        return curves(self.training, fine, deviations, vary=self.vary, coarse=coarse)

    def kernels(self, tolerance: float) -> tuple[Outputs, Outputs]:
        """Return <phi phi> and <phi' phi' z.z>/C of independent runs, shape (R, K, P, P) each, and coarser ones."""
        return self._refined(self.kernels_at, self._kernel_error, tolerance)

    def _refined(self, measure: Measure, error: ErrorOf, tolerance: float) -> tuple[Outputs, Outputs]:
        """Return a measure of independent runs with enough points, and with half as many; leading axis: runs.

        Gauss-Hermite grids where dimensions are few and two of them agree, else scrambled Sobol points.
        """
        found = self._on_grids(measure, error, tolerance)
        if found is not None:
            return found
        coarse, exponent, before = self._runs(measure, FEWEST), FEWEST + 1, np.inf
        while True:
            fine = self._runs(measure, exponent)
            now = error(fine, coarse)
            hopeless = now > max(before, FAR * tolerance)  # chaos: neurons that start close part
            if now <= tolerance or hopeless or not self._affordable(exponent + 1):
                self.points = f"{SCRAMBLINGS} scramblings of 2^{exponent} Sobol points in {self.dimensions} dimensions"
                return fine, coarse
            coarse, exponent, before = fine, exponent + 1, now

    def _affordable(self, exponent: int) -> bool:
        """Return whether 2^exponent points fit memory and time."""
        batch = getattr(self.training.optimizer, "batch", None) or len(self.training.samples.x_train)
        activations, steps = batch << exponent, self.training.steps or FLOW_STEPS
        operations = SCRAMBLINGS * steps * activations * (6.0 * self.dimensions + 20.0)
        return activations <= MOST_NUMBERS and operations <= MOST_OPERATIONS

    def _runs(self, measure: Measure, exponent: int) -> Outputs:
        runs = [measure(self.sobol(exponent, stream), stream) for stream in range(SCRAMBLINGS)]
        first, second = zip(*runs, strict=True)
        return np.stack(first), np.stack(second)

    def _on_grids(self, measure: Measure, error: ErrorOf, tolerance: float) -> tuple[Outputs, Outputs] | None:
        """Return a measure on two Gauss-Hermite grids where dimensions are few and they agree."""
        if self.vary or self.temperature > 0.0 or self.dimensions not in GRIDS:
            return None
        coarse, fine = (self._on_grid(measure, nodes) for nodes in GRIDS[self.dimensions])
        if error(fine, coarse) > tolerance:
            return None
        self.points = f"{GRIDS[self.dimensions][1]} Gauss-Hermite nodes in each of {self.dimensions} dimensions"
        return fine, coarse

    def _on_grid(self, measure: Measure, nodes: int) -> Outputs:
        first, second = measure(gauss_hermite(self.dimensions, nodes), 0)
        return first[None], second[None]

    def _loss_error(self, fine: Outputs, coarse: Outputs) -> float:
        """Return the largest relative error of the training loss over the recorded steps.

        Random batches scatter however many points there are: only the change from coarse to fine counts then.
        """
        losses = [curves(self.training, runs, None, vary=self.vary) for runs in (fine, coarse)]
        now, before = (found["train_loss"] for found in losses)
        sampling = np.zeros_like(now) if self.vary else losses[0]["train_loss_error"]
        return float(np.max(np.hypot(sampling, now - before) / np.maximum(now, 0.01 * now[0])))

    def _kernel_error(self, fine: Outputs, coarse: Outputs) -> float:
        """Return the largest error of a kernel over its largest entry at that step."""
        return max(self._relative(*pair) for pair in zip(fine, coarse, strict=True))

    def _relative(self, fine: Array, coarse: Array) -> float:
        """Return the largest error of kernels of a step over their largest entry."""
        sampling = np.zeros_like(fine[0]) if self.vary else fine.std(axis=0) / np.sqrt(len(fine))
        error = np.hypot(sampling, fine.mean(axis=0) - coarse.mean(axis=0)).max(axis=(1, 2))
        return float(np.max(error / np.maximum(np.abs(fine).max(axis=(0, 2, 3)), 1e-300)))
