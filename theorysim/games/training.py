"""The game that a network under training is, when its output is fed back as its input: before, during, after.

    T(x) = W_L ( .. rho(W_1 x + b_1) .. ) + b_L,   x <- x + (T x - x)/2,   equilibria: T x = x

Model    The finite networks of a `Training` with as many outputs as inputs (an autoencoder: labels are inputs).
Limit    None: the networks themselves, at their recorded steps; infinitely many passes for the equilibria.
Valid    Any optimizer and parameterization; activations that are proximal maps make it a game (`activations.slopes`).
         Not `initial_output="subtracted"`: that is no network of layers.
Error    Of equilibria: `settled` tells which samples came to rest, others are left out of means.
Sources  Equilibria as memories of autoencoders: [Radhakrishnan2020]. Under weight decay layers of a linear network
         balance, W_{l+1}^T W_{l+1} - W_l W_l^T -> 0 [Arora2018]: an autoencoder's two-layer game then comes close to a
         potential game, which it is where W_2 = W_1^T.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from theorysim.backend.linalg import single_thread
from theorysim.errors import ProblemError
from theorysim.finite.block import Probe
from theorysim.finite.network import Parameters, activation_of
from theorysim.finite.training import run
from theorysim.games.layers import Tying
from theorysim.games.network_game import NetworkGame, Units
from theorysim.games.potentialness import balanced_share, rotational_share
from theorysim.problem.residual import ResidualMLP
from theorysim.problem.training import Training

Array = NDArray[np.float64]
PASSES, REST = 2000, 1e-8
"""Relaxed passes at most, and |T x - x|/|x| at rest."""
SAME = 1e-4
"""Distance, relative to the size of inputs, below which two equilibria are one."""
TEXTS = {
    "kappa": "rotational share of the game",
    "balanced_kappa": "balanced rotational share",
    "monotonicity": "least eigenvalue of sym(I - W)",
    "one_pass": "distance after one pass, relative",
    "distance": "distance to the equilibrium, relative",
    "settled": "share of samples that come to rest",
    "equilibria": "different equilibria reached",
}


def of_training(
    training: Training, *, seed: int = 0, replica: int = 0, step: int | None = None, tying: Tying = "cyclic",
    units: Units = "layer", inputs: Any = None,
) -> NetworkGame:  # fmt: skip
    """Train one network and return its game at a recorded step (default the last).

    Parameters
    ----------
    seed, replica : int
        Which network: that of `ts.train` with the same seed.
    tying, units, inputs
        As for `NetworkGame`.

    Raises
    ------
    ProblemError
        If the step is not recorded, or the network is not one of layers, or does not fit `tying`.
    """
    _check(training, feeds_back=tying != "unrolled")
    recorded = training.recorded
    if step is not None and step not in recorded:
        raise ProblemError(f"games.of_training: `step` must be recorded, one of {list(recorded)}; got {step}")
    wanted = len(recorded) - 1 if step is None else recorded.index(step)
    kept: list[NetworkGame] = []

    def see(index: int, p: Parameters) -> None:
        if index == wanted:
            kept.append(_game(training, p, 0, tying, units, inputs))

    run(training, replicas=1, seed=seed, first=replica, probe=lambda rows: see)
    return kept[0]


def along_training(training: Training, *, replicas: int = 1, seed: int = 0) -> xr.Dataset:
    """Train networks and follow the cyclic game of their layers: how far from a potential game, where it leads.

    Returns
    -------
    Dataset, dimensions (step, replica)
        ``kappa``, ``balanced_kappa`` (`potentialness`), ``monotonicity``; over test samples (training ones where there
        are none): ``one_pass``, root mean square of |T x - x| over that of |x|; ``distance``, the same to the
        equilibrium that relaxed passes from x lead to; ``settled``, the share of samples that reach one;
        ``equilibria``, how many different ones.

    Raises
    ------
    ProblemError
        If outputs are not as many as inputs, or the network is not one of layers.
    """
    _check(training, feeds_back=True)
    if not isinstance(replicas, int) or replicas < 1:
        raise ProblemError(f"games.along_training: `replicas` must be a positive whole number, got {replicas}")
    samples = training.samples
    x = samples.x_test if len(samples.x_test) else samples.x_train
    found = {name: np.empty((len(training.recorded), replicas)) for name in TEXTS}

    def probe(rows: slice) -> Probe:
        def see(index: int, p: Parameters) -> None:
            for r in range(p.replicas):
                for name, value in measured(_game(training, p, r, "cyclic", "layer", None), x).items():
                    found[name][index, rows.start + r] = value

        return see

    run(training, replicas=replicas, seed=seed, probe=probe)
    data = {name: (("step", "replica"), rows, {"units": "1", "long_name": TEXTS[name]}) for name, rows in found.items()}
    coords = {"step": list(training.recorded), "replica": np.arange(replicas)}
    return xr.Dataset(data, coords=coords).assign_attrs(theory="games.network", problem=training.to_json(), seed=seed)


def measured(game: NetworkGame, x: Array) -> dict[str, float]:
    """Return what `along_training` reports of one game, for inputs x of shape (samples, n_0)."""
    size = float(np.sqrt(np.mean(np.sum(x * x, axis=1))))
    operator = np.eye(game.dimension) - game.matrix
    ends, settled = rest_points(game, x)
    with single_thread():
        once = game.forward(x)
    reached, away = ends[settled], np.sum((ends - x)[settled] ** 2, axis=1)
    return {
        "kappa": rotational_share(operator),
        "balanced_kappa": balanced_share(operator, game.players),
        "monotonicity": game.monotonicity[0],
        "one_pass": float(np.sqrt(np.mean(np.sum((once - x) ** 2, axis=1)))) / size,
        "distance": float(np.sqrt(np.mean(away))) / size if len(away) else float("nan"),
        "settled": float(np.mean(settled)),
        "equilibria": float(_different(reached, SAME * size)),
    }


def rest_points(game: NetworkGame, x: Array) -> tuple[Array, NDArray[np.bool_]]:
    """Return where relaxed passes from each input end, shape (samples, n_0), and which have come to rest."""
    size = float(np.sqrt(np.mean(np.sum(x * x, axis=1))))
    now, moving = x.copy(), np.arange(len(x))
    settled = np.zeros(len(x), bool)
    with np.errstate(over="ignore", invalid="ignore"), single_thread():
        for _ in range(PASSES):
            move = game.forward(now[moving]) - now[moving]
            left = np.linalg.norm(move, axis=1)
            now[moving] += 0.5 * move
            settled[moving[left <= REST * size]] = True
            moving = moving[(left > REST * size) & (left < 1e6 * size)]
            if not len(moving):
                break
    return now, settled


def _different(points: Array, near: float) -> int:
    """Return how many points are left when those within `near` of an earlier one are dropped."""
    count = 0
    while len(points):
        points = points[np.linalg.norm(points - points[0], axis=1) > near]
        count += 1
    return count


def _game(training: Training, p: Parameters, r: int, tying: Tying, units: Units, inputs: Any) -> NetworkGame:
    scale, depth = training.layers.output_scale, len(p.weights)
    weights, biases = ([np.array(a[r], float) for a in arrays] for arrays in (p.weights, p.biases))
    weights[-1], biases[-1] = scale * weights[-1], scale * biases[-1]
    activations = [activation_of(training.network)] * (depth - 1) + ["linear"]
    return NetworkGame(weights=weights, biases=biases, activations=activations, tying=tying, units=units, inputs=inputs)


def _check(training: Training, *, feeds_back: bool) -> None:
    if isinstance(training.network, ResidualMLP):
        raise ProblemError("games: `network` must be an MLP: residual branches are no layers of a game")
    if training.network.initial_output == "subtracted":
        raise ProblemError('games: `initial_output` must be "random": a network minus its start is none of layers')
    inputs, outputs = training.layers.widths[0], training.layers.widths[-1]
    if feeds_back and inputs != outputs:
        raise ProblemError(
            f"games: `outputs` must be as many as inputs ({inputs}) to be fed back, got {outputs}; give the inputs as "
            'labels, or use tying="unrolled"'
        )
