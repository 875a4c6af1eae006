"""What responses do in a residual network, at any number of blocks: learning with them and without.

A weight matrix meets the features with noise u and the gradients with noise r; responses A^l = <d phi(h^l)/d r^l>,
B^l = <d g^{l+1}/d u^{l+1}> say that it is the same matrix in both passes. Without them forward and backward pass have
independent weights, which is not a network.

Limit    As `meanfield.residual.limit`. A and B are of order L^-1/2 and enter L blocks with L^-1/2 each: what they add
         tends to a number that is not zero. In a linear network on one input it is the share r/(2 + r) of the first
         step, r = branch_scale^2 (derivations/residual.py, `first_step`). [Yao2025] argue that the coupling of the two
         passes becomes negligible with depth; in the outputs of these networks it does not.
Error    _error is the standard error over replicas; the two runs have the same initial noise.
Sources  Derived and measured here. Proof: derivations/residual.py.
"""

from __future__ import annotations

from functools import partial

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from theorysim.errors import ProblemError
from theorysim.finite.losses import LOSSES, targets
from theorysim.meanfield.batches import Given
from theorysim.meanfield.deep import TOLERANCE, default_size
from theorysim.meanfield.domain import refuse
from theorysim.meanfield.flow import diverged
from theorysim.meanfield.march import March
from theorysim.meanfield.order_parameters import forgetting
from theorysim.meanfield.replicas import Draw, Make, Size, visited, with_room
from theorysim.meanfield.residual import NAME, refusal
from theorysim.meanfield.residual_march import ResidualMarch, Severed
from theorysim.meanfield.residual_setting import setting_of
from theorysim.meanfield.sampled import of_the_mean
from theorysim.observables import OBSERVABLES
from theorysim.problem.optimizer import SGD
from theorysim.problem.provenance import provenance
from theorysim.problem.training import Training

Array = NDArray[np.float64]
_TEXT = {
    "shift": ("rms of what responses add to features", r"|b\sum_l A^l g^{l+1}|"),
    "feature": ("rms of features", "|h^L|"),
    "train_loss": (OBSERVABLES["train_loss"].long_name, OBSERVABLES["train_loss"].symbol),
    "train_loss_without": ("training loss without responses", r"\mathcal{L}_{A=B=0}"),
    "change": ("rms over samples of what responses change in outputs", r"|f-f_{A=B=0}|"),
}


def responses(
    training: Training,
    *,
    seed: int = 0,
    batches: Given = None,
    size: Size | None = None,
    threads: int | None = None,
) -> xr.Dataset:
    """Return what responses add to features and outputs over the steps of a run.

    Parameters
    ----------
    training : Training
        Of a `ResidualMLP`, by SGD or GD.
    seed, batches, size, threads
        As in `meanfield.residual.limit`.

    Returns
    -------
    Dataset
        Over ``step``, each with _error: ``shift`` and ``feature``, root mean squares over neurons and training samples
        of what responses add to h^L, and of h^L; ``train_loss`` and ``train_loss_without``; ``change``, root mean
        square over training samples of the difference of the outputs with and without.

    Raises
    ------
    ProblemError
        If the network is not residual, or the optimizer is not SGD.
    FloatingPointError
        If training diverges.
    """
    refuse(NAME, refusal(training))
    if not isinstance(training.optimizer, SGD):
        raise ProblemError(f"{NAME}: `optimizer` must be SGD or GD for responses, got gradient flow")
    chosen, draw = size or default_size(training, TOLERANCE), Draw(seed, batches, threads)
    start = setting_of(training, samples=chosen.samples, tolerance=chosen.truncation)

    def runs(make: Make) -> Array:
        """Return shift, size of h^L and outputs at each step, shape (R, steps, 2 + P C)."""
        _, found = with_room(
            start, lambda room: visited(training, room, draw, range(chosen.replicas), _look, make), NAME
        )
        return np.array(found)

    try:
        whole, severed = runs(ResidualMarch), runs(partial(ResidualMarch, weights=Severed))
    except FloatingPointError as failure:
        raise diverged(NAME, training, failure) from None
    return _labelled(training, _values(training, whole, severed), seed, chosen)


def _look(march: March, f: Array | None) -> Array:
    """Return the root mean squares of what responses add to h^L and of h^L, squared, and the outputs."""
    assert isinstance(march, ResidualMarch)
    f = march.outputs(march.setting.x) if f is None else f
    with forgetting(march):
        added, h = march.response(march.now(march.setting.x))
    return np.concatenate([[np.mean(added**2), np.mean(h**2)], f.ravel()])


def _values(training: Training, whole: Array, severed: Array) -> dict[str, tuple[Array, Array]]:
    """Return values and errors."""
    y, loss = targets(training)[0], LOSSES[training.loss].values
    outputs, others = (runs[:, :, 2:].reshape(*runs.shape[:2], *y.shape) for runs in (whole, severed))

    def losses(f: Array) -> Array:
        return np.stack([loss(np.ascontiguousarray(one), y) for one in np.moveaxis(f, 1, 0)], axis=1)

    found = {
        "shift": of_the_mean(lambda square: np.sqrt(square), whole[:, :, 0]),
        "feature": of_the_mean(lambda square: np.sqrt(square), whole[:, :, 1]),
        "train_loss": of_the_mean(losses, outputs),
        "train_loss_without": of_the_mean(losses, others),
        "change": of_the_mean(lambda f: np.sqrt(np.mean(f**2, axis=(2, 3))), outputs - others),
    }
    return {name: (value, error) for name, (value, _, error) in found.items()}


def _labelled(training: Training, values: dict[str, tuple[Array, Array]], seed: int, size: Size) -> xr.Dataset:
    data = {}
    for name, (value, error) in values.items():
        text, symbol = _TEXT[name]
        data[name] = ("step", value, {"units": "1", "long_name": text, "symbol": symbol})
        data[f"{name}_error"] = ("step", error, {"units": "1", "long_name": f"standard error: {text}",
                                                 "symbol": rf"\epsilon[{symbol}]"})  # fmt: skip
    attrs = provenance(training, theory=NAME, seed=seed) | {"samples": size.samples, "replicas": size.replicas}
    return xr.Dataset(data, coords={"step": np.asarray(training.recorded)}, attrs=attrs)
