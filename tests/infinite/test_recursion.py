"""NNGP and NTK recursions: stored kernels of neural-tangents, 50-digit recursions, edges of the domain."""

from __future__ import annotations

import dataclasses
import json
import os
import subprocess
import sys
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from tests.infinite import reference
from theorysim.equations.activations import activation
from theorysim.errors import ProblemError
from theorysim.infinite.recursion import Kernels, diagonal, kernels_of
from theorysim.problem.layers import Layers
from theorysim.problem.network import MLP

ROOT = Path(__file__).parents[2]
STORED = np.load(ROOT / "tests" / "data" / "A1_fc_toy.npz")
CASES = sorted({key.split("__")[0] for key in STORED.files if "__" in key})
SPHERE = {  # eigenvalues of the 3-layer relu NTK on the sphere in 10 dimensions, 15 digits by mpmath
    0: 1.1326924164881, 1: 0.100072364317835, 2: 0.0128673250488419, 3: 0.00143636903039567,
    4: 0.000283106638460721, 5: 5.78859829239081e-5, 6: 1.91034789306249e-5, 8: 2.44692006236993e-6,
}  # fmt: skip


def layers_of(act: str = "relu", depth: int = 3, inputs: int = 4, **keywords: object) -> Layers:
    return MLP(depth=depth, width=512, activation=act, **keywords).layers(inputs=inputs, outputs=1)


def toy(n: int, offset: int = 0) -> np.ndarray:
    i, k = np.arange(1, n + 1)[:, None] + offset, np.arange(1, 5)
    return np.sin(0.7 * i * k) + 0.3 * np.cos(1.1 * (i - k))


def stored_case(case: str) -> tuple[Layers, str, float | None]:
    """Read a name such as ``leaky0.1_L3_W1.5_b0.05``."""
    act, depth = case.split("_")[:2]
    act, slope = ("leaky_relu", 0.1) if act == "leaky0.1" else (act, None)
    stds = {"weight_std": 2**0.5, "bias_std": None} if "Wsqrt2" in case else {"weight_std": 1.5, "bias_std": 0.05}
    kind = "standard" if "standard" in case else "ntk"
    return layers_of(act, int(depth[1:]), slope=slope, parameterization=kind, **stds), act, slope


def discrepancy(case: str, layers: Layers, act: str, slope: float | None) -> float:
    """Return the largest relative difference from the stored kernels."""
    worst = 0.0
    for tag, x2 in (("11", None), ("12", toy(3, 6))):
        kernels = kernels_of(layers, activation(act, slope), toy(6), x2)
        for name in ("nngp", "ntk"):
            ratio = getattr(kernels, name) / STORED[f"{case}__{name}{tag}"]
            worst = max(worst, float(np.abs(ratio - 1.0).max()))
    return worst


@pytest.mark.parametrize("case", CASES)
def test_stored_kernels(case: str) -> None:
    """The stored kernels, computed by an independent package in float64, hold their digits at these inputs."""
    assert discrepancy(case, *stored_case(case)) < 1e-12


def test_a_planted_factor_is_caught() -> None:
    layers, act, slope = stored_case("relu_L3_W1.5_b0.05")
    rates = layers.weight_rates * np.array([1.0, 1.0, 1.0 + 1e-6, 1.0])
    wrong = dataclasses.replace(layers, weight_rates=rates)
    assert discrepancy("relu_L3_W1.5_b0.05", wrong, act, slope) > 1e-8


def neighbours(rng: np.random.Generator, x: np.ndarray) -> np.ndarray:
    rows = [x, -x]
    for distance in (0.5, 1e-1, 3e-2, 1e-2, 1e-3, 1e-5, 1e-8, 1e-10):
        step = rng.normal(size=len(x))
        rows += [x + distance * step / np.linalg.norm(step), (1.0 + distance) * x]
    return np.array(rows)


@pytest.mark.parametrize("bias_std", [None, 0.05, 1.0])
@pytest.mark.parametrize(
    ("act", "slope", "dual"),
    [
        ("relu", None, reference.relu),
        ("leaky_relu", 0.1, partial(reference.relu, slope=0.1)),
        ("erf", None, reference.erf),
    ],
)
def test_near_duplicates_keep_twelve_digits(
    act: str, slope: float | None, dual: reference.Dual, bias_std: float | None
) -> None:
    layers = layers_of(act, 10, 7, slope=slope, weight_std=1.5, bias_std=bias_std)
    x = np.random.default_rng(3).normal(size=7)
    others = neighbours(np.random.default_rng(4), x)
    kernels = kernels_of(layers, activation(act, slope), x[None], others)
    for j, y in enumerate(others):
        nngp, ntk = reference.kernels(dual, layers, x, y)
        assert abs(float(kernels.nngp[0, j] / nngp - 1)) < 1e-12
        assert abs(float(kernels.ntk[0, j] / ntk - 1)) < 1e-12


def test_pairs_that_deep_layers_make_coincide_keep_their_digits() -> None:
    """With large biases all inputs become parallel with depth: the angle is then far below sqrt(rounding)."""
    layers = layers_of("relu", 60, 3, weight_std=1.0, bias_std=1.0)
    x, y = np.array([1.0, -0.3, 0.2]), np.array([-0.5, 0.8, 1.1])
    kernels = kernels_of(layers, activation("relu"), x[None], y[None])
    nngp, ntk = reference.kernels(reference.relu, layers, x, y)
    assert abs(float(kernels.nngp[0, 0] / nngp - 1)) < 1e-12
    assert abs(float(kernels.ntk[0, 0] / ntk - 1)) < 1e-12


def test_spectrum_on_the_sphere() -> None:
    """Half of our Theta at |x|^2 = d, so that Theta(1) = 4."""
    theta, weight = np.polynomial.legendre.leggauss(400)
    theta, weight = 0.5 * np.pi * (theta + 1.0), 0.5 * np.pi * weight
    c, d = np.cos(theta), 10
    points = np.zeros((len(c), d))
    points[:, 0], points[:, 1] = np.sqrt(d) * c, np.sqrt(d) * np.sin(theta)
    north = np.sqrt(d) * np.eye(1, d)
    kernel = 0.5 * kernels_of(layers_of("relu", 3, d), activation("relu"), north, points).ntk[0]
    measure = weight * np.sin(theta) ** (d - 2)
    for k, expected in SPHERE.items():
        value = (kernel * gegenbauer(k, c, d) * measure).sum() / measure.sum()
        assert value == pytest.approx(expected, rel=1e-9)
    assert 0.5 * diagonal(layers_of("relu", 3, d), activation("relu"), north)[1][0] == pytest.approx(4.0, rel=1e-14)


def gegenbauer(k: int, c: np.ndarray, d: int) -> np.ndarray:
    """Return the Legendre polynomial of degree k in d dimensions, 1 at c = 1."""
    before, now = np.ones_like(c), c
    if k == 0:
        return before
    for n in range(1, k):
        before, now = now, ((2 * n + d - 2) * c * now - n * before) / (n + d - 2)
    return now


ALL = ("relu", "abs", "erf", "gelu", "sin", "cos", "linear", "quadratic", "tanh")


@pytest.mark.parametrize("act", ALL)
def test_shapes_symmetry_and_diagonal(act: str) -> None:
    layers = layers_of(act, 2, 4, weight_std=1.2, bias_std=0.1)
    x = np.random.default_rng(1).normal(size=(150, 4))
    full = kernels_of(layers, activation(act), x)
    cross = kernels_of(layers, activation(act), x, x[:70])
    self_nngp, self_ntk = diagonal(layers, activation(act), x)
    for name, own in (("nngp", self_nngp), ("ntk", self_ntk)):
        kernel = getattr(full, name)
        assert np.array_equal(kernel, kernel.T)
        assert np.array_equal(np.diag(kernel), own)
        np.testing.assert_allclose(getattr(cross, name), kernel[:, :70], rtol=1e-9, atol=1e-9 * np.abs(kernel).max())
    one = kernels_of(layers, activation(act), x[:1])
    assert one.nngp.shape == (1, 1) and one.ntk[0, 0] == pytest.approx(self_ntk[0], rel=1e-13)


@pytest.mark.parametrize("act", ALL)
@pytest.mark.parametrize("bias_std", [None, 0.3])
def test_coincident_and_zero_inputs(act: str, bias_std: float | None) -> None:
    layers = layers_of(act, 3, 4, weight_std=1.1, bias_std=bias_std)
    x = np.random.default_rng(2).normal(size=(5, 4))
    x[2], x[4] = x[1], 0.0
    kernels = kernels_of(layers, activation(act), x)
    for kernel in (kernels.nngp, kernels.ntk):
        assert np.isfinite(kernel).all()
        assert kernel[1, 2] == pytest.approx(kernel[1, 1], rel=1e-10)
        np.testing.assert_allclose(kernel[1], kernel[2][[0, 2, 1, 3, 4]], rtol=1e-10, atol=1e-12)


def test_any_memory_layout_and_dtype() -> None:
    layers = layers_of("relu", 3, 4, bias_std=0.1)
    x = np.random.default_rng(5).normal(size=(20, 8)).astype(np.float32)
    expected = kernels_of(layers, activation("relu"), np.array(x[::2, ::2], dtype=np.float64))
    for view in (x[::2, ::2], np.asfortranarray(x[::2, ::2])):
        kernels = kernels_of(layers, activation("relu"), view)
        assert np.array_equal(kernels.ntk, expected.ntk)


def test_layers_of_their_own() -> None:
    """Every layer has its own stds and rates, weights and biases."""
    layers = layers_of("relu", 2, 3, weight_std=(1.0, 1.4, 0.7), bias_std=(0.1, 0.0, 0.3),
                       weight_rates=(0.5, 2.0, 0.0), bias_rates=(0.0, 0.3, 0.7))  # fmt: skip
    x, y = np.array([1.0, -0.4, 0.2]), np.array([0.3, 0.5, -0.9])
    kernels = kernels_of(layers, activation("relu"), x[None], y[None])
    nngp, ntk = reference.kernels(reference.relu, layers, x, y)
    assert kernels.nngp[0, 0] == pytest.approx(float(nngp), rel=1e-14)
    assert kernels.ntk[0, 0] == pytest.approx(float(ntk), rel=1e-14)


def test_results_do_not_depend_on_the_other_samples() -> None:
    """A pair has the same bits whatever tile it falls into, up to the rounding of x.x'."""
    layers = layers_of("relu", 5, 4, bias_std=0.1)
    x = np.random.default_rng(6).normal(size=(130, 4))
    whole = kernels_of(layers, activation("relu"), x)
    part = kernels_of(layers, activation("relu"), x[40:])
    np.testing.assert_allclose(part.ntk, whole.ntk[40:, 40:], rtol=1e-13)


@pytest.mark.parametrize("x", [np.ones((3, 5)), np.ones(4), np.empty((0, 4)), np.full((2, 4), np.nan)])
def test_bad_inputs(x: np.ndarray) -> None:
    with pytest.raises(ProblemError, match="kernels: inputs"):
        kernels_of(layers_of(), activation("relu"), x)


def test_bad_device() -> None:
    with pytest.raises(ProblemError, match="device"):
        kernels_of(layers_of(), activation("relu"), toy(3), device="tpu")


def test_no_error_is_claimed_for_closed_forms() -> None:
    kernels: Kernels = kernels_of(layers_of(), activation("relu"), toy(3))
    assert (kernels.nngp_error, kernels.ntk_error) == (0.0, 0.0)


def test_cuda_bodies_on_the_simulator() -> None:
    """The text of a GPU's grids, one thread per pair, gives the CPU's kernels."""
    environment = os.environ | {"NUMBA_ENABLE_CUDASIM": "1", "NUMBA_DISABLE_JIT": "1"}
    script = [sys.executable, "-m", "tests.infinite.simulated_kernels"]
    run = subprocess.run(script, env=environment, cwd=ROOT, capture_output=True, text=True, check=True)
    simulated = iter(json.loads(run.stdout))
    x = np.random.default_rng(0).normal(size=(5, 3))
    x[4] = x[0] + 1e-6
    for act in ("relu", "erf", "tanh", "gabor"):
        layers = MLP(depth=2, width=4, activation=act, bias_std=0.1).layers(inputs=3, outputs=1)
        for other in (None, x[:2]):
            kernels = kernels_of(layers, activation(act), x, other)
            np.testing.assert_allclose(next(simulated), [kernels.nngp, kernels.ntk], rtol=1e-12)
