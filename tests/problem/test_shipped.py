"""The table of digits, read without importing scikit-learn, is scikit-learn's."""

from __future__ import annotations

import numpy as np
from sklearn import datasets

from theorysim.problem.data import shipped_table


def test_digits_are_those_of_scikit_learn() -> None:
    bunch = datasets.load_digits()
    x, target = shipped_table("digits")
    np.testing.assert_array_equal(x, bunch.data / 16.0)
    np.testing.assert_array_equal(target, bunch.target)
