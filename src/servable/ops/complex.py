"""Complex numbers and their parts."""

from __future__ import annotations

import numpy as np

from servable.ops.elementwise import check_broadcast
from servable.ops.registry import Build, Kernel, op
from servable.tensors import Array


@op("Complex")
def complex_(build: Build) -> Kernel:
    """Numbers with the given real and imaginary parts; broadcast."""
    dtype = build.type("Tout").numpy

    def kernel(real: Array, imag: Array) -> Array:
        check_broadcast(real, imag)
        made = np.empty(np.broadcast_shapes(real.shape, imag.shape), dtype)
        made.real = real
        made.imag = imag
        return made

    return kernel


@op("Real")
def real(build: Build) -> Kernel:
    """The real parts."""
    del build
    return lambda x: x.real


@op("Imag")
def imag(build: Build) -> Kernel:
    """The imaginary parts."""
    del build
    return lambda x: x.imag


@op("Conj")
def conj(build: Build) -> Kernel:
    """The conjugates."""
    if build.type().name == "variant":
        raise build.unsupported("T=variant")
    return np.conjugate


@op("Angle")
def angle(build: Build) -> Kernel:
    """Arguments in radians, in (-pi, pi]."""
    del build
    return np.angle
