"""One step of each scheme, for a path of several components: x is overwritten.

Arguments of a step: t, h = dt, root = sqrt(dt), x (d,), w (m,) the noise in units of root, v (m - 1,) signs, constants,
and rows (6, d), squares (2, d, columns), matrix (d, d) to work in. The diffusion b is kept as an array of shape
(d, columns): its columns, or in the single column of the kind "diagonal" its diagonal. For additive noise see
`additive_steps`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from theorysim.backend.compile import body
from theorysim.solvers.sde.additive_steps import ADDITIVE
from theorysim.solvers.sde.newton import implicit_step

ROWS, SQUARES = 6, 2


@dataclass(frozen=True)
class Parts:
    """The compiled pieces of an equation that steps are made of.

    Attributes
    ----------
    drift, slope, jacobian : compiled functions, the last two None where not given
    fill : writes the diffusion as (d, columns)
    add : out += factor * diffusion @ w
    kind : str
    """

    drift: Any
    slope: Any
    jacobian: Any
    fill: Any
    add: Any
    kind: str


def parts(code: tuple[Any, ...], kind: str) -> Parts:
    """Return the pieces of an equation from its compiled drift, diffusion, slope and Jacobian."""
    drift, diffusion, slope, jacobian = code
    fill = _column(diffusion) if kind in ("scalar", "diagonal") else diffusion
    return Parts(drift, slope, jacobian, fill, add_diagonal if kind == "diagonal" else add_matrix, kind)


def step_of(p: Parts, scheme: str) -> Any:
    """Return the body of one step of a scheme."""
    return (ADDITIVE if p.kind == "additive" else _STEPS)[scheme](p)


def _column(diffusion: Any) -> Any:
    @body
    def fill(t: float, x: Any, constants: Any, out: Any) -> None:
        diffusion(t, x, constants, out[:, 0])

    return fill


@body
def add_matrix(b: Any, w: Any, factor: float, out: Any) -> None:
    """out += factor b w."""
    for k in range(b.shape[0]):
        total = 0.0
        for j in range(b.shape[1]):
            total += b[k, j] * w[j]
        out[k] += factor * total


@body
def add_diagonal(b: Any, w: Any, factor: float, out: Any) -> None:
    """out += factor b w for a diagonal b."""
    for k in range(b.shape[0]):
        out[k] += factor * b[k, 0] * w[k]


def euler(p: Parts) -> Any:
    """x + a dt + b dW (Euler-Maruyama)."""
    drift, fill, add = p.drift, p.fill, p.add

    @body
    def step(
        t: float, h: float, root: float, x: Any, w: Any, v: Any, constants: Any, rows: Any, squares: Any, matrix: Any
    ) -> None:
        a, b = rows[0], squares[0]
        drift(t, x, constants, a)
        fill(t, x, constants, b)
        for k in range(x.shape[0]):
            x[k] += h * a[k]
        add(b, w, root, x)

    return step


def heun(p: Parts) -> Any:
    """The mean of the changes at the start and at Euler's end (Stratonovich)."""
    drift, fill, add = p.drift, p.fill, p.add

    @body
    def step(
        t: float, h: float, root: float, x: Any, w: Any, v: Any, constants: Any, rows: Any, squares: Any, matrix: Any
    ) -> None:
        end, a, c, b = rows[0], rows[1], rows[2], squares[0]
        drift(t, x, constants, a)
        fill(t, x, constants, b)
        for k in range(x.shape[0]):
            c[k] = x[k] + 0.5 * h * a[k]
            end[k] = x[k] + h * a[k]
        add(b, w, 0.5 * root, c)
        add(b, w, root, end)
        drift(t + h, end, constants, a)
        fill(t + h, end, constants, b)
        for k in range(x.shape[0]):
            x[k] = c[k] + 0.5 * h * a[k]
        add(b, w, 0.5 * root, x)

    return step


def milstein(p: Parts) -> Any:
    """Euler-Maruyama and the iterated integrals of commutative noise; derivatives given or by Platen's differences."""
    if p.kind != "diagonal":
        return _milstein_columns(p)
    return _milstein_differences(p) if p.slope is None else _milstein_slopes(p)


def _milstein_slopes(p: Parts) -> Any:
    drift, fill, slope = p.drift, p.fill, p.slope

    @body
    def step(
        t: float, h: float, root: float, x: Any, w: Any, v: Any, constants: Any, rows: Any, squares: Any, matrix: Any
    ) -> None:
        a, s, b = rows[0], rows[1], squares[0]
        drift(t, x, constants, a)
        fill(t, x, constants, b)
        slope(t, x, constants, s)
        for k in range(x.shape[0]):
            x[k] += h * a[k] + b[k, 0] * (root * w[k] + 0.5 * h * s[k] * (w[k] * w[k] - 1.0))

    return step


def _milstein_differences(p: Parts) -> Any:
    drift, fill = p.drift, p.fill

    @body
    def step(
        t: float, h: float, root: float, x: Any, w: Any, v: Any, constants: Any, rows: Any, squares: Any, matrix: Any
    ) -> None:
        a, y, b, c = rows[0], rows[1], squares[0], squares[1]
        drift(t, x, constants, a)
        fill(t, x, constants, b)
        for k in range(x.shape[0]):
            x[k] += h * a[k]
            y[k] = x[k] + root * b[k, 0]
        fill(t, y, constants, c)
        for k in range(x.shape[0]):
            x[k] += root * (b[k, 0] * w[k] + 0.5 * (c[k, 0] - b[k, 0]) * (w[k] * w[k] - 1.0))

    return step


def _milstein_columns(p: Parts) -> Any:
    """(b^j . grad) b^i = (b^i(x + a dt + b^j root) - b^i)/root; times (w_i w_j - [i = j]) dt/2."""
    drift, fill = p.drift, p.fill

    @body
    def step(
        t: float, h: float, root: float, x: Any, w: Any, v: Any, constants: Any, rows: Any, squares: Any, matrix: Any
    ) -> None:
        a, y, new, b, c = rows[0], rows[1], rows[2], squares[0], squares[1]
        drift(t, x, constants, a)
        fill(t, x, constants, b)
        for k in range(x.shape[0]):
            x[k] += h * a[k]
            new[k] = x[k]
            for j in range(w.shape[0]):
                new[k] += root * b[k, j] * w[j]
        for j in range(w.shape[0]):
            for k in range(x.shape[0]):
                y[k] = x[k] + root * b[k, j]
            fill(t, y, constants, c)
            for i in range(w.shape[0]):
                weight = 0.5 * root * (w[i] * w[j] - (1.0 if i == j else 0.0))
                for k in range(x.shape[0]):
                    new[k] += weight * (c[k, i] - b[k, i])
        for k in range(x.shape[0]):
            x[k] = new[k]

    return step


def srk2(p: Parts) -> Any:
    """Weak order 2 for any Ito noise, no derivatives: the scheme RI6 of Roessler.

        x' = x + (a(x) + a(x + a dt + b dW)) dt/2
               + sum_k [ (b^k(x + a dt + b^k root) + b^k(x + a dt - b^k root)) I_k/4
                       + (b^k(x + a dt + b^k root) - b^k(x + a dt - b^k root)) I_kk/(2 root)
                       + (b^k(x + c^k) + b^k(x - c^k)) I_k/4 + (b^k(x + c^k) - b^k(x - c^k)) root/2 ],
        c^k = sum_{l != k} b^l I_kl/root,   I_kl = (I_k I_l - root V_k)/2 for k < l, (I_k I_l + root V_l)/2 for k > l,

    I_kk = (I_k^2 - dt)/2, with three-point or normal I_k and m - 1 two-point V_k = +-root.
    Source  A. Roessler, Second order Runge-Kutta methods for Ito stochastic differential equations, SIAM J. Numer.
    Anal. 47, 1713 (2009). The order is measured exactly in tests/solvers/sde.
    """
    return _srk2_diagonal(p) if p.kind == "diagonal" else _srk2_columns(p)


def _srk2_diagonal(p: Parts) -> Any:
    """Component k of b depends on component k alone: one evaluation serves all k, and c^k moves nothing."""
    drift, fill = p.drift, p.fill

    @body
    def step(
        t: float, h: float, root: float, x: Any, w: Any, v: Any, constants: Any, rows: Any, squares: Any, matrix: Any
    ) -> None:
        a, end, new, moved, b, c = rows[0], rows[1], rows[2], rows[3], squares[0], squares[1]
        drift(t, x, constants, a)
        fill(t, x, constants, b)
        for k in range(x.shape[0]):
            moved[k] = x[k] + h * a[k]
            end[k] = moved[k] + root * b[k, 0] * w[k]
            new[k] = x[k] + 0.5 * h * a[k] + 0.5 * root * b[k, 0] * w[k]
        drift(t + h, end, constants, a)
        for k in range(x.shape[0]):
            new[k] += 0.5 * h * a[k]
        for sign in range(-1, 2, 2):
            for k in range(x.shape[0]):
                end[k] = moved[k] + sign * root * b[k, 0]
            fill(t + h, end, constants, c)
            for k in range(x.shape[0]):
                new[k] += 0.25 * root * c[k, 0] * (w[k] + sign * (w[k] * w[k] - 1.0))
        for k in range(x.shape[0]):
            x[k] = new[k]

    return step


def _srk2_columns(p: Parts) -> Any:
    drift, fill = p.drift, p.fill

    @body
    def step(
        t: float, h: float, root: float, x: Any, w: Any, v: Any, constants: Any, rows: Any, squares: Any, matrix: Any
    ) -> None:
        a, end, new, moved, b, c = rows[0], rows[1], rows[2], rows[3], squares[0], squares[1]
        m = w.shape[0]
        drift(t, x, constants, a)
        fill(t, x, constants, b)
        for k in range(x.shape[0]):
            moved[k] = x[k] + h * a[k]
            new[k] = x[k] + 0.5 * h * a[k]
            end[k] = moved[k]
            for j in range(m):
                end[k] += root * b[k, j] * w[j]
        drift(t + h, end, constants, a)
        for k in range(x.shape[0]):
            new[k] += 0.5 * h * a[k]
            if m == 1:
                new[k] += 0.5 * root * b[k, 0] * w[0]
        for j in range(m):
            for sign in range(-1, 2, 2):
                for k in range(x.shape[0]):
                    end[k] = moved[k] + sign * root * b[k, j]
                fill(t + h, end, constants, c)
                for k in range(x.shape[0]):
                    new[k] += 0.25 * root * c[k, j] * (w[j] + sign * (w[j] * w[j] - 1.0))
                if m > 1:
                    for k in range(x.shape[0]):
                        end[k] = x[k]
                    for i in range(m):
                        if i != j:
                            pair = w[j] * w[i] - v[j] if j < i else w[j] * w[i] + v[i]
                            for k in range(x.shape[0]):
                                end[k] += sign * 0.5 * root * b[k, i] * pair
                    fill(t, end, constants, c)
                    for k in range(x.shape[0]):
                        new[k] += root * c[k, j] * (0.25 * w[j] + 0.5 * sign)
        for k in range(x.shape[0]):
            x[k] = new[k]

    return step


def implicit(p: Parts) -> Any:
    """y = x + a(t + dt, y) dt + b(t, x) dW; NaN where no y is found."""
    fill, add = p.fill, p.add
    solve = implicit_step(p.drift, p.jacobian)

    @body
    def step(
        t: float, h: float, root: float, x: Any, w: Any, v: Any, constants: Any, rows: Any, squares: Any, matrix: Any
    ) -> None:
        fill(t, x, constants, squares[0])
        add(squares[0], w, root, x)
        solve(t + h, h, x, constants, rows, matrix)

    return step


_STEPS = {"euler": euler, "levy": euler, "milstein": milstein, "heun": heun, "srk2": srk2, "implicit": implicit}
