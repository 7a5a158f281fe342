"""Make src/servable/ops/approximations.json: Chebyshev series of special functions.

Run it with a Python that has mpmath: `python scripts/generate_approximations.py`. Each
series is of a smooth function g(t) on [-1, 1], from which `ops/bessel.py`,
`ops/error_functions.py` and `ops/gamma_functions.py` make the function that is meant;
the formulas here and there belong together.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import mpmath as mp

TARGET = Path(__file__).resolve().parent.parent / "src/servable/ops/approximations.json"
POINTS = 96
"""Where each function is sampled; more than any series needs."""
SMALLEST = 1e-18
"""Terms smaller than this, relative to the largest, are left out."""

mp.mp.dps = 60

Function = Callable[[Any], Any]


def series(g: Function) -> list[float]:
    """Coefficients of g on [-1, 1], the constant one whole."""
    nodes = [mp.cos(mp.pi * (k + mp.mpf(1) / 2) / POINTS) for k in range(POINTS)]
    values = [g(t) for t in nodes]
    found = []
    for j in range(POINTS):
        terms = (v * mp.cos(mp.pi * j * (k + mp.mpf(1) / 2) / POINTS) for k, v in enumerate(values))
        found.append(mp.fsum(terms) * (1 if j == 0 else 2) / POINTS)
    largest = max(abs(c) for c in found)
    kept = [j for j, c in enumerate(found) if abs(c) > SMALLEST * largest]
    if kept[-1] > POINTS - 8:
        raise SystemExit(f"{g.__name__} needs more than {POINTS} terms")
    return [float(c) for c in found[: kept[-1] + 1]]


def over(low: float, high: float, f: Function) -> list[float]:
    """f(x) for x in [low, high]."""
    return series(lambda t: f(low + (mp.mpf(high) - low) * (t + 1) / 2))


def beyond(low: float, f: Function) -> list[float]:
    """f(x) for x in [low, inf), with t = (y - 3.75) / (y + 3.75), y = x - low."""
    return series(lambda t: f(low + 3.75 * (1 + t) / (1 - t)))


def hankel(order: int, sine: bool) -> Function:
    """The amplitudes P and Q of J and Y at x >= 8, of u = (8 / x)**2; Q times x."""

    def f(u: Any) -> Any:
        x = 8 / mp.sqrt(u)
        angle = x - (2 * order + 1) * mp.pi / 4
        j, y = mp.besselj(order, x), mp.bessely(order, x)
        root = mp.sqrt(mp.pi * x / 2)
        if sine:
            return root * (y * mp.cos(angle) - j * mp.sin(angle)) * x
        return root * (j * mp.cos(angle) + y * mp.sin(angle))

    return f


def fresnel(sine: bool) -> Function:
    """The auxiliary functions f * x and g * x**3 at x = u**-0.5."""

    def f(u: Any) -> Any:
        x = 1 / mp.sqrt(u)
        c, s, angle = mp.fresnelc(x), mp.fresnels(x), mp.pi * x * x / 2
        c, s = mp.mpf(1) / 2 - c, mp.mpf(1) / 2 - s
        if sine:
            return (c * mp.cos(angle) + s * mp.sin(angle)) * x**3
        return (s * mp.cos(angle) - c * mp.sin(angle)) * x

    return f


def dawson(x: Any) -> Any:
    """Dawson's integral."""
    return mp.exp(-x * x) * mp.erfi(x) * mp.sqrt(mp.pi) / 2


def log_half(x: Any) -> Any:
    """Log of x / 2."""
    return mp.log(x / 2)


def tables() -> dict[str, list[float]]:
    """Every series by name."""
    root = mp.sqrt
    made = {
        "erf": over(0, 1, lambda u: mp.erf(root(u)) / root(u)),
        "erfc": beyond(0.5, lambda x: mp.exp(x * x) * mp.erfc(x) * (1 + 2 * x)),
        "dawson": over(0, 25, lambda u: dawson(root(u)) / root(u)),
        "dawson_5_inf": over(0, 1 / 25, lambda u: dawson(1 / root(u)) / root(u)),
        "lgamma": over(0.5, 3, lambda x: mp.loggamma(x) / ((x - 1) * (x - 2))),
        "spence": over(-1, 0.5, lambda z: mp.polylog(2, z) / z),
        "expint": over(0, 6, lambda x: (mp.ei(x) - mp.euler - mp.log(x)) / x),
        "expint_6_24": over(1 / 24, 1 / 6, lambda u: mp.exp(-1 / u) * mp.ei(1 / u) / u),
        "expint_24_inf": over(0, 1 / 24, lambda u: mp.exp(-1 / u) * mp.ei(1 / u) / u),
        "fresnel_c": over(0, 6.5536, lambda u: mp.fresnelc(u**0.25) / u**0.25),
        "fresnel_s": over(0, 6.5536, lambda u: mp.fresnels(u**0.25) / u**0.75),
        "fresnel_f": over(0, 1 / 2.56, fresnel(sine=False)),
        "fresnel_g": over(0, 1 / 2.56, fresnel(sine=True)),
    }
    for n in (0, 1):
        made |= {
            f"i{n}": over(0, 8, lambda x, n=n: mp.exp(-x) * mp.besseli(n, x) / x**n),
            f"i{n}_8_inf": over(
                0, 1 / 8, lambda u, n=n: mp.exp(-1 / u) * mp.besseli(n, 1 / u) / root(u)
            ),
            f"k{n}": over(0, 4, lambda u, n=n: _k(n, root(u))),
            f"k{n}_2_inf": over(
                0, 1 / 2, lambda u, n=n: mp.exp(1 / u) * mp.besselk(n, 1 / u) / root(u)
            ),
            f"j{n}": over(0, 64, lambda u, n=n: mp.besselj(n, root(u)) / root(u) ** n),
            f"y{n}": over(0, 64, lambda u, n=n: _y(n, root(u))),
            f"p{n}": over(0, 1, hankel(n, sine=False)),
            f"q{n}": over(0, 1, hankel(n, sine=True)),
        }
    return made


def _k(n: int, x: Any) -> Any:
    return (mp.besselk(n, x) + (-1) ** n * log_half(x) * mp.besseli(n, x)) * x**n


def _y(n: int, x: Any) -> Any:
    return (mp.bessely(n, x) - 2 / mp.pi * log_half(x) * mp.besselj(n, x)) * x**n


if __name__ == "__main__":
    lines = ",\n".join(f' "{name}": {json.dumps(row)}' for name, row in tables().items())
    TARGET.write_text("{\n" + lines + "\n}\n")
