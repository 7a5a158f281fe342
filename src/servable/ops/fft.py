"""Fourier transforms over the last one, two or three dimensions."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from servable.errors import InvalidArgument
from servable.ops.limits import check_size
from servable.ops.registry import Build, Kernel, op
from servable.ops.support import shape_text
from servable.tensors import Array


def _complex(name: str, rank: int, transform: Callable[..., Any]) -> None:
    """Register a transform of complex numbers to as many."""

    @op(name)
    def make(build: Build) -> Kernel:
        dtype = build.type("Tcomplex").numpy

        def kernel(x: Array) -> Any:
            _check_rank(x, rank)
            if not x.size:
                return x
            return transform(x, axes=_last(rank)).astype(dtype, copy=False)

        return kernel


def _real(name: str, rank: int, inverse: bool) -> None:
    """Register a transform from or to real numbers, whose lengths are an input."""

    @op(name)
    def make(build: Build) -> Kernel:
        dtype = build.type("Treal" if inverse else "Tcomplex").numpy

        def kernel(x: Array, fft_length: Array) -> Any:
            _check_rank(x, rank)
            lengths = _lengths(fft_length, rank)
            half = lengths[-1] // 2 + 1
            needed = (*lengths[:-1], half) if inverse else lengths
            made = lengths if inverse else (*lengths[:-1], half)
            if not x.size:
                # TensorFlow leaves the result as it finds it.
                shape = check_size((*x.shape[:-rank], *made), dtype.itemsize)
                return np.zeros(shape, dtype)
            _check_lengths(x, rank, needed)
            index: tuple[Any, ...] = (..., *(slice(n) for n in needed))
            transform = np.fft.irfftn if inverse else np.fft.rfftn
            return transform(x[index], lengths, _last(rank)).astype(dtype, copy=False)

        return kernel


def _last(rank: int) -> tuple[int, ...]:
    return tuple(range(-rank, 0))


def _check_rank(x: Array, rank: int) -> None:
    if x.ndim < rank:
        raise InvalidArgument(f"Input must have rank of at least {rank} but got: {shape_text(x)}")


def _lengths(fft_length: Array, rank: int) -> tuple[int, ...]:
    if fft_length.shape != (rank,):
        raise InvalidArgument(f"fft_length must have shape [{rank}]")
    lengths = tuple(int(n) for n in fft_length)
    if min(lengths) < 1:
        raise InvalidArgument(
            f"fft_length[{lengths.index(min(lengths))}] must be >= 1, but got: {min(lengths)}"
        )
    return lengths


def _check_lengths(x: Array, rank: int, needed: tuple[int, ...]) -> None:
    for axis, length in enumerate(needed, x.ndim - rank):
        if x.shape[axis] < length:
            raise InvalidArgument(
                f"Input dimension {axis} must have length of at least {length}"
                f" but got: {x.shape[axis]}"
            )


for _rank, _suffix in ((1, ""), (2, "2D"), (3, "3D")):
    _complex(f"FFT{_suffix}", _rank, np.fft.fftn)
    _complex(f"IFFT{_suffix}", _rank, np.fft.ifftn)
    _real(f"RFFT{_suffix}", _rank, inverse=False)
    _real(f"IRFFT{_suffix}", _rank, inverse=True)
