"""Bytes in strings as numbers, base64 and compressed data."""

from __future__ import annotations

import base64
import re
import zlib
from typing import Any

import numpy as np

from servable.errors import DataLoss, InvalidArgument, ResourceExhausted
from servable.ops.limits import check_size
from servable.ops.registry import Build, Kernel, op
from servable.ops.text import dims, each, flat
from servable.tensors import BFLOAT16, BOOL, Array, DType

_WEB_SAFE = re.compile(rb"[A-Za-z0-9_-]*")


@op("EncodeBase64", attrs="pad")
def encode_base64(build: Build) -> Kernel:
    """Web-safe base64, with or without padding."""
    if build.bool("pad"):
        return lambda x: each(base64.urlsafe_b64encode, x)
    return lambda x: each(lambda s: base64.urlsafe_b64encode(s).rstrip(b"="), x)


@op("DecodeBase64")
def decode_base64(build: Build) -> Kernel:
    """Web-safe base64; padding may be left out."""
    del build
    return lambda x: each(_from_base64, x)


def _from_base64(s: bytes) -> bytes:
    if s and len(s) % 4 == 0:
        s = s[:-2] + s[-2:].removesuffix(b"==") if s.endswith(b"==") else s.removesuffix(b"=")
    if not _WEB_SAFE.fullmatch(s):
        raise InvalidArgument("Invalid character found in base64.")
    if len(s) % 4 == 1:
        raise InvalidArgument("Base64 string length cannot be 1 modulo 4.")
    return base64.urlsafe_b64decode(s + b"=" * (-len(s) % 4))


def _numbers(data: bytes, dtype: DType, little_endian: bool) -> Array:
    """Bytes in an order as numbers of this machine."""
    if dtype is BOOL:
        return np.frombuffer(data, np.uint8).astype(np.bool_)
    if dtype is BFLOAT16:
        # Its numpy dtype knows no byte order.
        words = np.frombuffer(data, "<u2" if little_endian else ">u2")
        return words.astype(np.uint16).view(dtype.numpy)
    stored = dtype.numpy.newbyteorder("<" if little_endian else ">")
    return np.frombuffer(data, stored).astype(dtype.numpy, copy=False)


@op("DecodeRaw", attrs="out_type little_endian")
def decode_raw(build: Build) -> Kernel:
    """Strings of one length as rows of numbers."""
    dtype, little = build.type("out_type"), build.bool("little_endian")
    size = dtype.numpy.itemsize

    def kernel(x: Array) -> Array:
        items = flat(x)
        length = len(items[0]) if items else 0
        for i, item in enumerate(items):
            if len(item) != length:
                raise InvalidArgument(
                    "DecodeRaw requires input strings to all be the same size, but element"
                    f" {i} has size {length} != {len(item)}"
                )
        if length % size:
            raise InvalidArgument(
                f"Input to DecodeRaw has length {length} that is not a multiple of {size}, the"
                f" size of {dtype.name}"
            )
        return _numbers(b"".join(items), dtype, little).reshape(*np.shape(x), length // size)

    return kernel


@op("DecodePaddedRaw", attrs="out_type little_endian")
def decode_padded_raw(build: Build) -> Kernel:
    """Strings as rows of numbers, cut or filled with zeros to one length in bytes."""
    dtype, little = build.type("out_type"), build.bool("little_endian")
    size = dtype.numpy.itemsize

    def kernel(x: Array, fixed_length: Any) -> Array:
        if np.ndim(fixed_length) != 0:
            raise InvalidArgument(f"k must be scalar, got shape {dims(np.shape(fixed_length))}")
        length = int(fixed_length)
        if length % size:
            raise InvalidArgument(
                f"fixed_length ({length}) must be a multiple of the size of out_type ({size})"
            )
        if length <= 0:
            raise InvalidArgument(f"fixed_length ({length}) must be greater than zero.")
        items = flat(x)
        check_size((len(items), length), 1)
        data = b"".join(item[:length].ljust(length, b"\0") for item in items)
        return _numbers(data, dtype, little).reshape(*np.shape(x), length // size)

    return kernel


_MOST_INFLATED = 256 << 20
"""Bound on the bytes that one compressed string may hold: a thousandth of it is enough to
say so much."""

_WINDOW_BITS = {"ZLIB": zlib.MAX_WBITS, "GZIP": zlib.MAX_WBITS + 16}


@op("DecodeCompressed", attrs="compression_type")
def decode_compressed(build: Build) -> Kernel:
    """What each string holds; data that ends early gives what there is."""
    kind = build.choice("compression_type", "", "ZLIB", "GZIP")
    if not kind:
        return lambda x: x
    return lambda x: each(lambda s: _inflate(s, kind), x)


def _inflate(data: bytes, kind: str) -> bytes:
    made: list[bytes] = []
    left = _MOST_INFLATED
    while data:
        stream = zlib.decompressobj(_WINDOW_BITS[kind])
        try:
            part = stream.decompress(data, left + 1)
        except zlib.error as error:
            raise DataLoss(_inflate_text(str(error))) from None
        made.append(part)
        left -= len(part)
        if left < 0:
            raise ResourceExhausted(
                f"DecodeCompressed: a string holds more than {_MOST_INFLATED} bytes"
            )
        # Only files of gzip follow one another.
        data = stream.unused_data if kind == "GZIP" else b""
    return b"".join(made)


def _inflate_text(text: str) -> str:
    """zlib's refusal, `Error -3 while decompressing data: why`, as TensorFlow words it."""
    found = re.fullmatch(r"Error (-?[0-9]+) while decompressing data: (.*)", text)
    return f"inflate() failed with error {found[1]}: {found[2]}" if found else text
