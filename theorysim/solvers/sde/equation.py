"""Stochastic differential equations: dX = drift(t, X) dt + diffusion(t, X) dW, as scalar code or as numpy functions."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from theorysim.backend.compile import user_function
from theorysim.errors import ProblemError

Array = NDArray[np.float64]
Function = Callable[..., Any]

KINDS = ("additive", "scalar", "diagonal", "commutative", "general")
CALCULI = ("ito", "stratonovich")
_GROUP, _LEAST_GROUP = 256, 32


@dataclass(frozen=True, kw_only=True, eq=False)
class Equation:
    """An equation in compiled code: its functions are plain Python, compiled once for CPU and CUDA.

    They use arithmetic, `math`, the bodies of `backend.mathfun`, loops over indices, and no ``np`` calls. In dimension
    1 with one noise they return a number::

        drift(t, x, constants) -> float            diffusion(t, x, constants) -> float

    otherwise they write every element of their last argument::

        drift(t, x, constants, out)                out of shape (dimension,)
        diffusion(t, x, constants, out)            out of shape (dimension,) for the kinds "scalar" and "diagonal",
                                                   (dimension, noises) for the others

    Attributes
    ----------
    drift, diffusion : callable
    dimension, noises : int
        Components of X and of W.
    kind : str
        What is known of the diffusion: ``"additive"`` (does not depend on x), ``"scalar"`` (one noise), ``"diagonal"``
        (noise i moves component i alone, by a function of t and that component alone), ``"commutative"`` (promised:
        sum_k b_kj db_il/dx_k is symmetric in j, l for each i), ``"general"``.
    constants : ndarray of float64
        Handed to the functions; any shape.
    calculus : {"ito", "stratonovich"}
    alpha : float, optional
        Stability index in (0, 2) of a symmetric alpha-stable driving noise, E exp(i k L_t) = exp(-t |k|^alpha); None:
        Brownian motion.
    slope : callable, optional
        For one component or the kind "diagonal": the derivative of component i of the diffusion by x_i, in the form of
        the diffusion. Without it the Milstein scheme takes differences.
    jacobian : callable, optional
        d drift_i / dx_j, ``jacobian(t, x, constants, out)`` with out of shape (dimension, dimension), or
        ``jacobian(t, x, constants) -> float``. Without it the implicit scheme takes differences.

    Raises
    ------
    ProblemError
        For sizes or names that do not fit.
    """

    drift: Function
    diffusion: Function
    dimension: int = 1
    noises: int = 1
    kind: str = "general"
    constants: Any = ()
    calculus: str = "ito"
    alpha: float | None = None
    slope: Function | None = None
    jacobian: Function | None = None

    def __post_init__(self) -> None:
        _check_sizes(self.dimension, self.noises, self.calculus, self.alpha)
        if self.kind not in KINDS:
            raise ProblemError(f'equation: `kind` must be one of {", ".join(KINDS)}, got "{self.kind}"')
        if self.kind == "scalar" and self.noises != 1:
            raise ProblemError(f'equation: `noises` must be 1 for the kind "scalar", got {self.noises}')
        if self.kind == "diagonal" and self.noises != self.dimension:
            raise ProblemError(
                f'equation: `noises` must be {self.dimension} for the kind "diagonal", got {self.noises}'
            )
        if self.slope is not None and not (self.single or self.kind == "diagonal"):
            raise ProblemError(f'equation: `slope` is for the kind "diagonal" or one component, got "{self.kind}"')
        constants = np.array(self.constants, np.float64)
        if constants.ndim == 0:
            constants = constants[None]
        if not np.isfinite(constants).all():
            raise ProblemError("equation: `constants` must be finite")
        object.__setattr__(self, "constants", constants)

    @staticmethod
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
        """Return the equation of sympy expressions: see `symbolic.from_sympy`."""
        from theorysim.solvers.sde.symbolic import from_sympy  # sympy costs 0.2 s: paid by those who have expressions

        return from_sympy(drift, diffusion, state, time=time, constants=constants, calculus=calculus, alpha=alpha)

    @property
    def single(self) -> bool:
        """True for one component and one noise: the functions return numbers."""
        return self.dimension == self.noises == 1

    @property
    def columns(self) -> int:
        """Columns of the array that the diffusion is kept in: one for the kinds "scalar" and "diagonal"."""
        return 1 if self.kind in ("scalar", "diagonal") else self.noises

    @property
    def group(self) -> int:
        """Paths whose sums are taken together; 256, fewer where their noise would not fit into the near cache."""
        return int(max(_LEAST_GROUP, _GROUP >> max(0, (max(self.dimension, self.noises) // 8).bit_length())))

    @cached_property
    def code(self) -> tuple[Any, ...]:
        """The compiled drift, diffusion, slope and Jacobian (None where not given)."""
        functions = (self.drift, self.diffusion, self.slope, self.jacobian)
        return tuple(None if f is None else user_function(f) for f in functions)

    def check(self, t: float, x: Array) -> None:
        """Run the functions once, interpreted: compiled code would write past the end of a wrong shape unseen.

        Raises
        ------
        ProblemError
            Where they fail, leave elements unwritten, or are not finite at the state x, shape (dimension,).
        """
        d, m = self.dimension, self.noises
        shapes = {"drift": (d,), "diffusion": (d,) if self.columns == 1 and self.kind != "additive" else (d, m)}
        shapes |= {"slope": (d,), "jacobian": (d, d)}
        if self.kind not in ("scalar", "diagonal"):
            shapes["diffusion"] = (d, m)
        for name, shape in shapes.items():
            function = getattr(self, name)
            if function is None:
                continue
            plain = getattr(function, "py_func", function)
            value = self._value(name, plain, t, x, shape)
            if not np.isfinite(value).all():
                raise ProblemError(f"equation: `{name}` must write finite numbers into all of {shape}, got {value!r}")

    def _value(self, name: str, function: Function, t: float, x: Array, shape: tuple[int, ...]) -> Any:
        out = np.full(shape, np.nan)
        try:
            if self.single:
                return float(function(t, float(x[0]), self.constants))
            before = x.copy()
            function(t, before, self.constants, out)
        except Exception as error:
            raise ProblemError(f"equation: `{name}` must run at the initial state, got {error!r}") from error
        if not np.array_equal(before, x):
            raise ProblemError(f"equation: `{name}` must leave `x` as it is, got another one back")
        return out


@dataclass(frozen=True, kw_only=True, eq=False)
class Fields:
    """An equation as numpy functions of a block of paths: for finite sums, networks, all whose work is a product.

    Attributes
    ----------
    drift : callable
        ``drift(t, X) -> (paths, dimension)`` for X of the same shape, which must be left as it is.
    product : callable
        ``product(t, X, W) -> (paths, dimension)``, the diffusion applied to increments W of shape (paths, noises);
        the matrix is never formed.
    dimension, noises : int
    step : callable, optional
        ``step(t, X, dt, W) -> (paths, dimension)``: drift times dt plus the product, the *change* of X, where both can
        be had at the price of one.
    calculus, alpha
        As for `Equation`.
    group : int
        Paths that are computed together. The last group is filled up with paths that are then dropped, so that a
        path has the same bits whatever their number.
    """

    drift: Function
    product: Function
    dimension: int
    noises: int
    step: Function | None = None
    calculus: str = "ito"
    alpha: float | None = None
    group: int = 64
    kind: str = field(default="general", init=False)

    def __post_init__(self) -> None:
        _check_sizes(self.dimension, self.noises, self.calculus, self.alpha)
        if self.group < 1:
            raise ProblemError(f"fields: `group` must be positive, got {self.group}")

    def change(self, t: float, x: Array, dt: float, w: Array) -> Array:
        """Return the change of a block of paths over dt, shape (paths, dimension)."""
        if self.step is not None:
            return np.asarray(self.step(t, x, dt, w), float)
        return np.asarray(np.asarray(self.drift(t, x), float) * dt + self.product(t, x, w))

    def check(self, t: float, x: Array) -> None:
        """Run the functions once on two paths.

        Raises
        ------
        ProblemError
            Where the shapes differ, x is changed, or values are not finite at the state x, shape (dimension,).
        """
        block, w = np.stack([x, x]), np.zeros((2, self.noises))
        calls: dict[str, Sequence[Any]] = {"drift": (t, block), "product": (t, block, w)}
        if self.step is not None:
            calls["step"] = (t, block, 1.0, w)
        for name, arguments in calls.items():
            value = np.asarray(getattr(self, name)(*arguments))
            if value.shape != block.shape:
                raise ProblemError(f"fields: `{name}` must return the shape (paths, {x.size}), got {value.shape}")
            if not np.isfinite(value).all():
                raise ProblemError(f"fields: `{name}` must be finite at the initial state")
            if not np.array_equal(block, np.stack([x, x])):
                raise ProblemError(f"fields: `{name}` must leave its argument as it is")


def _check_sizes(dimension: int, noises: int, calculus: str, alpha: float | None) -> None:
    for name, value in (("dimension", dimension), ("noises", noises)):
        if not isinstance(value, int | np.integer) or value < 1:
            raise ProblemError(f"equation: `{name}` must be a positive integer, got {value!r}")
    if calculus not in CALCULI:
        raise ProblemError(f'equation: `calculus` must be "ito" or "stratonovich", got {calculus!r}')
    if alpha is not None and not 0.0 < alpha < 2.0:
        raise ProblemError(f"equation: `alpha` must be in (0, 2) (None: Brownian motion), got {alpha}")
