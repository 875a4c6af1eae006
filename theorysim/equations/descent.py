"""One mode of a quadratic loss under gradient flow, gradient descent, heavy ball and Nesterov, constant step.

    w an eigenvalue of the kernel, x = eta kappa w >= 0, b = momentum, r_t = residual after t steps over r_0
    gradient flow     r(t) = e^{-x t}
    gradient descent  r_{t+1} = (1 - x) r_t
    heavy ball        r_{t+1} = (1 + b - x) r_t - b r_{t-1},               r_1 = 1 - x
    Nesterov          r_{t+1} = (1 - x)((1 + b) r_t - b r_{t-1}),          r_1 = 1 - (1 + b) x

The velocity starts at zero and Nesterov's form is PyTorch's. With l1, l2 the roots of l^2 - tau l + D = 0,

    r_t = C_t + (r_1 - tau/2) U_t,   C_t = (l1^t + l2^t)/2,   U_t = (l1^t - l2^t)/(l1 - l2).

The *filter* h_t = (1 - r_t)/x is what multiplies the kernel: the output has moved by w h_t eta kappa (y - f_0).
It is evaluated without cancellation for small x, where it tends to t (gradient descent).

Rounding: near l1 = 1 (small x) and l1 = -1 (edge of stability) the distance to the unit circle is computed
first, so that t = 10^7 steps lose no digits.

Domain   0 <= x <= edge (2, 2(1+b), 2(1+b)/(1+2b)), 0 <= b < 1, t >= 0.
Sources  [Lee2019] for flow; companion matrices otherwise. Proof: derivations/descent.py.
"""

from __future__ import annotations

import math

from theorysim.backend.compile import body
from theorysim.backend.order import larger, smaller
from theorysim.equations.registry import equation

_SPLIT = 134217729.0  # 2^27 + 1: halves of a double (Dekker)
_EXACT_STEPS = 256  # up to here the filters run their recursion: closed forms cancel for t (1 - b) << 1


@equation("descent.flow")
def flow(x: float, t: float) -> float:
    """Return e^{-x t}; with x = kappa w, t is the time of gradient flow."""
    return math.exp(-x * t)


@equation("descent.flow_filter")
def flow_filter(x: float, t: float) -> float:
    """Return (1 - e^{-x t})/x, t for x = 0."""
    return t if x * t < 1e-300 else -math.expm1(-x * t) / x


@body
def _sign_power(negative: bool, t: int) -> float:
    return -1.0 if negative and t % 2 == 1 else 1.0


@equation("descent.gradient_descent")
def gradient_descent(x: float, t: int) -> float:
    """Return (1 - x)^t."""
    if t == 0:
        return 1.0
    size = math.log1p(-x) if x < 1.0 else math.log1p(x - 2.0)
    return _sign_power(x > 1.0, t) * math.exp(t * size)


@equation("descent.gradient_descent_filter")
def gradient_descent_filter(x: float, t: int) -> float:
    """Return (1 - (1 - x)^t)/x, t for x = 0."""
    if x < 1e-300:
        return float(t)
    if t == 0:
        return 0.0
    size = t * (math.log1p(-x) if x < 1.0 else math.log1p(x - 2.0))
    return (1.0 + math.exp(size)) / x if x > 1.0 and t % 2 == 1 else -math.expm1(size) / x


@body
def _powers(
    t: int, trace: float, determinant: float, root: float, distance: float, log_determinant: float
) -> tuple[float, float]:
    """Return (C_t, U_t) for l^2 - trace l + determinant.

    `root` is sqrt of the discriminant trace^2 - 4 determinant, minus sqrt of its size if negative (complex pair);
    `distance` is 1 - |l1|, l1 the larger root in size (real pair); `log_determinant` serves complex pairs.
    """
    sign = _sign_power(trace < 0.0, t)
    if t == 0:
        return 1.0, 0.0
    if root < 0.0:
        phase = t * math.atan2(-root, abs(trace))
        size = math.exp(0.5 * t * log_determinant)
        other = -sign if trace < 0.0 else sign
        return sign * size * math.cos(phase), other * size * 2.0 * math.sin(phase) / -root
    first = 1.0 - distance
    if first < 1e-150:  # both roots vanish: only the first step is left
        return 0.0, (1.0 if t == 1 else 0.0)
    power = math.exp(t * math.log1p(-distance))  # |l1|^t
    spread = root / first  # 1 - l2/l1
    if spread < 1e-290:
        one_minus, ratio_power = 0.0, 1.0
        sum_of_ratios = float(t)
    else:
        if determinant > 0.0:
            one_minus = -math.expm1(t * math.log1p(-smaller(1.0, spread)))
        else:
            ratio = 1.0 - spread  # l2/l1 < 0 here, or 0
            one_minus = 1.0 - _sign_power(ratio < 0.0, t) * abs(ratio) ** t
        sum_of_ratios = one_minus / spread
        ratio_power = 1.0 - one_minus
    other = -sign if trace < 0.0 else sign
    return sign * power * 0.5 * (1.0 + ratio_power), other * power / first * sum_of_ratios


@body
def _product_error(a: float, b: float) -> float:
    """Return the rounding error of the product a b (Dekker)."""
    wide_a, wide_b = _SPLIT * a, _SPLIT * b
    a_high, b_high = wide_a - (wide_a - a), wide_b - (wide_b - b)
    a_low, b_low = a - a_high, b - b_high
    return ((a_high * b_high - a * b) + a_high * b_low + a_low * b_high) + a_low * b_low


@body
def _signed_root(discriminant: float) -> float:
    return math.sqrt(discriminant) if discriminant >= 0.0 else -math.sqrt(-discriminant)


@body
def _distance(constant: float, total: float, root: float) -> float:
    """Return the smaller root of z^2 - total z + constant = 0, where root = sqrt(total^2 - 4 constant)."""
    return 2.0 * constant / (total + larger(0.0, root))


@body
def _heavy_ball_roots(x: float, b: float) -> tuple[float, float, float]:
    """Return (trace, root, distance) for `_powers`."""
    trace = 1.0 + b - x
    rounded = 1.0 + b
    left = (2.0 * rounded - x) + 2.0 * (b - (rounded - 1.0))  # 2 (1 + b) - x, without rounding 1 + b
    near = x if trace >= 0.0 else left  # l -> -l is x -> 2 (1 + b) - x
    half = math.sqrt(b)
    low, high = (1.0 - b) / (1.0 + half), 1.0 + half  # 1 -+ sqrt b
    root = _signed_root((low * low - near) * (high * high - near))
    return trace, root, _distance(near, 1.0 - b + near, root)


@body
def _nesterov_roots(x: float, b: float) -> tuple[float, float, float]:
    """Return (trace, root, distance) for `_powers`."""
    trace = (1.0 + b) * (1.0 - x)
    root = _signed_root((1.0 - x) * ((1.0 - b) * (1.0 - b) - (1.0 + b) * (1.0 + b) * x))
    if trace >= 0.0:
        return trace, root, _distance(x, 1.0 - b + (1.0 + b) * x, root)
    excess = x - 1.0
    part = 2.0 * b * excess
    left = ((1.0 - excess) - part) - _product_error(2.0 * b, excess)  # 2 (1 + b) - (1 + 2 b) x
    return trace, root, _distance(left, 2.0 - (1.0 + b) * excess, root)


@equation("descent.heavy_ball")
def heavy_ball(x: float, t: int, b: float) -> float:
    """Return r_t of the heavy ball with momentum b."""
    if b == 0.0:
        return gradient_descent(x, t)
    trace, root, distance = _heavy_ball_roots(x, b)
    c, u = _powers(t, trace, b, root, distance, math.log(b))
    return c + 0.5 * (1.0 - b - x) * u


@equation("descent.nesterov")
def nesterov(x: float, t: int, b: float) -> float:
    """Return r_t of Nesterov's momentum b."""
    if b == 0.0:
        return gradient_descent(x, t)
    if x == 1.0:
        return 1.0 if t == 0 else (-b if t == 1 else 0.0)
    trace, root, distance = _nesterov_roots(x, b)
    log_determinant = math.log(b) + math.log1p(-smaller(1.0 - 1e-16, x))
    c, u = _powers(t, trace, b * (1.0 - x), root, distance, log_determinant)
    return c + 0.5 * (1.0 - b - (1.0 + b) * x) * u


@body
def _slow_filter(x: float, t: int, total: float, linear: float, gain: float, root: float, u: float) -> float:
    """Return h_t for two positive roots: (1 - l1^t)/x - gain/(linear + root) U_t, l1 = 1 - 2 x/(total + root)."""
    rate = 2.0 / (total + root)
    moved = t * rate if x * rate * t < 1e-300 else -math.expm1(t * math.log1p(-x * rate)) / x
    return moved - 2.0 * gain / (linear + root) * u


@body
def _fast_filter(x: float, t: int, half_gain: float, root: float, trace: float, log_d: float, u: float) -> float:
    """Return h_t for complex roots: 1 - C_t by half angles, so that slow oscillations keep their digits."""
    phase = 0.5 * t * math.atan2(-root, trace)
    size = 0.5 * t * log_d
    falling = -math.expm1(size) + 2.0 * math.exp(size) * math.sin(phase) ** 2
    return (falling - half_gain * u) / x


@equation("descent.heavy_ball_filter")
def heavy_ball_filter(x: float, t: int, b: float) -> float:
    """Return (1 - r_t)/x of the heavy ball; (t - b (1 - b^t)/(1 - b))/(1 - b) for x = 0."""
    if b == 0.0:
        return gradient_descent_filter(x, t)
    if t <= _EXACT_STEPS:
        before, h = 0.0, 0.0
        for _ in range(t):
            before, h = h, (1.0 - x * h) + (h + b * (h - before))
        return h
    trace, root, distance = _heavy_ball_roots(x, b)
    c, u = _powers(t, trace, b, root, distance, math.log(b))
    half_gain = 0.5 * (1.0 - b - x)
    if root >= 0.0 and trace >= 0.0:
        return _slow_filter(x, t, 1.0 - b + x, 1.0 - b - x, b, root, u)
    if root < 0.0 and trace >= 0.0:
        return _fast_filter(x, t, half_gain, root, trace, math.log(b), u)
    return (1.0 - (c + half_gain * u)) / x


@equation("descent.nesterov_filter")
def nesterov_filter(x: float, t: int, b: float) -> float:
    """Return (1 - r_t)/x of Nesterov's momentum; (t - b^2 (1 - b^t)/(1 - b))/(1 - b) for x = 0."""
    if b == 0.0:
        return gradient_descent_filter(x, t)
    if t <= _EXACT_STEPS:
        velocity, h = 0.0, 0.0
        for _ in range(t):
            push = 1.0 - x * h
            velocity = b * velocity + push
            h = h + push + b * velocity
        return h
    if x == 1.0:
        return 1.0
    trace, root, distance = _nesterov_roots(x, b)
    log_determinant = math.log(b) + math.log1p(-smaller(1.0 - 1e-16, x))
    c, u = _powers(t, trace, b * (1.0 - x), root, distance, log_determinant)
    half_gain = 0.5 * (1.0 - b - (1.0 + b) * x)
    if root >= 0.0 and trace >= 0.0:
        return _slow_filter(x, t, 1.0 - b + (1.0 + b) * x, 1.0 - b - (1.0 + b) * x, b * b, root, u)
    if root < 0.0 and trace >= 0.0:
        return _fast_filter(x, t, half_gain, root, trace, log_determinant, u)
    return (1.0 - (c + half_gain * u)) / x


@equation("descent.heavy_ball_edge")
def heavy_ball_edge(b: float) -> float:
    """Return the largest stable x of the heavy ball, 2 (1 + b); of gradient descent for b = 0."""
    return 2.0 * (1.0 + b)


@equation("descent.nesterov_edge")
def nesterov_edge(b: float) -> float:
    """Return the largest stable x of Nesterov's momentum, 2 (1 + b)/(1 + 2 b)."""
    return 2.0 * (1.0 + b) / (1.0 + 2.0 * b)


@equation("descent.ridge_residual")
def ridge_residual(w: float, ridge: float) -> float:
    """Return r at t -> infinity in a mode w when `ridge` is added to the kernel: ridge/(w + ridge)."""
    return ridge / (w + ridge)


@equation("descent.subset_noise")
def subset_noise(samples: float, batch: float) -> float:
    """Return the factor of the per-sample gradient covariance for `batch` different samples out of `samples`."""
    return (samples - batch) / (batch * (samples - 1.0)) if samples > batch else 0.0


@equation("descent.replacement_noise")
def replacement_noise(batch: float) -> float:
    """Return the factor of the per-sample gradient covariance for a batch drawn with replacement, 1/batch."""
    return 1.0 / batch
