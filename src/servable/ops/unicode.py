"""Unicode: decoding, encoding, transcoding and scripts."""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass
from importlib import resources
from itertools import pairwise
from typing import Any

import numpy as np
import orjson

from servable.errors import InvalidArgument
from servable.ops.registry import Build, Kernel, op
from servable.ops.text import each, flat, strings
from servable.ops.unicode_text import Codes, Decoded, Decoder, decoder, encode
from servable.tensors import Array

_INPUT = "input_encoding errors replacement_char replace_control_characters"
_LAST = 0x10FFFF
_CONTROL = 0x1F


@dataclass(frozen=True)
class _Repair:
    """What to do with malformed input.

    Attributes:
        policy: strict, replace or ignore.
        replacement: the code point that stands for it under replace.
        controls: whether control characters count as malformed too.
    """

    policy: str
    replacement: int
    controls: bool

    @classmethod
    def of(cls, build: Build, *, controls: bool) -> _Repair:
        policy = build.choice("errors", "strict", "replace", "ignore")
        replacement = build.int("replacement_char")
        if not 0 <= replacement <= _LAST:
            raise InvalidArgument("replacement_char out of unicode codepoint range")
        return cls(policy, replacement, controls and build.bool("replace_control_characters"))

    def apply(self, found: Decoded) -> tuple[Codes, np.ndarray[Any, Any]]:
        """The code points to keep, and the places in the input that they come from."""
        bad = found.malformed | (found.codes <= _CONTROL) if self.controls else found.malformed
        places = np.cumsum(found.lengths, dtype=np.int64) - found.lengths
        if not bad.any():
            return found.codes, places
        if self.policy == "ignore":
            return found.codes[~bad], places[~bad]
        return np.where(bad, np.int32(self.replacement), found.codes), places


def _decoder(build: Build) -> Decoder:
    name = build.text("input_encoding")
    found = decoder(name)
    if found is None:
        raise InvalidArgument(f"Could not create converter for input encoding: {name}")
    return found


def _decoding(build: Build, *, offsets: bool) -> Kernel:
    decode = _decoder(build)
    repair = _Repair.of(build, controls=True)
    splits = build.type("Tsplits").numpy

    def kernel(x: Array) -> tuple[Array, ...]:
        found = [decode(s) for s in flat(x)]
        if repair.policy == "strict" and any(f.malformed.any() for f in found):
            raise InvalidArgument("Invalid formatting on input string")
        rows = [repair.apply(f) for f in found]
        ends = np.cumsum([0, *(len(codes) for codes, _ in rows)]).astype(splits)
        codes = np.concatenate([np.empty(0, np.int32), *(codes for codes, _ in rows)])
        if not offsets:
            return ends, codes
        return ends, codes, np.concatenate([np.empty(0, np.int64), *(p for _, p in rows)])

    return kernel


@op("UnicodeDecode", attrs=_INPUT)
def unicode_decode(build: Build) -> Kernel:
    """The code points of all strings, and where in them each string ends."""
    return _decoding(build, offsets=False)


@op("UnicodeDecodeWithOffsets", attrs=_INPUT)
def unicode_decode_with_offsets(build: Build) -> Kernel:
    """The same, and the byte at which each character starts."""
    return _decoding(build, offsets=True)


@op("UnicodeTranscode", attrs=_INPUT + " output_encoding")
def unicode_transcode(build: Build) -> Kernel:
    """Strings of one encoding in another."""
    decode = _decoder(build)
    repair = _Repair.of(build, controls=True)
    target = build.choice("output_encoding", "UTF-8", "UTF-16-BE", "UTF-32-BE")

    def transcode(s: bytes) -> bytes:
        found = decode(s)
        if repair.policy == "strict" and (
            found.malformed.any() or (repair.controls and (found.codes <= _CONTROL).any())
        ):
            raise InvalidArgument("Invalid formatting on input string")
        return encode(repair.apply(found)[0], target)

    return lambda x: each(transcode, x)


@op("UnicodeEncode", attrs="errors output_encoding replacement_char")
def unicode_encode(build: Build) -> Kernel:
    """Rows of code points as strings."""
    repair = _Repair.of(build, controls=False)
    target = build.choice("output_encoding", "UTF-8", "UTF-16-BE", "UTF-32-BE")

    def kernel(values: Array, splits: Array) -> Array:
        edges = _edges(values, splits)
        bad = (values < 0) | (values > _LAST) | ((values & ~0x7FF) == 0xD800)
        if bad.any() and repair.policy == "strict":
            raise InvalidArgument("Code point is out of range for Unicode, or is a surrogate.")
        codes = np.where(bad, np.int32(repair.replacement), values)
        keep = ~bad if repair.policy == "ignore" else np.ones_like(bad)
        rows = [slice(a, b) for a, b in pairwise(edges)]
        return strings([encode(codes[row][keep[row]], target) for row in rows])

    return kernel


def _edges(values: Array, splits: Array) -> list[int]:
    if splits.size == 0:
        raise InvalidArgument(
            f"Input_splits should contain elements, but given input_values has {splits.size}"
            " elements"
        )
    if values.ndim != 1 or splits.ndim != 1:
        raise InvalidArgument("Both the input_tensor and input_splits should be of rank 1. ")
    edges: list[int] = splits.tolist()
    if edges[0] != 0:
        raise InvalidArgument("First value in input_splits must be zero.")
    if edges[-1] != values.size:
        raise InvalidArgument("Last value in input_splits must be equal to length of input_tensor.")
    if any(a > b for a, b in pairwise(edges)):
        raise InvalidArgument("Values in input_splits must be equal or in ascending order.")
    return edges


@functools.cache
def _scripts() -> tuple[Array, Array]:
    """First code points of runs, and the script of each run.

    The table beside this file is generated; scripts/generate_unicode_scripts.py says how.
    """
    text = resources.files("servable.ops").joinpath("unicode_scripts.json").read_bytes()
    table: dict[str, list[int]] = orjson.loads(text)
    return np.array(table["starts"], np.int64), np.array(table["scripts"], np.int32)


@op("UnicodeScript")
def unicode_script(build: Build) -> Kernel:
    """ICU's number of each code point's script; -1 for what is no code point."""
    del build
    starts, scripts = _scripts()
    find: Callable[[Array], Array] = lambda x: scripts[  # noqa: E731
        np.maximum(np.searchsorted(starts, x, side="right") - 1, 0)
    ]
    return lambda x: np.where((x < 0) | (x > _LAST), np.int32(-1), find(x))
