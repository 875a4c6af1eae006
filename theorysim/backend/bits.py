"""Machine instructions for the CPU and CUDA: the bits of a float64, back, fused multiply-adds; width of vectors.

Without a compiler (``NUMBA_DISABLE_JIT=1``, as CUDA's simulator wants it) they are plain Python, where a multiply-add
rounds twice.
"""

from __future__ import annotations

import struct
from typing import Any

from llvmlite import ir
from numba.core import config, types
from numba.extending import intrinsic

from theorysim.backend.fingerprint import fingerprint

if config.DISABLE_JIT:

    def bits_from_float(x: Any) -> int:
        return int(struct.unpack("<Q", struct.pack("<d", x))[0])

    def float_from_bits(k: Any) -> float:
        return float(struct.unpack("<d", struct.pack("<Q", int(k) & 0xFFFFFFFFFFFFFFFF))[0])

    def fma(a: float, b: float, c: float) -> float:
        return a * b + c

    def polynomial(x: float, coefficients: tuple[float, ...]) -> float:
        total = 0.0
        for c in reversed(coefficients):
            total = total * x + c
        return total

    def wide_vectors() -> None: ...

else:

    @intrinsic  # type: ignore[untyped-decorator]
    def bits_from_float(typingctx: Any, x: Any) -> Any:
        """Return the uint64 with the bits of a float64."""

        def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
            return builder.bitcast(args[0], ir.IntType(64))

        return types.uint64(types.float64), generate

    @intrinsic  # type: ignore[untyped-decorator]
    def float_from_bits(typingctx: Any, k: Any) -> Any:
        """Return the float64 with the bits of a uint64."""

        def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
            return builder.bitcast(args[0], ir.DoubleType())

        return types.float64(types.uint64), generate

    @intrinsic  # type: ignore[untyped-decorator]
    def fma(typingctx: Any, a: Any, b: Any, c: Any) -> Any:
        """Return ``a * b + c`` rounded once."""

        def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
            return builder.fma(*args)

        return types.float64(types.float64, types.float64, types.float64), generate

    @intrinsic  # type: ignore[untyped-decorator]
    def polynomial(typingctx: Any, x: Any, coefficients: Any) -> Any:
        """Return ``c[0] + c[1] x + c[2] x**2 + ...`` for a tuple c of at least three float64."""

        def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
            x, c = args[0], [builder.extract_value(args[1], k) for k in range(len(coefficients))]
            square = builder.fmul(x, x)
            # Even and odd powers apart: two chains of fused multiply-adds wait half as long as one.
            odd, even = (_chain(builder, square, c[start::2]) for start in (1, 0))
            return builder.fma(odd, x, even)

        return types.float64(types.float64, coefficients), generate

    def _chain(builder: Any, x: Any, c: Any) -> Any:
        total = c[-1]
        for coefficient in reversed(c[:-1]):
            total = builder.fma(total, x, coefficient)
        return total

    @intrinsic  # type: ignore[untyped-decorator]
    def wide_vectors(typingctx: Any) -> Any:
        """Let the loops of the function that calls this use the widest vectors of the machine; same bits.

        Compilers keep to 256 bits where 512 might lower the clock: too careful for loops of arithmetic alone.
        """

        def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
            # past the list of names that llvmlite knows: LLVM takes pairs of strings too
            set.add(builder.function.attributes, '"prefer-vector-width"="512"')
            return context.get_dummy_value()

        return types.void(), generate

    for _instruction in (bits_from_float, float_from_bits, fma, polynomial, wide_vectors):
        # As for compiled functions: closures over what calls them hit the cache only if their identity is stable.
        if hasattr(_instruction, "_set_uuid"):
            _instruction._set_uuid(f"theorysim-{fingerprint(_instruction)}")
