"""SGD on the digits beside its equation: where the report calls it valid they agree, where it does not they differ.

For softmax regression and a small perceptron, at small and at large steps of the same batch: the report (SVAG ladder,
noise over signal, skewness, scaling rule), then mean and variance of the loss at the last step over 200 seeds, with
z = difference over both Monte-Carlo errors. The equations are solved by Euler's scheme with eight steps in one
of SGD or, with ``talay-tubaro``, extrapolated from two and four.

Run: ``python benchmarks/sde_real_data.py [talay-tubaro]`` (about two minutes on one core).
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


if __name__ == "__main__":
    chosen = sys.argv[1] if len(sys.argv) > 1 else "euler"
    for key, settings in RUNS.items():
        for rate, size in settings:
            scores(key, rate, size, chosen)
