"""The games of the notes."""

from __future__ import annotations

from theorysim.games import NetworkGame

RELU = {"weights": [[[0.0, 2.0], [-2.0, 0.0]]], "biases": [[1.0, 3.0]], "activations": ["relu"], "units": "unit"}
TANH = {
    "weights": [[[0.0, 0.9, -0.4], [-0.8, 0.0, 0.6], [0.5, -0.7, 0.0]]],
    "biases": [[0.899306144334, -0.029519604203, -0.257267445946]],
    "activations": ["tanh"],
    "units": "unit",
}
LAYERS = ([[0.6, -0.4], [0.3, 0.5]], [[0.2, 0.7], [-0.6, 0.1]], [[0.5, 0.1], [-0.3, 0.8]])


def relu_game() -> NetworkGame:
    """Case 4: equilibrium (1.4, 0.2)."""
    return NetworkGame(**RELU)


def tanh_game() -> NetworkGame:
    """Case 5: equilibrium (0.5, -0.3, 0.2)."""
    return NetworkGame(**TANH)


def three_layers(activation: str = "tanh") -> NetworkGame:
    """Case 6."""
    return NetworkGame(weights=LAYERS, activations=activation)
