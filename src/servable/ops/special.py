"""Special functions, element by element: computed in float64 and rounded once."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from servable.errors import InvalidArgument
from servable.ops import bessel, error_functions, gamma_functions
from servable.ops.elementwise import broadcasting, in_doubles, unary
from servable.ops.registry import Build, Island, Kernel, op
from servable.ops.support import shape_text
from servable.tensors import Array

_UNARY: Mapping[str, Callable[..., Any]] = {
    "BesselI0": functools.partial(bessel.i, 0, scaled=False),
    "BesselI0e": functools.partial(bessel.i, 0, scaled=True),
    "BesselI1": functools.partial(bessel.i, 1, scaled=False),
    "BesselI1e": functools.partial(bessel.i, 1, scaled=True),
    "BesselJ0": functools.partial(bessel.j, 0),
    "BesselJ1": functools.partial(bessel.j, 1),
    "BesselK0": functools.partial(bessel.k, 0, scaled=False),
    "BesselK0e": functools.partial(bessel.k, 0, scaled=True),
    "BesselK1": functools.partial(bessel.k, 1, scaled=False),
    "BesselK1e": functools.partial(bessel.k, 1, scaled=True),
    "BesselY0": functools.partial(bessel.y, 0),
    "BesselY1": functools.partial(bessel.y, 1),
    "Dawsn": error_functions.dawson,
    "Digamma": gamma_functions.digamma,
    "Erfinv": error_functions.erfinv,
    "Expint": error_functions.expint,
    "FresnelCos": error_functions.fresnel_cos,
    "FresnelSin": error_functions.fresnel_sin,
    "Lgamma": gamma_functions.lgamma,
    "Ndtri": error_functions.ndtri,
    "Spence": error_functions.spence,
}
_BINARY: Mapping[str, Callable[..., Any]] = {
    "Igamma": gamma_functions.igamma,
    "Igammac": gamma_functions.igammac,
    "Polygamma": gamma_functions.polygamma,
    "Zeta": gamma_functions.zeta,
}


def _of_equal_shapes(function: Callable[..., Any]) -> Kernel:
    return in_doubles(lambda *x: function(*np.broadcast_arrays(*x)))


def _binary(name: str, function: Callable[..., Any]) -> None:
    kernel = broadcasting(_of_equal_shapes(function))

    @op(name)
    def make(build: Build) -> Kernel:
        del build
        return kernel


unary(error_functions.erf, "Erf", island=Island.LIGHT)
# OpenVINO's is 1 - erf(x): right to 3e-7 of the function's range, though not of small values.
unary(in_doubles(error_functions.erfc), "Erfc", island=Island.LIGHT)
for _name, _function in _UNARY.items():
    unary(in_doubles(_function), _name)
for _name, _function in _BINARY.items():
    _binary(_name, _function)


@op("Betainc")
def betainc(build: Build) -> Kernel:
    """The regularised incomplete beta function; scalars go with any shape."""
    del build
    compute = _of_equal_shapes(gamma_functions.betainc)

    def kernel(a: Array, b: Array, x: Array) -> Any:
        if len({value.shape for value in (a, b, x) if value.ndim}) > 1:
            raise InvalidArgument(
                "Shapes of a, b and x are inconsistent:"
                f" {shape_text(a)}, {shape_text(b)}, {shape_text(x)}"
            )
        return compute(a, b, x)

    return kernel
