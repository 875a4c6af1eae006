"""Numerical solvers that know no deep learning."""
