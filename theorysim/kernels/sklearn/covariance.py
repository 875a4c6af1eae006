"""The kernels of infinitely wide networks as covariance kernels of scikit-learn's Gaussian processes.

Hyperparameters are the standard deviations of weights and biases, in logarithms as scikit-learn wants them. The
gradient with respect to them is a central difference of fourth order: its step is a fixed share of the scale
1/(2 (L + 1)) on which a kernel of L + 1 layers can change, so that its error, relative to the kernel, is 1e-11
where the dual maps are closed forms and 1e-7 where they are series.
"""

from __future__ import annotations

from typing import Any, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray
from sklearn.gaussian_process.kernels import Hyperparameter, Kernel

from theorysim.equations.activations import Activation
from theorysim.infinite.recursion import Kernels, diagonal, kernels_of
from theorysim.kernels.learner import activation_of
from theorysim.problem.layers import Layers
from theorysim.problem.network import MLP

Array = NDArray[np.float64]
Bounds = tuple[float, float] | str

STEP, STEP_OF_SERIES = 3e-3, 3e-2
"""Difference step of the gradient, in units of 1/(2 (L + 1)): for closed forms, and for series with their error."""


class NetworkKernel(Kernel):  # type: ignore[misc]
    """A kernel of an infinitely wide network with `depth` hidden layers, in the `ntk` parameterization.

    Parameters
    ----------
    depth : int
        Hidden layers.
    activation : str or Activation
        As in `MLP`.
    weight_std, bias_std : float
        Standard deviations at initialisation, of all layers; a `bias_std` of 0 stays 0.
    weight_std_bounds, bias_std_bounds : pair of floats or "fixed"
        Where they may be tuned.
    """

    kind: ClassVar[Literal["nngp", "ntk"]]

    def __init__(
        self,
        depth: int = 2,
        activation: str | Activation = "relu",
        weight_std: float = 1.5,
        bias_std: float = 0.1,
        weight_std_bounds: Bounds = (0.1, 10.0),
        bias_std_bounds: Bounds = (1e-3, 10.0),
    ) -> None:
        self.depth = depth
        self.activation = activation
        self.weight_std = weight_std
        self.bias_std = bias_std
        self.weight_std_bounds = weight_std_bounds
        self.bias_std_bounds = bias_std_bounds

    @property
    def hyperparameter_weight_std(self) -> Any:
        """Specification of the standard deviation of the weights."""
        return Hyperparameter("weight_std", "numeric", self.weight_std_bounds)

    @property
    def hyperparameter_bias_std(self) -> Any:
        """Specification of the standard deviation of the biases; 0 has no logarithm and is fixed."""
        return Hyperparameter("bias_std", "numeric", "fixed" if self.bias_std == 0.0 else self.bias_std_bounds)

    def __call__(self, X: Any, Y: Any = None, eval_gradient: bool = False) -> Any:
        """Return the kernel k(X, Y), shape (n_X, n_Y), and perhaps its gradient.

        Parameters
        ----------
        X, Y : array_like, shapes (n_X, d) and (n_Y, d)
            Y defaults to X.
        eval_gradient : bool
            Return also the gradient with respect to the logarithms of the free hyperparameters, shape
            (n_X, n_X, hyperparameters); only without Y.
        """
        x, y = np.atleast_2d(X), None if Y is None else np.atleast_2d(Y)
        if eval_gradient and y is not None:
            raise ValueError("Gradient can only be evaluated when Y is None.")
        kernels = self._kernels(x, y, 0.0, 0.0)
        value = self._chosen(kernels)
        return (value, self._gradient(x, kernels)) if eval_gradient else value

    def diag(self, X: Any) -> Array:
        """Return k(x, x) of each sample, shape (n_X,)."""
        x = np.atleast_2d(X)
        layers, function = self._network(x.shape[1], 0.0, 0.0)
        sigma, theta = diagonal(layers, function, np.array(x, float))
        return sigma if self.kind == "nngp" else theta

    def is_stationary(self) -> bool:
        """Return False: the kernel depends on where its inputs are."""
        return False

    def __repr__(self) -> str:
        name = self.activation if isinstance(self.activation, str) else self.activation.name
        return (
            f"{type(self).__name__}(depth={self.depth}, activation={name}, weight_std={self.weight_std:.3g}, "
            f"bias_std={self.bias_std:.3g})"
        )

    def _network(self, inputs: int, weights: float, biases: float) -> tuple[Layers, Activation]:
        """Return the layers with the logarithms of the standard deviations shifted by `weights` and `biases`."""
        network = MLP(
            depth=self.depth,
            width=1,
            activation=self.activation,
            weight_std=float(self.weight_std * np.exp(weights)),
            bias_std=float(self.bias_std * np.exp(biases)),
        )
        return network.layers(inputs=inputs, outputs=1), activation_of(network)

    def _kernels(self, x: Array, y: Array | None, weights: float, biases: float) -> Kernels:
        layers, function = self._network(x.shape[1], weights, biases)
        # copies: for arrays that may not be written to, the loops would be compiled a second time
        return kernels_of(layers, function, np.array(x, float), None if y is None else np.array(y, float))

    def _chosen(self, kernels: Kernels) -> Array:
        return kernels.nngp if self.kind == "nngp" else kernels.ntk

    def _gradient(self, x: Array, kernels: Kernels) -> Array:
        error = kernels.nngp_error if self.kind == "nngp" else kernels.ntk_error
        step = (STEP_OF_SERIES if error else STEP) / (2 * (self.depth + 1))
        shifts = {"bias_std": (0.0, step), "weight_std": (step, 0.0)}
        free = [shifts[row.name] for row in self.hyperparameters if not row.fixed]
        gradient = np.empty((len(x), len(x), len(free)))
        for place, (weights, biases) in enumerate(free):

            def at(k: int, weights: float = weights, biases: float = biases) -> Array:
                return self._chosen(self._kernels(x, None, k * weights, k * biases))

            gradient[:, :, place] = (8.0 * (at(1) - at(-1)) - (at(2) - at(-2))) / (12.0 * step)
        return gradient


class NNGPKernel(NetworkKernel):
    """Covariance Sigma of the outputs of infinitely wide networks at initialisation [Lee2018]; see `NetworkKernel`."""

    kind = "nngp"


class NTKKernel(NetworkKernel):
    """Tangent kernel Theta of infinitely wide networks [Jacot2018]; parameters as `NetworkKernel`."""

    kind = "ntk"

    def initial(self) -> NNGPKernel:
        """Return the covariance of the initial outputs of the same networks."""
        return NNGPKernel(**self.get_params())
