#!/usr/bin/env python3
"""Prints the polynomial coefficients of kernels/ops/math.h (needs numpy and mpmath).

Each is a weighted minimax fit: Lawson's iteration reweights least squares on Chebyshev nodes until the largest weighted
error stops falling. Coefficients are rounded to float32 from the lowest power up, refitting the rest each time, so that
rounding one coefficient is made good by the others.
"""
import mpmath as mp
import numpy as np

mp.mp.dps = 40


def lawson(basis, target, weight, rounds=400):
    """Coefficients c that minimise max |weight (basis c - target)| (longdouble least squares, reweighted)."""
    w = np.full(len(target), 1.0 / len(target))
    best, best_error = None, np.inf
    for _ in range(rounds):
        scale = np.sqrt(w) * weight
        c = np.linalg.lstsq((basis * scale[:, None]).astype(float), (target * scale).astype(float), rcond=None)[0]
        # one step of iterative refinement in long double
        residual = target - basis @ c.astype(np.longdouble)
        c = c + np.linalg.lstsq((basis * scale[:, None]).astype(float), (residual * scale).astype(float), rcond=None)[0]
        error = np.abs(weight * (basis @ c.astype(np.longdouble) - target)).astype(float)
        if error.max() < best_error:
            best, best_error = c, error.max()
        w = w * error
        w /= w.sum()
    return best, best_error


def fit(name, f, weight, low, high, powers, nodes=1500):
    angles = (np.arange(nodes) + 0.5) * np.pi / nodes
    x = np.array((low + high) / 2 + (high - low) / 2 * np.cos(angles), dtype=np.longdouble)
    y = np.array([np.longdouble(mp.nstr(f(mp.mpf(float(v))), 25)) for v in x])
    x = x.astype(float).astype(np.longdouble)
    w = np.array([np.longdouble(float(weight(mp.mpf(float(v))))) for v in x])
    fixed, rest, target = [], list(powers), y.copy()
    while rest:
        basis = np.stack([x**p for p in rest], axis=1)
        c, error = lawson(basis, target, w)
        if not fixed:
            print(f"// {name}: weighted minimax error {error:.2e} before rounding")
        fixed.append(np.float32(c[0]))
        target = target - np.longdouble(fixed[-1]) * x ** rest[0]
        rest = rest[1:]
    print(f"//   after rounding {float(np.max(np.abs(w * target))):.2e}")
    print("  " + ", ".join(f"{float(v):.9g}f" for v in fixed) + f"   // powers {list(powers)}")


one = lambda x: mp.mpf(1)
half_erfc = lambda x: mp.erfc(x / mp.sqrt(2)) / 2
half = float(mp.log(2) / 2)
fit("exp(t) - 1 - t over t^2", lambda t: (mp.expm1(t) - t) / t**2 if t else mp.mpf(0.5), lambda t: t**2, -half, half, range(5))
fit("2^t - 1 over t", lambda t: mp.expm1(t * mp.log(2)) / t if t else mp.log(2), lambda t: abs(t), -0.5, 0.5, range(6))
fit("log2(half_erfc(x) e^(x^2/2))", lambda x: mp.log(half_erfc(x), 2) + x**2 / (2 * mp.log(2)),
    lambda x: half_erfc(x) / (1 - half_erfc(x)) if x < 2.5 else half_erfc(x) * x * 2, 0.0, 6.0, range(10))
fit("erf(x) / x - 1 in x^2", lambda s: mp.erf(mp.sqrt(s)) / mp.sqrt(s) - 1, one, 1e-12, 1.0, range(7))
fit("(tanh(x) - x) / x^3 in x^2", lambda s: (mp.tanh(mp.sqrt(s)) - mp.sqrt(s)) / mp.sqrt(s) ** 3, lambda s: s, 1e-6, 0.36, range(5))
fit("(log1p(f) - f + f^2/2) / f^3", lambda f: (mp.log1p(f) - f + f**2 / 2) / f**3 if abs(f) > 1e-9 else mp.mpf(1) / 3,
    lambda f: f**2, float(mp.sqrt(0.5) - 1), float(mp.sqrt(2) - 1), range(7))
