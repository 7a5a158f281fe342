"""Bessel functions of orders 0 and 1, in float64.

Every function takes and returns arrays; NaN gives NaN. Relative errors are below 1e-13
away from zeros. At infinity, and outside the domain, they answer as TensorFlow does.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from servable.ops.chebyshev import over
from servable.tensors import Array


def i(order: int, x: Array, *, scaled: bool) -> Any:
    """The modified function of the first kind; times exp(-|x|) if `scaled`."""
    y = np.abs(x)
    near = over(f"i{order}", y, 0, 8) * y**order
    far = over(f"i{order}_8_inf", 1 / y, 0, 1 / 8) / np.sqrt(y)
    found = np.where(y < 8, near, far)
    if not scaled:
        found = _times_exp(found, y)
    return np.copysign(found, x) if order else found


def _times_exp(x: Array, exponent: Array) -> Any:
    """The product with an exponential that may overflow where the product does not."""
    half = np.exp(exponent / 2)
    return x * half * half


def k(order: int, x: Array, *, scaled: bool) -> Any:
    """The modified function of the second kind; times exp(x) if `scaled`."""
    sign = -1 if order == 0 else 1
    log = np.log(x / 2) * i(order, np.minimum(x, 2), scaled=False)
    near = over(f"k{order}", x * x, 0, 4) / x**order + sign * log
    far = over(f"k{order}_2_inf", 1 / x, 0, 1 / 2) / np.sqrt(x)
    found = np.where(
        x < 2,
        near * np.exp(np.minimum(x, 2)) if scaled else near,
        far if scaled else _times_exp(far, -x),
    )
    return np.where(x <= 0, np.inf, found)


def j(order: int, x: Array) -> Any:
    """The function of the first kind."""
    y = np.abs(x)
    p, q, cosine, sine = _far(order, y)
    found = np.where(y < 8, _j_near(order, y), p * cosine - q * sine)
    return np.where(x < 0, -found, found) if order else found


def y(order: int, x: Array) -> Any:
    """The function of the second kind."""
    p, q, cosine, sine = _far(order, x)
    log = 2 / np.pi * np.log(x / 2) * _j_near(order, x)
    near = over(f"y{order}", x * x, 0, 64) / x**order + log
    found = np.where(x < 8, near, p * sine + q * cosine)
    return np.where(x <= 0, -np.inf, found)


def _j_near(order: int, x: Array) -> Any:
    return over(f"j{order}", x * x, 0, 64) * x**order


def _far(order: int, x: Array) -> tuple[Array, Array, Array, Array]:
    """The amplitudes of cosine and sine in what J and Y are beyond 8, and these."""
    root = np.sqrt(2 / (np.pi * x))
    square = (8 / x) ** 2
    p = root * over(f"p{order}", square, 0, 1)
    q = root * over(f"q{order}", square, 0, 1) / x
    angle = x - (2 * order + 1) * np.pi / 4
    return p, q, np.cos(angle), np.sin(angle)
