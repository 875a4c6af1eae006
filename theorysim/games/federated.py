"""Federated equilibria: clients take E local steps, servers average them K times, the centre averages the servers.

    client c   T_c x = x - g K_c (x - c_c)          (K_c symmetric: descent of a quadratic; otherwise a linear game)
    server s   S_s = sum_c p_c T_c^E
    centre     G = sum_s q_s S_s^K,  x = G x

Model    Linear clients; `federated_map` takes any client operators.
Limit    Infinitely many rounds: the fixed point of G, which is not the optimum (Nash equilibrium) of the mean operator
         unless E = K = 1 or the clients agree.
Valid    Where the spectral radius of G's matrix is below 1; averaged operators otherwise converge by relaxed steps.
Error    Rounding.
Sources  Own derivation. Proof: derivations/federated.py.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from theorysim.backend.random import GAME_CLIENTS, subset
from theorysim.equations.federated import pull
from theorysim.errors import ProblemError
from theorysim.games.inequality import VariationalInequality
from theorysim.problem.validation import is_real, shown
from theorysim.solvers.linearised import spectral_radius

Array = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True, eq=False)
class Client:
    """A client that steps along K (x - c).

    Parameters
    ----------
    curvature : float or array_like, shape (d, d)
        h or K.
    centre : float or array_like, shape (d,)
        c, its own optimum or equilibrium.
    share : float
        p; those of a server add up to 1.
    """

    curvature: Any
    centre: Any
    share: float

    def __post_init__(self) -> None:
        centre = np.atleast_1d(np.array(self.centre, float))
        matrix = np.atleast_2d(np.array(self.curvature, float))
        if centre.ndim != 1 or matrix.shape != (len(centre),) * 2 or not np.isfinite(matrix.sum() + centre.sum()):
            raise ProblemError(
                "games.Client: `curvature` and `centre` must be finite, of shapes (d, d) and (d,), got "
                f"{matrix.shape} and {centre.shape}"
            )
        if not is_real(self.share) or self.share <= 0.0:
            raise ProblemError(f"games.Client: `share` must be a positive number, got {shown(self.share)}")
        object.__setattr__(self, "curvature", matrix)
        object.__setattr__(self, "centre", centre)

    def kept(self, step: float, local_steps: float) -> Array:
        """Return R = (1 - g K)^E, shape (d, d)."""
        one = np.eye(len(self.centre))
        if len(one) == 1 and math.isfinite(local_steps):
            return one - pull(step * float(self.curvature[0, 0]), int(local_steps))
        single = one - step * self.curvature
        if math.isfinite(local_steps):
            return np.asarray(np.linalg.matrix_power(single, int(local_steps)))
        if spectral_radius(single) >= 1.0:
            raise ProblemError("games.Federated: `step` must let clients converge when `local_steps` is infinite")
        return np.zeros_like(one)


@dataclass(frozen=True, kw_only=True, eq=False)
class Federated:
    """Federated averaging of linear clients.

    Parameters
    ----------
    clusters : sequence of sequences of Client
        The clients of each regional server; one list for plain federated averaging.
    cluster_shares : sequence of float, optional
        q; default equal.
    step : float
        g.
    local_steps : int or inf
        E.
    cluster_rounds : int or inf
        K, averages of a server between two of the centre.
    """

    clusters: Sequence[Sequence[Client]]
    cluster_shares: Sequence[float] | None = None
    step: float
    local_steps: float = 1
    cluster_rounds: float = 1

    def __post_init__(self) -> None:
        where = "games.Federated"
        count = len(self.clusters)
        if count == 0 or any(len(clients) == 0 for clients in self.clusters):
            raise ProblemError(f"{where}: `clusters` must hold clients, got {count} clusters")
        sizes = {len(client.centre) for clients in self.clusters for client in clients}
        if len(sizes) != 1:
            raise ProblemError(f"{where}: `clusters` must have clients of one dimension, got {sorted(sizes)}")
        shares = [1.0 / count] * count if self.cluster_shares is None else [float(q) for q in self.cluster_shares]
        if len(shares) != count or not all(q > 0.0 for q in shares) or abs(sum(shares) - 1.0) > 1e-9:
            raise ProblemError(
                f"{where}: `cluster_shares` must be {count} positive numbers of sum 1, got {shown(shares)}"
            )
        for clients in self.clusters:
            total = sum(client.share for client in clients)
            if abs(total - 1.0) > 1e-9:
                raise ProblemError(f"{where}: `share` of the clients of a server must add up to 1, got {total:.6g}")
        if not is_real(self.step) or self.step <= 0.0:
            raise ProblemError(f"{where}: `step` must be a positive number, got {shown(self.step)}")
        for name in ("local_steps", "cluster_rounds"):
            value = getattr(self, name)
            if isinstance(value, bool) or not (value == math.inf or (isinstance(value, int) and value >= 1)):
                raise ProblemError(f"{where}: `{name}` must be a whole number of at least 1 or inf, got {shown(value)}")
        object.__setattr__(self, "cluster_shares", tuple(shares))

    def _server(self, clients: Sequence[Client]) -> tuple[Array, Array]:
        """Return A, b of S_s^K x = A x + b."""
        kept = [client.kept(self.step, self.local_steps) for client in clients]
        one = np.eye(len(kept[0]))
        matrix = sum((c.share * r for c, r in zip(clients, kept, strict=True)), np.zeros_like(one))
        pulled = [c.share * (one - r) @ c.centre for c, r in zip(clients, kept, strict=True)]
        shift = np.sum(pulled, axis=0)
        if self.cluster_rounds == math.inf:
            if spectral_radius(matrix) >= 1.0:
                raise ProblemError(
                    "games.Federated: `step` must let servers converge when `cluster_rounds` is infinite"
                )
            return np.zeros_like(one), np.linalg.solve(one - matrix, shift)
        power = np.linalg.matrix_power(matrix, int(self.cluster_rounds))
        return power, (one - power) @ np.linalg.solve(one - matrix, shift) if self.cluster_rounds > 1 else shift

    @cached_property
    def round_map(self) -> tuple[Array, Array]:
        """A, b of one round of the centre, G x = A x + b."""
        parts = [self._server(clients) for clients in self.clusters]
        shares = np.array(self.cluster_shares)
        matrix = np.einsum("s,sij->ij", shares, np.array([a for a, _ in parts]))
        return matrix, np.einsum("s,si->i", shares, np.array([b for _, b in parts]))

    @property
    def factor(self) -> float:
        """Spectral radius of a round."""
        return spectral_radius(self.round_map[0])

    @property
    def fixed_point(self) -> Array:
        """Where rounds end, shape (d,).

        Raises
        ------
        ProblemError
            If rounds do not converge.
        """
        matrix, shift = self.round_map
        if self.factor >= 1.0:
            raise ProblemError(f"games.Federated: `step` must let rounds converge, their factor is {self.factor:.6g}")
        return np.asarray(np.linalg.solve(np.eye(len(shift)) - matrix, shift))

    @property
    def optimum(self) -> Array:
        """The zero of the mean operator sum q p K (x - c), shape (d,): the optimum or Nash equilibrium."""
        pairs = [
            (q * c.share, c)
            for q, clients in zip(self.cluster_shares or (), self.clusters, strict=True)
            for c in clients
        ]
        matrix = sum((w * c.curvature for w, c in pairs), np.zeros_like(pairs[0][1].curvature))
        return np.asarray(np.linalg.solve(matrix, np.sum([w * c.curvature @ c.centre for w, c in pairs], axis=0)))

    @property
    def bias(self) -> float:
        """Distance of the fixed point from the optimum."""
        return float(np.linalg.norm(self.fixed_point - self.optimum))

    def run(self, rounds: int, *, start: Any = None, participants: int | None = None, seed: int = 0) -> xr.DataArray:
        """Return the centre after each round, dims (round, component).

        Parameters
        ----------
        participants : int, optional
            Clients of each server that take part in one of its averages, drawn without replacement, with shares
            renormalised; default all.
        """
        if self.local_steps == math.inf or self.cluster_rounds == math.inf:
            raise ProblemError("games.Federated: `local_steps` and `cluster_rounds` must be finite to run")
        size = len(self.clusters[0][0].centre)
        x = np.zeros(size) if start is None else np.array(start, float).reshape(size)
        path = [x]
        kept = [[client.kept(self.step, self.local_steps) for client in clients] for clients in self.clusters]
        for k in range(rounds):
            ends = [self._averaged(s, kept[s], x, k, participants, seed) for s in range(len(self.clusters))]
            x = np.einsum("s,si->i", np.array(self.cluster_shares), np.array(ends))
            path.append(x)
        return xr.DataArray(np.array(path), dims=("round", "component"), name="position")

    def _averaged(self, s: int, kept: list[Array], x: Array, k: int, participants: int | None, seed: int) -> Array:
        clients = self.clusters[s]
        for inner in range(int(self.cluster_rounds)):
            chosen = list(range(len(clients)))
            if participants is not None and participants < len(clients):
                counter = k * int(self.cluster_rounds) + inner
                drawn = subset(len(clients), participants, seed=seed, stream=s, purpose=GAME_CLIENTS, step=counter)
                chosen = [int(c) for c in drawn]
            total = sum(clients[c].share for c in chosen)
            moved = [clients[c].share / total * (clients[c].centre + kept[c] @ (x - clients[c].centre)) for c in chosen]
            x = np.sum(moved, axis=0)
        return x


def federated_map(
    clusters: Sequence[Sequence[tuple[Callable[[Array], Array], float]]], *, dimension: int, local_steps: int = 1,
    cluster_rounds: int = 1, cluster_shares: Sequence[float] | None = None,
) -> VariationalInequality:  # fmt: skip
    """Return x = G x of any client operators as an inequality: `solve` it by krasnoselskii-mann (step 1) or halpern.

    Parameters
    ----------
    clusters : sequence of sequences of (operator, share)
        T_c, from shape (d,) to (d,), and p_c of each client of each server. Averaged operators make G averaged.
    """
    shares = [1.0 / len(clusters)] * len(clusters) if cluster_shares is None else list(cluster_shares)

    def server(clients: Sequence[tuple[Callable[[Array], Array], float]], x: Array) -> Array:
        for _ in range(cluster_rounds):
            total = np.zeros(dimension)
            for operator, share in clients:
                y = x
                for _ in range(local_steps):
                    y = operator(y)
                total = total + share * y
            x = total
        return x

    def whole(x: Array) -> Array:
        moved: Array = x - np.sum([q * server(clients, x) for q, clients in zip(shares, clusters, strict=True)], axis=0)
        return moved

    return VariationalInequality(dimension=dimension, operator=whole)
