"""Kernels of every built-in activation: closed forms against Hermite series, edges, and the choices of a jump."""

from __future__ import annotations

import numpy as np
import pytest

from tests.activation_examples import ALL, example, table
from theorysim import kernels
from theorysim.equations.activations import Activation, activation
from theorysim.equations.duals import dual_of
from theorysim.errors import ProblemError
from theorysim.finite.kernels import empirical_nngp, empirical_ntk
from theorysim.finite.network import initialise
from theorysim.infinite.recursion import diagonal, kernels_of, nngp_of
from theorysim.problem import MLP, GradientFlow, Layers, Training, data

CLOSED = [name for name in ALL if dual_of(example(name)) is not None]
SINGULAR = ["sign", "step"]


def layers_of(depth: int = 3, inputs: int = 5, **keywords: object) -> Layers:
    settings = {"weight_std": 0.9, "bias_std": 0.2, **keywords}
    return MLP(depth=depth, width=4, **settings).layers(inputs=inputs, outputs=1)


def inputs(n: int = 30) -> np.ndarray:
    x = np.random.default_rng(3).normal(size=(n, 5))
    return x * np.linspace(0.5, 1.2, n)[:, None] / np.linalg.norm(x, axis=1)[:, None] * np.sqrt(5)


def singular(name: str, derivative: str | None = "distribution") -> Activation:
    return activation(name, parameters={"derivative": derivative})


@pytest.mark.parametrize("name", CLOSED)
def test_closed_forms_are_the_sums_of_the_series(name: str) -> None:
    chosen, x = example(name), inputs()
    hidden = Activation(f"my {name}", chosen.function, chosen.derivative)
    layers = layers_of(depth=1 if name in SINGULAR else 3)  # bounds of deeper layers rest on a derivative
    closed, series = kernels_of(layers, chosen, x), kernels_of(layers, hidden, x)
    for kind in ("nngp", "ntk"):
        one, other = getattr(closed, kind), getattr(series, kind)
        bound, scale = getattr(series, f"{kind}_error"), np.abs(one).max()
        assert np.abs(one - other).max() <= bound + 1e-12 * scale
        if name not in (*SINGULAR, "relu", "leaky_relu", "abs", "abrelu"):
            assert bound < 1e-6 * scale
        np.testing.assert_allclose(np.diag(one), np.diag(other), rtol=1e-11)


@pytest.mark.parametrize("name", ALL)
@pytest.mark.parametrize("bias_std", [None, 0.2])
def test_coincident_opposite_and_zero_inputs(name: str, bias_std: float | None) -> None:
    layers, x = layers_of(bias_std=bias_std), inputs(6)
    x[2], x[4], x[5] = x[1], -x[1], 0.0
    found = kernels_of(layers, example(name), x)
    for kernel in (found.nngp, found.ntk):
        assert np.isfinite(kernel).all() and np.array_equal(kernel, kernel.T)
        assert kernel[1, 2] == pytest.approx(kernel[1, 1], rel=1e-10, abs=found.ntk_error)
    for own, kernel in zip(diagonal(layers, example(name), x), (found.nngp, found.ntk), strict=True):
        np.testing.assert_allclose(own, np.diag(kernel), rtol=1e-14)


def test_rectified_squares_are_finite_where_others_give_nan() -> None:
    """[Cho2009] at depth 3, on the diagonal and off it: T_2 = q1 q2 J_2/(2 pi), Tdot_2 = 4 sqrt(q1 q2) J_1/(2 pi)."""
    x, layers = inputs(4), layers_of(bias_std=None)
    found = kernels_of(layers, example("rectified_monomial"), x)
    sigma, theta = 0.81 * x @ x.T / 5, 0.81 * x @ x.T / 5
    for _ in range(3):
        root = np.sqrt(np.outer(np.diag(sigma), np.diag(sigma)))
        c = np.clip(sigma / root, -1.0, 1.0)
        angle = np.arccos(c)
        j1 = np.sin(angle) + (np.pi - angle) * c
        j2 = 3.0 * np.sin(angle) * c + (np.pi - angle) * (1.0 + 2.0 * c * c)
        theta = 0.81 * (root**2 * j2 / (2 * np.pi) + 4.0 * root * j1 / (2 * np.pi) * theta)
        sigma = 0.81 * root**2 * j2 / (2 * np.pi)
    np.testing.assert_allclose(found.nngp, sigma, rtol=1e-9)
    np.testing.assert_allclose(found.ntk, theta, rtol=1e-9)


def test_overflow_is_refused() -> None:
    with pytest.raises(ProblemError, match=r"kernels: the n.* must be finite, got infinity .* grows too fast"):
        kernels_of(layers_of(depth=4, weight_std=3.0), activation("exp"), inputs())


@pytest.mark.parametrize("name", SINGULAR)
def test_a_jump_without_a_choice_has_an_nngp_only(name: str) -> None:
    net, x = MLP(depth=2, width=4, activation=name), inputs(5)
    nngp = kernels.nngp(net, x).values
    assert np.array_equal(nngp, kernels.nngp(MLP(depth=2, width=4, activation=table(name)), x).values)
    assert np.array_equal(nngp, kernels.nngp(MLP(depth=2, width=4, activation=singular(name)), x).values)
    message = rf'{name} jumps, .* derivative = "zero" .* or "distribution"'
    weights = initialise(net.layers(inputs=5, outputs=1), [0], seed=0)
    assert np.isfinite(empirical_nngp(net, weights, x)).all()
    for refused in (
        lambda: kernels.ntk(net, x),
        lambda: kernels.ntk(net, x[:2], x[2:]),
        lambda: diagonal(net.layers(inputs=5, outputs=1), activation(name), x),
        lambda: empirical_ntk(net, weights, x),
        lambda: train_statement(net),
    ):
        with pytest.raises(ProblemError, match=message):
            refused()


def train_statement(net: MLP) -> Training:
    samples = data.gaussian(dim=5, train=8, test=2)
    return Training(data=samples, network=net, optimizer=GradientFlow(), time=1.0)


def test_a_readout_alone_needs_no_choice() -> None:
    net, x = MLP(depth=2, width=4, activation="sign", weight_rates=(0.0, 0.0, 1.0)), inputs(5)
    np.testing.assert_allclose(kernels.ntk(net, x), kernels.nngp(net, x), rtol=1e-14)
    weights = initialise(net.layers(inputs=5, outputs=1), [0], seed=0)
    np.testing.assert_allclose(empirical_ntk(net, weights, x), empirical_nngp(net, weights, x), rtol=1e-13)
    assert train_statement(net).network == net


def test_zero_almost_everywhere_trains_the_readout() -> None:
    net, x = MLP(depth=2, width=4, activation=table("step"), bias_std=0.3), inputs(5)
    np.testing.assert_allclose(kernels.ntk(net, x), kernels.nngp(net, x), rtol=1e-13)


def test_the_distribution_diverges_where_samples_meet() -> None:
    chosen, layers, x = singular("sign"), layers_of(bias_std=None), inputs(5)
    steep = kernels_of(layers, activation("erf", parameters={"rate": 1e5}), x[:2], x[2:])
    np.testing.assert_allclose(kernels_of(layers, chosen, x[:2], x[2:]).ntk, steep.ntk, rtol=1e-4)
    with pytest.raises(ProblemError, match="must be given different inputs x1 and x2, got x1 alone"):
        kernels_of(layers, chosen, x)
    with pytest.raises(ProblemError, match="ntk must be finite"):
        diagonal(layers, chosen, x)
    for other, place in ((x[1:2], "1, 0"), (2.0 * x[1:2], "1, 0"), (np.zeros((1, 5)), "0, 0")):
        with pytest.raises(ProblemError, match=rf"ntk must be finite, got infinity at \({place}\): .* parallel"):
            kernels_of(layers, chosen, x, other)
        assert np.isfinite(nngp_of(layers, chosen, x, other)[0]).all()
    net = MLP(depth=1, width=4, activation=chosen)
    weights = initialise(net.layers(inputs=5, outputs=1), [0], seed=0)
    for refused in (lambda: train_statement(net), lambda: empirical_ntk(net, weights, x)):
        with pytest.raises(ProblemError, match=r'derivative = "distribution" has none'):
            refused()
