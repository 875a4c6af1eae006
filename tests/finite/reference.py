"""A second, slow implementation of training: one network, one sample at a time, straight from the conventions."""

from __future__ import annotations

import math

import numpy as np

from theorysim.problem import SGD, Adam, Training

PHI = {
    "relu": (lambda h: max(h, 0.0), lambda h: float(h > 0)),
    "erf": (math.erf, lambda h: 2 / math.sqrt(math.pi) * math.exp(-h * h)),
    "tanh": (math.tanh, lambda h: 1 - math.tanh(h) ** 2),
    "linear": (lambda h: h, lambda h: 1.0),
}


def forward(training, w, b, x):
    """Return the pre-activations of every layer for one sample."""
    phi = np.vectorize(PHI[training.network.activation][0])
    hs, a = [], x
    for weight, bias in zip(w, b, strict=True):
        hs.append(weight @ a + bias)
        a = phi(hs[-1])
    return hs


def output(training, w, b, x):
    """Return f of one sample, shape (C,)."""
    return training.layers.output_scale * forward(training, w, b, x)[-1]


def gradients(training, w, b, start, rows):
    """Return the gradients of the loss on a batch, sample by sample."""
    phi, dphi = (np.vectorize(f, otypes=[float]) for f in PHI[training.network.activation])
    samples = training.samples
    gw, gb = [np.zeros_like(one) for one in w], [np.zeros_like(one) for one in b]
    for i in rows:
        x, y = samples.x_train[i], samples.y_train[i]
        hs = forward(training, w, b, x)
        f = training.layers.output_scale * hs[-1] - (output(training, *start, x) if start else 0.0)
        if training.loss == "mse":
            error = (f - y) / (len(rows) * len(y))
        else:
            error = (np.exp(f) / np.exp(f).sum() - y) / len(rows)
        delta = training.layers.output_scale * error
        for layer in range(len(w) - 1, -1, -1):
            below = phi(hs[layer - 1]) if layer else x
            gw[layer] += np.outer(delta, below)
            gb[layer] += delta
            if layer:
                delta = (w[layer].T @ delta) * dphi(hs[layer - 1])
    return gw, gb


def run(training: Training, w, b, batches):
    """Return the training outputs after each step, shape (steps + 1, P, C)."""
    w, b = [one.copy() for one in w], [one.copy() for one in b]
    subtracted = training.network.initial_output == "subtracted"
    start = ([one.copy() for one in w], [one.copy() for one in b]) if subtracted else None
    step = {SGD: _sgd, Adam: _adam}[type(training.optimizer)](training, w, b)
    xs = training.samples.x_train
    offset = np.array([output(training, *start, x) for x in xs]) if start else 0.0
    records = [np.array([output(training, w, b, x) for x in xs]) - offset]
    for k, rows in enumerate(batches):
        step(k, *gradients(training, w, b, start, rows))
        records.append(np.array([output(training, w, b, x) for x in xs]) - offset)
    return np.array(records)


def _sgd(training, w, b):
    o, layers = training.optimizer, training.layers
    theta = [*w, *b]
    first = [one.copy() for one in theta]
    buffers = [np.zeros_like(one) for one in theta]
    rates = [*layers.weight_steps, *layers.bias_steps]
    etas = o.step_sizes(training.steps)

    def step(k, gw, gb):
        for i, g in enumerate([*gw, *gb]):
            p = rates[i] * g + o.weight_decay * theta[i] + training.kappa * o.ridge * (theta[i] - first[i])
            buffers[i] = o.momentum * buffers[i] + p
            theta[i] -= etas[k] * (p + o.momentum * buffers[i] if o.nesterov else buffers[i])

    return step


def _adam(training, w, b):
    o, n, kind = training.optimizer, training.layers.widths, training.network.parameterization
    theta, last, width = [*w, *b], len(w) - 1, n[-2]
    gamma0 = {"standard": None, "mup": training.network.gamma0, "ntk": width**-0.5}[kind]
    m, v = [np.zeros_like(one) for one in theta], [np.zeros_like(one) for one in theta]
    etas = o.step_sizes(training.steps)

    def scale_and_rate(i):
        layer, bias = i % (last + 1), i > last
        if kind == "standard":
            return 1.0, 1.0
        scale = gamma0 * (math.sqrt(width) if layer == last else width)
        if bias:
            return scale, gamma0 * (math.sqrt(width) if layer == last else 1.0)
        return scale, gamma0 / (math.sqrt(width) if layer == last else n[layer])

    def step(k, gw, gb):
        for i, g in enumerate([*gw, *gb]):
            scale, rate = scale_and_rate(i)
            factors = o.bias_layer_rates if i > last else o.layer_rates
            rate *= 1.0 if factors is None else factors[i % (last + 1)]
            m[i] = o.beta1 * m[i] + (1 - o.beta1) * scale * g
            v[i] = o.beta2 * v[i] + (1 - o.beta2) * (scale * g) ** 2
            hat, square = m[i] / (1 - o.beta1 ** (k + 1)), v[i] / (1 - o.beta2 ** (k + 1))
            theta[i] *= 1 - etas[k] * o.weight_decay
            theta[i] -= etas[k] * rate * hat / (np.sqrt(square) + o.epsilon)

    return step
