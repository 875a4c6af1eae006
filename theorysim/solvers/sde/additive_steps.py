"""One step of each scheme for additive noise, as in `vector_steps` but for w and v, both (d,).

They are the diffusion at the start and at the end of the step applied to the noise: one matrix for all paths, so that
`mix` does a whole group at once.
"""

from __future__ import annotations

from typing import Any

from theorysim.backend.compile import body
from theorysim.solvers.sde.newton import implicit_step


@body
def mix(b: Any, w: Any, lo: int, hi: int, out: Any) -> None:
    """out[k, p] = sum_j b[k, j] w[j, p] for the lanes p = lo, ..., hi-1: vectorised, unlike the product of one path."""
    for k in range(b.shape[0]):
        row = out[k, lo:hi]
        for p in range(hi - lo):
            row[p] = 0.0
        for j in range(b.shape[1]):
            factor, noise = b[k, j], w[j, lo:hi]
            for p in range(hi - lo):
                row[p] += factor * noise[p]


def euler(p: Any) -> Any:
    """Euler-Maruyama; w is the diffusion at the start applied to the noise, v that at the end."""
    drift = p.drift

    @body
    def step(
        t: float, h: float, root: float, x: Any, w: Any, v: Any, constants: Any, rows: Any, squares: Any, matrix: Any
    ) -> None:
        drift(t, x, constants, rows[0])
        for k in range(x.shape[0]):
            x[k] += h * rows[0, k] + root * w[k]

    return step


def heun(p: Any) -> Any:
    """Drift and noise are the means of both ends: weak order 2."""
    drift = p.drift

    @body
    def step(
        t: float, h: float, root: float, x: Any, w: Any, v: Any, constants: Any, rows: Any, squares: Any, matrix: Any
    ) -> None:
        end, a, c = rows[0], rows[1], rows[2]
        drift(t, x, constants, a)
        for k in range(x.shape[0]):
            c[k] = x[k] + 0.5 * h * a[k] + 0.5 * root * (w[k] + v[k])
            end[k] = x[k] + h * a[k] + root * w[k]
        drift(t + h, end, constants, a)
        for k in range(x.shape[0]):
            x[k] = c[k] + 0.5 * h * a[k]

    return step


def implicit(p: Any) -> Any:
    """y = x + a(t + dt, y) dt + b(t) dW; NaN where no y is found."""
    solve = implicit_step(p.drift, p.jacobian)

    @body
    def step(
        t: float, h: float, root: float, x: Any, w: Any, v: Any, constants: Any, rows: Any, squares: Any, matrix: Any
    ) -> None:
        for k in range(x.shape[0]):
            x[k] += root * w[k]
        solve(t + h, h, x, constants, rows, matrix)

    return step


ADDITIVE = {"euler": euler, "levy": euler, "milstein": euler, "heun": heun, "srk2": heun, "implicit": implicit}
