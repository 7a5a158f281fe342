"""Cutting strings into tokens, and tokens into n-grams."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise

import numpy as np

from servable.errors import InvalidArgument
from servable.ops.registry import Build, Kernel, op
from servable.ops.text import dims, flat, one, strings
from servable.tensors import Array

Tokens = tuple[Array, Array, Array]
"""Indices, values and shape of a sparse matrix with one row for each string."""


def _sparse(rows: Sequence[Sequence[bytes]]) -> Tokens:
    lengths = [len(row) for row in rows]
    indices = np.empty((sum(lengths), 2), np.int64)
    indices[:, 0] = np.repeat(np.arange(len(rows)), lengths)
    indices[:, 1] = [column for length in lengths for column in range(length)]
    shape = np.array([len(rows), max(lengths, default=0)], np.int64)
    return indices, strings([token for row in rows for token in row]), shape


def _splitting(split: Callable[[bytes, bytes], list[bytes]], name: str) -> Kernel:
    def kernel(x: Array, by: Array) -> Tokens:
        if np.ndim(x) != 1:
            raise InvalidArgument(f"input must be a vector, got shape: {dims(np.shape(x))}")
        if np.ndim(by) != 0:
            raise InvalidArgument(f"{name} must be a scalar, got shape: {dims(np.shape(by))}")
        mark = one(by, name)
        return _sparse([split(s, mark) for s in flat(x)])

    return kernel


@op("StringSplit", attrs="skip_empty")
def string_split(build: Build) -> Kernel:
    """Cut at every byte of the delimiter, or into single bytes if it is empty."""
    skip = build.bool("skip_empty")

    def split(s: bytes, delimiter: bytes) -> list[bytes]:
        if not delimiter:
            return [s[i : i + 1] for i in range(len(s))]
        if len(delimiter) > 1:
            s = s.translate(bytes(delimiter[0] if b in delimiter else b for b in range(256)))
        tokens = s.split(delimiter[:1]) if s else []
        return [t for t in tokens if t] if skip else tokens

    return _splitting(split, "delimiter")


@op("StringSplitV2", attrs="maxsplit")
def string_split_v2(build: Build) -> Kernel:
    """Cut at the whole separator as Python does, or at white space if it is empty."""
    most = build.int("maxsplit")

    def split(s: bytes, separator: bytes) -> list[bytes]:
        if most == 0:
            return [s]
        if separator:
            return s.split(separator, max(most, -1))
        tokens = s.split(None, max(most, -1))
        if 0 < most == len(tokens):
            # The rest counts as a token here, even if nothing is left.
            tokens.append(b"")
        return tokens

    return _splitting(split, "sep")


@op(
    "StringNGrams",
    attrs="separator ngram_widths left_pad right_pad pad_width preserve_short_sequences",
)
def string_ngrams(build: Build) -> Kernel:
    """Every run of so many tokens of each row, joined; rows are given by their splits."""
    make = _NGrams(build)

    def kernel(data: Array, splits: Array) -> tuple[Array, Array]:
        tokens, edges = flat(data), splits.ravel().tolist()
        _check_splits(edges, len(tokens))
        if not tokens or not edges:
            return np.full(np.shape(data), b"", object), np.zeros_like(splits)
        grams: list[bytes] = []
        ends = [0]
        for begin, end in pairwise(edges):
            grams += make.row(tokens[begin:end])
            ends.append(len(grams))
        return strings(grams), np.array(ends, splits.dtype).reshape(splits.shape)

    return kernel


def _check_splits(edges: Sequence[int], size: int) -> None:
    previous = 0
    for i, edge in enumerate(edges):
        if i == 0 and edge != 0:
            raise InvalidArgument(f"First split value must be 0, got {edge}")
        if not previous <= edge <= size:
            raise InvalidArgument(f"Invalid split value {edge}, must be in [{previous}, {size}]")
        previous = edge
    if edges and previous != size:
        raise InvalidArgument(
            f"Last split value must be data size. Expected {size}, got {previous}"
        )


class _NGrams:
    """What the attributes of StringNGrams ask for."""

    def __init__(self, build: Build) -> None:
        self._separator = build.data("separator")
        self._left, self._right = build.data("left_pad"), build.data("right_pad")
        self._widths: list[int] = list(build.list("ngram_widths"))
        self._pad_width = build.int("pad_width")
        self._preserve = build.bool("preserve_short_sequences")
        if any(width <= 0 for width in self._widths):
            raise InvalidArgument("ngram_widths must contain positive values")

    def _pad(self, width: int) -> int:
        return min(width - 1 if self._pad_width < 0 else self._pad_width, width - 1)

    def _number(self, length: int, width: int) -> int:
        return max(0, length + 2 * self._pad(width) - width + 1)

    def row(self, tokens: Sequence[bytes]) -> list[bytes]:
        """The n-grams of one row, width by width."""
        grams = [
            gram
            for width in self._widths
            for gram in self._grams(tokens, self._number(len(tokens), width), width)
        ]
        if grams or not tokens or not self._preserve:
            return grams
        if self._pad_width < 0:
            raise InvalidArgument(
                "Pad width should be >= 0 when preserve_short_sequences is True and"
                f" ngram_widths are not provided, got {self._pad_width}"
            )
        return self._grams(tokens, 1, len(tokens) + 2 * self._pad_width)

    def _grams(self, tokens: Sequence[bytes], number: int, width: int) -> list[bytes]:
        pad = self._pad(width)
        grams = []
        for i in range(number):
            left = max(0, pad - i)
            right = max(0, pad - (number - i - 1))
            first = 0 if left else i - pad
            inside = tokens[first : first + width - left - right]
            grams.append(
                self._separator.join([*[self._left] * left, *inside, *[self._right] * right])
            )
        return grams
