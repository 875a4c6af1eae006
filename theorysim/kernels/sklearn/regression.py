"""Regressors: the Gaussian law of trained infinitely wide networks, and its mean alone."""

from __future__ import annotations

from typing import Any

import numpy as np
import scipy.linalg
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, MultiOutputMixin, RegressorMixin
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_is_fitted, validate_data

from theorysim.backend.linalg import single_thread
from theorysim.errors import ProblemError
from theorysim.kernels.sklearn.covariance import NNGPKernel, NTKKernel
from theorysim.kernels.sklearn.law import Fitted, Law, checked_ridge, chosen, fitted

Array = NDArray[np.float64]
SMALLEST_NOISE = 1e-10
"""Noise variance that tuning assumes where `ridge` is smaller (that of scikit-learn)."""


class KernelGPRegressor(MultiOutputMixin, RegressorMixin, BaseEstimator):  # type: ignore[misc]
    """Regression by the Gaussian law of infinitely wide networks.

    Parameters
    ----------
    kernel : Kernel, optional
        NNGPKernel (default), NTKKernel or, for a posterior, any kernel of scikit-learn.
    law : "posterior" or "ensemble"
        Condition a Gaussian process with this covariance on the data (Bayesian networks: `NNGPKernel`), or train
        networks with this tangent kernel to the end, from random initial outputs (gradient descent: `NTKKernel`).
    ridge : float
        Added to the Gram matrix: the noise variance of a posterior, the ridge of gradient descent.
    optimizer : None, "fmin_l_bfgs_b" or callable
        Tune the free hyperparameters of the kernel by the marginal likelihood of a posterior, as
        GaussianProcessRegressor does.
    n_restarts_optimizer : int
    random_state : int, RandomState or None
        Of the restarts.

    Attributes
    ----------
    kernel_ : Kernel
        With tuned hyperparameters.
    law_ : Fitted
    """

    def __init__(
        self,
        kernel: Any = None,
        law: Law = "posterior",
        ridge: float = 1e-6,
        optimizer: Any = None,
        n_restarts_optimizer: int = 0,
        random_state: Any = None,
    ) -> None:
        self.kernel = kernel
        self.law = law
        self.ridge = ridge
        self.optimizer = optimizer
        self.n_restarts_optimizer = n_restarts_optimizer
        self.random_state = random_state

    def fit(self, X: Any, y: Any) -> KernelGPRegressor:
        """Fit inputs (P, d) and targets (P,) or (P, C)."""
        x, target = validate_data(self, X, y, multi_output=True, y_numeric=True, dtype=np.float64)
        self.kernel_ = chosen(self.kernel, NNGPKernel)
        if self.optimizer is not None:
            self.kernel_ = self._tuned(x, target)
        self.law_: Fitted = fitted(self.kernel_, self.law, self.ridge, x, _columns(target))
        self._flat = target.ndim == 1
        return self

    def predict(self, X: Any, return_std: bool = False, return_cov: bool = False) -> Any:
        """Return the mean, shape (M,) or (M, C), and perhaps the standard deviation or the covariance of one network.

        As in scikit-learn: shapes (M,) and (M, M), with a last axis of C for several outputs.
        """
        if return_std and return_cov:
            raise ProblemError("predict: `return_std` and `return_cov` must not both be asked for, got both")
        check_is_fitted(self)
        x = validate_data(self, X, reset=False, dtype=np.float64)
        mean = self._shaped(self.law_.mean(x))
        if return_std:
            return mean, self._repeated(self.law_.std(x))
        return (mean, self._repeated(self.law_.covariance(x))) if return_cov else mean

    def prior(self, X: Any) -> Array:
        """Return the covariance of the outputs before training, shape (M, M); the mean is 0. Needs no fit."""
        kernel = self.kernel_ if hasattr(self, "kernel_") else chosen(self.kernel, NNGPKernel)
        x = np.asarray(X, float)
        return np.asarray(
            kernel.initial()(x) if self.law == "ensemble" and isinstance(kernel, NTKKernel) else kernel(x)
        )

    def sample_y(self, X: Any, n_samples: int = 1, random_state: Any = 0) -> Array:
        """Return outputs of trained networks, shape (M, n_samples) or (M, C, n_samples)."""
        check_is_fitted(self)
        x = validate_data(self, X, reset=False, dtype=np.float64)
        draws = self.law_.draws(x, n_samples, int(check_random_state(random_state).randint(2**31)))
        return draws[:, 0] if self._flat else draws

    def _tuned(self, x: Array, y: Array) -> Any:
        if self.law != "posterior":
            raise ProblemError('estimator: `optimizer` must be None unless law = "posterior" (it has a likelihood)')
        search = GaussianProcessRegressor(
            kernel=self.kernel_,
            alpha=max(checked_ridge(self.ridge), SMALLEST_NOISE),
            optimizer=self.optimizer,
            n_restarts_optimizer=self.n_restarts_optimizer,
            random_state=self.random_state,
        ).fit(x, y)
        self.log_marginal_likelihood_value_ = search.log_marginal_likelihood_value_
        return search.kernel_

    def _shaped(self, outputs: Array) -> Array:
        return outputs[:, 0] if self._flat else outputs

    def _repeated(self, spread: Array) -> Array:
        outputs = self.law_.wanted.shape[1]
        return spread if self._flat or outputs == 1 else np.repeat(spread[..., None], outputs, axis=-1)


class KernelRidgeRegressor(MultiOutputMixin, RegressorMixin, BaseEstimator):  # type: ignore[misc]
    """The mean of infinitely wide networks trained to the end: kernel ridge regression.

    Parameters
    ----------
    kernel : Kernel, optional
        NTKKernel (default), or any kernel of scikit-learn.
    ridge : float
        Added to the Gram matrix.

    Attributes
    ----------
    kernel_ : Kernel
    dual_coef_ : ndarray, shape (P,) or (P, C)
        (K + ridge)^-1 y.
    """

    def __init__(self, kernel: Any = None, ridge: float = 1e-3) -> None:
        self.kernel = kernel
        self.ridge = ridge

    def fit(self, X: Any, y: Any) -> KernelRidgeRegressor:
        """Fit inputs (P, d) and targets (P,) or (P, C)."""
        x, target = validate_data(self, X, y, multi_output=True, y_numeric=True, dtype=np.float64)
        self.kernel_, self.X_fit_ = chosen(self.kernel, NTKKernel), x
        self.dual_coef_ = dual_coefficients(self.kernel_, self.ridge, x, target)
        return self

    def predict(self, X: Any) -> Array:
        """Return the mean outputs, shape (M,) or (M, C)."""
        check_is_fitted(self)
        x = validate_data(self, X, reset=False, dtype=np.float64)
        with single_thread():
            return np.asarray(self.kernel_(x, self.X_fit_) @ self.dual_coef_)


def dual_coefficients(kernel: Any, ridge: float, x: Array, y: Array) -> Array:
    """Return (K + ridge)^-1 y, of the shape of y."""
    gram = np.array(kernel(x))
    gram[np.diag_indices_from(gram)] += checked_ridge(ridge)
    try:
        with single_thread():
            return np.asarray(scipy.linalg.cho_solve(scipy.linalg.cho_factor(gram, lower=True, overwrite_a=True), y))
    except np.linalg.LinAlgError:
        raise ProblemError(
            f"estimator: `ridge` must be larger for a kernel that is singular on these samples, got {ridge!r}"
        ) from None


def _columns(y: Array) -> Array:
    return y[:, None] if y.ndim == 1 else y
