"""Arithmetic on integers that stand for steps of a range, as TensorFlow's first quantized graphs
have it.

A tensor of n-bit integers comes with the floats that its lowest and highest number stand
for. Products and sums are 32-bit integers, with a range of their own.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from servable.errors import InvalidArgument
from servable.ops.conv import convolve
from servable.ops.elementwise import check_broadcast
from servable.ops.limits import check_size
from servable.ops.pool import fold, lowest, window_of
from servable.ops.quantized_steps import away, ends, limit_of, to_floats, to_steps
from servable.ops.registry import Build, Kernel, op
from servable.ops.support import scalar, shape_text, whole_axis
from servable.ops.windows import sliding
from servable.tensors import Array

_F = np.float32


def _step(low: np.float32, high: np.float32, dtype: np.dtype[Any]) -> np.float32:
    """What one step of a range stands for."""
    lowest_, highest = ends(dtype)
    if low == high:
        return _F(0)
    return _F((float(high) - float(low)) / (highest - lowest_))


def _product_range(
    x: tuple[np.float32, np.float32, np.dtype[Any]],
    y: tuple[np.float32, np.float32, np.dtype[Any]],
    dtype: np.dtype[Any],
) -> tuple[Any, Any]:
    """The range of products of two ranges."""
    step = _step(*x) * _step(*y)
    least, most = ends(dtype)
    return np.asarray(step * _F(least), _F), np.asarray(step * _F(most), _F)


def _zero_step(low: np.float32, high: np.float32, dtype: np.dtype[Any]) -> int:
    """The integer that stands for 0."""
    return int(to_steps(np.zeros((), _F), low, high, dtype))


@op("QuantizedMatMul", attrs="transpose_a transpose_b", no_effect="Tactivation")
def quantized_mat_mul(build: Build) -> Kernel:
    """Product of two matrices."""
    turned = build.bool("transpose_a"), build.bool("transpose_b")
    dtype = build.type("Toutput").numpy

    def kernel(
        a: Array, b: Array, min_a: Array, max_a: Array, min_b: Array, max_b: Array
    ) -> tuple[Any, Any, Any]:
        left = (limit_of(min_a, "min_a"), limit_of(max_a, "max_a"), a.dtype)
        right = (limit_of(min_b, "min_b"), limit_of(max_b, "max_b"), b.dtype)
        for name, x in (("a", a), ("b", b)):
            if x.ndim != 2:
                raise InvalidArgument(f"{name} must be a matrix: {shape_text(x)}")
        x = (a.T if turned[0] else a).astype(np.int32) - _zero_step(*left)
        y = (b.T if turned[1] else b).astype(np.int32) - _zero_step(*right)
        if x.shape[1] != y.shape[0]:
            raise InvalidArgument(
                f"Matrix size-compatible: In[0]: {shape_text(a)}, In[1]: {shape_text(b)}"
            )
        check_size((x.shape[0], y.shape[1]), 4)
        return ((x @ y).astype(dtype), *_product_range(left, right, dtype))

    return kernel


@op("QuantizedConv2D", attrs="strides padding", no_effect="dilations")
def quantized_conv(build: Build) -> Kernel:
    """Convolution of images with filters."""
    if set(build.list("dilations")) != {1}:
        raise build.unsupported(f"dilations={list(build.list('dilations'))}")
    how = sliding(build, rank=2, paddings="SAME VALID")
    dtype = build.type("out_type").numpy

    def kernel(
        x: Array,
        filters: Array,
        min_input: Array,
        max_input: Array,
        min_filter: Array,
        max_filter: Array,
    ) -> tuple[Any, Any, Any]:
        images = how.last(x)
        if filters.ndim != 4:
            raise InvalidArgument(f"filter must be 4-dimensional: {shape_text(filters)}")
        if images.shape[-1] != filters.shape[2]:
            raise InvalidArgument(
                f"input and filter must have the same depth: {images.shape[-1]} vs"
                f" {filters.shape[2]}"
            )
        left = (limit_of(min_input, "min_input"), limit_of(max_input, "max_input"), x.dtype)
        right = (
            limit_of(min_filter, "min_filter"),
            limit_of(max_filter, "max_filter"),
            filters.dtype,
        )
        numbers = images.astype(np.int32) - _zero_step(*left)
        bank = filters.astype(np.int32) - _zero_step(*right)
        axes = how.over(images.shape[1:-1], filters.shape[:2])
        made = convolve(numbers, bank, axes, 1)
        return (made.astype(dtype), *_product_range(left, right, dtype))

    return kernel


@op("QuantizedMul")
def quantized_mul(build: Build) -> Kernel:
    """Products, element by element."""
    dtype = build.type("Toutput").numpy

    def kernel(
        x: Array, y: Array, min_x: Array, max_x: Array, min_y: Array, max_y: Array
    ) -> tuple[Any, Any, Any]:
        left = (limit_of(min_x, "min_x"), limit_of(max_x, "max_x"), x.dtype)
        right = (limit_of(min_y, "min_y"), limit_of(max_y, "max_y"), y.dtype)
        check_broadcast(x, y)
        a, b = (v.astype(np.int32) - _zero_step(*of) for v, of in ((x, left), (y, right)))
        return ((a * b).astype(dtype), *_product_range(left, right, dtype))

    return kernel


@op("QuantizedReshape")
def quantized_reshape(build: Build) -> Kernel:
    """The same integers in another shape."""
    del build

    def kernel(x: Array, shape: Array, low: Array, high: Array) -> tuple[Any, Any, Any]:
        limits = limit_of(low, "input_min"), limit_of(high, "input_max")
        wanted = [int(size) for size in shape]
        return x.reshape(wanted), np.asarray(limits[0]), np.asarray(limits[1])

    return kernel


def _clipping(build: Build, most: float | None) -> Kernel:
    def kernel(x: Array, low: Array, high: Array) -> tuple[Any, Any, Any]:
        least, greatest = limit_of(low, "min_features"), limit_of(high, "max_features")
        made = np.maximum(x, x.dtype.type(_zero_step(least, greatest, x.dtype)))
        if most is not None:
            top = int(to_steps(np.asarray(most, _F), least, greatest, x.dtype))
            made = np.minimum(made, x.dtype.type(top))
        return made, np.asarray(least), np.asarray(greatest)

    del build
    return kernel


@op("QuantizedRelu")
def quantized_relu(build: Build) -> Kernel:
    """Nothing below 0."""
    return _clipping(build, None)


@op("QuantizedRelu6")
def quantized_relu6(build: Build) -> Kernel:
    """Nothing below 0 or above 6."""
    return _clipping(build, 6)


@op("QuantizedMaxPool", attrs="ksize strides padding")
def quantized_max_pool(build: Build) -> Kernel:
    """The largest number under each window."""
    return _pooling(build, lambda x, axes: fold(x, axes, np.maximum, lowest(x.dtype)))


@op("QuantizedAvgPool", attrs="ksize strides padding")
def quantized_avg_pool(build: Build) -> Kernel:
    """The mean under each window, padding not counted, cut off to a whole step."""

    def mean(x: Array, axes: Any) -> Array:
        total = fold(x.astype(np.int32), axes, np.add, 0)
        count = axes[0].counts()[:, None, None] * axes[1].counts()[:, None]
        whole: Array = np.sign(total) * (np.abs(total) // np.maximum(count, 1))
        return whole.astype(x.dtype)

    return _pooling(build, mean)


def _pooling(build: Build, combine: Callable[[Array, Any], Array]) -> Kernel:
    window = window_of(build)

    def kernel(x: Array, low: Array, high: Array) -> tuple[Any, Any, Any]:
        limits = limit_of(low, "min_input"), limit_of(high, "max_input")
        images = window.how.last(x, "tensor_in")
        made = combine(images, window.axes(images))
        return made, np.asarray(limits[0]), np.asarray(limits[1])

    return kernel


@op("QuantizedBiasAdd")
def quantized_bias_add(build: Build) -> Kernel:
    """A bias for each channel, which is last, added."""
    dtype = build.type("out_type").numpy

    def kernel(
        x: Array, bias: Array, min_x: Array, max_x: Array, min_bias: Array, max_bias: Array
    ) -> tuple[Any, Any, Any]:
        own = limit_of(min_x, "min_input"), limit_of(max_x, "max_input")
        other = limit_of(min_bias, "min_bias"), limit_of(max_bias, "max_bias")
        if x.ndim < 2:
            raise InvalidArgument(f"Input tensor must be at least 2D: {shape_text(x)}")
        if bias.ndim != 1:
            raise InvalidArgument(f"Biases must be 1D: {shape_text(bias)}")
        if bias.shape[0] != x.shape[-1]:
            raise InvalidArgument(
                "Must provide as many biases as the last dimension of the input tensor:"
                f" {shape_text(bias)} vs. {shape_text(x)}"
            )
        return _sum(x, own, bias, other, dtype, bits=17, move=_rounded)

    return kernel


@op("QuantizedAdd")
def quantized_add(build: Build) -> Kernel:
    """Sums, element by element."""
    dtype = build.type("Toutput").numpy

    def kernel(
        x: Array, y: Array, min_x: Array, max_x: Array, min_y: Array, max_y: Array
    ) -> tuple[Any, Any, Any]:
        own = limit_of(min_x, "min_x"), limit_of(max_x, "max_x")
        other = limit_of(min_y, "min_y"), limit_of(max_y, "max_y")
        check_broadcast(x, y)
        return _sum(x, own, y, other, dtype, bits=14, move=_moved)

    return kernel


def _sum(
    x: Array,
    own: tuple[np.float32, np.float32],
    y: Array,
    other: tuple[np.float32, np.float32],
    dtype: np.dtype[Any],
    *,
    bits: int,
    move: Callable[..., Array],
) -> tuple[Any, Any, Any]:
    """Sums, in a range that is wide enough for 2**bits of them.

    Args:
        move: makes steps of a tensor's range to steps of that.
    """
    widest = max(abs(float(v)) for v in (*own, *other))
    high = _F(widest * (1 << bits))
    low = _F(-high)
    made = move(x, own, low, high, dtype) + move(y, other, low, high, dtype)
    return made.astype(dtype), np.asarray(low), np.asarray(high)


def _rounded(
    x: Array,
    limits: tuple[np.float32, np.float32],
    low: np.float32,
    high: np.float32,
    dtype: np.dtype[Any],
) -> Array:
    """Steps of one range as steps of another, each by the float that it stands for."""
    least, most = ends(dtype)
    scale = _F((float(most) - float(least)) / (float(high) - float(low))) if high > low else _F(0)
    numbers = away(to_floats(x, *limits) * scale).astype(np.int64)
    moved: Array = numbers - int(away(low * scale)) + least
    return moved


def _moved(
    x: Array,
    limits: tuple[np.float32, np.float32],
    low: np.float32,
    high: np.float32,
    dtype: np.dtype[Any],
) -> Array:
    """Steps of one range as steps of another: so many for each, whole ones, from where 0 is.

    A single number goes by the float that it stands for.
    """
    if x.size == 1:
        return to_steps(to_floats(x, *limits), low, high, dtype).astype(np.int64)
    first = to_floats(np.array([0, 1], x.dtype), *limits)
    zero, one = to_steps(first, low, high, dtype).astype(np.int64).tolist()
    moved: Array = zero + x.astype(np.int64) * (one - zero)
    return moved


@op("QuantizedConcat")
def quantized_concat(build: Build) -> Kernel:
    """Tensors one after another, in a range that holds all of theirs."""
    count = build.int("N")

    def kernel(concat_dim: Array, *inputs: Array) -> tuple[Any, Any, Any]:
        values = inputs[:count]
        lows = [limit_of(v, "input_mins") for v in inputs[count : 2 * count]]
        highs = [limit_of(v, "input_maxes") for v in inputs[2 * count :]]
        number = scalar(
            concat_dim, "Concat dim tensor should be a scalar integer, but got shape {}"
        )
        axis = whole_axis(number, values[0].ndim)
        if axis is None:
            raise InvalidArgument(
                f"Concat dim is out of range: {number} for a tensor of rank {values[0].ndim}"
            )
        low, high = min(_F(0), *lows), max(highs)
        parts = [
            v if (a, b) == (low, high) else _restepped(v, a, b, low, high)
            for v, a, b in zip(values, lows, highs, strict=True)
        ]
        return np.concatenate(parts, axis), np.asarray(low), np.asarray(high)

    return kernel


def _restepped(
    x: Array, low: np.float32, high: np.float32, new_low: np.float32, new_high: np.float32
) -> Array:
    """Steps of one range as steps of another, in 32-bit arithmetic."""
    least, most = ends(x.dtype)
    count = _F(most - least)
    step = (high - low) / count
    numbers = away(low / step) * step + (x.astype(_F) - _F(least)) * step
    scale = count / (new_high - new_low)
    found = away(numbers * scale) - away(new_low * scale) + _F(least)
    made: Array = np.clip(found, least, most).astype(x.dtype)
    return made
