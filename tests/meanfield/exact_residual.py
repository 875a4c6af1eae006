"""Linear residual networks in the mean-field limit, solved exactly by another route than the march.

Every field is a linear combination of independent Gaussian sources: inputs, readout, and the noise of each block at
each step. Covariances are sums over sources, responses are coefficients; nothing is sampled, whitened or truncated.
"""

from __future__ import annotations

import numpy as np


def outputs(k0, y, *, depth, eta, gamma0, steps, branch_scale=1.0, momentum=0.0, responses=True) -> np.ndarray:
    """Return f at each step, shape (steps + 1, P), of gradient descent on (1/2P) sum (f - y)^2."""
    p, b, c = len(y), branch_scale / np.sqrt(depth), eta * gamma0 / len(y)
    times, rank = steps + 1, len(k0)
    # sources: P of the inputs, the readout, then u^{l+1}(t, mu) and r^l(t) of every block and step
    count = rank + 1 + depth * times * (p + 1)
    covariance = np.zeros((count, count))
    covariance[:rank, :rank], covariance[rank, rank] = k0, 1.0

    def u_place(layer, t):
        return rank + 1 + (layer * times + t) * (p + 1) + np.arange(p)

    def r_place(layer, t):
        return rank + 1 + (layer * times + t) * (p + 1) + p

    h = np.zeros((depth + 1, times, p, count))
    g = np.zeros((depth + 1, times, count))
    f, delta = np.zeros((times, p)), np.zeros((times, p))
    keep = 1.0 if responses else 0.0
    for t in range(times):
        weight = [(1.0 - momentum ** (t - s)) / (1.0 - momentum) for s in range(t)]
        h[0, t, :, :rank] = np.eye(p)
        h[0, t] += c * sum((w * np.outer(k0 @ delta[s], g[0, s]) for s, w in enumerate(weight)), np.zeros((p, count)))
        for layer in range(depth):
            place = u_place(layer, t)
            for s in range(t + 1):
                block = h[layer, t] @ covariance @ h[layer, s].T
                covariance[np.ix_(place, u_place(layer, s))] = block
                covariance[np.ix_(u_place(layer, s), place)] = block.T
            h[layer + 1, t] = h[layer, t]
            h[layer + 1, t, np.arange(p), place] += b
            for s, w in enumerate(weight):
                answer = keep * b * h[layer, t][:, r_place(layer, s)]
                learnt = b**2 * c * w * (h[layer, t] @ covariance @ h[layer, s].T) @ delta[s]
                h[layer + 1, t] += np.outer(answer + learnt, g[layer + 1, s])
        g[depth, t, rank] = 1.0
        for s, w in enumerate(weight):
            g[depth, t] += c * w * delta[s] @ h[depth, s]
        for layer in reversed(range(depth)):
            place = r_place(layer, t)
            for s in range(t + 1):
                value = g[layer + 1, t] @ covariance @ g[layer + 1, s]
                covariance[place, r_place(layer, s)] = covariance[r_place(layer, s), place] = value
            z = np.zeros(count)
            z[place] = 1.0
            for s in range(t + 1):
                z += keep * g[layer + 1, t][u_place(layer, s)] @ h[layer, s]
            for s, w in enumerate(weight):
                z += b * c * w * (g[layer + 1, t] @ covariance @ g[layer + 1, s]) * (delta[s] @ h[layer, s])
            g[layer, t] = g[layer + 1, t] + b * z
        f[t] = h[depth, t] @ covariance @ g[depth, t] / gamma0
        delta[t] = y - f[t]
    return f
