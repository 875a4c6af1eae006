"""Flows of populations: invariants, periods, orders, the same bits whatever the threads, and refusals."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import scipy.integrate
import scipy.optimize

from tests.games.population_examples import matching_pennies, members, rock_paper_scissors
from tests.games.simulated_populations import cases
from theorysim.equations.populations import pennies_period, rps_period
from theorysim.errors import NotConverged, ProblemError
from theorysim.games import DYNAMICS, MatrixGame, PopulationGame, simulate
from theorysim.references import REFERENCES

ROOT = Path(__file__).parents[2]
START = [0.5, 0.25, 0.25]
FLOWS = tuple(name for name, row in DYNAMICS.items() if row.kind == "flow")


def velocity(rule: str, a: np.ndarray, x: np.ndarray, noise: float) -> np.ndarray:
    """Return x' of one population, written down anew."""
    f = a @ x
    gain = np.maximum(f[:, None] - f[None, :], 0.0)
    k = np.maximum(f - x @ f, 0.0)
    q = np.exp((f - f.max()) / noise)
    return {
        "replicator": x * (f - x @ f), "logit": q / q.sum() - x, "bnn": k - x * k.sum(),
        "smith": gain @ x - x * gain.sum(axis=0), "best-response": np.eye(len(x))[f.argmax()] - x,
        "projection": f - f.mean(),
    }[rule]  # fmt: skip


def test_product_of_rock_paper_scissors_is_conserved() -> None:
    """Case 1: x1 x2 x3 = 1/32; Euler steps leave it."""
    game = rock_paper_scissors()
    run = simulate(game, "replicator", START, steps=10_000, step=0.01)
    assert np.abs(run["share"].prod("strategy") - 0.03125).max() < 1e-8
    assert np.abs(run["invariant_drift"]).max() < 1e-8
    assert run.attrs["largest_sum_error"] < 1e-12
    euler = simulate(game, "replicator", START, steps=10_000, step=0.01, method="euler")
    ratio = float(euler["share"][-1].prod() / 0.03125)
    assert ratio == pytest.approx(0.9388487, abs=5e-8)
    assert float(euler["invariant_drift"][-1]) == pytest.approx(ratio ** (1 / 3) - 1, rel=1e-9)


def test_period_of_rock_paper_scissors() -> None:
    """Case 1: 11.297500567836, by the elliptic integral, by a quadrature, and by the flow."""
    assert rps_period(1 / 32) == pytest.approx(11.297500567836, abs=5e-13)
    assert rps_period(1 / 27) == pytest.approx(2 * np.pi * 3**0.5, abs=1e-12)
    low, high = (scipy.optimize.brentq(lambda x: x * (1 - x) ** 2 - 1 / 8, *ends, xtol=1e-16) for ends in
                 ((1e-3, 1 / 3), (1 / 3, 1.0)))  # fmt: skip

    def slowness(angle: float) -> float:
        x = low + (high - low) * np.sin(angle) ** 2
        return float(2.0 / np.sqrt(x * (2.0 - low - high - x)))  # the roots add up to 2

    quadrature = 2.0 * scipy.integrate.quad(slowness, 0.0, np.pi / 2, epsabs=1e-13)[0]
    assert quadrature == pytest.approx(11.297500567836, rel=1e-12)
    run = simulate(rock_paper_scissors(), "replicator", START, steps=1, step=rps_period(1 / 32), method="adaptive",
                   rtol=1e-11, atol=1e-13, record=[1])  # fmt: skip
    # at the start only x2 and x3 move: a late return shows there in first order
    late = (run["share"].values[0] - START)[1] / velocity(
        "replicator", rock_paper_scissors().matrix, np.array(START), 1
    )[1]
    assert abs(late) < 1e-6 * 11.3


def test_matching_pennies() -> None:
    """Case 2: the invariant and the period."""
    assert pennies_period(1.0, 0.25 * 0.1875) == pytest.approx(6.7430014193, abs=5e-11)
    assert pennies_period(1.0, 1 / 16) == pytest.approx(2 * np.pi, abs=1e-14)
    start = ([0.5, 0.5], [0.25, 0.75])
    run = simulate(matching_pennies(), "replicator", start, steps=700, step=pennies_period(1.0, 0.25 * 0.1875) / 700)
    x = run["share"].values
    invariant = x.prod(axis=1)
    assert np.abs(invariant / invariant[0] - 1).max() < 1e-8
    np.testing.assert_allclose(x[-1], x[0], atol=1e-7)
    assert np.abs(run["invariant_drift"]).max() < 1e-8
    assert run["population"].values.tolist() == [0, 0, 1, 1]
    both = simulate(MatrixGame.zero_sum([[1.0, -1.0], [-1.0, 1.0]]), "replicator", start, steps=700,
                    step=run.attrs["step_size"])  # fmt: skip
    np.testing.assert_array_equal(both["share"], x)


@pytest.mark.parametrize("rule", FLOWS)
def test_flows_follow_their_laws(rule) -> None:
    """Against a general solver, for a game without symmetry; payoffs from a matrix and from a function."""
    rng = np.random.default_rng(3)
    a, x0 = rng.normal(size=(4, 4)), 0.5 * members(2, 4) + 0.125
    more = {"noise": 0.3} if rule == "logit" else {}
    time = 0.03 if rule in ("projection", "best-response") else 1.5  # before a face, before a jump
    game = PopulationGame(payoffs=a)
    run = simulate(game, rule, x0, steps=400, step=time / 400, record=[400], **more)
    for x, found in zip(x0, run["share"].values[0], strict=True):
        exact = scipy.integrate.solve_ivp(lambda t, y: velocity(rule, a, y, 0.3), (0, time), x, rtol=1e-11, atol=1e-13)
        np.testing.assert_allclose(found, exact.y[:, -1], atol=2e-6 if rule in ("bnn", "smith") else 1e-9)  # kinks
    called = PopulationGame(payoffs=lambda x: x @ a.T, strategies=(4,))
    again = simulate(called, rule, x0, steps=400, step=time / 400, record=[400], **more)
    np.testing.assert_allclose(again["share"], run["share"], atol=1e-13)


def test_orders_of_the_methods() -> None:
    game, x0 = PopulationGame(payoffs=np.random.default_rng(5).normal(size=(6, 6))), members(1, 6)[0]
    exact = simulate(game, "replicator", x0, steps=1, step=2.0, method="adaptive", rtol=1e-12, atol=1e-14)["share"][-1]
    for method, order in (("euler", 1), ("rk4", 4)):
        errors = [float(np.abs(simulate(game, "replicator", x0, steps=n, step=2.0 / n, method=method)["share"][-1]
                               - exact).max()) for n in (16, 32, 64)]  # fmt: skip
        assert np.log2(errors[1] / errors[2]) == pytest.approx(order, abs=0.25)
    loose, tight = (float(np.abs(simulate(game, "replicator", x0, steps=1, step=2.0, method="adaptive", rtol=r, atol=r)
                                 ["share"][-1] - exact).max()) for r in (1e-5, 1e-8))  # fmt: skip
    assert loose < 1e-4 and tight < 1e-7 and loose > tight


def test_projection_stays_on_the_simplex_and_ends_in_a_corner() -> None:
    game = PopulationGame(payoffs=np.diag([1.0, 2.0, 3.0]))
    run = simulate(game, "projection", [0.3, 0.3, 0.4], steps=2000, step=0.01)
    assert float(run["share"].min()) >= 0.0
    np.testing.assert_allclose(run["share"][-1], [0, 0, 1], atol=1e-12)


@pytest.mark.parametrize(
    ("strategies", "method"), [(3, "rk4"), (7, "rk4"), (7, "adaptive"), (70, "rk4"), (70, "adaptive")]
)
def test_same_bits_for_any_threads_and_members(strategies, method) -> None:
    game = PopulationGame(payoffs=np.random.default_rng(1).normal(size=(strategies, strategies)))
    x0 = members(150, strategies)
    arguments = {"dynamics": "replicator", "steps": 20, "step": 0.1, "method": method}
    one, three = (simulate(game, start=x0, threads=k, **arguments)["share"] for k in (1, 3))
    np.testing.assert_array_equal(one, three)
    if strategies < 64:  # where products are those of BLAS, a member's bits depend on its place in a block
        few = simulate(game, start=x0[:5], threads=2, **arguments)["share"]
        alone = simulate(game, start=x0[3], **arguments)["share"]
        np.testing.assert_array_equal(few, one[:, :5])
        np.testing.assert_array_equal(alone, one[:, 3])
    resumed = simulate(game, start=x0, record=[20], **arguments)["share"]
    if method == "rk4":
        np.testing.assert_array_equal(resumed[0], one[-1])


def test_registers_and_rows_and_products_agree() -> None:
    """The same game padded with strategies nobody plays: 5, 6 and 70 strategies take different routes."""
    a, x0 = np.random.default_rng(8).normal(size=(5, 5)), members(3, 5)
    found = []
    for size in (5, 6, 70):
        matrix, start = np.zeros((size, size)), np.zeros((3, size))
        matrix[:5, :5], start[:, :5] = a, x0
        found.append(
            simulate(PopulationGame(payoffs=matrix), "replicator", start, steps=50, step=0.05)["share"][-1, :, :5]
        )
    np.testing.assert_allclose(found[0], found[1], atol=1e-14)
    np.testing.assert_allclose(found[0], found[2], atol=1e-14)


def test_conserved_products_only_where_there_are() -> None:
    start = [0.4, 0.3, 0.3]
    assert "invariant_drift" not in simulate(rock_paper_scissors(2.0, 1.0), "replicator", start, steps=2, step=0.1)
    assert "invariant_drift" not in simulate(rock_paper_scissors(), "logit", start, steps=2, step=0.1, noise=1.0)
    shifted = PopulationGame(payoffs=rock_paper_scissors().matrix + np.array([1.0, -2.0, 0.5]))  # columns: nobody cares
    run = simulate(shifted, "replicator", start, steps=200, step=0.05)
    assert np.abs(run["invariant_drift"]).max() < 1e-8
    a = np.array([[2.0, 0.0], [0.0, 1.0]])
    scaled = simulate(PopulationGame.two(a, -3.0 * a), "replicator", ([0.3, 0.7], [0.6, 0.4]), steps=400, step=0.02)
    assert np.abs(scaled["invariant_drift"]).max() < 1e-8
    partners = PopulationGame.two(a, 3.0 * a)
    assert "invariant_drift" not in simulate(partners, "replicator", ([0.3, 0.7], [0.6, 0.4]), steps=2, step=0.1)


def test_one_strategy_stays() -> None:
    game = PopulationGame(payoffs=[[2.0]])
    for rule in FLOWS:
        run = simulate(game, rule, [1.0], steps=3, step=0.1, **({"noise": 1.0} if rule == "logit" else {}))
        np.testing.assert_array_equal(run["share"], 1.0)


def test_labels_and_progress() -> None:
    seen: list[float] = []
    run = simulate(rock_paper_scissors(), "replicator", members(3, 3), steps=40, step=0.5, record=[0, 7, 40],
                   progress=seen.append)  # fmt: skip
    assert run["share"].dims == ("step", "member", "strategy") and run["share"].shape == (3, 3, 3)
    assert run["time"].values.tolist() == [0.0, 3.5, 20.0]
    assert run.attrs["dynamics"] == "replicator" and run.attrs["source"] == "Taylor1978"
    assert seen[-1] == 1.0 and seen == sorted(seen)
    assert all(not row.source or row.source in REFERENCES for row in DYNAMICS.values())


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"dynamics": "replicators"}, "must be one of replicator, .*did you mean"),
        ({"dynamics": "gradient-descent-ascent"}, "`game` must be a VariationalInequality"),
        ({"start": [0.5, 0.5]}, r"shape \(3,\)"),
        ({"start": np.ones((2, 2, 3)) / 3}, r"shape \(3,\) or \(members, 3\)"),
        ({"start": np.ones((0, 3))}, "shape"),
        ({"start": [np.nan, 0.5, 0.5]}, "finite numbers of at least 0"),
        ({"start": [1.5, -0.5, 0.0]}, "at least 0"),
        ({"start": [0.5, 0.5, 0.5]}, "sum 1"),
        ({"steps": 0}, "`steps` must be a whole number"),
        ({"steps": True}, "`steps` must be a whole number"),
        ({"step": -0.1}, "`step` must be a positive number"),
        ({"step": None}, "`step` must be given for replicator"),
        ({"noise": 0.1}, "`noise` must not be given"),
        ({"method": "rk5"}, "`method` must be one of"),
        ({"dynamics": "best-response", "method": "adaptive"}, "velocities that jump"),
        ({"record": [0, 11]}, "ascending steps from 0 to 10"),
        ({"record": [3, 2]}, "ascending"),
        ({"rtol": 0.0}, "`rtol` must be"),
        ({"device": "gpu"}, "`device` must be"),
        ({"game": np.eye(3)}, "`game` must be a PopulationGame"),
        ({"game": matching_pennies()}, "shares of 2 populations, got 3"),
        ({"game": matching_pennies(), "start": ([[0.5, 0.5]], [[0.5, 0.5]] * 2)}, "as many members"),
    ],
)
def test_wrong_arguments(change, message) -> None:
    arguments = {"game": rock_paper_scissors(), "dynamics": "replicator", "start": START, "steps": 10, "step": 0.1}
    with pytest.raises(ProblemError, match=message):
        simulate(**(arguments | change))


def test_steps_that_are_too_long_raise() -> None:
    with pytest.raises(FloatingPointError, match=r"left the simplex by step .* smaller step"):
        simulate(PopulationGame(payoffs=[[100.0, 0.0], [0.0, -100.0]]), "replicator", [0.5, 0.5], steps=50, step=1.0)


def test_cuda_bodies_on_the_simulator() -> None:
    """One thread for each member gives the CPU's numbers."""
    environment = os.environ | {"NUMBA_ENABLE_CUDASIM": "1", "NUMBA_DISABLE_JIT": "1"}
    script = [sys.executable, "-m", "tests.games.simulated_populations"]
    run = subprocess.run(script, env=environment, cwd=ROOT, capture_output=True, text=True)
    assert run.returncode == 0, run.stderr
    for simulated, own in zip(json.loads(run.stdout), cases("cpu"), strict=True):
        np.testing.assert_allclose(simulated, own, rtol=1e-12)


def test_adaptive_steps_give_up() -> None:
    game = PopulationGame(payoffs=1e9 * rock_paper_scissors().matrix)
    with pytest.raises((NotConverged, FloatingPointError)):
        simulate(game, "replicator", START, steps=1, step=1.0, method="adaptive")


def test_time_in_place_of_steps() -> None:
    """The last step ends at the time; MatrixGame plays a population for each player."""
    pennies = MatrixGame(([[1.0, -1.0], [-1.0, 1.0]], [[-1.0, 1.0], [1.0, -1.0]]))
    start = [[0.5, 0.5], [0.25, 0.75]]
    timed = simulate(pennies, "replicator", start=start, time=2.0)
    counted = simulate(pennies, "replicator", start, steps=200, step=0.01)
    np.testing.assert_array_equal(timed["share"], counted["share"])
    uneven = simulate(pennies, "replicator", start, time=1.0, step=0.3)
    assert uneven.sizes["step"] == 4 and float(uneven["time"][-1]) == pytest.approx(1.0, abs=1e-15)
    for dynamics, more, message in (
        ("fictitious-play", {"time": 1.0}, "`time` must be given for flows only"),
        ("replicator", {"time": 1.0, "steps": 3}, "in place of `steps`"),
        ("replicator", {"time": -1.0}, "`time` must be a positive number"),
        ("replicator", {"time": 1.0, "step": np.nan}, "`step` must be a positive number"),
    ):
        with pytest.raises(ProblemError, match=message):
            simulate(pennies, dynamics, start, **more)
