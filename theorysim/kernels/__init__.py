"""Infinite-width kernel dynamics: NNGP and NTK, and the learning curves they predict."""

from __future__ import annotations

from theorysim.finite.kernels import empirical_nngp, empirical_ntk
from theorysim.kernels import mlp
from theorysim.kernels.matrices import nngp, ntk

__all__ = ["empirical_nngp", "empirical_ntk", "mlp", "nngp", "ntk"]
