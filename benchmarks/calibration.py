"""Calibration of forecasts on real training runs: is the mean right, does the band hold a run, what does it cost?

    python benchmarks/calibration.py            all runs; finished rows of calibration.csv are skipped
    python benchmarks/calibration.py ntk-3      runs whose name holds the text, row by row
    python benchmarks/calibration.py --table    the table of finished rows

The truth is 16 to 32 networks (192 for Adam) of each run's full width, trained from other seeds than the forecast's
twins and kept in a cache folder (CACHE), so that a new forecast is judged against the same truth. No number of
`forecast` is fitted to a single run; its few constants (interpolate.RADIUS and the like) were set on the whole set.
"""

from __future__ import annotations

import csv
import hashlib
import json
import os
import sys
import tempfile
import time
import warnings
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr
from sklearn.datasets import load_diabetes

import theorysim as ts
from theorysim.finite.ensemble import ensemble
from theorysim.kernels import mlp
from theorysim.theories import ALL, theory

prediction = import_module("theorysim.forecast.prediction")

ROWS = Path(__file__).with_name("calibration.csv")
CACHE = Path(os.environ.get("THEORYSIM_CALIBRATION", Path(tempfile.gettempdir()) / "theorysim-calibration"))
TRUTH_SEED, FORECAST_SEED = 1000, 0
FIELDS = ("name", "depth_over_width", "median_error", "end_error", "worst_error", "median_z", "coverage",
          "band_ratio", "train_median_error", "train_end_error", "train_coverage", "claimed_error", "truth_error",
          "limit_error", "limit_end", "twins_error", "twins_end", "ladder_error", "ladder_end",
          "cost_ratio", "forecast_seconds", "training_seconds", "theory", "twins", "verdict")  # fmt: skip


@dataclass(frozen=True)
class Run:
    """One line of the calibration set; `rate` is a share of the largest stable learning rate (Adam: absolute)."""

    data: str
    depth: int
    width: int
    activation: str
    parameterization: str
    rate: float
    steps: int
    batch: int | None = None
    momentum: float = 0.0
    gamma0: float | None = None
    optimizer: str = "sgd"
    more: tuple[tuple[str, Any], ...] = ()

    @property
    def name(self) -> str:
        """A name that tells the runs apart, without commas."""
        kind = self.parameterization if self.gamma0 is None else f"mup{self.gamma0:g}"
        how = self.optimizer if self.batch is None else f"{self.optimizer}{self.batch}"
        extra = "".join(f"-{value}" for _, value in self.more) + (f"-m{self.momentum:g}" if self.momentum else "")
        return f"{kind}-{self.depth}x{self.width}-{self.activation}-{self.data}-{how}-{self.rate:g}-{self.steps}{extra}"

    def training(self) -> ts.Training:
        """Return the run as a problem."""
        if self.optimizer == "adam":
            return self._problem(ts.Adam(learning_rate=self.rate, batch=self.batch), self.parameterization)
        plain = self._problem(self._sgd(1.0, None), "ntk" if self.gamma0 is not None else self.parameterization)
        stable = mlp.largest_stable_learning_rate(plain)
        assert stable is not None
        return self._problem(self._sgd(self.rate * stable, self.batch), self.parameterization)

    def _sgd(self, rate: float, batch: int | None) -> ts.SGD:
        nesterov = self.optimizer == "nesterov"
        return ts.SGD(learning_rate=rate, batch=batch, momentum=self.momentum, nesterov=nesterov)

    def _problem(self, optimizer: Any, parameterization: str) -> ts.Training:
        more = dict(self.more)
        loss = more.pop("loss", "mse")
        gamma0 = self.gamma0 if parameterization == "mup" else None
        network = ts.MLP(depth=self.depth, width=self.width, activation=self.activation,
                         parameterization=parameterization, gamma0=gamma0, **more)  # fmt: skip
        data = _data(self.data, "one-hot" if loss == "cross-entropy" else "one-hot-centred")
        return ts.Training(data=data, network=network, optimizer=optimizer, steps=self.steps, loss=loss)


def _data(name: str, labels: str) -> Any:
    """Return one of the four data sets, small enough that a truth of 32 networks is cheap."""
    if name == "digits":
        return ts.data.digits(train=300, test=300, labels=labels, inputs="unit")
    if name == "cancer":
        return ts.data.breast_cancer(train=200, test=200, labels="sign", inputs="standardized")
    if name == "teacher":
        return ts.data.teacher(dim=10, train=200, test=300, width=20, activation="tanh", noise=0.1)
    x, y = load_diabetes(return_X_y=True)
    x, y = x / x.std(axis=0), (y - y.mean()) / y.std()
    return ts.data.arrays(x[:250], y[:250], x[250:], y[250:])


NTK = (
    Run("digits", 1, 128, "relu", "ntk", 0.2, 200),
    Run("digits", 2, 256, "relu", "ntk", 0.2, 200, batch=50),
    Run("digits", 3, 256, "relu", "standard", 0.3, 150, batch=100),
    Run("digits", 3, 512, "relu", "ntk", 0.1, 200, batch=30),
    Run("digits", 2, 512, "tanh", "ntk", 0.4, 100),
    Run("digits", 2, 256, "gelu", "standard", 0.2, 200, batch=50),
    Run("digits", 1, 1024, "erf", "ntk", 0.1, 150, batch=60, momentum=0.9),
    Run("digits", 2, 128, "relu", "standard", 0.2, 300, momentum=0.9),
    Run("digits", 2, 256, "relu", "ntk", 0.3, 200, more=(("initial_output", "subtracted"),)),
    Run("digits", 2, 256, "relu", "ntk", 0.2, 200, more=(("loss", "cross-entropy"),)),
    Run("cancer", 1, 128, "relu", "ntk", 0.4, 300),
    Run("cancer", 2, 256, "tanh", "standard", 0.2, 300),
    Run("cancer", 3, 512, "relu", "ntk", 0.2, 200, batch=20),
    Run("cancer", 2, 512, "erf", "ntk", 0.2, 150, batch=50, momentum=0.9),
    Run("cancer", 4, 256, "relu", "standard", 0.1, 200, batch=32),
    Run("cancer", 2, 128, "gelu", "ntk", 0.3, 1000),
    Run("diabetes", 1, 256, "relu", "ntk", 0.3, 300),
    Run("diabetes", 2, 512, "relu", "standard", 0.2, 300, batch=25),
    Run("diabetes", 3, 256, "tanh", "ntk", 0.2, 200),
    Run("diabetes", 2, 128, "erf", "standard", 0.2, 200, momentum=0.9, optimizer="nesterov"),
    Run("diabetes", 4, 512, "gelu", "ntk", 0.1, 150, batch=50),
    Run("teacher", 1, 512, "relu", "ntk", 0.3, 500),
    Run("teacher", 2, 256, "relu", "ntk", 0.2, 300, batch=40),
    Run("teacher", 2, 1024, "tanh", "standard", 0.4, 100, batch=50),
    Run("teacher", 3, 512, "erf", "ntk", 0.1, 200, batch=50),
    Run("teacher", 1, 2048, "relu", "ntk", 0.1, 200, batch=20),
)
MUP = (
    Run("digits", 1, 256, "relu", "mup", 0.2, 200, gamma0=1.0),
    Run("digits", 2, 256, "tanh", "mup", 0.3, 200, gamma0=0.5, batch=50),
    Run("digits", 2, 512, "relu", "mup", 0.1, 150, gamma0=1.0, batch=50),
    Run("cancer", 1, 128, "tanh", "mup", 0.3, 300, gamma0=1.0),
    Run("cancer", 2, 256, "relu", "mup", 0.1, 300, gamma0=0.3),
    Run("cancer", 3, 256, "tanh", "mup", 0.1, 200, gamma0=1.0, batch=50),
    Run("diabetes", 1, 256, "relu", "mup", 0.2, 300, gamma0=0.5),
    Run("diabetes", 2, 256, "gelu", "mup", 0.1, 200, gamma0=1.0, batch=50),
    Run("teacher", 1, 512, "relu", "mup", 0.2, 300, gamma0=2.0),
    Run("teacher", 2, 256, "tanh", "mup", 0.1, 200, gamma0=1.0, batch=50, momentum=0.5),
)
ADAM = (
    Run("digits", 1, 256, "relu", "standard", 1e-3, 150, batch=50, optimizer="adam"),
    Run("digits", 2, 256, "tanh", "standard", 1e-3, 150, batch=50, optimizer="adam"),
    Run("digits", 2, 256, "relu", "standard", 1e-3, 150, batch=50, optimizer="adam"),
    Run("digits", 2, 256, "relu", "standard", 3e-4, 150, batch=50, optimizer="adam", more=(("loss", "cross-entropy"),)),
    Run("cancer", 2, 256, "relu", "standard", 3e-4, 150, batch=50, optimizer="adam"),
    Run("diabetes", 1, 256, "tanh", "standard", 1e-3, 150, batch=50, optimizer="adam"),
    Run("teacher", 2, 128, "gelu", "standard", 1e-3, 150, batch=50, optimizer="adam"),
    Run("digits", 1, 256, "relu", "mup", 0.03, 150, batch=50, optimizer="adam", gamma0=1.0),
)
MORE_NTK = (
    *(Run("digits", depth, 128, activation, kind, 0.15, 120, batch=batch)
      for depth, activation, kind, batch in ((1, "tanh", "ntk", 20), (2, "relu", "standard", 100),
                                             (3, "erf", "ntk", 50), (2, "gelu", "ntk", None),
                                             (1, "relu", "standard", None))),
    *(Run("cancer", depth, 192, activation, kind, 0.25, 150, batch=batch)
      for depth, activation, kind, batch in ((1, "erf", "ntk", 40), (2, "relu", "ntk", None),
                                             (3, "gelu", "standard", 25), (1, "gelu", "standard", None),
                                             (4, "tanh", "ntk", 50))),
    *(Run("diabetes", depth, 160, activation, kind, 0.2, 150, batch=batch, momentum=momentum)
      for depth, activation, kind, batch, momentum in (
          (1, "relu", "standard", 50, 0.0), (2, "tanh", "ntk", None, 0.9), (3, "relu", "ntk", 25, 0.0),
          (2, "erf", "ntk", 50, 0.5), (1, "gelu", "ntk", None, 0.0))),
    *(Run("teacher", depth, 256, activation, kind, 0.2, 150, batch=batch, momentum=momentum)
      for depth, activation, kind, batch, momentum in (
          (1, "tanh", "ntk", 20, 0.0), (2, "gelu", "standard", None, 0.5), (3, "relu", "standard", 40, 0.0),
          (4, "relu", "ntk", None, 0.0), (2, "erf", "ntk", 25, 0.9))),
    Run("digits", 2, 192, "relu", "ntk", 0.2, 120, batch=50, more=(("loss", "cross-entropy"),)),
    Run("cancer", 2, 192, "tanh", "ntk", 0.2, 150, more=(("initial_output", "subtracted"),)),
)  # fmt: skip
MORE_MUP = (
    *(Run("digits", depth, 192, activation, "mup", 0.15, 120, gamma0=gamma0, batch=batch)
      for depth, activation, gamma0, batch in ((1, "tanh", 2.0, None), (2, "relu", 0.3, 50), (3, "tanh", 1.0, None),
                                               (2, "gelu", 1.0, 30), (1, "erf", 0.5, 20))),
    *(Run("cancer", depth, 192, activation, "mup", 0.2, 150, gamma0=gamma0, batch=batch)
      for depth, activation, gamma0, batch in ((1, "relu", 1.0, 40), (2, "tanh", 0.5, None), (3, "relu", 0.5, None),
                                               (2, "erf", 2.0, 25), (1, "gelu", 0.3, None))),
    *(Run("diabetes", depth, 160, activation, "mup", 0.15, 150, gamma0=gamma0, batch=batch)
      for depth, activation, gamma0, batch in ((1, "tanh", 1.0, 50), (2, "relu", 1.0, None), (3, "tanh", 0.5, 25),
                                               (1, "erf", 2.0, None), (2, "gelu", 0.3, None))),
    *(Run("teacher", depth, 256, activation, "mup", 0.15, 150, gamma0=gamma0, batch=batch)
      for depth, activation, gamma0, batch in ((1, "tanh", 1.0, None), (2, "relu", 1.0, 40), (3, "erf", 0.5, None),
                                               (1, "gelu", 3.0, 25), (2, "tanh", 0.3, None))),
)  # fmt: skip
MORE_ADAM = (
    *(Run(data, depth, 128, activation, "standard", rate, 120, batch=50, optimizer="adam")
      for data, depth, activation, rate in (
          ("digits", 1, "tanh", 3e-4), ("digits", 2, "gelu", 1e-3), ("cancer", 1, "relu", 1e-3),
          ("cancer", 2, "tanh", 3e-4), ("diabetes", 2, "relu", 3e-4), ("diabetes", 1, "gelu", 1e-3),
          ("teacher", 1, "relu", 1e-3), ("teacher", 2, "tanh", 3e-4))),
    *(Run(data, 1, 192, activation, "mup", 0.02, 120, batch=50, optimizer="adam", gamma0=1.0)
      for data, activation in (("digits", "tanh"), ("cancer", "relu"), ("diabetes", "tanh"), ("teacher", "gelu"))),
    Run("cancer", 1, 128, "erf", "standard", 3e-4, 150, optimizer="adam"),
    Run("teacher", 1, 192, "erf", "standard", 1e-3, 150, optimizer="adam"),
)  # fmt: skip
KINDS = {"ntk, standard": NTK + MORE_NTK, "mup": MUP + MORE_MUP, "Adam": ADAM + MORE_ADAM}
RUNS = tuple(run for runs in KINDS.values() for run in runs)


def truth(run: Run, training: ts.Training) -> tuple[xr.Dataset, float]:
    """Return the curves of 16 to 32 trained networks and the seconds that one takes, from the cache if known."""
    replicas = 16 if run.width >= 1024 else 24 if run.width >= 512 else 32
    if run.optimizer == "adam":  # cheap: their truth must not hide what is measured
        replicas = 192 if run in ADAM else 96
    key = hashlib.sha256(f"{training.to_json()}{replicas}{TRUTH_SEED}".encode()).hexdigest()[:16]
    path = CACHE / f"{key}.npz"
    if not path.exists():
        CACHE.mkdir(parents=True, exist_ok=True)
        begun = time.perf_counter()
        runs = ts.train(training, replicas=replicas, seed=TRUTH_SEED)
        each = (time.perf_counter() - begun) / replicas
        names = [n for n in ("train_loss", "test_loss", "test_accuracy") if n in runs]
        np.savez(path, seconds=each, step=runs["step"].values, **{n: runs[n].values for n in names})
    held = np.load(path, allow_pickle=False)
    curves = {n: (("step", "replica"), held[n]) for n in held.files if n not in ("seconds", "step")}
    return xr.Dataset(curves, coords={"step": held["step"]}), float(held["seconds"])


def row_of(run: Run) -> dict[str, Any]:
    """Forecast one run and measure it against the truth."""
    training = run.training()
    runs, each = truth(run, training)
    begun = time.perf_counter()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        forecast = ts.forecast(training, seed=FORECAST_SEED)
    spent = time.perf_counter() - begun
    test, train = scores(forecast, runs, "test_loss"), scores(forecast, runs, "train_loss")
    verdicts = json.loads(forecast.attrs["verdicts"])
    return {
        "name": run.name, "depth_over_width": run.depth / run.width, **test, **alone(training, forecast, runs),
        **{f"train_{k}": train[k] for k in ("median_error", "end_error", "coverage")},
        "cost_ratio": spent / each, "forecast_seconds": spent, "training_seconds": each,
        "theory": forecast.attrs["theory"], "twins": forecast.attrs["twins"].replace(",", ";"),
        "verdict": "good" if verdicts[-1]["applies"] else "doubtful",
    }  # fmt: skip


def alone(training: ts.Training, forecast: xr.Dataset, runs: xr.Dataset) -> dict[str, float]:
    """Return the errors of the mean test loss of the parts of a forecast: its limit, its widest twins, a ladder.

    The ladder is what the forecast would be without a theory, at the cost that it may then have. nan: there is none.
    """
    mean = runs["test_loss"].values.mean(axis=1)
    curves: dict[str, Any] = dict.fromkeys(("limit", "twins", "ladder"))
    if forecast.attrs["theory"] in ALL:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            curves["limit"] = theory(forecast.attrs["theory"]).limit(training)["test_loss"].values
    twins = json.loads(forecast.attrs["twins"])
    if twins:
        width = max(twins, key=int)
        curves["twins"] = ensemble(training.at_width(int(width)), twins[width], seed=0).curves["test_loss"].mean(axis=1)
    ladder = prediction._twins(training, None, FORECAST_SEED, prediction.TOLERANCE, lambda fraction: None)
    if ladder:
        curves["ladder"] = prediction._curves(training, None, ladder)["test_loss"].value
    found = {}
    for name, curve in curves.items():
        off = np.full(1, np.nan) if curve is None else np.abs(curve / mean - 1.0)
        found |= {f"{name}_error": float(np.median(off)), f"{name}_end": float(off[-1])}
    return found


def scores(forecast: xr.Dataset, runs: xr.Dataset, name: str) -> dict[str, float]:
    """Return the numbers of design/forecast.md, item 6, for one loss."""
    single, x = runs[name].values, forecast[name].values
    std, error = forecast[f"{name}_std"].values, forecast[f"{name}_error"].values
    mean, scatter = single.mean(axis=1), single.std(axis=1, ddof=1)
    sem = scatter / np.sqrt(single.shape[1])
    off, band = np.abs(x / mean - 1.0), np.hypot(std, error)
    later = scatter > 1e-9 * mean  # a subtracted output has no scatter at step 0
    return {
        "median_error": float(np.median(off)), "end_error": float(off[-1]), "worst_error": float(off.max()),
        "median_z": float(np.median(np.abs(x - mean)[later] / np.hypot(error, sem)[later])),
        "coverage": float(np.mean(np.abs(single - x[:, None])[later] <= 2 * band[later, None])),
        "band_ratio": float(np.median(band[later] / scatter[later])),
        "claimed_error": float(np.median(error / x)), "truth_error": float(np.median(sem / mean)),
    }  # fmt: skip


def finished() -> dict[str, dict[str, str]]:
    """Return the rows of calibration.csv by name."""
    if not ROWS.exists():
        return {}
    with ROWS.open(newline="") as file:
        return {row["name"]: row for row in csv.DictReader(file)}


def append(row: dict[str, Any]) -> None:
    """Add one row to calibration.csv."""
    fresh = not ROWS.exists()
    with ROWS.open("a", newline="") as file:
        writer = csv.DictWriter(file, FIELDS)
        if fresh:
            writer.writeheader()
        writer.writerow({k: f"{v:.4g}" if isinstance(v, float) else v for k, v in row.items()})


def table() -> str:
    """Return the summary: median over runs, then the worst tenth."""
    rows = finished()
    lines = ["| runs | number | error over steps | at the end | worst tenth | coverage | band | truth's own error | "
             "limit alone | twins alone | ladder alone |",
             "|---|---|---|---|---|---|---|---|---|---|---|"]  # fmt: skip
    for kind, runs in KINDS.items():
        held = [rows[run.name] for run in runs if run.name in rows]
        if not held:
            continue

        def column(key: str, held: list[dict[str, str]] = held) -> np.ndarray[Any, np.dtype[np.float64]]:
            return np.array([float(row[key]) for row in held])

        over, end = column("median_error"), column("end_error")
        worst = [f"{100 * np.quantile(c, 0.9):.1f} %" for c in (over, end)]
        lines.append(
            f"| {kind} | {len(held)} | {100 * np.median(over):.1f} % | {100 * np.median(end):.1f} % | "
            f"{', '.join(worst)} | {100 * np.mean(column('coverage')):.0f} % | "
            f"{np.median(column('band_ratio')):.2f} | {100 * np.median(column('truth_error')):.1f} % | "
            + " | ".join(_both(column(f"{part}_error"), column(f"{part}_end")) for part in ("limit", "twins", "ladder"))
            + " |"
        )
    return "\n".join(lines)


def _both(over: np.ndarray[Any, Any], end: np.ndarray[Any, Any]) -> str:
    """Return the median errors over steps and at the end, of the runs that have some."""
    if np.isnan(over).all():
        return "-"
    return f"{100 * np.nanmedian(over):.1f} %, {100 * np.nanmedian(end):.1f} %"


def main(arguments: list[str]) -> None:
    """Run what is not finished."""
    if "--table" not in arguments:
        done = finished()
        for run in RUNS:
            wanted = any(text in run.name for text in arguments) if arguments else True
            if run.name in done or not wanted:
                continue
            row = row_of(run)
            append(row)
            print(f"{run.name:55s} over {100 * row['median_error']:5.1f} % end {100 * row['end_error']:5.1f} % "
                  f"cover {row['coverage']:.2f} band {row['band_ratio']:.2f}", flush=True)  # fmt: skip
    print(table())


if __name__ == "__main__":
    main(sys.argv[1:])
