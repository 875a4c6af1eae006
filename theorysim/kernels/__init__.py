"""Infinite-width kernel dynamics: NNGP and NTK, and the learning curves they predict."""
