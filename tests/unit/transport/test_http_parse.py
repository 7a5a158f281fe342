"""HTTP/1.1 without a socket: requests from bytes, in order and in time."""

from __future__ import annotations

import math
from itertools import pairwise

import pytest
from http1_wire import GET, POST, Bench, outcome
from http2_wire import on_a_loop, settle
from hypothesis import given
from hypothesis import strategies as st

from servable.transport.http_connection import (
    LINGER_SECONDS,
    TAKE_SECONDS,
)
from servable.transport.http_exchange import Exchange
from servable.transport.options import RestOptions
from servable.transport.rest_pages import Reply

CHUNKED = (
    b"POST /c HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n1\r\nc\r\n0\r\nT: u\r\n\r\n"
)
UPGRADE = b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAEA\r\n\r\n"
ASKING = POST.replace(b"\r\n\r\n", b"\r\n" + UPGRADE)

WHOLE = GET + POST + CHUNKED + ASKING + b"HEAD http://h/d?e HTTP/1.1\r\n\r\n" + ASKING + GET


def test_requests_are_read() -> None:
    assert outcome([WHOLE]) == [
        ("GET", "/a", b"", b"", [b"host"]),
        ("POST", "/b", b"abc", b"3", []),
        ("POST", "/c", b"abc", b"", [b"transfer-encoding"]),
        ("POST", "/b", b"abc", b"3", [b"connection", b"http2-settings"]),
        ("HEAD", "/d?e", b"", b"", []),
        ("POST", "/b", b"abc", b"3", [b"connection", b"http2-settings"]),
        ("GET", "/a", b"", b"", [b"host"]),
    ]


@given(st.lists(st.integers(1, len(WHOLE) - 1), max_size=20))
def test_it_does_not_matter_where_the_bytes_are_cut(cuts: list[int]) -> None:
    edges = [0, *sorted(set(cuts)), len(WHOLE)]
    assert outcome([WHOLE[a:b] for a, b in pairwise(edges)]) == outcome([WHOLE])


def test_any_number_of_requests_may_ask_for_another_protocol_at_once() -> None:
    assert outcome([ASKING * 3000]) == outcome([ASKING]) * 3000  # type: ignore[operator] # lists


def test_trailers_are_no_headers() -> None:
    bench = Bench()
    bench.send(CHUNKED.replace(b"T: u", b"Content-Encoding: gzip"))
    assert bench.complete_ones[0].head.header(b"content-encoding") == ""


def test_chunks_may_come_in_any_number_of_reads() -> None:
    bench = Bench(RestOptions(max_head_bytes=100))
    bench.send(b"POST /a HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n")
    bench.send(*[b"1", b";why", b"=not\r\n", b"x", b"\r\n"] * 300, b"0\r\n", b"T: u\r\n", b"\r\n")
    assert b"".join(bench.complete_ones[0].chunks) == b"x" * 300


FIELD = st.sampled_from(
    [
        b"Host: h",
        b"Host: i",
        b"HOST: h",
        b"Accept: a/b",
        b"Connection: close",
        b"Expect: 100-continue",
    ]
)
REQUEST = st.builds(
    lambda line, fields, body: b"\r\n".join(
        [line, *fields, b"Content-Length: %d" % len(body), b"", body]
    ),
    st.sampled_from(
        [b"POST /a HTTP/1.1", b"POST /b HTTP/1.1", b"PUT /a HTTP/1.1", b"POST /a HTTP/1.0"]
    ),
    st.lists(FIELD, max_size=2),
    st.binary(max_size=3),
)


@given(st.lists(REQUEST, min_size=1, max_size=6))
def test_a_request_is_understood_as_it_is_whatever_came_before_it(requests: list[bytes]) -> None:
    together = Bench()
    for request in requests:
        together.send(request)
        together.answer_all()
    for request, exchange in zip(requests, together.complete_ones, strict=False):
        alone = Bench()
        alone.send(request)
        [expected] = alone.complete_ones
        assert understood(exchange) == understood(expected)
    assert len(together.complete_ones) == len(requests) or together.transport.is_closing()


def understood(exchange: Exchange) -> tuple[object, ...]:
    head = exchange.head
    return (
        (head.method, head.target, head.headers, head.found, head.keep_alive, head.old),
        (head.expects_continue, exchange.declared, exchange.chunks),
    )


def test_a_head_that_comes_again_is_the_same_object() -> None:
    bench = Bench()
    for body in (b"a", b"bc", b"bc"):
        bench.send(b"POST /a HTTP/1.1\r\nHost: h\r\nContent-Length: %d\r\n\r\n" % len(body), body)
        bench.answer_all()
    first, *others = bench.complete_ones
    assert [(e.head is first.head, e.chunks) for e in others] == [(True, [b"bc"])] * 2


@pytest.mark.parametrize(
    "sent",
    [
        b"POST / HTTP/1.1\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\nabc",
        b"POST / HTTP/1.1\r\nContent-Length: 3\r\nContent-Length: 3\r\n\r\nabc",
        b"POST / HTTP/1.1\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\n0\r\n\r\n",
        b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked, gzip\r\n\r\n0\r\n\r\n",
        b"POST / HTTP/1.1\r\nContent-Length : 3\r\n\r\nabc",
        b"POST / HTTP/1.1\r\nContent-Length: +3\r\n\r\nabc",
        b"POST / HTTP/1.1\r\nContent-Length: -3\r\n\r\nabc",
        b"POST / HTTP/1.1\r\nContent-Length: 99999999999999999999999\r\n\r\nabc",
        b"GET / HTTP/1.1\nHost: h\n\n",
        b"GET / HTTP/1.1\r\nHost: h\nX: y\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: h\r\n folded\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: h\0\r\n\r\n",
        b"GET /\0 HTTP/1.1\r\n\r\n",
        b"GET / HTTP/3.7\r\n\r\n",
        b"CONNECT h:80 HTTP/1.1\r\nHost: h\r\n\r\n",
        b"CONNECT /a HTTP/1.1\r\nHost: h\r\n\r\n",
        b"CONNECT h:80 HTTP/1.1\r\nConnection: upgrade\r\nUpgrade: h2c\r\n\r\n",
    ],
)
def test_what_others_may_read_otherwise_is_refused(sent: bytes) -> None:
    bench = Bench()
    bench.send(sent + GET)
    assert bench.said().startswith(b"HTTP/1.1 400 ")
    assert bench.complete_ones == []
    bench.send(GET)
    assert bench.complete_ones == []


def test_a_body_without_an_end_is_no_body() -> None:
    bench = Bench()
    bench.send(b"POST / HTTP/1.1\r\nTransfer-Encoding: gzip\r\n\r\n0\r\n\r\n" + GET)
    (asked,) = bench.complete_ones
    assert asked.fault is not None
    bench.answer()
    assert b"connection: close\r\n" in bench.said()


@pytest.mark.parametrize("size", [b"fffffffffffffffff", b"-1", b"0x1", b"g", b""])
def test_chunks_of_no_size(size: bytes) -> None:
    bench = Bench()
    bench.send(CHUNKED.partition(b"2\r\n")[0] + size + b"\r\n" + GET)
    (asked,) = bench.complete_ones
    assert asked.fault is not None
    bench.answer()
    assert b"connection: close\r\n" in bench.said()


PIECES = st.sampled_from(
    [GET, POST, CHUNKED, ASKING, b"\r\n", b"CONNECT ", b"Upgrade: x\r\n", b"0"]
)


@given(st.lists(PIECES | st.binary(max_size=30), max_size=10))
def test_no_bytes_make_it_raise(pieces: list[bytes]) -> None:
    bench = Bench()
    for piece in pieces:
        bench.send(piece)
        bench.answer_all()
    bench.connection.connection_lost(None)
    assert bench.size == 0


@on_a_loop
async def test_others_have_their_turn_before_all_that_came_together_are_answered() -> None:
    class AtOnce(Bench):
        def complete(self, exchange: Exchange) -> None:
            super().complete(exchange)
            exchange.reply(Reply(200, b"", ()))

    bench = AtOnce()
    bench.send(GET * 1000)
    assert 0 < len(bench.complete_ones) < 100
    assert not bench.transport.reading
    await settle()
    assert len(bench.complete_ones) == 1000
    assert bench.transport.reading


# Time


def test_each_of_several_requests_has_its_own_time() -> None:
    bench = Bench(RestOptions(timeout_seconds=10))
    bench.send(POST + POST)
    first = bench.deadline
    bench.connection._deadline = 1.0  # as if it had waited for long
    bench.answer()
    assert len(bench.complete_ones) == 2
    assert bench.deadline >= first


def test_a_slow_reader_gets_all_of_its_answer() -> None:
    bench = Bench()
    bench.send(POST + POST)
    bench.connection.pause_writing()
    bench.transport.unread = 100_000
    bench.answer(bytes(100_000))
    for unread in (90_000, 80_000, 70_000):
        bench.transport.unread = unread
        bench.wait(0)
        assert not bench.transport.is_closing()
    assert len(bench.complete_ones) == 1
    bench.transport.unread = 0
    bench.connection.resume_writing()
    assert len(bench.complete_ones) == 2
    bench.answer()
    assert b"connection: close" not in bench.said()


@pytest.mark.parametrize("paused", [True, False])
def test_who_takes_nothing_of_an_answer_is_given_up(*, paused: bool) -> None:
    bench = Bench()
    bench.send(POST)
    if paused:
        bench.connection.pause_writing()
    bench.transport.unread = 90_000
    bench.answer(bytes(100_000))
    for _ in range(3):
        bench.wait(0)
    assert bench.transport.aborted


def test_who_takes_nothing_of_its_last_answer_is_given_up() -> None:
    bench = Bench()
    bench.send(POST.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n"))
    bench.transport.unread = 90_000
    bench.answer(bytes(100_000))
    assert bench.transport.is_closing()
    bench.wait(-1)
    assert not bench.transport.aborted
    bench.transport.unread = 80_000
    bench.wait(0)
    assert not bench.transport.aborted
    bench.wait(0)
    assert bench.transport.aborted


def test_an_idle_connection_is_closed() -> None:
    bench = Bench(RestOptions(keep_alive_seconds=5))
    bench.send(POST)
    bench.answer()
    bench.wait(-1)
    assert not bench.transport.is_closing()
    bench.wait(0)
    assert bench.transport.is_closing()


def test_times_are_in_their_order() -> None:
    assert 0 < LINGER_SECONDS <= TAKE_SECONDS < math.inf
