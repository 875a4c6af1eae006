"""Infinitely wide networks in scikit-learn: covariance kernels of Gaussian processes, and estimators.

Not imported with `theorysim.kernels`: scikit-learn takes a second to load.
"""

from __future__ import annotations

from theorysim.kernels.sklearn.classification import KernelGPClassifier, KernelRidgeClassifier
from theorysim.kernels.sklearn.covariance import NNGPKernel, NTKKernel
from theorysim.kernels.sklearn.regression import KernelGPRegressor, KernelRidgeRegressor

__all__ = [
    "KernelGPClassifier",
    "KernelGPRegressor",
    "KernelRidgeClassifier",
    "KernelRidgeRegressor",
    "NNGPKernel",
    "NTKKernel",
]
