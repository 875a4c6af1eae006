"""What the caption of the figure on kernel spectra says, on fewer digits."""

from __future__ import annotations

import numpy as np

import theorysim as ts
from figures.kernel_spectra import ACTIVATIONS, DEPTH, spectrum
from theorysim import kernels


def test_kinks_and_training_all_layers_lift_the_tail() -> None:
    x = ts.data.digits(train=300, test=1, inputs="unit").load().x_train
    tails = {}
    for activation in ACTIVATIONS:
        network = ts.MLP(depth=DEPTH, width=1, activation=activation, bias_std=0.1)
        spectra = spectrum(kernels.ntk(network, x)), spectrum(kernels.nngp(network, x))
        np.testing.assert_allclose([s.sum() for s in spectra], 1.0, rtol=1e-12)
        tails[activation] = [float(s[-30:].sum()) for s in spectra]
    kinked = [tails[name] for name in ("relu", "abs")]
    smooth = [tails[name] for name in ("erf", "gelu", "sin")]
    assert np.all(np.min(kinked, axis=0) > 1.5 * np.max(smooth, axis=0))
    assert all(ntk > nngp for ntk, nngp in tails.values())
