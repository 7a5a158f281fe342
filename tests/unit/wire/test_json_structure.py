"""Whether numbers are nested as a shape says: never a wrong yes, and yes where it is usual text."""

from __future__ import annotations

import json
from collections.abc import Iterator
from functools import cache
from typing import Any

import numpy as np
import pytest

from servable.wire.json_structure import is_nested

SHAPES = [(2, 2), (4, 1), (1, 4), (2, 3), (3, 2), (1, 1, 4), (2, 1, 2), (2, 2, 1), (1, 2, 2, 1)]
STYLES = [(",", ":"), (", ", ": "), (",\n  ", ":"), (" , ", ":")]


@cache
def lists(numbers: int, depth: int, empty: int) -> tuple[Any, ...]:
    """All lists of so many numbers, at most so deep and with at most so many empty ones inside."""

    def items(left: int, empty: int) -> Iterator[tuple[Any, ...]]:
        if left == 0:
            yield ()
        if left:
            for rest in items(left - 1, empty):
                yield (0, *rest)
        if depth > 1:
            for size in range(1, left + 1):
                for first in lists(size, depth - 1, 0):
                    for rest in items(left - size, empty):
                        yield (first, *rest)
            if empty:
                for rest in items(left, empty - 1):
                    yield ([], *rest)

    return tuple(list(item) for item in items(numbers, empty))


def shape_of(value: Any) -> tuple[int, ...] | None:
    """Sizes of a regular list; None for any other."""
    if not isinstance(value, list):
        return ()
    inner = {shape_of(item) for item in value}
    if len(inner) != 1 or None in inner:
        return (0,) if not value else None
    return (len(value), *(inner.pop() or ()))


@pytest.mark.parametrize("style", STYLES)
@pytest.mark.parametrize("shape", SHAPES)
def test_no_other_nesting_of_as_many_numbers_passes_for_a_shape(
    shape: tuple[int, ...], style: tuple[str, str]
) -> None:
    numbers = int(np.prod(shape))
    seen = 0
    for value in lists(numbers, len(shape) + 1, 1):
        text = json.dumps({"instances": value}, separators=style).encode()
        if is_nested(text, shape):
            assert shape_of(value) == shape
            seen += 1
    assert seen == (style in STYLES[:2] or numbers == shape[-1])


@pytest.mark.parametrize("shape", [(5, 7), (3, 4, 5), (2, 1, 3, 2), (1, 32, 32, 3), (1, 1)])
@pytest.mark.parametrize("indent", [None, 0])
def test_what_libraries_write_is_known(shape: tuple[int, ...], indent: int | None) -> None:
    value = np.random.default_rng(0).normal(size=shape).tolist()
    for separators in STYLES[:2]:
        text = json.dumps({"instances": value}, separators=separators, indent=indent).encode()
        assert is_nested(text, shape) == (indent is None)
        assert not is_nested(text, (*shape[:-1], shape[-1] + 1))


@pytest.mark.parametrize("other", ["", "[", "]", "[[,],", '"', "\\"])
@pytest.mark.parametrize("first", [True, False])
def test_strings_beside_the_array_are_not_taken_for_a_part_of_it(
    other: str, *, first: bool
) -> None:
    for value in ([[1, 2], [3, 4]], [[1, 2], 3, 4], [[1, [2], 3], 4], [1, 2, 3, 4]):
        named: dict[str, Any] = {"instances": value}
        more = {"signature_name": other}
        text = json.dumps({**more, **named} if first else {**named, **more}).encode()
        assert not is_nested(text, (2, 2)) or shape_of(value) == (2, 2)


def test_two_arrays_are_left_to_others() -> None:
    assert not is_nested(b'{"inputs":{"a":[[1,2]],"b":[[3,4]]}}', (2, 2))
