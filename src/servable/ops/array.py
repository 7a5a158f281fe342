"""Constants, values passed on, and tensors made from a few numbers."""

from __future__ import annotations

from typing import Any

import numpy as np

from servable.errors import InvalidArgument
from servable.ops.islands import from_shapes
from servable.ops.limits import check_size
from servable.ops.number_text import shortest
from servable.ops.registry import Build, Island, Kernel, op
from servable.ops.shapes import shape_attribute, shape_text
from servable.ops.support import bare, blank, scalar
from servable.ops.text import dims
from servable.tensors import Array


@op("Const", attrs="value dtype", island=Island.LIGHT, int64=True)
def const(build: Build) -> Kernel:
    """A value that is part of the graph."""
    value = build.array("value")
    return lambda: value


@op("Identity", "StopGradient", "Snapshot", island=Island.LIGHT, int32=True)
def identity(build: Build) -> Kernel:
    """Its input."""
    del build
    return lambda x: x


@op("PreventGradient", no_effect="message")
@op("GuaranteeConst", "DeepCopy")
@op("Copy", "CopyHost", no_effect="tensor_name debug_ops_spec")
def passed_on(build: Build) -> Kernel:
    """Its input. Nobody ever writes to it, so a copy is not needed."""
    return identity(build)


@op("IdentityN")
def identity_n(build: Build) -> Kernel:
    """Its inputs."""
    del build
    return lambda *x: bare(x)


@op("NoOp")
def no_op(build: Build) -> Kernel:
    """Nothing; other nodes wait for it."""
    del build
    return lambda: None


@op("Placeholder", "PlaceholderV2", attrs="shape")
def placeholder(build: Build) -> Kernel:
    """A tensor that should have been fed."""
    name = build.node.name
    shape = shape_attribute(build)
    known = f" and shape {shape_text(shape)}" if shape else ""
    dtype = build.type("dtype").name

    def kernel() -> Array:
        raise InvalidArgument(
            f"You must feed a value for placeholder tensor '{name}' with dtype {dtype}{known}"
        )

    return kernel


@op("PlaceholderWithDefault", no_effect="shape", island=Island.LIGHT, int32=True)
def placeholder_with_default(build: Build) -> Kernel:
    """Its input, when it is not fed. TensorFlow does not hold it to the shape either."""
    return identity(build)


@op("Fill", island=Island.LIGHT, island_among=from_shapes(0), int32=True)
def fill(build: Build) -> Kernel:
    """A tensor of one repeated value."""
    del build

    def kernel(sizes: Array, value: Array) -> Any:
        if sizes.ndim > 1:
            raise InvalidArgument(f"dims must represent a vector, got shape {dims(sizes.shape)}")
        if value.size != 1:
            raise InvalidArgument(f"value must represent a scalar, got shape {dims(value.shape)}")
        shape = check_size(sizes.reshape(-1).tolist(), value.dtype.itemsize)
        return np.full(shape, value.reshape(()), value.dtype)

    return kernel


@op("ZerosLike", island=Island.LIGHT, int32=True)
def zeros_like(build: Build) -> Kernel:
    """Zeros, or empty strings, in the shape of the input."""
    del build
    return lambda x: blank(x.shape, x.dtype)


@op("OnesLike", island=Island.LIGHT, int32=True)
def ones_like(build: Build) -> Kernel:
    """Ones in the shape of the input."""
    del build
    return lambda x: np.ones(x.shape, x.dtype)


@op("Empty", no_effect="init")
def empty(build: Build) -> Kernel:
    """A tensor whose content does not count: zeros here, whether asked for or not."""
    dtype = build.type("dtype").numpy

    def kernel(sizes: Array) -> Array:
        if sizes.ndim != 1:
            raise InvalidArgument(f"shape must be a vector of int32, got shape {dims(sizes.shape)}")
        return blank(sizes.tolist(), dtype)

    return kernel


@op("Range")
def range_(build: Build) -> Kernel:
    """Numbers from start to limit, without limit, delta apart."""
    dtype = build.type("Tidx").numpy
    count = _integers_between if dtype.kind in "iu" else _floats_between

    def kernel(start: Array, limit: Array, delta: Array) -> Any:
        for name, x in (("start", start), ("limit", limit), ("delta", delta)):
            if x.ndim > 1 or x.size != 1:
                raise InvalidArgument(f"{name} must be a scalar, not shape {dims(x.shape)}")
        first, last, step = (x.reshape(-1)[0] for x in (start, limit, delta))
        if step == 0:
            raise InvalidArgument("Requires delta != 0: 0")
        if step > 0 and not first <= last:
            text = f"{_number(first)}/{_number(last)}"
            raise InvalidArgument(f"Requires start <= limit when delta > 0: {text}")
        if not step > 0 and not first >= last:
            text = f"{_number(first)}/{_number(last)}"
            raise InvalidArgument(f"Requires start >= limit when delta < 0: {text}")
        size = count(first, last, step)
        check_size((size,), max(dtype.itemsize, 8))
        if dtype.kind in "iu":
            return (int(first) + np.arange(size, dtype=np.int64) * int(step)).astype(dtype)
        # As TensorFlow has it: one product and one sum for each, not a running sum.
        return first + np.arange(size).astype(dtype) * step

    return kernel


def _integers_between(first: Any, last: Any, step: Any) -> int:
    return -(-abs(int(last) - int(first)) // abs(int(step)))


def _floats_between(first: Any, last: Any, step: Any) -> int:
    size = float(np.ceil(np.abs((last - first) / step)))
    if not size <= 2.0**63:
        raise InvalidArgument(f"Requires ((limit - start) / delta) <= {2**63 - 1}")
    return int(size)


def _number(value: Any) -> str:
    if value.dtype.kind in "iu":
        return str(value)
    return shortest(value, 15) if value.dtype == np.float64 else shortest(np.float32(value), 6)


@op("LinSpace")
def lin_space(build: Build) -> Kernel:
    """Numbers from start to stop, both included, equally far apart."""
    dtype = build.type("T").numpy

    def kernel(start: Array, stop: Array, num: Array) -> Any:
        for name, x in (("start", start), ("stop", stop)):
            scalar(x, f"{name} must be a scalar, not shape {{}}")
        count = scalar(num, "num must be a scalar, not shape {}")
        if count <= 0:
            raise InvalidArgument(f"Requires num > 0: {count}")
        check_size((count,), 8)
        if count == 1:
            return start.reshape(1)
        step = (stop - start) / np.asarray(count - 1, dtype)
        made = start + step * np.arange(count).astype(dtype)
        # Rounding would not always lead there.
        made[-1] = stop
        return made

    return kernel


@op("Bitcast")
def bitcast(build: Build) -> Kernel:
    """The same bytes as another dtype; the last dimension takes up the difference in size."""
    source, target = build.type("T"), build.type("type")
    wide, narrow = source.numpy.itemsize, target.numpy.itemsize

    def kernel(x: Array) -> Any:
        if wide == narrow:
            return x.view(target.numpy)
        if wide > narrow:
            shape: tuple[int, ...] = (*x.shape, wide // narrow)
        elif x.ndim and x.shape[-1] * wide == narrow:
            shape = x.shape[:-1]
        else:
            raise InvalidArgument(f"Cannot bitcast from {source.enum} to {target.enum}")
        return np.ascontiguousarray(x.reshape(-1)).view(target.numpy).reshape(shape)

    return kernel
