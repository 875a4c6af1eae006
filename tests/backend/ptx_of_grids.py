"""Run by test_foreach in a process of its own: the PTX of every n-th registered body, one file each, into a folder.

Bodies register where their modules are imported, so every module of theorysim is.
"""

from __future__ import annotations

import importlib
import pkgutil
import sys
from pathlib import Path

import tests.backend.grids
import tests.games.population_grids
import tests.infinite.kernel_grids
import tests.meanfield.march_grids
import tests.solvers.sde.sde_grids  # noqa: F401
import theorysim
from theorysim.backend import cuda
from theorysim.backend.compile import GRIDS, body

NO_NVVM = 3


@body
def nothing(i: int) -> None:
    pass


try:
    cuda.ptx(nothing, "")
except Exception as error:  # numba raises one of several kinds where the CUDA toolkit is missing
    print(f"{type(error).__name__}: {error}")
    sys.exit(NO_NVVM)
for module in pkgutil.walk_packages(theorysim.__path__, "theorysim."):
    if not module.name.endswith("__main__") and "_shipped" not in module.name:
        importlib.import_module(module.name)
first, every = int(sys.argv[2]), int(sys.argv[3])
for k, (grid, signature) in list(enumerate(GRIDS))[first::every]:
    name = f"{grid.__module__}.{grid.__qualname__}"
    print(name)
    Path(sys.argv[1], f"{k}-{name.replace('<locals>', 'locals')}.ptx").write_text(cuda.ptx(grid, signature))
