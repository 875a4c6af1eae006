"""Learning in rounds: every rule against its law written down anew, and what learning is known to do."""

from __future__ import annotations

import numpy as np
import pytest

from tests.games.population_examples import matching_pennies, members, rock_paper_scissors
from theorysim.backend.random import GAME_PLAYS, uniforms
from theorysim.errors import ProblemError
from theorysim.games import DYNAMICS, MatrixGame, PopulationGame, simplex, simulate

RULES = tuple(name for name, row in DYNAMICS.items() if row.kind == "rounds")
SIZES = (3, 2)
STEP, NOISE, WEIGHT, DELAY, SEED = 0.3, 0.4, 2.0, 2, 9


def softmax(f: np.ndarray) -> np.ndarray:
    w = np.exp((f - f.max()) / NOISE)
    return w / w.sum()


def best(f: np.ndarray) -> np.ndarray:
    return np.eye(len(f))[f.argmax()]


class Reference:
    """One member, one population after another."""

    def __init__(self, rule: str, start: list[np.ndarray]) -> None:
        self.rule, self.first = rule, [x.copy() for x in start]
        self.total = [np.zeros(len(x)) for x in start]
        self.past: list[list[np.ndarray]] = []

    def play(self, x: list[np.ndarray], f: list[np.ndarray], k: int) -> list[np.ndarray]:
        self.past.append([one.copy() for one in f])
        draws = [uniforms(2, seed=SEED, stream=0, purpose=GAME_PLAYS, step=k)]
        u = [draws[0][0], uniforms(4, seed=SEED, stream=0, purpose=GAME_PLAYS, step=k)[2]]
        turn = int(draws[0][1] * 2)
        return [self.one(j, x[j], f[j], k, u[j], turn) for j in range(2)]

    def one(self, j: int, x: np.ndarray, f: np.ndarray, k: int, u: float, turn: int) -> np.ndarray:
        rule, share = self.rule, 1.0 / (WEIGHT + k + 1)
        if rule in ("regret-matching", "regret-matching-plus"):
            self.total[j] += f - x @ f
            if rule.endswith("plus"):
                self.total[j] = np.maximum(self.total[j], 0.0)
            positive = np.maximum(self.total[j], 0.0)
            return positive / positive.sum() if positive.sum() > 0 else np.full(len(x), 1 / len(x))
        self.total[j] += f
        if rule == "asynchronous-best-response":
            return best(f) if turn == j else x
        ahead = 2 * f - self.past[-2][j] if k else f
        return {
            "fictitious-play": lambda: x + share * (best(f) - x),
            "smoothed-fictitious-play": lambda: x + share * (softmax(f) - x),
            "stochastic-fictitious-play": lambda: (
                x + share * (np.eye(len(x))[int((softmax(f).cumsum() <= u).sum())] - x)
            ),
            "discrete-logit": lambda: softmax(f),
            "multiplicative-weights": lambda: x * np.exp(STEP * f) / (x @ np.exp(STEP * f)),
            "optimistic-multiplicative-weights": lambda: x * np.exp(STEP * ahead) / (x @ np.exp(STEP * ahead)),
            "projected-gradient": lambda: simplex().project(x + STEP * f),
            "dual-averaging": lambda: simplex().project(self.first[j] + STEP * self.total[j]),
            "synchronous-best-response": lambda: best(f),
            "delayed-best-response": lambda: best(self.past[max(k - DELAY, 0)][j]),
        }[rule]()


def arguments(rule: str) -> dict[str, float]:
    return {name: {"step": STEP, "noise": NOISE}[name] for name in DYNAMICS[rule].needs}


@pytest.mark.parametrize("rule", RULES)
def test_rules_are_their_laws(rule) -> None:
    rng = np.random.default_rng(4)
    game = PopulationGame.two(rng.normal(size=SIZES), rng.normal(size=SIZES))
    start = [rng.dirichlet(np.ones(n)) for n in SIZES]
    run = simulate(game, rule, start, steps=12, record=list(range(13)), weight=WEIGHT, delay=DELAY, seed=SEED,
                   **arguments(rule))  # fmt: skip
    x, reference, seen = start, Reference(rule, start), [np.concatenate(start)]
    for k in range(12):
        f = game.payoffs_of(np.concatenate(x))
        x = reference.play(x, [f[:3], f[3:]], k)
        seen.append(np.concatenate(x))
    np.testing.assert_allclose(run["share"], seen, atol=1e-12)
    means = np.cumsum(seen, axis=0) / np.arange(1, 14)[:, None]
    np.testing.assert_allclose(run["mean_share"], means, atol=1e-12)
    called = PopulationGame(payoffs=lambda z: z @ game.matrix.T, strategies=SIZES)
    again = simulate(
        called, rule, start, steps=12, record=[12], weight=WEIGHT, delay=DELAY, seed=SEED, **arguments(rule)
    )
    np.testing.assert_allclose(again["share"][0], run["share"][-1], atol=1e-12)


def test_discrete_logit_converges_below_the_critical_noise_and_cycles_beyond() -> None:
    """Case 7."""
    game, start = rock_paper_scissors(), [0.34, 0.33, 0.33]
    calm = simulate(game, "discrete-logit", start, steps=400, noise=1 / 1.5)["share"][-1]
    np.testing.assert_allclose(calm, 1 / 3, atol=1e-12)
    restless = simulate(game, "discrete-logit", start, steps=4000, noise=0.5, record=list(range(3900, 4001)))["share"]
    assert float(restless.std("step").max()) > 0.05
    near = simulate(game, "discrete-logit", start, steps=20, noise=1 / 1.5, record=[10, 20])["share"].values - 1 / 3
    assert np.linalg.norm(near[1]) / np.linalg.norm(near[0]) == pytest.approx(0.8660254038**10, rel=1e-3)


def test_coordination_logit_ends_at_its_magnetisation() -> None:
    """Case 8."""
    run = simulate(PopulationGame(payoffs=3.0 * np.eye(2)), "logit", [0.6, 0.4], steps=4000, step=0.02, noise=1.0)
    assert float(run["share"][-1, 0] - run["share"][-1, 1]) == pytest.approx(0.8585596366, abs=1e-9)


def test_fictitious_play_and_regrets_find_the_value_of_zero_sum_games() -> None:
    a = np.random.default_rng(6).normal(size=(4, 5))
    game = MatrixGame.zero_sum(a)
    start = (np.full(4, 0.25), np.full(5, 0.2))
    for rule, most in (("fictitious-play", 0.05), ("regret-matching", 0.03), ("regret-matching-plus", 0.03)):
        means = simulate(game, rule, start, steps=5000)["mean_share"][-1].values
        assert game.nash_conv([means[:4], means[4:]]) < most, rule


def test_optimism_makes_the_last_iterate_converge() -> None:
    start = ([0.6, 0.4], [0.5, 0.5])
    plain, optimistic = (
        simulate(matching_pennies(), rule, start, steps=3000, step=0.1)["share"][-1].values
        for rule in ("multiplicative-weights", "optimistic-multiplicative-weights")
    )
    assert np.abs(plain - 0.5).max() > 0.3
    np.testing.assert_allclose(optimistic, 0.5, atol=1e-6)


def test_asynchronous_best_responses_settle_where_synchronous_ones_cycle() -> None:
    game = MatrixGame.bimatrix(np.eye(2), np.eye(2))
    start = ([1.0, 0.0], [0.0, 1.0])
    together = simulate(game, "synchronous-best-response", start, steps=9, record=[8, 9])["share"].values
    np.testing.assert_array_equal(together, [[1, 0, 0, 1], [0, 1, 1, 0]])
    many = tuple(np.tile(part, (40, 1)) for part in start)
    runs = simulate(game, "asynchronous-best-response", many, steps=30, seed=3)["share"][-1].values
    np.testing.assert_array_equal(runs[:, :2], runs[:, 2:])
    assert 0.1 < runs[:, 0].mean() < 0.9
    with pytest.raises(ProblemError, match="two or more populations"):
        simulate(rock_paper_scissors(), "asynchronous-best-response", [1, 0, 0], steps=2)


def test_three_players_learn() -> None:
    tables = [np.zeros((2, 2, 2)) for _ in range(3)]
    for table in tables:
        table[1, 1, 1] = 1.0
        table[0, 0, 0] = 0.5
    game = MatrixGame(payoffs=tuple(tables))
    run = simulate(game, "multiplicative-weights", ([0.4, 0.6],) * 3, steps=200, step=0.5)
    np.testing.assert_allclose(run["share"][-1], [0, 1] * 3, atol=1e-8)
    flow = simulate(game, "replicator", ([0.4, 0.6],) * 3, steps=300, step=0.1)
    np.testing.assert_allclose(flow["share"][-1], [0, 1] * 3, atol=1e-8)


def test_random_rules_have_the_same_bits_for_any_threads_and_members() -> None:
    starts = (members(130, 2, 1), members(130, 2, 2))
    one, two = (
        simulate(matching_pennies(), "stochastic-fictitious-play", starts, steps=30, noise=0.5, seed=5, threads=k)[
            "share"
        ]
        for k in (1, 2)
    )
    np.testing.assert_array_equal(one, two)
    few = simulate(matching_pennies(), "stochastic-fictitious-play", tuple(s[:7] for s in starts), steps=30, noise=0.5,
                   seed=5)["share"]  # fmt: skip
    np.testing.assert_array_equal(few, one[:, :7])
    other = simulate(matching_pennies(), "stochastic-fictitious-play", starts, steps=30, noise=0.5, seed=6)["share"]
    assert np.abs(other - one).max() > 0.01
    # the mean of actions is the logit response: what is played first, over members from one start
    same = tuple(np.tile([0.3, 0.7], (4000, 1)) for _ in range(2))
    first = simulate(matching_pennies(), "stochastic-fictitious-play", same, steps=1, noise=0.5, seed=1, weight=1e-9)
    share = first["share"][-1].values[:, 0]
    expected = 1.0 / (1.0 + np.exp(-2.0 * (0.3 - 0.7) / 0.5))
    assert abs(share.mean() - expected) < 4 * np.sqrt(expected * (1 - expected) / 4000)


def test_wrong_delays_and_weights() -> None:
    for change, message in (({"delay": 0}, "`delay`"), ({"weight": 0.0}, "`weight`"), ({"weight": np.nan}, "`weight`")):
        with pytest.raises(ProblemError, match=message):
            simulate(rock_paper_scissors(), "fictitious-play", [1, 0, 0], steps=2, **change)
