"""The machine for blocks: the same numbers on a simulated GPU, whatever runs side by side, and for hard attention."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np

import theorysim
from tests.infinite.simulated_blocks import NETWORKS, found
from theorysim.infinite.blocks.recursion import kernels_of_blocks
from theorysim.problem import blocks

ROOT = Path(theorysim.__file__).parents[1]


def test_cuda_bodies_on_the_simulator() -> None:
    """The text of a GPU's grid gives the CPU's kernels: convolutions, pools, series, attention, self-kernels."""
    environment = os.environ | {"NUMBA_ENABLE_CUDASIM": "1", "NUMBA_DISABLE_JIT": "1"}
    script = [sys.executable, "-m", "tests.infinite.simulated_blocks"]
    run = subprocess.run(script, env=environment, cwd=ROOT, capture_output=True, text=True, check=True)
    for simulated, kernels in zip(json.loads(run.stdout), found("cpu"), strict=True):
        np.testing.assert_allclose(simulated, [kernels.nngp, kernels.ntk], rtol=1e-12)


def test_pairs_do_not_depend_on_those_beside_them() -> None:
    """Pairs run side by side, 32 at most; each has the bits that it has alone, and equal samples have equal ones.

    Apart from series, which are cut for all samples at once.
    """
    rng = np.random.default_rng(1)
    x, other = rng.normal(size=(3, 2, 4, 2)), rng.normal(size=(37, 2, 4, 2))
    other[36] = other[5]
    for network in list(NETWORKS.values())[1:]:
        together = kernels_of_blocks(network, x, other)
        alone = kernels_of_blocks(network, x[1:2], other[5:6])
        for each, one in ((together.nngp, alone.nngp), (together.ntk, alone.ntk)):
            assert each[1, 5] == one[0, 0]
            assert np.array_equal(each[:, 36], each[:, 5])


def test_attention_to_far_larger_logits_is_a_choice() -> None:
    """exp of logits of order 10^6 does not overflow: every position attends to the longest feature."""
    x = np.array([[[1.0, 0.0], [2000.0, 0.0], [3.0, 0.0]]])
    network = blocks.chain(blocks.dense(), blocks.attention(), blocks.global_average_pool())
    kernels = kernels_of_blocks(network, x)
    longest = 0.5 * 2000.0**2  # K of the longest position with itself; Theta = K there, and after attention 3 K
    np.testing.assert_allclose([kernels.nngp[0, 0], kernels.ntk[0, 0]], [longest, 3.0 * longest], rtol=1e-14)
