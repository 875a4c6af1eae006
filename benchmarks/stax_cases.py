"""Writes tests/data/blocks.npz: kernels of small networks of blocks as neural-tangents computes them.

    python benchmarks/stax_cases.py PEER

PEER is the python of an environment with neural-tangents (ours was 0.6.5 with jax 0.5.3, float64). For every case the
file holds the network as JSON, `x1`, `x2` (left out where the kernels are those of `x1` with itself), `nngp` and `ntk`.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np

from theorysim import blocks as b

HERE = Path(__file__).resolve().parent
RELU, ERF, GELU = (b.activation(name) for name in ("relu", "erf", "gelu"))
READOUT = b.dense(weight_std=1.2, bias_std=0.3)
WIDE = b.conv(filter=3, weight_std=1.4, bias_std=0.2)
GAP, FLAT = (b.chain(end, READOUT) for end in (b.global_average_pool(), b.flatten()))
IMAGES, SEQUENCES, VECTORS = (5, 4, 2), (7, 2), (6,)

NETWORKS = {
    "dense": b.chain(b.dense(weight_std=1.3, bias_std=0.4), RELU, b.dense(weight_std=1.5), RELU, READOUT),
    "filter_same": b.chain(WIDE, RELU, WIDE, RELU, FLAT),
    "filter_same_self": b.chain(WIDE, RELU, WIDE, RELU, FLAT),
    "filter_even": b.chain(b.conv(filter=(2, 4)), ERF, b.conv(filter=(4, 1), bias_std=0.5), GELU, GAP),
    "filter_valid": b.chain(b.conv(filter=(2, 3), padding="valid"), ERF, b.conv(filter=2, padding="valid"), GELU, FLAT),
    "filter_circular": b.chain(b.conv(filter=(3, 2), padding="circular", bias_std=0.1), ERF, WIDE, GELU, GAP),
    "stride_same": b.chain(b.conv(filter=3, stride=2), ERF, b.conv(filter=2, stride=(2, 1)), GELU, FLAT),
    "stride_valid": b.chain(b.conv(filter=3, stride=2, padding="valid"), ERF, b.conv(filter=2), GELU, GAP),
    "stride_circular": b.chain(
        b.conv(filter=4, stride=(1, 2), padding="circular"), ERF, b.conv(filter=1, stride=2), GELU, GAP
    ),
    "sequence": b.chain(b.conv(filter=4, bias_std=0.3), RELU, b.conv(filter=3, stride=3), RELU, GAP),
    "average_pool": b.chain(WIDE, ERF, b.average_pool((2, 3), stride=(1, 1)), WIDE, b.average_pool(2), GELU, GAP),
    "average_pool_first": b.chain(b.average_pool(2), b.conv(filter=2), RELU, FLAT),
    "residual": b.chain(WIDE, b.residual(b.chain(RELU, WIDE, RELU, WIDE)), RELU, GAP),
    "add": b.chain(b.add(b.chain(WIDE, ERF, WIDE), b.chain(b.conv(filter=1), GELU, WIDE)), GELU, FLAT),
    "concatenate": b.chain(
        b.concatenate(b.chain(WIDE, ERF, b.conv(filter=2, width=2.0)), b.dense(weight_std=0.8)), WIDE, GELU, GAP
    ),
    "layer_norm": b.chain(WIDE, b.layer_norm(), ERF, WIDE, b.layer_norm(epsilon=0.1), GELU, GAP),
    "dropout": b.chain(WIDE, ERF, b.dropout(0.7), WIDE, GELU, b.dropout(0.5), GAP),
    "dropout_self": b.chain(WIDE, ERF, b.dropout(0.7), WIDE, GELU, b.dropout(0.5), GAP),
    "attention": b.chain(b.attention(query_std=1.3, key_std=0.9, value_std=1.1, output_std=0.8), ERF, WIDE, GELU, FLAT),
    "attention_bias": b.chain(WIDE, ERF, b.attention(query_std=1.2, bias_std=0.4), b.layer_norm(), GELU, GAP),
}
SHAPES = {"dense": VECTORS} | dict.fromkeys(
    ("stride_valid", "sequence", "average_pool_first", "concatenate", "dropout", "dropout_self", "attention"), SEQUENCES
)
SELF = (
    "filter_same_self", "filter_even", "stride_same", "average_pool", "add", "concatenate", "layer_norm",
    "dropout_self", "attention",
)  # fmt: skip
"""Kernels of `x1` with itself; relu only once: there neural-tangents loses half its digits on the diagonal."""


def asked() -> dict[str, dict[str, Any]]:
    """Return the network and the inputs of every case."""
    rng = np.random.default_rng(7)
    found = {}
    for name, network in NETWORKS.items():
        shape = SHAPES.get(name, IMAGES)
        inputs = {"x1": rng.normal(size=(3, *shape)).round(3)}
        if name not in SELF:
            inputs["x2"] = rng.normal(size=(2, *shape)).round(3)
        found[name] = {"network": b.to_json(network), **inputs}
    return found


def main(peer: str) -> None:
    """Ask the peer about every case and write the file."""
    cases = asked()
    lines = [
        json.dumps({"network": json.loads(case["network"]), "x1": case["x1"].tolist(),
                    "x2": case["x2"].tolist() if "x2" in case else None})
        for case in cases.values()
    ]  # fmt: skip
    answer = subprocess.run(
        [peer, HERE / "stax_network.py"], input="\n".join(lines) + "\n", stdout=subprocess.PIPE, text=True, check=True
    )
    stored = {}
    for (name, case), line in zip(cases.items(), answer.stdout.splitlines(), strict=True):
        case["nngp"], case["ntk"] = (np.array(kernel) for kernel in json.loads(line))
        stored |= {f"{name}/{key}": np.asarray(value) for key, value in case.items()}
    np.savez_compressed(HERE.parent / "tests" / "data" / "blocks.npz", **stored)


if __name__ == "__main__":
    main(sys.argv[1])
