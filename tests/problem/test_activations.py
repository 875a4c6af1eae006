"""Activations with parameters: factories, tables and names say the same, and documents keep them."""

from __future__ import annotations

import inspect
import math

import pytest

import theorysim as ts
from tests.activation_examples import ALL, PARAMETERS, example, table
from theorysim.equations.activations import NAMES
from theorysim.equations.activations import PARAMETERS as KNOWN
from theorysim.errors import ProblemError
from theorysim.problem import GD, MLP, Training, data
from theorysim.problem.network import ACTIVATION_NAMES, activation_of


def mlp(activation: object, **more: object) -> MLP:
    return MLP(depth=2, width=4, activation=activation, **more)


def test_the_names_known_without_a_compiler_are_all_names() -> None:
    assert ACTIVATION_NAMES == NAMES


@pytest.mark.parametrize("name", sorted(name for name, known in KNOWN.items() if known))
def test_every_parameter_has_a_factory(name: str) -> None:
    factory = getattr(ts.activations, name)
    assert factory(**PARAMETERS[name]) == example(name)
    assert list(inspect.signature(factory).parameters) == list(KNOWN[name])
    for parameter, spec in KNOWN[name].items():
        given = inspect.signature(factory).parameters[parameter].default
        assert given == (inspect.Parameter.empty if spec.default is None and not spec.words else spec.default)


@pytest.mark.parametrize("name", ALL)
def test_tables_objects_and_documents_say_the_same(name: str) -> None:
    net = mlp(table(name))
    assert net == mlp(example(name)) and hash(net) == hash(mlp(example(name)))
    assert activation_of(net) is example(name)
    assert isinstance(net.activation, str) == (name not in PARAMETERS or name == "leaky_relu")
    assert net.at_width(8).activation == net.activation
    run = Training(data=data.gaussian(dim=3, train=4, test=2), network=net, optimizer=GD(learning_rate=0.1), steps=2)
    assert Training.from_toml(run.to_toml()) == run and Training.from_json(run.to_json()) == run
    assert name.replace("_", " ") in run.describe()


def test_default_parameters_are_the_name_alone() -> None:
    for same in ({"name": "elu"}, {"name": "elu", "alpha": 1}, ts.activations.elu(), ts.activations.elu(1.0)):
        assert mlp(same) == mlp("elu")
    assert mlp({"name": "sin", "phase": 0.0}) == mlp("sin") != mlp({"name": "sin", "phase": 0.1})
    assert mlp({"name": "leaky_relu"}) == mlp("leaky_relu")


def test_leaky_relu_keeps_its_field() -> None:
    net = mlp("leaky_relu", slope=0.1)
    assert net.activation == "leaky_relu" and net.slope == 0.1
    assert net == mlp({"name": "leaky_relu", "slope": 0.1}) == mlp(ts.activations.leaky_relu(0.1))
    assert mlp(ts.activations.abrelu(0.1, 1.0)).default_weight_std == pytest.approx(net.default_weight_std)
    assert mlp(ts.activations.abrelu(0.0, 0.0)).default_weight_std == 1.0


def test_descriptions_show_parameters() -> None:
    assert repr(ts.activations.sin(2.0)) == "Activation(sin, rate=2.0, phase=0.0)"
    run = Training(
        data=data.gaussian(dim=3, train=4, test=2), network=mlp(table("exp")), optimizer=GD(learning_rate=0.1), steps=2
    )
    assert "2-layer exp (scale 0.7, rate 0.5) MLP" in run.describe()


def test_a_teacher_takes_them_too() -> None:
    teachers = [data.teacher(dim=3, train=5, test=0, seed=4, activation=a) for a in (table("monomial"), "linear")]
    cubed, plain = (teacher.load().y_train for teacher in teachers)
    weight = (cubed / plain**3)[0, 0]
    assert cubed == pytest.approx(weight * plain**3) and math.isfinite(weight)
    with pytest.raises(ProblemError, match="`activation` must be built in, got"):
        data.teacher(dim=3, train=5, test=0, activation=ts.activation(lambda x: x * x, lambda x: 2 * x, "my"))
