"""Heads of calls as they are read, and ends of calls as they are written."""

from __future__ import annotations

import base64
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from servable.errors import Code, InvalidArgument, NotFound
from servable.transport.grpc_call import GOOD, HINT_KEY, Answered, Call, read_head, refused, tail
from servable.transport.http2.hpack import Decoder
from servable.transport.http2.streams import Fields

FIELDS: Fields = (
    (b":method", b"POST"),
    (b":path", b"/s/m"),
    (b"content-type", b"application/grpc"),
)


def call(*more: tuple[bytes, bytes]) -> Call:
    head = read_head((*FIELDS, *more))
    assert head is not None
    return Call(head, "ipv4:127.0.0.1:1")


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        (b"1H", 3600),
        (b"2M", 120),
        (b"3S", 3),
        (b"4m", 0.004),
        (b"5u", 5e-6),
        (b"6n", 6e-9),
        (b"0S", 0),
        (b"00000001S", 1),
        (b"99999999H", 99999999 * 3600),
    ],
)
def test_timeouts(text: bytes, seconds: float) -> None:
    head = read_head((*FIELDS, (b"grpc-timeout", text)))
    assert head is not None
    assert head.timeout == pytest.approx(seconds)


@pytest.mark.parametrize(
    "text",
    [b"", b"S", b"1", b"1s", b"-1S", b"+1S", b"1.5S", b"100000000S", b" 1S", b"1SS", b"\xb2S"],
)
def test_timeouts_that_are_none(text: bytes) -> None:
    assert read_head((*FIELDS, (b"grpc-timeout", text))) is None


@pytest.mark.parametrize("missing", [b":method", b":path"])
def test_heads_that_http_does_not_allow(missing: bytes) -> None:
    assert read_head(tuple(field for field in FIELDS if field[0] != missing)) is None


@pytest.mark.parametrize(
    ("content_type", "refusal"),
    [
        (b"application/grpc", 0),
        (b"application/grpc+proto", 0),
        (b"application/grpc;charset=utf-8", 0),
        (b"application/grpc-web", 415),
        (b"application/grpc-web+proto", 415),
        (b"application/json", 415),
        (b"", 415),
    ],
)
def test_only_grpc_is_taken(content_type: bytes, refusal: int) -> None:
    head = read_head((*FIELDS[:2], (b"content-type", content_type)))
    assert head is not None
    assert head.refusal == refusal


def test_other_methods_of_http_are_refused() -> None:
    head = read_head(((b":method", b"GET"), *FIELDS[1:]))
    assert head is not None
    assert head.refusal == 405


def test_the_first_of_several_counts() -> None:
    found = call((b"a", b"1"), (b"a", b"2"))
    assert found.first("a") == "1"
    assert found.first("b") == ""
    assert [m for m in found.metadata if m[0] == "a"] == [("a", "1"), ("a", "2")]


@given(st.binary())
def test_binary_metadata_is_read_with_padding_and_without(value: bytes) -> None:
    coded = base64.b64encode(value)
    found = call((b"a-bin", coded), (b"b-bin", coded.rstrip(b"=")))
    assert [m for m in found.metadata if m[0].endswith("-bin")] == [
        ("a-bin", value),
        ("b-bin", value),
    ]


@given(st.lists(st.tuples(st.binary(), st.binary()), max_size=5))
def test_any_metadata_can_be_read(more: list[tuple[bytes, bytes]]) -> None:
    head = read_head((*FIELDS, *more))
    if head is not None:
        assert len(Call(head, "").metadata) >= 1


def test_a_call_without_a_timeout_waits_for_ever() -> None:
    assert call().time_remaining() == math.inf
    assert call((b"grpc-timeout", b"0n")).time_remaining() <= 0


def test_who_wants_to_hear_of_the_end_hears_of_it() -> None:
    heard: list[str] = []
    one = call()
    assert one.add_callback(lambda: heard.append("end"))
    assert one.is_active()
    one.end()
    assert heard == ["end"]
    assert not one.is_active()
    assert not one.add_callback(lambda: None)


def read_tail(answered: Answered) -> dict[bytes, bytes]:
    return dict(Decoder(2**14).decode(tail(answered)).fields)


def test_ends_of_calls() -> None:
    assert tail(Answered(b"")) == GOOD
    assert read_tail(Answered(b"", None, (("k", "v"),))) == {b"grpc-status": b"0", b"k": b"v"}
    error = NotFound("no größe: 100%\n", hint="nö")
    assert read_tail(refused(error)) == {
        b"grpc-status": b"%d" % Code.NOT_FOUND.value,
        b"grpc-message": b"no gr%C3%B6%C3%9Fe: 100%25%0A",
        HINT_KEY.encode(): b"n\\xf6",
    }
    assert HINT_KEY.encode() not in read_tail(refused(error, hints=False))


@given(st.text(), st.text())
def test_ends_of_calls_are_printable_and_short(text: str, hint: str) -> None:
    fields = read_tail(refused(InvalidArgument(text, hint=hint)))
    for value in fields.values():
        assert all(0x20 <= byte < 0x7F for byte in value)
    assert len(fields[b"grpc-message"]) <= 3 * 1100
