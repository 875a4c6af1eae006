"""What a forecast costs beside the one training run it predicts, for a training that takes minutes.

    python benchmarks/forecast_cost.py

Digits, 1000 training images, relu, three hidden layers of width 1024, gradient descent on all samples. Processor
seconds of all threads in one process, compiled code loaded first. A forecast also gives the mean and the scatter over
initialisations, which one training run does not.
"""

from __future__ import annotations

import time

import numpy as np

import theorysim as ts


def training(steps: int, train: int = 1000, width: int = 1024) -> ts.Training:
    return ts.Training(
        data=ts.data.digits(train=train, test=500, inputs="unit"),
        network=ts.MLP(depth=3, width=width, activation="relu"),
        optimizer=ts.GD(learning_rate=3.0),
        steps=steps,
    )


def main() -> None:
    ts.forecast(training(5, train=50, width=64))
    run, clock = training(400), time.process_time
    start = clock()
    forecast = ts.forecast(run)
    middle = clock()
    network = ts.train(run, replicas=1, seed=5, threads=1)
    cost, price = middle - start, clock() - middle
    sigma = np.sqrt(forecast.test_loss_std**2 + forecast.test_loss_error**2)
    inside = float((abs(network.test_loss.isel(replica=0) - forecast.test_loss) < 2 * sigma).mean())
    print(f"forecast {cost:.1f} CPU-s, training {price:.1f} CPU-s, ratio 1/{price / cost:.1f}")
    print(f"the run lies in the 2-sigma band at {100 * inside:.0f} % of the recorded steps")


if __name__ == "__main__":
    main()
