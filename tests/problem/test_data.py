"""Data sets: what their rows, labels and inputs are."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.datasets import load_breast_cancer, load_diabetes, load_digits

from theorysim.problem import data


def test_digits_are_the_first_rows_of_the_permutation_over_16() -> None:
    bunch = load_digits()
    order = np.random.default_rng(0).permutation(1797)
    samples = data.digits(train=1000, test=500).load()
    np.testing.assert_array_equal(samples.x_train, bunch.data[order[:1000]] / 16.0)
    np.testing.assert_array_equal(samples.x_test, bunch.data[order[1000:1500]] / 16.0)
    np.testing.assert_array_equal(samples.classes_train, bunch.target[order[:1000]])
    np.testing.assert_array_equal(samples.classes_test, bunch.target[order[1000:1500]])
    # another seed is another split
    assert (data.digits(train=1000, test=500, split_seed=1).load().classes_train != samples.classes_train).any()


def test_one_hot_labels() -> None:
    centred = data.digits(train=30, test=10).load()
    plain = data.digits(train=30, test=10, labels="one-hot").load()
    assert centred.y_train.shape == (30, 10) and centred.y_test.shape == (10, 10)
    np.testing.assert_allclose(centred.y_train.sum(axis=1), 0.0, atol=1e-15)
    np.testing.assert_array_equal(plain.y_train.argmax(axis=1), plain.classes_train)
    np.testing.assert_array_equal(plain.y_train - 0.1, centred.y_train)
    # conventions, section 2: one-hot labels with C = 10 and f = 0 give 0.05
    assert (plain.y_train**2).mean() / 2 == pytest.approx(0.05, rel=1e-14)


def test_sign_labels() -> None:
    samples = data.breast_cancer(train=400, test=100).load()
    order = np.random.default_rng(0).permutation(569)
    np.testing.assert_array_equal(samples.y_train[:, 0], 2.0 * load_breast_cancer().target[order[:400]] - 1.0)
    np.testing.assert_array_equal(samples.classes_train, load_breast_cancer().target[order[:400]])


def test_regression_targets_are_as_given() -> None:
    samples = data.diabetes(train=400, test=42).load()
    order = np.random.default_rng(0).permutation(442)
    np.testing.assert_array_equal(samples.y_test[:, 0], load_diabetes().target[order[400:]])
    assert samples.classes_train is None and samples.classes_test is None


def test_unit_inputs() -> None:
    samples = data.digits(train=100, test=50, inputs="unit").load()
    for x in (samples.x_train, samples.x_test):
        np.testing.assert_allclose((x**2).sum(axis=1), 64.0, rtol=1e-14)


def test_standardized_inputs_use_the_training_columns() -> None:
    raw = data.digits(train=100, test=50).load()
    samples = data.digits(train=100, test=50, inputs="standardized").load()
    constant = np.ptp(raw.x_train, axis=0) == 0.0
    assert constant.any()
    assert not samples.x_train[:, constant].any() and not samples.x_test[:, constant].any()
    np.testing.assert_allclose(samples.x_train[:, ~constant].mean(axis=0), 0.0, atol=1e-14)
    np.testing.assert_allclose(samples.x_train[:, ~constant].std(axis=0), 1.0, rtol=1e-13)
    column = int(np.flatnonzero(~constant)[0])
    by_hand = (raw.x_test[:, column] - raw.x_train[:, column].mean()) / raw.x_train[:, column].std()
    np.testing.assert_allclose(samples.x_test[:, column], by_hand, rtol=1e-13)


def test_constant_columns_are_zero_whatever_rounding_does() -> None:
    x = np.column_stack([np.full(7, 0.1), np.arange(7.0)])
    assert not data.arrays(x, np.arange(7.0) / 2, inputs="standardized").load().x_train[:, 0].any()


@pytest.mark.parametrize(
    ("y", "labels", "targets", "classes"),
    [
        ([3, 1, 2], None, [[-1 / 3, -1 / 3, 2 / 3], [2 / 3, -1 / 3, -1 / 3], [-1 / 3, 2 / 3, -1 / 3]], [2, 0, 1]),
        (["dog", "cat", "dog"], None, [[1], [-1], [1]], [1, 0, 1]),
        ([True, False, True], None, [[1], [-1], [1]], [1, 0, 1]),
        ([-1.0, 1.0, 1.0], None, [[-1], [1], [1]], [0, 1, 1]),
        ([0.5, 1.0, 2.0], None, [[0.5], [1.0], [2.0]], None),
        ([3, 1, 2], "regression", [[3], [1], [2]], None),
        ([0, 5, 5], "one-hot", [[1, 0], [0, 1], [0, 1]], [0, 1, 1]),
        ([[0, 1], [1, 0], [0, 1]], "one-hot", [[0, 1], [1, 0], [0, 1]], [1, 0, 1]),
        ([[0.5, 1], [1, 0], [0, 1]], None, [[0.5, 1], [1, 0], [0, 1]], None),
    ],
)
def test_labels_of_arrays(y: list[object], labels: object, targets: object, classes: object) -> None:
    samples = data.arrays(np.eye(3), y, labels=labels).load()  # type: ignore[arg-type]
    np.testing.assert_allclose(samples.y_train, targets, rtol=1e-15)
    assert (None if samples.classes_train is None else samples.classes_train.tolist()) == classes
    assert samples.x_test.shape == (0, 3) and samples.y_test.shape == (0, samples.y_train.shape[1])


def test_classes_are_those_of_training_and_test_together() -> None:
    samples = data.arrays(np.eye(2), ["a", "c"], np.eye(2), ["b", "c"], labels="one-hot").load()
    assert samples.y_train.tolist() == [[1, 0, 0], [0, 0, 1]] and samples.y_test.tolist() == [[0, 1, 0], [0, 0, 1]]


def test_gaussian_has_the_stated_covariance_and_target() -> None:
    stated = data.gaussian(dim=6, train=40_000, test=10, exponent=1.5, target_exponent=1.0, seed=3)
    samples = stated.load()
    variances = np.arange(1, 7) ** -1.5
    variances *= 6 / variances.sum()
    # standard error of a variance from n samples: sqrt(2/n) = 0.7 %; 5 sigma
    np.testing.assert_allclose(samples.x_train.var(axis=0), variances, rtol=5 * np.sqrt(2 / 40_000))
    weights = np.linalg.lstsq(samples.x_train, samples.y_train[:, 0], rcond=None)[0]
    shares = np.arange(1, 7) ** -1.0
    np.testing.assert_allclose(variances * weights**2, shares / shares.sum(), rtol=1e-9)
    np.testing.assert_allclose(samples.x_test @ weights, samples.y_test[:, 0], atol=1e-12)


def test_gaussian_noise_is_in_training_and_test() -> None:
    clean = data.gaussian(dim=3, train=4000, test=4000, seed=1).load()
    noisy = data.gaussian(dim=3, train=4000, test=4000, noise=0.5, seed=1).load()
    np.testing.assert_array_equal(clean.x_train, noisy.x_train)
    first, second = (noisy.y_train - clean.y_train)[:, 0], (noisy.y_test - clean.y_test)[:, 0]
    for noise in (first, second):
        assert noise.std() == pytest.approx(0.5, rel=5 / np.sqrt(8000))
    assert abs(np.corrcoef(first, second)[0, 1]) < 5 / np.sqrt(4000)


@pytest.mark.parametrize(
    "stated",
    [
        data.gaussian(dim=5, train=20, test=10, noise=0.1),
        data.teacher(dim=5, train=20, test=10, width=4),
        data.parity(dim=5, degree=3, train=20, test=10),
    ],
)
def test_synthetic_data_depend_on_the_seed_alone(stated: data.Data) -> None:
    one, two = stated.load(), type(stated)(**stated.model_dump()).load()
    other = type(stated)(**{**stated.model_dump(), "seed": 1}).load()  # type: ignore[arg-type]
    for name in ("x_train", "y_train", "x_test", "y_test"):
        np.testing.assert_array_equal(getattr(one, name), getattr(two, name))
        assert (getattr(one, name) != getattr(other, name)).any()
    assert (one.x_train[:10] != one.x_test).any()


def test_more_samples_begin_with_the_fewer() -> None:
    few, many = (data.gaussian(dim=5, train=n, test=3, noise=0.1).load() for n in (10, 30))
    np.testing.assert_array_equal(few.x_train, many.x_train[:10])
    np.testing.assert_array_equal(few.y_train, many.y_train[:10])


def test_linear_teacher_is_linear_and_one_for_train_and_test() -> None:
    samples = data.teacher(dim=3, train=50, test=20, width=7, activation="linear", outputs=2).load()
    weights = np.linalg.lstsq(samples.x_train, samples.y_train, rcond=None)[0]
    np.testing.assert_allclose(samples.x_test @ weights, samples.y_test, atol=1e-12)


def test_relu_teacher_is_homogeneous_of_unit_size() -> None:
    samples = data.teacher(dim=20, train=4000, test=1, width=4000, outputs=1).load()
    # Sigma^{L+1} at |x|^2 = d, sw = sqrt 2: E f^2 = 2 T(2) = 2; over teachers of one output f'f/P fluctuates
    assert 0.2 < (samples.y_train**2).mean() < 12.0


def test_parity_is_the_product_of_the_first_coordinates() -> None:
    samples = data.parity(dim=6, degree=3, train=200, test=50, seed=5).load()
    assert set(np.unique(samples.x_train)) == {-1.0, 1.0}
    np.testing.assert_array_equal(samples.y_train[:, 0], samples.x_train[:, :3].prod(axis=1))
    np.testing.assert_array_equal(2 * samples.classes_test - 1, samples.y_test[:, 0])
    assert abs(samples.x_train.mean()) < 5 / np.sqrt(1200)


def test_arrays_are_equal_by_content() -> None:
    one, two = (data.arrays(np.eye(2), [0.5, 1.5]) for _ in range(2))
    assert one == two and hash(one) == hash(two)
    assert one != data.arrays(np.eye(2), [0.5, 1.5], inputs="unit")
    assert one != data.arrays(np.eye(2), [0.5, 1.25])
    assert one != data.parity(dim=2, degree=1, train=1, test=0)
    assert (one.train, one.test) == (2, 0)
