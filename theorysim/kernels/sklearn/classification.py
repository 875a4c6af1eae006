"""Classifiers: regression on centred one-hot labels (-1/+1 for two classes), as in the conventions."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_is_fitted, validate_data

from theorysim.backend.linalg import single_thread
from theorysim.errors import ProblemError
from theorysim.kernels.sklearn.covariance import NTKKernel
from theorysim.kernels.sklearn.law import Fitted, Law, chosen, fitted
from theorysim.kernels.sklearn.regression import dual_coefficients

Array = NDArray[np.float64]
_NODES, _WEIGHTS = np.polynomial.hermite_e.hermegauss(64)
_WEIGHTS = _WEIGHTS / np.sqrt(2.0 * np.pi)


class KernelGPClassifier(ClassifierMixin, BaseEstimator):  # type: ignore[misc]
    """Classification by infinitely wide networks trained on the squared loss, one vote for each network.

    Parameters
    ----------
    kernel : Kernel, optional
        NTKKernel (default), NNGPKernel or, for a posterior, any kernel of scikit-learn.
    law : "ensemble" or "posterior"
    ridge : float
        As in `KernelGPRegressor`.

    Attributes
    ----------
    classes_ : ndarray
    kernel_ : Kernel
    law_ : Fitted
    """

    def __init__(self, kernel: Any = None, law: Law = "ensemble", ridge: float = 1e-6) -> None:
        self.kernel = kernel
        self.law = law
        self.ridge = ridge

    def fit(self, X: Any, y: Any) -> KernelGPClassifier:
        """Fit inputs (P, d) and classes (P,)."""
        x, given = validate_data(self, X, y, dtype=np.float64)
        self.classes_, targets = targets_of(given)
        self.kernel_ = chosen(self.kernel, NTKKernel)
        self.law_: Fitted = fitted(self.kernel_, self.law, self.ridge, x, targets)
        return self

    def outputs(self, X: Any) -> tuple[Array, Array]:
        """Return mean outputs, shape (M, C) or (M, 1) for two classes, and their standard deviation, shape (M,)."""
        check_is_fitted(self)
        x = validate_data(self, X, reset=False, dtype=np.float64)
        return self.law_.mean(x), self.law_.std(x)

    def predict(self, X: Any) -> Any:
        """Return the class of the mean outputs, which is the one most networks vote for, shape (M,)."""
        check_is_fitted(self)
        x = validate_data(self, X, reset=False, dtype=np.float64)
        return self.classes_[decided(self.law_.mean(x))]

    def predict_proba(self, X: Any) -> Array:
        """Return the share of networks that vote for each class, shape (M, classes)."""
        return votes(*self.outputs(X))


class KernelRidgeClassifier(ClassifierMixin, BaseEstimator):  # type: ignore[misc]
    """Classification by the mean of infinitely wide networks trained to the end.

    Parameters
    ----------
    kernel : Kernel, optional
        NTKKernel (default), or any kernel of scikit-learn.
    ridge : float
        Added to the Gram matrix.

    Attributes
    ----------
    classes_ : ndarray
    kernel_ : Kernel
    dual_coef_ : ndarray, shape (P, C), or (P, 1) for two classes
    """

    def __init__(self, kernel: Any = None, ridge: float = 1e-3) -> None:
        self.kernel = kernel
        self.ridge = ridge

    def fit(self, X: Any, y: Any) -> KernelRidgeClassifier:
        """Fit inputs (P, d) and classes (P,)."""
        x, given = validate_data(self, X, y, dtype=np.float64)
        self.classes_, targets = targets_of(given)
        self.kernel_, self.X_fit_ = chosen(self.kernel, NTKKernel), x
        self.dual_coef_ = dual_coefficients(self.kernel_, self.ridge, x, targets)
        return self

    def decision_function(self, X: Any) -> Array:
        """Return the mean outputs, shape (M, C), or (M,) for two classes (positive: the second)."""
        check_is_fitted(self)
        x = validate_data(self, X, reset=False, dtype=np.float64)
        with single_thread():
            found = np.asarray(self.kernel_(x, self.X_fit_) @ self.dual_coef_)
        return found[:, 0] if found.shape[1] == 1 else found

    def predict(self, X: Any) -> Any:
        """Return the class of the largest output, shape (M,)."""
        found = self.decision_function(X)
        return self.classes_[decided(found[:, None] if found.ndim == 1 else found)]


def targets_of(y: Any) -> tuple[NDArray[Any], Array]:
    """Return the classes, and targets of shape (P, C): centred one-hot, or -1/+1 in one column for two classes."""
    check_classification_targets(y)
    classes, numbers = np.unique(y, return_inverse=True)
    if len(classes) < 2:
        raise ProblemError(f"estimator: `y` must hold at least 2 classes, got 1 class: {classes[0]!s}")
    if len(classes) == 2:
        return classes, np.array([[-1.0], [1.0]])[numbers]
    targets: Array = np.eye(len(classes))[numbers] - 1.0 / len(classes)
    return classes, targets


def decided(outputs: Array) -> NDArray[np.int64]:
    """Return the number of the class of each sample, shape (M,)."""
    if outputs.shape[1] == 1:
        return np.asarray(outputs[:, 0] > 0, dtype=np.int64)
    return np.asarray(np.argmax(outputs, axis=1), dtype=np.int64)


def votes(mean: Array, std: Array) -> Array:
    """Return the probability that one network decides for each class, shape (M, classes).

    Outputs are independent and Gaussian: P(c) = E_z prod_k Phi(z + (m_c - m_k)/s), or Phi(m/s) for one output.
    """
    inverse = 1.0 / np.maximum(std, 1e-12 * (1.0 + np.max(np.abs(mean), axis=1)))
    if mean.shape[1] == 1:
        second = ndtr(mean[:, 0] * inverse)
        return np.column_stack([1.0 - second, second])
    shares = np.empty(mean.shape)
    for c in range(mean.shape[1]):
        margins = np.delete(mean[:, c : c + 1] - mean, c, axis=1) * inverse[:, None]
        shares[:, c] = _WEIGHTS @ np.prod(ndtr(_NODES[:, None, None] + margins), axis=2)
    return shares / shares.sum(axis=1, keepdims=True)  # type: ignore[no-any-return]
