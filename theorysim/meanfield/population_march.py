"""How a population of neurons moves: steps of SGD, gradient flow, and steps of the output in its tangent kernel.

The optimizer is that of the finite networks: momentum, decay, ridge and schedules act on each neuron's numbers.
Langevin noise, where asked for, is drawn for each neuron at each step.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
from numpy.typing import NDArray

from theorysim.backend.random import NOISE, normals
from theorysim.finite.batches import Order
from theorysim.finite.flow import flat_parameters
from theorysim.finite.network import Parameters
from theorysim.finite.updates import Descent, Penalties, flat
from theorysim.meanfield.flow_grid import flow_steps
from theorysim.meanfield.population import Population
from theorysim.problem.optimizer import SGD, GradientFlow

Array = NDArray[np.float64]


def descend(
    population: Population, optimizer: SGD, order: Order | None, *, temperature: float, seed: int, stream: int
) -> Iterator[int]:
    """Train a population by the steps of its run; yields each recorded step when it is there.

    Parameters
    ----------
    order : callable or None
        Batches.
    temperature : float
        tau of Langevin noise: a step adds sqrt(2 eta_k tau) N(0, 1) to every standard normal variable of a neuron.
    seed, stream : int
        Draw that noise.
    """
    training, p = population.training, population.p
    steps, recorded = training.recorded[-1], set(training.recorded)
    etas, gradients = optimizer.step_sizes(training.steps or 0), p.zeros()
    update = Descent(optimizer, population.rates, p, training.kappa, etas)
    for k in range(steps + 1):
        if k in recorded:
            yield k
        if k < steps:
            population.step(None if order is None else order(k)[0], gradients)
            update(k, gradients)
            if temperature > 0.0:
                _heat(population, np.sqrt(2.0 * etas[k] * temperature), seed=seed, stream=stream, step=k)
            _check(p, k + 1)


def _heat(population: Population, size: float, *, seed: int, stream: int, step: int) -> None:
    """Add Langevin noise to inputs, bias and readout weights of each neuron.

    Neurons of the second half of the points mirror those of the first in their readout weights; so does the noise.
    """
    layers, (v, z, beyond), b = population.training.layers, population.p.weights, population.p.biases[0]
    half = normals((len(v) // 2, v.shape[1] + z.shape[1] + 2), seed=seed, stream=stream, purpose=NOISE, step=step)
    noise = np.concatenate([half, half])
    noise[len(half) :, v.shape[1] : -2] *= -1.0
    v += size * layers.weight_std[0] * noise[:, : v.shape[1]]
    z += size * layers.weight_std[1] * noise[:, v.shape[1] : -2]
    beyond += size * layers.weight_std[0] * noise[:, -2]
    b += size * layers.bias_std[0] * noise[:, -1]


def flow(population: Population, largest: float) -> Iterator[int]:
    """Move a population along gradient flow; yields the index of each recorded time when it is there.

    Runge-Kutta steps of order 4 on a grid that meets the times: steps chosen by the error of single neurons would
    collapse where activations have kinks, of which the outputs, averages over neurons, know nothing.

    Parameters
    ----------
    largest : float
        Largest step.
    """
    training, optimizer = population.training, population.training.optimizer
    assert isinstance(optimizer, GradientFlow)
    work, population.p = flat_parameters(population.p)
    speed, gradients = flat_parameters(population.p.zeros())
    penalties = Penalties(population.p, population.rates, optimizer.weight_decay, training.kappa * optimizer.ridge)
    sizes, places = flow_steps(training, largest)

    def slope() -> Array:
        population.step(None, gradients)
        penalties.add(flat(gradients))
        return -speed

    for k in range(len(sizes) + 1):
        yield from (index for index, place in enumerate(places) if place == k)
        if k < len(sizes):
            _runge_kutta(work, slope, float(sizes[k]))
            _check(population.p, k + 1)


def _runge_kutta(state: Array, slope: Callable[[], Array], h: float) -> None:
    """Move the state, of which `slope` returns the speed, by one classical step."""
    start, total = state.copy(), np.zeros_like(state)
    for weight, share in ((1.0, 0.5), (2.0, 0.5), (2.0, 1.0), (1.0, 0.0)):
        speed = slope()
        total += weight * speed
        state[:] = start + share * h * speed
    state[:] = start + h / 6.0 * total


def euler(population: Population, step: float) -> Iterator[tuple[Array, Array]]:
    """Move the outputs by their tangent kernel, step by step; yields train and test outputs at each recorded time."""
    training, p, inputs = population.training, population.p, population.inputs
    places = [round(t / step) for t in training.recorded_times]
    train, test = population.evaluate()
    gradients, samples = p.zeros(), len(train)
    e, beyond = np.concatenate([inputs.train, inputs.test]), np.append(np.zeros(samples), inputs.beyond)
    for k in range(places[-1] + 1):
        if k in places:
            yield train, test
        active, slope = population.activations(e, beyond)
        delta = population.errors(train, population.target) / samples
        population.gradients(inputs.train, active[:, :samples], slope[:, :samples], delta, gradients)
        for array, rate in zip(gradients.arrays, population.rates, strict=True):
            array *= -step * rate
        change = population.along(gradients, active, slope, e)
        train, test = train + change[:samples], test + change[samples:]
        for array, move in zip(p.arrays, gradients.arrays, strict=True):
            array += move
        _check(p, k + 1)


def _check(p: Parameters, step: int) -> None:
    if not np.isfinite(sum(float(array.sum()) for array in p.arrays)):
        raise FloatingPointError(f"the neurons are not finite at step {step}")
