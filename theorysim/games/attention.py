"""An attention block as a game: queries choose keys, tokens follow what is chosen.

    x_i = u_i + theta sum_j p_ij V x_j,   p_i = softmax_j(beta x_i^T A x_j)

Row p_i is the logit best response of a query player: it maximises beta <p, s_i> + entropy(p) over the simplex. Token i
minimises |x_i - u_i - theta sum_j p_ij V x_j|^2/2. Fixed points of the block are Nash equilibria; queries and tokens
pull on each other with blocks that are no transposes: no potential, unless V, A, theta and beta are matched.

Model    n tokens of d numbers, j = i included; no layer norm.
Limit    Infinitely many passes through the block.
Valid    Any numbers; `certificate` is a bound inside the ball that the block maps into itself (theta |V| < 1).
Error    That of the solver (`solve`).
Sources  Own derivation; softmax as a best response is standard.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from theorysim.errors import ProblemError
from theorysim.problem.validation import is_real, shown
from theorysim.solvers.variational_inequality import Inequality

Array = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True, eq=False)
class AttentionBlock:
    """An attention block.

    Parameters
    ----------
    inputs : array_like, shape (n, d)
        u.
    values : array_like, shape (d, d)
        V.
    scores : array_like, shape (d, d), optional
        A (keys against queries); default the identity.
    mixing, sharpness : float
        theta, beta.
    """

    inputs: Any
    values: Any
    scores: Any = None
    mixing: float = 1.0
    sharpness: float = 1.0

    def __post_init__(self) -> None:
        u = np.array(self.inputs, float)
        if u.ndim != 2 or 0 in u.shape or not np.all(np.isfinite(u)):
            raise ProblemError(f"games.AttentionBlock: `inputs` must be a finite matrix, got shape {u.shape}")
        d = u.shape[1]
        object.__setattr__(self, "inputs", u)
        for name in ("values", "scores"):
            given = getattr(self, name)
            matrix = np.eye(d) if given is None and name == "scores" else np.array(given, float)
            if matrix.shape != (d, d) or not np.all(np.isfinite(matrix)):
                raise ProblemError(
                    f"games.AttentionBlock: `{name}` must be finite, of shape ({d}, {d}), got {matrix.shape}"
                )
            object.__setattr__(self, name, matrix)
        for name in ("mixing", "sharpness"):
            if not is_real(getattr(self, name)):
                raise ProblemError(f"games.AttentionBlock: `{name}` must be a number, got {shown(getattr(self, name))}")

    @property
    def dimension(self) -> int:
        """Numbers of all tokens."""
        return int(self.inputs.size)

    @property
    def players(self) -> tuple[slice, ...]:
        """Where each token is in z."""
        d = self.inputs.shape[1]
        return tuple(slice(i * d, (i + 1) * d) for i in range(len(self.inputs)))

    def attention(self, z: Any) -> Array:
        """Return p, shape (n, n): the best responses of the queries."""
        x = np.asarray(z, float).reshape(self.inputs.shape)
        s = self.sharpness * x @ self.scores @ x.T
        weight = np.exp(s - s.max(axis=1, keepdims=True))
        return np.asarray(weight / weight.sum(axis=1, keepdims=True))

    def respond(self, z: Any) -> Array:
        """Return what the block makes of z = (x_1, .., x_n), shape (n d,)."""
        x = np.asarray(z, float).reshape(self.inputs.shape)
        return np.asarray(self.inputs + self.mixing * self.attention(z) @ x @ self.values.T).ravel()

    def response_jacobian(self, z: Any) -> Array:
        """Return the derivative of `respond`, shape (n d, n d)."""
        x = np.asarray(z, float).reshape(self.inputs.shape)
        n, d = x.shape
        p = self.attention(z)
        mean = p @ x
        spread = np.einsum("ij,ija->ija", p, x[None] - mean[:, None])  # p_ij (x_j - mean_i)
        to_query = np.einsum("ija,jb->iab", spread, x @ self.scores.T)  # d s_ij/d x_i = beta A x_j
        to_key = np.einsum("ija,ib->ijab", spread, x @ self.scores)  # d s_ij/d x_j = beta A^T x_i
        whole = np.einsum("ij,ab->ijab", p, np.eye(d)) + self.sharpness * to_key
        whole[np.arange(n), np.arange(n)] += self.sharpness * to_query
        whole = self.mixing * np.einsum("ac,ijcb->ijab", self.values, whole)
        return np.asarray(whole.transpose(0, 2, 1, 3).reshape(n * d, n * d))

    @cached_property
    def inequality(self) -> Inequality:
        """F z = z - block(z), without a set."""
        one = np.eye(self.dimension)
        return Inequality(
            self.dimension, lambda z: z - self.respond(z), lambda v, a: v, lambda v, a: np.ones(len(v)),
            lambda z: one - self.response_jacobian(z),
        )  # fmt: skip

    @property
    def radius(self) -> float:
        """Radius of the ball about 0 that every token stays in, max |u|/(1 - theta |V|); inf where there is none."""
        pull = abs(self.mixing) * float(np.linalg.norm(self.values, 2))
        return float(np.linalg.norm(self.inputs, axis=1).max()) / (1.0 - pull) if pull < 1.0 else float("inf")

    @property
    def lipschitz(self) -> float:
        """Lipschitz constant theta |V| (1 + 2 beta |A| r^2) in that ball, in the largest norm of a token.

        Below 1 the equilibrium is unique in the ball. Dot-product attention has no constant on all of space.
        """
        pull = abs(self.mixing) * float(np.linalg.norm(self.values, 2))
        sharp = abs(self.sharpness) * float(np.linalg.norm(self.scores, 2))
        return pull * (1.0 + 2.0 * sharp * self.radius**2)
