"""From an objective and an optimizer to its stochastic differential equation.

    order 1           dX = -grad f dt + sqrt(eta Sigma) dW,                       t = k eta
    order 2           dX = -grad (f + eta |grad f|^2/4) dt + sqrt(eta Sigma) dW
    "hessian-aware"   drift log(1 - eta H)/(eta H) grad f, diffusion matched to it: exact where Sigma is constant
    momentum          dV = -(m V + grad f) dt + ..., dX = V dt,                   t = k sqrt eta, m = (1-beta)/sqrt eta

Limit    eta -> 0 at fixed t (momentum: at fixed m): weak errors O(eta), O(eta^2); momentum O(sqrt eta), O(eta).
Valid    quadratic objectives here: their moments close. Order 2: SGD, heavy ball, Nesterov; hessian-aware: SGD below
         eta = 1/(largest eigenvalue); zeroth order: order 1.
Error    none beyond rounding: moments of equation and algorithm are exact, and their difference is the error of the
         equation. Order 2 is not always nearer than order 1: its stationary variance errs the other way.
Sources  [Li2019]; hessian-aware [Li2024]; momentum derived here. Proof: derivations/stochastic.py.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
import scipy.linalg
from numpy.typing import NDArray

from theorysim.equations.stochastic import matched_diffusion
from theorysim.errors import ProblemError
from theorysim.problem.optimizer import SGD
from theorysim.problem.validation import shown
from theorysim.sde.linear import Diffusion, Noise, Recursion
from theorysim.sde.objectives import Objective
from theorysim.sde.optimizers import SPSA

Array = NDArray[np.float64]
Order = Literal[1, 2, "hessian-aware"]
ORDERS = 'SGD: 1, 2, "hessian-aware"; heavy ball and Nesterov: 1, 2; SPSA: 1'


@dataclass(frozen=True, eq=False)
class Model:
    """An optimizer on an objective, as a recursion of its moments and as a diffusion.

    Attributes
    ----------
    objective : Objective
    optimizer : SGD or SPSA
    order : 1, 2 or "hessian-aware"
    algorithm : Recursion
        The steps, exactly.
    equation : Diffusion
        The equation, time in steps.
    show : ndarray, shape (d + 1, m)
        From the state to (x, 1), x the parameters that the optimizer holds.
    clock : float
        Time of the equation that a step takes.
    """

    objective: Objective
    optimizer: SGD | SPSA
    order: Order
    algorithm: Recursion
    equation: Diffusion
    show: Array
    clock: float

    def latex(self) -> str:
        """Return the equation in LaTeX, as it stands in the module's header."""
        return _LATEX[_kind(self.optimizer), self.order]


def from_optimizer(objective: Objective, optimizer: SGD | SPSA, order: Order = 1) -> Model:
    """Return the stochastic differential equation of an optimizer.

    Parameters
    ----------
    objective : Objective
        Made by `quadratic` or `least_squares`.
    optimizer : SGD or SPSA
        With a constant learning rate, no ridge.
    order : 1, 2 or "hessian-aware"

    Raises
    ------
    ProblemError
        For a pair of optimizer and order without an equation: those that have one are named.
    """
    if not isinstance(objective, Objective):
        raise ProblemError(f"sde: `objective` must be made by quadratic or least_squares, got {shown(objective)}")
    if not isinstance(optimizer, SGD | SPSA):
        raise ProblemError(f"sde: `optimizer` must be SGD or SPSA, got {shown(optimizer)}")
    if (_kind(optimizer), order) not in _LATEX:
        raise ProblemError(f"sde: `order` must be one of {ORDERS}; got {shown(order)} for {_kind(optimizer)}")
    if isinstance(optimizer, SPSA):
        return _zeroth_order(objective, optimizer)
    if optimizer.schedule is not None or optimizer.ridge > 0 or optimizer.weight_decay > 0:
        raise ProblemError("sde: `optimizer` must have a constant step and no ridge or weight decay here")
    return _momentum(objective, optimizer, order) if optimizer.momentum else _plain(objective, optimizer, order)


def _kind(optimizer: SGD | SPSA) -> str:
    if isinstance(optimizer, SPSA):
        return "SPSA"
    if not optimizer.momentum:
        return "SGD"
    return "Nesterov" if optimizer.nesterov else "heavy ball"


def _plain(objective: Objective, optimizer: SGD, order: Order) -> Model:
    """SGD: the state is (x, 1)."""
    eta, d = optimizer.learning_rate, objective.dimension
    gradient = np.vstack([objective.gradient, np.zeros(d + 1)])
    kick, look = eta * np.eye(d + 1, d), np.eye(d + 1)
    strength = objective.strength(optimizer)
    steps = Recursion(np.eye(d + 1) - eta * gradient, kick, look, objective.noise, strength)
    noise: Noise = objective.noise
    if order == "hessian-aware":
        drift, noise = _matched(objective, eta, gradient)
    else:
        drift = -eta * gradient if order == 1 else -eta * (gradient + 0.5 * eta * gradient @ gradient)
    return Model(objective, optimizer, order, steps, Diffusion(drift, kick, look, noise, strength), look, eta)


def _matched(objective: Objective, eta: float, gradient: Array) -> tuple[Array, Noise]:
    """Return drift and noise whose moments after a time of one step are those of the step."""
    values, basis = np.linalg.eigh(objective.hessian)
    if eta * values[-1] >= 1.0:
        raise ProblemError(
            f"sde: `learning_rate` must be below {1.0 / values[-1]:.6g}, the inverse of the largest eigenvalue, for "
            f"the hessian-aware equation, got {eta:.6g}; use order 1 or 2"
        )
    factor = np.array([[matched_diffusion(eta * one, eta * two) for two in values] for one in values])

    def noise(moment: Array) -> Array:
        return np.asarray(basis @ (factor * (basis.T @ objective.noise(moment) @ basis)) @ basis.T)

    return np.real(scipy.linalg.logm(np.eye(len(gradient)) - eta * gradient)), noise


def _momentum(objective: Objective, optimizer: SGD, order: Order) -> Model:
    """Heavy ball and Nesterov: the state is (V, X, 1), velocity over sqrt eta and position.

    Nesterov's parameters are X + beta sqrt(eta) V, where its gradients are taken.
    """
    eta, beta, d = optimizer.learning_rate, optimizer.momentum, objective.dimension
    h, ahead = np.sqrt(eta), beta * np.sqrt(eta) * optimizer.nesterov
    eye, zero, column = np.eye(d), np.zeros((d, d)), np.zeros((d, 1))
    here = np.block([[zero, eye, column], [np.zeros((1, 2 * d)), np.ones((1, 1))]])
    velocity = np.block([eye, zero, column])
    look = here.copy()
    look[:d] += ahead * velocity
    gradient = objective.gradient @ look
    strength = objective.strength(optimizer)
    faster = beta * velocity - h * gradient
    still = np.eye(1, 2 * d + 1, 2 * d)
    steps = np.vstack([faster, here[:d] + h * faster, still])
    kick = np.vstack([h * eye, h * h * eye, np.zeros((1, d))])
    algorithm = Recursion(steps, kick, look, objective.noise, strength)
    drift, entry = _second_order(objective, (1.0 - beta) / h, h, order, optimizer.nesterov)
    equation = Diffusion(h * drift, h * entry, here, objective.noise, strength)
    return Model(objective, optimizer, order, algorithm, equation, look, float(h))


def _second_order(objective: Objective, m: float, h: float, order: Order, nesterov: bool) -> tuple[Array, Array]:
    """Return drift and entry of the gradient noise of the momentum equation, per unit of its time h k."""
    d = objective.dimension
    eye, zero = np.eye(d), np.zeros((d, d))
    share = 0.5 * h if order == 2 else 0.0  # the terms of second order
    bend = objective.hessian if nesterov else -objective.hessian
    damping = m * eye + share * (m * m * eye + bend)
    in_v, in_x = 1.0 + share * m, share  # how -grad f and its noise enter
    slope = objective.gradient
    drift = np.vstack([
        np.hstack([-damping, zero, np.zeros((d, 1))]) - in_v * np.hstack([zero, slope]),
        np.hstack([(1.0 - share * m) * eye, zero, np.zeros((d, 1))]) - in_x * np.hstack([zero, slope]),
        np.zeros((1, 2 * d + 1)),
    ])  # fmt: skip
    return drift, np.vstack([in_v * eye, in_x * eye, np.zeros((1, d))])


def _zeroth_order(objective: Objective, optimizer: SPSA) -> Model:
    """SPSA: Cov g = (G + tr G 1)/probes, G = E grad grad^T."""
    eta, d = optimizer.learning_rate, objective.dimension
    gradient = np.vstack([objective.gradient, np.zeros(d + 1)])
    kick, look = eta * np.eye(d + 1, d), np.eye(d + 1)

    def noise(moment: Array) -> Array:
        found = objective.gradient @ moment @ objective.gradient.T
        return np.asarray(found + np.trace(found) * np.eye(d))

    strength = 1.0 / optimizer.probes
    steps = Recursion(np.eye(d + 1) - eta * gradient, kick, look, noise, strength)
    return Model(objective, optimizer, 1, steps, Diffusion(-eta * gradient, kick, look, noise, strength), look, eta)


def svag(model: Model, factor: int) -> Model:
    """Return SGD with steps of eta/l and l times the noise (SVAG): it tends to the order-1 equation as 1/l.

    Parameters
    ----------
    model : Model
        Of SGD without momentum.
    factor : int
        l >= 1; l steps take the time of one.

    Raises
    ------
    ProblemError
        For other optimizers, or a factor below 1.
    """
    if _kind(model.optimizer) != "SGD" or isinstance(factor, bool) or not isinstance(factor, int) or factor < 1:
        raise ProblemError(f"sde: `factor` must be a whole number of at least 1, of SGD, got {shown(factor)}")
    assert isinstance(model.optimizer, SGD)
    eta = model.optimizer.learning_rate / factor
    small = _plain(model.objective, model.optimizer.model_copy(update={"learning_rate": eta}), 1)
    steps, kick = small.algorithm, np.sqrt(factor) * small.algorithm.kick
    algorithm = Recursion(steps.matrix, kick, steps.look, steps.noise, steps.strength)
    equation = Diffusion(small.equation.matrix, kick, steps.look, steps.noise, steps.strength)
    return Model(model.objective, small.optimizer, 1, algorithm, equation, small.show, eta)


_NOISE = r"\sqrt{\eta}\,\Sigma^{1/2}(X)\,dW"
_SPRING = r"dV=-(mV+\nabla f)\,dt+\eta^{1/4}\Sigma^{1/2}dW,\quad dX=V\,dt"
_HEAVY = (
    r"dV=-\left[\left(m+\tfrac{h}{2}(m^2%sH)\right)V+\left(1+\tfrac{hm}{2}\right)G\right],\quad "
    r"dX=\left[1-\tfrac{hm}{2}\right]V\,dt-\tfrac{h}{2}G,\quad G=\nabla f\,dt+\sqrt{h}\,\Sigma^{1/2}dW,\quad "
    r"h=\sqrt{\eta}"
)
_LATEX = {
    ("SGD", 1): rf"dX=-\nabla f\,dt+{_NOISE}",
    ("SGD", 2): rf"dX=-\nabla\left(f+\tfrac{{\eta}}{{4}}|\nabla f|^2\right)dt+{_NOISE}",
    ("SGD", "hessian-aware"): r"dX=\tfrac{\log(1-\eta H)}{\eta H}\nabla f\,dt+D^{1/2}dW,\quad "
    r"D_{ij}=\eta\Sigma_{ij}\tfrac{\log a_ia_j}{a_ia_j-1},\quad a_i=1-\eta\lambda_i",
    ("heavy ball", 1): _SPRING,
    ("Nesterov", 1): _SPRING,
    ("heavy ball", 2): _HEAVY % "-",
    ("Nesterov", 2): _HEAVY % "+",
    ("SPSA", 1): r"dX=-\nabla f\,dt+\sqrt{\eta/n}\,\left(\nabla f\nabla f^T+|\nabla f|^2\right)^{1/2}dW",
}
