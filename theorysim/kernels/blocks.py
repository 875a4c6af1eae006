"""Kernel matrices of many samples, computed block by block into a folder; a killed run goes on where it stopped.

Limit    as `kernels.ntk`, `kernels.nngp`: the same numbers to rounding, for any size of the blocks.
Error    that of the closed forms and series of `infinite.recursion`, recorded with every block; float32 adds its
         rounding. The self-kernels come from the blocks on the diagonal, exactly; nearly coinciding samples in
         different blocks keep their digits as everywhere.
Store    see `kernels.stored`.
"""

from __future__ import annotations

import hashlib
import json
import math
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from theorysim.backend.fingerprint import fingerprint, sources_digest
from theorysim.equations.activations import Activation
from theorysim.equations.duals import dual_of
from theorysim.errors import ProblemError
from theorysim.infinite import recursion
from theorysim.infinite.recursion import kernels_of, nngp_of, steps_of
from theorysim.kernels.operators import whole
from theorysim.kernels.stored import (
    KINDS,
    NUMBERS,
    Kind,
    Number,
    StoredKernels,
    leftovers,
    opened,
    stored_kernels,
    write_whole,
)
from theorysim.observables import attributes
from theorysim.problem.layers import Layers
from theorysim.problem.network import MLP, activation_of
from theorysim.problem.validation import one_of, shown

Array = NDArray[np.float64]

MEMORY = 2**30
"""Bytes that a computation may use beside its inputs, where nothing else is said."""
LARGEST_BLOCK, SMALLEST_BLOCK = 2048, 64
_SERIES_BYTES = 64_000  # of a sample: nodes and Hermite coefficients (measured in tests/kernels/test_blockwise.py)

_SAME = {  # what a folder must agree on -> how a disagreement is told
    "network": "`network` must be the one whose kernels are in {folder}, got another",
    "x1": "`x1` must be the inputs whose kernels are in {folder}, got others",
    "x2": "`x2` must be the inputs whose kernels are in {folder}, got others",
    "kinds": "`kind` must be that of the kernels in {folder}, {there}, got {here}",
    "dtype": "`dtype` must be that of the kernels in {folder}, {there}, got {here}",
    "block": "`block` must be that of the kernels in {folder}, {there}, got {here}",
    "code": "`path` must be another folder, got {folder}, begun by another version of theorysim",
}


def blockwise(
    network: MLP,
    x1: ArrayLike,
    x2: ArrayLike | None = None,
    *,
    path: str | Path,
    kind: Kind | Literal["both"] = "ntk",
    block: int | None = None,
    memory: int = MEMORY,
    dtype: Number = "float64",
    device: str = "cpu",
    progress: Callable[[float], None] | None = None,
) -> StoredKernels:
    """Compute kernels block by block into a folder; call it again after a kill, and finished blocks stay.

    Parameters
    ----------
    network : MLP
    x1, x2 : array_like, shapes (n1, d) and (n2, d)
        Samples first. Without `x2` only the half on and below the diagonal is computed and kept.
    path : str or Path
        The folder, made if need be. One process at a time works in it.
    kind : {"ntk", "nngp", "both"}
    block : int, optional
        Edge of a block; default the largest that `memory` allows, at most 2048.
    memory : int
        Bytes that the computation may use beside the inputs.
    dtype : {"float64", "float32"}
        Numbers on disk; all computation is in float64.
    device : {"cpu", "cuda"}
    progress : callable, optional
        Called with the fraction of blocks finished, first with what an earlier run has left.

    Returns
    -------
    StoredKernels
        With the matrices `ntk` and `nngp`, as far as `kind` asks.

    Raises
    ------
    ProblemError
        If the folder holds kernels of something else, or memory or disk do not suffice.
    """
    one, two = _inputs("x1", x1), None if x2 is None else _inputs("x2", x2)
    layers, activation = network.layers(inputs=one.shape[1], outputs=1), activation_of(network)
    _check_choices(one, two, kind, block, dtype, memory)
    kernels = _begun(
        Path(path), _about(layers, activation, one, two, KINDS if kind == "both" else (kind,), dtype), block,
        lambda edge: _bytes_of(edge, layers, dual_of(activation) is None), memory,
    )  # fmt: skip
    _fill(kernels, layers, activation, one, two, device, progress or (lambda fraction: None))
    return stored_kernels(path)


def _fill(
    kernels: StoredKernels, layers: Layers, activation: Activation, one: Array, two: Array | None, device: str,
    progress: Callable[[float], None],
) -> None:  # fmt: skip
    """Compute the blocks that are not finished."""
    finished, edge = set(kernels.finished()), kernels.about["block"]
    _check_disk(kernels, len(kernels.blocks) - len(finished))
    progress(len(finished) / len(kernels.blocks))
    for i, j in kernels.blocks:
        if (i, j) in finished:
            continue
        rows, columns = (slice(k * edge, (k + 1) * edge) for k in (i, j))
        other = one[columns] if two is None else two[columns]
        found = _computed(layers, activation, one[rows], None if two is None and i == j else other, kernels, device)
        for kind, (values, _) in found.items():
            kernels.matrices[kind].write(i, j, values)
        kernels.record(
            i, j, {kind: _error(values, error, kernels.about["dtype"]) for kind, (values, error) in found.items()}
        )
        finished.add((i, j))
        progress(len(finished) / len(kernels.blocks))
    for part in leftovers(kernels.folder):
        part.unlink(missing_ok=True)


def _computed(
    layers: Layers, activation: Activation, one: Array, other: Array | None, kernels: StoredKernels, device: str
) -> dict[str, tuple[Array, float]]:
    """Return the wanted kernels of a block, and error bounds; the nngp alone needs no derivative at jumps."""
    if "ntk" not in kernels.matrices:
        return {"nngp": nngp_of(layers, activation, one, other, device=device)}
    both = kernels_of(layers, activation, one, other, device=device)
    found = {"ntk": (both.ntk, both.ntk_error), "nngp": (both.nngp, both.nngp_error)}
    return {kind: found[kind] for kind in kernels.matrices}


def _error(values: Array, error: float, dtype: str) -> float:
    """Return the error bound of the entries of a block: series, and rounding to float32."""
    if dtype == "float64":
        return error
    return error + 0.5 * float(np.finfo(np.float32).eps) * float(np.max(np.abs(values)))


def _begun(
    folder: Path, about: dict[str, Any], block: int | None, bytes_of: Callable[[int], int], memory: int
) -> StoredKernels:
    """Return the kernels of the folder, begun now or before; refuse those of something else."""
    if (folder / "about.json").is_file():
        kernels = opened(folder)
        about["block"] = kernels.about["block"] if block is None else block
        _check_same(kernels.about, about, folder)
        _check_memory(about["block"], bytes_of, memory)
        return kernels
    if folder.is_file() or (folder.is_dir() and any(folder.iterdir())):
        raise ProblemError(f"blockwise: `path` must be new, empty or hold stored kernels, got {folder}")
    about["block"] = block or _largest_block(max(about["shape"]), bytes_of, memory)
    _check_memory(about["block"], bytes_of, memory)
    write_whole(folder / "about.json", json.dumps(about, indent=1).encode())
    kernels = opened(folder)
    for kind, matrix in kernels.matrices.items():
        matrix.create(attributes(kind) | {"network": about["network"], "symmetric": about["symmetric"]})
    return kernels


def _check_same(there: Mapping[str, Any], here: Mapping[str, Any], folder: Path) -> None:
    for name, text in _SAME.items():
        if there.get(name) != here[name]:
            told = text.format(folder=folder, there=shown(there.get(name)), here=shown(here[name]))
            raise ProblemError(f"blockwise: {told}")


def _about(
    layers: Layers, activation: Activation, one: Array, two: Array | None, kinds: tuple[Kind, ...], dtype: Number
) -> dict[str, Any]:
    return {
        "network": _digest_of_network(layers, activation),
        "x1": _digest(one),
        "x2": None if two is None else _digest(two),
        "code": sources_digest(recursion.__name__),
        "shape": [len(one), len(one if two is None else two)],
        "symmetric": two is None,
        "kinds": list(kinds),
        "dtype": dtype,
    }


def _digest_of_network(layers: Layers, activation: Activation) -> str:
    """Return a hash of all that the kernels depend on: widths do not matter, rates and variances do."""
    maps = dual_of(activation)
    bodies = [activation.function, activation.derivative, *(() if maps is None else (maps.pair, maps.diagonal))]
    text = repr((activation.name, activation.parameters, [fingerprint(b) for b in bodies], steps_of(layers).tolist()))
    return hashlib.sha256(text.encode()).hexdigest()


def _digest(x: Array) -> str:
    content = hashlib.sha256(repr(x.shape).encode())
    for start in range(0, len(x), 1024):
        content.update(np.ascontiguousarray(x[start : start + 1024]).data)
    return content.hexdigest()


def _bytes_of(edge: int, layers: Layers, series: bool) -> int:
    """Return the bytes that a block needs: two kernels, the numbers to be written, and what each sample needs."""
    sample = 24 * layers.widths[0] + 64 * (len(layers.widths) + 4) + (_SERIES_BYTES if series else 0)
    return 24 * edge**2 + 2 * edge * sample + 2**20


def _largest_block(size: int, bytes_of: Callable[[int], int], memory: int) -> int:
    edge = min(LARGEST_BLOCK, SMALLEST_BLOCK * math.ceil(size / SMALLEST_BLOCK))
    while edge > SMALLEST_BLOCK and bytes_of(edge) > memory:
        edge -= SMALLEST_BLOCK
    return edge


def _check_memory(edge: int, bytes_of: Callable[[int], int], memory: int) -> None:
    if bytes_of(edge) > memory:
        raise ProblemError(
            f"blockwise: `memory` must be at least {bytes_of(edge)} bytes for blocks of {edge} samples, got {memory}"
        )


def _check_disk(kernels: StoredKernels, missing: int) -> None:
    wanted = missing * sum(matrix.nbytes for matrix in kernels.matrices.values()) // len(kernels.blocks)
    free = shutil.disk_usage(kernels.folder).free
    if wanted > free:
        raise ProblemError(f"blockwise: `path` must have {wanted} bytes of disk left, got {free} in {kernels.folder}")


def _check_choices(one: Array, two: Array | None, kind: Any, block: Any, dtype: Any, memory: Any) -> None:
    if two is not None and two.shape[1] != one.shape[1]:
        raise ProblemError(f"blockwise: `x2` must have {one.shape[1]} columns as `x1`, got {two.shape[1]}")
    if kind not in (*KINDS, "both"):
        raise ProblemError(f"blockwise: `kind` {one_of(kind, (*KINDS, 'both'))}")
    if dtype not in NUMBERS:
        raise ProblemError(f"blockwise: `dtype` {one_of(dtype, NUMBERS)}")
    whole("blockwise", "memory", memory)
    if block is not None:
        whole("blockwise", "block", block)


def _inputs(name: str, x: ArrayLike) -> Array:
    try:
        array = np.asarray(x, dtype=np.float64)
    except (TypeError, ValueError):
        raise ProblemError(f"blockwise: `{name}` must be an array of numbers, got {type(x).__name__}") from None
    if array.ndim != 2 or array.size == 0:
        raise ProblemError(f"blockwise: `{name}` must have shape (samples, inputs), got {array.shape}")
    if not np.all(np.isfinite(array)):
        raise ProblemError(f"blockwise: `{name}` must be finite, got NaN or infinity")
    return np.ascontiguousarray(array)
