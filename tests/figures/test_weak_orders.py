"""What the figure of weak errors shows: the slopes of its lines."""

from __future__ import annotations

import math

import pytest

from figures.weak_orders import cases, errors, shown

ORDERS = {"Euler": 1, "implicit": 1, "srk2 without signs": 1, "Talay-Tubaro": 2, "srk2": 2}


@pytest.mark.parametrize("title", ["noises do not commute", "additive noise"])
def test_slopes(title: str) -> None:
    case = cases()[title]
    for name in shown(title):
        error = errors(case, name)
        assert abs(math.log2(abs(error[-2] / error[-1])) - ORDERS[name]) < 0.15, name
