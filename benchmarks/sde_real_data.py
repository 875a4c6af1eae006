"""SGD on the digits beside its equation: where the report calls it valid they agree, where it does not they differ.

For softmax regression and a small perceptron, at small and at large steps of the same batch: the report (SVAG ladder,
noise over signal, skewness, scaling rule), then mean and variance of the loss at the last step over 200 seeds, with
z = difference over both Monte-Carlo errors. The equations are solved by Euler's scheme with eight steps in one
of SGD or, with ``talay-tubaro``, extrapolated from two and four.

The four settings were found by trial, to lie clearly on either side. ``grid`` reports every cell of a grid of rates and
batches that was fixed before anything was run on it.

Run: ``python benchmarks/sde_real_data.py [talay-tubaro | grid]`` (about two minutes on one core; five for the grid).
"""

from __future__ import annotations

import sys
import time

import numpy as np

import theorysim as ts
from theorysim import sde

SEEDS, STEPS = 200, 40
DATA = ts.data.digits(train=200, test=0, labels="one-hot")
NETWORK = ts.MLP(depth=1, width=10, activation="tanh", parameterization="standard", bias_std=0.0)
# learning rate and batch
RUNS = {"softmax": ((0.05, 64), (8.0, 16)), "perceptron": ((0.05, 32), (2.0, 16))}


def problem(name: str) -> tuple[sde.FiniteSum, np.ndarray]:
    """Return the objective and its start."""
    if name == "softmax":
        objective = sde.linear_model(DATA, "cross-entropy")
        return objective, np.zeros(objective.dimension)
    objective = sde.network(DATA, NETWORK, "cross-entropy")
    return objective, sde.initial_states(objective, seed=0)[0]


def scores(name: str, eta: float, batch: int, scheme: str) -> None:
    """Print the report and the scores of one run."""
    objective, start = problem(name)
    optimizer = ts.SGD(learning_rate=eta, batch=batch, sampling="replacement")
    model = sde.from_optimizer(objective, optimizer)
    begin = time.process_time()
    report = sde.trust(model, start, STEPS, paths=SEEDS, seed=10)
    reported = time.process_time() - begin
    substeps = 8 if scheme == "euler" else 2
    equation = sde.simulate(model, start, STEPS, paths=SEEDS, seed=1, record=[STEPS], substeps=substeps, scheme=scheme)
    runs = sde.run_algorithm(objective, optimizer, start, STEPS, paths=SEEDS, seed=2, record=[STEPS])
    found = ts.compare(equation, runs)
    took = time.process_time() - begin - reported
    means = float(runs["loss"].mean()), float(equation["loss"][0])
    z = float(found["loss_z"][0]), float(found["loss_std_z"][0])
    print(f"\n{name}, {objective.dimension} parameters, learning rate {eta:g}, batch {batch}, {STEPS} steps")
    print(report)
    print(f"valid {report.valid}; loss of SGD {means[0]:.6g}, of the equation {means[1]:.6g}")
    print(f"z of the mean {z[0]:.2f}, of the variance {z[1]:.2f}; report {reported:.0f} s, paths {took:.0f} s")


def grid() -> None:
    """Print one line for every cell: what the report says, and what is."""
    objective, start = problem("softmax")
    for eta in (0.05, 0.2, 0.8, 3.2):
        for batch in (8, 32, 128):
            optimizer = ts.SGD(learning_rate=eta, batch=batch, sampling="replacement")
            model = sde.from_optimizer(objective, optimizer)
            report = sde.trust(model, start, STEPS, paths=SEEDS, seed=10)
            equation = sde.simulate(model, start, STEPS, paths=SEEDS, seed=1, record=[STEPS])
            runs = sde.run_algorithm(objective, optimizer, start, STEPS, paths=SEEDS, seed=2, record=[STEPS])
            found = ts.compare(equation, runs)
            z = float(found["loss_z"][0]), float(found["loss_std_z"][0])
            said = "valid  " if report.valid else "invalid"
            print(f"rate {eta:4g}, batch {batch:3d}: {said} (shift {report.shift:5.2f}, noise/signal "
                  f"{report.noise_to_signal:8.3g}); z of the mean {z[0]:6.2f}, of the std {z[1]:6.2f}; losses "
                  f"{float(runs['loss'].mean()):.5g}, {float(equation['loss'][0]):.5g}", flush=True)  # fmt: skip


if __name__ == "__main__":
    if sys.argv[1:] == ["grid"]:
        grid()
        sys.exit()
    chosen = sys.argv[1] if len(sys.argv) > 1 else "euler"
    for key, settings in RUNS.items():
        for rate, size in settings:
            scores(key, rate, size, chosen)
