"""Walks over degrees: how a power of the cosine spreads over spherical harmonics, and over parities of the cube.

Proof: derivations/spectra.py.
"""

from __future__ import annotations

from theorysim.equations.registry import equation


@equation("spectra.sphere_up")
def sphere_up(k: int, d: int) -> float:
    """Return p in c P_k(c) = p P_{k+1}(c) + (1 - p) P_{k-1}(c), P_k the Gegenbauer polynomials with P_k(1) = 1."""
    return (k + d - 2.0) / (2.0 * k + d - 2.0) if k > 0 else 1.0


@equation("spectra.cube_up")
def cube_up(k: int, d: int) -> float:
    """Return p in c Q_k(c) = p Q_{k+1}(c) + (1 - p) Q_{k-1}(c), Q_k the mean parity of k bits at overlap c."""
    return (d - k) / (1.0 * d)
