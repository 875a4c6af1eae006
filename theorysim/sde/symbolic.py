"""The equation of an optimizer for a loss that is a formula: in sympy, to be read, changed, printed and simulated.

    SGD          dX = -grad f dt + sqrt(eta) S dW;  order 2: f + eta |grad f|^2/4 for f
    heavy ball   (V, X) in t = k sqrt eta with m = (1 - beta)/sqrt eta, as in `model`
    noise        S S^T = covariance of a batch's gradient

Limit    eta -> 0 at fixed t: weak errors O(eta) and O(eta^2); with momentum O(sqrt eta) and O(eta).
Valid    losses with two derivatives; constant learning rates.
Error    of the equation as in `model`; none of the expressions.
Sources  [Li2019]; momentum derived here. Proof: derivations/stochastic.py.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from theorysim.errors import ProblemError
from theorysim.problem.optimizer import SGD
from theorysim.problem.validation import shown
from theorysim.solvers.sde import Equation

if TYPE_CHECKING:
    import sympy as sp


@dataclass(frozen=True, eq=False)
class Symbolic:
    """An equation in sympy, dZ = drift dt + diffusion dW.

    Attributes
    ----------
    state : tuple of Symbol
        Z: the parameters, after their velocities where there is momentum.
    drift, diffusion : Matrix, shapes (n, 1) and (n, m)
    values : mapping of Symbol to float
        What eta (and m) are worth.
    clock : float
        Time of the equation that a step takes.
    """

    state: tuple[sp.Symbol, ...]
    drift: sp.Matrix
    diffusion: sp.Matrix
    values: Mapping[sp.Symbol, float]
    clock: float

    def latex(self) -> str:
        """Return the equation in LaTeX."""
        import sympy as sp

        state, drift, diffusion = map(sp.latex, (sp.Matrix(self.state), self.drift, self.diffusion))
        return rf"d{state}={drift}\,dt+{diffusion}\,dW"

    def equation(self) -> Equation:
        """Return the equation for `solvers.sde.integrate`, compiled from these expressions."""
        drift, diffusion = (each.subs(dict(self.values)) for each in (self.drift, self.diffusion))
        return Equation.from_sympy(list(drift), diffusion.tolist(), list(self.state))


def symbolic(
    loss: sp.Expr, state: Sequence[sp.Symbol], noise: Any, optimizer: SGD, order: Literal[1, 2] = 1
) -> Symbolic:
    """Return the equation of SGD, heavy ball or Nesterov on a loss that is a formula.

    Parameters
    ----------
    loss : sympy expression
        f of the parameters; other symbols must be replaced by numbers before it is simulated.
    state : sequence of Symbol
        The parameters x, d of them.
    noise : sympy expression, or Matrix of shape (d, m)
        S, a root of the covariance of a batch's gradient; an expression stands for that multiple of the unit matrix.
    optimizer : SGD
    order : 1 or 2

    Raises
    ------
    ProblemError
        If something is no expression of the parameters, or the optimizer has a schedule, ridge or decay.
    """
    import sympy as sp

    if not isinstance(optimizer, SGD) or optimizer.schedule is not None or optimizer.ridge or optimizer.weight_decay:
        raise ProblemError("sde: `optimizer` must be SGD with a constant step and no ridge or weight decay here")
    if order not in (1, 2):
        raise ProblemError(f"sde: `order` must be 1 or 2 for formulas, got {shown(order)}")
    x = tuple(state)
    if not x or not all(isinstance(one, sp.Symbol) for one in x):
        raise ProblemError("sde: `state` must hold at least one sympy Symbol")
    f, root = sp.sympify(loss), _root(noise, len(x))
    gradient = sp.Matrix([sp.diff(f, one) for one in x])
    hessian = gradient.jacobian(x)
    eta = sp.Symbol("eta", positive=True)
    if not optimizer.momentum:
        drift = -gradient if order == 1 else -gradient - eta / 2 * hessian * gradient
        return Symbolic(x, drift, sp.sqrt(eta) * root, {eta: optimizer.learning_rate}, optimizer.learning_rate)
    return _momentum(x, gradient, hessian, root, optimizer, order)


def _root(noise: Any, size: int) -> Any:
    import sympy as sp

    root = sp.Matrix(noise) if isinstance(noise, sp.MatrixBase | list | tuple) else sp.sympify(noise) * sp.eye(size)
    if root.rows != size:
        raise ProblemError(f"sde: `noise` must be an expression or a matrix with {size} rows, got {root.shape}")
    return root


def _momentum(x: Any, gradient: Any, hessian: Any, root: Any, optimizer: SGD, order: int) -> Symbolic:
    import sympy as sp

    eta, m = sp.symbols("eta m", positive=True)
    velocity = sp.Matrix(sp.symbols([f"v_{one.name}" for one in x], real=True))
    h, eye = sp.sqrt(eta), sp.eye(len(x))
    share = h / 2 if order == 2 else sp.Integer(0)
    bend = hessian if optimizer.nesterov else -hessian
    drift_v = -(m * eye + share * (m**2 * eye + bend)) * velocity - (1 + share * m) * gradient
    drift_x = (1 - share * m) * velocity - share * gradient
    diffusion = sp.sqrt(h) * sp.Matrix.vstack((1 + share * m) * root, share * root)
    rate = optimizer.learning_rate
    values = {eta: rate, m: (1.0 - optimizer.momentum) / rate**0.5}
    return Symbolic((*velocity, *x), sp.Matrix.vstack(drift_v, drift_x), diffusion, values, rate**0.5)
