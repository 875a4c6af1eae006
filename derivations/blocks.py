"""Kernels of networks of blocks: what every block does to K(x, x') and Theta(x, x'), over positions p of x, p' of x'.

K is the mean over channels of products of features, Theta that of products of their gradients; both concentrate as the
channels grow, features of different channels are uncorrelated, and so are their gradients.
"""

from __future__ import annotations

from itertools import product

import sympy as sp

from .claim import Claim, Domain, Proof, Range
from .gaussian import moment

t, tdot, theta, weight, constant, rate, bias = sp.symbols("T Tdot Theta w c r b", real=True)
q, epsilon = sp.symbols("q epsilon", nonnegative=True)
sw, sb, alpha, alpha_b = sp.symbols("sigma_w sigma_b alpha alpha_b", positive=True)
keep = sp.Symbol("r", positive=True)
n = sp.Symbol("n", positive=True)
THREE, TWO = range(3), range(2)


def _table(name: str, *sizes: int) -> dict[tuple[int, ...], sp.Symbol]:
    """Return a symbol for every place of an array."""
    places = product(*map(range, sizes))
    return {place: sp.Symbol(name + "".join(map(str, place)), real=True) for place in places}


def layer() -> Claim:
    """K' = w T + c, Theta' = w Tdot Theta + r T + b for y = (sigma_w/sqrt n) sum_i W_i phi(h_i) + sigma_b beta.

    w = sigma_w^2, c = sigma_b^2; W and beta learn at rates r = alpha, b = alpha' (defaults w, c); T, Tdot are the means
    over channels of phi phi and phi' phi', and 1 for no activation.
    Source: Jacot et al. (2018), theorem 1, for rates w, c.
    """
    proof = Proof()
    w, beta = sp.symbols("W_1:4", real=True), sp.Symbol("beta", real=True)
    phi, other = sp.symbols("phi_1:4", real=True), sp.symbols("psi_1:4", real=True)
    slope, other_slope = sp.symbols("dphi_1:4", real=True), sp.symbols("dpsi_1:4", real=True)

    def output(features: tuple[sp.Symbol, ...]) -> sp.Expr:
        return sw / sp.sqrt(3) * sum(w[i] * features[i] for i in THREE) + sb * beta

    mean = sum(phi[i] * other[i] for i in THREE) / 3
    proof.equal("K' for 3 channels", moment(output(phi) * output(other), *w, beta), sp.expand(sw**2 * mean + sb**2))
    again = output(other).subs(dict(zip(w, sp.symbols("V_1:4", real=True), strict=True)))
    proof.equal("another channel of y shares no W", moment(output(phi) * again, *w, beta).subs(sb, 0), 0)
    gradients = sum(sp.diff(output(phi), v) * sp.diff(output(other), v) for v in w) * alpha / sw**2
    gradients += sp.diff(output(phi), beta) * sp.diff(output(other), beta) * alpha_b / sb**2
    proof.equal("own parameters", sp.expand(gradients), sp.expand(alpha * mean + alpha_b))
    below = sw**2 / 3 * sum(w[i] * w[i] * slope[i] * other_slope[i] * theta for i in THREE)
    proof.note("parameters below: gradients of h_i and h_j have Theta as their product for i = j, 0 otherwise")
    slopes = sum(slope[i] * other_slope[i] for i in THREE) / 3
    proof.equal("their part, over W", moment(below, *w), sp.expand(sw**2 * slopes * theta))
    formula = (weight * t + constant, weight * tdot * theta + rate * t + bias)
    ranges = (Range(-3, 3), Range(0, 2), Range(-20, 20), Range(0, 5), Range(0, 1), Range(0, 5), Range(0, 1))
    edges = ((1.0, 1.0, 0.0, 1.0, 0.0, 0.0, 0.0), (-1e-12, 0.5, 1e6, 2.0, 0.0, 2.0, 0.0), (0.0,) * 7)
    scale = sp.Abs(weight * t) + constant + sp.Abs(weight * tdot * theta) + sp.Abs(rate * t) + bias
    return proof.claim((t, tdot, theta, weight, constant, rate, bias), formula, Domain(ranges, edges=edges),
                       tolerance=1e-15, scale=scale)  # fmt: skip


def inverse_norm() -> Claim:
    """`layer_norm` divides K and Theta of (p, p') by sqrt(q + epsilon) sqrt(q' + epsilon), q = K of p with itself.

    For y = (h - m)/s, s = sqrt(v + epsilon), with the mean m and the variance v of h over n channels: h has mean zero
    and variance q, so m -> 0, v -> q; that m and v depend on the parameters, too, costs Theta a share of 1/n.
    """
    proof = Proof()
    h = sp.symbols("h_1:4", real=True)
    mean = sum(h) / 3
    spread = sp.sqrt(sum((each - mean) ** 2 for each in h) / 3 + epsilon)
    y = [(each - mean) / spread for each in h]
    for i, j in ((0, 0), (0, 1)):
        slope = (sp.KroneckerDelta(i, j) - sp.Rational(1, 3) - y[i] * y[j] / 3) / spread
        proof.equal(f"3 channels: dy_{i}/dh_{j} = (delta - 1/n - y y/n)/s", sp.diff(y[i], h[j]), slope)
    proof.equal("y has mean 0", sp.simplify(sum(y)), 0)
    one = sp.Matrix([1, 1, 1])
    u, v = sp.Matrix([*sp.symbols("y_1:3"), 0]), sp.Matrix([*sp.symbols("z_1:3"), 0])
    u[2], v[2] = -u[0] - u[1], -v[0] - v[1]
    left, right = (sp.eye(3) - (one * one.T + each * each.T) / 3 for each in (u, v))
    a, b, c = (each / 3 for each in ((u.T * u)[0], (v.T * v)[0], (u.T * v)[0]))
    proof.equal("trace of the product of two such matrices, times s s'", (left * right).trace(), 3 - 1 - a - b + c**2)
    bounded = sp.symbols("a b c", real=True)
    share = (n - 1 - bounded[0] - bounded[1] + bounded[2] ** 2) / n
    proof.equal("at n channels, |a|, |b|, |c| <= 1", sp.Limit(share, n, sp.oo), 1)
    formula = sp.Piecewise((0, sp.Eq(q + epsilon, 0)), (1 / sp.sqrt(q + epsilon), True))
    domain = Domain(
        (Range(1e-8, 1e4, "log"), Range(1e-14, 1e-1, "log")),
        edges=((0.0, 0.0), (0.0, 1e-12), (1e-200, 0.0), (4.0, 0.0), (1e200, 1e-12)),
    )
    return proof.claim((q, epsilon), formula, domain, tolerance=4e-16)


def conv() -> Claim:
    """S(p, p') = (sigma_w^2/|W|) sum_{k in W} K(p + k, p' + k) + sigma_b^2: both positions move together.

    z_p = (sigma_w/sqrt(|W| n)) sum_{k, c} W_kc x_{p+k, c} + sigma_b beta, 0 beyond the image; |W| counts the whole
    filter there, too. Theta' = (alpha/|W|) sum K + alpha' + (sigma_w^2/|W|) sum Theta(p + k, p' + k). Here: length 3,
    filter 3, two channels.  Source: Novak et al. (2019), Arora et al. (2019) (statements recalled, derived here).
    """
    proof = Proof()
    x, y = _table("x", 3, 2), _table("y", 3, 2)
    w, beta = _table("W", 3, 2), sp.Symbol("beta", real=True)
    kernel, tangent = _table("K", 3, 3), _table("Theta", 3, 3)
    names = {p: sum(x[p[0], c] * y[p[1], c] for c in TWO) / 2 for p in kernel}
    taps = {p: [k for k in (-1, 0, 1) if 0 <= p[0] + k < 3 and 0 <= p[1] + k < 3] for p in kernel}

    def output(image: dict[tuple[int, ...], sp.Symbol], p: int) -> sp.Expr:
        inside = [(k, c) for k in THREE for c in TWO if 0 <= p + k - 1 < 3]
        return sw / sp.sqrt(6) * sum(w[k, c] * image[p + k - 1, c] for k, c in inside) + sb * beta

    for p in kernel:
        shifted = [(p[0] + k, p[1] + k) for k in taps[p]]
        mean = sw**2 / 3 * sum(names[place] for place in shifted) + sb**2
        found = moment(output(x, p[0]) * output(y, p[1]), *w.values(), beta)
        shown = sw**2 / 3 * sum(kernel[place] for place in shifted) + sb**2
        proof.equal(f"S{p}", found, sp.expand(mean))
        gradients = [sp.diff(output(x, p[0]), v) * sp.diff(output(y, p[1]), v) for v in w.values()]
        text = f"own weights of {p}: alpha/sigma_w^2 times the same sum"
        proof.equal(text, sp.expand(sum(gradients)), sp.expand(mean - sb**2))
        below = (
            sw**2
            / 6
            * sum(
                w[k, c] * w[m, c] * tangent[p[0] + k - 1, p[1] + m - 1]
                for k, m, c in product(THREE, THREE, TWO)
                if 0 <= p[0] + k - 1 < 3 and 0 <= p[1] + m - 1 < 3
            )
        )
        sum_of = sw**2 / 3 * sum(tangent[place] for place in shifted)
        proof.equal(f"parameters below {p}, over W", moment(below, *w.values()), sp.expand(sum_of))
        moved = {symbol for place, symbol in kernel.items() if place[1] - place[0] != p[1] - p[0]}
        proof.equal(f"{p} needs the shift p' - p alone", len(shown.free_symbols & moved), 0)
    middle = tuple(kernel[p, p] for p in THREE)
    return proof.claim((*middle, sw, sb), sw**2 / 3 * sum(middle) + sb**2, Domain(()))


def pool() -> Claim:
    """A mean over windows: K'(P, P') is the mean of K(p, p') over p in the window of P and p' in that of P'.

    So is Theta'. The global mean is one window: the mean over all (p, p'). Here: length 4, windows of 2, two channels.
    """
    proof = Proof()
    x, y = _table("x", 4, 2), _table("y", 4, 2)
    kernel = {p: sum(x[p[0], c] * y[p[1], c] for c in TWO) / 2 for p in product(range(4), repeat=2)}

    def output(image: dict[tuple[int, ...], sp.Symbol], window: range, c: int) -> sp.Expr:
        return sum(image[p, c] for p in window) / len(window)

    for one, other in product((range(2), range(2, 4), range(4)), repeat=2):
        found = sum(output(x, one, c) * output(y, other, c) for c in TWO) / 2
        mean = sum(kernel[p] for p in product(one, other)) / (len(one) * len(other))
        text = f"windows {one.start}-{one.stop - 1} and {other.start}-{other.stop - 1}"
        proof.equal(text, sp.expand(found), sp.expand(mean))
    proof.note("gradients pass through the same means: the same holds for Theta")
    places = tuple(sp.symbols("K00 K01 K10 K11", real=True))
    return proof.claim(places, sum(places) / 4, Domain(()))


def flatten() -> Claim:
    """Positions as channels: K' = (1/P) sum_p K(p, p), Theta' alike; other (p, p') do not matter.

    Here: two positions, two channels, and the layer above it.
    """
    proof = Proof()
    x, y, w = _table("x", 2, 2), _table("y", 2, 2), _table("W", 2, 2)
    tangent = _table("Theta", 2, 2)
    same = sum(sum(x[p, c] * y[p, c] for c in TWO) / 2 for p in TWO) / 2
    proof.equal("the mean over 4 channels", sum(x[i] * y[i] for i in x) / 4, sp.expand(same))
    below = sw**2 / 4 * sum(w[p, c] * w[m, c] * tangent[p, m] for p, m, c in product(TWO, TWO, TWO))
    mean = sw**2 * (tangent[0, 0] + tangent[1, 1]) / 2
    proof.equal("Theta below a layer, over W: positions have weights of their own", moment(below, *w.values()), mean)
    places = tuple(sp.symbols("K00 K11", real=True))
    return proof.claim(places, sum(places) / 2, Domain(()))


def add() -> Claim:
    """K and Theta of a sum are the sums, if flipping the weights of one branch flips its features: it has mean zero.

    y = u + v: u any function of the parameters a below and its own, v = W phi(a) with weights W of its own. Here: two
    channels, polynomials u and phi.
    """
    proof = Proof()
    a, b = sp.symbols("a_1:3", real=True), sp.symbols("b_1:3", real=True)
    w = _table("W", 2, 2)

    def trunk(x: sp.Expr) -> list[sp.Expr]:
        return [a[0] * x + a[1] * x**2, a[1] * x + b[0] * a[0] * x**2 + b[1]]

    def branch(x: sp.Expr) -> list[sp.Expr]:
        return [sum(w[i, j] * trunk(x)[j] ** 2 for j in TWO) for i in TWO]

    x, z = sp.symbols("x z", real=True)

    def kernel(first: list[sp.Expr], second: list[sp.Expr]) -> sp.Expr:
        return moment(sum(first[i] * second[i] for i in TWO) / 2, *w.values())

    def gradients(first: list[sp.Expr], second: list[sp.Expr]) -> sp.Expr:
        parameters = (*a, *b, *w.values())
        products = sum(sp.diff(first[i], v) * sp.diff(second[i], v) for i in TWO for v in parameters)
        return moment(products / 2, *w.values())

    for name, form in (("K", kernel), ("Theta", gradients)):
        both = [[u + v for u, v in zip(trunk(s), branch(s), strict=True)] for s in (x, z)]
        alone = form(trunk(x), trunk(z)) + form(branch(x), branch(z))
        proof.equal(f"{name}, over W", form(*both), sp.expand(alone))
        proof.equal(f"{name}: what is odd in W has mean zero", form(trunk(x), branch(z)), 0)
    proof.note("so too for more branches: all but one must be odd in weights of their own")
    k1, k2 = sp.symbols("K1 K2", real=True)
    return proof.claim((k1, k2), k1 + k2, Domain(()))


def concatenate() -> Claim:
    """K and Theta of channels side by side: the means of the branches, weighted by their channels."""
    proof = Proof()
    n1, n2, k1, k2 = sp.symbols("n1 n2 K1 K2", positive=True)
    i = sp.Symbol("i", integer=True)
    x = sp.IndexedBase("x")
    two, three = sp.Sum(x[i], (i, 1, 2)).doit(), sp.Sum(x[i], (i, 3, 5)).doit()
    proof.note("x_i: the product of feature i for both samples, or of its gradients")
    proof.equal("2 and 3 channels", (two + three) / 5, (2 * (two / 2) + 3 * (three / 3)) / 5)
    return proof.claim((k1, k2, n1, n2), (n1 * k1 + n2 * k2) / (n1 + n2), Domain(()))


def dropout() -> Claim:
    """Masks m = 1/r with probability r, else 0: K(p, p) and Theta(p, p) of a sample with itself grow by 1/r.

    All other pairs of samples or positions have independent masks, and keep K and Theta.
    """
    proof = Proof()
    law = ((1 / keep, keep), (sp.S.Zero, 1 - keep))
    proof.equal("E m", sum(m * p for m, p in law), 1)
    proof.equal("same mask: E m^2", sum(m**2 * p for m, p in law), 1 / keep)
    proof.equal("two masks: E m m'", sum(m * k * p * s for (m, p), (k, s) in product(law, repeat=2)), 1)
    proof.note("features and gradients of a channel both take its factor m")
    return proof.claim((keep,), 1 / keep, Domain(()))


def attention() -> Claim:
    """K' = w G K G'^T + c, Theta' = w G (Theta + 2 K) G'^T + c, G = softmax(sigma_q sigma_k K(x, x)), w = (sv so)^2.

    y_p = (so/sqrt d) O (sv/sqrt n) V sum_r G_pr x_r + sigma_b beta; logits (sigma_q sigma_k/d) (Q x_p/sqrt n).(Q x_r/
    sqrt n) with one Q for queries and keys, d rows each. Here: two positions, two channels, d = 2; G as d -> infinity.
    Source: Hron et al. (2020) (statement recalled, derived here).
    """
    proof = Proof()
    _logits(proof)
    g, h, x, y = (_table(name, 2, 2) for name in ("G", "H", "x", "y"))
    o, v, beta = sp.symbols("O_1:3", real=True), _table("V", 2, 2), sp.Symbol("beta", real=True)
    sv, so = sp.symbols("sigma_v sigma_o", positive=True)

    def output(scores: dict[tuple[int, ...], sp.Symbol], image: dict[tuple[int, ...], sp.Symbol], p: int) -> sp.Expr:
        mixed = [sum(scores[p, r] * image[r, c] for r in TWO) for c in TWO]
        values = [sv / sp.sqrt(2) * sum(v[j, c] * mixed[c] for c in TWO) for j in TWO]
        return so / sp.sqrt(2) * sum(o[j] * values[j] for j in TWO) + sb * beta

    kernel = {p: sum(x[p[0], c] * y[p[1], c] for c in TWO) / 2 for p in product(TWO, repeat=2)}
    tangent = _table("Theta", 2, 2)
    random = (*o, *v.values(), beta)
    for p, m in ((0, 0), (0, 1)):
        both = [(r, s, g[p, r] * h[m, s]) for r, s in product(TWO, repeat=2)]
        mixed = sv**2 * so**2 * sum(share * kernel[r, s] for r, s, share in both)
        one, other = output(g, x, p), output(h, y, m)
        proof.equal(f"K'({p}, {m})", moment(one * other, *random), sp.expand(mixed + sb**2))
        for name, own in (("O", o), ("V", tuple(v.values()))):
            found = sum(sp.diff(one, each) * sp.diff(other, each) for each in own)
            proof.equal(f"parameters {name}: once w G K G'^T", moment(found, *random), sp.expand(mixed))
        proof.equal("biases", sp.diff(one, beta) * sp.diff(other, beta), sb**2)
        below = sum(
            sp.diff(one, x[r, c]) * sp.diff(other, y[s, c]) * tangent[r, s] for r, s, c in product(TWO, TWO, TWO)
        )
        through = sv**2 * so**2 * sum(share * tangent[r, s] for r, s, share in both)
        proof.equal("parameters below: w G Theta G'^T", moment(below, *random), sp.expand(through))
    mixed_k, mixed_theta = sp.symbols("GKG GThetaG", real=True)
    formula = (weight * mixed_k + constant, weight * (mixed_theta + 2 * mixed_k) + constant)
    return proof.claim((mixed_k, mixed_theta, weight, constant), formula, Domain(()))


def _logits(proof: Proof) -> None:
    """Logits become deterministic, and their parameters drop out of Theta, as d grows."""
    d, a, b, c = sp.symbols("d a b c", positive=True)
    z, y = sp.symbols("z y", real=True)
    # One row of Q: (Q x_p, Q x_r)/sqrt n are Gaussian with covariances a = K(p, p), c = K(p, r), b = K(r, r).
    one, other = sp.sqrt(a) * z, c / sp.sqrt(a) * z + sp.sqrt(b - c**2 / a) * y
    mean = moment(one * other, z, y)
    proof.equal("a logit is a mean over d rows of Q, of mean K(p, r)", mean, c)
    variance = sp.simplify(moment(one**2 * other**2, z, y) - mean**2)
    proof.equal("and variance 1/d times", variance, a * b + c**2)
    proof.equal("d -> infinity", sp.Limit(variance / d, d, sp.oo), 0)
    proof.note("G is bounded and continuous in the logits: its moments converge to those at K(p, r)")
    row, x, w = sp.symbols("Q_1:3", real=True), _table("x", 2, 2), _table("y", 2, 2)
    one, other = (sum(row[i] * f[0, i] for i in TWO) * sum(row[i] * f[1, i] for i in TWO) / 2 for f in (x, w))
    kernel = {p: sum(x[p[0], c] * w[p[1], c] for c in TWO) / 2 for p in product(TWO, repeat=2)}
    products = moment(sum(sp.diff(one, r) * sp.diff(other, r) for r in row), *row)
    four = 2 * kernel[0, 0] * kernel[1, 1] + 2 * kernel[0, 1] * kernel[1, 0]
    proof.equal("gradients of logits (0, 1) of x and of y by a row of Q, over it", products, sp.expand(four))
    proof.equal("d rows, each with 1/d^2: Q drops out of Theta", sp.Limit(d * c / d**2, d, sp.oo), 0)
    o, v = sp.symbols("O_1:3", real=True), _table("V", 2, 2)
    push = sum(o[j] * sum(v[j, i] * x[0, i] for i in TWO) for j in TWO) / 2
    size = moment(push**2, *o, *v.values())
    proof.equal("as dy/dG is of order 1: variance w K(r, r)", size, (x[0, 0] ** 2 + x[0, 1] ** 2) / 2)
