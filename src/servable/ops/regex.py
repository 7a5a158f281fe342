"""Regular expressions: RE2, as in TensorFlow, so that no pattern takes exponential time."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import numpy as np
import re2

from servable.errors import InvalidArgument
from servable.ops.registry import Build, Kernel, op
from servable.ops.text import dims, each, flat, one
from servable.tensors import Array

_MOST_COMPILED = 64
"""Patterns that are kept compiled. A pattern may come with the request, and each costs
up to 8 MB, RE2's own bound."""


@functools.lru_cache(maxsize=_MOST_COMPILED)
def _compiled(pattern: bytes) -> Any:
    options = re2.Options()
    options.log_errors = False
    try:
        return re2.compile(pattern, options)
    except re2.error as error:
        reason = error.args[0] if error.args else b""
        shown = reason.decode("utf-8", "replace") if isinstance(reason, bytes) else str(reason)
        raise InvalidArgument(
            f"Invalid pattern: {pattern.decode('utf-8', 'replace')}, error: {shown}"
        ) from None


def _pattern(x: Array, name: str = "Pattern") -> bytes:
    if np.ndim(x) != 0:
        raise InvalidArgument(f"{name} must be scalar, but received {dims(np.shape(x))}")
    return one(x, name)


def _matches(x: Array, pattern: bytes) -> Array:
    match = _compiled(pattern).fullmatch
    return np.array([match(s) is not None for s in flat(x)], np.bool_).reshape(np.shape(x))


@op("RegexFullMatch")
def regex_full_match(build: Build) -> Kernel:
    """Whether the pattern matches all of each string."""
    del build
    return lambda x, pattern: _matches(x, _pattern(pattern))


@op("StaticRegexFullMatch", attrs="pattern")
def static_regex_full_match(build: Build) -> Kernel:
    """The same with a pattern that is part of the graph."""
    pattern = build.data("pattern")
    _compiled(pattern)
    return lambda x: _matches(x, pattern)


@op("RegexReplace", attrs="replace_global")
def regex_replace(build: Build) -> Kernel:
    """Matches replaced by a rewrite, in which \\1 stands for the first group."""
    everywhere = build.bool("replace_global")

    def kernel(x: Array, pattern: Array, rewrite: Array) -> Array:
        found, text = _pattern(pattern), _pattern(rewrite, "Rewrite")
        return each(_replacer(found, text, everywhere), x)

    return kernel


@op("StaticRegexReplace", attrs="pattern rewrite replace_global")
def static_regex_replace(build: Build) -> Kernel:
    """The same with pattern and rewrite that are part of the graph."""
    replace = _replacer(build.data("pattern"), build.data("rewrite"), build.bool("replace_global"))
    return lambda x: each(replace, x)


def _replacer(pattern: bytes, rewrite: bytes, everywhere: bool) -> Callable[[bytes], bytes]:
    compiled = _compiled(pattern)
    parts, complete = _parsed(rewrite)
    if max((p for p in parts if isinstance(p, int)), default=0) > compiled.groups:
        return lambda s: s
    if everywhere:
        return lambda s: _replace_all(compiled, parts, s)
    # A rewrite that breaks off replaces nothing, unless it replaces everywhere.
    return (lambda s: _replace_first(compiled, parts, s)) if complete else (lambda s: s)


def _parsed(rewrite: bytes) -> tuple[list[bytes | int], bool]:
    """A rewrite as literal pieces and group numbers, up to the first bad escape if any."""
    parts: list[bytes | int] = []
    at = 0
    while (slash := rewrite.find(b"\\", at)) >= 0:
        parts.append(rewrite[at:slash])
        escaped = rewrite[slash + 1 : slash + 2]
        if escaped.isdigit():
            parts.append(int(escaped))
        elif escaped == b"\\":
            parts.append(escaped)
        else:
            return parts, False
        at = slash + 2
    return [*parts, rewrite[at:]], True


def _rewritten(match: Any, parts: list[bytes | int]) -> bytes:
    return b"".join((match[p] or b"") if isinstance(p, int) else p for p in parts)


def _replace_first(compiled: Any, parts: list[bytes | int], s: bytes) -> bytes:
    match = compiled.search(s)
    if match is None:
        return s
    return s[: match.start()] + _rewritten(match, parts) + s[match.end() :]


def _replace_all(compiled: Any, parts: list[bytes | int], s: bytes) -> bytes:
    made: list[bytes] = []
    at, last = 0, -1
    while at <= len(s) and (match := compiled.search(s, at)) is not None:
        start, end = match.span()
        made.append(s[at:start])
        if start == end == last:
            # No empty match right after another match: a character passes.
            step = _character(s, at)
            made.append(s[at : at + step])
            at += step
            continue
        made.append(_rewritten(match, parts))
        at = last = end
    made.append(s[at:])
    return b"".join(made)


def _character(s: bytes, at: int) -> int:
    """How many bytes the UTF-8 character at an offset has; 1 if there is none."""
    for size in range(1, 5):
        try:
            s[at : at + size].decode()
        except UnicodeDecodeError:
            continue
        return size
    return 1
