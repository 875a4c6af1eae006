"""Wrong problems, each with the line that its author reads: part, field, requirement, value, nearest name."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from theorysim.errors import ProblemError
from theorysim.problem import GD, MLP, SGD, Adam, Cosine, GradientFlow, PowerLaw, Training, Warmup, data

NAN, INF = float("nan"), float("inf")
NAMES = (
    "relu, leaky_relu, abs, erf, gelu, sin, cos, linear, quadratic, tanh, sigmoid, softplus, silu, swish, mish, elu, "
    "selu, abrelu, sign, step, rectified_monomial, monomial, hermite, exp, rbf, gaussian, gabor"
)


def mlp(**given: Any) -> MLP:
    return MLP(**{"depth": 2, "width": 8, **given})


def sgd(**given: Any) -> SGD:
    return SGD(**{"learning_rate": 0.1, **given})


def adam(**given: Any) -> Adam:
    return Adam(**{"learning_rate": 0.1, **given})


def digits(**given: Any) -> Any:
    return data.digits(**{"train": 50, "test": 20, **given})


def run(**given: Any) -> Training:
    return Training(**{"data": digits(), "network": mlp(), "optimizer": sgd(), "steps": 10, **given})


def flow(**given: Any) -> Training:
    return Training(**{"data": digits(), "network": mlp(), "optimizer": GradientFlow(), "time": 1.0, **given})


X, Y = [[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]], [1.0, 2.0, 3.5]
Case = tuple[Callable[[], object], str]
WHOLE_WIDTH = "network: `width` must be a whole number from 1 to 10000000, got "

NETWORK: list[Case] = [
    (lambda: mlp(activation="rleu"),
     f'network: `activation` must be one of {NAMES}; got "rleu" (did you mean "relu"?)'),
    (lambda: mlp(activation="my9"), f'network: `activation` must be one of {NAMES}; got "my9"'),
    (lambda: mlp(activation="monomial"),
     "network: `activation` monomial must be given its `degree`, a whole number from 1 to 20"),
    (lambda: mlp(activation={"name": "monomial", "degree": 0}),
     "network: `activation` monomial must have as `degree` a whole number from 1 to 20, got 0"),
    (lambda: mlp(activation={"name": "elu", "alfa": 1.0}),
     'network: `activation` elu takes `alpha`, got `alfa` (did you mean "alpha"?)'),
    (lambda: mlp(activation={"name": "rleu"}),
     f'network: `activation` table\'s `name` must be one of {NAMES}; got "rleu" (did you mean "relu"?)'),
    (lambda: mlp(activation={"degree": 3}), f"network: `activation` table's `name` must be one of {NAMES}; got None"),
    (lambda: mlp(activation={"name": "leaky_relu", "slope": 0.1}, slope=0.2),
     'network: `slope` must be left out unless activation = "leaky_relu", got 0.2'),
    (lambda: mlp(activation=3), "network: `activation` must be a name or made by activation(f, df, name=...), got 3"),
    (lambda: mlp(activation=np.ones((2, 2))), "network: `activation` must be a name or made by"),
    (lambda: mlp(parameterization="MUP"),
     'network: `parameterization` must be one of ntk, standard, mup; got "MUP" (did you mean "mup"?)'),
    (lambda: mlp(parameterization=1), "network: `parameterization` must be one of ntk, standard, mup; got 1"),
    (lambda: mlp(initial_output="zero"),
     'network: `initial_output` must be one of random, subtracted; got "zero"'),
    (lambda: mlp(actvation="relu"), 'network: unknown key `actvation` (did you mean "activation"?)'),
    (lambda: mlp(zzz=1), "network: unknown key `zzz` (known: depth, width, activation, parameterization, gamma0, "
     "weight_std, bias_std, weight_rates, bias_rates, slope, initial_output, rates_width)"),
    (lambda: MLP(depth=2), "network: `width` must be given"),
    (lambda: mlp(depth=0), "network: `depth` must be at least 1, got 0"),
    (lambda: mlp(depth=-3), "network: `depth` must be at least 1, got -3"),
    (lambda: mlp(depth=2.5), "network: `depth` must be a whole number, got 2.5"),
    (lambda: mlp(depth=True), "network: `depth` must be a whole number, got True"),
    (lambda: mlp(depth="2"), 'network: `depth` must be a whole number, got "2"'),
    (lambda: mlp(depth=None), "network: `depth` must be a whole number, got None"),
    (lambda: mlp(depth=10_001), "network: `depth` must be at most 10000, got 10001"),
    (lambda: mlp(width=0), WHOLE_WIDTH + "0"),
    (lambda: mlp(width=-1), WHOLE_WIDTH + "-1"),
    (lambda: mlp(width=10**8), WHOLE_WIDTH + "100000000"),
    (lambda: mlp(width=8.0), WHOLE_WIDTH + "8.0"),
    (lambda: mlp(width=INF), WHOLE_WIDTH + "inf"),
    (lambda: mlp(width="wide"), WHOLE_WIDTH + '"wide"'),
    (lambda: mlp(width=[8, 0]), WHOLE_WIDTH + "0"),
    (lambda: mlp(width=[]), "network: `width` must be one number or 2 (one for each hidden layer), got 0"),
    (lambda: mlp(width=(8, 8, 8)), "network: `width` must be one number or 2 (one for each hidden layer), got 3"),
    (lambda: mlp(gamma0=1.0), 'network: `gamma0` must be left out unless parameterization = "mup", got 1.0 with "ntk"'),
    (lambda: mlp(gamma0=0.5, parameterization="standard"),
     'network: `gamma0` must be left out unless parameterization = "mup", got 0.5 with "standard"'),
    (lambda: mlp(gamma0=-1.0, parameterization="mup"), "network: `gamma0` must be at least 0, got -1.0"),
    (lambda: mlp(gamma0=NAN, parameterization="mup"), "network: `gamma0` must be finite, got nan"),
    (lambda: mlp(weight_std=-1.0), "network: `weight_std` must be finite and at least 0, got -1.0"),
    (lambda: mlp(weight_std=NAN), "network: `weight_std` must be finite and at least 0, got nan"),
    (lambda: mlp(weight_std="he"), 'network: `weight_std` must be a number, or one number for each layer, got "he"'),
    (lambda: mlp(weight_std=(1, 2)),
     "network: `weight_std` must be one number or 3 (hidden layers and readout), got 2"),
    (lambda: mlp(weight_std=(1, None, 2)),
     "network: `weight_std` must be a number, or one number for each layer, got None"),
    (lambda: mlp(weight_std=10**400), "network: `weight_std` must be finite and at least 0, got 1000000"),
    (lambda: mlp(bias_std=INF), "network: `bias_std` must be finite and at least 0, got inf"),
    (lambda: mlp(bias_std=(0.1, -0.1, 0)), "network: `bias_std` must be finite and at least 0, got -0.1"),
    (lambda: mlp(bias_std=True), "network: `bias_std` must be a number, or one number for each layer, got True"),
    (lambda: mlp(weight_rates=[1, 2, 3, 4]),
     "network: `weight_rates` must be one number or 3 (hidden layers and readout), got 4"),
    (lambda: mlp(weight_rates=-1), "network: `weight_rates` must be finite and at least 0, got -1"),
    (lambda: mlp(bias_rates=1.0),
     "network: `bias_rates` must come with `bias_std` (0.0: biases start at 0), got no `bias_std`"),
    (lambda: mlp(slope=0.1), 'network: `slope` must be left out unless activation = "leaky_relu", got 0.1'),
    (lambda: mlp(slope=NAN, activation="leaky_relu"), "network: `slope` must be finite, got nan"),
    (lambda: mlp(rates_width=4), "network: `rates_width` must be left out unless parameterization = "
     '"standard" without `weight_rates`, got 4'),
    (lambda: mlp().layers(inputs=0, outputs=1), "network: it must have inputs and outputs, got 0 and 1"),
]  # fmt: skip

OPTIMIZER: list[Case] = [
    (lambda: SGD(learning_rat=1.0), 'optimizer: unknown key `learning_rat` (did you mean "learning_rate"?)'),
    (lambda: SGD(), "optimizer: `learning_rate` must be given"),
    (lambda: sgd(learning_rate=0.0), "optimizer: `learning_rate` must be positive, got 0.0"),
    (lambda: sgd(learning_rate=-1), "optimizer: `learning_rate` must be positive, got -1"),
    (lambda: sgd(learning_rate=NAN), "optimizer: `learning_rate` must be finite, got nan"),
    (lambda: sgd(learning_rate=INF), "optimizer: `learning_rate` must be finite, got inf"),
    (lambda: sgd(learning_rate="0.1"), 'optimizer: `learning_rate` must be a number, got "0.1"'),
    (lambda: sgd(learning_rate=[0.1]), "optimizer: `learning_rate` must be a number, got (0.1,)"),
    (lambda: sgd(learning_rate=np.array(1j)), "optimizer: `learning_rate` must be a number, got 1j"),
    (lambda: sgd(batch=0), "optimizer: `batch` must be at least 1, got 0"),
    (lambda: sgd(batch=2.5), "optimizer: `batch` must be a whole number, got 2.5"),
    (lambda: sgd(momentum=1.0), "optimizer: `momentum` must be less than 1, got 1.0"),
    (lambda: sgd(momentum=-0.1), "optimizer: `momentum` must be at least 0, got -0.1"),
    (lambda: sgd(nesterov=True), "optimizer: `nesterov` must have `momentum` above 0, got momentum 0.0"),
    (lambda: sgd(nesterov=1, momentum=0.9), "optimizer: `nesterov` must be true or false, got 1"),
    (lambda: sgd(sampling="epoch"),
     'optimizer: `sampling` must be one of subset, replacement, epochs; got "epoch" (did you mean "epochs"?)'),
    (lambda: sgd(ridge=-1e-9), "optimizer: `ridge` must be at least 0, got -1e-09"),
    (lambda: sgd(weight_decay=-1.0), "optimizer: `weight_decay` must be at least 0, got -1.0"),
    (lambda: sgd(schedule="cosine"),
     'optimizer: `schedule` must be Warmup, Cosine, PowerLaw or an array of step sizes, got "cosine"'),
    (lambda: SGD(schedule=[0.1, -0.2]),
     "optimizer: `schedule` must hold finite step sizes of at least 0, got -0.2 at step 1"),
    (lambda: SGD(schedule=[0.1, NAN]),
     "optimizer: `schedule` must hold finite step sizes of at least 0, got nan at step 1"),
    (lambda: SGD(schedule=[0.1, "b"]),
     'optimizer: `schedule` must hold finite step sizes of at least 0, got "b" at step 1'),
    (lambda: SGD(schedule=[0.0, 0.0]), "optimizer: `schedule` must hold at least one positive step size"),
    (lambda: SGD(schedule=[]), "optimizer: `schedule` must hold at least one positive step size"),
    (lambda: sgd(schedule=[0.1, 0.2]), "optimizer: `learning_rate` must be left out when `schedule` is an array of "
     "step sizes, got 0.1 (largest step size 0.2)"),
    (lambda: GD(learning_rate=-2.0), "optimizer: `learning_rate` must be positive, got -2.0"),
    (lambda: GradientFlow(ridge=NAN), "optimizer: `ridge` must be finite, got nan"),
    (lambda: GradientFlow(euler_step=0.0), "optimizer: `euler_step` must be positive, got 0.0"),
    (lambda: GradientFlow(learning_rate=1.0), "optimizer: unknown key `learning_rate` (known: ridge, weight_decay,"),
    (lambda: adam(beta1=1.0), "optimizer: `beta1` must be less than 1, got 1.0"),
    (lambda: adam(epsilon=0.0), "optimizer: `epsilon` must be positive, got 0.0"),
    (lambda: adam(momentum=0.9), "optimizer: unknown key `momentum` (known: learning_rate, beta1,"),
    (lambda: adam(ridge=0.1), "optimizer: unknown key `ridge`"),
    (lambda: adam(layer_rates=2.0), "optimizer: `layer_rates` must be a list of one number for each layer, got 2.0"),
    (lambda: Warmup(steps=0), "schedule: `steps` must be at least 1, got 0"),
    (lambda: Cosine(final=-0.1), "schedule: `final` must be at least 0, got -0.1"),
    (lambda: PowerLaw(exponent=0.5, offset=0.0), "schedule: `offset` must be positive, got 0.0"),
    (lambda: PowerLaw(), "schedule: `exponent` must be given"),
]  # fmt: skip

TRAINING: list[Case] = [
    (lambda: run(data="digits"),
     'training: `data` must be made by data.digits(...), data.arrays(...) or another of `data`, got "digits"'),
    (lambda: run(network=None), "training: `network` must be made by MLP(...), got None"),
    (lambda: run(optimizer="sgd"),
     'training: `optimizer` must be made by SGD(...), GD(...), Adam(...) or GradientFlow(...), got "sgd"'),
    (lambda: run(steps=None), "training: `steps` must be given for SGD, and `time` left out, got no `steps`"),
    (lambda: run(time=1.0), "training: `steps` must be given for SGD, and `time` left out, got `time` = 1.0"),
    (lambda: flow(time=None), "training: `time` must be given for gradient flow, and `steps` left out, got no `time`"),
    (lambda: flow(steps=3), "training: `time` must be given for gradient flow, and `steps` left out, got `steps` = 3"),
    (lambda: run(steps=0), "training: `steps` must be at least 1, got 0"),
    (lambda: run(steps=1e3), "training: `steps` must be a whole number, got 1000.0"),
    (lambda: run(steps=2 * 10**9), "training: `steps` must be at most 1000000000, got 2000000000"),
    (lambda: run(steps=10**30), "training: `steps` must be"),
    (lambda: flow(time=0.0), "training: `time` must be positive, got 0.0"),
    (lambda: flow(time=INF), "training: `time` must be finite, got inf"),
    (lambda: run(loss="l2"), 'training: `loss` must be one of mse, cross-entropy; got "l2"'),
    (lambda: run(loss="crossentropy"),
     'training: `loss` must be one of mse, cross-entropy; got "crossentropy" (did you mean "cross-entropy"?)'),
    (lambda: run(loss="cross-entropy"), 'training: `loss` must be "mse" unless data has labels = "one-hot"; '
     'got "cross-entropy" with labels "one-hot-centred"'),
    (lambda: run(loss="cross-entropy", data=data.diabetes(train=5, test=5)),
     'got "cross-entropy" with labels "regression"'),
    (lambda: run(loss="cross-entropy", data=data.file("x.csv")), 'got "cross-entropy" with no labels given'),
    (lambda: run(record=[]), "training: `record` must be a list of steps or times, got ()"),
    (lambda: run(record=5), "training: `record` must be a list of steps or times, got 5"),
    (lambda: run(record=[0, 5, 5]), "training: `record` must be in increasing order, got 5 after 5"),
    (lambda: run(record=[-1, 5]), "training: `record` must hold finite numbers of at least 0, got -1"),
    (lambda: run(record=[0, 11]), "training: `record` must stay within 0 and `steps` = 10, got 11"),
    (lambda: run(record=[0, 1.5]), "training: `record` must hold whole steps, got 1.5"),
    (lambda: flow(record=[0.0, NAN]), "training: `record` must hold finite numbers of at least 0, got nan"),
    (lambda: flow(record=[0.0, 1.5]), "training: `record` must stay within 0 and `time` = 1.0, got 1.5"),
    (lambda: flow(optimizer=GradientFlow(euler_step=0.3)),
     "training: `time` must be a multiple of the optimizer's `euler_step` = 0.3, got 1.0"),
    (lambda: run(optimizer=sgd(batch=51)),
     "training: optimizer's `batch` must be at most the 50 training samples, got 51"),
    (lambda: run(optimizer=adam(batch=51)), "optimizer's `batch` must be at most the 50 training samples, got 51"),
    (lambda: run(optimizer=SGD(schedule=[0.1] * 9)),
     "training: optimizer's `schedule` must hold one step size for each of 10 steps, got 9"),
    (lambda: run(optimizer=sgd(schedule=Cosine(warmup=10))),
     "training: schedule's `warmup` must be below `steps` = 10, got 10"),
    (lambda: run(optimizer=sgd(schedule=Warmup(steps=11))),
     "training: schedule's warm-up must be at most `steps` = 10, got 11"),
    (lambda: run(optimizer=adam(), network=mlp(weight_rates=1.0)),
     "training: network's `weight_rates` must be left out with Adam (see its `layer_rates`), got 1.0"),
    (lambda: run(optimizer=adam(), network=mlp(bias_std=0.0, bias_rates=1.0)),
     "training: network's `bias_rates` must be left out with Adam (see its `layer_rates`), got 1.0"),
    (lambda: run(optimizer=adam(layer_rates=(1, 1))),
     "training: optimizer's `layer_rates` must be one number for each of 3 layers, got 2"),
    (lambda: run(data=data.gaussian(dim=2, train=100_000, test=100_000)),
     "training: data's `train` and `test` must allow a kernel of at most 68719476736 bytes, got "
     "100000 x 200000 numbers = 160000000000 bytes"),
    (lambda: run(stesp=3), 'training: unknown key `stesp` (did you mean "steps"?)'),
]  # fmt: skip

DATA: list[Case] = [
    (lambda: digits(train=1500, test=500), "data: `train` + `test` must be at most the 1797 rows of digits with "
     "`train` at least 1, got 1500 + 500 = 2000"),
    (lambda: digits(train=0), "data: `train` must be at least 1, got 0"),
    (lambda: digits(test=-1), "data: `test` must be at least 0, got -1"),
    (lambda: digits(train=10.0), "data: `train` must be a whole number, got 10.0"),
    (lambda: digits(labels="onehot"), "data: `labels` must be one of one-hot, one-hot-centred, sign, regression; "
     'got "onehot" (did you mean "one-hot"?)'),
    (lambda: digits(labels="sign"), 'data: `labels` must not be "sign" for digits, which has 10 classes; got "sign"'),
    (lambda: digits(inputs="standardised"),
     'data: `inputs` must be one of raw, unit, standardized; got "standardised" (did you mean "standardized"?)'),
    (lambda: digits(split_seed=-1), "data: `split_seed` must be at least 0, got -1"),
    (lambda: data.ShippedData(name="mnist", train=1, test=1),
     'data: `name` must be one of digits, breast_cancer, diabetes; got "mnist"'),
    (lambda: data.ShippedData(name="diabetes", train=1, test=1, labels="sign"),
     'data: `labels` must be "regression" for diabetes; got "sign"'),
    (lambda: data.file(""), 'data: `path` must be non-empty text, got ""'),
    (lambda: data.file("x.csv", 1.5), "data: `target` must be a column's name or index, got 1.5"),
    (lambda: data.gaussian(dim=0, train=1, test=1), "data: `dim` must be at least 1, got 0"),
    (lambda: data.gaussian(dim=10, train=10, test=1, noise=-0.1), "data: `noise` must be at least 0, got -0.1"),
    (lambda: data.gaussian(dim=10, train=10, test=1, exponent=NAN), "data: `exponent` must be finite, got nan"),
    (lambda: data.gaussian(dim=10**6, train=10**6, test=0), "data: the inputs must fit in 68719476736 bytes of "
     "memory, got 1000000 x 1000000 numbers = 8000000000000 bytes"),
    (lambda: data.teacher(dim=2, train=2, test=0, activation="rleu"),
     f'data: `activation` must be one of {NAMES}; got "rleu" (did you mean "relu"?)'),
    (lambda: data.teacher(dim=2, train=2, test=0, width=(3, 3)), "data: `width` must be one number or 1, got 2"),
    (lambda: data.teacher(dim=2, train=2, test=0, width=0), "data: `width` must be a whole number from 1 to"),
    (lambda: data.parity(dim=3, degree=4, train=1, test=1), "data: `degree` must be at most `dim` = 3, got 4"),
    (lambda: data.parity(dim=3, degree=1, train=1, test=1, seed=2**64), "data: `seed` must be"),
]  # fmt: skip

ARRAYS: list[Case] = [
    (lambda: data.arrays([1.0, 2.0], Y), "data: `x` must be numbers of shape (samples, inputs), got shape (2,)"),
    (lambda: data.arrays(None, Y), "data: `x` must hold numbers or class names, got dtype object"),
    (lambda: data.arrays([], []), "data: `x` must be numbers of shape (samples, inputs), got shape (0,)"),
    (lambda: data.arrays(np.zeros((0, 3)), []),
     "data: `x` must be numbers of shape (samples, inputs), got shape (0, 3)"),
    (lambda: data.arrays([["a"]], [1]), "data: `x` must be numbers of shape (samples, inputs), got shape (1, 1)"),
    (lambda: data.arrays(X, Y[:2]), "data: `x` and `y` must have the same number of samples, got 3 and 2"),
    (lambda: data.arrays(X, np.zeros((3, 1, 1))), "data: `y` must have shape (samples,) or (samples, outputs), got"),
    (lambda: data.arrays([[1.0, 2.0], [3.0]], Y), "data: `x` must be an array, got rows of different lengths"),
    (lambda: data.arrays([[1.0, NAN], [3.0, 4.0]], Y), "data: `x` must be finite, got nan at index [0, 1]"),
    (lambda: data.arrays(X, [1.0, INF, 2.0]), "data: `y` must be finite, got inf at index [1]"),
    (lambda: data.arrays(np.array([[object()]]), [1]), "data: `x` must hold numbers or class names, got dtype object"),
    (lambda: data.arrays([[1j], [2j]], [1, 2]), "data: `x` must hold numbers or class names, got dtype complex128"),
    (lambda: data.arrays(X, Y, X), "data: `x_test` and `y_test` must be given together, got only `x_test`"),
    (lambda: data.arrays(X, Y, y_test=Y), "data: `x_test` and `y_test` must be given together, got only `y_test`"),
    (lambda: data.arrays(X, Y, [[1.0]], [1.0]), "data: `x_test` must have 2 inputs as `x`, got 1"),
    (lambda: data.arrays(X, Y, X, np.zeros((3, 2))), "data: `y_test` must have the same outputs as `y`, got shapes"),
    (lambda: data.arrays(X, ["a", "b", "c"], X, [1, 2, 3]), "data: `y_test` must be of the kind of `y`, got text and"),
    (lambda: data.arrays(X, [1, 1, 1]), "data: the target must hold at least 2 classes, got only 1"),
    (lambda: data.arrays(X, [1, 2, 3], labels="sign"), 'data: labels = "sign" must have 2 classes, got 3'),
    (lambda: data.arrays(X, Y, labels="one-hot"),
     'data: `labels` must be "regression" for targets that are not whole numbers, got 3.5 among them'),
    (lambda: data.arrays(X, ["a", "b", "c"], labels="regression"),
     'data: labels = "regression" must have numbers as targets, got "a"'),
    (lambda: data.arrays(X, [[1, 1], [0, 1], [1, 0]], labels="one-hot"),
     'data: `y` must be classes or one-hot rows (or labels = "regression")'),
    (lambda: data.arrays([[0.0, 0.0], [1.0, 1.0]], [0, 1], inputs="unit"),
     'data: inputs = "unit" must have no zero rows, got one at training sample 0'),
    (lambda: data.arrays(np.arange(101)[:, None], np.arange(101)),
     "data: `labels` must be given: the target holds 101 different whole numbers"),
]  # fmt: skip


@pytest.mark.parametrize(("build", "message"), NETWORK + OPTIMIZER + TRAINING + DATA + ARRAYS)
def test_one_line(build: Callable[[], object], message: str) -> None:
    with pytest.raises(ProblemError) as caught:
        build()
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)
    assert caught.value.__cause__ is None and caught.value.__context__ is None


def test_problem_error_is_a_value_error() -> None:
    with pytest.raises(ValueError, match="network"):
        mlp(depth=0)
