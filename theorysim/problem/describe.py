"""A training run in one line."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from theorysim.problem.data import File
from theorysim.problem.optimizer import SGD, GradientFlow, Optimizer
from theorysim.problem.residual import ResidualMLP
from theorysim.problem.schedule import Cosine, PowerLaw, Schedule, Warmup

if TYPE_CHECKING:
    from theorysim.problem.network import MLP
    from theorysim.problem.training import Training

_PARAMETERIZATION = {"ntk": "NTK", "standard": "standard", "mup": "muP"}


def headline(training: Training) -> str:
    """Return ``3-layer relu MLP, width 1024, ... on digits (...); SGD, learning rate 5, ...; weight std ...``."""
    data, samples = training.data, training.samples
    name = Path(data.path).name if isinstance(data, File) else data.name.replace("_", " ")
    duration = f"time {training.time:g}" if training.steps is None else _count(training.steps, "step")
    loss = "" if training.loss == "mse" else ", cross-entropy"
    return (
        f"{_network(training.network)} on {name} ({len(samples.x_train)} train, {len(samples.x_test)} test); "
        f"{_optimizer(training.optimizer)}, {duration}{loss}; {_deviations(training.network)}"
    )


def _network(network: MLP | ResidualMLP) -> str:
    widths = set(network.widths)
    width = f"width {widths.pop()}" if len(widths) == 1 else f"widths {'-'.join(map(str, network.widths))}"
    richness = "" if network.gamma0 is None else f" (gamma0 {network.gamma0:g})"
    activation = network.activation_name.replace("_", " ")
    parameters = [f"{network.slope:g}"] if network.slope is not None else []
    for name, value in getattr(network.activation, "parameters", ()):
        parameters += [f"{name} {value:g}" if isinstance(value, int | float) else f"{name} {value}"]
    slope = f" ({', '.join(parameters)})" if parameters else ""
    subtracted = ", initial output subtracted" if network.initial_output == "subtracted" else ""
    kind = _PARAMETERIZATION[network.parameterization]
    shape = f"{network.depth}-layer {activation}{slope} MLP"
    if isinstance(network, ResidualMLP):
        shape = f"residual {activation}{slope} network of {_count(network.depth, 'block')}"
    return f"{shape}, {width}, {kind}{richness}{subtracted}"


def _optimizer(optimizer: Optimizer) -> str:
    words = [_name(optimizer)]
    if not isinstance(optimizer, GradientFlow):
        words += [f"learning rate {optimizer.learning_rate:g}{_schedule(optimizer.schedule)}"]
        words += [f"batch {optimizer.batch}"] if optimizer.batch else []
    if isinstance(optimizer, SGD) and optimizer.momentum:
        words += [f"{'Nesterov ' if optimizer.nesterov else ''}momentum {optimizer.momentum:g}"]
    ridge = getattr(optimizer, "ridge", 0.0)
    words += [f"ridge {ridge:g}"] if ridge else []
    words += [f"weight decay {optimizer.weight_decay:g}"] if optimizer.weight_decay else []
    return ", ".join(words)


def _name(optimizer: Optimizer) -> str:
    if isinstance(optimizer, SGD):
        return "GD" if optimizer.batch is None else "SGD"
    return "gradient flow" if isinstance(optimizer, GradientFlow) else "Adam"


def _schedule(schedule: Schedule | None) -> str:
    if isinstance(schedule, Warmup):
        return f" after {_count(schedule.steps, 'warm-up step')}"
    if isinstance(schedule, Cosine):
        return " (cosine)"
    if isinstance(schedule, PowerLaw):
        return f" (power law {schedule.exponent:g})"
    return "" if schedule is None else " (own schedule, largest)"


def _deviations(network: MLP | ResidualMLP) -> str:
    if isinstance(network, ResidualMLP):
        return f"weight std {_numbers(network.weight_std)}, branch scale {_numbers(network.branch_scale)}"
    weight = network.default_weight_std if network.weight_std is None else network.weight_std
    bias = "no biases" if network.bias_std is None else f"bias std {_numbers(network.bias_std)}"
    return f"weight std {_numbers(weight)}, {bias}"


def _numbers(value: float | tuple[float, ...]) -> str:
    return " ".join(f"{each:.4g}" for each in (value if isinstance(value, tuple) else (value,)))


def _count(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"
