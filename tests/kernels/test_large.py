"""Kernels of any size: training by products, its end by conjugate gradients, spectra, the choice of a method."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xarray as xr
from numpy.typing import NDArray

import theorysim as ts
from theorysim.errors import NotConverged, StabilityWarning

Array = NDArray[np.float64]
P, M = 160, 40
NET = ts.MLP(depth=2, width=8, activation="relu", bias_std=0.1)
OBSERVABLES = ("train_loss", "test_loss", "train_prediction", "test_prediction")


def problem() -> tuple[Array, Array, Array, Array, Array, Array]:
    """Return x, theta, y, x_test, theta_test, y_test."""
    samples = ts.data.digits(train=P, test=M).load()
    x, x_test = samples.x_train, samples.x_test
    theta = ts.kernels.ntk(NET, x).values
    return x, theta, samples.y_train, x_test, ts.kernels.ntk(NET, x_test, x).values, samples.y_test


X, THETA, Y, X_TEST, ACROSS, Y_TEST = problem()
GD = ts.GD(learning_rate=5.0)
OPTIMIZERS = {
    "gd": GD,
    "heavy ball": ts.GD(learning_rate=5.0, momentum=0.9),
    "nesterov, ridge": ts.GD(learning_rate=4.0, momentum=0.8, nesterov=True, ridge=0.5),
    "cosine": ts.GD(learning_rate=6.0, schedule=ts.Cosine(warmup=20)),
}


def test_a_linear_model_trained_by_its_gradient_is_the_same() -> None:
    """Independent of every kernel formula: features times weights, the loss of the conventions, plain descent."""
    rng = np.random.default_rng(0)
    features, y, more, y_more = rng.normal(size=(30, 7)), rng.normal(size=(30, 2)), rng.normal(size=(5, 7)), np.ones(10)
    w, losses, rate = np.zeros((7, 2)), [], 2.0
    for _ in range(21):
        off = features @ w - y
        losses.append(np.sum(off**2) / (2 * 30 * 2))
        last, w = w, w - rate * features.T @ off / (30 * 2)
    found = ts.kernels.descend(
        features @ features.T, y, ts.GD(learning_rate=rate), 20, more @ features.T, y_more.reshape(5, 2),
        record=range(21), method="products",
    )  # fmt: skip
    np.testing.assert_allclose(found.train_loss, losses, rtol=1e-12)
    np.testing.assert_allclose(found.test_prediction[-1], more @ last, atol=1e-12)
    np.testing.assert_allclose(found.test_loss[-1], np.sum((more @ last - 1) ** 2) / 20, rtol=1e-12)
    assert found.attrs["kappa"] == 1 / 60
    np.testing.assert_allclose(found.time, rate * np.arange(21))


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_products_and_eigenvectors_agree_within_their_errors(name: str) -> None:
    one, two = (
        ts.kernels.descend(THETA, Y, OPTIMIZERS[name], 500, ACROSS, Y_TEST, method=method)  # type: ignore[arg-type]
        for method in ("products", "eigenvectors")
    )
    for variable in OBSERVABLES:
        off = np.abs(one[variable] - two[variable]).values
        assert off.max() < 1e-11
        errors = one[f"{variable}_error"].values + two[f"{variable}_error"].values
        assert np.all(off <= errors + 1e-15)
        assert errors.max() < 1e-10
    stable = [found.attrs["largest_stable_learning_rate"] for found in (one, two)]
    assert 0.997 * stable[1] < stable[0] <= stable[1] * (1 + 1e-12)
    assert one.attrs["method"] == "products" and two.attrs["method"] == "eigenvectors"


def test_a_kernel_of_any_kind_gives_the_same(tmp_path: Path) -> None:
    whole = ts.kernels.descend(THETA, Y, GD, 200, ACROSS, Y_TEST, method="products")
    np.save(tmp_path / "theta.npy", THETA)
    mapped = np.load(tmp_path / "theta.npy", mmap_mode="r")
    both = ts.kernels.blockwise(NET, X, path=tmp_path / "train", block=64).ntk
    across = ts.kernels.blockwise(NET, X_TEST, X, path=tmp_path / "test", block=32).ntk
    kinds: dict[str, tuple[Any, Any, dict[str, Any]]] = {
        "mapped": (mapped, ACROSS, {}),
        "labelled": (ts.kernels.ntk(NET, X), xr.DataArray(ACROSS), {}),
        "stored": (both, across, {}),
        "stored, read each time": (both, across, {"memory": 1000}),
        "function": (lambda v: THETA @ v, lambda v: ACROSS @ v, {}),
    }
    for name, (theta, theta_test, options) in kinds.items():
        found = ts.kernels.descend(theta, Y, GD, 200, theta_test, Y_TEST, method="products", **options)
        for variable in OBSERVABLES:
            exact = name in ("mapped", "labelled")
            np.testing.assert_allclose(
                found[variable], whole[variable], rtol=0, atol=0 if exact else 1e-13, err_msg=name
            )
    held, read = (ts.kernels.descend(both, Y, GD, 20, memory=memory, method="products") for memory in (2**30, 1000))
    xr.testing.assert_identical(held.drop_attrs(), read.drop_attrs())
    assert "read from disk" in ts.kernels.descend(both, Y, GD, 20, memory=1000).attrs["reason"]


def test_the_error_of_a_kernel_in_single_precision_is_told(tmp_path: Path) -> None:
    theta = ts.kernels.blockwise(NET, X, path=tmp_path / "k", block=64, dtype="float32").ntk
    found = ts.kernels.descend(theta, Y, GD, 50, method="products")
    assert found.attrs["kernel_error"] == theta.error > 1e-8
    exact = ts.kernels.descend(THETA, Y, GD, 50)
    assert 1e-10 < np.abs(found.train_prediction - exact.train_prediction).max() < 1e-5


def test_record_progress_and_a_single_output() -> None:
    fractions: list[float] = []
    found = ts.kernels.descend(
        THETA, Y[:, 0], ts.GD(learning_rate=1.0), 100, record=[0, 3, 100], method="products", progress=fractions.append
    )
    assert found.step.values.tolist() == [0, 3, 100]
    assert found.train_prediction.shape == (3, P, 1) and "test_prediction" not in found
    np.testing.assert_array_equal(found.train_prediction[0], 0.0)
    assert fractions[-1] == 1.0 and len(fractions) == 100
    assert len(ts.kernels.descend(THETA, Y, GD, 1000).step) > 20


def test_unstable_runs_warn_and_diverging_ones_raise() -> None:
    with pytest.warns(StabilityWarning, match="above the largest stable one"):
        ts.kernels.descend(THETA, Y, ts.GD(learning_rate=1000.0), 3, method="products")
    with pytest.warns(StabilityWarning), pytest.raises(NotConverged, match="smaller step"):
        ts.kernels.descend(THETA, Y, ts.GD(learning_rate=1000.0), 3000, method="products")


@pytest.mark.parametrize("ridge", [1.0, 1e-2, 0.0])
def test_the_end_of_training(ridge: float) -> None:
    found = ts.kernels.converged(THETA, Y, ridge, ACROSS, Y_TEST)
    dual = np.linalg.solve(THETA + ridge * np.eye(P), Y)
    for variable, exact in (("train_prediction", THETA @ dual), ("test_prediction", ACROSS @ dual)):
        off = np.abs(found[variable].values - exact)
        error = found[f"{variable}_error"].values
        assert np.all(off <= error)
        assert error.max() < 1e-7
    exact_loss = np.mean((ACROSS @ dual - Y_TEST) ** 2) / 2
    assert abs(float(found.test_loss) - exact_loss) <= float(found.test_loss_error) < 1e-7
    assert found.train_prediction.dims == ("sample", "output") and found.train_loss.dims == ()
    assert found.attrs["products"] < P


def test_descent_ends_where_conjugate_gradients_do() -> None:
    end = ts.kernels.converged(THETA, Y, 2.0, ACROSS, Y_TEST, tolerance=1e-11)
    steps = ts.kernels.descend(THETA, Y, ts.GD(learning_rate=5.0, ridge=2.0), 30_000, ACROSS, Y_TEST, record=[30_000])
    np.testing.assert_allclose(steps.test_prediction[-1], end.test_prediction, atol=1e-10)
    assert float(steps.test_loss[-1]) == pytest.approx(float(end.test_loss), rel=1e-9)


def test_leading_modes(tmp_path: Path) -> None:
    exact = np.linalg.eigvalsh(THETA)[::-1][:12]
    stored = ts.kernels.blockwise(NET, X, path=tmp_path / "k", block=64).ntk
    for theta, options in ((THETA, {}), (stored, {}), (lambda v: THETA @ v, {"samples": P})):
        found = ts.kernels.leading_modes(theta, 12, **options)
        assert np.all(np.abs(found.eigenvalue - exact) <= found.eigenvalue_error + 1e-11)
        np.testing.assert_allclose(found.eigenvalue, exact, rtol=1e-8)
    vectors = found.eigenvector.values
    np.testing.assert_allclose(THETA @ vectors, vectors * exact, atol=1e-6)


def smeared(eigenvalues: Array, grid: Array, width: float) -> Array:
    z = (np.log(eigenvalues)[:, None] - np.log(grid)) / width
    return np.asarray(np.exp(-0.5 * z**2).mean(axis=0) / (width * np.sqrt(2 * np.pi)))


def test_density_within_its_standard_errors_and_a_wrong_one_outside() -> None:
    w = np.linalg.eigvalsh(THETA)
    found = ts.kernels.spectral_density(THETA, probes=32, steps=80, width=0.3, seed=3)
    grid, error = found.eigenvalue.values, found.density_error.values
    seen = error > 1e-3
    z = ((found.density.values - smeared(w, grid, 0.3)) / error)[seen]
    assert seen.sum() > 30 and np.abs(z).max() < 4
    planted = ((found.density.values - smeared(1.3 * w, grid, 0.3)) / error)[seen]
    assert np.abs(planted).max() > 4
    above = np.array([(w > edge).sum() for edge in grid])
    assert np.abs(found["count"].values - above).max() < 4 * found.count_error.values.max() + 12  # it is smeared
    assert found["count"].values[0] == pytest.approx(P, abs=1e-6)
    integral = np.sum(found.density.values[1:] * np.diff(np.log(grid)))
    assert integral == pytest.approx(1.0, abs=0.01)


def test_density_where_one_asks() -> None:
    grid = np.array([0.5, 1.0, 2.0])
    found = ts.kernels.spectral_density(np.eye(30), grid, width=0.5, probes=2, steps=5)
    np.testing.assert_allclose(found.density, smeared(np.ones(30), grid, 0.5), rtol=1e-10)
    np.testing.assert_allclose(found["count"][1], 15.0, rtol=1e-10)


@pytest.mark.parametrize(
    ("arguments", "method", "from_disk", "words"),
    [
        ((1000, 10, 1000), "eigenvectors", False, "products would take"),
        ((3000, 1, 100), "products", False, "eigenvectors would take"),
        ((20_000, 10, 1000), "products", False, "eigenvectors would need 16 GB, 8.6 GB are allowed"),
        ((60_000, 1, 100), "products", True, "read from disk"),
        ((20_000, 10, 10**6, 10**12), "eigenvectors", False, "products would take"),
    ],
)
def test_the_plan_follows_size_and_memory(arguments: tuple[int, ...], method: str, from_disk: bool, words: str) -> None:
    chosen = ts.kernels.plan(*arguments)
    assert chosen.method == method and chosen.from_disk == from_disk
    assert words in str(chosen) == chosen.reason
    assert chosen.seconds > 0 and chosen.nbytes > 0


def test_the_plan_is_followed_and_said() -> None:
    many, few = (ts.kernels.descend(THETA, Y, GD, steps) for steps in (20_000, 2))
    assert many.attrs["method"] == "eigenvectors" and "would take" in many.attrs["reason"]
    assert few.attrs["method"] == "products"
    small = ts.kernels.descend(THETA, Y, GD, 300, memory=500_000)
    assert small.attrs["method"] == "products" and "are allowed" in small.attrs["reason"]


def wrong(entry: float) -> Array:
    theta = THETA.copy()
    theta[3, 5] = entry
    return theta


DESCEND: list[tuple[Callable[[], object], str]] = [
    (lambda: ts.kernels.descend(THETA, Y, GD, 0), "descend: `steps` must be a whole number of at least 1, got 0"),
    (lambda: ts.kernels.descend(THETA, Y, GD, 1.5), "descend: `steps` must be a whole number"),  # type: ignore[arg-type]
    (lambda: ts.kernels.descend(THETA[:5], Y, GD, 5), "descend: `theta` must have shape (160, 160), got (5, 160)"),
    (lambda: ts.kernels.descend(THETA, Y[:5], GD, 5), "descend: `theta` must have shape (5, 5), got (160, 160)"),
    (lambda: ts.kernels.descend(THETA[0], Y, GD, 5), "descend: `theta` must be a matrix, got shape (160,)"),
    (lambda: ts.kernels.descend("theta", Y, GD, 5), "descend: `theta` must be an array of numbers, got str"),
    (lambda: ts.kernels.descend(wrong(np.nan), Y, GD, 5), "`theta` must be symmetric and finite, got NaN or infinity"),
    (lambda: ts.kernels.descend(wrong(1e9), Y, GD, 5), "`theta` must be symmetric and finite, got entries that differ"),
    (lambda: ts.kernels.descend(lambda v: v[:3], Y, GD, 5), "`theta` must map (160, 5) to (160, 5), got (3, 5)"),
    (lambda: ts.kernels.descend(lambda v: v, Y, GD, 5, method="eigenvectors"), '`method` must be "products" where'),
    (lambda: ts.kernels.descend(THETA, Y, GD, 5, method="lanczos"),  # type: ignore[arg-type]
     '`method` must be one of eigenvectors, products; got "lanczos"'),
    (lambda: ts.kernels.descend(THETA, [["a"]], GD, 5), "`y` must be an array of numbers, got list"),
    (lambda: ts.kernels.descend(THETA, np.full(P, np.inf), GD, 5), "`y` must be finite, got NaN or infinity"),
    (lambda: ts.kernels.descend(THETA, Y[None], GD, 5), "`y` must have shape (samples,) or (samples, outputs)"),
    (lambda: ts.kernels.descend(THETA, Y, GD, 5, y_test=Y_TEST), "`y_test` must come with `theta_test`"),
    (lambda: ts.kernels.descend(THETA, Y, GD, 5, ACROSS.T), "`theta_test` must have shape (160, 160), got (160, 40)"),
    (lambda: ts.kernels.descend(THETA, Y, GD, 5, ACROSS, Y_TEST[:3]), "`theta_test` must have shape (3, 160)"),
    (lambda: ts.kernels.descend(THETA, Y, GD, 5, ACROSS, Y_TEST[:, :2]), "`y_test` must have 10 outputs as `y`, got 2"),
    (lambda: ts.kernels.descend(THETA, Y, GD, 5, ACROSS * np.nan), "`theta_test` must be finite"),
    (lambda: ts.kernels.descend(THETA, Y, GD, 5, record=[0, 6]), "`record` must hold whole steps from 0 to 5, got 6"),
    (lambda: ts.kernels.descend(THETA, Y, GD, 5, record=[0.5]), "`record` must hold whole steps from 0 to 5, got 0.5"),
    (lambda: ts.kernels.descend(THETA, Y, GD, 5, record=[2, 1]), "`record` must be in increasing order, got 1 after 2"),
    (lambda: ts.kernels.descend(THETA, Y, GD, 5, record=3), "`record` must be a list of steps or times, got 3"),  # type: ignore[arg-type]
    (lambda: ts.kernels.descend(THETA, Y, GD, 5, record=[]), "`record` must be a list of steps or times, got ()"),
    (lambda: ts.kernels.descend(THETA, Y, GD, 5, memory=0), "`memory` must be a whole number of at least 1, got 0"),
    (lambda: ts.kernels.descend(THETA, Y, ts.SGD(learning_rate=1.0, batch=5), 5), "optimizer's `batch` must be left"),
    (lambda: ts.kernels.descend(THETA, Y, ts.GD(learning_rate=1.0, weight_decay=0.1), 5), "`weight_decay` must be 0"),
    (lambda: ts.kernels.descend(THETA, Y, ts.GradientFlow(), 5), "`optimizer` must be GD(...) or SGD without batches"),
    (lambda: ts.kernels.descend(THETA, Y, ts.GD(schedule=[1.0, 2.0]), 5), "must hold one step size for each"),
]  # fmt: skip
OTHERS: list[tuple[Callable[[], object], str]] = [
    (lambda: ts.kernels.converged(THETA, Y, -1.0), "converged: `ridge` must be a number of at least 0, got -1.0"),
    (lambda: ts.kernels.converged(THETA, Y, tolerance=1.0), "`tolerance` must be a number between 0 and 1, got 1.0"),
    (lambda: ts.kernels.converged(-THETA, Y), "`theta` must be positive semidefinite, got a negative eigenvalue"),
    (lambda: ts.kernels.leading_modes(THETA, 0), "leading_modes: `count` must be a whole number of at least 1, got 0"),
    (lambda: ts.kernels.leading_modes(THETA, 161), "`count` must be at most 160, got 161"),
    (lambda: ts.kernels.leading_modes(THETA, 3, seed=-1), "`seed` must be a whole number of at least 0, got -1"),
    (lambda: ts.kernels.leading_modes(THETA, 3, tolerance=0.0), "`tolerance` must be a number between 0 and 1"),
    (lambda: ts.kernels.leading_modes(lambda v: v, 3), "`samples` must be given where `theta` is a function"),
    (lambda: ts.kernels.leading_modes(ACROSS, 3), "`theta` must have shape (40, 40), got (40, 160)"),
    (lambda: ts.kernels.spectral_density(THETA, probes=1), "`probes` must be a whole number of at least 2, got 1"),
    (lambda: ts.kernels.spectral_density(THETA, width=0.0), "`width` must be a positive number, got 0.0"),
    (lambda: ts.kernels.spectral_density(THETA, [1.0, 0.0]), "`eigenvalues` must be a list of positive numbers"),
    (lambda: ts.kernels.plan(0), "plan: `samples` must be a whole number of at least 1, got 0"),
    (lambda: ts.kernels.plan(10, steps=1.5), "plan: `steps` must be a whole number"),  # type: ignore[arg-type]
]


@pytest.mark.parametrize(("call", "message"), DESCEND + OTHERS)
def test_bad_input(call: Callable[[], object], message: str) -> None:
    with pytest.raises(ts.ProblemError) as caught:
        call()
    assert message in str(caught.value) and "\n" not in str(caught.value)


def test_stored_kernels_of_two_sets_are_no_training_kernel(tmp_path: Path) -> None:
    square = ts.kernels.blockwise(NET, X, X[::-1], path=tmp_path / "k", block=64).ntk
    with pytest.raises(ts.ProblemError, match="must be the kernel of samples with themselves"):
        ts.kernels.descend(square, Y, GD, 5)
