"""Steps of the covariance that minibatches add, one row of pairs of modes at a time (`infinite.batch_noise`).

Arguments: eigenvalues (K,), residuals (steps, K), step sizes (steps,), numbers (kappa, ridge, momentum, lead, look,
strength, samples, place, span), V at both nodes and the moments of the start (K, K), then what is moved: the
lower triangles of covariances.
Sources  derivations/descent.py (second moments).
"""

from __future__ import annotations

from theorysim.backend.compile import body

CHUNK = 64
ROOM = 7 * CHUNK
"""Pairs carried together through a block of equal steps, and room for their sums, in the nearest cache."""
_M, _A, _B, _C, _ONE_G, _ONE_M = (k * CHUNK for k in range(1, 7))
"""Where the sums begin in the one array that holds them: known distances let the loops be vectorised."""


@body
def _balanced(n: int, size: int) -> int:
    """Return the row of turn n: short and long ones alternate, so that threads finish together."""
    return n // 2 if n % 2 == 0 else size - 1 - n // 2


@body(
    "float64[::1], float64[:,::1], float64[::1], float64[::1], float64[:,::1], float64[:,::1], float64[:,::1],"
    "float64[:,::1], float64[:,::1], float64[:,::1], float64[:,::1]"
)
def row(n, w, left, sizes, constants, before, after, start, aa, au, ua, uu):  # type: ignore[no-untyped-def]
    """Carry the pairs (i, j <= i) through a block of steps; the inner loop over j is vectorised."""
    i = _balanced(n, w.size)
    kappa, ridge, momentum = constants[0], constants[1], constants[2]
    lead, look, strength, samples = constants[3], constants[4], constants[5], constants[6]
    place, span = constants[7], constants[8]
    x = kappa * (w[i] + ridge)
    for s in range(sizes.size):
        total = sizes[s] * (lead + look)
        slip = -sizes[s] * look * momentum
        stay_x = 1.0 - total * x
        for j in range(i + 1):
            y = kappa * (w[j] + ridge)
            stay_y = 1.0 - total * y
            c_aa, c_au, c_ua, c_uu = aa[i, j], au[i, j], ua[i, j], uu[i, j]
            turned = before[i, j] + (place + span * s) * (after[i, j] - before[i, j])
            own = left[s, i] * left[s, j] * start[i, j] + w[i] * w[j] * c_aa
            xi = kappa * kappa * strength * (samples * turned - own)
            one_a, one_u = stay_y * c_aa + slip * c_au, stay_y * c_ua + slip * c_uu
            two_a, two_u = y * c_aa + momentum * c_au, y * c_ua + momentum * c_uu
            aa[i, j] = stay_x * one_a + slip * one_u + total * total * xi
            au[i, j] = stay_x * two_a + slip * two_u - total * xi
            ua[i, j] = x * one_a + momentum * one_u - total * xi
            uu[i, j] = x * two_a + momentum * two_u + xi


@body(
    "float64[::1], float64[:,::1], float64[::1], float64[::1], float64[:,::1], float64[:,::1], float64[:,::1],"
    "float64[:,::1], float64[:,::1], float64[:,::1]"
)
def row_at_once(n, w, left, sizes, constants, before, after, start, sums, aa, pull):  # type: ignore[no-untyped-def]
    """Carry the pairs (i, j <= i) through a block of equal steps without momentum and ridge, by doubling.

    n steps give aa_n = g^n aa + c (V a_n + V' b_n) - d c_n, where a_n, b_n, c_n are sums of n terms, and those of
    2n steps follow from those of n: the cost is the logarithm of the number of steps. All terms of a sum have one
    sign in a stable run, so no digits are lost. `sums`, (K, ROOM), holds g^n, m^n, the three sums, g and m.
    `pull` receives the derivative of aa with respect to V at the later node.
    """
    i = _balanced(n, w.size)
    kappa, strength, samples, place, span = constants[0], constants[5], constants[6], constants[7], constants[8]
    eta, steps = sizes[0], sizes.size
    x, rate = 1.0 - eta * kappa * w[i], eta * kappa
    gain = rate * rate * strength
    top = 1
    while 2 * top <= steps:
        top *= 2
    pair, loss = gain * w[i], left[0, i]
    z, low, high, begin, out, pulled = sums[i], before[i], after[i], start[i], aa[i], pull[i]
    for first in range(0, i + 1, CHUNK):
        size = CHUNK if first + CHUNK <= i + 1 else i + 1 - first
        for t in range(size):
            one_m = x * (1.0 - rate * w[first + t])
            one_g = one_m - pair * w[first + t]
            z[t], z[_M + t], z[_A + t], z[_B + t], z[_C + t] = one_g, one_m, 1.0, 0.0, 1.0
            z[_ONE_G + t], z[_ONE_M + t] = one_g, one_m
        done, bit = 1.0, top // 2
        while bit > 0:
            for t in range(size):
                z[_B + t] += z[t] * z[_B + t] + done * z[_A + t]
                z[_C + t] *= z[t] + z[_M + t]
                z[_A + t] += z[t] * z[_A + t]
                z[t] *= z[t]
                z[_M + t] *= z[_M + t]
            done *= 2.0
            if steps & bit:
                for t in range(size):
                    one_m, one_g = z[_ONE_M + t], z[_ONE_G + t]
                    z[_A + t] = one_g * z[_A + t] + 1.0
                    z[_B + t] = one_g * z[_B + t] + done
                    z[_C + t] = one_g * z[_C + t] + z[_M + t]
                    z[t] *= one_g
                    z[_M + t] *= one_m
                done += 1.0
            bit //= 2
        for t in range(size):  # one array for all results: they are written back together
            j = first + t
            z[_M + t] = gain * samples * (place * z[_A + t] + span * z[_B + t])
            given = gain * (samples * low[j] * z[_A + t] - loss * left[0, j] * begin[j] * z[_C + t])
            z[t] = z[t] * out[j] + given + z[_M + t] * (high[j] - low[j])
        for t in range(size):
            out[first + t], pulled[first + t] = z[t], z[_M + t]
