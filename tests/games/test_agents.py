"""N agents beside the flow: means, variances, the exponent of the bias, power, and refusals."""

from __future__ import annotations

import numpy as np
import pytest

from theorysim.compare import compare
from theorysim.errors import ProblemError
from theorysim.games import PopulationGame
from theorysim.games.populations import OBSERVABLES, Agents, diffusion, finite, limit, validity, velocity

A = np.array([[0.0, -1.0, 2.0], [2.0, 0.0, -1.0], [-1.0, 2.0, 0.0]])
START, ROUNDS = [0.6, 0.3, 0.1], [0, 1, 2, 4, 8]


def problem(protocol: str = "logit", agents: int = 200, matrix: np.ndarray = A, **changes) -> Agents:
    noise = {"noise": 0.5} if protocol == "logit" else {}
    fixed = {"game": PopulationGame(payoffs=matrix), "start": START, "rounds": 8, "record": ROUNDS}
    return Agents(protocol=protocol, agents=agents, **(fixed | noise | changes))


@pytest.mark.parametrize("protocol", ["logit", "imitation", "smith"])
def test_agents_follow_the_flow_and_its_fluctuations(protocol) -> None:
    asked = problem(protocol, 400)
    assert validity(asked).applies
    scores = compare(limit(asked), finite(asked, replicas=400, seed=1), names=OBSERVABLES)
    assert np.abs(scores["share_z"]).max() < 4.0
    assert np.abs(scores["share_std_z"]).max() < 4.0


def test_bias_falls_as_one_over_agents() -> None:
    """Few agents show the next order: its exponent is 1 and its size the predicted one."""
    few = {n: problem("logit", n, np.diag([-3.0, -1.0]), start=[0.8, 0.2]) for n in (10, 20, 40)}
    runs = {n: finite(each, replicas=40_000, seed=2) for n, each in few.items()}
    fit = compare.widths(limit(few[40]), runs, names=OBSERVABLES)
    p, error = (fit[f"share_{key}"].values[-1, 0] for key in ("exponent", "exponent_error"))
    assert error < 0.2 and abs(p - 1.0) < 4.0 * error
    asked, noise = limit(few[10]), runs[10]["share"].std("replica")[3:] / 200.0
    off = runs[10]["share"].mean("replica")[3:] - asked["share"][3:]
    assert float(np.abs(off / noise).min()) > 10.0
    assert float(np.abs((off - asked["share_correction"][3:]) / noise).max()) < 4.0


def test_power_a_wrong_payoff_is_rejected() -> None:
    wrong = A.copy()
    wrong[0, 2] += 0.2
    asked, planted = problem("logit", 1000), problem("logit", 1000, wrong)
    scores = compare(limit(planted), finite(asked, replicas=400, seed=3), names=OBSERVABLES)
    assert np.abs(scores["share_z"]).max() > 8.0
    hot = compare(limit(problem("logit", 2000)), finite(asked, replicas=400, seed=3), names=OBSERVABLES)
    assert np.abs(hot["share_std_z"]).max() > 6.0  # variance of another N


@pytest.mark.parametrize("protocol", ["logit", "imitation", "smith", "bnn"])
def test_velocity_and_diffusion_are_the_first_two_moments_of_a_revision(protocol) -> None:
    """Against all revisions of N agents, enumerated."""
    asked, x = problem(protocol), np.array([0.5, 0.2, 0.3])
    f, n, rate = A @ x, 3, asked.rate
    chances = np.zeros((3, 3))
    for i in range(3):
        for j in range(3):
            gain = max(f[j] - (x @ f if protocol == "bnn" else f[i]), 0.0)
            q = np.exp(f / 0.5) / np.exp(f / 0.5).sum()
            chances[i, j] = x[i] * {"logit": q[j], "imitation": x[j] * rate * gain}.get(protocol, rate * gain / n)
    jumps = np.eye(3)[None, :, :] - np.eye(3)[:, None, :]
    np.testing.assert_allclose(velocity(asked, x)[0], np.einsum("ij,ijk->k", chances, jumps), atol=1e-15)
    np.testing.assert_allclose(diffusion(asked, x), np.einsum("ij,ijk,ijl->kl", chances, jumps, jumps), atol=1e-15)


def test_replicas_have_their_own_numbers() -> None:
    asked = problem("imitation", 50)
    many, few = finite(asked, replicas=9, seed=4), finite(asked, replicas=4, seed=4)
    np.testing.assert_array_equal(few["share"], many["share"][..., :4])
    counts = many["share"] * 50
    np.testing.assert_allclose(counts, np.rint(counts), atol=1e-12)
    np.testing.assert_allclose(many["share"].sum("strategy"), 1.0, atol=1e-15)
    assert many["share"].dims == ("step", "strategy", "replica") and many.attrs["seed"] == 4


def test_kinks_and_faces_are_refused() -> None:
    centre = {"start": [0.4, 0.3, 0.3], "matrix": np.array([[0, -1, 1], [1, 0, -1], [-1, 1, 0.0]])}
    for protocol in ("smith", "bnn"):
        asked = problem(protocol, 300, centre["matrix"], start=[1 / 3] * 3)
        assert not validity(asked).applies
        with pytest.raises(ProblemError, match=r"`protocol` must be smooth here: a kink .*logit or imitation"):
            limit(asked)
    verdict = validity(problem("imitation", 20))
    assert not verdict.applies and "may die out" in verdict.reason
    critical = problem("logit", 20, 2.2 * np.eye(2), start=[0.55, 0.45], noise=1.0, rounds=30, record=[30])
    assert not validity(critical).applies


def test_imitation_near_an_equilibrium_is_not_trusted() -> None:
    """Nobody gains by imitating there: the linear noise vanishes, the agents' does not."""
    asked = problem("imitation", 400, start=[0.5, 0.25, 0.25], rounds=60, record=[54, 56, 58, 60])
    verdict = validity(asked)
    assert not verdict.applies and "add 5" in verdict.reason
    scores = compare(limit(asked), finite(asked, replicas=400, seed=1), names=OBSERVABLES)
    assert np.abs(scores["share_std_z"]).max() > 4.5
    assert validity(problem("imitation", 400, start=[0.5, 0.25, 0.25], rounds=24)).applies


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"protocol": "logits"}, "must be one of logit"),
        ({"game": np.eye(3)}, "PopulationGame of one population"),
        ({"game": PopulationGame.two(np.eye(2), np.eye(2))}, "PopulationGame of one population"),
        ({"agents": 0}, "`agents` must be a whole number"),
        ({"rounds": 1.5}, "`rounds` must be a whole number"),
        ({"agents": 7}, "whole numbers of 7 agents"),
        ({"start": [0.5, 0.5]}, "3 numbers"),
        ({"noise": None}, "`noise` must be a positive number"),
        ({"rate": 0.1}, "`rate` must not be given for logit"),
        ({"protocol": "smith", "noise": None, "rate": 1.0}, "`rate` must be at most 0.333333"),
        ({"record": [9]}, "ascending rounds from 0 to 8"),
    ],
)
def test_wrong_problems(change, message) -> None:
    fields = {"game": PopulationGame(payoffs=A), "protocol": "logit", "agents": 200, "start": START, "rounds": 8,
              "noise": 0.5}  # fmt: skip
    with pytest.raises(ProblemError, match=message):
        Agents(**(fields | change))
    with pytest.raises(ProblemError, match="replicas"):
        finite(problem(), replicas=0, seed=1)
