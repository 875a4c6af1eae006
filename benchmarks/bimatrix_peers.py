"""All equilibria of 1000 random games up to 5 x 5, degenerate ones among them, against QuantEcon and Gambit.

    python benchmarks/bimatrix_peers.py --peers PYTHON

PYTHON is the interpreter of an environment with `quantecon` and `pygambit` 17. Half of the games have payoffs in
{-1, 0, 1}, most of these are degenerate; the others are normal. Gambit lists extreme equilibria in rational arithmetic
(`enummixed_solve`), which is the reference, and their cliques, which are the maximal Nash subsets. QuantEcon's vertex
enumeration works in doubles, says itself that it is for nondegenerate games, and wants two strategies of each player.
Printed: on how many games each list is ours, as sets within 1e-9, and the largest NashConv in a list.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

GAMES, LARGEST = 1000, 5


def random_games() -> list[Any]:
    """Return the games: pairs of nested lists."""
    rng = np.random.default_rng(0)
    games = []
    for k in range(GAMES):
        m, n = rng.integers(1, LARGEST + 1, 2)
        pair = rng.integers(-1, 2, size=(2, m, n)) if k % 2 else rng.normal(size=(2, m, n))
        games.append(pair.astype(float).tolist())
    return games


def ours(games: list[Any]) -> dict[str, Any]:
    """Return our lists of profiles, each row followed by column probabilities."""
    from theorysim.solvers.bimatrix import extreme_equilibria, maximal_subsets

    found = [extreme_equilibria(np.array(a), np.array(b)) for a, b in games]
    return {
        "ours": [np.hstack([e.row, e.column]).tolist() for e in found],
        "our subsets": [[int(m.sum()) for m in maximal_subsets(e.pairs, 1000)] for e in found],
        "nondegenerate": [e.simple for e in found],
    }


def peers(games: list[Any]) -> dict[str, Any]:
    """Return the lists of the peers; None where one raised an exception."""
    profiles, subsets = zip(*[_gambit(*g) for g in games], strict=True)
    return {"quantecon": [_quantecon(*g) for g in games], "gambit": profiles, "gambit subsets": subsets}


def _quantecon(a: Any, b: Any) -> Any:
    import quantecon.game_theory as qe  # type: ignore[import-not-found]

    try:
        game = qe.NormalFormGame((qe.Player(np.array(a)), qe.Player(np.array(b).T.copy())))
        return [np.concatenate(profile).tolist() for profile in qe.vertex_enumeration(game)]
    except Exception:  # one of several kinds, Qhull's among them
        return None


def _gambit(a: Any, b: Any) -> Any:
    import pygambit  # type: ignore[import-not-found]

    exact = [np.vectorize(pygambit.Rational, otypes=[object])(np.array(t)) for t in (a, b)]
    game = pygambit.StrategicGame.from_arrays(*exact)
    found = pygambit.nash.enummixed_solve(game, rational=True, cliques=True)
    names = [(player, strategy) for player in game.players for strategy in game.get_strategies(player)]

    def probabilities(profile: Any) -> list[float]:
        return [float(profile[player][s]) for player, s in names]

    # Gambit lists some profiles of degenerate games twice
    sizes = [len({tuple(probabilities(p)) for p in clique}) for clique in found.cliques]
    return [probabilities(p) for p in found.equilibria], sizes


def same(left: Any, right: Any) -> bool:
    """Return whether two lists hold the same profiles, each as often as it likes."""
    if left is None or not left or not right:
        return False
    gaps = np.abs(np.array(left)[:, None] - np.array(right)[None]).max(axis=-1)
    return bool((gaps.min(axis=0) < 1e-9).all() and (gaps.min(axis=1) < 1e-9).all())


def worst(game: Any, profiles: Any) -> float:
    """Return the largest NashConv in a list."""
    a, b = (np.array(t) for t in game)
    gaps = [0.0]
    for profile in profiles or []:
        x, y = np.split(np.array(profile), [len(a)])
        gaps.append(float((a @ y).max() - x @ a @ y + (x @ b).max() - x @ b @ y))
    return max(gaps)


def main() -> None:
    """Print the agreement."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--peers")
    parser.add_argument("--child", choices=("ours", "peers"))
    parser.add_argument("--games", type=Path)
    options = parser.parse_args()
    if options.child:
        games = json.loads(options.games.read_text())
        print(json.dumps(ours(games) if options.child == "ours" else peers(games)))
        return
    games = random_games()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "games.json")
        path.write_text(json.dumps(games))
        lists: dict[str, Any] = {}
        for child, python in (("ours", sys.executable), ("peers", options.peers or sys.executable)):
            command = [python, __file__, "--child", child, "--games", str(path)]
            out = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True, env=dict(os.environ))
            lists |= json.loads(out.stdout)
    simple = np.array(lists["nondegenerate"])
    print(f"{GAMES} games, {int(simple.sum())} nondegenerate")
    for name in ("ours", "quantecon", "gambit"):
        agree = np.array([same(one, two) for one, two in zip(lists["ours"], lists[name], strict=True)])
        failed = sum(one is None for one in lists[name])
        gap = max(worst(game, one) for game, one in zip(games, lists[name], strict=True))
        print(f"{name:10} as ours: {int(agree[simple].sum())} of {int(simple.sum())} nondegenerate, "
              f"{int(agree[~simple].sum())} of {int((~simple).sum())} degenerate; raised {failed}; "
              f"largest NashConv listed {gap:.1e}")  # fmt: skip
    pairs = zip(lists["our subsets"], lists["gambit subsets"], strict=True)
    print(
        f"gambit     as many maximal Nash subsets, of the same sizes: {sum(sorted(a) == sorted(b) for a, b in pairs)}"
    )


if __name__ == "__main__":
    main()
