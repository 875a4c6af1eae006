"""Many bracketed roots at once: right to rounding, in few evaluations, also where the function is flat or huge."""

from __future__ import annotations

import numpy as np
import pytest

from theorysim.errors import NotConverged
from theorysim.solvers.brackets import bracketed_roots

T = np.linspace(0.1, 3.0, 200)
CASES = {
    "steep": (lambda x, t: np.tanh(5.0 * (x - t)) + x - t, T, 20),
    "triple root": (lambda x, t: (x - t) ** 3, T, 120),
    "exponential": (lambda x, t: np.exp(x) - 1e-30 * t, np.log(1e-30 * T), 40),
    "step": (lambda x, t: np.sign(x - t), T, 80),
}


@pytest.mark.parametrize("name", CASES)
def test_roots_to_rounding_in_few_steps(name):
    function, exact, most = CASES[name]
    calls, asked = [], []

    def counted(x, rows):
        calls.append(len(x))
        asked.append(rows)
        return function(x, T[rows])

    found = bracketed_roots(counted, np.full(200, -800.0), np.full(200, 50.0))
    tolerance = 1e-5 if name == "triple root" else 1e-14  # the cube underflows to 0 around it
    np.testing.assert_allclose(found, exact, rtol=tolerance)
    assert len(calls) <= most
    assert calls[-1] <= calls[0] and all(len(set(rows)) == len(rows) for rows in asked)


def test_a_root_at_an_end_is_found():
    found = bracketed_roots(lambda x, _: x, np.array([0.0, -1.0]), np.array([1.0, 0.0]))
    assert found.tolist() == [0.0, 0.0]


def test_not_a_number_is_refused():
    with pytest.raises(NotConverged, match="bracketed roots"):
        bracketed_roots(lambda x, _: np.where(np.abs(x) < 0.9, np.nan, x), np.array([-1.0]), np.array([1.0]))
