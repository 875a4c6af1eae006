"""One step of each scheme, for one component and one noise; w is the noise in units of `root` = sqrt(dt)."""

from __future__ import annotations

from typing import Any

from theorysim.backend.compile import body
from theorysim.solvers.sde.newton import implicit_number


def euler(drift: Any, diffusion: Any, slope: Any, jacobian: Any) -> Any:
    """x + a dt + b dW (Euler-Maruyama)."""

    @body
    def step(t: float, h: float, root: float, x: float, w: float, constants: Any) -> float:
        return x + h * drift(t, x, constants) + root * diffusion(t, x, constants) * w  # type: ignore[no-any-return]

    return step


def milstein(drift: Any, diffusion: Any, slope: Any, jacobian: Any) -> Any:
    """Euler-Maruyama and b b' (dW^2 - dt)/2; without the derivative b', by Platen's difference."""

    @body
    def with_slope(t: float, h: float, root: float, x: float, w: float, constants: Any) -> float:
        b = diffusion(t, x, constants)
        correction = 0.5 * h * b * slope(t, x, constants) * (w * w - 1.0)
        return x + h * drift(t, x, constants) + root * b * w + correction  # type: ignore[no-any-return]

    @body
    def with_difference(t: float, h: float, root: float, x: float, w: float, constants: Any) -> float:
        b, moved = diffusion(t, x, constants), x + h * drift(t, x, constants)
        beside = diffusion(t, moved + root * b, constants)
        return moved + root * b * w + 0.5 * root * (beside - b) * (w * w - 1.0)  # type: ignore[no-any-return]

    return with_difference if slope is None else with_slope


def heun(drift: Any, diffusion: Any, slope: Any, jacobian: Any) -> Any:
    """The mean of the changes at the start and at Euler's end (Stratonovich)."""

    @body
    def step(t: float, h: float, root: float, x: float, w: float, constants: Any) -> float:
        first = h * drift(t, x, constants) + root * diffusion(t, x, constants) * w
        end = x + first
        second = h * drift(t + h, end, constants) + root * diffusion(t + h, end, constants) * w
        return x + 0.5 * (first + second)  # type: ignore[no-any-return]

    return step


def srk2(drift: Any, diffusion: Any, slope: Any, jacobian: Any) -> Any:
    """The scheme of weak order 2 of `vector_steps.srk2`, for one noise."""

    @body
    def step(t: float, h: float, root: float, x: float, w: float, constants: Any) -> float:
        a, b = drift(t, x, constants), diffusion(t, x, constants)
        moved = x + h * a
        up = diffusion(t + h, moved + root * b, constants)
        down = diffusion(t + h, moved - root * b, constants)
        end = drift(t + h, moved + root * b * w, constants)
        noise = (0.5 * b + 0.25 * (up + down)) * w + 0.25 * (up - down) * (w * w - 1.0)
        return x + 0.5 * h * (a + end) + root * noise  # type: ignore[no-any-return]

    return step


def implicit(drift: Any, diffusion: Any, slope: Any, jacobian: Any) -> Any:
    """y = x + a(t + dt, y) dt + b(t, x) dW; NaN where no y is found."""
    solve = implicit_number(drift, jacobian)

    @body
    def step(t: float, h: float, root: float, x: float, w: float, constants: Any) -> float:
        return solve(t + h, h, x + root * diffusion(t, x, constants) * w, constants)  # type: ignore[no-any-return]

    return step


STEPS = {"euler": euler, "levy": euler, "milstein": milstein, "heun": heun, "srk2": srk2, "implicit": implicit}
