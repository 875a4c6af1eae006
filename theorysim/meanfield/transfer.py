"""Transfer of learning rates across widths: loss against learning rate at infinite width, and how fast it is reached.

    E loss(eta, N) = L(eta) + D(eta)/N + O(1/N^2),     log eta*(N) = log eta* - D'(eta*)/(N L''(eta*)) + ...

with derivatives in log eta. In `mup` the optimum has a limit, so that what is best for a narrow network is nearly
best for a wide one. `ntk` and `standard` networks of width N are answered as the `mup` network with the same numbers,
gamma0 = N^-1/2 and their own rates: for `standard` the whole curve moves with N.

Limit    width -> inf at fixed data, depth, gamma0, rates, steps and each learning rate.
Valid    SGD or GD: what meanfield.linear, meanfield.two_layer and meanfield.deep cover; `ntk` and `standard` with
         initial_output = "subtracted", or two linear layers. The drift D is known for two linear layers, exactly;
         otherwise `finite` measures it.
Error    that of the theory that answers. A rate at which training diverges has no loss and is left out.
Sources  [Yang2022]; drift: moments of `meanfield.moments`. Proof: derivations/two_layer.py.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import partial
from importlib import import_module

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from theorysim.finite.training import train
from theorysim.meanfield.domain import Refusal, check_arguments, check_tolerance, refuse
from theorysim.meanfield.domain import verdict as measured
from theorysim.meanfield.moment_curves import checked_rates, moment_curves
from theorysim.meanfield.moment_curves import one_sample as one_sample
from theorysim.meanfield.moments import affordable
from theorysim.meanfield.optimum import optimum as optimum
from theorysim.meanfield.restated import restated as restated
from theorysim.observables import axis
from theorysim.problem.optimizer import SGD
from theorysim.problem.residual import ResidualMLP
from theorysim.problem.training import Training
from theorysim.theory import Verdict

Array = NDArray[np.float64]
Problem = Training
OBSERVABLES = ("train_loss", "test_loss")
SOURCES = ("Yang2022",)
NAME = "meanfield.transfer"
THEORIES = ("meanfield.linear", "meanfield.two_layer", "meanfield.deep")
"""Theories that answer, the first that covers a problem."""
FACTORS = tuple(2.0 ** (k / 2) for k in range(-6, 5))
"""Learning rates taken by default, over that of the problem."""


def validity(training: Training) -> Verdict:
    """Predict the scatter of the outputs between networks of this width, relative to the labels."""
    reason = refusal(training)
    return measured(NAME, training if reason else restated(training), reason)


def refusal(training: Training) -> Refusal | None:
    """Return why this problem has no curve of learning rates, None where it has."""
    if not isinstance(training.optimizer, SGD):
        return "learning rates are those of SGD and GD", None
    stated = restated(training)
    if _exact(stated):
        return None
    if stated is not training and training.network.initial_output == "random":
        text = f"outputs of {training.network.parameterization} networks start at random, of order 1 at every width"
        return f'{text} (set initial_output = "subtracted", or train networks with `finite`)', None
    if all(_refused(name, stated) is not None for name in THEORIES):
        return _refused(THEORIES[-1], stated)
    return None


def limit(
    training: Training,
    *,
    seed: int = 0,
    tolerance: float | None = None,
    device: str = "cpu",
    learning_rates: Iterable[float] | None = None,
) -> xr.Dataset:
    """Return the losses at infinite width against the learning rate.

    Parameters
    ----------
    training : Training
        Its own learning rate gives the default range, its width the X_std.
    seed, tolerance, device
        As in the theory that answers (``attrs["answered_by"]``).
    learning_rates : iterable of float, optional
        Default: 1/8 to 4 times that of the problem.

    Returns
    -------
    Dataset
        ``train_loss`` and ``test_loss`` over learning_rate and step, with _std and _error; ``train_loss_drift`` and
        ``test_loss_drift``, D in E loss = L + D/N, for two-layer linear networks. attrs: ``diverged``, the rates left
        out.

    Raises
    ------
    ProblemError
        If no mean-field theory covers the problem.
    FloatingPointError
        If training diverges at every learning rate.
    """
    refuse(NAME, refusal(training))
    check_arguments(NAME, training, device=device, batches=None)
    check_tolerance(NAME, tolerance)
    stated = restated(training)
    if _exact(stated):
        one: Callable[[Training], xr.Dataset] = partial(moment_curves, seed=seed)
        answered = "meanfield.moments"
    else:
        answered = next(name for name in THEORIES if _refused(name, stated) is None)
        whole = import_module(f"theorysim.{answered}").limit
        one = partial(whole, seed=seed, tolerance=tolerance, device=device)
    found = _swept(stated, learning_rates, one)
    return found.assign_attrs(theory=NAME, answered_by=answered, problem=training.to_json())


def finite(
    training: Training,
    *,
    replicas: int,
    seed: int,
    device: str = "cpu",
    learning_rates: Iterable[float] | None = None,
) -> xr.Dataset:
    """Train networks of the problem's width at every learning rate: the losses, with the dimension ``replica``."""
    if not isinstance(training.optimizer, SGD):
        refuse(NAME, refusal(training))
    return _swept(training, learning_rates, partial(train, replicas=replicas, seed=seed, device=device))


def _exact(training: Training) -> bool:
    """Return whether second moments answer, with the drift."""
    network = training.network
    if isinstance(network, ResidualMLP) or network.depth != 1 or network.activation_name != "linear":
        return False
    lazy = network.gamma0 == 0.0 and network.initial_output == "random"  # infinite width first: nothing scatters
    return not lazy and affordable(training)


def _refused(name: str, training: Training) -> Refusal | None:
    found: Refusal | None = import_module(f"theorysim.{name}").refusal(training)
    return found


def _swept(
    training: Training, learning_rates: Iterable[float] | None, one: Callable[[Training], xr.Dataset]
) -> xr.Dataset:
    """Return the losses at every learning rate that is stable."""
    assert isinstance(training.optimizer, SGD)
    own = training.optimizer.learning_rate
    rates = checked_rates([own * factor for factor in FACTORS] if learning_rates is None else learning_rates).tolist()
    parts, kept, diverged = [], [], []
    for rate in rates:
        try:
            found = one(training.at_learning_rate(rate))
        except FloatingPointError:
            diverged.append(rate)
            continue
        names = [name for name in found if str(name).startswith(OBSERVABLES)]
        parts.append(found[names].drop_vars("time", errors="ignore"))
        kept.append(rate)
    if not parts:
        raise FloatingPointError(f"{NAME}: training diverges at every learning rate from {min(rates):.3g}")
    joined = xr.concat(parts, dim=axis("learning_rate", kept), combine_attrs="drop_conflicts")
    return joined.assign_attrs(problem=training.to_json(), diverged=diverged)
