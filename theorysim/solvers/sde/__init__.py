"""Stochastic differential equations: schemes, ensembles of paths, streaming statistics."""

from theorysim.solvers.sde.ensemble import Ensemble, Interrupted
from theorysim.solvers.sde.equation import Equation, Fields
from theorysim.solvers.sde.integrate import integrate
from theorysim.solvers.sde.moments import Moments
from theorysim.solvers.sde.one_step import one_step

__all__ = ["Ensemble", "Equation", "Fields", "Interrupted", "Moments", "integrate", "one_step"]
