"""Ensembles: right means and errors, the same bits however they are cut, refusals in one line."""

from __future__ import annotations

import math
import re
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.linalg import expm

from tests.solvers.sde.sde_equations import crossed, dense, ornstein_uhlenbeck
from theorysim.errors import ProblemError
from theorysim.solvers.sde import Ensemble, Equation, Fields, Interrupted, integrate

Array = NDArray[np.float64]


def crossed_fields(**more: Any) -> Fields:
    def product(t: float, x: Array, w: Array) -> Array:
        return np.stack([x[:, 1] * w[:, 0], x[:, 0] * w[:, 1]], axis=1)

    return Fields(drift=lambda t, x: -x, product=product, dimension=2, noises=2, **more)


def numbers(e: Ensemble) -> list[Array]:
    found = [e.mean, e.covariance, e.standard_error, e.covariance_error]
    return [*found, e.histogram, *(() if e.observed is None else (e.observed.mean, e.observed.covariance))]


def same(one: Ensemble, other: Ensemble) -> bool:
    return one.count == other.count and all(map(np.array_equal, numbers(one), numbers(other)))


def test_mean_and_variance_of_the_steps() -> None:
    """Euler's own moments are known: |z| < 4, and a variance 2 % off is rejected."""
    e = integrate(ornstein_uhlenbeck(), 1.0, [0.5, 1.0], dt=0.1, paths=400_000, seed=1)
    factor, steps = 0.9, np.array([5, 10])
    mean, variance = factor**steps, 0.025 * (1.0 - factor ** (2 * steps)) / (1.0 - factor**2)
    assert np.abs((e.mean[:, 0] - mean) / e.standard_error[:, 0]).max() < 4.0
    z = np.abs(e.variance[:, 0] - variance) / e.state.variance_error[:, 0]
    assert z.max() < 4.0
    assert (np.abs(e.variance[:, 0] - 1.02 * variance) / e.state.variance_error[:, 0]).min() > 4.0
    np.testing.assert_allclose(e.standard_error[:, 0], np.sqrt(variance / 400_000), rtol=0.02)
    np.testing.assert_allclose(e.state.variance_error[:, 0], variance * math.sqrt(2 / 400_000), rtol=0.02)


def test_statistics_are_those_of_the_paths() -> None:
    """Streaming sums against numpy on the stored paths, with an incomplete group."""
    e = integrate(crossed(), [1.0, 0.2], [0.0, 0.25, 1.0], dt=0.1, paths=611, seed=2, keep="paths", block=256,
                  observables=lambda x: x**2, histogram=np.linspace(-1.0, 5.0, 31))  # fmt: skip
    assert e.paths is not None and e.paths.shape == (3, 611, 2)
    assert e.observed is not None
    for time, x in enumerate(e.paths):
        np.testing.assert_allclose(e.mean[time], x.mean(axis=0), rtol=1e-13)
        np.testing.assert_allclose(e.covariance[time], np.cov(x.T), atol=1e-14)
        np.testing.assert_allclose(e.observed.covariance[time], np.cov((x**2).T), atol=1e-14)
        d = x - x.mean(axis=0)
        products = d[:, :, None] * d[:, None, :]
        np.testing.assert_allclose(e.covariance_error[time], products.std(axis=0) / math.sqrt(611), atol=1e-14)
        np.testing.assert_allclose(e.state.variance_error[time], (d**2).std(axis=0) / math.sqrt(611), atol=1e-14)
        for k in range(2):
            counts = np.histogram(x[:, k] ** 2, np.linspace(-1.0, 5.0, 31))[0]
            np.testing.assert_array_equal(e.histogram[time, k], counts)
    assert np.abs(e.quantile(0.5)[2] - np.median(e.paths[2] ** 2, axis=0)).max() < 0.2  # a bin
    np.testing.assert_allclose(e.mean[0], [1.0, 0.2], rtol=1e-14)
    assert np.abs(e.covariance[0]).max() < 1e-30


def test_mean_only_has_the_same_variances() -> None:
    few = integrate(crossed(), [1.0, 0.2], [0.5], dt=0.1, paths=300, seed=2, statistics=["mean"])
    all_ = integrate(crossed(), [1.0, 0.2], [0.5], dt=0.1, paths=300, seed=2)
    np.testing.assert_allclose(few.variance, all_.variance, rtol=1e-13)
    np.testing.assert_allclose(few.state.variance_error, all_.state.variance_error, rtol=1e-10)
    with pytest.raises(ProblemError, match="`statistics` must contain"):
        few.covariance  # noqa: B018


@pytest.mark.parametrize("which", ["compiled", "fields", "scalar"])
def test_bits_do_not_depend_on_cuts(which: str) -> None:
    """Threads, blocks, resuming in the middle of a chunk, and paths in two portions."""
    equation = {"compiled": crossed, "fields": crossed_fields, "scalar": ornstein_uhlenbeck}[which]()
    start = [1.0, 0.0][: equation.dimension]

    def make(paths: int, times: list[float], **more: Any) -> Ensemble:
        return integrate(equation, start, times, dt=0.1, paths=paths, seed=3, histogram=np.linspace(-9, 9, 7), **more,
                         observables=lambda x: np.cos(x))  # fmt: skip

    times = [0.3, 1.0, 1.1]
    whole = make(1300, times)
    assert same(whole, make(1300, times, threads=1, block=256))
    assert same(whole, make(1300, times, threads=2, block=700))
    assert same(whole, make(700, times).extended(paths=1300))
    cut = make(1300, times[:1], keep="paths").extended(times=times[1:])
    assert same(whole, cut)
    both = make(700, times[:1], keep="state").extended(times=times[1:2]).extended(times=times[2:], paths=1300)
    assert same(whole, both)
    stored = make(1300, times, keep="paths").paths
    assert np.array_equal(stored, cut.paths)
    assert np.array_equal(make(300, times, keep="paths", first_path=1000).paths, stored[:, 1000:])
    assert not same(whole, make(1299, times))


def test_one_path_whatever_the_form() -> None:
    """A compiled equation and numpy functions see the same noise."""
    one = integrate(crossed(), [1.0, 0.0], [0.3, 1.0], dt=0.1, paths=100, seed=5, keep="paths").paths
    two = integrate(crossed_fields(), [1.0, 0.0], [0.3, 1.0], dt=0.1, paths=100, seed=5, keep="paths").paths
    fused = crossed_fields(step=lambda t, x, dt, w: -x * dt + np.stack([x[:, 1] * w[:, 0], x[:, 0] * w[:, 1]], axis=1))
    three = integrate(fused, [1.0, 0.0], [0.3, 1.0], dt=0.1, paths=100, seed=5, keep="paths").paths
    np.testing.assert_allclose(two, one, rtol=1e-13)
    np.testing.assert_allclose(three, one, rtol=1e-13)


def test_dense_additive_noise() -> None:
    equation, a, b = dense()
    e = integrate(equation, [1.0, 0.0, -1.0], [1.0], dt=0.01, paths=40_000, seed=4)
    exact = expm(-a) @ [1.0, 0.0, -1.0]
    z = np.linspace(0.0, 1.0, 2001)
    pieces = np.array([expm(-a * s) @ b @ b.T @ expm(-a * s).T for s in z])
    covariance = np.trapezoid(pieces, z, axis=0)
    assert np.abs((e.mean[0] - exact) / e.standard_error[0]).max() < 6.0  # Euler errs by 1 % here
    assert np.abs((e.covariance[0] - covariance) / e.covariance_error[0]).max() < 6.0


def test_initial_law_and_rows() -> None:
    e = integrate(ornstein_uhlenbeck(), lambda z: 0.3 + 0.2 * z, [0.0], dt=0.1, paths=20_000, seed=4)
    assert abs(e.mean[0, 0] - 0.3) < 4.0 * e.standard_error[0, 0]
    assert abs(e.variance[0, 0] - 0.04) < 4.0 * e.state.variance_error[0, 0]
    rows = integrate(ornstein_uhlenbeck(), [[1.0], [2.0]], [0.0], dt=0.1, paths=5, seed=4, keep="paths").paths
    assert rows is not None and rows[0, :, 0].tolist() == [1.0, 2.0, 1.0, 2.0, 1.0]


def test_steps_end_at_the_times() -> None:
    """Intervals that dt does not divide are divided evenly; a dt longer than one takes it in one step."""
    e = integrate(ornstein_uhlenbeck(), 1.0, [0.25, 0.3, 2.0], dt=0.1, paths=2, seed=0, keep="state")
    legs = e.runs[0].legs
    assert [leg.steps for leg in legs] == [3, 1, 17]
    assert [leg.first for leg in legs] == [0, 3, 4]
    np.testing.assert_allclose([leg.dt for leg in legs], [0.25 / 3, 0.05, 0.1], rtol=1e-14)


def test_interruption_keeps_what_is_finished() -> None:
    calls: list[float] = []

    def stop(fraction: float) -> None:
        calls.append(fraction)
        if len(calls) == 5:
            raise KeyboardInterrupt

    ask: dict[str, Any] = {"dt": 0.1, "seed": 3, "block": 256, "histogram": [-9.0, 9.0]}
    with pytest.raises(Interrupted, match="512 of 2000") as found:
        integrate(ornstein_uhlenbeck(), 1.0, [0.5, 1.0], paths=2000, progress=stop, **ask)
    kept = found.value.ensemble
    assert kept is not None and kept.count == 512 and calls == sorted(calls)
    seen: list[float] = []
    rest = kept.extended(paths=2000, progress=seen.append)
    assert same(rest, integrate(ornstein_uhlenbeck(), 1.0, [0.5, 1.0], paths=2000, **ask))
    assert seen[-1] == 1.0


def bad_drift(t: float, x: Any, constants: Any, out: Any) -> None:
    out[0] = x[0]


def far_drift(t: float, x: Any, constants: Any, out: Any) -> None:
    out[0] = out[1] = out[2] = 0.0


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"dt": 0.0}, "`dt` must be positive"),
        ({"dt": math.nan}, "`dt` must be positive"),
        ({"times": [1.0, 0.5]}, "`times` must ascend"),
        ({"times": [math.nan]}, "`times` must ascend"),
        ({"times": [-1.0]}, "`times` must ascend"),
        ({"times": []}, "`times` must ascend"),
        ({"initial": [1.0]}, "`initial` must be finite, of shape (2,)"),
        ({"initial": [1.0, math.nan]}, "`initial` must be finite"),
        ({"initial": lambda z: z[:, :1]}, "`initial` must give finite"),
        ({"paths": 1}, "`paths` must be at least 2"),
        ({"seed": -1}, "`seed` must be in"),
        ({"first_path": -1}, "`first_path` must be in"),
        ({"scheme": "rk4"}, "`scheme` must be one of euler"),
        ({"scheme": "milstein"}, 'must be "euler" or "srk2" for the kind "general"'),
        ({"scheme": "levy"}, 'must be "levy" for an alpha-stable noise and for no other'),
        ({"scheme": "heun"}, 'must be "euler", "srk2" or "talay-tubaro" for an Ito'),
        ({"variables": "uniform"}, '`variables` must be "normal" or "points"'),
        ({"statistics": "mean"}, "`statistics` must be of"),
        ({"histogram": [1.0, 0.0]}, "`histogram` must be"),
        ({"keep": "all"}, "`keep` must be None"),
        ({"device": "gpu"}, '`device` must be "cpu" or "cuda"'),
        ({"block": 0}, "`block` must be positive"),
        ({"observables": lambda x: x[:, 0]}, "`observables` must return"),
    ],
)
def test_bad_input(change: dict[str, Any], message: str) -> None:
    ask: dict[str, Any] = {"initial": [1.0, 0.0], "times": [1.0], "dt": 0.1, "paths": 10, "seed": 0} | change
    with pytest.raises(ProblemError, match=re.escape(message)):
        integrate(crossed(), ask.pop("initial"), ask.pop("times"), **ask)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"dimension": 0}, "`dimension` must be a positive"),
        ({"kind": "sparse"}, "`kind` must be one of additive"),
        ({"kind": "scalar"}, "`noises` must be 1"),
        ({"kind": "diagonal", "noises": 3}, "`noises` must be 2"),
        ({"calculus": "malliavin"}, "`calculus` must be"),
        ({"alpha": 2.0}, "`alpha` must be in (0, 2)"),
        ({"constants": [math.inf]}, "`constants` must be finite"),
        ({"slope": bad_drift}, "`slope` is for the kind"),
    ],
)
def test_bad_equation(change: dict[str, Any], message: str) -> None:
    ask: dict[str, Any] = {"drift": bad_drift, "diffusion": bad_drift, "dimension": 2, "noises": 2} | change
    with pytest.raises(ProblemError, match=re.escape(message)):
        Equation(**ask)


@pytest.mark.parametrize("drift", [bad_drift, far_drift])
def test_functions_that_do_not_fit_never_run_compiled(drift: Any) -> None:
    """An element unwritten, and one beyond the end, which compiled code would write into foreign memory."""
    equation = Equation(drift=drift, diffusion=crossed().diffusion, dimension=2, noises=2)
    with pytest.raises(ProblemError, match="`drift` must"):
        integrate(equation, [1.0, 0.0], [1.0], dt=0.1, paths=10, seed=0)


def test_fields_that_do_not_fit() -> None:
    fields = Fields(drift=lambda t, x: x[:, :1], product=lambda t, x, w: x, dimension=2, noises=2)
    with pytest.raises(ProblemError, match="`drift` must return the shape"):
        integrate(fields, [1.0, 0.0], [1.0], dt=0.1, paths=10, seed=0)
    for scheme in ("milstein", "srk2", "implicit"):
        with pytest.raises(ProblemError, match=r"`scheme` must be .* for `Fields`"):
            integrate(crossed_fields(), [1.0, 0.0], [1.0], dt=0.1, paths=10, seed=0, scheme=scheme)


def test_a_state_that_is_not_finite_is_named() -> None:
    def up(t: float, x: float, constants: Any) -> float:
        return x * x * x  # type: ignore[no-any-return]

    equation = Equation(drift=up, diffusion=lambda t, x, constants: 1.0, kind="additive")
    with pytest.raises(FloatingPointError, match=r"path \d+ by time 9 \(dt 0.1\)"):
        integrate(equation, 2.0, [0.1, 9.0], dt=0.1, paths=10, seed=0)


def test_extending_needs_what_was_kept() -> None:
    e = integrate(ornstein_uhlenbeck(), 1.0, [0.5], dt=0.1, paths=10, seed=0)
    with pytest.raises(ProblemError, match='`times` need an ensemble made with keep="state"'):
        e.extended(times=[1.0])
    with pytest.raises(ProblemError, match="`paths` must be at least 10"):
        e.extended(paths=3)
    with pytest.raises(ProblemError, match="`histogram` must be given"):
        e.quantile(0.5)
