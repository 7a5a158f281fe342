"""Joining, cutting and changing strings."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from servable.errors import InvalidArgument, OutOfRange, Unimplemented
from servable.ops.limits import check_size
from servable.ops.registry import Build, Kernel, op
from servable.ops.text import dims, each, flat, strings
from servable.ops.unicode_text import cased
from servable.tensors import Array


@op("StringJoin", attrs="separator")
def string_join(build: Build) -> Kernel:
    """Strings side by side, element by element; scalars go with every element."""
    separator = build.data("separator")

    def kernel(*parts: Array) -> Array:
        shapes = {np.shape(p) for p in parts} - {()}
        if len(shapes) > 1:
            first = next(np.shape(p) for p in parts if np.shape(p))
            second = next(np.shape(p) for p in parts if np.shape(p) not in ((), first))
            raise InvalidArgument(f"Input shapes do not match: {dims(first)} vs. {dims(second)}")
        shape = shapes.pop() if shapes else ()
        columns = [flat(np.broadcast_to(np.asarray(p, object), shape)) for p in parts]
        return strings([separator.join(row) for row in zip(*columns, strict=True)], shape)

    return kernel


@op("StringStrip")
def string_strip(build: Build) -> Kernel:
    """Without white space at both ends."""
    del build
    return lambda x: each(bytes.strip, x)


@op("StringLower", attrs="encoding")
def string_lower(build: Build) -> Kernel:
    """In small letters: ASCII only, or all of Unicode under the encoding utf-8."""
    return _cased(build, bytes.lower, str.lower)


@op("StringUpper", attrs="encoding")
def string_upper(build: Build) -> Kernel:
    """In capital letters: ASCII only, or all of Unicode under the encoding utf-8."""
    return _cased(build, bytes.upper, str.upper)


def _cased(build: Build, ascii: Callable[[bytes], bytes], text: Callable[[str], str]) -> Kernel:
    encoding = build.text("encoding")
    if encoding not in ("", "utf-8"):
        raise InvalidArgument(f"only utf-8 or '' (no encoding) is supported, received {encoding}")
    if not encoding:
        return lambda x: each(ascii, x)
    return lambda x: each(lambda s: cased(s, text), x)


def _is_trail(byte: int) -> bool:
    """Whether a byte continues a UTF-8 character."""
    return byte & 0xC0 == 0x80


def _characters(string: bytes) -> int:
    return sum(not _is_trail(b) for b in string)


@op("StringLength", attrs="unit")
def string_length(build: Build) -> Kernel:
    """Lengths in bytes, or in UTF-8 characters; int32."""
    count = _characters if build.choice("unit", "BYTE", "UTF8_CHAR") == "UTF8_CHAR" else len

    def kernel(x: Array) -> Array:
        return np.array([count(s) for s in flat(x)], np.int32).reshape(np.shape(x))

    return kernel


@op("Substr", attrs="unit")
def substr(build: Build) -> Kernel:
    """Part of each string: from a position, negative from the end, up to a length."""
    utf8 = build.choice("unit", "BYTE", "UTF8_CHAR") == "UTF8_CHAR"
    cut = _cut_characters if utf8 else _cut_bytes

    def kernel(x: Array, pos: Array, length: Array) -> Array:
        if np.shape(pos) != np.shape(length):
            raise InvalidArgument(
                "pos and len should have the same shape, got:"
                f" {dims(np.shape(pos))} vs. {dims(np.shape(length))}"
            )
        if np.size(pos) == 0:
            raise InvalidArgument("received empty tensor pos_tensor")
        shape = _together(np.shape(x), np.shape(pos))
        items = flat(np.broadcast_to(np.asarray(x, object), shape))
        starts = np.broadcast_to(pos, shape).ravel().tolist()
        lengths = np.broadcast_to(length, shape).ravel().tolist()
        results = []
        for i, (s, start, count) in enumerate(zip(items, starts, lengths, strict=True)):
            part = cut(s, start, count)
            if part is None:
                shown = "" if utf8 else "b'" + s.decode("utf-8", "replace") + "' "
                raise InvalidArgument(f"pos {start} out of range for string {shown}at index {i}")
            results.append(part)
        return strings(results, shape)

    return kernel


def _together(x: tuple[int, ...], pos: tuple[int, ...]) -> tuple[int, ...]:
    if pos in ((), x):
        return x
    try:
        shape = np.broadcast_shapes(x, pos)
    except ValueError:
        raise InvalidArgument(f"Incompatible shapes: {dims(x)} vs. {dims(pos)}") from None
    if len(shape) > 2:
        raise Unimplemented(f"Substr broadcast not implemented for {len(shape)} dimensions")
    return shape


def _cut_bytes(s: bytes, start: int, count: int) -> bytes | None:
    start += len(s) if start < 0 else 0
    if not 0 <= start <= len(s):
        return None
    return s[start:] if count < 0 else s[start : start + count]


def _cut_characters(s: bytes, start: int, count: int) -> bytes | None:
    """Bytes that begin a character count; what an ill-formed string gives is TensorFlow's."""
    starts = [i for i, b in enumerate(s) if i == 0 or not _is_trail(b)]
    edges = [*starts, len(s)]
    if start >= 0:
        if start > len(starts):
            return None
        end = min(start + max(count, 0), len(starts))
        return s[edges[start] : edges[end]]
    if -start > len(starts):
        return None
    skipped = max(-start - count, 0)
    end = len(starts) - skipped
    begin = len(starts) + start
    return s[edges[begin] : edges[end]] if 0 <= end >= begin else None


@op("ReduceJoin", attrs="keep_dims separator")
def reduce_join(build: Build) -> Kernel:
    """Strings joined along dimensions; of several, the one named first varies fastest."""
    keep, separator = build.bool("keep_dims"), build.data("separator")

    def kernel(x: Array, axes: Array) -> Array:
        x = np.asarray(x, object)
        axis: list[int] = []
        for a in np.atleast_1d(axes).ravel().tolist():
            if not -x.ndim <= a < x.ndim:
                raise OutOfRange(
                    f"Invalid reduction dimension {a} for input with {x.ndim} dimension(s)"
                )
            if a % x.ndim in axis:
                raise InvalidArgument(f"Duplicate reduction dimension {a}")
            axis.append(a % x.ndim)
        kept = [a for a in range(x.ndim) if a not in axis]
        count = int(np.prod([x.shape[a] for a in axis], dtype=np.int64))
        outer = [x.shape[a] for a in kept]
        rows = x.transpose(*kept, *reversed(axis)).reshape(
            int(np.prod(outer, dtype=np.int64)), count
        )
        shape = [1 if a in axis else x.shape[a] for a in range(x.ndim)] if keep else outer
        return strings([separator.join(row) for row in rows.tolist()], shape)

    return kernel


@op("UnsortedSegmentJoin", attrs="separator")
def unsorted_segment_join(build: Build) -> Kernel:
    """Strings of the same segment joined, in order."""
    # The separator ends at its first NUL in TensorFlow.
    separator = build.data("separator").split(b"\0")[0]

    def kernel(x: Array, ids: Array, number: Array) -> Array:
        x = np.asarray(x, object)
        if np.size(number) == 0:
            raise InvalidArgument("Number of segments cannot be empty.")
        if ids.ndim == 0:
            raise InvalidArgument("Segment_id cannot have rank 0")
        if ids.ndim > x.ndim:
            raise OutOfRange(
                f"Invalid segment_id rank {ids.ndim} for input with {x.ndim} dimension(s)"
            )
        for rank, (size, wanted) in enumerate(zip(ids.shape, x.shape, strict=False)):
            if size != wanted:
                raise InvalidArgument(
                    f"Segment dimension is {size} while input dimension is {x.ndim} in rank {rank}"
                )
        segments = int(np.ravel(number)[0])
        shape = check_size((segments, *x.shape[ids.ndim :]), x.itemsize)
        if ids.size and (ids.min() < 0 or ids.max() >= segments):
            raise InvalidArgument(
                "segment_ids are not allowed to exceed num_segments or to have negative values."
            )
        width = int(np.prod(shape[1:], dtype=np.int64))
        made: dict[int, list[bytes]] = {}
        rows = x.reshape(ids.size, width).tolist()
        for segment, row in zip(ids.ravel().tolist(), rows, strict=True):
            for place, s in enumerate(row, segment * width):
                # Empty strings at the beginning leave no separator behind.
                if place in made:
                    made[place].append(s)
                elif s:
                    made[place] = [s]
        joined = np.full(segments * width, b"", object)
        for place, parts in made.items():
            joined[place] = separator.join(parts)
        return joined.reshape(shape)

    return kernel
