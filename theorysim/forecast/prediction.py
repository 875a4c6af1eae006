"""Forecast of a training run: the nearest limit, twins for the distance to it, and an honest band.

The registered theories are asked for their verdicts, in order; the first one that applies, is near and costs no more
than networks gives the point at 1/N = 0 and, where it can, the control variate; narrower twins give the rest
(`twins`, `width`, `interpolate`). Without a theory the ladder of
twins stands alone and the forecast is labelled a simulation, as it is where the network is so small that it can
be trained itself.

X is the mean over initialisations and batches, X_std the scatter of one run, X_error the error of the method.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from functools import partial
from typing import Any

import numpy as np
import xarray as xr

from theorysim.errors import ProblemError
from theorysim.finite.cost import seconds
from theorysim.finite.divergence import stable_rate
from theorysim.finite.training import train
from theorysim.forecast.interpolate import MEASURED, PROVED, RADIUS
from theorysim.forecast.ladder import LARGEST_RATIO, planned
from theorysim.forecast.nearest import FAR, Nearest, nearest
from theorysim.forecast.trust import findings, rate_verdict
from theorysim.forecast.twins import CURVES, Twin, trained_twin
from theorysim.forecast.width import Curve, Log, Logit, Scale, Target, carried
from theorysim.observables import labelled
from theorysim.problem import SGD, Adam, Training
from theorysim.theories import TRAINING, theory
from theorysim.theory import Verdict

Array = np.ndarray[Any, np.dtype[np.float64]]

TOLERANCE = 0.01
LIMIT, BUDGET, BUDGET_ALONE = 2.0, 2.0, 5.0
"""Seconds of two cores for a limit, for twins beside it, and for twins without."""
LONG, SHARE = 30.0, 0.047
"""Seconds on two cores from which a training run is long, and the share of it that its forecast may cost."""
LOST = 3.0
"""Times its threshold at which a theory's measure of validity leaves nothing of an expansion about the limit."""
DIRECT, FEWEST = 64, 16
"""Most and fewest networks trained where the user's own network is trained."""
SMALLEST = 32
"""Widths below this are trained, not extrapolated."""
SIMULATION = "simulation (ladder of twins)"


def forecast(
    training: Training,
    *,
    seed: int = 0,
    tolerance: float | None = None,
    progress: Callable[[float], None] | None = None,
) -> xr.Dataset:
    """Predict the learning curves of a network of the user's width, with error bars and verdicts.

    Parameters
    ----------
    training : Training
    seed : int
        Seed of the twins.
    tolerance : float, optional
        Relative standard error wanted for the mean losses (default 1 %); smaller costs more.
    progress : callable, optional
        Called with the fraction done.

    Returns
    -------
    Dataset
        ``train_loss``, ``test_loss`` and accuracies over ``step``, each with ``_std`` (one run) and ``_error``;
        attrs: theory, method, verdicts (JSON), twins (JSON), largest_stable_learning_rate where known.

    Raises
    ------
    ProblemError
        If nothing can be said: depth/width too large, or training diverges. The nearest problem is named.
    """
    report = progress or (lambda fraction: None)
    worth = _worth(training) * max(1.0, TOLERANCE / (tolerance or TOLERANCE)) ** 2
    verdicts = _verdicts(training, worth)
    report(0.1)
    start = nearest(training, verdicts, seed, tolerance)
    report(0.3)
    width = training.network.widths[-1]
    if width < SMALLEST:
        return _simulated(training, verdicts, start, seed, f"width {width} is too narrow for twins")
    affordable = min(DIRECT, int(BUDGET_ALONE / seconds(training, width)))
    if start is not None and start.far and affordable >= FEWEST:
        why = f"{start.theory} is far and the network is cheap"
        return _simulated(training, verdicts, start, seed, why, affordable)
    twins = _twins(training, start, seed, TOLERANCE if tolerance is None else tolerance, report)
    if not twins and (start is None or not start.usable):
        return _simulated(training, verdicts, start, seed, f"no twin of width {width} makes sense")
    curves = _curves(training, start, twins)
    method = start.theory if start is not None and start.usable else SIMULATION
    verdicts += findings(training, start, twins, curves)
    report(1.0)
    return _answer(training, curves, start, method, verdicts, seed, {t.width: t.replicas for t in twins})


def _verdicts(training: Training, worth: float) -> list[Verdict]:
    """Ask theory after theory until one applies and is near: the others could only be dearer."""
    verdicts: list[Verdict] = []
    for name in TRAINING:
        verdicts.append(_verdict(name, training, worth))
        if verdicts[-1].applies and verdicts[-1].number <= FAR * verdicts[-1].threshold:
            break
    return verdicts


def _verdict(name: str, training: Training, worth: float) -> Verdict:
    """Return a theory's verdict; where its own probe diverges or networks are cheaper, that it does not apply."""
    module: Any = theory(name)
    try:
        price = getattr(module, "price", None)
        if price is not None and module.refusal(training) is None and (cost := price(training, worth)) > worth:
            reason = f"its limit would take {cost:.2g} s or more, networks are cheaper"
            return Verdict(theory=name, applies=False, number=cost, threshold=worth, reason=reason)
        return module.validity(training)  # type: ignore[no-any-return]
    except FloatingPointError as failure:
        return Verdict(theory=name, applies=False, number=math.nan, threshold=math.nan, reason=str(failure))


def _twins(
    training: Training, start: Nearest | None, seed: int, tolerance: float, report: Callable[[float], None]
) -> list[Twin]:
    """Plan and train the twins; a width that diverges is left out."""
    alone = start is None or not start.usable
    split = alone and _vanishing_output(training)
    held = _held(training, start, seed)
    spent = sum(replicas * seconds(training, width, "single") for width, replicas in held.items())
    budget = _budget(training, None if alone else start) * max(1.0, TOLERANCE / tolerance) ** 2 - spent
    limit_error = None if alone else 0.002
    wanted = partial(planned, training, reach=_reach(training, start), limit_error=limit_error, tolerance=tolerance,
                     budget=max(budget, 0.0), held=held)  # fmt: skip
    plan = wanted(split=split)
    if split and plan.seconds > budget:
        split, plan = False, wanted(split=False)
    _refuse_deep(training, plan.ladder)
    twins = []
    for i, (width, replicas) in enumerate(plan.ladder):
        controls = None if start is None else start.controls
        try:
            twins.append(trained_twin(training, width, replicas, seed=seed, split=split, controls=controls))
        except FloatingPointError:
            continue
        finally:
            report(0.3 + 0.6 * (i + 1) / len(plan.ladder))
    if plan.ladder and not twins:
        _refuse_unstable(training, start)
    return twins


def _worth(training: Training) -> float:
    """Return the seconds of two cores that a limit may cost before networks are cheaper."""
    whole = seconds(training, training.network.widths[-1])
    return SHARE * whole if whole > LONG else LIMIT


def _budget(training: Training, start: Nearest | None) -> float:
    """Return the seconds of two cores that twins may cost: of a long run, what the limit leaves of its share."""
    whole = seconds(training, training.network.widths[-1])
    if whole > LONG:
        return SHARE * whole - (0.0 if start is None else _price(start.theory, training))
    return BUDGET_ALONE if start is None else BUDGET


def _price(name: str, training: Training) -> float:
    price = getattr(theory(name), "price", None)
    return 0.0 if price is None else float(price(training, math.inf))


def _held(training: Training, start: Nearest | None, seed: int) -> dict[int, int]:
    """Return the twins that a theory trained for its verdict (always from seed 0)."""
    probe = None if start is None or seed != 0 else getattr(theory(start.theory), "probe", None)
    return {} if probe is None else dict([probe(training)])


def _reach(training: Training, start: Nearest | None) -> float:
    """Return the width at which all powers of 1/N matter alike: by depth, or by the theory's own measure."""
    network = training.network
    measured = 0.0 if start is None else start.distance * network.widths[-1] / LOST
    return max(network.depth / RADIUS, measured)


def _vanishing_output(training: Training) -> bool:
    """Return whether the initial output is random and vanishes as the width grows."""
    network = training.network
    return network.parameterization == "mup" and network.initial_output == "random"


def _refuse_deep(training: Training, ladder: Sequence[object]) -> None:
    depth, width = training.network.depth, training.network.widths[-1]
    if ladder or 2 * depth / width <= LARGEST_RATIO or seconds(training, width) * DIRECT <= 10 * BUDGET:
        return
    least = math.ceil(4 * depth / LARGEST_RATIO)
    raise ProblemError(
        f"forecast: depth/width must be below {LARGEST_RATIO / 4:.2g} for networks too dear to train here, got "
        f"{depth}/{width}; the nearest problem that can be forecast has width {least}"
    )


def _refuse_unstable(training: Training, start: Nearest | None) -> None:
    stable = None if start is None else start.limit.attrs.get("largest_stable_learning_rate")
    if stable is None and isinstance(training.optimizer, SGD):
        stable = stable_rate(training)
    nearest = "a smaller one" if stable is None else f"one below {stable:.3g}"
    rate = getattr(training.optimizer, "learning_rate", math.nan)
    raise ProblemError(
        f"forecast: training diverges at `learning_rate` {rate:.3g}; the nearest that can be forecast is {nearest}"
    )


def _scale(name: str, training: Training) -> Scale:
    if name.endswith("loss"):
        return Log()
    samples = training.samples
    return Logit(len(samples.x_train) if name.startswith("train") else len(samples.x_test))


def _curves(training: Training, start: Nearest | None, twins: Sequence[Twin]) -> dict[str, Curve]:
    network = training.network
    quiet = network.initial_output == "subtracted" or network.parameterization == "mup"
    vanishing = quiet and getattr(training.optimizer, "batch", None) is None
    # frozen rates of Adam are measured, not proved (conventions, section 4)
    laws = MEASURED if isinstance(training.optimizer, Adam) else PROVED
    target = Target(network.widths[-1], _reach(training, start), vanishing, laws)
    held = twins[0].curves if twins else {} if start is None else start.limit
    names = [name for name in CURVES if name in held]
    limits = {name: None if start is None else start.known(name) for name in names}
    return {name: carried(name, limits[name], twins, target, _scale(name, training)) for name in names}


def _simulated(
    training: Training,
    verdicts: Sequence[Verdict],
    start: Nearest | None,
    seed: int,
    why: str,
    replicas: int = DIRECT,
) -> xr.Dataset:
    """Train the network itself, where that is better and no dearer than theory and twins."""
    try:
        runs = train(training, replicas=replicas, seed=seed)
    except FloatingPointError:
        _refuse_unstable(training, start)
    curves = {}
    for name in (name for name in CURVES if name in runs):
        mean, std = runs[name].mean("replica").values, runs[name].std("replica", ddof=1).values
        error = std / math.sqrt(replicas)
        curves[name] = Curve(mean, std, error, error, np.zeros_like(error))
    reason = f"{why}: the network itself was trained, {replicas} times"
    row = Verdict(theory="simulation", applies=True, number=replicas, threshold=FEWEST, reason=reason)
    rate = rate_verdict(start)
    rows = [*verdicts, *([] if rate is None else [rate]), row]
    return _answer(training, curves, start, "simulation", rows, seed, {training.network.widths[-1]: replicas})


def _answer(
    training: Training,
    curves: Mapping[str, Curve],
    start: Nearest | None,
    method: str,
    verdicts: Sequence[Verdict],
    seed: int,
    twins: Mapping[int, int],
) -> xr.Dataset:
    """Label the curves and attach where they come from."""
    values: dict[str, Array] = {}
    for name, curve in curves.items():
        values |= {name: curve.value, f"{name}_std": curve.std, f"{name}_error": curve.error}
    if start is not None and "ensemble_accuracy" in start.limit:
        values |= {f"ensemble_accuracy{k}": start.limit[f"ensemble_accuracy{k}"].values for k in ("", "_std", "_error")
                   if f"ensemble_accuracy{k}" in start.limit}  # fmt: skip
    attrs: dict[str, Any] = {
        "problem": training.to_json(),
        "theory": method,
        "seed": seed,
        "twins": json.dumps(twins),
        "verdicts": json.dumps([_plain(verdict) for verdict in verdicts]),
    }
    if start is not None:
        kept = ("largest_stable_learning_rate", "sources", "version", "device")
        attrs |= {key: start.limit.attrs[key] for key in kept if key in start.limit.attrs}
    return labelled(values, steps=np.asarray(training.recorded), time=np.asarray(training.clock), attrs=attrs)


def _plain(verdict: Verdict) -> dict[str, Any]:
    """Return a verdict as JSON has it: no NaN."""
    return {k: None if isinstance(v, float) and not math.isfinite(v) else v for k, v in asdict(verdict).items()}
