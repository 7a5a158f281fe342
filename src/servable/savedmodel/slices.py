"""Rectangular pieces of tensors: how partitioned variables are stored and asked for.

A region is a pair (start, stop) for each dimension. Stored slices are pairs (start,
length) in which a length of -1 means the whole dimension.
"""

from __future__ import annotations

from servable.savedmodel.errors import SliceSpecInvalid

Extents = tuple[tuple[int, int], ...]
Region = tuple[tuple[int, int], ...]

WHOLE = -1


def region(extents: Extents, shape: tuple[int, ...]) -> Region | None:
    """Return the region that a slice takes of a tensor, or None if it does not fit."""
    if len(extents) != len(shape):
        return None
    pairs = []
    for (start, length), size in zip(extents, shape, strict=True):
        stop = size if length == WHOLE else start + length
        if start < 0 or length < WHOLE or stop > size or (length == WHOLE and start):
            return None
        pairs.append((start, stop))
    return tuple(pairs)


def whole(shape: tuple[int, ...]) -> Region:
    """Return the region that is all of a tensor."""
    return tuple((0, size) for size in shape)


def shape_of(of: Region) -> tuple[int, ...]:
    """Return the sizes of a region."""
    return tuple(stop - start for start, stop in of)


def intersection(a: Region, b: Region) -> Region | None:
    """Return what two regions of one tensor share, or None if that is nothing."""
    common = tuple((max(p[0], q[0]), min(p[1], q[1])) for p, q in zip(a, b, strict=True))
    return common if all(start < stop for start, stop in common) else None


def within(inner: Region, outer: Region) -> tuple[slice, ...]:
    """Return the numpy index of `inner` in an array that holds `outer`."""
    return tuple(slice(p[0] - q[0], p[1] - q[0]) for p, q in zip(inner, outer, strict=True))


def parse_spec(spec: str) -> tuple[tuple[int, ...], Region]:
    """Parse a text of `shape_and_slices`, as RestoreV2 gets it.

    `4 3 0,2:-` asks for the first two rows of a tensor of shape [4, 3]: the sizes
    of the whole tensor, and for each dimension `start,length` or `-` for all of it.

    Returns:
        The shape of the whole tensor and the region asked for.

    Raises:
        SliceSpecInvalid: the text is malformed, or the region is not inside.
    """
    *sizes, last = spec.split(" ")
    extents = [_extent(part) for part in last.split(":")] if last else []
    if all(map(_is_number, sizes)) and None not in extents:
        shape = tuple(map(int, sizes))
        found = region(tuple(extent for extent in extents if extent), shape)
        if found is not None:
            return shape, found
    raise SliceSpecInvalid(
        f"Need dimensions and a slice specification that fits them: got {spec[:200]!r}",
        hint="Expected the sizes of the whole tensor, then start,length or - for each "
        "dimension, as in '4 3 0,2:-'.",
    )


def data_key(name: str, extents: Extents) -> bytes:
    """Return the key under which the index holds the data of one slice.

    The parts are written so that byte order is the order of (name, rank, extents):
    zero, the escaped name and its end, the rank, and start and length of each dimension.
    """
    escaped = name.encode().replace(b"\x00", b"\x00\xff")
    numbers = b"".join(_ordered(n) for extent in extents for n in extent)
    return b"\x00" + escaped + b"\x00\x01" + _ordered_unsigned(len(extents)) + numbers


def _extent(part: str) -> tuple[int, int] | None:
    """Return one dimension's part of a specification, or None if it is malformed."""
    if part == "-":
        return 0, WHOLE
    start, comma, length = part.partition(",")
    if comma and _is_number(start) and _is_number(length) and int(length):
        return int(start), int(length)
    return None


def _is_number(text: str) -> bool:
    # int() alone would take signs, underscores, spaces and foreign digits too, and
    # work for a very long time on a very long number.
    return len(text) <= 19 and text.isascii() and text.isdigit()


def _ordered_unsigned(number: int) -> bytes:
    digits = number.to_bytes((number.bit_length() + 7) // 8, "big")
    return bytes([len(digits)]) + digits


def _ordered(number: int) -> bytes:
    """Encode a signed number so that byte order is number order.

    The length is a run of leading ones (zeros for negative numbers), as in UTF-8:
    n bytes hold a sign and 7 * n - 1 bits.
    """
    magnitude = ~number if number < 0 else number
    length = magnitude.bit_length() // 7 + 1
    bits = 8 * length
    marker = ((1 << length) - 1) << (bits - length)
    value = (marker ^ number) & ((1 << bits) - 1)
    return value.to_bytes(length, "big")


def spec_of(shape: tuple[int, ...], extents: Extents) -> str:
    """Return the text that `parse_spec` reads."""
    parts = ("-" if length == WHOLE else f"{start},{length}" for start, length in extents)
    return " ".join([*map(str, shape), ":".join(parts)])
