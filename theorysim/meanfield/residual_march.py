"""The mean-field equations of a residual network, marched forward in steps of its training.

    h^{l+1} = h^l + b W^l phi(h^l),   g^l = g^{l+1} + b phi'(h^l) W^l^T g^{l+1},   g^L = phi'(h^L) z,
    f = <phi(h^L) z>/gamma0

with b = branch_scale/sqrt(L): the march of `March`, but for skips and the factor b, in one population. Every neuron of
the stream carries the noise of all blocks, forward and backward. W^l joins that population to itself; what it has
shown is known on two spans of its own, as another block's noise is independent of it.

Derivation of the equations: derivations/residual.py; of the march: derivations/march.py. Sources [Bordelon2024].
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from theorysim.meanfield.march import March, Seen
from theorysim.meanfield.neurons import Fields, activated
from theorysim.meanfield.residual_setting import ResidualSetting
from theorysim.meanfield.setting import Setting
from theorysim.meanfield.whitening import Coupling, Noise
from theorysim.solvers.gaussian_process import Span

Array = NDArray[np.float64]


class ResidualMarch(March):
    """One replica of the population.

    Parameters
    ----------
    setting : ResidualSetting
    noise : Noise
    weights : type of Coupling
        What the weights of the blocks are.
    """

    setting: ResidualSetting

    def __init__(self, setting: Setting, noise: Noise, weights: type[Coupling] = Coupling) -> None:
        self.weights = weights
        super().__init__(setting, noise)

    def _spans(self) -> list[Span]:
        return [Span(self.setting.samples)] * self.setting.depth

    def _coupling(self, i: int) -> Coupling:
        """Return the weights of block i.

        Fresh noise is orthogonal to inputs, readout and what the block has shown. In a linear network it is orthogonal
        to the noise of all blocks too: its second moments are then exact, and there are no others. Elsewhere that gains
        less than it costs (measured).
        """
        setting = self.setting
        own = [self.spans[i]] * 2 if setting.activation.name == "linear" else [_copy(self.spans[i]) for _ in range(2)]
        return self.weights(own[0], own[1], i + 1, std=float(setting.layers.weight_std[i + 1]), ratio=1.0,
                            noise=self.noise, tolerance=setting.tolerance)  # fmt: skip

    @property
    def _rates(self) -> tuple[Array, Array]:
        """Rates alpha, times the factor of the branches: what a block's weights learn."""
        return self._times_branch(1), self.setting.layers.bias_rates

    @property
    def kernel_rates(self) -> tuple[Array, Array]:
        """How much weights contribute to the tangent kernel."""
        return self._times_branch(2), self.setting.layers.bias_rates

    def _times_branch(self, power: int) -> Array:
        factors = np.ones(self.setting.depth + 1)
        factors[1:-1] = self.setting.branch**power
        return np.asarray(self.setting.layers.weight_rates * factors)

    def forward(self, inputs: Seen) -> list[Fields]:
        """Return the fields of h^0 .. h^L; features that are new extend the directions."""
        found, h = self._stream(inputs)
        return [*found, Fields(*activated(self.setting.activation, h), None)]

    def _stream(self, inputs: Seen) -> tuple[list[Fields], Array]:
        """Return the fields of h^0 .. h^(L - 1), and h^L."""
        h, found = self.first(inputs), list[Fields]()
        for coupling in self.couplings:
            phi, slope = activated(self.setting.activation, h.copy())
            coefficients = coupling.of_features(phi)
            found.append(Fields(phi, slope, coefficients))
            h += self.setting.branch * coupling.up(coefficients, inputs.start, inputs.learnt)
        return found, h

    def response(self, inputs: Seen) -> tuple[Array, Array]:
        """Return what the responses A add to h^L, and h^L, shapes (n, S)."""
        found, h = self._stream(inputs)
        added = np.zeros_like(h)
        for field, coupling in zip(found, self.couplings, strict=True):
            assert field.coefficients is not None
            added += self.setting.branch * response_up(coupling, field.coefficients, inputs.start)
        return added, h

    def backward(self, fields: Sequence[Fields], top: Array) -> tuple[list[Array], list[Array]]:
        """Return gradients g^0 .. g^L, shapes (n, S), and their coefficients on the directions of the block below."""
        g = [np.empty(0)] * len(fields)
        coefficients = [np.empty(0)] * len(fields)
        g[-1] = fields[-1].slope[: len(top)] * top
        for i in range(len(fields) - 1, 0, -1):
            coefficients[i] = self.couplings[i - 1].of_gradients(g[i])
            z = self.couplings[i - 1].down(coefficients[i], self.start.share)
            g[i - 1] = g[i] + self.setting.branch * fields[i - 1].slope[: len(top)] * z
        return g, coefficients

    def _outputs(self, x: Array) -> Array:
        inputs = self._now_and_then(x, x)
        h = self.first(inputs)
        for coupling in self.couplings:
            phi, _ = activated(self.setting.activation, h.copy())
            h += self.setting.branch * coupling.of_pairs(phi, inputs.start, inputs.learnt)
        f = self.outputs_of(Fields(*activated(self.setting.activation, h), None), inputs)
        return np.asarray(f[: len(x)] - f[len(x) :])


def response_up(coupling: Coupling, coefficients: Array, start: Array) -> Array:
    """Return the part of W phi that answers noise which phi received from above, shape (n, S)."""
    count = coefficients.shape[1]
    answers = np.where(coupling.forward[:count], 0.0, coupling.std / np.sqrt(coupling.ratio))
    return np.asarray((start[:, None] * coefficients * answers) @ coupling.upper.rows.values[:count])


def response_down(coupling: Coupling, coefficients: Array, start: float) -> Array:
    """Return the part of W^T g that answers noise which g received from below, shape (n, S)."""
    answers = np.where(coupling.forward, coupling.std * coupling.ratio, 0.0)
    return np.asarray((start * coefficients * answers) @ coupling.lower.rows.values)


class Severed(Coupling):
    """Weights without responses: noise and what was learnt alone. Not a network; it shows what responses do."""

    def up(self, coefficients: Array, start: Array, learnt: Array) -> Array:
        """Return W phi, shape (n, S), without its answer to noise from above."""
        return super().up(coefficients, start, learnt) - response_up(self, coefficients, start)

    def down(self, coefficients: Array, start: float) -> Array:
        """Return W^T g, shape (n, S), without its answer to noise from below."""
        return super().down(coefficients, start) - response_down(self, coefficients, start)


def _copy(span: Span) -> Span:
    """Return another span with the same vectors."""
    other = Span(span.samples)
    other.rows.append(span.rows.values)
    return other
