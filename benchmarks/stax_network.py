"""A network of blocks, written as JSON (`theorysim.problem.blocks.to_json`), as one of neural-tangents.

Runs in the peer's environment, where theorysim need not be installed. As a script it reads lines of JSON,
{"network": ..., "x1": ..., "x2": ... or null}, and prints for each a line [nngp, ntk].
"""

from __future__ import annotations

import json
import sys
from typing import Any

import jax

jax.config.update("jax_enable_x64", True)

from neural_tangents import stax  # noqa: E402

WIDTH = 100  # matters for the shares of a concatenation only


def layer(block: dict[str, Any], axes: int) -> Any:
    """Return the layer (init, apply, kernel) of a block, for inputs with so many axes of positions."""
    kind = block["kind"]
    if kind == "dense":
        return stax.Dense(round(WIDTH * block["width"]), block["weight_std"], block.get("bias_std"))
    if kind == "conv":
        window, stride = _each(block["filter"], axes), _each(block["stride"], axes)
        return stax.Conv(round(WIDTH * block["width"]), window, stride, block["padding"].upper(), block["weight_std"],
                         block.get("bias_std"))  # fmt: skip
    if kind == "activation":
        simple = {"relu": stax.Relu, "erf": stax.Erf, "gelu": stax.Gelu, "abs": stax.Abs, "sin": stax.Sin}
        if block["activation"] == "leaky_relu":
            return stax.LeakyRelu(block["slope"])
        return simple[block["activation"]]()
    if kind == "attention":
        return stax.GlobalSelfAttention(
            WIDTH, WIDTH, WIDTH, 1, True, block["key_std"], block["value_std"], block["query_std"], block["output_std"],
            block.get("bias_std"),
        )  # fmt: skip
    if kind == "average_pool":
        return stax.AvgPool(_each(block["window"], axes), _each(block["stride"], axes), "VALID")
    if kind == "chain":
        return stax.serial(*(layer(part, axes) for part in block["blocks"])) if block["blocks"] else stax.Identity()
    if kind in ("add", "concatenate"):
        join = stax.FanInSum() if kind == "add" else stax.FanInConcat(-1)
        branches = [layer(branch, axes) for branch in block["branches"]]
        return stax.serial(stax.FanOut(len(branches)), stax.parallel(*branches), join)
    simple = {
        "layer_norm": lambda: stax.LayerNorm(-1, block["epsilon"]),
        "dropout": lambda: stax.Dropout(block["keep"], mode="train"),
        "global_average_pool": stax.GlobalAvgPool,
        "flatten": stax.Flatten,
    }
    return simple[kind]()


def _each(value: Any, axes: int) -> tuple[int, ...]:
    return tuple(value) if isinstance(value, list) else (value,) * axes


def main() -> None:
    """Answer the lines of the standard input."""
    for line in sys.stdin:
        case = json.loads(line)
        x1 = jax.numpy.asarray(case["x1"])
        x2 = None if case["x2"] is None else jax.numpy.asarray(case["x2"])
        found = layer(case["network"], x1.ndim - 2)[2](x1, x2, get=("nngp", "ntk"))
        print(json.dumps([found.nngp.tolist(), found.ntk.tolist()]), flush=True)


if __name__ == "__main__":
    main()
