"""Small semidefinite complementarity: planted solutions, special cases, refusals."""

from __future__ import annotations

import numpy as np
import pytest

from theorysim.errors import NotConverged
from theorysim.solvers.semidefinite import complementarity


def planted(seed: int) -> tuple[np.ndarray, object, np.ndarray]:
    """Return X of random rank, a Gram-like M and the Q for which X is the solution."""
    rng = np.random.default_rng(seed)
    k = int(rng.integers(1, 6))
    forms = rng.standard_normal((k * (k + 1) // 2 + 2, k, k))
    forms = forms + forms.transpose(0, 2, 1)

    def linear(x: np.ndarray) -> np.ndarray:
        return np.einsum("pij,p->ij", forms, np.einsum("pij,ij->p", forms, x))

    q = np.linalg.qr(rng.standard_normal((k, k)))[0]
    rank = int(rng.integers(0, k + 1))
    x = (q[:, :rank] * rng.uniform(0.1, 2.0, rank)) @ q[:, :rank].T
    s = (q[:, rank:] * rng.uniform(0.1, 2.0, k - rank)) @ q[:, rank:].T
    return x, linear, s - linear(x)


@pytest.mark.parametrize("seed", range(25))
def test_planted_solutions(seed):
    x, linear, constant = planted(seed)
    np.testing.assert_allclose(complementarity(linear, constant), x, atol=1e-8)
    np.testing.assert_allclose(complementarity(linear, 1e-5 * constant), 1e-5 * x, atol=1e-13)


def test_alike_responses_have_a_solution():
    """M of rank one: the solution is not unique, what it answers is."""
    form = np.diag([1.0, 0.5])

    def linear(x: np.ndarray) -> np.ndarray:
        return form * float(np.sum(form * x))

    constant = np.diag([-1.0, 0.2])
    x = complementarity(linear, constant)
    s = linear(x) + constant
    assert min(np.linalg.eigvalsh(x)[0], np.linalg.eigvalsh(s)[0]) > -1e-9
    assert abs(np.sum(x * s)) < 1e-9


def test_nothing_to_do_and_nothing_to_be_done():
    np.testing.assert_array_equal(complementarity(lambda x: x, np.eye(3)), np.zeros((3, 3)))
    np.testing.assert_array_equal(complementarity(lambda x: x, np.array([[2.0]])), [[0.0]])
    np.testing.assert_allclose(complementarity(lambda x: 2.0 * x, np.array([[-3.0]])), [[1.5]])
    with pytest.raises(NotConverged, match="semidefinite"):
        complementarity(lambda x: 0.0 * x, np.array([[-1.0]]))
