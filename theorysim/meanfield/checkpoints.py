"""Marches that are kept on disk: one that was interrupted, or is to go on for longer, continues where it stopped.

A replica's file holds all arrays of its march before some step, and its outputs at the recorded steps until there. It
is used by any run that agrees with it up to that step: the same problem, seed and size, whatever its length, the same
step sizes and the same recorded steps so far. The bits are those of a run without interruption.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np
from numpy.typing import NDArray

from theorysim.errors import ProblemError
from theorysim.problem.optimizer import SGD
from theorysim.problem.training import Training

Array = NDArray[Any]
Moment = tuple[Array, Array, int]
PARTS = 10
"""Times that a run is kept on its way."""
_GIVEN = ("setting", "noise")  # what a march is made of, and no part of its state


@dataclass(frozen=True)
class Journal:
    """The file of one replica.

    Attributes
    ----------
    path : Path
    etas : ndarray, shape (steps,)
        Step sizes of the run.
    recorded : tuple of int
    """

    path: Path
    etas: Array
    recorded: tuple[int, ...]

    def resume(self, march: Any) -> tuple[int, list[Moment]]:
        """Put a fresh march where the file stopped; return the step that comes next and what was recorded before."""
        stored = self._stored()
        if stored is None:
            return 0, []
        step = int(stored["step"])
        for name, holder, key in _leaves(march):
            _put(holder, key, stored[name])
        known = dict(zip(stored["recorded"].tolist(), range(len(stored["recorded"])), strict=True))
        places = [known[k] for k in self.recorded if k < step]
        return step, [(stored["train"][i], stored["test"][i], int(stored["rank"][i])) for i in places]

    def _stored(self) -> dict[str, Array] | None:
        """Return the file's arrays where this run may go on from them."""
        try:
            with self.path.open("rb") as opened, np.load(opened, allow_pickle=False) as file:
                stored = {name: file[name] for name in file.files}
        except (FileNotFoundError, BadZipFile, ValueError, EOFError):
            return None
        step = int(stored["step"])
        same = step <= self.recorded[-1] and np.array_equal(stored["etas"], self.etas[:step])
        seen = {k for k in self.recorded if k < step} <= set(stored["recorded"].tolist())
        return stored if same and seen else None

    def due(self, step: int) -> bool:
        """Return whether the march is kept before a step."""
        last = self.recorded[-1]
        return step == last or (step > 0 and step % max(1, -(-last // PARTS)) == 0)

    def keep(self, march: Any, step: int, found: list[Moment]) -> None:
        """Write the file; a broken write leaves the old one."""
        train, test, rank = zip(*found, strict=True) if found else ((), (), ())
        so_far = [k for k in self.recorded if k < step]
        arrays: dict[str, Any] = {
            "step": step,
            "etas": self.etas[:step],
            "recorded": so_far,
            "train": train,
            "test": test,
        }
        arrays["rank"] = rank
        part = self.path.with_suffix(".part")
        with part.open("wb") as file:
            np.savez(file, **arrays, **{name: _get(holder, key) for name, holder, key in _leaves(march)})
        part.replace(self.path)


def journal(folder: str | Path, training: Training, *, seed: int, stream: int, size: tuple[float, ...]) -> Journal:
    """Return the file of a replica in a folder, named by all that decides its first steps."""
    assert isinstance(training.optimizer, SGD)
    stated = json.loads(training.to_json())
    for name in ("steps", "record"):
        stated["training"].pop(name, None)
    key = json.dumps([stated, seed, stream, size], sort_keys=True)
    place = Path(folder)
    try:
        place.mkdir(parents=True, exist_ok=True)
    except OSError as failure:
        raise ProblemError(
            f"meanfield: `checkpoint` must be a folder that can be written, got {folder}: {failure}"
        ) from None
    name = hashlib.sha256(key.encode()).hexdigest()[:16]
    etas = np.asarray(training.optimizer.step_sizes(training.steps or 0), float)
    return Journal(place / f"march-{name}-{stream}.npz", etas, tuple(training.recorded))


def _leaves(thing: Any) -> Iterator[tuple[str, Any, Any]]:
    """Yield (name, holder, key) of every array and number of an object, once each, in the order of its attributes."""
    todo, seen = [("", thing)], {id(thing)}
    while todo:
        name, holder = todo.pop()
        items = enumerate(holder) if isinstance(holder, list) else list(vars(holder).items())
        for key, value in items:
            if key in _GIVEN:
                continue
            if isinstance(value, np.ndarray | bool | int | float):
                yield f"{name}.{key}", holder, key
            elif isinstance(value, list) or hasattr(value, "__dict__"):
                if id(value) not in seen:
                    seen.add(id(value))
                    todo.append((f"{name}.{key}", value))
            elif value is not None:
                raise TypeError(f"{name}.{key}: a {type(value).__name__} cannot be kept")


def _get(holder: Any, key: Any) -> Any:
    return holder[key] if isinstance(holder, list) else getattr(holder, key)


def _put(holder: Any, key: Any, value: Array) -> None:
    one = value if value.ndim else value.item()
    if isinstance(holder, list):
        holder[key] = one
    else:
        setattr(holder, key, one)
