"""Examples that no library would write, and laws of those that it does."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from op_kernels import kernel

from servable import varint
from servable.errors import InvalidArgument
from servable.ops.example_wire import Malformed, example_entries, sequence_entries, varints
from servable.ops.messages import fields
from servable.ops.text import strings
from servable.tensors import FLOAT, INT64, STRING, Array

SETTINGS = settings(deadline=None)
SIGNED = st.integers(-(2**63), 2**63 - 1)
NO_STRINGS = strings([])


def field(number: int, payload: bytes) -> bytes:
    return varint.encode(number << 3 | 2) + varint.encode(len(payload)) + payload


def ints(values: list[int]) -> bytes:
    packed = b"".join(varint.encode(v & varint.MAX_UINT64) for v in values)
    return field(3, field(1, packed))


def floats(values: list[float]) -> bytes:
    return field(2, field(1, np.array(values, "<f4").tobytes()))


def texts(values: list[bytes]) -> bytes:
    return field(1, b"".join(field(1, v) for v in values))


def example(features: dict[bytes, bytes]) -> bytes:
    entries = (field(1, field(1, key) + field(2, value)) for key, value in features.items())
    return field(1, b"".join(entries))


def ragged() -> Any:
    parse = kernel(
        "ParseExampleV2",
        Tdense=(),
        num_sparse=0,
        sparse_types=(),
        ragged_value_types=(INT64, FLOAT, STRING),
        ragged_split_types=(INT64, INT64, INT64),
        dense_shapes=(),
    )
    keys = strings([b"i", b"f", b"s"])
    return lambda batch: parse(strings(batch), NO_STRINGS, NO_STRINGS, NO_STRINGS, keys)


ROWS = st.tuples(
    st.lists(SIGNED, max_size=30),
    st.lists(st.floats(width=32, allow_nan=False), max_size=5),
    st.lists(st.binary(max_size=5), max_size=5),
)


@SETTINGS
@given(st.lists(ROWS, max_size=4))
def test_what_was_written_is_read(rows: list[tuple[list[int], list[float], list[bytes]]]) -> None:
    batch = [example({b"i": ints(i), b"f": floats(f), b"s": texts(s)}) for i, f, s in rows]

    outputs = ragged()(batch)

    for column, (values, splits) in enumerate(zip(outputs[:3], outputs[3:], strict=True)):
        assert splits[0] == 0
        assert splits[-1] == len(values)
        read = [values[a:b].tolist() for a, b in pairwise(splits)]
        assert read == [row[column] for row in rows]


@SETTINGS
@given(st.lists(SIGNED, max_size=200))
def test_many_integers_are_read_as_one_by_one(values: list[int]) -> None:
    data = b"".join(varint.encode(v & varint.MAX_UINT64) for v in values)

    assert varints(data, 0, len(data)) == values
    assert varints(b"\x05" * 100 + data, 0, 100 + len(data)) == [5] * 100 + values


@pytest.mark.parametrize("data", [b"\x80", b"\x80" * 10 + b"\x01"])
@pytest.mark.parametrize("before", [0, 100])
def test_integers_without_end_are_refused(data: bytes, before: int) -> None:
    data = b"\x05" * before + data

    with pytest.raises(Malformed):
        varints(data, 0, len(data))


GOOD = example({b"i": ints([1, -2]), b"f": floats([1.5]), b"s": texts([b"x", b""])})


@SETTINGS
@given(st.data())
def test_damaged_examples_are_read_or_refused(data: st.DataObject) -> None:
    message = bytearray(GOOD * data.draw(st.integers(1, 2)))
    for _ in range(data.draw(st.integers(1, 6))):
        place = data.draw(st.integers(0, len(message) - 1))
        message[place] = data.draw(st.integers(0, 255))
    cut = bytes(message[: data.draw(st.integers(0, len(message)))])

    try:
        outputs = ragged()([GOOD, cut, GOOD])
    except InvalidArgument:
        return
    for values, splits in zip(outputs[:3], outputs[3:], strict=True):
        assert len(values) == splits[-1]


@SETTINGS
@given(st.binary(max_size=80))
def test_any_bytes_are_read_or_refused(data: bytes) -> None:
    for read in (example_entries, sequence_entries, lambda d: list(fields(d, 0, len(d)))):
        try:
            read(data)
        except Malformed:
            continue


def sequence_batch(example: bytes) -> Array:
    parse = kernel(
        "ParseSequenceExampleV2",
        Nfeature_list_dense=1,
        feature_list_dense_types=(INT64,),
        feature_list_dense_shapes=((),),
    )
    keys = [NO_STRINGS] * 4 + [strings([b"i"]), NO_STRINGS]
    values: Array = parse(strings([example]), NO_STRINGS, *keys, np.array([True]))[0]
    return values


@SETTINGS
@given(st.lists(SIGNED, max_size=20))
def test_rows_of_a_sequence_are_read(values: list[int]) -> None:
    rows = b"".join(field(1, ints([v])) for v in values)
    message = field(2, field(1, field(1, b"i") + field(2, rows)))

    assert sequence_batch(message).tolist() == [values]


def test_groups_inside_groups_are_not_followed_for_ever() -> None:
    deep = b"\x0b" * 100_000 + b"\x0c" * 100_000

    with pytest.raises(Malformed):
        list(fields(deep, 0, len(deep)))


def test_a_length_beyond_the_message_makes_nothing_large() -> None:
    claims = field(
        1, field(1, field(1, b"f") + field(2, b"\x12\xff\xff\xff\xff\x0f\x0a\xf0\xff\xff\x7f"))
    )

    with pytest.raises(InvalidArgument):
        ragged()([claims])


def test_a_feature_of_another_kind_is_named() -> None:
    wrong = example({b"i": floats([1.0])})

    with pytest.raises(InvalidArgument) as caught:
        ragged()([GOOD, wrong])

    assert caught.value.message == (
        "Name: <unknown>, Key: i, Index: 1.  Data types don't match. Expected type: int64,"
        " Actual type: float"
    )
