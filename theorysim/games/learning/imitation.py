"""What a transformer loses that imitates a bandit agent from the last h pulls: exactly, without a transformer.

Meta-training: bandits are drawn from the prior, the teacher plays each for T pulls, and the student is trained to
predict the teacher's next pull a_t from the context c_t = (t; the last min(t, h) pairs of arm and reward). The log-loss
is smallest, over all functions of the context, at the conditional law under the teacher's trajectories:

    E -log q(a_t | c_t)  >=  E -log P(a_t | c_t),     P(1 | c) = E [pi(state_t) | c_t = c],

pi(state) the teacher's own law: a_t is drawn from it, so a_t and c are independent given the state (tower rule). The
mean is over the arms, the rewards and what the teacher did before the context began. The student then plays: it draws
its pulls from P(. | c) with the context of its own pulls and rewards. Its regret less the teacher's is the imitation
gap. Every context it meets has been met by the teacher: a pull of positive probability in a context that the teacher
reaches leads, with either reward, to another that the teacher reaches.

The gap is 0 for h >= T - 1 where pi depends on counts alone, as for all agents here: the context then fixes the state.
At h = 0 the student draws from the teacher's marginal law. The gap is what a short context costs a perfect learner;
training data, capacity and optimisation cost more [Lin2024].

State of the recursion: the pairs of the context, and the counts (n1, s1, s2) of all pulls before it.

Valid    two arms, whole-number priors; at most 2e7 states at a time (T = 10: any h; T = 50: h <= 5).
Error    rounding.
Sources  [Lin2024]; own derivation.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from theorysim.backend.compile import body
from theorysim.backend.foreach import foreach
from theorysim.errors import ProblemError
from theorysim.games.learning.arguments import agent_of, chances_of, horizon_of, prior_of, two_armed, whole
from theorysim.games.learning.counts import place, states
from theorysim.games.learning.dynamic_program import (
    MOST_PULLS,
    UNIFORM,
    chance,
    expected_best,
    optimal,
)
from theorysim.games.learning.laws import CODES, EXACT, law

Array = NDArray[np.float64]
MOST_STATES = 20_000_000


@body
def _counts(w: Any, pairs: int) -> tuple[int, int, int]:
    """Return pulls of arm 1 and successes of both among the pairs of a context; a digit of 4 is 2 arm + reward."""
    n1, s1, s2 = 0, 0, 0
    for _ in range(pairs):
        digit = w % 4
        w //= 4
        if digit < 2:
            n1 += 1
            s1 += digit
        else:
            s2 += digit - 2
    return n1, s1, s2


@body("int64, int64, int64, int64[:,::1], int8[::1], float64[:,::1], float64[:,::1], float64[::1]")
def consult(i: int, t: int, pairs: int, agent: int, prior: Any, table: Any, weight: Any, laws: Any, mean: Any) -> None:
    """Write the teacher's law in every state of context w, and its mean given the context."""
    w = np.int64(i)
    m1, r1, r2 = _counts(w, pairs)
    before, total, part = t - pairs, 0.0, 0.0
    for n1 in range(before + 1):
        for s1 in range(n1 + 1):
            for s2 in range(before - n1 + 1):
                j = place(before, n1, s1, s2)
                if weight[w, j] > 0.0:
                    p = law(agent, t, n1 + m1, s1 + r1, s2 + r2, prior, table)
                    laws[w, j] = p
                    total += weight[w, j]
                    part += weight[w, j] * p
                else:
                    laws[w, j] = 0.0
    mean[w] = part / total if total > 0.0 else 0.5


@body("int64, int64, float64[:,::1], float64[:,::1], float64[:,::1], float64[::1]")
def reward(i: int, t: int, pairs: int, world: Any, weight: Any, laws: Any, gain: Any) -> None:
    """Write the expected reward of the next pull in context w."""
    w = np.int64(i)
    m1, r1, r2 = _counts(w, pairs)
    before, total = t - pairs, 0.0
    for n1 in range(before + 1):
        for s1 in range(n1 + 1):
            for s2 in range(before - n1 + 1):
                j = place(before, n1, s1, s2)
                one, two = chance(0, n1 + m1, s1 + r1, world), chance(1, t - n1 - m1, s2 + r2, world)
                total += weight[w, j] * (laws[w, j] * one + (1.0 - laws[w, j]) * two)
    gain[w] = total


@body
def _pair_probability(pair: Any, p: float, t: int, n1: int, s1: int, s2: int, world: Any) -> Any:
    """Return the probability of a pair 2 arm + reward in a state where arm 1 is pulled with probability p."""
    if pair < 2:
        one = chance(0, n1, s1, world)
        return p * (one if pair == 1 else 1.0 - one)
    two = chance(1, t - n1, s2, world)
    return (1.0 - p) * (two if pair == 3 else 1.0 - two)


@body("int64, int64, int64, float64[:,::1], float64[:,::1], float64[:,::1], float64[:,::1]")
def slide(i: int, t: int, pairs: int, kept: int, world: Any, weight: Any, laws: Any, after: Any) -> None:
    """Write the weights of context w after pull t: the newest pair joins it, the oldest joins the counts before it.

    `pairs` is the length of contexts before the pull, `kept` after it: both h, or one more after it while t < h.
    """
    w = np.int64(i)
    before, old = t - pairs, 1 if kept > pairs else 4
    for j in range(states(t + 1 - kept)):
        after[w, j] = 0.0
    top = 1
    for _ in range(pairs - 1):
        top *= 4
    for oldest in range(old):
        # without a context the pair that was just made is at once the oldest
        pair = w % 4 if kept > 0 else oldest
        source = w // 4 + (oldest * top if kept == pairs and kept > 0 else 0)
        m1, r1, r2 = _counts(source, pairs)
        d1 = 1 if old == 4 and oldest < 2 else 0
        e1 = oldest if d1 == 1 else 0
        e2 = oldest - 2 if old == 4 and oldest >= 2 else 0
        for n1 in range(before + 1):
            for s1 in range(n1 + 1):
                for s2 in range(before - n1 + 1):
                    j = place(before, n1, s1, s2)
                    if weight[source, j] > 0.0:
                        p = _pair_probability(pair, laws[source, j], t, n1 + m1, s1 + r1, s2 + r2, world)
                        after[w, place(t + 1 - kept, n1 + d1, s1 + e1, s2 + e2)] += weight[source, j] * p


def imitation_gap(
    agent: str, horizon: int, *, histories: Sequence[int] | None = None, prior: Any = UNIFORM, device: str = "cpu"
) -> xr.Dataset:
    """Return the regret of perfect imitators of an agent that see the last h pulls only.

    Parameters
    ----------
    agent : "thompson", "ucb1", "greedy" or "bayes-optimal"
        The teacher; the last is the optimal agent of this horizon.
    horizon : int
        Pulls, T.
    histories : sequence of int, optional
        h, how many pairs of arm and reward the imitator sees; default: 0, ..., T - 1 as far as memory allows.
    prior : ((a1, b1), (a2, b2))
        Whole numbers of the Beta priors: the law of the arms in training and in play.

    Returns
    -------
    Dataset
        ``teacher_regret`` (step), ``regret`` and ``gap`` (history, step); step counts pulls made, 0, ..., T.

    Raises
    ------
    ProblemError
        For an unknown agent, other than two arms, or a history that needs more than `MOST_STATES` states.
    """
    where = "imitation_gap"
    agent_of(agent, EXACT, where=where)
    pulls = horizon_of(horizon, where=where, most=MOST_PULLS)
    two_armed(prior, where=where)
    wanted = _histories(histories, pulls)
    beliefs = prior_of(prior, where=where, arms=2)
    tables = optimal(pulls, prior)[1] if agent == "bayes-optimal" else [np.zeros(1, np.int8)] * pulls
    rewards = [_rewards(CODES[agent], pulls, h, beliefs, tables, device) for h in wanted]
    best = expected_best(prior) * np.arange(pulls + 1)
    regrets = [[best - np.concatenate([[0.0], np.cumsum(r)]) for r in both] for both in rewards]
    teacher, students = regrets[0][0], np.array([student for _, student in regrets])
    gaps = np.array([student - own for own, student in regrets])
    label = {"units": "1", "symbol": "R"}
    data = {
        "teacher_regret": ("step", teacher, label | {"long_name": "regret of the teacher"}),
        "regret": (("history", "step"), students, label | {"long_name": "regret of the imitator"}),
        "gap": (("history", "step"), gaps, label | {"long_name": "imitation gap"}),
    }
    return xr.Dataset(data, coords={"history": wanted, "step": np.arange(pulls + 1)}, attrs={"agent": agent})


def _size(horizon: int, history: int) -> int:
    """Return the largest number of states held at one time."""
    return max(int(4 ** min(t, history)) * states(t - min(t, history)) for t in range(horizon))


def _histories(histories: Sequence[int] | None, horizon: int) -> list[int]:
    if histories is None:
        return [h for h in range(min(horizon, 12)) if _size(horizon, h) <= MOST_STATES]
    wanted = [whole(h, "histories", where="imitation_gap", least=0) for h in histories]
    for h in wanted:
        if h > 30 or _size(horizon, h) > MOST_STATES:
            raise ProblemError(
                f"imitation_gap: `histories` must need at most {MOST_STATES} states, got {h} pulls of {horizon}"
            )
    if not wanted:
        raise ProblemError("imitation_gap: `histories` must hold a whole number, got none")
    return wanted


def _rewards(
    agent: int, horizon: int, history: int, prior: NDArray[np.int64], tables: Sequence[NDArray[np.int8]], device: str
) -> tuple[Array, Array]:
    """Return the expected rewards of each pull of the teacher and of the imitator."""
    world = chances_of(prior, None)
    gains = np.zeros((2, horizon))
    weights = [np.ones((1, 1)), np.ones((1, 1))]
    for t in range(horizon):
        pairs, kept = min(t, history), min(t + 1, history)
        contexts, count = 4**pairs, states(t - pairs)
        laws, mean, gain = np.empty((contexts, count)), np.empty(contexts), np.empty(contexts)
        foreach(consult, contexts, t, pairs, agent, prior, tables[t], weights[0], laws, mean, device=device)
        for who in range(2):
            if who == 1:
                laws = np.ascontiguousarray(np.broadcast_to(mean[:, None], laws.shape))
            foreach(reward, contexts, t, pairs, world, weights[who], laws, gain, device=device)
            gains[who, t] = gain.sum()
            if t + 1 < horizon:
                after = np.empty((4**kept, states(t + 1 - kept)))
                foreach(slide, 4**kept, t, pairs, kept, world, weights[who], laws, after, device=device)
                weights[who] = after
    return gains[0], gains[1]
