"""theorysim: a numerical simulator of the theoretical limits of deep learning.

>>> import theorysim as ts
>>> training = ts.Training(data=ts.data.digits(train=100, test=50), network=ts.MLP(depth=2, width=256),
...                        optimizer=ts.SGD(learning_rate=1.0, batch=10), steps=100)
>>> forecast = ts.forecast(training)        # an xarray.Dataset with error bars and verdicts
>>> trained = ts.train(training, replicas=8, seed=1)
>>> comparison = ts.compare(forecast, trained)

Names load on first use, so that ``import theorysim`` stays quick.
"""

from __future__ import annotations

import sys
from importlib import import_module
from types import ModuleType
from typing import TYPE_CHECKING, Any

from theorysim.errors import NotConverged, ProblemError, StabilityWarning

if TYPE_CHECKING:
    from theorysim import games as games
    from theorysim import kernels as kernels
    from theorysim import meanfield as meanfield
    from theorysim import sde as sde
    from theorysim.check import GaussianMean as GaussianMean
    from theorysim.check import check_formula as check_formula
    from theorysim.compare import compare as compare
    from theorysim.equations.activations import custom as activation  # noqa: F401
    from theorysim.finite.replay import replay as replay
    from theorysim.finite.training import train as train
    from theorysim.forecast import best_learning_rate as best_learning_rate
    from theorysim.forecast import forecast as forecast
    from theorysim.infinite.expression import activation_from as activation_from
    from theorysim.plot import plot as plot
    from theorysim.problem import GD as GD
    from theorysim.problem import MLP as MLP
    from theorysim.problem import SGD as SGD
    from theorysim.problem import Adam as Adam
    from theorysim.problem import Cosine as Cosine
    from theorysim.problem import GradientFlow as GradientFlow
    from theorysim.problem import PowerLaw as PowerLaw
    from theorysim.problem import ResidualMLP as ResidualMLP
    from theorysim.problem import Training as Training
    from theorysim.problem import Warmup as Warmup
    from theorysim.problem import activations as activations
    from theorysim.problem import blocks as blocks
    from theorysim.problem import data as data

# public name -> (module that holds it, name there; None for the module itself)
_PUBLIC: dict[str, tuple[str, str | None]] = {
    "Training": ("theorysim.problem", "Training"),
    "MLP": ("theorysim.problem", "MLP"),
    "ResidualMLP": ("theorysim.problem", "ResidualMLP"),
    "SGD": ("theorysim.problem", "SGD"),
    "GD": ("theorysim.problem", "GD"),
    "GradientFlow": ("theorysim.problem", "GradientFlow"),
    "Adam": ("theorysim.problem", "Adam"),
    "Warmup": ("theorysim.problem", "Warmup"),
    "Cosine": ("theorysim.problem", "Cosine"),
    "PowerLaw": ("theorysim.problem", "PowerLaw"),
    "data": ("theorysim.problem.data", None),
    "blocks": ("theorysim.problem.blocks", None),
    "activation": ("theorysim.equations.activations", "custom"),
    "activation_from": ("theorysim.infinite.expression", "activation_from"),
    "activations": ("theorysim.problem.activations", None),
    "train": ("theorysim.finite.training", "train"),
    "replay": ("theorysim.finite.replay", "replay"),
    "best_learning_rate": ("theorysim.forecast", "best_learning_rate"),
    "forecast": ("theorysim.forecast", "forecast"),
    "compare": ("theorysim.compare", "compare"),
    "check_formula": ("theorysim.check", "check_formula"),
    "GaussianMean": ("theorysim.check", "GaussianMean"),
    "plot": ("theorysim.plot", "plot"),
    "kernels": ("theorysim.kernels", None),
    "meanfield": ("theorysim.meanfield", None),
    "sde": ("theorysim.sde", None),
    "games": ("theorysim.games", None),
}

__all__ = ["NotConverged", "ProblemError", "StabilityWarning", *_PUBLIC]


def __getattr__(name: str) -> Any:
    """Load a public name on first use (PEP 562)."""
    if name == "__version__":
        from importlib.metadata import version

        return version("theorysim")
    if name not in _PUBLIC:
        raise AttributeError(f"module 'theorysim' has no attribute {name!r}")
    module, attribute = _PUBLIC[name]
    loaded = import_module(module)
    value = loaded if attribute is None else getattr(loaded, attribute)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    """List the public names, loaded or not."""
    return sorted({*globals(), *__all__, "__version__"})


class _Package(ModuleType):
    """The package itself, in which ``forecast``, ``compare`` and ``plot`` are functions, always.

    The import system binds a submodule to its package under the submodule's name. Without this,
    ``ts.forecast`` would be the function or the module, depending on what was imported first.
    """

    def __setattr__(self, name: str, value: Any) -> None:
        attribute = _PUBLIC.get(name, ("", None))[1]
        if attribute is not None and isinstance(value, ModuleType):
            value = getattr(value, attribute)
        super().__setattr__(name, value)


sys.modules[__name__].__class__ = _Package
