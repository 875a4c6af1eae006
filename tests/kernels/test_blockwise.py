"""Kernels in blocks on disk: the same numbers, nothing computed twice, nothing mixed up, memory as promised."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tracemalloc
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

import theorysim as ts
from theorysim.kernels import blocks, stored

Array = NDArray[np.float64]
N, D = 300, 20
NET = ts.MLP(depth=3, width=8, activation="relu", bias_std=0.1)


def inputs(n: int = N, seed: int = 0) -> Array:
    """Return samples of which some coincide, or nearly do, far from one another."""
    x = np.random.default_rng(seed).normal(size=(n, D))
    x[n - 10] = x[3]
    x[n - 9] = x[4] * (1 + 1e-9)
    x[n - 8] = x[5] + 1e-7
    return x


class Counter:
    """Counts the blocks that are computed, and stops after some."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, stop: float = np.inf) -> None:
        self.shapes: list[tuple[int, ...]] = []
        self.stop, self.compute = stop, blocks.kernels_of
        monkeypatch.setattr(blocks, "kernels_of", self)

    def __call__(self, *args: Any, **options: Any) -> Any:
        if len(self.shapes) >= self.stop:
            raise KeyboardInterrupt
        found = self.compute(*args, **options)
        self.shapes.append(found.ntk.shape)
        return found


@pytest.mark.parametrize("activation", ["relu", "erf", "abs"])
def test_closed_forms_agree_to_the_last_digits(tmp_path: Path, activation: str) -> None:
    network, x = ts.MLP(depth=3, width=8, activation=activation, bias_std=0.1), inputs()
    found = ts.kernels.blockwise(network, x, path=tmp_path / "k", kind="both", block=64)
    for kind in ("ntk", "nngp"):
        dense = getattr(ts.kernels, kind)(network, x).values
        matrix = getattr(found, kind)
        np.testing.assert_allclose(matrix.dense(), dense, rtol=1e-13)
        np.testing.assert_array_equal(np.diagonal(matrix.dense()), np.diagonal(dense))
        assert matrix.error == 0.0 and matrix.shape == (N, N) and matrix.symmetric
        assert len(matrix.blocks) == 15


def test_coinciding_samples_in_different_blocks_keep_their_digits(tmp_path: Path) -> None:
    x = inputs()
    theta = ts.kernels.blockwise(NET, x, path=tmp_path / "k", block=64).ntk.dense()
    assert theta[N - 10, 3] == pytest.approx(theta[3, 3], rel=1e-14)
    near = ts.kernels.ntk(NET, x[[4, N - 9, 5, N - 8]]).values
    assert theta[N - 9, 4] == pytest.approx(near[1, 0], rel=1e-14)
    assert theta[N - 8, 5] == pytest.approx(near[3, 2], rel=1e-14)
    assert theta[N - 8, 5] < theta[5, 5]


def test_series_agree_within_their_recorded_errors(tmp_path: Path) -> None:
    network, x = ts.MLP(depth=2, width=8, activation="tanh"), inputs()
    matrix = ts.kernels.blockwise(network, x, path=tmp_path / "k", block=128).ntk
    dense = ts.kernels.ntk(network, x)
    assert 0.0 < matrix.error < 1e-10
    assert np.abs(matrix.dense() - dense.values).max() <= matrix.error + dense.attrs["error"]


def test_between_two_sets_of_samples(tmp_path: Path) -> None:
    x1, x2 = inputs(90, 1), inputs(200, 2)
    matrix = ts.kernels.blockwise(NET, x1, x2, path=tmp_path / "k", block=64).ntk
    assert matrix.shape == (90, 200) and not matrix.symmetric and len(matrix.blocks) == 8
    np.testing.assert_allclose(np.asarray(matrix), ts.kernels.ntk(NET, x1, x2).values, rtol=1e-13)


def test_single_precision_on_disk_says_its_error(tmp_path: Path) -> None:
    matrix = ts.kernels.blockwise(NET, inputs(), path=tmp_path / "k", block=100, dtype="float32").ntk
    off = np.abs(matrix.dense() - ts.kernels.ntk(NET, inputs()).values).max()
    assert 0.1 * matrix.error < off <= matrix.error
    assert matrix.nbytes == 6 * 4 * 100**2


def test_nngp_alone_of_an_activation_that_jumps(tmp_path: Path) -> None:
    network = ts.MLP(depth=2, width=8, activation="sign")
    found = ts.kernels.blockwise(network, inputs(), path=tmp_path / "k", kind="nngp", block=100)
    np.testing.assert_allclose(found.nngp.dense(), ts.kernels.nngp(network, inputs()).values, rtol=1e-13)
    with pytest.raises(ts.ProblemError, match='`kind` must have included "ntk", got only "nngp"'):
        _ = found.ntk


def test_an_interrupted_run_goes_on_where_it_stopped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    x, path, fractions = inputs(), tmp_path / "k", []
    first = Counter(monkeypatch, stop=9)
    with pytest.raises(KeyboardInterrupt):
        ts.kernels.blockwise(NET, x, path=path, block=64)
    assert len(first.shapes) == 9
    with pytest.raises(ts.ProblemError, match=r"finished kernels, got 6 of 15 blocks missing"):
        ts.kernels.stored_kernels(path)
    monkeypatch.undo()
    second = Counter(monkeypatch)
    resumed = ts.kernels.blockwise(NET, x, path=path, progress=fractions.append).ntk
    assert len(second.shapes) == 6
    np.testing.assert_allclose(fractions, np.arange(9, 16) / 15)
    straight = ts.kernels.blockwise(NET, x, path=tmp_path / "other", block=64).ntk
    np.testing.assert_array_equal(resumed.dense(), straight.dense())
    third = Counter(monkeypatch)
    ts.kernels.blockwise(NET, x, path=path, block=64)
    assert not third.shapes
    np.testing.assert_array_equal(ts.kernels.stored_kernels(path).ntk.dense(), straight.dense())


def test_a_killed_process_leaves_whole_blocks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "k"
    np.save(tmp_path / "x.npy", inputs())
    code = f"""
import os, signal, numpy as np, theorysim as ts
net = ts.MLP(depth=3, width=8, activation="relu", bias_std=0.1)
die = lambda fraction: os.kill(os.getpid(), signal.SIGKILL) if fraction >= 0.6 else None
ts.kernels.blockwise(net, np.load({str(tmp_path / "x.npy")!r}), path={str(path)!r}, block=64, progress=die)
"""
    assert subprocess.run([sys.executable, "-c", code]).returncode == -signal.SIGKILL
    records = sorted((path / "finished").iterdir())
    assert len(records) == 9
    # what a kill in the middle of a block leaves: a part, numbers without a record, a record of a torn block
    (path / "ntk.zarr" / "c" / "3" / "3.1.part").write_bytes(b"torn")
    (path / "ntk.zarr" / "c" / "3" / "3").write_bytes(b"torn")
    last = path / "ntk.zarr" / "c" / "3" / "2"
    last.write_bytes(last.read_bytes()[:-8])
    before = {file: file.stat().st_mtime_ns for file in (path / "ntk.zarr" / "c").rglob("[0-9]") if file.is_file()}
    counter = Counter(monkeypatch)
    matrix = ts.kernels.blockwise(NET, inputs(), path=path).ntk
    assert len(counter.shapes) == 7
    kept = [file for file, time in before.items() if file.stat().st_mtime_ns == time]
    assert len(kept) == 8
    assert not list(path.rglob("*.part"))
    np.testing.assert_allclose(matrix.dense(), ts.kernels.ntk(NET, inputs()).values, rtol=1e-13)


def begun(path: Path, **options: Any) -> None:
    ts.kernels.blockwise(NET, inputs(70), path=path, **{"block": 64, **options})


CHANGED: dict[str, tuple[Callable[[Path], object], str]] = {
    "network": (
        lambda p: ts.kernels.blockwise(ts.MLP(depth=2, width=8), inputs(70), path=p),
        "`network` must be the one whose kernels are in .*, got another",
    ),
    "rates": (
        lambda p: ts.kernels.blockwise(
            ts.MLP(depth=3, width=8, activation="relu", bias_std=0.1, weight_rates=1.0), inputs(70), path=p
        ),
        "`network` must be",
    ),
    "x1": (lambda p: ts.kernels.blockwise(NET, inputs(70) + 1e-12, path=p), "`x1` must be the inputs whose kernels"),
    "rows": (lambda p: ts.kernels.blockwise(NET, inputs(70)[::-1], path=p), "`x1` must be the inputs whose kernels"),
    "x2": (lambda p: ts.kernels.blockwise(NET, inputs(70), inputs(70), path=p), "`x2` must be the inputs"),
    "kind": (lambda p: begun(p, kind="both"), r"`kind` must be that of the kernels in .*, \['ntk'\], got"),
    "dtype": (lambda p: begun(p, dtype="float32"), '`dtype` must be that of .*, "float64", got "float32"'),
    "block": (lambda p: begun(p, block=32), "`block` must be that of the kernels in .*, 64, got 32"),
}


@pytest.mark.parametrize("what", CHANGED)
def test_a_folder_of_something_else_is_refused(tmp_path: Path, what: str) -> None:
    path = tmp_path / "k"
    begun(path)
    kept = {file: file.stat().st_mtime_ns for file in path.rglob("*") if file.is_file()}
    call, message = CHANGED[what]
    with pytest.raises(ts.ProblemError, match=f"^blockwise: {message}") as caught:
        call(path)
    assert "\n" not in str(caught.value)
    assert kept == {file: file.stat().st_mtime_ns for file in path.rglob("*") if file.is_file()}


def test_widths_do_not_matter_and_another_version_does(tmp_path: Path) -> None:
    path = tmp_path / "k"
    begun(path)
    wide = ts.MLP(depth=3, width=4096, activation="relu", bias_std=0.1)
    ts.kernels.blockwise(wide, inputs(70), path=path)
    about = json.loads((path / "about.json").read_text())
    (path / "about.json").write_text(json.dumps(about | {"code": "other"}))
    with pytest.raises(ts.ProblemError, match="begun by another version"):
        begun(path)


class Disk:
    free = 10_000


BAD: list[tuple[Callable[[Path], object], str]] = [
    (lambda p: ts.kernels.blockwise(NET, [1.0, 2.0], path=p), r"`x1` must have shape (samples, inputs), got (2,)"),
    (lambda p: ts.kernels.blockwise(NET, [["a"]], path=p), "`x1` must be an array of numbers, got list"),
    (lambda p: ts.kernels.blockwise(NET, [[np.nan]], path=p), "`x1` must be finite, got NaN or infinity"),
    (lambda p: ts.kernels.blockwise(NET, np.ones((3, 2)), np.ones((3, 3)), path=p), "`x2` must have 2 columns"),
    (lambda p: begun(p, kind="nkt"), '`kind` must be one of ntk, nngp, both; got "nkt" (did you mean "ntk"?)'),
    (lambda p: begun(p, dtype="float16"), '`dtype` must be one of float64, float32; got "float16"'),
    (lambda p: begun(p, block=0), "`block` must be a whole number of at least 1, got 0"),
    (lambda p: begun(p, block=64.0), "`block` must be a whole number of at least 1, got 64.0"),
    (lambda p: begun(p, memory=1000), "`memory` must be at least"),
    (lambda p: begun(p, memory="8 GB"), '`memory` must be a whole number of at least 1, got "8 GB"'),
    (lambda p: begun(p.parent), "`path` must be new, empty or hold stored kernels, got"),
    (lambda p: begun(p.parent / "x.npy"), "`path` must be new, empty or hold stored kernels, got"),
    (lambda p: begun(p, device="tpu"), '`device` must be "cpu" or "cuda"'),
    (ts.kernels.stored_kernels, "`path` must be a folder written by `blockwise`, got"),
]


@pytest.mark.parametrize(("call", "message"), BAD)
def test_bad_input(tmp_path: Path, call: Callable[[Path], object], message: str) -> None:
    np.save(tmp_path / "x.npy", inputs(70))
    with pytest.raises(ts.ProblemError) as caught:
        call(tmp_path / "k")
    assert message in str(caught.value) and "\n" not in str(caught.value)


def test_a_full_disk_is_seen_before_the_work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(blocks.shutil, "disk_usage", lambda folder: Disk)
    with pytest.raises(ts.ProblemError, match=r"`path` must have 98304 bytes of disk left, got 10000"):
        begun(tmp_path / "k")


@pytest.fixture
def traced() -> Iterator[None]:
    tracemalloc.start()
    yield
    tracemalloc.stop()


@pytest.mark.parametrize(("activation", "memory"), [("relu", 4_000_000), ("relu", 12_000_000), ("elu", 40_000_000)])
def test_memory_is_bounded(tmp_path: Path, traced: None, activation: str, memory: int) -> None:
    x = np.random.default_rng(0).normal(size=(512, 100))
    x[1::2] = x[::2] + 1e-3  # series need all their terms
    network = ts.MLP(depth=3, width=8, activation=activation)
    ts.kernels.blockwise(network, x[:130], path=tmp_path / "warm", kind="both")  # compiles
    before = tracemalloc.get_traced_memory()[0]
    tracemalloc.reset_peak()
    found = ts.kernels.blockwise(network, x, path=tmp_path / "k", kind="both", memory=memory)
    used = tracemalloc.get_traced_memory()[1] - before
    assert used <= memory
    block = found.about["block"]
    assert block == 512 or used > 0.1 * memory  # and not for nothing


def test_blocks_are_a_zarr_array(tmp_path: Path) -> None:
    found = ts.kernels.blockwise(NET, inputs(), path=tmp_path / "k", block=64)
    about = json.loads((tmp_path / "k" / "ntk.zarr" / "zarr.json").read_text())
    assert about["zarr_format"] == 3 and about["shape"] == [N, N]
    assert about["chunk_grid"]["configuration"]["chunk_shape"] == [64, 64]
    raw = np.fromfile(tmp_path / "k" / "ntk.zarr" / "c" / "4" / "1", "<f8").reshape(64, 64)
    np.testing.assert_array_equal(raw[:44], found.ntk.dense()[256:, 64:128])
    assert np.isnan(raw[44:]).all()
    zarr = pytest.importorskip("zarr")
    opened = zarr.open_array(str(tmp_path / "k" / "ntk.zarr"), mode="r")
    whole = np.tril(opened[:])
    assert np.isnan(opened[0, N - 1])
    np.testing.assert_array_equal(np.tril(whole), np.tril(found.ntk.dense()))
    assert opened.attrs["long_name"] == "neural tangent kernel"


def test_a_broken_write_leaves_no_block(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(number: int) -> None:
        raise OSError("disk full")

    monkeypatch.setattr(stored.os, "fsync", fails)
    with pytest.raises(OSError, match="disk full"):
        stored.write_whole(tmp_path / "a" / "b", b"1234")
    assert not any((tmp_path / "a").iterdir())
    monkeypatch.setattr(stored.os, "fsync", os.fsync)
