"""The mean-field equations of a deep network, from the update of the finite one, and what marches them."""

from __future__ import annotations

from itertools import product

import sympy as sp

from .claim import Claim, Domain, Proof

eta, gamma0, kappa, sw, width = sp.symbols("eta gamma0 kappa sigma_w N", positive=True)
alpha1, alpha2 = sp.symbols("alpha1 alpha2", nonnegative=True)
momentum, decay_rate = sp.symbols("m omega", nonnegative=True)


def _mean(expression: sp.Expr, normals: tuple[sp.Symbol, ...]) -> sp.Expr:
    """Return the mean of a polynomial in independent standard normals."""
    total = sp.S.Zero
    for powers, coefficient in sp.Poly(sp.expand(expression), *normals).terms():
        odd = any(p % 2 for p in powers)
        total += 0 if odd else coefficient * sp.prod([sp.factorial2(p - 1) if p else 1 for p in powers])
    return sp.expand(total)


def decay() -> Claim:
    """theta_t = a_t theta_0 - eta sum_{s<t} k_{t-s} g_s; a, k obey x_{n+1} = (1 + m - omega) x_n - m x_{n-1}.

    For buf <- m buf + g + lambda theta, theta <- theta - eta buf, omega = eta lambda; a_0 = a_{-1} = 1, k_0 = 0,
    k_1 = 1.
    """
    proof = Proof()
    rate = decay_rate / eta
    before, now, pull = sp.symbols("theta_{t-1} theta_t g_t", real=True)
    buffer = (before - now) / eta
    after = now - eta * (momentum * buffer + pull + rate * now)
    proof.note("the buffer is what the last step moved: buf = (theta_{t-1} - theta_t)/eta, zero at the start")
    proof.equal("one step without the buffer", after,
                (1 + momentum - decay_rate) * now - momentum * before - eta * pull)  # fmt: skip
    start, gradients = sp.Symbol("theta_0"), sp.symbols("g_0:5")
    theta, buffer = [start], sp.S.Zero
    a, k = [sp.S.One, sp.S.One], [sp.S.Zero, sp.S.One]
    for gradient in gradients:
        buffer = momentum * buffer + gradient + rate * theta[-1]
        theta.append(sp.expand(theta[-1] - eta * buffer))
        a.append(sp.expand((1 + momentum - decay_rate) * a[-1] - momentum * a[-2]))
        k.append(sp.expand((1 + momentum - decay_rate) * k[-1] - momentum * k[-2]))
    for t in range(1, 6):
        linear = a[t + 1] * start - eta * sum(k[t - s] * gradients[s] for s in range(t))
        proof.equal(f"t = {t}", theta[t], linear)
    proof.note("any t: both sides obey the same linear recursion with the same source, and agree at t = 0 and 1")
    n = sp.Symbol("n", integer=True, positive=True)
    ball = (1 - momentum**n) / (1 - momentum)
    proof.equal("no decay: k_n = (1 - m^n)/(1 - m)", ball.subs(n, n + 1) - ball, momentum**n)
    shrunk = (1 - decay_rate) ** n
    proof.equal("no momentum: a_n = (1 - omega)^n", shrunk.subs(n, n + 1), (1 - decay_rate) * shrunk)
    return proof.claim((momentum, decay_rate), (a[4], k[4]), Domain(()))


def deviation() -> Claim:
    """theta_t = a_t theta_0 + q_t: with a ridge too, a_t takes the penalties on theta_0 and q_t all the gradients.

    p = g + lambda theta + delta (theta - theta_0), buf <- m buf + p, theta <- theta - eta (buf or p + m buf).
    """
    proof = Proof()
    rate, ridge = sp.symbols("lambda delta", nonnegative=True)
    first, a, b, q, v, pull = sp.symbols("theta_0 a b q v g", real=True)
    on_buffer, on_gradient = sp.symbols("r s", nonnegative=True)
    theta, buffer = a * first + q, b * first + v
    p = pull + rate * theta + ridge * (theta - first)
    new = momentum * buffer + p
    p_a, p_q = rate * a + ridge * (a - 1), pull + (rate + ridge) * q
    b_new, v_new = momentum * b + p_a, momentum * v + p_q
    proof.equal("the buffer splits alike", new, b_new * first + v_new)
    a_new = a - on_buffer * b_new - on_gradient * p_a
    q_new = q - on_buffer * v_new - on_gradient * p_q
    proof.equal("and so does the step", theta - on_buffer * new - on_gradient * p, a_new * first + q_new)
    proof.note("heavy ball: r = eta, s = 0; Nesterov: r = eta m, s = eta")
    return proof.claim((a, b, on_buffer, on_gradient, rate, ridge, momentum), (a_new, b_new), Domain(()))


def two_layers() -> Claim:
    """One step of `mup` changes h_i and z_i of neuron i by mean-field terms, exactly, at any width.

    h_x += eta gamma0 kappa alpha_1 sum_x' K0 Delta_x' phi'(h_x') z,  z += eta gamma0 kappa alpha_2 sum_x' Delta_x' phi;
    f = <phi z>/gamma0 over neurons, with W^1 = ., W^2 = z/sqrt N, s = 1/(gamma0 sqrt N), a_l = alpha_l/(s^2 n_{l-1}).
    """
    proof = Proof()
    phi, neurons, inputs, samples = sp.Function("phi"), 2, 2, 2
    x = sp.Matrix(samples, inputs, lambda i, k: sp.Symbol(f"x{i}{k}", real=True))
    y = [sp.Symbol(f"y{i}", real=True) for i in range(samples)]
    first = sp.Matrix(neurons, inputs, lambda i, k: sp.Symbol(f"w{i}{k}", real=True))
    last = [sp.Symbol(f"v{i}", real=True) for i in range(neurons)]
    scale = 1 / (gamma0 * sp.sqrt(neurons))
    h = x * first.T
    f = [scale * sum(last[i] * phi(h[mu, i]) for i in range(neurons)) for mu in range(samples)]
    loss = kappa / 2 * sum((f[mu] - y[mu]) ** 2 for mu in range(samples))
    error = [y[mu] - f[mu] for mu in range(samples)]
    proof.note("finite network, N = d = P = 2: loss (kappa/2) sum (f - y)^2, steps a_l = alpha_l/(s^2 n_{l-1})")
    slope = sp.Function("dphi")
    u = sp.Symbol("u", real=True)

    def plain(expression: sp.Expr) -> sp.Expr:
        """Write phi' as a function of its own."""
        return expression.doit().replace(
            lambda e: isinstance(e, sp.Subs | sp.Derivative),
            lambda e: slope(e.point[0] if isinstance(e, sp.Subs) else e.args[0].args[0]),
        )

    proof.note("phi' stands for the derivative", sp.Eq(slope(u), sp.Derivative(phi(u), u), evaluate=False))
    for i in range(neurons):
        z = sp.sqrt(neurons) * last[i]
        step = [-eta * alpha1 / (scale**2 * inputs) * plain(sp.diff(loss, first[i, k])) for k in range(inputs)]
        for mu in range(samples):
            moved = sum(x[mu, k] * step[k] for k in range(inputs))
            kernel = [sum(x[mu, k] * x[nu, k] for k in range(inputs)) / inputs for nu in range(samples)]
            field = (
                eta
                * gamma0
                * kappa
                * alpha1
                * sum(kernel[nu] * error[nu] * slope(h[nu, i]) * z for nu in range(samples))
            )
            proof.equal(f"h of neuron {i}, sample {mu}", sp.expand(moved), sp.expand(field))
        change = -eta * alpha2 / (scale**2 * neurons) * plain(sp.diff(loss, last[i])) * sp.sqrt(neurons)
        field = eta * gamma0 * kappa * alpha2 * sum(error[nu] * phi(h[nu, i]) for nu in range(samples))
        proof.equal(f"z of neuron {i}", sp.expand(change), sp.expand(field))
    mean = [sum(phi(h[mu, i]) * sp.sqrt(neurons) * last[i] for i in range(neurons)) / neurons for mu in range(samples)]
    proof.equal("f = <phi z>/gamma0", f[0], mean[0] / gamma0)
    c = eta * gamma0 * kappa
    return proof.claim((eta, gamma0, kappa, alpha1, alpha2), (c * alpha1, c * alpha2), Domain(()))


def tangent() -> Claim:
    """To first order in eta the outputs move by eta kappa Theta (y - f).

    Two layers: Theta = alpha_1 K0 <g g> + alpha_2 <phi phi>, g = phi'(h) z.
    """
    proof = Proof()
    phi, slope, z, k0, delta = sp.symbols("phi dphi z K0 Delta", real=True)
    phi_other, slope_other = sp.symbols("phi' dphi'", real=True)
    c = eta * gamma0 * kappa
    dh = c * alpha1 * k0 * delta * slope_other * z
    dz = c * alpha2 * delta * phi_other
    step = sp.Symbol("epsilon")
    moved = sp.diff((phi + step * slope * dh) * (z + step * dz), step).subs(step, 0) / gamma0
    theta = alpha1 * k0 * (slope * z) * (slope_other * z) + alpha2 * phi * phi_other
    proof.note("one sample pulls on another; < > over neurons is left out on both sides")
    proof.equal("change of phi z/gamma0", sp.expand(moved), sp.expand(eta * kappa * theta * delta))
    return proof.claim((phi, slope, z, k0, phi_other, slope_other, alpha1, alpha2), theta, Domain(()))


def stein() -> Claim:
    """sum_k <phi e_k> d_k = sum_s <d phi/d r(s)> g(s) for r(s) = sum_k b_k(s) e_k, g(s) = sum_k b_k(s) d_k.

    The response of a feature to the noise r that it received, contracted with the gradients g that made r, is read off
    the covariances with whitened normals e_k: no Jacobian. For any smooth phi by parts; monomials in full besides.
    """
    proof = Proof()
    e = sp.symbols("e_1:3", real=True)
    b = sp.Matrix(2, 2, lambda s, k: sp.Symbol(f"b{s + 1}{k + 1}", real=True))
    d = sp.symbols("d_1:3", real=True)
    noise = [sum(b[s, k] * e[k] for k in range(2)) for s in range(2)]
    gradients = [sum(b[s, k] * d[k] for k in range(2)) for s in range(2)]
    r = sp.symbols("r_1:3", real=True)
    feature, density = sp.Function("phi"), sp.exp(-(e[0] ** 2 + e[1] ** 2) / 2)
    for k in range(2):
        flux = sp.diff(feature(*e) * density, e[k])
        proof.equal(f"<phi e_{k + 1}> = <d phi/d e_{k + 1}>: their difference is a divergence",
                    (sp.diff(feature(*e), e[k]) - e[k] * feature(*e)) * density, flux)  # fmt: skip
    slope = sp.symbols("dphi_1:3", real=True)
    chain = sum(sum(slope[s] * sp.diff(noise[s], e[k]) for s in range(2)) * d[k] for k in range(2))
    proof.equal("chain rule: sum_k d_k d phi/d e_k = sum_s phi_s g(s), any smooth phi", sp.expand(chain),
                sp.expand(sum(slope[s] * gradients[s] for s in range(2))))  # fmt: skip
    inside = dict(zip(r, noise, strict=True))
    for powers in product(range(4), repeat=2):
        feature = r[0] ** powers[0] * r[1] ** powers[1]
        covariances = [_mean(feature.subs(inside, simultaneous=True) * e[k], e) for k in range(2)]
        left = sum(covariances[k] * d[k] for k in range(2))
        slopes = [_mean(sp.diff(feature, r[s]).subs(inside, simultaneous=True), e) for s in range(2)]
        right = sum(slopes[s] * gradients[s] for s in range(2))
        proof.equal(f"phi = r_1^{powers[0]} r_2^{powers[1]}", sp.expand(left), sp.expand(right))
    weights, g = sp.symbols("W_1:3", real=True), sp.symbols("g_1:3", real=True)
    field = sw / sp.sqrt(width) * sum(weights[i] * g[i] for i in range(2))
    for power in range(1, 5):
        left = _mean(sw / sp.sqrt(width) * weights[0] * field**power, weights)
        right = sw**2 / width * g[0] * _mean(power * field ** (power - 1), weights)
        proof.equal(f"W phi(W^T g) = sigma_w^2 <phi'> g, phi = r^{power}, each of N terms", left, right)
    return proof.claim((*e, *d), d[0] * e[0] + d[1] * e[1], Domain(()))


def weights() -> Claim:
    """Given r = W^T D, |D| = 1, the product W u is D (r.u) + noise outside D, independent of r.

    What a random matrix has shown in one direction fixes its part along D; the rest is as fresh as at the start. So a
    fresh vector of noise is drawn orthogonal to the directions known on its side.
    """
    proof = Proof()
    entries = sp.Matrix(2, 2, lambda i, j: sp.Symbol(f"W{i}{j}", real=True))
    normals = tuple(entries)
    n, u = sp.Matrix(sp.symbols("n_1:3", real=True)), sp.Matrix(sp.symbols("u_1:3", real=True))
    square = (n.T * n)[0]
    rest = square * entries * u - n * (n.T * entries * u)[0]
    proof.note("D = n/|n|; the rest W u - D (r.u) times |n|^2, so that all is polynomial", rest)
    proof.equal("the rest has nothing along D", (n.T * rest)[0], 0)
    for i, j in product(range(2), repeat=2):
        r = (entries.T * n)[j]
        proof.equal(f"no covariance of rest {i} with r {j}", _mean(rest[i] * r, normals), 0)
    spread = sp.Matrix(2, 2, lambda i, j: _mean(rest[i] * rest[j], normals))
    outside = square * sp.eye(2) - n * n.T
    proof.equal_entries("covariance |u|^2 (1 - D D^T)", spread, (square * (u.T * u)[0] * outside).applyfunc(sp.expand))
    return proof.claim((*n, *u), (u.T * u)[0] * outside[0, 0] / square, Domain(()))
