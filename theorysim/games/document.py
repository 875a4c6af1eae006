"""A game as a TOML document: what `theorysim game` certifies, solves and simulates.

[game]       kind = "network": tying = "cyclic" | "equilibrium" | "unrolled", units = "layer" | "unit", inputs, and
             either weights = "trained.npz" with activation, readout, or a [[layer]] for each layer: weights, biases,
             activation
             kind = "matrix": payoffs, one table for each player
             kind = "population": payoffs, a matrix for one population or two tables for two
[solve]      of a network: method, start, step, relaxation, steps, tolerance (see `games.solve`)
[simulate]   of the others: dynamics, start, steps or time, step, method, noise, record, ... (see `games.simulate`)

A document with [data], [network], [optimizer], [training] is a training run whose output is fed back
(`games.along_training`): outputs as many as inputs.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import xarray as xr

from theorysim.errors import ProblemError
from theorysim.games.bimatrix import nash_equilibria
from theorysim.games.certify import certify
from theorysim.games.matrix import MatrixGame
from theorysim.games.network_game import NetworkGame
from theorysim.games.population import PopulationGame
from theorysim.games.potentialness import harmonic_share, potentialness
from theorysim.games.simulate import simulate
from theorysim.games.solve import solve
from theorysim.games.training import along_training
from theorysim.problem.document import from_toml as training_of
from theorysim.problem.document import parsed, text_of
from theorysim.problem.training import Training
from theorysim.problem.validation import one_of, shown, unknown_key

Game = NetworkGame | MatrixGame | PopulationGame | Training
Answers = dict[str, xr.Dataset]
KINDS = ("network", "matrix", "population")
_NETWORK = ("kind", "tying", "units", "inputs", "weights", "activation", "readout")
_LAYER = ("weights", "biases", "activation")
_LARGEST = 12  # strategies of each player up to which all equilibria are listed
_DRAWN = 300
REPLICAS = 4
"""Networks followed along a training."""


@dataclass(frozen=True, eq=False)
class Stated:
    """What a document states: a game and what to do with it.

    Attributes
    ----------
    game : NetworkGame, MatrixGame, PopulationGame or Training
    settings : mapping
        Arguments of `solve` or `simulate`; empty for a training, or where nothing is simulated.
    """

    game: Game
    settings: dict[str, Any]

    def answers(self, seed: int, progress: Any = None) -> Answers:
        """Return everything asked for, by name: certificates, equilibria, runs.

        Parameters
        ----------
        seed : int
            Of random dynamics, or of the networks trained.
        """
        if isinstance(self.game, Training):
            return {"training": along_training(self.game, replicas=REPLICAS, seed=seed)}
        if isinstance(self.game, NetworkGame):
            return self._of_network(self.game)
        found = _equilibria(self.game) if isinstance(self.game, MatrixGame) else {}
        if self.settings:
            rows = {"record": _evenly(self.settings.get("steps")), "seed": seed, "progress": progress}
            found["run"] = simulate(self.game, **(rows | self.settings))
        return found

    def _of_network(self, game: NetworkGame) -> Answers:
        found = {"certificates": certify(game), "potential": potentialness(game)} if not game.trivial else {}
        # without proximal maps it is no game: the fixed-point equation alone
        given = self.settings if game.proximal else {"method": "best-response"} | self.settings
        return found | {"run": solve(game, **given)}


def _evenly(steps: Any) -> list[int] | None:
    """Return some hundred steps to record, for a figure; None where `simulate` will refuse the number."""
    if isinstance(steps, bool) or not isinstance(steps, int) or steps < 1:
        return None
    return sorted({round(k * steps / _DRAWN) for k in range(_DRAWN + 1)})


def _equilibria(game: MatrixGame) -> Answers:
    if game.players != 2 or max(game.strategies) > _LARGEST:
        return {}
    found = nash_equilibria(game)
    share = {"harmonic_share": _harmonic(game)}
    return {"equilibria": found.assign_attrs(found.attrs | share)}


def _harmonic(game: MatrixGame) -> float:
    try:
        return harmonic_share(game.payoffs)
    except ProblemError:  # nobody's payoff ever changes
        return 0.0


def from_toml(text: str, folder: str | Path | None = None) -> Stated:
    """Return what a TOML text states; a relative path starts at `folder`.

    Raises
    ------
    ProblemError
        If the text is not TOML, or states no game.
    """
    content = parsed(text)
    if "data" in content:
        return Stated(training_of(text, folder), {})
    fields = content.get("game")
    if not isinstance(fields, dict):
        raise ProblemError("problem: section [game] must be given")
    kind = fields.get("kind")
    if kind not in KINDS:
        raise ProblemError(f"game: `kind` {one_of(kind, KINDS)}")
    wanted = {"game", "solve", "layer"} if kind == "network" else {"game", "simulate"}
    for section in content:
        if section not in wanted:
            raise ProblemError(f"problem: {unknown_key(section, wanted)}")
    if kind == "network":
        return Stated(_network(fields, content.get("layer"), folder), _arguments("solve", solve, content))
    return Stated(_table(fields), _arguments("simulate", simulate, content))


def read(path: str | Path) -> Stated:
    """Return what a TOML file states; its folder is where a relative path starts."""
    path = Path(path)
    return from_toml(text_of(path), path.parent)


def _network(fields: Mapping[str, Any], layers: Any, folder: str | Path | None) -> NetworkGame:
    _check_keys("game", fields, _NETWORK)
    shape = {key: fields[key] for key in ("tying", "units", "inputs") if key in fields}
    path = fields.get("weights")
    if (path is None) == (layers is None):
        raise ProblemError("game: either `weights`, an npz file, or sections [[layer]] must be given, one of both")
    if path is None:
        if not isinstance(layers, list) or not all(isinstance(layer, dict) for layer in layers):
            raise ProblemError("layer: `layer` must be a list of sections [[layer]]")
        for layer in layers:
            _check_keys("layer", layer, _LAYER)
            if "weights" not in layer or "activation" not in layer:
                raise ProblemError("layer: `weights` and `activation` must be given")
        return NetworkGame.from_layers([tuple(layer.get(key) for key in _LAYER) for layer in layers], **shape)
    if not isinstance(path, str) or "activation" not in fields:
        raise ProblemError("game: `weights` must be the path of an npz file, with its `activation`")
    own = {key: fields[key] for key in ("activation", "readout") if key in fields}
    return NetworkGame.from_arrays(Path(folder or ".") / path, **own, **shape)


def _table(fields: Mapping[str, Any]) -> MatrixGame | PopulationGame:
    _check_keys("game", fields, ("kind", "payoffs"))
    payoffs = fields.get("payoffs")
    if not isinstance(payoffs, list) or not payoffs or not isinstance(payoffs[0], list):
        raise ProblemError(f"game: `payoffs` must be tables, got {shown(payoffs)}")
    if fields["kind"] == "matrix":
        return MatrixGame(payoffs=tuple(payoffs))
    if isinstance(payoffs[0][0], list):
        if len(payoffs) != 2:
            raise ProblemError(f"game: `payoffs` must be one matrix or two tables, got {len(payoffs)} tables")
        return PopulationGame.two(*payoffs)
    return PopulationGame(payoffs=payoffs)


def _arguments(section: str, function: Callable[..., Any], content: Mapping[str, Any]) -> dict[str, Any]:
    """Return the arguments of a section, checked against those of the function."""
    fields = content.get(section, {})
    known = [name for name in inspect.signature(function).parameters if name not in ("game", "progress", "device")]
    _check_keys(section, fields, known)
    needed = ("dynamics", "start") if section == "simulate" and fields else ()
    for key in needed:
        if key not in fields:
            raise ProblemError(f"{section}: `{key}` must be given")
    return dict(fields)


def _check_keys(section: str, fields: Any, known: Any) -> None:
    if not isinstance(fields, dict):
        raise ProblemError(f"{section}: `{section}` must be a section, got {shown(fields)}")
    for key in fields:
        if key not in known:
            raise ProblemError(f"{section}: {unknown_key(key, known)}")
