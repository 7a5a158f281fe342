"""tf.Example messages as bytes: encoded from plain values, and joined with a common context."""

from __future__ import annotations

import struct
from collections.abc import Iterable, Mapping, Sequence

import numpy as np

from servable import varint
from servable.errors import ResourceExhausted

MOST_ADDED_BYTES = 2**28
"""Bytes that a common context may add to the examples of one request. It is sent once and
repeated for each of them, so that a small request could ask for any amount of memory."""

# Field numbers with the wire type of what has a length.
_FIELD_1, _FIELD_2, _FIELD_3 = b"\x0a", b"\x12", b"\x1a"
_WORD = 2**64 - 1
_SHORT = [varint.encode(size) for size in range(128)]


def with_context(context: bytes, examples: Iterable[bytes]) -> Sequence[bytes]:
    """Return each example behind the context: protobuf reads the two as one message.

    Raises:
        ResourceExhausted: the copies of the context exceed MOST_ADDED_BYTES.
    """
    examples = list(examples)
    added = len(context) * len(examples)
    if added > MOST_ADDED_BYTES:
        raise ResourceExhausted(
            f"The context of {len(context)} bytes would be copied to {len(examples)} examples, "
            f"{added} bytes, more than {MOST_ADDED_BYTES}.",
            hint="Send fewer examples at once.",
        )
    return [context + example for example in examples]


def encode(features: Mapping[bytes, bytes]) -> bytes:
    """Return a serialized tf.Example.

    Args:
        features: name in UTF-8 -> serialized Feature.
    """
    entries = [
        _field(_FIELD_1, _field(_FIELD_1, name) + _field(_FIELD_2, feature))
        for name, feature in features.items()
    ]
    return _field(_FIELD_1, b"".join(entries))


def bytes_feature(values: Iterable[bytes]) -> bytes:
    """Return a serialized Feature that holds a bytes_list."""
    return _field(_FIELD_1, b"".join(_field(_FIELD_1, value) for value in values))


def float_feature(values: Sequence[float]) -> bytes:
    """Return a serialized Feature that holds a float_list; what float can not hold is infinite."""
    try:
        packed = struct.pack(f"<{len(values)}f", *values)  # an array costs far more for a few
    except OverflowError:
        with np.errstate(over="ignore"):
            packed = np.array(values, np.float64).astype("<f4").tobytes()
    return _field(_FIELD_2, _field(_FIELD_1, packed))


def int64_feature(values: Iterable[int]) -> bytes:
    """Return a serialized Feature that holds an int64_list."""
    packed = b"".join(varint.encode(value & _WORD) for value in values)
    return _field(_FIELD_3, _field(_FIELD_1, packed))


def _field(tag: bytes, content: bytes) -> bytes:
    size = len(content)
    return tag + (_SHORT[size] if size < len(_SHORT) else varint.encode(size)) + content
