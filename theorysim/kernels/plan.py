"""How the dynamics in a large kernel are best computed: with all eigenvectors, or by products alone.

The times are those of one core of a server (measured in benchmarks/large_kernel.py); their ratio decides, and it
differs little between machines.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from theorysim.errors import ProblemError
from theorysim.problem.validation import one_of, shown

Method = Literal["eigenvectors", "products"]
METHODS: tuple[Method, ...] = ("eigenvectors", "products")
MEMORY = 8 * 2**30
"""Bytes that dynamics may use, where nothing else is said."""

_EIGENVECTORS_BYTES = 40  # per entry: matrix, LAPACK's copy, its two arrays of work, the vectors in order
_EIGENVECTORS_SECONDS = 2.2e-10  # times samples^3
_PRODUCT_SECONDS, _OUTPUT_SECONDS = 2.2e-10, 1.3e-10  # times samples^2; the second for each output
_DISK_SECONDS = 1e-9  # per byte of a matrix that memory does not hold
_RECORDED = 30  # moments at most at which a product more is spent


@dataclass(frozen=True)
class Plan:
    """How to compute, and why.

    Attributes
    ----------
    method : {"eigenvectors", "products"}
    nbytes : int
        Bytes in memory that the method needs for the kernel.
    seconds : float
        Predicted seconds of one core.
    from_disk : bool
        The kernel does not fit in memory and is read from disk at every step.
    reason : str
        One sentence.
    """

    method: Method
    nbytes: int
    seconds: float
    from_disk: bool
    reason: str

    def __str__(self) -> str:
        return self.reason


def plan(samples: int, outputs: int = 1, steps: int = 1000, memory: int = MEMORY) -> Plan:
    """Return how gradient descent in a kernel is best computed.

    Parameters
    ----------
    samples, outputs : int
        Training samples P and outputs C.
    steps : int
        Updates.
    memory : int
        Bytes that the kernel and its eigenvectors may take.

    Raises
    ------
    ProblemError
        If a number is not whole and positive.
    """
    for name, value in (("samples", samples), ("outputs", outputs), ("steps", steps), ("memory", memory)):
        if isinstance(value, bool) or not isinstance(value, int) or value < 1:
            raise ProblemError(f"plan: `{name}` must be a whole number of at least 1, got {shown(value)}")
    vectors, products = _eigenvectors(samples), _products(samples, outputs, steps, memory)
    if vectors.nbytes > memory:
        return _because(products, f"eigenvectors would need {_size(vectors.nbytes)}, {_size(memory)} are allowed")
    best, other = sorted((vectors, products), key=lambda one: one.seconds)
    return _because(best, f"{other.method} would take {_time(other.seconds)}")


def _eigenvectors(samples: int) -> Plan:
    nbytes, seconds = _EIGENVECTORS_BYTES * samples**2, _EIGENVECTORS_SECONDS * samples**3
    return Plan("eigenvectors", nbytes, seconds, False, f"all eigenvectors of {samples} samples")


def _products(samples: int, outputs: int, steps: int, memory: int) -> Plan:
    half = 4 * samples**2
    seconds = (_PRODUCT_SECONDS + outputs * _OUTPUT_SECONDS) * samples**2
    seconds += _DISK_SECONDS * half if half > memory else 0.0
    where = f"{steps} products with the kernel{' read from disk' if half > memory else ''}"
    return Plan("products", min(half, memory), seconds * (steps + min(steps, _RECORDED)), half > memory, where)


def _because(chosen: Plan, other: str) -> Plan:
    reason = f"{chosen.reason}: {_time(chosen.seconds)} on one core in {_size(chosen.nbytes)}; {other}"
    return Plan(chosen.method, chosen.nbytes, chosen.seconds, chosen.from_disk, reason)


def _size(nbytes: float) -> str:
    return f"{nbytes / 1e9:.2g} GB" if nbytes >= 1e8 else f"{nbytes / 1e6:.2g} MB"


def _time(seconds: float) -> str:
    if seconds < 1.0:
        return "less than a second"
    if seconds < 300.0:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 18_000.0 else f"{seconds / 3600:.0f} h"


def checked_method(value: Any) -> Method | None:
    """Return a method's name or None."""
    if value is not None and value not in METHODS:
        raise ProblemError(f"descend: `method` {one_of(value, METHODS)}")
    chosen: Method | None = value
    return chosen
