"""Forecasts, comparisons and theories as text for a terminal: strings only, nothing is printed here."""

from __future__ import annotations

import inspect
import json
import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import xarray as xr

from theorysim.derive import Derivation
from theorysim.observables import OBSERVABLES
from theorysim.plot import band
from theorysim.theories import ALL, theory

_COLUMNS = ("train_loss", "test_loss", "test_accuracy")
_HEADS = {"train_loss": "train loss", "test_loss": "test loss", "test_accuracy": "test accuracy"}
_GAP = "   "
_ROUNDING = 1e-12  # of a loss: errors below it are no errors to compare with


def plus_minus(value: float, sigma: float) -> str:
    """Return ``a ± b`` with b to one digit (two below 2) and a to the same place.

    >>> plus_minus(0.021342, 0.00024)
    '0.0213 ± 0.0002'
    """
    if not sigma > 0.0:
        return f"{value:.4g}"
    size = max(abs(value), sigma)
    power = math.floor(math.log10(size)) if size < 1e-3 or size >= 1e5 else 0
    value, sigma = value / 10.0**power, sigma / 10.0**power
    place = -math.floor(math.log10(sigma))
    if round(sigma, place) * 10.0**place < 2.0:
        place += 1
    # more than six digits are noise to a reader
    place = min(max(place, 0), 6)
    text = f"{value:.{place}f} ± {sigma:.{place}f}"
    return text if power == 0 else f"({text})e{power:+03d}"


def chosen_rows(recorded: int, rows: int = 8) -> list[int]:
    """Return the positions of about `rows` of the recorded steps, evenly spread, first and last among them."""
    return sorted({round(i) for i in np.linspace(0, recorded - 1, min(rows, recorded))})


def learning_table(forecast: xr.Dataset) -> str:
    """Return the learning curve as a table: step (and time of a flow), then ``a ± b`` for each observable."""
    names = [name for name in _COLUMNS if name in forecast]
    flow = '"gradient-flow"' in str(forecast.attrs.get("problem", ""))
    clock = forecast["time" if flow else "step"].values
    rows = [["time" if flow else "step", *(_HEADS[name] for name in names)]]
    sigmas = {name: band(forecast, name) for name in names}
    for i in chosen_rows(clock.size):
        cells = [plus_minus(float(forecast[name][i]), float(sigmas[name][i])) for name in names]
        rows.append([f"{clock[i]:.4g}" if flow else str(clock[i]), *cells])
    return _aligned(rows, right=1)


def verdict_table(forecast: xr.Dataset) -> str:
    """Return one line a theory (used, or why not and what instead) and one line a measured check."""
    used = str(forecast.attrs.get("theory", ""))
    rows = [["theory", "verdict"]]
    for verdict in verdicts(forecast):
        rows.append([verdict["theory"], _verdict_text(verdict, used)])
    return _aligned(rows)


def verdicts(forecast: xr.Dataset) -> list[dict[str, Any]]:
    """Return the verdicts that a forecast carries, one mapping a theory."""
    held = forecast.attrs.get("verdicts", [])
    return list(json.loads(held) if isinstance(held, str) else held)


def _verdict_text(verdict: Mapping[str, Any], used: str) -> str:
    if verdict["theory"] not in ALL:  # a check of the forecast itself, as the depth/width ratio
        return str(verdict["reason"]) if verdict["applies"] else f"careful: {verdict['reason']}"
    if not verdict["applies"]:
        instead = f"; use {verdict['instead']}" if verdict.get("instead") else ""
        return f"not here: {verdict['reason']}{instead}"
    return f"{'used' if verdict['theory'] in used else 'applies'}: {verdict['reason']}"


def learning_rates(forecast: xr.Dataset) -> str:
    """Return the line on learning rates; empty where the forecast knows none."""
    known = (
        ("largest stable learning rate", "largest_stable_learning_rate"),
        ("best predicted", "best_learning_rate"),
    )
    parts = [f"{text} {forecast.attrs[key]:.3g}" for text, key in known if key in forecast.attrs]
    return _GAP.join(parts)


def comparison_table(comparison: xr.Dataset) -> str:
    """Return prediction, trained mean and z-score, step by step."""
    names = [name for name in _COLUMNS if name in comparison]
    steps = comparison["step"].values
    rows = [["step", *(head for n in names for head in (_HEADS[n], "trained", "z"))]]
    for i in chosen_rows(steps.size):
        row = [str(steps[i])]
        for name in names:
            mean, sem = (float(comparison[f"{name}_{kind}"][i]) for kind in ("mean", "sem"))
            row += [f"{float(comparison[name][i]):.4g}", plus_minus(mean, sem)]
            row.append(f"{float(comparison[f'{name}_z'][i]):+.1f}")
        rows.append(row)
    return _aligned(rows, right=1)


def equation_table(equation: xr.Dataset, algorithm: xr.Dataset) -> str:
    """Return mean and standard deviation of the loss, of an equation and of its algorithm, with z-scores."""
    runs = algorithm["loss"].transpose("step", "replica").values
    mean, std = runs.mean(axis=1), runs.std(axis=1, ddof=1)
    fourth = ((runs - mean[:, None]) ** 4).mean(axis=1)
    of_std = np.sqrt(np.maximum(fourth - std**4, 0.0) / runs.shape[1]) / (2.0 * np.where(std > 0.0, std, 1.0))
    columns = (("loss", mean, std / runs.shape[1] ** 0.5), ("loss_std", std, of_std))
    rows = [["step", "mean loss", "algorithm", "z", "standard deviation", "algorithm", "z"]]
    for i in chosen_rows(len(runs)):
        row = [str(int(equation["step"][i]))]
        for name, found, error in columns:
            value, own = float(equation[name][i]), float(equation[f"{name}_error"][i])
            both = math.hypot(own, error[i])
            z = f"{(value - found[i]) / both:+.1f}" if both > _ROUNDING * mean[i] else "-"
            row += [plus_minus(value, own), plus_minus(float(found[i]), float(error[i])), z]
        rows.append(row)
    return _aligned(rows, right=1)


def result_text(result: xr.Dataset) -> str:
    """Return a result of any kind as tables, one for each set of dimensions, then what it notes in words and numbers.

    Long dimensions are thinned; what has more than one wide dimension is left to the file.
    """
    groups: dict[tuple[str, ...], list[str]] = {}
    for name, variable in result.data_vars.items():
        groups.setdefault(tuple(map(str, variable.dims)), []).append(str(name))
    blocks = [_table_of(result, dims, names) for dims, names in groups.items()]
    notes = [[key.replace("_", " "), _cell(value)] for key, value in result.attrs.items() if _worth_saying(key, value)]
    return "\n\n".join(block for block in (*blocks, _aligned(notes) if notes else "") if block)


_WIDE, _SILENT = 8, ("problem", "theory", "device", "seed")


def _table_of(result: xr.Dataset, dims: tuple[str, ...], names: Sequence[str]) -> str:
    if not dims:
        return _aligned([[str(result[name].attrs.get("long_name", name.replace("_", " "))), _cell(result[name].item())]
                         for name in names])  # fmt: skip
    if len(dims) > 2 or (len(dims) == 2 and result.sizes[dims[1]] > _WIDE):
        return ""
    heads, columns = [dims[0].replace("_", " ")], [result[dims[0]].values]
    for name in names:
        values = result[name].values
        wide = [values] if len(dims) == 1 else list(values.T)
        marks = [] if len(dims) == 1 else result[dims[1]].values.tolist()
        labels = [f" {mark}" for mark in (marks if len(set(marks)) == len(marks) else range(len(marks)))] or [""]
        heads += [name.replace("_", " ") + label for label in labels]
        columns += wide
    kept = chosen_rows(len(columns[0]), _WIDE if dims[0] == "step" else 2 * _WIDE)
    return _aligned([heads, *([_cell(column[i].item()) for column in columns] for i in kept)])


def _cell(value: Any) -> str:
    return f"{value:.6g}" if isinstance(value, float) else str(value)


def _worth_saying(key: str, value: Any) -> bool:
    return key not in _SILENT and value != "" and not (isinstance(value, float) and math.isnan(value))


def comparison_summary(comparison: xr.Dataset) -> str:
    """Return one line an observable: root mean square z and the relative difference of the means."""
    rows = [["", "rms z", "largest |z|", "difference: median", "at the end"]]
    for name in [str(n) for n in comparison.data_vars if n in OBSERVABLES]:
        z = comparison[f"{name}_z"].values
        size = np.maximum(np.abs(comparison[name].values), 1e-300)
        relative = np.abs(comparison[f"{name}_bias"].values) / size
        cells = [f"{np.sqrt(np.mean(z**2)):.2g}", f"{np.max(np.abs(z)):.2g}"]
        cells += [f"{100 * np.median(relative):.2g} %", f"{100 * relative[-1]:.2g} %"]
        rows.append([OBSERVABLES[name].long_name, *cells])
    return _aligned(rows)


def as_mapping(forecast: xr.Dataset) -> dict[str, Any]:
    """Return a forecast as plain numbers and text, ready for JSON: every curve, band and verdict."""
    curves = {
        str(name): {"value": forecast[name].values.tolist(), "sigma": band(forecast, str(name)).tolist()}
        for name in forecast.data_vars
        if name in OBSERVABLES and forecast[name].dims == ("step",)
    }
    plain = {key: value for key, value in forecast.attrs.items() if key not in ("problem", "verdicts")}
    problem = forecast.attrs.get("problem", "null")
    return {
        "problem": json.loads(problem) if isinstance(problem, str) else problem,
        "step": forecast["step"].values.tolist(),
        "time": forecast["time"].values.tolist(),
        "curves": curves,
        "verdicts": verdicts(forecast),
        **plain,
    }


def theory_list() -> str:
    """Return every theory with its first line, limit, validity, error, sources and observables."""
    blocks = []
    for name in ALL:
        module = theory(name)
        text = inspect.cleandoc(module.__doc__ or "")
        first = text.partition("\n")[0]
        tail = text[text.find("\nLimit") :].strip() if "\nLimit" in text else ""
        block = [name, first, tail, "Observables  " + ", ".join(module.OBSERVABLES)]
        blocks.append("\n    ".join(line for part in block if part for line in part.splitlines()))
    return "\n\n".join(blocks)


def derivation_text(derivation: Derivation) -> str:
    """Return a derivation: statement, steps, and its verdict with the error of the code."""
    steps = "\n".join(f"  {i:2}  {step}" for i, step in enumerate(derivation.steps, 1))
    verdict = f"verdict: {derivation.grade}"
    if derivation.worst_error is not None:
        word = "within" if derivation.holds else "BEYOND"
        verdict += (
            f"; the code's largest error against 50 digits is {derivation.worst_error:.1e}, "
            f"{word} the {derivation.tolerance:.0e} allowed"
        )
    return f"{derivation.name}\n\n{derivation.statement}\n\n{steps}\n\n{verdict}"


def _aligned(rows: Sequence[Sequence[str]], right: int = 0) -> str:
    """Return rows as columns, the first `right` of them flush right."""
    sizes = [max(len(row[j]) for row in rows) for j in range(len(rows[0]))]
    lines = (
        _GAP.join(cell.rjust(w) if j < right else cell.ljust(w)
                  for j, (cell, w) in enumerate(zip(row, sizes, strict=True)))
        for row in rows
    )  # fmt: skip
    return "\n".join(line.rstrip() for line in lines)
