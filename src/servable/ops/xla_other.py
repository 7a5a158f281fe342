"""XLA's ops that say where or how things are computed, and its decompositions."""

from __future__ import annotations

from typing import Any

import numpy as np

from servable.ops.einsum import einsum
from servable.ops.limits import check_size
from servable.ops.linalg import adjoint, check_rank, check_square, double
from servable.ops.registry import Build, Kernel, op
from servable.ops.support import bare
from servable.tensors import Array

op("XlaEinsum", attrs="equation")(einsum)


@op("XlaSharding", no_effect="sharding unspecified_dims")
@op("XlaSpmdFullToShardShape", no_effect="manual_sharding dim unspecified_dims")
@op("XlaSpmdShardToFullShape", no_effect="manual_sharding full_shape dim unspecified_dims")
def xla_sharding(build: Build) -> Kernel:
    """Its input: there is one device."""
    del build
    return lambda x: x


@op("XlaOptimizationBarrier")
def xla_optimization_barrier(build: Build) -> Kernel:
    """Its inputs."""
    del build
    return lambda *inputs: bare(inputs)


@op("XlaReducePrecision", attrs="exponent_bits mantissa_bits")
def xla_reduce_precision(build: Build) -> Kernel:
    """Floats rounded to a format of so many bits, halves to even; too large ones are infinite.

    What is smaller than the smallest normal number becomes zero.
    """
    dtype = build.type().numpy
    exponent_bits, mantissa_bits = build.int("exponent_bits"), build.int("mantissa_bits")
    if exponent_bits < 1 or mantissa_bits < 0:
        raise build.unsupported(f"exponent_bits={exponent_bits}, mantissa_bits={mantissa_bits}")
    bias = 2 ** (min(exponent_bits, 11) - 1) - 1

    def kernel(x: Array) -> Any:
        number = x.astype(np.float64)
        fraction, exponent = np.frexp(number)
        steps = np.ldexp(fraction, min(mantissa_bits, 52) + 1)
        rounded = np.ldexp(np.rint(steps), exponent - min(mantissa_bits, 52) - 1)
        size = np.abs(rounded)
        largest = np.ldexp(2.0 - 2.0**-mantissa_bits, bias)
        rounded = np.where(size > largest, np.copysign(np.inf, number), rounded)
        rounded = np.where(size < np.ldexp(1.0, 1 - bias), np.copysign(0.0, number), rounded)
        return np.where(np.isfinite(number), rounded, number).astype(dtype)

    return kernel


@op("XlaSelfAdjointEig", attrs="lower", no_effect="max_iter epsilon")
def xla_self_adjoint_eig(build: Build) -> Kernel:
    """Eigenvalues in ascending order, and the vectors as columns; one half is read."""
    lower = build.bool("lower")

    def kernel(x: Array) -> tuple[Any, Any]:
        check_square(x)
        values, vectors = np.linalg.eigh(double(x), "L" if lower else "U")
        real = x.real.dtype
        return values.astype(real).astype(x.dtype, copy=False), vectors.astype(x.dtype, copy=False)

    return kernel


@op("XlaSvd", no_effect="max_iter epsilon precision_config")
def xla_svd(build: Build) -> Kernel:
    """Singular values in descending order, and the vectors u and v as columns."""
    del build

    def kernel(x: Array) -> tuple[Any, ...]:
        check_rank(x)
        most = max(x.shape[-2:])
        check_size((*x.shape[:-2], most, most), 16)
        u, s, v = np.linalg.svd(double(x))
        return tuple(part.astype(x.dtype, copy=False) for part in (s, u, adjoint(v)))

    return kernel
