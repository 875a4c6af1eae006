"""Large kernels: blocks on disk within a memory bound, killed and resumed; training by products against their floor.

    python benchmarks/large_kernel.py store [--samples 20000] [--folder PATH]
    python benchmarks/large_kernel.py descend [--samples 3000] [--steps 1000]

`store` computes the tangent kernel of a network into a folder, kills the process at 60 %, resumes it, and reports what
was computed twice, the peak memory and the processor time; a hundred steps of training read the kernel from disk.
`descend` compares training by products with the eigen-solution, and its processor time with that of the bare products
in the same process: ours, and numpy's ``theta @ r`` on one thread.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

DIMENSION, DEPTH, KILLED_AT = 784, 3, 0.6
MEMORY = 2**30


def inputs(samples: int) -> Any:
    return np.random.default_rng(0).normal(size=(samples, DIMENSION))


def network() -> Any:
    import theorysim as ts

    return ts.MLP(depth=DEPTH, width=8, activation="relu")


def seconds(call: Callable[[], Any], repeats: int = 1) -> float:
    """Return the least processor time of a call."""
    times = []
    for _ in range(repeats):
        start = time.process_time()
        call()
        times.append(time.process_time() - start)
    return min(times)


def peak_gigabytes() -> float:
    """Return the largest resident memory that this process has had."""
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 1e9


def compute(folder: Path, samples: int, kill: bool) -> None:
    """Compute the kernel in this process; print what it took."""
    import theorysim as ts

    begun: list[float] = []

    def report(fraction: float) -> None:
        begun.append(fraction)
        if kill and fraction >= KILLED_AT:
            os.kill(os.getpid(), signal.SIGKILL)

    x = inputs(samples)
    wall, cpu = time.perf_counter(), time.process_time()
    found = ts.kernels.blockwise(network(), x, path=folder, memory=MEMORY, progress=report)
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    print(json.dumps({"first": begun[0], "computed": len(begun) - 1, "blocks": len(found.blocks), "wall": wall,
                      "cpu": cpu, "peak": peak_gigabytes(), "bytes": found.ntk.nbytes}))  # fmt: skip


def in_a_process(folder: Path, samples: int, what: str, steps: int = 1) -> tuple[int, dict[str, Any]]:
    command = [sys.executable, __file__, what, "--samples", str(samples), "--folder", str(folder)]
    command += ["--steps", str(steps)]
    answer = subprocess.run(command, stdout=subprocess.PIPE, text=True)
    lines = answer.stdout.splitlines()
    return answer.returncode, json.loads(lines[-1]) if lines else {}


def check(folder: Path, samples: int, steps: int) -> None:
    """Compare rows of the stored kernel with the dense ones, and train in it from disk; print what it took."""
    import theorysim as ts

    theta, x = ts.kernels.stored_kernels(folder).ntk, inputs(samples)
    worst = 0.0
    for i, j in ((0, 0), (theta.blocks[-1][0], 0), theta.blocks[len(theta.blocks) // 2], theta.blocks[-1]):
        rows, columns = (slice(k * theta.block, (k + 1) * theta.block) for k in (i, j))
        dense = ts.kernels.ntk(network(), x[rows], None if i == j else x[columns]).values
        part = theta.read(i, j)[: dense.shape[0], : dense.shape[1]]
        worst = max(worst, float(np.abs(part / dense - 1).max()))
    y = np.sign(x[:, :1])
    slow = ts.GD(learning_rate=1e-3)
    gentle = ts.kernels.descend(theta, y, slow, 1, record=[1], memory=MEMORY // 4)  # compiles too
    optimizer = ts.GD(learning_rate=0.9 * gentle.attrs["largest_stable_learning_rate"], momentum=0.9)
    start, cpu = time.perf_counter(), time.process_time()
    found = ts.kernels.descend(theta, y, optimizer, steps, record=[0, steps], memory=MEMORY // 4)
    took = {"wall": time.perf_counter() - start, "cpu": time.process_time() - cpu, "peak": peak_gigabytes()}
    losses = {"loss": found.train_loss.values.tolist(), "error": float(found.train_loss_error[-1])}
    print(json.dumps({"worst": worst, "steps": steps, "reason": found.attrs["reason"]} | took | losses))


def store(folder: Path, samples: int, steps: int) -> None:
    wanted, free = 4 * samples**2 + 2**28, shutil.disk_usage(folder.parent).free
    if wanted > free:
        sys.exit(f"{folder.parent} has {free / 1e9:.1f} GB left, {samples} samples need {wanted / 1e9:.1f} GB")
    shutil.rmtree(folder, ignore_errors=True)
    code, _ = in_a_process(folder, samples, "compute-and-die")
    assert code == -signal.SIGKILL, code
    kept = {file: file.stat().st_mtime_ns for file in (folder / "finished").iterdir()}
    chunks = {file: file.stat().st_mtime_ns for file in (folder / "ntk.zarr" / "c").rglob("*") if file.is_file()}
    _, resumed = in_a_process(folder, samples, "compute")
    again = sum(file.stat().st_mtime_ns != stamp for file, stamp in (kept | chunks).items() if file.exists())
    print(f"{samples} samples, {DIMENSION} inputs, depth {DEPTH}: {resumed['blocks']} blocks")
    print(f"killed with {len(kept)} finished; resumed at {100 * resumed['first']:.0f} %, "
          f"{resumed['computed']} computed, {again} finished ones touched")  # fmt: skip
    shutil.rmtree(folder)
    _, straight = in_a_process(folder, samples, "compute")
    print(f"in one go: {straight['cpu']:.1f} CPU s, {straight['wall']:.1f} s, peak {straight['peak']:.2f} GB, "
          f"{straight['bytes'] / 1e9:.2f} GB on disk")  # fmt: skip
    command = [
        sys.executable,
        __file__,
        "check",
        "--samples",
        str(samples),
        "--folder",
        str(folder),
        "--steps",
        str(steps),
    ]
    checked = json.loads(subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True).stdout.splitlines()[-1])
    print(f"largest relative difference to dense blocks {checked['worst']:.1e}")
    print(f"{checked['steps']} steps from disk: {checked['cpu']:.1f} CPU s, {checked['wall']:.1f} s, "
          f"peak {checked['peak']:.2f} GB, loss {checked['loss'][0]:.4f} to {checked['loss'][-1]:.4f} "
          f"+- {checked['error']:.0e}; {checked['reason']}")  # fmt: skip
    shutil.rmtree(folder)


def descend(samples: int, steps: int) -> None:
    from threadpoolctl import threadpool_limits

    import theorysim as ts
    from theorysim.solvers.products import symmetric_product

    theta = ts.kernels.ntk(network(), inputs(samples)).values
    rng = np.random.default_rng(1)
    across = ts.kernels.ntk(network(), rng.normal(size=(100, DIMENSION)), inputs(samples)).values
    print("outputs   ours     floor  ratio  numpy's  ratio   eigen   largest difference (its error)")
    for outputs in (1, 10):
        y = rng.normal(size=(samples, outputs))
        optimizer = ts.GD(learning_rate=0.5 * samples * outputs / np.linalg.norm(theta, 2), momentum=0.9)

        def run(method: str, y: Any = y, optimizer: Any = optimizer) -> Any:
            return ts.kernels.descend(theta, y, optimizer, steps, across, method=method)  # type: ignore[arg-type]

        product, r = symmetric_product(theta), np.ascontiguousarray(y)

        def bare(product: Any = product, r: Any = r) -> None:
            for _ in range(steps):
                product(r)

        def plain(r: Any = r) -> None:
            for _ in range(steps):
                theta @ r

        one = run("products")
        ours, floor = seconds(lambda: run("products"), 2), seconds(bare, 2)
        with threadpool_limits(1, user_api="blas"):
            blas = seconds(plain)
        start = time.process_time()
        two = run("eigenvectors")
        eigen = time.process_time() - start
        off = max(float(np.abs(one[name] - two[name]).max()) for name in ("train_prediction", "test_prediction"))
        error = float(one.train_prediction_error.max() + two.train_prediction_error.max())
        print(f"{outputs:7} {ours:6.2f} s {floor:6.2f} s {ours / floor:6.2f} {blas:6.2f} s {ours / blas:6.2f} "
              f"{eigen:6.2f} s  {off:.1e} ({error:.1e})", flush=True)  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=("store", "descend", "compute", "compute-and-die", "check"))
    parser.add_argument("--samples", type=int)
    parser.add_argument("--steps", type=int)
    parser.add_argument("--folder", type=Path, default=Path("large_kernel"))
    options = parser.parse_args()
    samples = options.samples or (3000 if options.what == "descend" else 20_000)
    if options.what == "descend":
        descend(samples, options.steps or 1000)
    elif options.what == "store":
        store(options.folder.resolve(), samples, options.steps or 100)
    elif options.what == "check":
        check(options.folder, samples, options.steps or 100)
    else:
        compute(options.folder, samples, options.what == "compute-and-die")


if __name__ == "__main__":
    main()
