"""The examples of docs/conventions.md are problems, and its restatements are what they claim."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np

import theorysim as ts
from theorysim.problem import MLP, SGD, Cosine, Training

PAGE = (Path(__file__).parents[2] / "docs" / "conventions.md").read_text(encoding="utf-8")


def _blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", PAGE, re.DOTALL)


def test_the_file_on_the_page_is_a_run() -> None:
    (text,) = _blocks("toml")
    run = Training.from_toml(text)
    assert run.network == MLP(depth=3, width=1024)
    assert run.optimizer == SGD(learning_rate=5.0, batch=50, schedule=Cosine(warmup=100))
    assert run.recorded == (0, 10, 100, 2000)
    wide = Training.from_toml(text.replace("width = 1024 ", "width = [512, 512, 1024]"))
    assert wide.network.widths == (512, 512, 1024)


def test_pytorch_restated_has_the_variances_of_pytorch() -> None:
    (text,) = _blocks("python")
    network = eval(text[text.index("ts.MLP") : text.index("ts.SGD")], {"ts": ts})
    layers = network.layers(inputs=10, outputs=1)
    fan_in = np.array([10, 256, 256])
    # nn.Linear draws weights and biases uniformly from +-1/sqrt(fan-in): variance 1/(3 fan-in)
    np.testing.assert_allclose(layers.weight_std**2 / fan_in, 1 / (3 * fan_in), rtol=1e-14)
    np.testing.assert_allclose(layers.bias_std**2, 1 / (3 * fan_in), rtol=1e-14)
    np.testing.assert_array_equal(layers.weight_steps, 1.0)
    np.testing.assert_array_equal(layers.bias_steps, 1.0)
