"""Comparison of a limit with finite systems: z-scores, bias, and the fitted finite-size exponent.

    z = (mean over replicas - X) / sqrt(standard error^2 + X_error^2),
    z of the spread = (s^2 - X_std^2) / standard error of s^2 (and of X_std^2 where X_std_error is known),
    |bias|(N) = A N^-p, fitted in logarithms with weights.

A relative tolerance would reject a correct theory near zero and accept a wrong one far from it; these do not
(tests/test_compare.py plants a wrong factor and a wrong exponent, and both are rejected).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import xarray as xr

from theorysim.errors import ProblemError
from theorysim.observables import OBSERVABLES

Array = np.ndarray[Any, np.dtype[np.float64]]

_ROUNDING = 1e-12
_TEXT = {
    "mean": ("mean over replicas", r"\langle {}\rangle"),
    "sem": ("standard error of the mean over replicas", r"\epsilon[{}]"),
    "bias": ("finite mean minus limit", r"\langle {0}\rangle-{0}"),
    "z": ("z-score of the mean", r"z[{}]"),
    "std_z": ("z-score of the variance over replicas", r"z[\sigma^2_{{{}}}]"),
}


def compare(limit: xr.Dataset, finite: xr.Dataset, *, names: Iterable[str] | None = None) -> xr.Dataset:
    """Compare a limit (or a forecast) with trained networks, observable by observable and step by step.

    Parameters
    ----------
    limit : Dataset
        Each observable X, with ``X_error`` and ``X_std`` where known.
    finite : Dataset
        The same observables with the dimension ``replica`` (two or more).
    names : iterable of str, optional
        Observables to compare; default: all that both hold with a ``step`` and without samples.

    Returns
    -------
    Dataset
        For each X, on the steps that both hold: ``X`` (the limit), ``X_mean``, ``X_sem``, ``X_bias``,
        ``X_z``, and ``X_std_z`` where the limit has ``X_std``.

    Raises
    ------
    ProblemError
        If nothing can be compared: no common observable, no common step, fewer than two replicas.
    """
    chosen = _common(limit, finite, names)
    limit, finite = _on_common_steps(limit, finite)
    if finite.sizes["replica"] < 2:
        raise ProblemError(f"compare: `finite` must hold 2 or more replicas, got {finite.sizes['replica']}")
    out: dict[str, xr.DataArray] = {}
    for name in chosen:
        out.update(_scores(name, limit, finite))
    attrs = {"replicas": finite.sizes["replica"], "limit": limit.attrs.get("theory", "")}
    return xr.Dataset(out, attrs=attrs)


def widths(limit: xr.Dataset, finite: Mapping[int, xr.Dataset], *, names: Iterable[str] | None = None) -> xr.Dataset:
    """Return the bias at every width, and its exponent p (size of the bias = A N^-p) with a standard error.

    Parameters
    ----------
    limit : Dataset
        The limit that all widths approach (of a `standard` network: one family of frozen rates).
    finite : mapping of int to Dataset
        Trained networks by width; two or more widths.
    names : iterable of str, optional
        Observables; default as in `compare`.

    Returns
    -------
    Dataset
        ``X_bias``, ``X_sem``, ``X_z`` (``width``, ``step``) and ``X_exponent``, ``X_exponent_error``
        (``step``; infinite error where no bias stands out of the noise).

    Raises
    ------
    ProblemError
        If fewer than two widths are given.
    """
    if len(finite) < 2:
        raise ProblemError(f"compare: `finite` must hold 2 or more widths, got {len(finite)}")
    sizes = np.array(sorted(finite), dtype=np.float64)
    each = [compare(limit, finite[int(n)], names=names) for n in sizes]
    joined = xr.concat(each, xr.DataArray(sizes, dims="width", name="width"), join="inner", coords="minimal",
                       compat="override")  # fmt: skip
    joined["width"].attrs = {"units": "1", "long_name": "width", "symbol": "N"}
    for name in [str(v) for v in each[0].data_vars if v in OBSERVABLES]:
        bias, noise = joined[f"{name}_bias"], _noise(name, limit, joined)
        p, error = exponent(sizes, bias.transpose("width", ...).values, noise.transpose("width", ...).values)
        rest = bias.transpose("width", ...).dims[1:]
        text = OBSERVABLES[name].long_name
        for key, value, meaning, symbol in (
            ("exponent", p, "exponent of the bias in width", "p"),
            ("exponent_error", error, "standard error of the exponent", r"\epsilon[p]"),
        ):
            label = {"units": "1", "long_name": f"{meaning}: {text}", "symbol": symbol}
            joined[f"{name}_{key}"] = (rest, value, label)
    return joined


def exponent(sizes: Array, bias: Array, noise: Array) -> tuple[Array, Array]:
    """Fit \\|bias\\| = A sizes^-p by weighted least squares in logarithms.

    Parameters
    ----------
    sizes : ndarray, shape (widths,)
    bias, noise : ndarray, shape (widths, ...)
        Bias and its standard error. The weight of a point is (bias/noise)^2; a bias below its noise
        has the weight its noise deserves, so that it neither decides the fit nor breaks it.

    Returns
    -------
    p, error : ndarray, shape (...)
        Exponent and standard error (infinite where fewer than two widths show a bias).
    """
    x = -np.log(sizes).reshape((-1,) + (1,) * (bias.ndim - 1))
    size = np.maximum(np.abs(bias), _ROUNDING)
    w = (size / np.maximum(noise, _ROUNDING * size)) ** 2
    w = np.where(w > 1.0, w, 0.0)
    total = np.maximum(w.sum(0), _ROUNDING)
    centred = x - (w * x).sum(0) / total
    spread = (w * centred**2).sum(0)
    known = spread > 1e-9 * total
    safe = np.where(known, spread, 1.0)
    p = np.where(known, (w * centred * np.log(size)).sum(0) / safe, 0.0)
    return p, np.where(known, 1.0 / np.sqrt(safe), np.inf)


def _common(limit: xr.Dataset, finite: xr.Dataset, names: Iterable[str] | None) -> list[str]:
    """Return the observables to compare."""
    known = [str(n) for n in limit.data_vars if n in OBSERVABLES and n in finite]
    both = [n for n in known if "replica" in finite[n].dims]
    if names is None:
        chosen = [n for n in both if limit[n].dims == ("step",)]
    else:
        chosen = list(names)
        for name in set(chosen) - set(both):
            raise ProblemError(f'compare: `names` must be observables of both answers, got "{name}"')
    if not chosen:
        raise ProblemError("compare: the two answers have no observable in common")
    return chosen


def _on_common_steps(limit: xr.Dataset, finite: xr.Dataset) -> tuple[xr.Dataset, xr.Dataset]:
    """Restrict both to the steps that both recorded."""
    steps = np.intersect1d(limit["step"].values, finite["step"].values)
    if steps.size == 0:
        raise ProblemError("compare: the two answers have no step in common")
    return limit.sel(step=steps), finite.sel(step=steps)


def _noise(name: str, limit: xr.Dataset, scores: xr.Dataset) -> xr.DataArray:
    """Return the combined standard error of limit and finite mean."""
    method = limit[f"{name}_error"].sel(step=scores["step"]) if f"{name}_error" in limit else 0.0
    return (scores[f"{name}_sem"] ** 2 + method**2) ** 0.5


def _ratio(difference: xr.DataArray, noise: xr.DataArray, scale: xr.DataArray) -> xr.DataArray:
    """Return difference / noise; rounding alone is no difference and never counts as one."""
    return difference / (noise + _ROUNDING * np.abs(scale) + 1e-300)


def _scores(name: str, limit: xr.Dataset, finite: xr.Dataset) -> dict[str, xr.DataArray]:
    """Return the labelled scores of one observable."""
    x, runs = limit[name], finite[name]
    count = runs.sizes["replica"]
    mean, variance = runs.mean("replica"), runs.var("replica", ddof=1)
    bare = xr.Dataset({f"{name}_sem": (variance / count) ** 0.5})
    out = {"mean": mean, "sem": bare[f"{name}_sem"], "bias": mean - x}
    out["z"] = _ratio(mean - x, _noise(name, limit, bare), x)
    if f"{name}_std" in limit:
        fourth = ((runs - mean) ** 4).mean("replica")
        # Var s^2 = (m4 - s^4 (R-3)/(R-1)) / R; not below the Gaussian value
        gauss = 2.0 * variance**2 / (count - 1)
        own = (fourth - variance**2 * (count - 3) / (count - 1)) / count
        limit_own = 2.0 * limit[f"{name}_std"] * limit[f"{name}_std_error"] if f"{name}_std_error" in limit else 0.0
        noise = (own.where(own > gauss, gauss) + limit_own**2) ** 0.5
        out["std_z"] = _ratio(variance - limit[f"{name}_std"] ** 2, noise, x**2)
    return {name: x} | {f"{name}_{key}": _labelled(name, key, value) for key, value in out.items()}


def _labelled(name: str, key: str, value: xr.DataArray) -> xr.DataArray:
    """Attach unit, long name and symbol to one score."""
    row, (text, symbol) = OBSERVABLES[name], _TEXT[key]
    unit = "1" if key.endswith("z") else row.unit
    long_name = f"{text}: {row.long_name}"
    return value.assign_attrs(units=unit, long_name=long_name, symbol=symbol.format(row.symbol))


compare.widths = widths  # type: ignore[attr-defined]  # ts.compare is this function: keep both in reach
