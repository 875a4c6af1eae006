"""Optimizers as ensembles: exact moments, closed laws, the networks of `ts.train`, the same bits however many paths."""

from __future__ import annotations

import numpy as np
import pytest

import theorysim as ts
from theorysim import sde
from theorysim.errors import ProblemError
from theorysim.sde import moments
from theorysim.sde.moments import Run

X = np.array([[1, 0], [0, 1], [1, 1], [1, -1.0]])
Y = np.array([1, 0, 2, 1.0])
SQUARES = sde.least_squares(X, Y)
START = [0.3, -0.2]
PATHS = 20_000


def sgd(eta: float, batch: int | None = 1, **more: object) -> ts.SGD:
    return ts.SGD(learning_rate=eta, batch=batch, sampling="replacement", **more)


def z_of(values: np.ndarray, wanted: float) -> float:
    return float((values.mean() - wanted) / (values.std(ddof=1) / np.sqrt(values.size)))


EXACT = {
    "replacement": sgd(0.1, 2),
    "heavy ball": ts.SGD(learning_rate=0.2, batch=2, momentum=0.5),
    "Nesterov": sgd(0.1, 1, momentum=0.5, nesterov=True),
    "zeroth order": sde.SPSA(learning_rate=0.05, probes=2),
}


@pytest.mark.parametrize("name", EXACT)
def test_exact_moments(name):
    exact = moments.exact(Run(sde.from_optimizer(SQUARES, EXACT[name]), START, 20, record=[5, 20]))
    runs = sde.run_algorithm(
        SQUARES, EXACT[name], START, 20, paths=PATHS, seed=1, record=[5, 20], keep=("loss", "position")
    )
    for k in range(2):
        assert abs(z_of(runs["loss"].values[k], float(exact["loss"][k]))) < 4.0
        assert abs(z_of(runs["position"].values[k, 1], float(exact["mean"][k, 1]))) < 4.0
    assert abs(z_of(runs["loss"].values[1], 1.1 * float(exact["loss"][1]))) > 4.0  # it would have been seen


@pytest.mark.parametrize(("factor", "wanted"), [(1, 0.3212379590), (2, 0.3345090197), (4, 0.3411233381)])
def test_svag_of_sgd(factor, wanted):
    objective = sde.quadratic(1.0, covariance=0.25, multiplicative=1.0)
    runs = sde.run_algorithm(objective, sgd(0.1), 1.5, 10, paths=60_000, seed=3, record=[10], svag=factor)
    assert abs(z_of(2.0 * runs["loss"].values[0], wanted)) < 4.0


def test_svag_leaves_the_equation_alone():
    o = sde.quadratic(1.0, covariance=1.0)
    adaptive = ts.Adam(learning_rate=0.1, batch=1, beta1=0.6, beta2=0.8, epsilon=0.3)
    for optimizer in (adaptive, sde.RMSprop(learning_rate=0.1, batch=1, beta=0.8, epsilon=0.3)):
        fine, weights, repeat = sde.algorithms.refined(optimizer, 3)
        old, new = (sde.simulated(o, one).parameters() for one in (optimizer, fine))
        assert repeat == 9 and new["clock"] * repeat == pytest.approx(old["clock"])
        assert sum(weights) == pytest.approx(1.0) and np.square(weights).sum() == pytest.approx(9.0)
        assert new["sigma0"] * 3.0 == pytest.approx(old["sigma0"])  # the noise is 3 times as strong
        for name in ("epsilon0", "c2"):
            assert new[name] == pytest.approx(old[name])
    fine, weights, repeat = sde.algorithms.refined(sgd(0.04, momentum=0.5), 3)
    old, new = (sde.simulated(o, one).parameters() for one in (sgd(0.04, momentum=0.5), fine))
    assert new["m"] == pytest.approx(old["m"]) and new["clock"] * repeat == pytest.approx(old["clock"])
    assert new["noise"] ** 2 * np.square(weights).sum() == pytest.approx(old["noise"] ** 2)


DATA = ts.data.digits(train=60, test=0, labels="one-hot")
NETWORK = ts.MLP(depth=1, width=8, activation="tanh", parameterization="mup", gamma0=1.0, bias_std=0.1)
OPTIMIZERS = {
    "subset": ts.SGD(learning_rate=0.5, batch=10),
    "replacement": sgd(0.5, 10, momentum=0.5),
    "epochs": ts.SGD(
        learning_rate=0.2, batch=7, sampling="epochs", momentum=0.8, nesterov=True, schedule=ts.Cosine(warmup=5)
    ),
}


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_networks_are_those_of_train(name):
    objective = sde.network(DATA, NETWORK, "cross-entropy")
    training = ts.Training(
        data=DATA, network=NETWORK, optimizer=OPTIMIZERS[name], steps=30, loss="cross-entropy", record=(0, 10, 30)
    )
    trained = ts.train(training, replicas=3, seed=4)["train_loss"].values
    start = sde.initial_states(objective, seed=4, paths=3)
    runs = sde.run_algorithm(objective, OPTIMIZERS[name], start, 30, paths=3, seed=4, record=[0, 10, 30])
    np.testing.assert_allclose(runs["loss"].values, trained, rtol=1e-12)


def test_paths_are_the_same_however_many():
    objective = sde.network(DATA, NETWORK, "cross-entropy")
    start = sde.initial_states(objective, seed=4, paths=40)
    many = sde.run_algorithm(objective, OPTIMIZERS["subset"], start, 5, paths=40, seed=4, record=[5])
    few = sde.run_algorithm(
        objective, OPTIMIZERS["subset"], start[18:23], 5, paths=5, seed=4, record=[5], first_path=18
    )
    np.testing.assert_array_equal(many["loss"].values[:, 18:23], few["loss"].values)
    np.testing.assert_array_equal(few["replica"], np.arange(18, 23))


def test_adaptive_rules_step_by_step():
    o = sde.linear_model((X, Y), intercept=False)
    adam = ts.Adam(learning_rate=0.1, beta1=0.7, beta2=0.8, epsilon=0.01, weight_decay=0.3)
    x, m, v = np.array(START), 0.0, 0.0
    for k in range(4):
        g = o.gradient(x[None])[0]
        m, v = 0.7 * m + 0.3 * g, 0.8 * v + 0.2 * g * g
        root = np.sqrt(v / (1.0 - 0.8 ** (k + 1))) + 0.01
        x = (1.0 - 0.03) * x - 0.1 * m / (1.0 - 0.7 ** (k + 1)) / root
    np.testing.assert_allclose(last(o, adam), x, rtol=1e-13)
    for first in (False, True):
        x, v = np.array(START), 2.0
        for _ in range(4):
            g = o.gradient(x[None])[0]
            new = 0.8 * v + 0.2 * g * g
            x, v = x - 0.1 * g / (np.sqrt(new if first else v) + 0.01), new
        rule = sde.RMSprop(learning_rate=0.1, beta=0.8, epsilon=0.01, v_first=first, initial_square=2.0)
        np.testing.assert_allclose(last(o, rule), x, rtol=1e-13)
    x = np.array(START)
    for _ in range(4):
        x = x - 0.1 * np.sign(o.gradient(x[None])[0])
    np.testing.assert_allclose(last(o, sde.SignSGD(learning_rate=0.1)), x, rtol=1e-13)


def last(objective: sde.FiniteSum, optimizer: object) -> np.ndarray:
    runs = sde.run_algorithm(objective, optimizer, START, 4, paths=2, seed=0, record=[4], keep=("position",))
    return runs["position"].values[0, :, 0]


def test_langevin_reaches_its_temperature():
    eta, objective = 0.2, sde.quadratic(1.0)
    runs = sde.run_algorithm(
        objective,
        sde.SGLD(learning_rate=eta, temperature=0.7),
        1.0,
        5,
        paths=PATHS,
        seed=2,
        record=[5],
        keep=("position",),
    )
    decay = (1.0 - eta) ** 2
    wanted = decay**5 + 2.0 * eta * 0.7 * (1.0 - decay**5) / (1.0 - decay)
    assert abs(z_of(runs["position"].values[0, 0] ** 2, wanted)) < 4.0


def test_local_sgd_between_one_worker_and_one_step():
    alone = sde.LocalSGD(learning_rate=0.1, workers=1, local_steps=4, batch=2, sampling="replacement")
    same = sde.run_algorithm(SQUARES, sgd(0.1, 2), START, 9, paths=3, seed=5)
    np.testing.assert_array_equal(sde.run_algorithm(SQUARES, alone, START, 9, paths=3, seed=5)["loss"], same["loss"])
    together = sde.LocalSGD(learning_rate=0.1, workers=3, local_steps=1, batch=1, sampling="replacement")
    exact = moments.exact(Run(sde.from_optimizer(SQUARES, sgd(0.1, 3)), START, 10, record=[10]))
    runs = sde.run_algorithm(SQUARES, together, START, 10, paths=PATHS, seed=6, record=[10])
    assert abs(z_of(runs["loss"].values[0], float(exact["loss"][0]))) < 4.0


def test_heavy_tails_have_their_characteristic_function():
    eta, alpha, scale, steps = 0.1, 1.5, 1.2, 10
    optimizer = sde.HeavyTailedSGD(learning_rate=eta, alpha=alpha, scale=scale)
    runs = sde.run_algorithm(
        sde.quadratic(1.0), optimizer, 1.0, steps, paths=PATHS, seed=7, record=[steps], keep=("position",)
    )
    decay = 1.0 - eta
    exponent = (eta * scale) ** alpha * sum(decay ** (alpha * j) for j in range(steps))
    found = np.cos(runs["position"].values[0, 0])
    assert abs(z_of(found, np.cos(decay**steps) * np.exp(-exponent))) < 4.0
    assert abs(z_of(found, np.cos(decay**steps) * np.exp(-1.2 * exponent))) > 4.0


def test_label_noise_flattens():
    """Case J: u^2 - v^2 shrinks by 1 - eta^2 r^2 a step."""
    objective, eta = sde.matrix_factorisation([[1.0]], 1), 0.1
    optimizer = sde.LabelNoiseSGD(learning_rate=eta, delta=0.5)
    runs = sde.run_algorithm(
        objective, optimizer, [2.0, 0.5], 200, paths=4000, seed=8, record=[200], keep=("position",)
    )
    u, v = runs["position"].values[0]
    assert abs(z_of(u * u - v * v, 2.0466)) < 4.0
    assert abs(z_of(u * u - v * v, 2.274489974)) > 4.0  # the flow of eta -> 0


def test_smoothing_does_not_matter_on_quadratics():
    both = [
        sde.run_algorithm(SQUARES, sde.SPSA(learning_rate=0.05, smoothing=mu, batch=2), START, 6, paths=4, seed=9)[
            "loss"
        ]
        for mu in (None, 0.1)
    ]
    np.testing.assert_allclose(both[0], both[1], rtol=1e-10)


def run(optimizer: object = None, start: object = START, steps: int = 3, **more: object) -> None:
    options = {"paths": 2, "seed": 0} | more
    sde.run_algorithm(SQUARES, sgd(0.1) if optimizer is None else optimizer, start, steps, **options)


WRONG = [
    (lambda: sde.run_algorithm(3.0, sgd(0.1), START, 3, paths=2, seed=0), "`objective` must be made by"),
    (lambda: run(3.0), "`optimizer` must be one of SGD, Adam"),
    (lambda: run(sgd(0.1, weight_decay=0.1)), "no ridge or weight decay"),
    (lambda: run(ts.SGD(learning_rate=0.1, batch=5)), "`batch` must be at most 4"),
    (lambda: run(start=[1.0]), "`start` must hold 2"),
    (lambda: run(steps=0), "`steps` must be a whole number"),
    (lambda: run(record=[2, 1]), "`record` must hold ascending"),
    (lambda: run(paths=0), "`paths` must be a whole number"),
    (lambda: run(keep=("speed",)), "`keep` must hold"),
    (lambda: run(svag=0), "`svag` must be a whole number"),
    (lambda: run(sde.SignSGD(learning_rate=0.1, batch=1), svag=2), "`svag` must be 1 for SignSGD"),
    (lambda: run(sde.HeavyTailedSGD(learning_rate=0.1, alpha=1.0, scale=1.0)), "`alpha` must be greater than 1"),
    (
        lambda: sde.run_algorithm(
            sde.quadratic(1.0), sde.LabelNoiseSGD(learning_rate=0.1, delta=1.0), 1.0, 3, paths=2, seed=0
        ),
        "for label noise",
    ),
]


@pytest.mark.parametrize(("make", "message"), WRONG)
def test_wrong_input_is_told(make, message):
    with pytest.raises(ProblemError, match=message):
        make()


def test_divergence_is_an_exception():
    with pytest.raises(FloatingPointError, match="diverges"):
        run(sgd(50.0), steps=3000)
