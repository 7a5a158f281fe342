"""Long bodies: the same requests as by the way through the parser, in less memory."""

from __future__ import annotations

import gc
from itertools import pairwise

import pytest
from http1_wire import GET, POST, Bench, heard, outcome
from hypothesis import given
from hypothesis import strategies as st

from servable.transport.http_intake import LONG_BYTES
from servable.transport.options import RestOptions

BODY = bytes(range(256)) * (LONG_BYTES // 64)
SHORT = BODY[: LONG_BYTES - 1]
PART = BODY[:LONG_BYTES]


def post(body: bytes, *fields: bytes) -> bytes:
    length = b"Content-Length: %d" % len(body)
    return b"\r\n".join([b"POST /long HTTP/1.1", length, *fields, b"", body])


def sent(*requests: bytes, options: RestOptions | None = None) -> Bench:
    bench = Bench(options)
    for request in requests:
        head, _, body = request.partition(b"\r\n\r\n")
        bench.send(head + b"\r\n\r\n" + body[:LONG_BYTES], body[LONG_BYTES:])
    return bench


def room(bench: Bench) -> int:
    """How much may come at once now."""
    assert bench.taker is not None
    return memoryview(bench.taker.get_buffer(-1)).nbytes


@given(st.lists(st.integers(1, 3 * len(BODY)), max_size=10))
def test_it_does_not_matter_where_the_bytes_are_cut(cuts: list[int]) -> None:
    whole = GET + post(BODY) + post(SHORT) + POST + post(BODY, b"Connection: close")
    edges = [0, *sorted(c for c in set(cuts) if c < len(whole)), len(whole)]
    assert outcome([whole[a:b] for a, b in pairwise(edges)]) == outcome([whole])


def test_a_long_body_is_in_memory_once() -> None:
    bench = sent(post(BODY))
    [asked] = bench.complete_ones
    [chunk] = asked.chunks
    assert chunk == BODY
    assert asked.body() is chunk


def test_what_follows_a_long_body_is_another_request() -> None:
    bench = sent(post(BODY))
    bench.send(GET + POST)
    assert len(bench.complete_ones) == 1
    assert not bench.transport.reading
    bench.answer_all()
    assert [target for _, target, *_ in heard(bench)[1:]] == ["/a", "/b"]
    assert bench.transport.reading


def test_a_long_body_may_come_while_another_request_is_answered() -> None:
    bench = Bench()
    request = post(BODY)
    bench.send(POST, request[: 2 * LONG_BYTES], request[2 * LONG_BYTES :])
    assert len(bench.complete_ones) == 1
    bench.answer_all()
    assert b"".join(bench.complete_ones[1].chunks) == BODY


def test_room_is_made_for_what_has_come_and_not_for_what_is_claimed() -> None:
    bench = Bench()
    bench.send(b"POST /a HTTP/1.1\r\nContent-Length: 90000000\r\n\r\n")
    assert bench.taker is None
    came = 0
    for _ in range(40):
        assert not came or room(bench) <= 3 * came
        bench.send(bytes(2**20))
        came += 2**20
    assert bench.complete_ones == []


def test_a_long_body_of_more_than_is_made_room_for_at_once() -> None:
    body = b"".join(i.to_bytes(4) for i in range(3_000_000))
    [asked] = sent(post(body)).complete_ones
    assert asked.body() == body


def test_a_body_that_is_longer_than_allowed_is_not_taken_in() -> None:
    bench = sent(post(BODY)[: -len(SHORT)], options=RestOptions(max_body_bytes=len(BODY) - 1))
    assert bench.taker is None


@pytest.mark.parametrize("more", [BODY[LONG_BYTES:], BODY[LONG_BYTES:] + GET])
def test_a_long_body_that_takes_too_long_is_refused(more: bytes) -> None:
    bench = Bench(RestOptions(body_seconds=5))
    bench.send(post(BODY)[:1000], PART)
    assert bench.taker is not None
    bench.wait(0)
    assert bench.complete_ones[0].fault is not None
    bench.answer()
    assert b"connection: close\r\n" in bench.said()
    assert bench.transport.ended
    bench.send(more)
    assert len(bench.complete_ones) == 1
    assert bench.said() == b""
    bench.wait(0)
    assert bench.transport.is_closing()


def test_what_is_sent_after_an_early_answer_is_not_kept() -> None:
    bench = Bench()
    bench.send(b"POST /a HTTP/1.1\r\nContent-Length: 30000000\r\n\r\n", bytes(2**20))
    bench.wait(0)
    bench.answer()
    bench.send(bytes(2**20))
    assert room(bench) <= 2**16


def test_who_sends_on_and_on_is_shut_out() -> None:
    bench = Bench(RestOptions(max_body_bytes=2**24))
    bench.send(b"POST /a HTTP/1.1\r\nContent-Length: %d\r\n\r\n" % 2**24, bytes(2**20))
    bench.wait(0)
    bench.answer()
    bench.send(*[bytes(2**20)] * 40)
    assert bench.transport.is_closing()


@pytest.mark.parametrize("follows", [GET, POST, post(BODY), b"junk"])
def test_nothing_is_taken_in_behind_the_last_request_of_a_connection(follows: bytes) -> None:
    bench = sent(post(BODY, b"Connection: close"))
    bench.send(follows, BODY)
    assert bench.taker is None
    bench.answer()
    assert b"connection: close\r\n" in bench.said()
    assert bench.transport.ended
    bench.send(BODY)
    assert len(bench.complete_ones) == 1


def test_line_ends_behind_a_last_request_do_no_harm() -> None:
    bench = sent(post(BODY, b"Connection: close"))
    bench.send(b"\r\n")
    bench.answer()
    assert b"connection: close\r\n" in bench.said()


@pytest.mark.parametrize("zeros", [1, 30, 5000])
def test_lengths_with_zeros_before_them(zeros: int) -> None:
    head = b"POST /a HTTP/1.1\r\nContent-Length: %b%d\r\n\r\n" % (b"0" * zeros, len(BODY))
    bench = Bench()
    bench.send(POST, head, PART)
    assert len(bench.complete_ones) == 1
    assert bench.complete_ones[0].fault is None
    assert not bench.transport.is_closing()


def test_a_body_is_let_go_with_its_request() -> None:
    bench = Bench()
    bench.send(post(BODY)[:1000], PART)
    taker = bench.taker
    bench.send(BODY)
    [asked] = bench.complete_ones
    body = asked.body()
    assert taker is not None
    assert all(one is not body for one in gc.get_referents(taker, taker.__dict__))


def test_a_client_that_leaves_in_the_middle_of_a_long_body_is_forgotten() -> None:
    bench = Bench()
    bench.send(post(BODY)[:1000], PART)
    taker = bench.taker
    assert taker is not None
    taker.pause_writing()
    taker.resume_writing()
    taker.connection_lost(None)
    assert bench.size == 0
    assert bench.connection.is_closing()
