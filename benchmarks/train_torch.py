"""Train in PyTorch (float64, one thread) the run that `replay_torch.py prepare` wrote down.

    python train_torch.py RUN.npz OUT.npz

Needs torch and numpy only. The network is written in PyTorch's own words, not ours: `nn.Linear` with
MSELoss (a mean, no half) and half the learning rate for `standard`; standard normal parameters times
weight_std/sqrt(fan_in), and the learning rate gamma0^2 N eta, for `ntk` and `mup`.
OUT.npz holds the effective initial parameters, the batches, the training and test outputs after every
step, and the processor time of the bare training loop.
"""

from __future__ import annotations

import json
import math
import sys
import time

import numpy as np
import torch
from torch import nn

torch.set_default_dtype(torch.float64)
torch.set_num_threads(1)
ACTIVATIONS = {"relu": torch.relu, "tanh": torch.tanh, "erf": torch.erf, "gelu": nn.functional.gelu}


class Network(nn.Module):
    """An MLP of parameters times fixed scales: 1 for `standard`, std/sqrt(fan_in) of normals otherwise."""

    def __init__(self, run: dict) -> None:
        super().__init__()
        widths, network = run["widths"], run["network"]
        self.phi, self.standard = ACTIVATIONS[network["activation"]], network["parameterization"] == "standard"
        self.scale = 1.0
        if network["parameterization"] == "mup":
            self.scale = 1.0 / (network["gamma0"] * math.sqrt(widths[-2]))
        self.weights, self.biases = nn.ParameterList(), nn.ParameterList()
        self.weight_scales, self.bias_scales = [], []
        for fan_in, fan_out, sw, sb in zip(widths[:-1], widths[1:], run["weight_std"], run["bias_std"], strict=True):
            std = sw / math.sqrt(fan_in)
            self.weights.append(torch.randn(fan_out, fan_in) * (std if self.standard else 1.0))
            self.weight_scales.append(1.0 if self.standard else std)
            if run["has_bias"]:
                self.biases.append(torch.randn(fan_out) * (sb if self.standard else 1.0))
                self.bias_scales.append(1.0 if self.standard else sb)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        for i, weight in enumerate(self.weights):
            w = weight if self.standard else self.weight_scales[i] * weight
            b = None
            if len(self.biases):
                b = self.biases[i] if self.standard else self.bias_scales[i] * self.biases[i]
            x = nn.functional.linear(x if i == 0 else self.phi(x), w, b)
        return x if self.scale == 1.0 else self.scale * x

    def effective(self) -> dict:
        """Return what multiplies the activations: W1, b1, W2, ..."""
        named = {f"W{i + 1}": self.weight_scales[i] * w for i, w in enumerate(self.weights)}
        named |= {f"b{i + 1}": self.bias_scales[i] * b for i, b in enumerate(self.biases)}
        return {name: array.detach().numpy().copy() for name, array in named.items()}


def optimizer_of(network: Network, run: dict) -> torch.optim.Optimizer:
    """Restate the optimizer in PyTorch's words (learning rates halve and decays double against our half)."""
    o, kind = run["optimizer"], run["network"]["parameterization"]
    half = 0.5 if run["loss"] == "mse" else 1.0
    if o["name"] == "adam":
        if kind != "standard":
            raise SystemExit("Adam is restated for the standard parameterization only")
        return torch.optim.AdamW(
            network.parameters(), lr=o["learning_rate"], betas=(o["beta1"], o["beta2"]),
            eps=o["epsilon"] / half, weight_decay=o["weight_decay"],
        )  # fmt: skip
    # One rate for all layers: gamma0^2 N eta on normal parameters (ntk: gamma0^2 N = 1).
    faster = run["network"]["gamma0"] ** 2 * run["widths"][-2] if kind == "mup" else 1.0
    return torch.optim.SGD(
        network.parameters(), lr=half * faster * o["learning_rate"], momentum=o["momentum"],
        nesterov=o["nesterov"], weight_decay=o["weight_decay"] / (half * faster),
    )  # fmt: skip


def train(run: dict, start: dict, data: dict, batches: list | None, seen: list | None) -> float:
    """Run the loop; append (training, test) outputs to `seen` if given. Returns processor seconds."""
    network = Network(run)
    network.load_state_dict(start)
    optimizer, full = optimizer_of(network, run), batches is None
    loss_of = nn.MSELoss() if run["loss"] == "mse" else nn.CrossEntropyLoss()
    x, y, x_test = (torch.from_numpy(data[name]) for name in ("x_train", "y_train", "x_test"))
    began = time.process_time()
    for step in range(run["steps"] + 1):
        if seen is not None:
            with torch.no_grad():
                seen.append((network(x).numpy().copy(), network(x_test).numpy().copy()))
        if step < run["steps"]:
            rows = slice(None) if full else batches[step]
            optimizer.zero_grad()
            loss_of(network(x[rows]), y[rows]).backward()
            optimizer.step()
    return time.process_time() - began


def batches_of(run: dict, samples: int) -> list | None:
    """Return the rows of each step as a shuffling loader gives them; None for full batches."""
    size = run["optimizer"]["batch"]
    if size is None:
        return None
    rows = []
    while len(rows) < run["steps"]:
        rows += list(torch.randperm(samples).split(size))
    return rows[: run["steps"]]


def main(source: str, target: str) -> None:
    """Train, record, save."""
    with np.load(source, allow_pickle=False) as archive:
        data = {name: archive[name] for name in archive.files}
    run = json.loads(str(data.pop("run")))
    torch.manual_seed(run["seed"])
    network = Network(run)
    start = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    batches = batches_of(run, len(data["x_train"]))
    train({**run, "steps": 3}, start, data, batches, None)
    seconds = train(run, start, data, batches, None)
    out = {"run": json.dumps(run), "problem": data["problem"], "seconds": seconds, **network.effective()}
    if batches is not None:
        sizes = [len(b) for b in batches]
        out |= {"batches": np.concatenate([b.numpy() for b in batches]).astype(np.int32), "sizes": np.array(sizes)}
    if run["outputs"]:
        seen: list = []
        train(run, start, data, batches, seen)
        out |= {"train_outputs": np.array([f for f, _ in seen]), "test_outputs": np.array([f for _, f in seen])}
    np.savez_compressed(target, **out)
    print(f"{run['steps']} steps in {seconds:.3f} s of processor time ({1e3 * seconds / run['steps']:.3f} ms a step)")


if __name__ == "__main__":
    main(*sys.argv[1:])
