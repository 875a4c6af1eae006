"""Samplings: their statistics, and what they depend on."""

from __future__ import annotations

import numpy as np
import pytest

from tests.finite import cases
from theorysim.errors import ProblemError
from theorysim.finite.batches import batch_order, fixed
from theorysim.finite.training import train
from theorysim.problem import SGD

P, B, STEPS = 11, 4, 3000


def drawn(sampling: str) -> np.ndarray:
    order = batch_order(sampling, B, samples=P, replicas=[0], seed=3)
    return np.stack([order(step)[0] for step in range(STEPS)])


def indicator_covariance(rows: np.ndarray) -> np.ndarray:
    """Return the covariance of how often each sample is in a batch."""
    return np.cov(np.stack([np.bincount(r, minlength=P) for r in rows]), rowvar=False)


@pytest.mark.parametrize(("sampling", "factor"), [("subset", (P - B) / (P - 1)), ("replacement", 1.0)])
def test_covariance_of_a_batch(sampling, factor):
    """B (1/P)(delta_ij - 1/P), times (P-B)/(P-1) for different samples (conventions, section 4)."""
    stated = factor * B / P * (np.eye(P) - 1.0 / P)
    covariance = indicator_covariance(drawn(sampling))
    np.testing.assert_allclose(covariance, stated, atol=6 * B / P / np.sqrt(STEPS))


def test_subsets_hold_different_samples_and_steps_are_independent():
    rows = drawn("subset")
    assert all(len(set(r)) == B for r in rows)
    first = (rows == 0).any(axis=1).astype(float)
    assert abs(np.corrcoef(first[1:], first[:-1])[0, 1]) < 5 / np.sqrt(STEPS)


def test_epochs_use_every_sample_once_and_keep_the_short_last_batch():
    order = batch_order("epochs", B, samples=P, replicas=[0, 1], seed=3)
    epochs = []
    for epoch in range(4):
        parts = [order(3 * epoch + part) for part in range(3)]
        assert [part.shape for part in parts] == [(2, 4), (2, 4), (2, 3)]
        epochs.append(np.concatenate(parts, axis=1))
        assert np.array_equal(np.sort(epochs[-1], axis=1), np.tile(np.arange(P), (2, 1)))
    assert not np.array_equal(epochs[0][0], epochs[1][0]) and not np.array_equal(epochs[0][0], epochs[0][1])
    assert np.array_equal(order(0), epochs[0][:, :4])  # any order of asking


@pytest.mark.parametrize("sampling", ["subset", "replacement", "epochs"])
def test_batches_depend_on_seed_replica_and_step_alone(sampling):
    together = batch_order(sampling, B, samples=P, replicas=[0, 1, 2], seed=3)
    alone = batch_order(sampling, B, samples=P, replicas=[2], seed=3)
    other = batch_order(sampling, B, samples=P, replicas=[2], seed=4)
    for step in (5, 0, 7):
        assert np.array_equal(together(step)[2], alone(step)[0])
        assert not np.array_equal(other(step), alone(step))


def test_short_last_batch_is_averaged_over_its_own_size():
    training = cases.run(optimizer=SGD(learning_rate=0.3, batch=5, sampling="epochs"), steps=4)
    order = batch_order("epochs", 5, samples=9, replicas=[0], seed=6)
    given = train(training, replicas=1, seed=6, batches=[order(step)[0] for step in range(4)])
    assert np.array_equal(train(training, replicas=1, seed=6).test_prediction, given.test_prediction)


@pytest.mark.parametrize(
    ("batches", "message"),
    [
        ([[0, 1]] * 4, "one index array for each of the 5 steps, got 4"),
        ([[0, 9]] * 5, r"indices must be in 0..8, got 0..9 at step 0"),
        ([[0, 1], [-1, 2], [0], [0], [0]], "at step 1"),
        ([[0.5]] * 5, "whole numbers"),
        ([[]] * 5, "non-empty"),
        ([[[0, 1]]] * 5, "1-d array"),
    ],
)
def test_wrong_batches_are_refused(batches, message):
    with pytest.raises(ProblemError, match=message):
        fixed([np.array(batch) for batch in batches], samples=9, steps=5)
