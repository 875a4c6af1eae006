"""Equations from sympy expressions: compiled functions, derivatives, and the kind of the noise, found by algebra."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any

import sympy as sp

from theorysim.backend import mathfun
from theorysim.backend.compile import body, user_function
from theorysim.errors import ProblemError
from theorysim.solvers.sde.equation import Equation

_CODE = {name: getattr(mathfun, name) for name in mathfun.__all__} | {
    "sqrt": math.sqrt, "tan": math.tan, "sinh": math.sinh, "cosh": math.cosh, "asinh": math.asinh,
    "acosh": math.acosh, "atanh": math.atanh, "Abs": math.fabs, "pi": math.pi, "e": math.e,
}  # fmt: skip
_FUNCTIONS = (
    sp.exp, sp.log, sp.sin, sp.cos, sp.tan, sp.asin, sp.acos, sp.atan, sp.sinh, sp.cosh, sp.tanh, sp.asinh, sp.acosh,
    sp.atanh, sp.erf, sp.erfc, sp.Abs,
)  # fmt: skip
_GRAMMAR = (sp.Add, sp.Mul, sp.Pow, sp.Number, sp.NumberSymbol, sp.Symbol)
_T, _X, _C = sp.Symbol("t"), sp.IndexedBase("x"), sp.IndexedBase("c")


def from_sympy(
    drift: Sequence[Any],
    diffusion: Any,
    state: Sequence[Any],
    *,
    time: Any = None,
    constants: Mapping[Any, float] | None = None,
    calculus: str = "ito",
    alpha: float | None = None,
) -> Equation:
    """Return the equation of sympy expressions; its kind, the slopes and the Jacobian are found by algebra.

    Parameters
    ----------
    drift : sequence of expressions, shape (dimension,)
    diffusion : matrix or nested sequence of expressions, shape (dimension, noises)
    state : sequence of Symbol, shape (dimension,)
    time : Symbol, optional
    constants : mapping of Symbol to float, optional
        Values of the other symbols. Equations that differ in them alone share their compiled code.
    calculus, alpha
        As for `Equation`.

    Raises
    ------
    ProblemError
        If shapes do not fit, a symbol has no value, or a function is not known.
    """
    values = dict(constants or {})
    a = sp.Matrix([sp.sympify(e) for e in drift])
    b = sp.Matrix(diffusion)
    d, m = len(state), b.shape[1]
    if a.shape != (d, 1) or b.shape[0] != d:
        raise ProblemError(
            f"from_sympy: `drift`, `diffusion` must have {d} rows like `state`, got {a.shape[0]}, {b.shape[0]}"
        )
    real = {symbol: sp.Dummy(str(symbol), real=True) for symbol in _symbols(a, b, state, values, time)}
    a, b, state, time = a.xreplace(real), b.xreplace(real), [real[symbol] for symbol in state], real.get(time)
    kind = kind_of(b, state)
    names = {symbol: _X[k] for k, symbol in enumerate(state)}
    names |= {real[symbol]: _C[k] for k, symbol in enumerate(values)}
    if time is not None:
        names[time] = _T
    slopes = [sp.diff(b[k, k], state[k]) for k in range(d)] if kind == "diagonal" else []
    jacobian = a.jacobian(list(state))
    if d == m == 1:
        number = {symbol: sp.Symbol("y") if symbol in state else name for symbol, name in names.items()}
        one = [_number(e.xreplace(number)) for e in (a[0], b[0], sp.diff(b[0], state[0]), jacobian[0])]
        functions = dict(zip(("drift", "diffusion", "slope", "jacobian"), one, strict=True))
    else:
        column = kind in ("scalar", "diagonal")
        flat = [b[k, k if kind == "diagonal" else 0] for k in range(d)] if column else list(b)
        functions = {
            "drift": _vector(list(a), names), "jacobian": _matrix(list(jacobian), names, d),
            "diffusion": _vector(flat, names) if column else _matrix(flat, names, m),
        } | ({"slope": _vector(slopes, names)} if slopes else {})  # fmt: skip
    return Equation(
        dimension=d, noises=m, kind=kind, constants=[float(v) for v in values.values()], calculus=calculus, alpha=alpha,
        **functions,
    )  # fmt: skip


def kind_of(diffusion: Any, state: Sequence[Any]) -> str:
    """Return the kind of a diffusion matrix: the first of `equation.KINDS` that it belongs to."""
    b, x = sp.Matrix(diffusion), list(state)
    d, m = b.shape
    if not b.free_symbols & set(x):
        return "additive"
    if m == 1:
        return "diagonal" if d == 1 else "scalar"
    off = (b[i, j] for i in range(d) for j in range(m) if i != j)
    if d == m and all(e == 0 for e in off) and all(b[k, k].free_symbols & set(x) <= {x[k]} for k in range(d)):
        return "diagonal"
    for j in range(m):
        for k in range(j):
            one, other = b[:, k].jacobian(x) * b[:, j], b[:, j].jacobian(x) * b[:, k]
            if any(sp.simplify(e) != 0 for e in one - other):
                return "general"
    return "commutative"


def _symbols(a: Any, b: Any, state: Sequence[Any], values: Mapping[Any, float], time: Any) -> set[Any]:
    """Return all symbols, after looking at them and at the functions."""
    known = {*state, *values, *(() if time is None else (time,))}
    for name, matrix in (("drift", a), ("diffusion", b)):
        missing = matrix.free_symbols - known
        if missing:
            got = ", ".join(sorted(map(str, missing)))
            raise ProblemError(f"from_sympy: `{name}` must have symbols of `state`, `time`, `constants`, got {got}")
        nodes = {type(n) for e in matrix for n in sp.preorder_traversal(e) if not isinstance(n, _FUNCTIONS + _GRAMMAR)}
        if nodes or matrix.has(sp.zoo, sp.nan, sp.oo, sp.I):
            allowed = ", ".join(f.__name__ for f in _FUNCTIONS)
            got = ", ".join(sorted(n.__name__ for n in nodes)) or str(matrix)
            raise ProblemError(f"from_sympy: `{name}` must be real, made of {allowed}; got {got}")
    return known


def _code(arguments: tuple[Any, ...], expression: Any) -> Any:
    """Return the compiled function; its code is made of known functions under names of our own, never of text given."""
    return user_function(sp.lambdify(arguments, expression, modules=[_CODE], cse=True))


def _float(e: Any) -> Any:
    """Return an expression whose code gives a float: not an integer, nor the sign that |x| has as its slope."""
    e = e.replace(sp.sign, lambda u: 2.0 * sp.Heaviside(u, 0.5) - 1.0).replace(
        sp.Heaviside, lambda u, at: sp.Piecewise((sp.Float(0.0), u < 0), (sp.Float(1.0), u > 0), (sp.Float(at), True))
    )
    return sp.Float(float(e)) if not e.free_symbols else e


def _number(e: Any) -> Any:
    return _code((_T, sp.Symbol("y"), _C), _float(e))


def _vector(expressions: list[Any], names: dict[Any, Any]) -> Any:
    return _writing_vector(_values(expressions, names))


def _matrix(expressions: list[Any], names: dict[Any, Any], columns: int) -> Any:
    return _writing_matrix(_values(expressions, names), columns)


def _values(expressions: list[Any], names: dict[Any, Any]) -> Any:
    return _code((_T, _X, _C), tuple(_float(e.xreplace(names)) for e in expressions))


@lru_cache(maxsize=256)
def _writing_vector(values: Any) -> Any:
    @body
    def vector(t: float, x: Any, constants: Any, out: Any) -> None:
        found = values(t, x, constants)
        for k in range(out.shape[0]):
            out[k] = found[k]

    return vector


@lru_cache(maxsize=256)
def _writing_matrix(values: Any, columns: int) -> Any:
    @body
    def matrix(t: float, x: Any, constants: Any, out: Any) -> None:
        found = values(t, x, constants)
        for i in range(out.shape[0]):
            for j in range(out.shape[1]):
                out[i, j] = found[i * columns + j]

    return matrix
