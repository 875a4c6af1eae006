"""Large kernel matrices on disk, in square blocks; of a symmetric matrix only those on and below the diagonal.

A folder holds

    about.json              what was asked for: network, inputs, sizes (hashes and numbers)
    finished/3-1.json       the record of a finished block, written after its numbers
    ntk.zarr, nngp.zarr     zarr arrays (format 3, no compression): block (3, 1) is the file c/3/1

so the matrices can be opened by `zarr.open` or read as plain numbers, and nothing but numpy is needed here: blocks are
mapped into memory. Every file is written under another name and renamed: after a kill, whatever is there is whole.
Blocks above the diagonal of a symmetric matrix are missing (zarr shows NaN): take their mirror images.
"""

from __future__ import annotations

import json
import math
import os
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from theorysim.errors import ProblemError

Kind = Literal["ntk", "nngp"]
Number = Literal["float64", "float32"]
KINDS: tuple[Kind, ...] = ("ntk", "nngp")
NUMBERS: tuple[Number, ...] = ("float64", "float32")


@dataclass(frozen=True, eq=False)
class StoredMatrix:
    """A kernel matrix in blocks on disk.

    Attributes
    ----------
    folder : Path
        The zarr array.
    shape : pair of int
    block : int
        Edge of a block.
    dtype : {"float64", "float32"}
    symmetric : bool
        Only blocks on and below the diagonal exist.
    error : float
        Bound on the error of an entry: truncation of the kernel's series, and rounding to float32.
    """

    folder: Path
    shape: tuple[int, int]
    block: int
    dtype: Number
    symmetric: bool
    error: float = 0.0

    def __len__(self) -> int:
        return self.shape[0]

    @property
    def blocks(self) -> list[tuple[int, int]]:
        """Row and column numbers of the blocks that exist, row by row."""
        down, across = (math.ceil(size / self.block) for size in self.shape)
        return [(i, j) for i in range(down) for j in range(i + 1 if self.symmetric else across)]

    @property
    def nbytes(self) -> int:
        """Bytes on disk."""
        return len(self.blocks) * self._block_bytes

    @property
    def _block_bytes(self) -> int:
        return self.block**2 * np.dtype(self.dtype).itemsize

    def read(self, i: int, j: int) -> NDArray[Any]:
        """Return a block, mapped from disk, shape (block, block); NaN beyond the edges of the matrix."""
        return np.memmap(self._file(i, j), self._little_endian, mode="r", shape=(self.block, self.block))

    def held(self) -> HeldBlocks:
        """Return the matrix with all blocks mapped at once: for as many products as one likes."""
        return HeldBlocks(self.shape, self.block, {at: self.read(*at) for at in self.blocks})

    def dense(self) -> NDArray[np.float64]:
        """Return the whole matrix in memory, both halves of a symmetric one."""
        whole = np.empty(self.shape)
        for i, j in self.blocks:
            rows, columns = (slice(k * self.block, (k + 1) * self.block) for k in (i, j))
            part = whole[rows, columns]
            part[...] = self.read(i, j)[: part.shape[0], : part.shape[1]]
            if self.symmetric and i != j:
                whole[columns, rows] = part.T
        return whole

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> NDArray[Any]:
        whole = self.dense()
        return whole if dtype is None else whole.astype(dtype, copy=False)

    def create(self, attributes: Mapping[str, Any]) -> None:
        """Write the description of the array that zarr reads."""
        description = {
            "zarr_format": 3,
            "node_type": "array",
            "shape": list(self.shape),
            "data_type": self.dtype,
            "chunk_grid": {"name": "regular", "configuration": {"chunk_shape": [self.block, self.block]}},
            "chunk_key_encoding": {"name": "default", "configuration": {"separator": "/"}},
            "fill_value": "NaN",
            "codecs": [{"name": "bytes", "configuration": {"endian": "little"}}],
            "attributes": dict(attributes),
            "dimension_names": ["sample", "sample_other"],
        }
        write_whole(self.folder / "zarr.json", json.dumps(description, indent=1).encode())

    def write(self, i: int, j: int, values: NDArray[Any]) -> None:
        """Write a block, shape at most (block, block)."""
        chunk = np.full((self.block, self.block), np.nan, self._little_endian)
        chunk[: values.shape[0], : values.shape[1]] = values
        write_whole(self._file(i, j), chunk.data.cast("B"))

    def is_whole(self, i: int, j: int) -> bool:
        """Return whether the file of a block is there in its full length."""
        file = self._file(i, j)
        return file.is_file() and file.stat().st_size == self._block_bytes

    @property
    def _little_endian(self) -> np.dtype[Any]:
        return np.dtype(self.dtype).newbyteorder("<")

    def _file(self, i: int, j: int) -> Path:
        return self.folder / "c" / str(i) / str(j)


@dataclass(frozen=True, eq=False)
class HeldBlocks:
    """Blocks of a matrix that stay mapped."""

    shape: tuple[int, int]
    block: int
    parts: Mapping[tuple[int, int], NDArray[Any]]

    def read(self, i: int, j: int) -> NDArray[Any]:
        """Return block (i, j)."""
        return self.parts[i, j]


@dataclass(frozen=True, eq=False)
class StoredKernels:
    """Kernels of one network between the same samples, on disk.

    Attributes
    ----------
    folder : Path
    about : mapping
        What was asked for, as in about.json.
    matrices : mapping of "ntk", "nngp" to StoredMatrix
    """

    folder: Path
    about: Mapping[str, Any]
    matrices: Mapping[str, StoredMatrix] = field(repr=False)

    @property
    def ntk(self) -> StoredMatrix:
        """The neural tangent kernel."""
        return self._matrix("ntk")

    @property
    def nngp(self) -> StoredMatrix:
        """The covariance of the outputs at initialisation."""
        return self._matrix("nngp")

    def _matrix(self, kind: str) -> StoredMatrix:
        if kind not in self.matrices:
            raise ProblemError(f'stored kernels: `kind` must have included "{kind}", got only {self._kinds()}')
        return self.matrices[kind]

    def _kinds(self) -> str:
        return ", ".join(f'"{kind}"' for kind in self.matrices)

    @property
    def blocks(self) -> list[tuple[int, int]]:
        """The blocks that belong to the matrices."""
        return next(iter(self.matrices.values())).blocks

    def finished(self) -> list[tuple[int, int]]:
        """Return the finished blocks: recorded, and there in their full length."""
        return [at for at in self.blocks if self._record(*at).is_file() and self._is_whole(*at)]

    def record(self, i: int, j: int, errors: Mapping[str, float]) -> None:
        """Note that a block is finished, and the error bounds of its entries."""
        write_whole(self._record(i, j), json.dumps(dict(errors)).encode())

    def largest_errors(self) -> dict[str, float]:
        """Return the largest recorded error bound of each kind."""
        records = [json.loads(self._record(*at).read_bytes()) for at in self.blocks]
        return {kind: max(record[kind] for record in records) for kind in self.matrices}

    def _record(self, i: int, j: int) -> Path:
        return self.folder / "finished" / f"{i}-{j}.json"

    def _is_whole(self, i: int, j: int) -> bool:
        return all(matrix.is_whole(i, j) for matrix in self.matrices.values())


def stored_kernels(path: str | Path) -> StoredKernels:
    """Return the kernels that `blockwise` has left in a folder.

    Raises
    ------
    ProblemError
        If there are none, or if they are not finished.
    """
    kernels = opened(Path(path))
    missing = len(kernels.blocks) - len(kernels.finished())
    if missing:
        raise ProblemError(
            f"stored kernels: `path` must hold finished kernels, got {missing} of {len(kernels.blocks)} blocks "
            f"missing in {path}; `blockwise` with the same arguments computes them"
        )
    errors = kernels.largest_errors()
    return opened(Path(path), errors)


def opened(folder: Path, errors: Mapping[str, float] | None = None) -> StoredKernels:
    """Return the kernels in a folder, finished or not."""
    file = folder / "about.json"
    if not file.is_file():
        raise ProblemError(f"stored kernels: `path` must be a folder written by `blockwise`, got {folder}")
    about = json.loads(file.read_bytes())
    found = errors or {}
    matrices = {
        kind: StoredMatrix(
            folder=folder / f"{kind}.zarr",
            shape=(about["shape"][0], about["shape"][1]),
            block=about["block"],
            dtype=about["dtype"],
            symmetric=about["symmetric"],
            error=float(found.get(kind, 0.0)),
        )
        for kind in about["kinds"]
    }
    return StoredKernels(folder, about, matrices)


def write_whole(path: Path, content: bytes | memoryview) -> None:
    """Write a file so that it is there whole or not at all, whatever happens meanwhile."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f"{path.name}.{os.getpid()}.part")
    try:
        with part.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        part.replace(path)
    except BaseException:
        with suppress(OSError):
            part.unlink()
        raise


def leftovers(folder: Path) -> Iterator[Path]:
    """Yield the unfinished files that a kill has left."""
    yield from folder.rglob("*.part")
