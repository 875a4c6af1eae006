"""All equilibria of a random n x n game, and one of a large one: processor time against QuantEcon and Gambit.

    python benchmarks/bimatrix_speed.py [--peers PYTHON]

PYTHON is the interpreter of an environment with `quantecon` and `pygambit`; without it only our own times are printed.
The same games in all programs: both read them from one file. Each process runs on one thread, calls everything once
before it is timed, and prints the median over games of processor milliseconds and the number of equilibria of each.
`ours` is `nash_equilibria` with its labelled result, `arrays` the enumeration alone; vertex enumeration is what
QuantEcon's `vertex_enumeration` does as well, by Qhull in doubles.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

SIZES, GAMES, LARGE = (4, 6, 8, 10, 12), 9, 200
GAMBIT_MOST = 8
SINGLE = {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1", "NUMBA_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}


def write_games(path: Path) -> None:
    """Write the games of every size, shape (games, 2, n, n), and a zero-sum game of 200 x 200."""
    rng = np.random.default_rng(0)
    tables = {str(n): rng.normal(size=(GAMES, 2, n, n)) for n in SIZES}
    large = rng.normal(size=(LARGE, LARGE))
    np.savez(path, large=np.stack([large, -large])[None], **tables)


def measured(call: Callable[[Any, Any], int], games: Any) -> tuple[float, list[int]]:
    """Return the median processor time of a call, in ms, and what it returns for each game."""
    call(*games[0])
    times, counts = [], []
    for a, b in games:
        start = time.process_time()
        counts.append(call(a, b))
        times.append(time.process_time() - start)
    return 1e3 * float(np.median(times)), counts


def ours() -> dict[str, Callable[[Any, Any], int]]:
    """Return our calls by name."""
    from theorysim.games.bimatrix import lemke_howson, nash_equilibria
    from theorysim.games.matrix import MatrixGame
    from theorysim.solvers.bimatrix import extreme_equilibria

    return {
        "arrays": lambda a, b: len(extreme_equilibria(a, b).row),
        "ours": lambda a, b: int(nash_equilibria(MatrixGame.bimatrix(a, b)).sizes["equilibrium"]),
        "large": lambda a, b: int(lemke_howson(MatrixGame.bimatrix(a, b)).attrs["pivots"]),
    }


def peers() -> dict[str, Callable[[Any, Any], int]]:
    """Return the calls of QuantEcon and Gambit, whose games are made outside the clock of the caller."""
    import quantecon.game_theory as qe  # type: ignore[import-not-found]

    def game(a: Any, b: Any) -> Any:
        return qe.NormalFormGame((qe.Player(a), qe.Player(np.ascontiguousarray(b.T))))

    def pivots(a: Any, b: Any) -> int:
        return int(qe.lemke_howson(game(a, b), full_output=True)[1].num_iter)

    calls = {
        "quantecon vertex": lambda a, b: len(qe.vertex_enumeration(game(a, b))),
        "quantecon support": lambda a, b: len(qe.support_enumeration(game(a, b))),
        "large": pivots,
    }
    try:
        import pygambit  # type: ignore[import-not-found]
    except ImportError:
        return calls
    calls["gambit float"] = lambda a, b: len(
        pygambit.nash.enummixed_solve(pygambit.StrategicGame.from_arrays(a, b), rational=False).equilibria
    )
    return calls


def rows(path: Path, calls: dict[str, Callable[[Any, Any], int]]) -> dict[str, Any]:
    """Measure every call on every size."""
    found: dict[str, Any] = {}
    with np.load(path) as tables:
        for name, call in calls.items():
            for key in ("large",) if name == "large" else map(str, SIZES):
                slow = name.startswith(("gambit", "quantecon support")) and int(key) > GAMBIT_MOST
                if not slow:
                    found[f"{name} {key}"] = measured(call, np.repeat(tables[key], 5 if key == "large" else 1, axis=0))
    return found


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--peers")
    parser.add_argument("--child", choices=("ours", "peers"))
    parser.add_argument("--games", type=Path)
    options = parser.parse_args()
    if options.child:
        print(json.dumps(rows(options.games, ours() if options.child == "ours" else peers())))
        return
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "games.npz")
        write_games(path)
        pythons = {"ours": sys.executable} | ({"peers": options.peers} if options.peers else {})
        found: dict[str, Any] = {}
        for child, python in pythons.items():
            command = [python, __file__, "--child", child, "--games", str(path)]
            out = subprocess.run(command, check=True, capture_output=True, text=True, env=os.environ | SINGLE)
            found |= {f"{child} {k}" if k.startswith("large") else k: v for k, v in json.loads(out.stdout).items()}
    for name, (milliseconds, counts) in found.items():
        print(f"{name:24} {milliseconds:10.3f} ms   {counts}")


if __name__ == "__main__":
    main()
