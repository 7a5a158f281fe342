"""The gamma function and its relatives, in float64.

Every function takes and returns arrays, of equal shapes where it takes several; NaN
gives NaN.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from servable.ops.chebyshev import over
from servable.tensors import Array

# B(2k) / (2k)! for k = 1...: the terms of Euler and Maclaurin's formula.
_EULER_MACLAURIN = (
    *(1 / 12, -1 / 720, 1 / 30240, -1 / 1209600, 1 / 47900160),
    *(-691 / 1307674368000, 1 / 74724249600, -3617 / 10670622842880000),
    *(43867 / 5109094217170944000, -174611 / 802857662698291200000),
)
# B(2k) / (2k (2k - 1)) for k = 1...: Stirling's series.
_STIRLING = (
    *(1 / 12, -1 / 360, 1 / 1260, -1 / 1680, 1 / 1188, -691 / 360360, 1 / 156),
    *(-3617 / 122400,),
)
_SHIFT = 10
"""From here on the series above are good to 1e-16."""
_MOST_TERMS = 2000
"""Bound on how many terms a series or fraction may need; TensorFlow has the same."""
_TINY = 1e-300


def _even_powers(coefficients: tuple[float, ...], x: Array) -> Any:
    """The sum of coefficients[k] / x**(2k)."""
    inverse = 1 / (x * x)
    total = np.zeros_like(x)
    for coefficient in reversed(coefficients):
        total = total * inverse + coefficient
    return total


def lgamma(x: Array) -> Any:
    """Log of the absolute value of the gamma function."""
    y = np.where(x < 0.5, 1 - x, x)
    product = np.ones_like(y)
    for step in range(_SHIFT):
        product = product * np.where(y + step < _SHIFT, y + step, 1)
    z = np.where(y < _SHIFT, y + np.ceil(_SHIFT - np.minimum(y, _SHIFT)), y)
    found = (z - 0.5) * np.log(z) - z + np.log(2 * np.pi) / 2 + _even_powers(_STIRLING, z) / z
    found = np.where(np.isinf(y), np.inf, found - np.log(product))
    # Between its zeros at 1 and 2, and around them, the terms above cancel.
    near = (y - 1) * (y - 2) * over("lgamma", y, 0.5, 3)
    found = np.where(y < 3, near, found)
    # Gamma's reflection; a whole number has no sine.
    sine = np.abs(np.sin(np.pi * (x - np.rint(x))))
    reflected = np.where(np.isinf(x), np.inf, np.log(np.pi / sine) - found)
    return np.where(x < 0.5, reflected, found)


def digamma(x: Array) -> Any:
    """The derivative of lgamma; NaN where that has poles."""
    y = np.where(x <= 0, 1 - x, x)
    total = np.zeros_like(y)
    z = y
    for _ in range(_SHIFT):
        small = z < _SHIFT
        total = total - np.where(small, 1 / z, 0)
        z = np.where(small, z + 1, z)
    inverse = 1 / (z * z)
    tail = np.zeros_like(z)
    for k, coefficient in reversed(list(enumerate(_STIRLING))):
        tail = tail * inverse + coefficient * (2 * k + 1)
    found = total + np.log(z) - 0.5 / z - tail * inverse
    angle = np.pi * (x - np.rint(x))
    reflected = np.where(angle == 0, np.nan, found - np.pi / np.tan(angle))
    return np.where(x <= 0, reflected, found)


def zeta(x: Array, q: Array) -> Any:
    """Hurwitz's zeta function: the sum of (q + k)**-x over k = 0, 1, ..."""
    total = np.zeros_like(x)
    for step in range(_SHIFT):
        total = total + (q + step) ** -x
    w = q + _SHIFT
    power = w**-x
    tail = power * (w / (x - 1) + 0.5)
    factor = x
    for k, coefficient in enumerate(_EULER_MACLAURIN):
        power = power / w
        tail = tail + coefficient * factor * power
        power = power / w
        factor = factor * (x + 2 * k + 1) * (x + 2 * k + 2)
    found = total + np.where(np.isinf(x) | np.isinf(q), 0, tail)
    # A term of a negative number to a power that is not whole, and a pole.
    found = np.where((q <= 0) & (x != np.floor(x)), np.nan, found)
    pole = (q <= 0) & (q == np.floor(q))
    found = np.where(pole, np.where(np.isinf(x) | (np.fmod(x, 2) == 0), np.inf, np.nan), found)
    return np.where(x == 1, np.inf, np.where(x > 1, found, np.nan))


def polygamma(n: Array, x: Array) -> Any:
    """The derivative of order n of digamma, for whole n that are not negative."""
    sign = np.where(np.mod(n, 2) == 0, -1.0, 1.0)
    higher = sign * np.exp(lgamma(n + 1)) * zeta(n + 1, x)
    found = np.where(n == 0, digamma(x), higher)
    return np.where((n >= 0) & (n == np.floor(n)), found, np.nan)


def igamma(a: Array, x: Array) -> Any:
    """The regularised lower incomplete gamma function."""
    return _incomplete(a, x, upper=False)


def igammac(a: Array, x: Array) -> Any:
    """The regularised upper incomplete gamma function."""
    return _incomplete(a, x, upper=True)


def _incomplete(a: Array, x: Array, *, upper: bool) -> Any:
    by_series = (x <= 1) | (x <= a)
    inside = (a > 0) & (x > 0) & np.isfinite(a) & np.isfinite(x)
    series, fraction = inside & by_series, inside & ~by_series
    lower = np.full(a.shape, np.nan)
    lower[series] = _lower_series(a[series], x[series])
    rest = _upper_fraction(a[fraction], x[fraction])
    if upper:
        lower[series] = 1 - lower[series]
        lower[fraction] = rest
    else:
        lower[fraction] = 1 - rest
    at_infinity = np.where(np.isinf(a) & ~np.isinf(x), float(upper), float(not upper))
    at_infinity = np.where(np.isinf(a) & np.isinf(x), 0.0, at_infinity)
    defined = (a > 0) & (x >= 0)
    found = np.where(inside, lower, np.where(defined, at_infinity, np.nan))
    return np.where(x == 0, np.where(defined, 1.0, np.nan) if upper else 0.0, found)


def _prefactor(a: Array, x: Array) -> Any:
    """x**a exp(-x) / gamma(a)."""
    return np.exp(a * np.log(x) - x - lgamma(a))


def _lower_series(a: Array, x: Array) -> Any:
    term = 1 / a
    total = term
    for n in range(1, _MOST_TERMS):
        term = term * x / (a + n)
        total = total + term
        if not np.any(term > 1e-17 * total):
            break
    return total * _prefactor(a, x)


def _upper_fraction(a: Array, x: Array) -> Any:
    def terms(n: int) -> tuple[Any, Any]:
        return n * (a - n), x - a + 1 + 2 * n

    return _prefactor(a, x) / _continued(x - a + 1, terms)


def _continued(start: Array, terms: Callable[[int], tuple[Any, Any]]) -> Any:
    """A continued fraction b0 + a1 / (b1 + a2 / (b2 + ...)), by Lentz's method."""
    found = np.where(start == 0, _TINY, start)
    c, d = found, np.zeros_like(found)
    for n in range(1, _MOST_TERMS):
        above, below = terms(n)
        d = below + above * d
        d = 1 / np.where(d == 0, _TINY, d)
        c = below + above / c
        c = np.where(c == 0, _TINY, c)
        found = found * c * d
        if not np.any(np.abs(c * d - 1) > 1e-16):
            break
    return found


def betainc(a: Array, b: Array, x: Array) -> Any:
    """The regularised incomplete beta function."""
    inside = (a > 0) & (b > 0) & (x > 0) & (x < 1)
    found = np.full(a.shape, np.nan)
    swap = x > (a + 1) / (a + b + 2)
    for part, first, second, y in (
        (inside & ~swap, a, b, x),
        (inside & swap, b, a, 1 - x),
    ):
        value = _beta_fraction(first[part], second[part], y[part])
        found[part] = value if first is a else 1 - value
    at_edge = ((x == 0) | (x == 1)) & ~((a <= 0) | (b <= 0))
    return np.where(at_edge, x, found)


def _beta_fraction(a: Array, b: Array, x: Array) -> Any:
    def terms(n: int) -> tuple[Any, Any]:
        m = n // 2
        if n % 2:
            above = -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1))
        else:
            above = m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m))
        return above, 1.0

    log = a * np.log(x) + b * np.log1p(-x) - lgamma(a) - lgamma(b) + lgamma(a + b)
    return np.exp(log) / (a * _continued(np.ones_like(x), terms))
