"""Windows that slide over the spatial dimensions of a tensor.

Kernels work on tensors whose channels come last; `Sliding.last` and `Sliding.back` turn
those of the other formats around, as views.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np

from servable.errors import InvalidArgument
from servable.ops.limits import check_size
from servable.ops.registry import Build
from servable.ops.support import shape_text
from servable.tensors import Array

T = TypeVar("T")

BLOCK_BYTES = 4 << 20
"""Most bytes of the scratch matrix that one step of a convolution fills. Measured: 1 to 64
MiB take equally long, and depthwise convolutions, which take an eighth, gain a third."""

_FORMATS = {
    "NHWC": (2, False),
    "NCHW": (2, True),
    "NDHWC": (3, False),
    "NCDHW": (3, True),
}


@dataclass(frozen=True, slots=True)
class Axis:
    """One spatial dimension.

    Attributes:
        size: of the input.
        window: elements under the window.
        stride, dilation: steps between places, and between elements under a window.
        before: padding in front.
        places: where the window may stand: the size of the output.
    """

    size: int
    window: int
    stride: int
    dilation: int
    before: int
    places: int

    @property
    def padded(self) -> int:
        """The size with padding, as far as any window reaches."""
        reach = (self.places - 1) * self.stride + (self.window - 1) * self.dilation + 1
        return max(self.before + self.size, reach)

    def meeting(self) -> range:
        """The elements of the window that meet the input, at one place at least."""
        first = self.before - (self.places - 1) * self.stride
        return range(
            max(0, -(-first // self.dilation)),
            min(self.window, (self.before + self.size - 1) // self.dilation + 1),
        )

    def inside(self, offset: int) -> tuple[slice, slice]:
        """Places where element `offset` of the window meets the input, and what it meets."""
        gap = self.before - offset * self.dilation
        first = max(0, -(-gap // self.stride))
        stop = min(self.places, (self.size - 1 + gap) // self.stride + 1)
        if first >= stop:
            return slice(0, 0), slice(0, 0)
        start = first * self.stride - gap
        last = (stop - 1) * self.stride - gap
        return slice(first, stop), slice(start, last + 1, self.stride)

    def counts(self) -> Array:
        """How many elements of the input lie under the window, for every place."""
        starts = np.arange(self.places) * self.stride - self.before
        return np.minimum(starts + self.window, self.size) - np.maximum(starts, 0)

    def under(self, offset: int, places: slice = slice(None)) -> slice:
        """Where element `offset` of the window lies in the padded input, for these places."""
        first, stop, _ = places.indices(self.places)
        start = first * self.stride + offset * self.dilation
        return slice(start, start + max(stop - first - 1, 0) * self.stride + 1, self.stride)


@dataclass(frozen=True, slots=True)
class Sliding:
    """How a node's windows move.

    Attributes:
        rank: number of spatial dimensions.
        first: whether channels come right behind the batch.
        strides, dilations: one for each spatial dimension.
        padding: SAME, VALID or EXPLICIT.
        explicit: padding before and behind, for each spatial dimension.
    """

    rank: int
    first: bool
    strides: tuple[int, ...]
    dilations: tuple[int, ...]
    padding: str
    explicit: tuple[tuple[int, int], ...]

    def last(self, x: Array, name: str = "convolution input") -> Array:
        """A view with the channels behind; `name` is what a refusal calls the tensor.

        Raises:
            InvalidArgument: the rank is another.
        """
        if x.ndim != self.rank + 2:
            raise InvalidArgument(f"{name} must be {self.rank + 2}-dimensional: {shape_text(x)}")
        return np.moveaxis(x, 1, -1) if self.first else x

    def back(self, x: Array) -> Array:
        """A view with the channels where the format has them."""
        return np.moveaxis(x, -1, 1) if self.first else x

    def over(self, sizes: Sequence[int], window: Sequence[int]) -> tuple[Axis, ...]:
        """Where windows stand on an input of these spatial sizes.

        Raises:
            InvalidArgument: there would be fewer than no places.
        """
        return tuple(self._axis(d, sizes[d], window[d]) for d in range(self.rank))

    def _axis(self, d: int, size: int, window: int) -> Axis:
        stride, dilation = self.strides[d], self.dilations[d]
        reach = (window - 1) * dilation + 1
        if self.padding == "SAME":
            places = -(-size // stride)
            # The odd one goes behind.
            before = max((places - 1) * stride + reach - size, 0) // 2
        else:
            before, behind = self.explicit[d] if self.padding == "EXPLICIT" else (0, 0)
            room = before + size + behind - reach + stride
            # TensorFlow divides as C does, towards zero: a bit too small gives no places.
            places = room // stride if room >= 0 else -(-room // stride)
        if places < 0:
            raise InvalidArgument(
                f"Computed output size would be negative: {places} [input_size: {size},"
                f" effective_filter_size: {reach}, stride: {stride}]"
            )
        return Axis(size, window, stride, dilation, before, places)


def sliding(build: Build, *, rank: int = 0, paddings: str = "SAME VALID EXPLICIT") -> Sliding:
    """Read strides, dilations, padding and data_format.

    Args:
        build: a node that has them.
        rank: number of spatial dimensions, with channels last; 0 if data_format says it.
        paddings: those that the op allows; EXPLICIT is read from explicit_paddings.

    Raises:
        UnsupportedOps: a value that TensorFlow refuses as well.
    """
    rank, first = (rank, False) if rank else data_format(build)
    return Sliding(
        rank,
        first,
        spatial(build, "strides", rank, first),
        spatial(build, "dilations", rank, first) if build.list("dilations") else (1,) * rank,
        build.choice("padding", *paddings.split()),
        explicit(build, rank, first) if "EXPLICIT" in paddings else (),
    )


def data_format(build: Build) -> tuple[int, bool]:
    """The number of spatial dimensions, and whether channels come before them."""
    return _FORMATS[build.choice("data_format", *_FORMATS)]


def spatial(build: Build, name: str, rank: int, first: bool) -> tuple[int, ...]:
    """An attribute over all dimensions that may differ from 1 in the spatial ones only."""
    numbers = build.list(name)
    inside, outside = split(numbers, first)
    if len(numbers) != rank + 2 or min(numbers) < 1 or outside != (1, 1):
        raise build.unsupported(f"{name}={list(numbers)}")
    return inside


def split(over: Sequence[T], first: bool) -> tuple[tuple[T, ...], tuple[T, ...]]:
    """What is said of all dimensions: of the spatial ones, and of batch and channels."""
    numbers = tuple(over)
    if first:
        return numbers[2:], numbers[:2]
    return numbers[1:-1], (*numbers[:1], *numbers[-1:])


def explicit(build: Build, rank: int, first: bool) -> tuple[tuple[int, int], ...]:
    """Padding before and behind, for each spatial dimension; () unless padding is EXPLICIT."""
    numbers = build.list("explicit_paddings")
    if build.text("padding") != "EXPLICIT":
        return ()
    inside, outside = split(tuple(zip(numbers[::2], numbers[1::2], strict=False)), first)
    sound = len(numbers) == 2 * (rank + 2) and min(numbers) >= 0
    if not sound or outside != ((0, 0), (0, 0)):
        raise build.unsupported(f"explicit_paddings={list(numbers)}")
    return inside


def pad(x: Array, axes: Sequence[Axis]) -> Array:
    """The input with zeros around it, as far as windows reach; channels come last.

    Raises:
        ResourceExhausted: it would be too large.
    """
    sizes = tuple(axis.padded for axis in axes)
    if sizes == x.shape[1:-1]:
        return np.ascontiguousarray(x)
    made = np.zeros(check_size((x.shape[0], *sizes, x.shape[-1]), x.itemsize), x.dtype)
    inner = tuple(slice(axis.before, axis.before + axis.size) for axis in axes)
    made[(slice(None), *inner)] = x
    return made


def blocks(batch: int, rows: int, row_bytes: int) -> Iterator[tuple[slice, slice]]:
    """Split a batch of images, or their rows, into blocks of about `BLOCK_BYTES`."""
    most = max(1, BLOCK_BYTES // max(1, row_bytes))
    if most >= rows:
        images = most // max(1, rows)
        for start in range(0, batch, images):
            yield slice(start, min(start + images, batch)), slice(0, rows)
        return
    for image in range(batch):
        for start in range(0, rows, most):
            yield slice(image, image + 1), slice(start, min(start + most, rows))
