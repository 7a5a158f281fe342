"""The error function and its relatives, in float64 unless it is said otherwise.

Every function takes and returns arrays; NaN gives NaN. Relative errors are below 1e-13
away from zeros.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from servable.ops.chebyshev import beyond, over
from servable.tensors import Array

_EULER = 0.5772156649015329

# erf(x) / x as a quotient of polynomials in x**2, for float32 and |x| < 4.
_ERF_OVER = (
    *(-2.72614225801306e-10, 2.77068142495902e-08, -2.10102402082508e-06),
    *(-5.69250639462346e-05, -7.34990630326855e-04, -2.95459980854025e-03),
    -1.60960333262415e-02,
)
_ERF_UNDER = (
    *(-1.45660718464996e-05, -2.13374055278905e-04, -1.68282697438203e-03),
    *(-7.37332916720468e-03, -1.42647390514189e-02),
)
# Wichura's rational approximations of the normal quantile (algorithm AS 241): of the
# centre, and of the tail near and far, by falling powers.
_CENTRE = (
    (
        *(2509.0809287301226727, 33430.575583588128105, 67265.770927008700853),
        *(45921.953931549871457, 13731.693765509461125, 1971.5909503065514427),
        *(133.14166789178437745, 3.3871328727963666080),
    ),
    (
        *(5226.4952788528545610, 28729.085735721942674, 39307.895800092710610),
        *(21213.794301586595867, 5394.1960214247511077, 687.18700749205790830),
        *(42.313330701600911252, 1.0),
    ),
)
_NEAR = (
    (
        *(7.74545014278341407640e-4, 2.27238449892691845833e-2, 2.41780725177450611770e-1),
        *(1.27045825245236838258, 3.64784832476320460504, 5.76949722146069140550),
        *(4.63033784615654529590, 1.42343711074968357734),
    ),
    (
        *(1.05075007164441684324e-9, 5.47593808499534494600e-4, 1.51986665636164571966e-2),
        *(1.48103976427480074590e-1, 6.89767334985100004550e-1, 1.67638483018380384940),
        *(2.05319162663775882187, 1.0),
    ),
)
_FAR = (
    (
        *(2.01033439929228813265e-7, 2.71155556874348757815e-5, 1.24266094738807843860e-3),
        *(2.65321895265761230930e-2, 2.96560571828504891230e-1, 1.78482653991729133580),
        *(5.46378491116411436990, 6.65790464350110377720),
    ),
    (
        *(2.04426310338993978564e-15, 1.42151175831644588870e-7, 1.84631831751005468180e-5),
        *(7.86869131145613259100e-4, 1.48753612908506148525e-2, 1.36929880922735805310e-1),
        *(5.99832206555887937690e-1, 1.0),
    ),
)


def erf(x: Array) -> Any:
    """The error function; float32 is computed in float32, to 1e-6."""
    if x.dtype == np.float32:
        y = np.clip(x, np.float32(-4), np.float32(4))
        square = y * y
        return y * _polynomial(_ERF_OVER, square) / _polynomial(_ERF_UNDER, square)
    return np.where(np.abs(x) < 1, _erf_near(x), np.copysign(1 - erfc(np.abs(x)), x))


def _erf_near(x: Array) -> Any:
    return x * over("erf", x * x, 0, 1)


def _polynomial(coefficients: tuple[float, ...], x: Array) -> Any:
    """By falling powers, in the array's own dtype."""
    total = np.full_like(x, coefficients[0])
    for coefficient in coefficients[1:]:
        total = total * x + x.dtype.type(coefficient)
    return total


def erfc(x: Array) -> Any:
    """1 - erf(x), exact where that is small."""
    y = np.abs(x)
    tail = np.exp(-y * y) * beyond("erfc", y, 0.5) / (1 + 2 * y)
    tail = np.where(y > 30, 0, tail)
    return np.where(y < 0.5, 1 - _erf_near(x), np.where(x < 0, 2 - tail, tail))


def ndtri(p: Array) -> Any:
    """The x with the given probability below it, under the normal distribution."""
    return _quantile(p - 0.5, np.minimum(p, 1 - p))


def erfinv(x: Array) -> Any:
    """The inverse of erf."""
    return _quantile(x / 2, (1 - np.abs(x)) / 2) / np.sqrt(2)


def _quantile(centre: Array, tail: Array) -> Any:
    """The normal quantile of 0.5 + centre, whose smaller tail is also given."""
    square = 0.180625 - centre * centre
    inner = centre * _quotient(_CENTRE, square)
    r = np.sqrt(-np.log(tail))
    outer = np.where(r <= 5, _quotient(_NEAR, r - 1.6), _quotient(_FAR, np.minimum(r, 40) - 5))
    outer = np.where(tail == 0, np.inf, outer)
    found = np.where(np.abs(centre) <= 0.425, inner, np.copysign(outer, centre))
    return np.where(tail >= 0, found, np.nan)


def _quotient(sides: tuple[tuple[float, ...], tuple[float, ...]], x: Array) -> Any:
    return _polynomial(sides[0], x) / _polynomial(sides[1], x)


def dawson(x: Array) -> Any:
    """Dawson's integral."""
    square = x * x
    near = x * over("dawson", square, 0, 25)
    far = over("dawson_5_inf", 1 / square, 0, 1 / 25) / x
    return np.where(np.abs(x) < 5, near, far)


def fresnel_cos(x: Array) -> Any:
    """The integral of cos(pi t**2 / 2) from 0 to x."""
    y = np.abs(x)
    f, g, sine, cosine = _fresnel_far(y)
    near = y * over("fresnel_c", y**4, 0, 6.5536)
    return np.copysign(np.where(y < 1.6, near, 0.5 + f * sine - g * cosine), x)


def fresnel_sin(x: Array) -> Any:
    """The integral of sin(pi t**2 / 2) from 0 to x."""
    y = np.abs(x)
    f, g, sine, cosine = _fresnel_far(y)
    near = y**3 * over("fresnel_s", y**4, 0, 6.5536)
    return np.copysign(np.where(y < 1.6, near, 0.5 - f * cosine - g * sine), x)


def _fresnel_far(y: Array) -> tuple[Array, Array, Array, Array]:
    u = y**-2.0
    f = over("fresnel_f", u, 0, 1 / 2.56) / y
    g = over("fresnel_g", u, 0, 1 / 2.56) / y**3
    # Quarter turns, of which only the rest counts.
    angle = np.pi / 2 * np.fmod(np.where(np.isfinite(y), y, 0) ** 2, 4)
    return f, g, np.sin(angle), np.cos(angle)


def expint(x: Array) -> Any:
    """The exponential integral Ei of numbers that are not negative."""
    u = 1 / x
    near = _EULER + np.log(x) + x * over("expint", x, 0, 6)
    middle = over("expint_6_24", u, 1 / 24, 1 / 6)
    far = over("expint_24_inf", u, 0, 1 / 24)
    outer = np.exp(x) * u * np.where(x < 24, middle, far)
    return np.where(x < 6, near, outer)


def spence(x: Array) -> Any:
    """The integral of log(t) / (1 - t) from 1 to x: the dilogarithm of 1 - x."""
    y = np.where(x > 2, 1 / x, x)
    z = np.where(y < 0.5, y, 1 - y)
    found = z * over("spence", z, -1, 0.5)
    logs = np.where(y == 0, 0, np.log(y) * np.log1p(-y))
    found = np.where(y < 0.5, np.pi**2 / 6 - logs - found, found)
    found = np.where(x > 2, -found - np.log(x) ** 2 / 2, found)
    return np.where((x < 0) | np.isinf(x), np.nan, found)
