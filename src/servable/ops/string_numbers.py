"""Numbers to strings and back, and tensors printed into templates."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from servable.errors import InvalidArgument
from servable.ops.number_text import PARSERS, element
from servable.ops.registry import Build, Kernel, op
from servable.ops.text import flat, strings
from servable.tensors import BOOL, STRING, Array, DType


@op("StringToNumber", attrs="out_type")
def string_to_number(build: Build) -> Kernel:
    """Each string as a number; white space around it does not count."""
    dtype = build.type("out_type")
    parse = PARSERS[dtype]

    def read(text: bytes) -> Any:
        value = parse(text)
        if value is None:
            shown = text.decode("utf-8", "replace")
            raise InvalidArgument(f"StringToNumberOp could not correctly convert string: {shown}")
        return value

    return lambda x: np.array([read(s) for s in flat(x)], dtype.numpy).reshape(np.shape(x))


_MOST_WIDTH = 1 << 16
"""Bound on the width and precision of one number: each of them costs that many bytes."""


@op("AsString", attrs="T precision scientific shortest width fill")
def as_string(build: Build) -> Kernel:
    """Each value as text, as C's printf writes it."""
    dtype = build.type()
    show = _writer(build, dtype)
    return lambda x: strings([show(v) for v in np.asarray(x).ravel().tolist()], np.shape(x))


def _writer(build: Build, dtype: DType) -> Callable[[Any], bytes]:
    precision, width = build.int("precision"), build.int("width")
    scientific, short = build.bool("scientific"), build.bool("shortest")
    # Without a width there is nothing to fill.
    fill = build.text("fill") if width > -1 else ""
    # bfloat16 is of numpy's kind V.
    fraction = dtype.numpy.kind in "fcV"
    _check(build, dtype, fraction)
    if dtype is BOOL:
        return lambda value: b"true" if value else b"false"
    if dtype is STRING:
        return lambda value: _padded(value if precision < 0 else value[:precision], width, fill)
    size = fill + (str(width) if width > -1 else "")
    if not fraction:
        # Python knows %d without a bound on its size, as all of C's integers.
        return lambda value: ("%" + size + "d").__mod__(value).encode()
    size += f".{precision}" if precision > -1 else ""
    form = "%" + size + ("g" if short else "e" if scientific else "f")

    def show(value: float) -> bytes:
        if np.isfinite(value):
            return (form % value).encode()
        # C writes the sign of a NaN, and never fills with zeros before a word.
        sign = "-" if np.signbit(value) else "+" if fill == "+" else ""
        return _padded((sign + str(abs(value))).encode(), width, fill)

    if dtype.numpy.kind == "c":
        return lambda value: b"(" + show(value.real) + b"," + show(value.imag) + b")"
    return show


def _check(build: Build, dtype: DType, fraction: bool) -> None:
    precision, fill = build.int("precision"), build.text("fill")
    scientific, short = build.bool("scientific"), build.bool("shortest")
    if not fraction and dtype is not STRING:
        if scientific or short:
            raise InvalidArgument(
                f"scientific and shortest format not supported for datatype {dtype.name}"
            )
        if precision >= 0:
            raise InvalidArgument(f"precision not supported for datatype {dtype.name}")
    if len(fill) > 1:
        raise InvalidArgument("Fill string must be one or fewer characters")
    if scientific and short:
        raise InvalidArgument("Cannot select both scientific and shortest notation")
    if fill not in ("", " ", "+", "-", "0", "#"):
        raise InvalidArgument(f'Fill argument not supported: "{fill}"')
    if max(precision, build.int("width")) > _MOST_WIDTH:
        raise build.unsupported(f"a width or precision over {_MOST_WIDTH}")


def _padded(text: bytes, width: int, fill: str) -> bytes:
    return text.ljust(max(width, 0)) if fill == "-" else text.rjust(max(width, 0))


@op("StringFormat", attrs="T template placeholder summarize")
def string_format(build: Build) -> Kernel:
    """A template with a printed tensor in place of each placeholder."""
    template, placeholder = build.data("template"), build.data("placeholder")
    summarize = build.int("summarize")
    dtypes = build.list("T")
    if placeholder:
        pieces = template.split(placeholder)
    else:
        pieces = [template[i : i + 1] for i in range(len(template))] or [b""]
    if len(pieces) - 1 != len(dtypes):
        raise InvalidArgument(
            "num placeholders in template and num inputs must match:"
            f" {len(pieces) - 1} vs. {len(dtypes)}"
        )

    def kernel(*tensors: Array) -> Array:
        made = pieces[0]
        for piece, dtype, x in zip(pieces[1:], dtypes, tensors, strict=True):
            made += _printed(np.asarray(x), dtype, summarize).encode("utf-8", "surrogateescape")
            made += piece
        return strings([made], ())

    return kernel


def _printed(x: Array, dtype: DType, summarize: int) -> str:
    """A tensor as tf.print shows it: so many entries at both ends of every dimension."""
    ends = min(x.size if summarize < 0 else summarize, x.size)
    return _dimension(x, 0, x.ndim, ends, dtype)


def _dimension(x: Array, depth: int, ndim: int, ends: int, dtype: DType) -> str:
    if depth == ndim:
        return element(x[()], dtype)
    space = " " if depth == ndim - 1 else "\n" * (ndim - 1 - depth) + " " * (depth + 1)
    size = len(x)
    first = [_dimension(x[i, ...], depth + 1, ndim, ends, dtype) for i in range(min(ends, size))]
    last = [
        _dimension(x[i, ...], depth + 1, ndim, ends, dtype)
        for i in range(max(ends, size - ends), size)
    ]
    # A separator stands before everything but the first entry.
    return (
        "["
        + space.join(first)
        + "".join(space + part for part in (["..."] if size > 2 * ends else []) + last)
        + "]"
    )
