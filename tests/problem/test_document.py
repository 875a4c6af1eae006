"""A run as a document and back, exact to the bit; and documents that are wrong."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from theorysim.errors import ProblemError
from theorysim.problem import (
    GD,
    MLP,
    SGD,
    Adam,
    Cosine,
    Data,
    GradientFlow,
    Optimizer,
    PowerLaw,
    Training,
    Warmup,
    data,
)

DIGITS = data.digits(train=100, test=40, inputs="unit")
NET = MLP(depth=2, width=8)

DATA = [
    DIGITS,
    data.breast_cancer(train=10, test=5, inputs="standardized", split_seed=3),
    data.diabetes(train=10, test=5),
    data.file("some/where.csv", "y", train=10, test=2, labels="regression"),
    data.file("where.npy", -1),
    data.gaussian(dim=4, train=3, test=2, exponent=1.2, target_exponent=0.7, noise=0.1, seed=2**62),
    data.teacher(dim=4, train=3, test=2, width=(3, 2), depth=2, activation="erf", outputs=2),
    data.teacher(dim=4, train=3, test=2, activation={"name": "hermite", "degree": 3}),
    data.parity(dim=4, degree=2, train=3, test=0),
    data.arrays([[0.1, 1 / 3], [1e-300, -0.0]], [0.5, 2.0], [[1.0, 2.0]], [3.0]),
    data.arrays(np.arange(6).reshape(3, 2), ["b", "a", "b"], labels="one-hot"),
    data.arrays(np.float32([[0.1], [0.2]]), np.array([True, False])),
]
OPTIMIZERS = [
    SGD(learning_rate=0.1 + 0.2, batch=7, momentum=0.9, nesterov=True, sampling="epochs", ridge=1e-5),
    GD(learning_rate=5),
    Adam(learning_rate=1e-3, layer_rates=(1, 0.1, 2), bias_layer_rates=(1, 1, 0.5), batch=2, sampling="replacement"),
    SGD(learning_rate=1.0, schedule=Warmup(steps=2)),
    Adam(learning_rate=1.0, schedule=Cosine(final=0.1, warmup=1)),
    SGD(learning_rate=1.0, schedule=PowerLaw(exponent=1 / 3)),
    SGD(schedule=(0.1, 0.2, 1 / 3)),
]
NETWORKS = [
    NET,
    MLP(depth=1, width=4, activation={"name": "elu", "alpha": 0.1 + 0.2}),
    MLP(depth=1, width=4, activation={"name": "monomial", "degree": 3}),
    MLP(depth=1, width=4, activation={"name": "sign", "derivative": "zero"}),
    MLP(depth=1, width=4, activation={"name": "leaky_relu", "slope": 0.3}),
    NET.at_width(3),
    MLP(depth=2, width=8, parameterization="standard").at_width(3),
    MLP(depth=2, width=(5, 6), activation="leaky_relu", parameterization="mup", weight_std=(1, 2, 1 / 3), bias_std=0.1),
    MLP(depth=1, width=2, weight_rates=1 / 7, bias_std=0.0, bias_rates=(0.1, 0.2), initial_output="subtracted"),
]


def _both_ways(run: Training) -> None:
    assert Training.from_toml(run.to_toml()) == run
    assert Training.from_json(run.to_json()) == run
    assert Training.from_toml(run.to_toml()).to_json() == run.to_json()


@pytest.mark.parametrize("which", DATA, ids=lambda d: type(d).__name__)
def test_data(which: Data) -> None:
    _both_ways(Training(data=which, network=NET, optimizer=GD(learning_rate=1.0), steps=3))


@pytest.mark.parametrize("which", OPTIMIZERS)
def test_optimizers(which: Optimizer) -> None:
    _both_ways(Training(data=DIGITS, network=NET, optimizer=which, steps=3, record=(0, 3)))


@pytest.mark.parametrize("which", NETWORKS)
def test_networks(which: MLP) -> None:
    flow = GradientFlow(ridge=0.1, weight_decay=0.2, euler_step=0.5)
    _both_ways(Training(data=DIGITS, network=which, optimizer=flow, time=10.0, record=(0, 2.5, 10.0)))


reals = st.floats(min_value=5e-324, max_value=1.7e308)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(rate=reals, stds=st.tuples(reals, reals, reals), gamma0=reals, values=st.lists(reals, min_size=2, max_size=4))
def test_floats_to_the_bit(rate: float, stds: tuple[float, ...], gamma0: float, values: list[float]) -> None:
    run = Training(
        data=data.arrays(np.array(values)[:, None], values[::-1]),
        network=MLP(depth=2, width=3, parameterization="mup", gamma0=gamma0, weight_std=stds),
        optimizer=GD(learning_rate=rate),
        steps=1,
    )
    _both_ways(run)


def test_numpy_numbers_are_plain_numbers() -> None:
    plain = MLP(depth=2, width=8, weight_std=(1.0, 2.0, 3.0))
    assert MLP(depth=np.int64(2), width=np.int32(8), weight_std=np.array([1, 2, 3])) == plain
    assert SGD(learning_rate=np.float64(0.5), batch=np.int64(3)) == SGD(learning_rate=0.5, batch=3)
    assert type(SGD(learning_rate=np.float64(0.5)).learning_rate) is float


def test_large_arrays_are_recorded_by_shape_and_fingerprint() -> None:
    x = np.zeros((50_001, 2))
    x[:, 0] = np.arange(50_001)
    run = Training(data=data.arrays(x, x[:, 0]), network=NET, optimizer=GD(learning_rate=1.0), steps=3)
    content = json.loads(run.to_json())["data"]
    assert content["x"]["shape"] == [50_001, 2] and len(content["x"]["sha256"]) == 64
    assert len(content["y"]) == 50_001
    with pytest.raises(ProblemError, match=r"data: `x` must hold the numbers.*save it as an npz and use path="):
        Training.from_json(run.to_json())
    with pytest.raises(ProblemError, match=r"data: `x` must have at most 100000 numbers.*npz and use path="):
        run.to_toml()
    assert run.data != data.arrays(x + 1.0, x[:, 0])
    assert run.data == data.arrays(x.copy(), x[:, 0].copy()) and hash(run.data) == hash(data.arrays(x, x[:, 0]))


def test_arrays_do_not_follow_the_users_later_changes() -> None:
    x = np.ones((2, 2))
    mine = data.arrays(x, [1.0, 2.0])
    x[0] = 7.0
    assert mine.load().x_train.tolist() == [[1.0, 1.0], [1.0, 1.0]]


def test_data_path_is_relative_to_the_document(tmp_path: Path) -> None:
    (tmp_path / "mine.csv").write_text("a,b,y\n1,2,3.5\n4,5,6.5\n7,8,9.5\n")
    text = '[data]\npath = "mine.csv"\ntest = 1\n[network]\ndepth = 1\nwidth = 4\n'
    text += '[optimizer]\nname = "gd"\nlearning_rate = 1\n[training]\nsteps = 2\n'
    (tmp_path / "mine.toml").write_text(text)
    run = Training.read(tmp_path / "mine.toml")
    assert run.samples.x_train.shape == (2, 2) and run.describe().count("on mine.csv (2 train, 1 test)") == 1
    (tmp_path / "mine.json").write_text(run.to_json())
    assert Training.read(tmp_path / "mine.json") == run


def test_own_activation_is_named_and_cannot_be_read_back() -> None:
    from theorysim.equations.activations import custom

    swish = custom(lambda x: x * x * x, lambda x: 3 * x * x, name="cube")
    run = Training(
        data=DIGITS, network=MLP(depth=1, width=2, activation=swish), optimizer=GD(learning_rate=1.0), steps=1
    )
    assert "1-layer cube MLP" in run.describe() and "weight std 1," in run.describe()
    written = json.loads(run.to_json())["network"]["activation"]
    assert written["custom"] == "cube" and len(written["fingerprint"]) == 64
    for read, text in ((Training.from_json, run.to_json()), (Training.from_toml, run.to_toml())):
        with pytest.raises(
            ProblemError, match=r'`activation` must be built in .* got "cube", a function of the author'
        ):
            read(text)


GOOD = {
    "data": {"name": "digits", "train": 10, "test": 5},
    "network": {"depth": 1, "width": 4},
    "optimizer": {"name": "sgd", "learning_rate": 1.0},
    "training": {"steps": 3},
}
WRONG = [
    ({"optimiser": {}}, "problem: unknown key `optimiser` (did you mean \"optimizer\"?)"),
    ({"theory": "x"}, "problem: unknown key `theory`"),
    ({"data": None}, "problem: section [data] must be given, got None"),
    ({"training": 3}, "problem: section [training] must be given, got 3"),
    ({"data": {"train": 10}}, "data: `name` must be given, one of digits, breast_cancer"),
    ({"data": {"name": "digit", "train": 10, "test": 5}}, 'got "digit" (did you mean "digits"?)'),
    ({"data": {"name": 3}}, "data: `name` must be one of digits, breast_cancer, diabetes, arrays"),
    ({"data": {"name": "digits", "path": "x.csv"}}, "data: `name` must be left out where `path` is given"),
    ({"data": {"path": 3}}, "data: `path` must be text, got 3"),
    ({"data": {"path": "x.csv", "taget": "y"}}, 'data: unknown key `taget` (did you mean "target"?)'),
    ({"optimizer": {"learning_rate": 1.0}}, "optimizer: `name` must be given, one of sgd, gd, adam, gradient-flow"),
    ({"optimizer": {"name": "sdg", "learning_rate": 1.0}}, 'got "sdg" (did you mean "sgd"?)'),
    ({"optimizer": {"name": "gd", "learning_rate": 1.0, "batch": 5}}, "optimizer: `batch` must be left out for \"gd\""),
    ({"optimizer": {"name": "sgd", "learning_rate": 1.0, "schedule": {"name": "cosin"}}},
     'schedule: `name` must be one of warmup, cosine, power-law, constant; got "cosin" (did you mean "cosine"?)'),
    ({"optimizer": {"name": "sgd", "learning_rate": 1.0, "schedule": {"name": "warmup", "step": 3}}},
     'schedule: unknown key `step` (did you mean "steps"?)'),
    ({"training": {"steps": 3, "data": 1}}, "training: unknown key `data`"),
    ({"training": {"step": 3}}, 'training: unknown key `step` (did you mean "steps"?)'),
    ({"network": {"depth": 1, "width": 4, "width2": 4}}, 'network: unknown key `width2` (did you mean "width"?)'),
]  # fmt: skip


@pytest.mark.parametrize(("change", "message"), WRONG)
def test_wrong_documents(change: dict[str, object], message: str) -> None:
    with pytest.raises(ProblemError) as caught:
        Training.from_json(json.dumps({**GOOD, **change}))
    assert message in str(caught.value) and "\n" not in str(caught.value)


def test_wrong_syntax_names_the_place(tmp_path: Path) -> None:
    with pytest.raises(ProblemError, match=r"problem: the text must be TOML, got: .*line 2, column 9"):
        Training.from_toml("[data]\ntrain = \n")
    with pytest.raises(ProblemError, match=r"problem: the text must be JSON, got: .*line 1 column 2"):
        Training.from_json("{")
    with pytest.raises(ProblemError, match="must be a JSON object, got 3"):
        Training.from_json("3")
    with pytest.raises(ProblemError, match=r"the file must be readable, got .*none.toml"):
        Training.read(tmp_path / "none.toml")
    with pytest.raises(ProblemError, match=r"must end in .toml or .json"):
        Training.read(tmp_path / "none.yaml")


def test_constant_schedule_by_name() -> None:
    for schedule in ("constant", {"name": "constant"}):
        content = {**GOOD, "optimizer": {"name": "sgd", "learning_rate": 1.0, "schedule": schedule}}
        assert Training.from_json(json.dumps(content)) == Training.from_json(json.dumps(GOOD))
