"""NNGP and NTK of convolutional networks: processor time and memory against neural-tangents, and how both grow.

    python benchmarks/conv_speed.py --peer PYTHON

PYTHON is the interpreter of an environment with neural-tangents (its last release needs jax 0.5.3); without it only our
own numbers are printed. The network is three 3x3 convolutions with relu, then the mean over positions or `flatten`,
then a dense layer; images of 3 channels; float64; both kernels of all pairs of samples.

Each measurement is a process of its own, whose second call is timed: processor time of all threads, so that a busy
machine disturbs it little. The processes take turns; the median over the rounds counts. The peer is timed twice:
`batch` is `neural_tangents.batch` with 50 samples at a time, as its documentation recommends; `tiles` is a loop of
ours around its compiled kernel over the tiles on and below the diagonal alone, of the fastest size we found.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from typing import Any

import numpy as np

ENDS = ("global_average_pool", "flatten")
STDS = {"weight_std": 1.5, "bias_std": 0.1}
CHANNELS, LAYERS = 3, 3
BATCH = 50
TILES = {"global_average_pool": 10, "flatten": 200}
GROWTH = {"global_average_pool": ((4, 400), (8, 150), (16, 40), (32, 10)),
          "flatten": ((8, 800), (16, 400), (32, 200), (64, 100))}  # fmt: skip


def images(samples: int, size: int) -> Any:
    return np.random.default_rng(0).normal(size=(samples, size, size, CHANNELS))


def second(call: Callable[[], Any], calls: int = 1) -> tuple[Any, float]:
    """Return the answer of a call, and the median processor time of the calls after the first."""
    answer, times = call(), []
    for _ in range(calls):
        start = time.process_time()
        answer = call()
        times.append(time.process_time() - start)
    return answer, statistics.median(times)


def ours(end: str, size: int, samples: int) -> dict[str, Any]:
    from theorysim.infinite.blocks.recursion import kernels_of_blocks
    from theorysim.problem import blocks

    layers = [blocks.conv(filter=3, **STDS), blocks.activation("relu")] * LAYERS
    network = blocks.chain(*layers, getattr(blocks, end)(), blocks.dense(**STDS))
    x = images(samples, size)
    answer, cpu = second(lambda: kernels_of_blocks(network, x), 3)
    return {"cpu": cpu, "entry": [answer.nngp[1, 0], answer.ntk[1, 0]]}


def _peer_kernel(end: str) -> Any:
    import jax

    jax.config.update("jax_enable_x64", True)
    from neural_tangents import stax

    layers = [stax.Conv(1, (3, 3), None, "SAME", STDS["weight_std"], STDS["bias_std"]), stax.Relu()] * LAYERS
    last = {"global_average_pool": stax.GlobalAvgPool, "flatten": stax.Flatten}[end]()
    return stax.serial(*layers, last, stax.Dense(1, STDS["weight_std"], STDS["bias_std"]))[2]


def batch(end: str, size: int, samples: int) -> dict[str, Any]:
    import neural_tangents

    kernel, x = _peer_kernel(end), images(samples, size)
    batched = neural_tangents.batch(kernel, batch_size=BATCH, store_on_device=False)
    answer, cpu = second(lambda: batched(x, None, get=("nngp", "ntk")))
    return {"cpu": cpu, "entry": [float(answer.nngp[1, 0]), float(answer.ntk[1, 0])]}


def tiles(end: str, size: int, samples: int) -> dict[str, Any]:
    kernel, x, edge = _peer_kernel(end), images(samples, size), TILES[end]
    import jax

    own = jax.jit(lambda x: kernel(x, None, get=("nngp", "ntk")))
    two = jax.jit(lambda x, y: kernel(x, y, get=("nngp", "ntk")))

    def both() -> Any:
        found = np.zeros((2, samples, samples))
        for i in range(0, samples, edge):
            for j in range(0, i + 1, edge):
                rows, columns = slice(i, i + edge), slice(j, j + edge)
                found[:, rows, columns] = own(x[rows]) if i == j else two(x[rows], x[columns])
        return found

    answer, cpu = second(both)
    return {"cpu": cpu, "entry": answer[:, 1, 0].tolist()}


def measured(python: str, who: str, end: str, size: int, samples: int) -> dict[str, Any]:
    """Run one measurement in a process of its own."""
    command = [python, __file__, "--measure", who, end, str(size), str(samples)]
    environment = {"OPENBLAS_NUM_THREADS": "1", "TF_CPP_MIN_LOG_LEVEL": "3"} | os.environ
    answer = subprocess.run(command, capture_output=True, text=True, env=environment)
    if answer.returncode:
        sys.exit(answer.stderr)
    return dict(json.loads(answer.stdout.splitlines()[-1]))


def compare(end: str, peer_python: str | None, size: int, samples: int, rounds: int) -> str:
    who = {"ours": sys.executable} | ({"batch": peer_python, "tiles": peer_python} if peer_python else {})
    runs: dict[str, list[dict[str, Any]]] = {name: [] for name in who}
    for _ in range(rounds):
        for name, python in who.items():
            runs[name].append(measured(python, name, end, size, samples))
    cpu = {name: statistics.median(run["cpu"] for run in several) for name, several in runs.items()}
    peak = {name: statistics.median(run["peak"] for run in several) for name, several in runs.items()}
    line = f"{end:20}  {cpu['ours']:7.3f} {peak['ours']:6.2f}"
    for name in list(who)[1:]:
        pairs = zip(runs[name][0]["entry"], runs["ours"][0]["entry"], strict=True)
        apart = max(abs(one / other - 1.0) for one, other in pairs)
        line += f"  {cpu[name]:8.2f} {cpu[name] / cpu['ours']:6.1f} {peak[name]:6.2f} {apart:8.1e}"
    return line


def growth(end: str, rounds: int) -> str:
    """Return microseconds for a pair at several sizes, and the exponent fitted to them against the positions."""
    cost = []
    for size, samples in GROWTH[end]:
        runs = [measured(sys.executable, "ours", end, size, samples)["cpu"] for _ in range(rounds)]
        cost.append(1e6 * statistics.median(runs) / (samples * (samples + 1) // 2))
    sizes = [size for size, _ in GROWTH[end]]
    exponent = np.polyfit(2.0 * np.log(sizes), np.log(cost), 1)[0]
    shown = "  ".join(f"{size}x{size} {each:.1f}" for size, each in zip(sizes, cost, strict=True))
    return f"{end:20}  {shown}  exponent {exponent:.2f}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--peer", metavar="PYTHON", help="interpreter with neural-tangents")
    parser.add_argument("--size", type=int, default=8, help="edge of an image")
    parser.add_argument("--samples", type=int, default=200)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--measure", nargs=4, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.measure:
        who, end, size, samples = options.measure
        result = {"ours": ours, "batch": batch, "tiles": tiles}[who](end, int(size), int(samples))
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024) / 1e9
        print(json.dumps(result | {"peak": peak}))
        return
    print(f"{options.samples} images of {options.size}x{options.size}; CPU seconds, peak memory in GB")
    titles = "     batch  ratio   peak    apart     tiles  ratio   peak    apart"
    print("end                      ours   peak" + (titles if options.peer else ""))
    for end in ENDS:
        print(compare(end, options.peer, options.size, options.samples, options.rounds), flush=True)
    print("\nmicroseconds for a pair, and how they grow with the number of positions")
    for end in ENDS:
        print(growth(end, options.rounds), flush=True)


if __name__ == "__main__":
    main()
