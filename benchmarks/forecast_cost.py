"""What a forecast costs beside the one training run it predicts, for trainings that take a minute or more.

    python benchmarks/forecast_cost.py           all runs
    python benchmarks/forecast_cost.py gd        runs whose name holds the text

Digits, 1000 training images, relu, three hidden layers. Processor seconds of all threads in one process, compiled code
loaded first; the training is measured on a tenth of its steps. A forecast also gives the mean and the scatter over
initialisations, which one training run does not.
"""

from __future__ import annotations

import json
import sys
import time

import theorysim as ts

DATA = ts.data.digits(train=1000, test=500, inputs="unit")


def run(width: int, steps: int, optimizer: object, parameterization: str = "ntk") -> ts.Training:
    network = ts.MLP(depth=3, width=width, activation="relu", parameterization=parameterization)
    return ts.Training(data=DATA, network=network, optimizer=optimizer, steps=steps)


RUNS = {
    "gd-1024": run(1024, 400, ts.GD(learning_rate=3.0)),
    "gd-2048": run(2048, 150, ts.GD(learning_rate=3.0)),
    "sgd-1024": run(1024, 6000, ts.SGD(learning_rate=3.0, batch=50)),
    "mup-1024": run(1024, 400, ts.GD(learning_rate=3.0), "mup"),
    "adam-1024": run(1024, 3000, ts.Adam(learning_rate=3e-4, batch=50), "standard"),
}


PART = 10


def tenth(training: ts.Training) -> ts.Training:
    """Return the run cut to a tenth of its steps: the cost of training is proportional to them."""
    return ts.Training(
        data=training.data, network=training.network, optimizer=training.optimizer, steps=training.steps // PART,
        record=(0, 1, training.steps // PART),
    )  # fmt: skip


def main(arguments: list[str]) -> None:
    for optimizer in (ts.GD(learning_rate=1.0), ts.SGD(learning_rate=1.0, batch=10), ts.Adam(learning_rate=1e-3)):
        ts.forecast(run(64, 5, optimizer))
    clock, wall = time.process_time, time.perf_counter
    for name, training in RUNS.items():
        if arguments and not any(text in name for text in arguments):
            continue
        start, begun = clock(), wall()
        forecast = ts.forecast(training)
        middle, waited = clock(), wall() - begun
        ts.train(tenth(training), replicas=1, seed=5, threads=1)
        cost, price = middle - start, PART * (clock() - middle)
        claimed = float((forecast.test_loss_error / forecast.test_loss).median())
        twins = json.loads(forecast.attrs["twins"])
        print(f"{name:10s} forecast {cost:5.1f} CPU-s, training {price:5.0f} CPU-s, ratio 1/{price / cost:.1f}; "
              f"waited {waited:.1f} s; twins {twins}, claimed error {100 * claimed:.1f} %", flush=True)  # fmt: skip


if __name__ == "__main__":
    main(sys.argv[1:])
