"""What a forecast says about itself: verdicts with numbers, beside those of the theories."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np

from theorysim.errors import ProblemError
from theorysim.forecast.nearest import Nearest
from theorysim.forecast.twins import Twin
from theorysim.forecast.width import Curve
from theorysim.kernels import finite_width
from theorysim.problem import Training
from theorysim.theory import Verdict

LARGEST_ERROR = 0.05
"""Relative error of the mean above which a forecast warns about itself."""
LARGEST_VARIANCE = 0.2
"""Relative variance of the kernel beyond which its leading order in 1/width says little."""
CALIBRATED_RATIO = 0.04
"""depth/width up to which the calibration set holds runs (benchmarks/calibration.py)."""


def findings(
    training: Training, start: Nearest | None, twins: Sequence[Twin], curves: Mapping[str, Curve]
) -> list[Verdict]:
    """Return the verdicts on width, learning rate and method, in the order in which they are shown."""
    rows = [_ratio(training), rate_verdict(start), _method(twins, curves), _noise(twins, curves)]
    return [row for row in rows if row is not None]


def _ratio(training: Training) -> Verdict:
    """Judge the distance to infinite width; name the scatter of the kernel between initialisations."""
    depth, width = training.network.depth, training.network.widths[-1]
    ratio = depth / width
    scatter = _kernel_scatter(training)
    shown = "" if scatter is None else f"; tangent kernel scatters by {100 * scatter:.2g} % at initialisation"
    return Verdict(
        theory="depth/width", applies=ratio <= CALIBRATED_RATIO, number=ratio, threshold=CALIBRATED_RATIO,
        reason=f"{depth}/{width} = {ratio:.2g}, calibrated up to {CALIBRATED_RATIO}{shown}",
    )  # fmt: skip


def _kernel_scatter(training: Training) -> float | None:
    """Return the leading relative scatter of a self-kernel between networks; None where it has no expansion."""
    try:
        corrections = finite_width(training.mlp, training.samples.x_train[:1])
    except ProblemError:
        return None
    variance = float(corrections.attrs["relative_variance"])
    return math.sqrt(variance) if variance <= LARGEST_VARIANCE else None


def rate_verdict(start: Nearest | None) -> Verdict | None:
    """Judge the learning rate by the largest stable one of the limit."""
    if start is None or math.isnan(start.share):
        return None
    stable = start.limit.attrs["largest_stable_learning_rate"]
    doubt = "" if start.stable else "; the limit diverges and was left out"
    return Verdict(
        theory="learning rate", applies=start.stable, number=start.share, threshold=1.0,
        reason=f"{start.share * stable:.3g}, largest stable {stable:.3g} ({100 * start.share:.0f} %){doubt}",
    )  # fmt: skip


def _method(twins: Sequence[Twin], curves: Mapping[str, Curve]) -> Verdict:
    """Say how the mean was made, with its two errors in percent of the loss."""
    loss = next(curves[name] for name in ("test_loss", "train_loss") if name in curves)
    width, sampling = (float(np.median(part / loss.value)) for part in (loss.width, loss.sampling))
    total = float(np.median(loss.error / loss.value))
    trained = ", ".join(f"{twin.replicas} of width {twin.width}" for twin in twins)
    ladder = trained or "none within a twentieth of the run"
    good = total <= LARGEST_ERROR
    doubt = "" if good else ": believe the band and not the line; a smaller `tolerance` trains more twins"
    return Verdict(
        theory="twins", applies=good, number=total, threshold=LARGEST_ERROR,
        reason=f"{ladder}; width error {100 * width:.2g} %, sampling error {100 * sampling:.2g} %{doubt}",
    )  # fmt: skip


def _noise(twins: Sequence[Twin], curves: Mapping[str, Curve]) -> Verdict | None:
    """Warn where N Var grows with N: corrections to scaling have not died out (needs two widths)."""
    if len(twins) < 2:
        return None
    small, large = min(twins, key=lambda t: t.width), max(twins, key=lambda t: t.width)
    name = next(iter(curves))
    scaled = [t.width * np.var(t.curves[name], axis=1, ddof=1) / np.mean(t.curves[name], axis=1) ** 2
              for t in (small, large)]  # fmt: skip
    growth = float(np.median((scaled[1] + 1e-300) / (scaled[0] + 1e-300)))
    limit = 2.0 * large.width / small.width
    if growth <= limit:
        return None
    return Verdict(
        theory="scatter", applies=False, number=growth, threshold=limit,
        reason=f"scatter between twins grows with width ({growth:.2g} times in width x variance)",
    )  # fmt: skip
