"""The JSON that is accepted, and the complaints about the rest."""

from __future__ import annotations

import json
import math
from collections.abc import Callable

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from servable.errors import InvalidArgument
from servable.wire.json_debug import Json
from servable.wire.json_parse import parse
from servable.wire.json_scan import scan

COMPLAINTS = [
    (b"", "The document is empty"),
    (b"  \n ", "The document is empty. at offset: 4"),
    (b"\xef\xbb\xbf ", "The document is empty. at offset: 4"),
    (b"]", "The document is empty. at offset: 0"),
    (b"instances = [1, 2]", "Invalid value. at offset: 0"),
    (b'{"a": }', "Invalid value. at offset: 6"),
    (b'{"a": nul}', "Invalid value. at offset: 9"),
    (b'{"a": nan}', "Invalid value. at offset: 7"),
    (b'{"a": +Inf}', "Invalid value. at offset: 6"),
    (b'{"a": -}', "Invalid value. at offset: 7"),
    (b'{"a": -x}', "Invalid value. at offset: 7"),
    (b'{"a": Nan}', "Invalid value. at offset: 8"),
    (b'{"a": -Infinitum}', "Invalid value. at offset: 14"),
    (b'{"a": .5}', "Invalid value. at offset: 6"),
    (b'{"a": [1, ]}', "Invalid value. at offset: 10"),
    (b'{"a": [', "Invalid value. at offset: 7"),
    (b"{", "Missing a name for object member. at offset: 1"),
    (b"{1: 2}", "Missing a name for object member. at offset: 1"),
    (b'{"a": 1, }', "Missing a name for object member. at offset: 9"),
    (b"{'a': 1}", "Missing a name for object member. at offset: 1"),
    (b'{"a" 1}', "Missing a colon after a name of object member. at offset: 5"),
    (b'{"a": 1 "b": 2}', "Missing a comma or } after an object member. at offset: 8"),
    (b'{"a": 1', "Missing a comma or } after an object member. at offset: 7"),
    (b"[1 2]", "Missing a comma or ] after an array element. at offset: 3"),
    (b"[01]", "Missing a comma or ] after an array element. at offset: 2"),
    (b"[1, 2", "Missing a comma or ] after an array element. at offset: 5"),
    (b"[1 /* one */]", "Missing a comma or ] after an array element. at offset: 3"),
    (rb'["\u00g0"]', "Incorrect hex digit after \\u escape in string. at offset: 2"),
    (rb'["\ud800"]', "The surrogate pair in string is invalid. at offset: 2"),
    (rb'["\udc00"]', "The surrogate pair in string is invalid. at offset: 2"),
    (rb'["ab\ud83dA"]', "The surrogate pair in string is invalid. at offset: 4"),
    (rb'["\x"]', "Invalid escape character in string. at offset: 2"),
    (b'["\\', "Invalid escape character in string. at offset: 2"),
    (b'["abc', "Missing a closing quotation mark in string. at offset: 5"),
    (b'["a\x00"]', "Missing a closing quotation mark in string. at offset: 3"),
    (b'["a\nb"]', "Invalid encoding in string. at offset: 3"),
    (b"[1e400]", "Number too big to be stored in double. at offset: 1"),
    (b"[-" + b"9" * 400 + b"]", "Number too big to be stored in double. at offset: 1"),
    (b"[1.]", "Miss fraction part in number. at offset: 3"),
    (b"[1.e5]", "Miss fraction part in number. at offset: 3"),
    (b"[1e]", "Miss exponent in number. at offset: 3"),
    (b"[1e+]", "Miss exponent in number. at offset: 4"),
]


@pytest.mark.parametrize(("body", "complaint"), COMPLAINTS)
def test_a_syntax_error_is_named_with_its_offset(body: bytes, complaint: str) -> None:
    with pytest.raises(InvalidArgument) as caught:
        parse(body)
    assert caught.value.message == f"JSON Parse error: {complaint}"


@pytest.mark.parametrize(
    ("body", "value"),
    [
        (b'{"a": [1, -2.5, true, false, null, "x"]}', {"a": [1, -2.5, True, False, None, "x"]}),
        (
            b'{"a": [Infinity, Inf, -Infinity, -Inf]}',
            {"a": [math.inf, math.inf, -math.inf, -math.inf]},
        ),
        (b'\xef\xbb\xbf {"a": 1}', {"a": 1}),
        (b'{"a": 1} and then anything', {"a": 1}),
        (b'{"a": 1}{"a": 2}', {"a": 1}),
        (b'{"a": 1, "a": 2}', {"a": 2}),
        (b'{"a": Infinity, "a": 2}', {"a": 2}),
        (b'{"a": {}, "b": []} ', {"a": {}, "b": []}),
        (rb'{"\u00e9\n\/": "\ud83d\ude00"}', {"\u00e9\n/": "\U0001f600"}),
        (b'{"a": "\xff\xfe"}', {"a": "\udcff\udcfe"}),
        (b'{"a": "\xff", "b": Inf}', {"a": "\udcff", "b": math.inf}),
        (b'{"a": [-0, -0.0, 1E2, 0e0]}', {"a": [0, -0.0, 100.0, 0.0]}),
        (
            b'{"a": [9223372036854775808, 18446744073709551615, -9223372036854775808]}',
            {"a": [2**63, 2**64 - 1, -(2**63)]},
        ),
        (
            b'{"a": [18446744073709551616, -9223372036854775809, Inf]}',
            {"a": [2.0**64, -(2.0**63), math.inf]},
        ),
    ],
)
@pytest.mark.parametrize("read", [parse, scan])
def test_json_that_is_accepted(read: Callable[[bytes], Json], body: bytes, value: Json) -> None:
    result = read(body)
    assert result == value
    assert repr(result) == repr(value), "also the types and signs of zero are the same"


@pytest.mark.parametrize("read", [parse, scan])
def test_nan_is_a_number(read: Callable[[bytes], Json]) -> None:
    [first, second] = read(b'{"a": [NaN, -NaN]}')["a"]
    assert math.isnan(first)
    assert math.isnan(second)


@pytest.mark.parametrize(("opener", "closer"), [(b"[", b"]"), (b'[{"":', b"}]")])
def test_half_a_million_levels_are_read_without_recursion(opener: bytes, closer: bytes) -> None:
    times = 500_000 // len(closer)
    deep = opener * times + b"1" + closer * times
    assert parse(b'{"deep": ' + deep + b', "x": 5}')["x"] == 5


def test_nesting_without_end_is_refused() -> None:
    with pytest.raises(InvalidArgument, match="Terminate parsing due to Handler error"):
        parse(b"[" * 1_000_002)


@pytest.mark.parametrize("values", [150_000, 3_000_000])
def test_a_syntax_error_in_a_huge_body_is_found_without_reading_it_slowly(values: int) -> None:
    body = b'{"a": [' + b"1," * values
    with pytest.raises(InvalidArgument) as caught:
        parse(body)
    assert caught.value.message == (
        f"JSON Parse error: Unspecific syntax error. at offset: {len(body)}"
    )


def test_a_number_of_a_million_digits_takes_no_time() -> None:
    with pytest.raises(InvalidArgument, match="Number too big"):
        parse(b'{"a": ' + b"9" * 1_000_000 + b"}")


json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**70), 2**70)
    | st.floats()
    | st.text(st.characters(exclude_categories=["Cs"])),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text('ab\n\\"é'), inner, max_size=4)
    ),
    max_leaves=12,
)


@given(json_values, st.sampled_from([None, 1]), st.booleans())
def test_both_parsers_read_the_same(value: Json, indent: int | None, ascii_only: bool) -> None:
    body = json.dumps({"v": value}, indent=indent, ensure_ascii=ascii_only).encode()
    assert repr(parse(body)) == repr(scan(body))


def outcome(read: Callable[[bytes], Json], body: bytes) -> str:
    try:
        return repr(read(body))
    except InvalidArgument as error:
        return error.message


fragments = st.text('{}[]",:0123456789.eE+-NaInfity\\u \n', max_size=30).map(str.encode)


@settings(max_examples=300)
@given(st.binary(max_size=40) | fragments)
@example(b'{"a":"\\ud83d\\ude00"}')
@example(b'{"a":Inf')
def test_any_bytes_are_read_or_refused_alike(body: bytes) -> None:
    assert outcome(parse, body) == outcome(scan, body)
