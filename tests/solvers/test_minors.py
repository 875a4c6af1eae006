"""All principal minors against determinants."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest

from theorysim.errors import ProblemError
from theorysim.solvers.minors import smallest_principal_minor


@pytest.mark.parametrize("n", [1, 3, 6])
def test_smallest_minor_is_that_of_determinants(n):
    draw = np.random.default_rng(n)
    a = np.eye(n) + 0.35 * draw.standard_normal((n, n))
    chosen = [rows for k in range(1, n + 1) for rows in combinations(range(n), k)]
    least = min(float(np.linalg.det(a[np.ix_(rows, rows)])) for rows in chosen)
    assert least > 0.0
    assert smallest_principal_minor(a) == pytest.approx(least, rel=1e-12)


def test_a_negative_minor_is_found():
    a = np.eye(5)
    a[1, 3] = a[3, 1] = 1.5
    assert smallest_principal_minor(a) == pytest.approx(-1.25)
    assert smallest_principal_minor([[0.0, 1.0], [-1.0, 0.0]]) <= 0.0


def test_too_many_rows_are_refused():
    with pytest.raises(ProblemError, match="1 to 20 rows"):
        smallest_principal_minor(np.eye(21))
