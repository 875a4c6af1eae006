"""Linearised training against the lazy dynamics of the network's own kernel, and against the network itself."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.integrate import solve_ivp
from scipy.linalg import expm

import theorysim as ts
from tests.finite import cases, reference
from theorysim import kernels
from theorysim.finite import tangent
from theorysim.finite.batches import batch_order
from theorysim.finite.empirical import ntk_between_outputs
from theorysim.finite.network import activation_of, initialise, outputs
from theorysim.finite.training import train

STEPS = 30
DESCENTS = {
    "gd": ts.GD(learning_rate=0.4),
    "heavy ball, ridge": ts.GD(learning_rate=0.3, momentum=0.7, ridge=0.5),
    "nesterov, schedule": ts.GD(learning_rate=0.3, momentum=0.7, nesterov=True, schedule=ts.Cosine()),
    "batches": ts.SGD(learning_rate=0.4, batch=4),
    "epochs, heavy ball": ts.SGD(learning_rate=0.2, batch=4, momentum=0.5, sampling="epochs"),
}
NETWORKS = [{}, {"parameterization": "standard"}, {"parameterization": "mup", "initial_output": "subtracted"}]


def own(training, p):
    """Return f_0 and the kernel of all outputs on all samples against training samples, rows (sample, output)."""
    x = np.concatenate([cases.X, cases.X_TEST])
    first = outputs(p, training.layers, activation_of(training.network), x)[0]
    if training.network.initial_output == "subtracted":
        first = np.zeros_like(first)
    theta = ntk_between_outputs(p, training.layers, training.network, x, cases.X)[0]
    return first, theta.transpose(0, 2, 1, 3).reshape(first.size, -1)


def error(training, f):
    y = training.samples.y_train
    return f - y if training.loss == "mse" else np.exp(f) / np.exp(f).sum(axis=1, keepdims=True) - y


def lazy_descent(training, p, batches):
    """Return outputs on all samples after each step: the dynamics of a fixed kernel, in function space."""
    first, theta = own(training, p)
    o, dual, answer = training.optimizer, np.zeros(theta.shape[1]), []
    buffer = np.zeros_like(dual)
    for k, eta in enumerate([*o.step_sizes(training.steps), 0.0]):
        answer.append(first + (theta @ dual).reshape(first.shape))
        wrong, push = error(training, answer[-1][:9]), np.zeros((9, first.shape[1]))
        rows = batches[k] if k < len(batches) else np.arange(9)
        np.add.at(push, rows, wrong[rows] * 9 / len(rows))
        step = training.kappa * (push.ravel() + o.ridge * dual)
        buffer = o.momentum * buffer + step
        dual = dual - eta * (step + o.momentum * buffer if o.nesterov else buffer)
    return np.array(answer)


def both(answer):
    return np.concatenate([answer.train_prediction.values, answer.test_prediction.values], axis=1)


@pytest.mark.parametrize("optimizer", DESCENTS.values(), ids=DESCENTS)
@pytest.mark.parametrize("network", NETWORKS)
@pytest.mark.parametrize("loss", ["mse", "cross-entropy"])
def test_descent_is_the_lazy_dynamics_of_the_own_kernel(optimizer, network, loss):
    samples = cases.classes() if loss == "cross-entropy" else cases.regression(3)
    training = cases.run(samples, optimizer=optimizer, steps=STEPS, loss=loss, **network)
    ours = both(kernels.linearized(training, replicas=2, seed=4))
    for r in range(2):
        p, batches = initialise(training.layers, [r], seed=4), [np.arange(9)] * STEPS
        if optimizer.batch is not None:
            order = batch_order(optimizer.sampling, optimizer.batch, samples=9, replicas=[r], seed=4)
            batches = [order(k)[0] for k in range(STEPS)]
        exact = lazy_descent(training, p, batches)
        assert np.abs(exact[-1] - exact[0]).max() > 0.1
        np.testing.assert_allclose(ours[..., r], exact, rtol=0, atol=1e-10)


@pytest.mark.parametrize("ridge", [0.0, 0.7])
def test_flow_of_the_squared_loss_is_the_exponential_of_the_own_kernel(ridge):
    training = cases.flow(time=40.0, optimizer=ts.GradientFlow(ridge=ridge))
    ours = both(kernels.linearized(training, replicas=2, seed=4))
    for r in range(2):
        first, theta = own(training, initialise(training.layers, [r], seed=4))
        count = theta.shape[1]
        # (f - f_0) = Theta a,  a' = -kappa (Theta a + f_0 - y + ridge a): linear with a constant term
        push = np.zeros((count + 1, count + 1))
        push[:count, :count] = -training.kappa * (theta[:count] + ridge * np.eye(count))
        push[:count, -1] = training.kappa * (training.samples.y_train - first[:9]).ravel()
        for k, t in enumerate(training.recorded_times):
            dual = expm(t * push)[:count, -1]
            exact = first + (theta @ dual).reshape(first.shape)
            np.testing.assert_allclose(ours[k, ..., r], exact, rtol=0, atol=1e-10)


def test_flow_of_the_cross_entropy_solves_its_equation():
    training = ts.Training(data=cases.classes(), network=cases.run().network, optimizer=ts.GradientFlow(ridge=0.1),
                           time=60.0, loss="cross-entropy", record=(0.0, 1.0, 60.0))  # fmt: skip
    ours = both(kernels.linearized(training, seed=4))[..., 0]
    first, theta = own(training, initialise(training.layers, [0], seed=4))

    def slope(t, dual):
        f = first[:9] + (theta[:27] @ dual).reshape(9, 3)
        return -training.kappa * (error(training, f).ravel() + 0.1 * dual)

    solved = solve_ivp(slope, (0, 60.0), np.zeros(27), "DOP853", training.recorded_times, rtol=1e-13, atol=1e-14)
    for k in range(3):
        exact = first + (theta @ solved.y[:, k]).reshape(first.shape)
        np.testing.assert_allclose(ours[k], exact, rtol=0, atol=1e-10)


@pytest.mark.parametrize("optimizer", [ts.Adam(learning_rate=0.05, batch=4, weight_decay=0.1),
                                       ts.SGD(learning_rate=0.2, batch=4, weight_decay=0.2, momentum=0.5)])  # fmt: skip
def test_any_optimizer_moves_the_parameters_of_the_polynomial(optimizer):
    """A second implementation: an explicit Jacobian and the update rules of the reference."""
    training = cases.run(optimizer=optimizer, steps=12)
    p = initialise(training.layers, [0], seed=4)
    first, _ = own(training, p)
    units = np.eye(27).reshape(27, 9, 3)
    rows = tangent.transposed_product(p, training.layers, training.network, cases.X, units)
    sizes, jacobian = [a.size for a in p.arrays], np.concatenate([a[0].reshape(27, -1) for a in rows.arrays], axis=1)
    w, b = ([a[0].copy() for a in arrays] for arrays in (p.weights, p.biases))
    theta = [*w, *b]
    start = np.concatenate([a.ravel() for a in theta])
    rule = reference._adam if isinstance(optimizer, ts.Adam) else reference._sgd
    step, order = rule(training, w, b), batch_order("subset", 4, samples=9, replicas=[0], seed=4)
    answer = kernels.linearized(training, seed=4).train_prediction.values[..., 0]
    for k in range(13):
        f = first[:9] + (jacobian @ (np.concatenate([a.ravel() for a in theta]) - start)).reshape(9, 3)
        np.testing.assert_allclose(answer[k], f, rtol=0, atol=1e-10)
        chosen, cotangent = order(k)[0], np.zeros((9, 3))
        cotangent[chosen] = (f - training.samples.y_train)[chosen] / (4 * 3)
        parts = np.split(cotangent.ravel() @ jacobian, np.cumsum(sizes)[:-1])
        gradients = [g.reshape(a.shape) for g, a in zip(parts, theta, strict=True)]
        if k < 12:
            step(k, gradients[:3], gradients[3:])


def test_chunks_of_samples_change_nothing(monkeypatch):
    training = cases.run(optimizer=ts.SGD(learning_rate=0.4, batch=4), steps=6)
    whole = kernels.linearized(training, replicas=2)
    monkeypatch.setattr(tangent, "_CHUNK", 200)
    monkeypatch.setattr("theorysim.finite.linear_block._KEPT", 0)
    np.testing.assert_allclose(kernels.linearized(training, replicas=2).test_prediction, whole.test_prediction,
                               rtol=1e-12)  # fmt: skip


def test_given_weights_and_batches(tmp_path):
    training = cases.run(optimizer=ts.SGD(learning_rate=0.4, batch=4), steps=6)
    p = initialise(training.layers, [3], seed=1)
    names = {f"W{i + 1}": w[0] for i, w in enumerate(p.weights)} | {f"b{i + 1}": b[0] for i, b in enumerate(p.biases)}
    np.savez(tmp_path / "w.npz", **names)
    order = batch_order("subset", 4, samples=9, replicas=[3], seed=1)
    batches = [order(k)[0] for k in range(6)]
    drawn = kernels.linearized(training, replicas=4, seed=1).isel(replica=[3])
    for weights in (p, names, tmp_path / "w.npz"):
        given = kernels.linearized(training, weights, batches=batches)
        np.testing.assert_allclose(given.test_loss, drawn.test_loss, rtol=1e-12)
    assert given.attrs["theory"] == "kernels.linearized"


def test_no_test_samples_and_divergence():
    training = ts.Training(data=ts.data.arrays(cases.X, cases.TARGETS[1]), network=ts.MLP(depth=1, width=8),
                           optimizer=ts.GD(learning_rate=0.1), steps=3)  # fmt: skip
    assert "test_loss" not in kernels.linearized(training)
    wild = ts.Training(data=training.data, network=training.network, optimizer=ts.GD(learning_rate=1e4), steps=200)
    with pytest.raises(FloatingPointError, match="largest stable"):
        kernels.linearized(wild)


def test_refusals():
    with pytest.raises(ts.ProblemError, match="`replicas` must be at least 1"):
        kernels.linearized(cases.run(), replicas=0)
    with pytest.raises(ts.ProblemError, match="`gamma0` must be positive"):
        kernels.linearized(cases.run(parameterization="mup", gamma0=0.0))
    with pytest.raises(ts.ProblemError, match="`weight_decay` must be left out"):
        kernels.linearized(cases.flow(time=1.0, optimizer=ts.GradientFlow(weight_decay=0.1)))
    with pytest.raises(ts.ProblemError, match="`batches` must be left out"):
        kernels.linearized(cases.flow(time=1.0), batches=[np.arange(3)])
    with pytest.raises(ts.ProblemError, match="it must hold 2 replicas"):
        kernels.linearized(cases.run(), initialise(cases.run().layers, [0], seed=1), replicas=2)


def test_networks_leave_their_linearisation_as_width_allows():
    """|f - f_lin| after training falls as 1/width, as the change of the kernel does."""
    gaps = []
    for width in (16, 64, 256):
        training = cases.run(cases.regression(1), optimizer=ts.GD(learning_rate=1.0), steps=60, width=width,
                             record=(0, 60))  # fmt: skip
        ours, truth = kernels.linearized(training, replicas=16, seed=2), train(training, replicas=16, seed=2)
        gap = ours.test_prediction[-1] - truth.test_prediction[-1]
        assert not np.any(ours.test_prediction[0].values - truth.test_prediction[0].values > 1e-12)
        gaps.append(float(np.sqrt((gap**2).mean())))
    slopes = np.diff(np.log(gaps)) / np.log(4)
    assert gaps[0] > 0.02
    assert np.all(np.abs(slopes + 1.0) < 0.2)
