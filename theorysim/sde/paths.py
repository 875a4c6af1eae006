"""From an objective and an optimizer to an equation whose paths are simulated.

    orders   SGD 1, 2, "hessian-aware";  heavy ball, Nesterov 1, 2;  all others 1

Limit    learning rate -> 0 in the clock of the optimizer (conventions, section 6).
Valid    objectives: finite sums, functions, and those of the moments route; noise by products, never by matrix roots
         (hessian-aware excepted: few parameters).
Error    as in `descents` and `memories`, where the equations stand.
Sources  [Li2019], [Li2024], [Malladi2022], [Compagnoni2025].
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias, overload

import numpy as np

from theorysim.errors import ProblemError
from theorysim.problem.optimizer import SGD, Adam
from theorysim.problem.validation import shown
from theorysim.sde import descents, memories, model
from theorysim.sde.algorithms import check_optimizer, clock
from theorysim.sde.model import Model, Order
from theorysim.sde.motion import Motion
from theorysim.sde.objectives import Objective
from theorysim.sde.optimizers import SGLD, SPSA, HeavyTailedSGD, LabelNoiseSGD, LocalSGD, RMSprop, SignSGD
from theorysim.sde.oracles import Landscape, landscape
from theorysim.sde.rules import Stochastic

WithoutMoments: TypeAlias = Adam | RMSprop | SignSGD | SGLD | LocalSGD | LabelNoiseSGD | HeavyTailedSGD
ORDERS = (
    'SGD: 1, 2, "hessian-aware"; heavy ball and Nesterov: 1, 2; Adam, RMSprop, SignSGD, SGLD, local SGD, label-noise '
    "SGD, SPSA, heavy-tailed SGD: 1"
)


@dataclass(frozen=True, eq=False)
class PathModel:
    """An optimizer on an objective, as an equation whose paths are simulated.

    Attributes
    ----------
    objective : FiniteSum or Function
    optimizer : SGD, Adam, ...
    order : 1, 2 or "hessian-aware"
    """

    objective: Landscape
    optimizer: Stochastic
    order: Order

    @property
    def kind(self) -> str:
        """Name of the optimizer."""
        return kind_of(self.optimizer)

    @property
    def clock(self) -> float:
        """Time of the equation that a step takes."""
        return clock(self.optimizer)

    def motion(self, steps: int) -> Motion:
        """Return the fields of the equation for a run of so many steps."""
        o = self.optimizer
        match o:
            case SGD():
                if o.momentum:
                    return memories.momentum(self.objective, o, self.order)
                if self.order == "hessian-aware":
                    return descents.hessian_aware(self.objective, o)
                return descents.sgd(self.objective, o, self.order, steps)
            case Adam():
                return memories.adam(self.objective, o)
            case RMSprop():
                return memories.rmsprop(self.objective, o)
            case SignSGD():
                return descents.sign(self.objective, o)
            case SGLD():
                return descents.langevin(self.objective, o)
            case LocalSGD():
                return descents.local(self.objective, o)
            case LabelNoiseSGD():
                return descents.label_noise(self.objective, o)
            case SPSA():
                return descents.zeroth_order(self.objective, o)
            case HeavyTailedSGD():
                return descents.heavy_tailed(self.objective, o)

    def parameters(self) -> dict[str, float]:
        """Return the map of parameters: the constants of the equation from those of the optimizer."""
        o, eta = self.optimizer, self.optimizer.learning_rate
        found = {"clock": self.clock, "eta": eta}
        if not isinstance(o, HeavyTailedSGD):
            found["strength"] = self.objective.strength(o.batch, getattr(o, "sampling", "subset"))
        match o:
            case SGD(momentum=beta) if beta > 0:
                h = float(np.sqrt(eta))
                found |= {"h": h, "m": (1.0 - beta) / h, "noise": float(np.sqrt(h * found["strength"]))}
            case Adam() | RMSprop():
                found |= memories.adaptive_constants(self.objective, o)
            case HeavyTailedSGD():
                found |= {"alpha": o.alpha, "noise": o.scale * eta ** (1.0 - 1.0 / o.alpha)}
            case LocalSGD():
                found |= {"workers": o.workers, "noise": float(np.sqrt(eta * found["strength"] / o.workers))}
            case SGLD():
                found |= {"temperature": o.temperature, "noise": float(np.sqrt(eta * found["strength"]))}
            case LabelNoiseSGD():
                found["label_noise"] = o.delta * float(np.sqrt(eta / (o.batch or self.objective.noises)))
            case _:
                found["noise"] = float(np.sqrt(eta * found["strength"]))
        return found

    def latex(self) -> str:
        """Return the equation in LaTeX; `parameters` says what its letters are worth."""
        if isinstance(self.optimizer, SGD) and self.optimizer.schedule is not None:
            return _SCHEDULED[self.order]
        return _LATEX[self.kind, self.order]

    def __str__(self) -> str:
        """Say what the equation is and what its letters are worth."""
        values = ", ".join(f"{name} = {value:.6g}" for name, value in self.parameters().items())
        text = f"{self.kind}, order {self.order}, on a {self.objective.name} of {self.objective.dimension} parameters"
        doubt = "\nhessian-aware for general f: no proof, exact for quadratics with constant noise"
        return f"{text}\n{self.latex()}\n{values}{doubt if self.order == 'hessian-aware' else ''}"


def kind_of(optimizer: Stochastic) -> str:
    """Return the name of an optimizer."""
    if isinstance(optimizer, SGD):
        return "SGD" if not optimizer.momentum else "Nesterov" if optimizer.nesterov else "heavy ball"
    names = {"LocalSGD": "local SGD", "LabelNoiseSGD": "label-noise SGD", "HeavyTailedSGD": "heavy-tailed SGD"}
    return names.get(type(optimizer).__name__, type(optimizer).__name__)


@overload
def from_optimizer(objective: Objective, optimizer: SGD | SPSA, order: Order = 1) -> Model: ...


@overload
def from_optimizer(objective: Objective, optimizer: WithoutMoments, order: Order = 1) -> PathModel: ...


@overload
def from_optimizer(objective: Landscape, optimizer: Stochastic, order: Order = 1) -> PathModel: ...


def from_optimizer(objective: Landscape | Objective, optimizer: Stochastic, order: Order = 1) -> Model | PathModel:
    """Return the stochastic differential equation of an optimizer.

    Parameters
    ----------
    objective : Objective, FiniteSum or Function
        `quadratic` and `least_squares` with SGD or SPSA have exact moments (a `Model`); everything else is a
        `PathModel`, simulated.
    optimizer : SGD, Adam, SPSA, RMSprop, SignSGD, SGLD, LocalSGD, LabelNoiseSGD or HeavyTailedSGD
    order : 1, 2 or "hessian-aware"

    Raises
    ------
    ProblemError
        For a pair of optimizer and order without an equation: those that have one are named.
    """
    if isinstance(objective, Objective) and isinstance(optimizer, SGD | SPSA):
        if isinstance(optimizer, SPSA) and (optimizer.batch is not None or optimizer.smoothing is not None):
            raise ProblemError("sde: `optimizer` must have no batch or smoothing for exact moments; use sde.simulated")
        return model.from_optimizer(objective, optimizer, order)
    return simulated(objective, optimizer, order)


def simulated(objective: Landscape | Objective, optimizer: Stochastic, order: Order = 1) -> PathModel:
    """Return the model whose paths are simulated, for objectives with exact moments too.

    Raises
    ------
    ProblemError
        As `from_optimizer`.
    """
    land = landscape(objective)
    check_optimizer(land, optimizer)
    if (kind_of(optimizer), order) not in _LATEX:
        raise ProblemError(f"sde: `order` must be one of {ORDERS}; got {shown(order)} for {kind_of(optimizer)}")
    scheduled = getattr(optimizer, "schedule", None) is not None
    if scheduled and (kind_of(optimizer) != "SGD" or order == "hessian-aware"):
        raise ProblemError(f"sde: `schedule` must be left out for {kind_of(optimizer)} of order {order}")
    found = PathModel(land, optimizer, order)
    found.parameters()  # refuses what has no equation: epochs, adaptive methods without noise
    if order == "hessian-aware" and isinstance(optimizer, SGD):
        descents.hessian_aware(land, optimizer)
    return found


_S = r"S(X)\,dW,\quad SS^T=\Sigma"
_SIGN = (
    r"dX=-\operatorname{erf}\!\left(\tfrac{z}{\sqrt2}\right)dt"
    r"+\sqrt{\eta}\,\operatorname{Cov}(\operatorname{sign}g)^{1/2}dW,"
)
_LATEX = dict(model._LATEX) | {
    ("SPSA", 1): r"dX=-\nabla f\,dt+\sqrt{\eta}\left[\tfrac{1}{n}\nabla f\nabla f^T+(1+\tfrac{1}{n})\Sigma"
    r"+\tfrac{1}{n}(|\nabla f|^2+\operatorname{tr}\Sigma)\right]^{1/2}dW",
    ("RMSprop", 1): r"dX=-P^{-1}(\nabla f\,dt+\sigma_0C^{1/2}dW),\quad dU=c_2(\operatorname{diag}C-U)\,dt,\quad "
    r"P=\sigma_0U^{1/2}+\epsilon_0",
    ("Adam", 1): r"dX=-P^{-1}M\,dt,\quad dM=\tfrac{c_1}{\gamma_1}\left[(\nabla f-M)\,dt+\sigma_0C^{1/2}dW\right],\quad "
    r"dU=\tfrac{c_2}{\gamma_2}(\operatorname{diag}C-U)\,dt,\quad P=\sigma_0U^{1/2}+\epsilon_0,\quad "
    r"\gamma_i=1-e^{-c_i(t+\eta^2)}",
    ("SignSGD", 1): _SIGN + r"\quad z_i=\partial_if/\Sigma_{ii}^{1/2}",
    ("SGLD", 1): rf"dX=-\nabla f\,dt+\sqrt{{2T}}\,dW'+\sqrt{{\eta}}\,{_S}",
    ("local SGD", 1): rf"dX=-\nabla f\,dt+\sqrt{{\eta/K}}\,{_S}",
    ("label-noise SGD", 1): rf"dX=-\nabla f\,dt+\sqrt{{\eta}}\,{_S}+\Sigma_\delta",
    ("heavy-tailed SGD", 1): r"dX=-\nabla f\,dt+\eta^{1-1/\alpha}\sigma\,dL^\alpha",
}
_SCHEDULED: dict[Order, str] = {
    1: r"dX=-u\nabla f\,dt+u\sqrt{\eta}\,\Sigma^{1/2}(X)\,dW,\quad u=u(t-\eta/2)",
    2: r"dX=-\left(u\nabla f+\tfrac{\eta}{2}u^2H\nabla f\right)dt"
    r"+u\sqrt{\eta}\,\Sigma^{1/2}(X)\,dW,\quad u=u(t-\eta/2)",
}
