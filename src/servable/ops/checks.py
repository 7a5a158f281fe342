"""Ops that look at values: assertions, prints, and the time."""

from __future__ import annotations

import itertools
import logging
import time
from typing import Any

import numpy as np

from servable.errors import InvalidArgument
from servable.ops.number_text import element, escaped
from servable.ops.registry import Build, Kernel, op
from servable.ops.text import dims, one
from servable.tensors import STRING, Array, DType

log = logging.getLogger(__name__)


@op("CheckNumerics", "CheckNumericsV2", attrs="message")
def check_numerics(build: Build) -> Kernel:
    """Its input, if all of it is finite. The second version tells infinities apart."""
    message = build.text("message")
    apart = build.node.op == "CheckNumericsV2"

    def kernel(x: Array) -> Array:
        if np.isfinite(x).all():
            return x
        found = {"NaN": np.isnan(x).any()}
        if apart:
            found = {"-Inf": np.isneginf(x).any(), "+Inf": np.isposinf(x).any()} | found
        else:
            found = {"Inf": np.isinf(x).any()} | found
        raise InvalidArgument(f"{message} : Tensor had {_listed(found)} values")

    return kernel


def _listed(found: dict[str, Any]) -> str:
    names = [name for name, here in found.items() if here]
    if len(names) < 3:
        return " and ".join(names)
    return ", ".join(names[:-1]) + ", and " + names[-1]


@op("Assert", attrs="T summarize")
def assert_(build: Build) -> Kernel:
    """Nothing, if a condition holds; else an error that shows the data."""
    dtypes, summarize = build.list("T"), build.int("summarize")

    def kernel(condition: Array, *data: Array) -> None:
        if np.ndim(condition):
            raise InvalidArgument(f"In[0] should be a scalar: {dims(np.shape(condition))}")
        if not condition:
            raise InvalidArgument(f"assertion failed: {_shown(data, dtypes, summarize, ' ')}")

    return kernel


@op("Print", attrs="U", no_effect="message first_n summarize")
def print_(build: Build) -> Kernel:
    """Its input; the data goes to the log, in the first `first_n` runs if that is not negative."""
    message, dtypes, summarize = build.text("message"), build.list("U"), build.int("summarize")
    first = build.int("first_n")
    # next() of a counter is atomic.
    turns = itertools.count()

    def kernel(x: Array, *data: Array) -> Array:
        if first < 0 or next(turns) < first:
            log.info("%s%s", message, _shown(data, dtypes, summarize, ""))
        return x

    return kernel


@op("PrintV2", no_effect="output_stream end")
def print_v2(build: Build) -> Kernel:
    """A string to the log, whichever stream or file the graph names."""
    del build

    def kernel(x: Array) -> None:
        log.info("%s", one(x, "input").decode("utf-8", "replace"))

    return kernel


@op("Timestamp")
def timestamp(build: Build) -> Kernel:
    """Seconds since 1970."""
    del build
    return lambda: np.asarray(time.time())


def _shown(data: tuple[Array, ...], dtypes: tuple[DType, ...], most: int, gap: str) -> str:
    parts = (f"[{summary(x, d, most)}]" for x, d in zip(data, dtypes, strict=True))
    return gap.join(parts)


def summary(x: Array, dtype: DType, most: int) -> str:
    """The first elements of a tensor as TensorFlow prints them in assertions.

    Args:
        most: how many; all if negative.
    """
    limit = x.size if most < 0 else min(most, x.size)
    items = [_item(value, dtype) for value in np.asarray(x).reshape(-1)[:limit].tolist()]
    more = "..." if x.size > limit else ""
    if x.ndim < 2:
        return " ".join(items) + more
    return _nested(items, x.shape, [0]) + more


def _item(value: Any, dtype: DType) -> str:
    # Strings stand without quotes here.
    return escaped(value) if dtype is STRING else element(value, dtype)


def _nested(items: list[str], shape: tuple[int, ...], used: list[int]) -> str:
    """Elements in brackets for each row. `used` counts what was printed so far."""
    if len(shape) == 1:
        row = items[used[0] : used[0] + shape[0]]
        used[0] += len(row)
        return " ".join(row) + ("..." if len(row) < shape[0] else "")
    text = ""
    for _ in range(shape[0]):
        if used[0] < len(items):
            text += "[" + _nested(items, shape[1:], used) + "]"
    return text
