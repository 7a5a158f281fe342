"""HTTP/1.1 answers, however they are cut, and what is none."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from servable.bench.http_answer import Answer, AnswerReader, BadAnswer, header

LENGTH = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nX-Servable-Batch: size=3\r\n\r\nhello"
CHUNKED = (
    b"HTTP/1.1 429 Too Many\r\nTRANSFER-ENCODING: Chunked\r\n\r\n"
    b"3;note=x\r\nhel\r\n2\r\nlo\r\n0\r\n\r\n"
)
TRAILERS = CHUNKED[:-2] + b"Later: yes\r\nMore: 1\r\n\r\n"
INTERIM = b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early\r\nLink: x\r\n\r\n" + LENGTH
EMPTY = b"HTTP/1.1 204 No Content\r\n\r\n"
CLOSING = b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"
OLD = b"HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nok"
OLD_KEPT = b"HTTP/1.0 200 OK\r\nConnection: Keep-Alive\r\nContent-Length: 2\r\n\r\nok"
WHOLE = [
    (LENGTH, 200, b"hello", True),
    (CHUNKED, 429, b"hello", True),
    (TRAILERS, 429, b"hello", True),
    (INTERIM, 200, b"hello", True),
    (EMPTY, 204, b"", True),
    (CLOSING, 200, b"", False),
    (OLD, 200, b"ok", False),
    (OLD_KEPT, 200, b"ok", True),
]


def read(pieces: list[bytes]) -> Answer | None:
    reader = AnswerReader()
    answer = None
    for piece in pieces:
        assert answer is None, "it was complete before"
        answer = reader.feed(piece)
    return answer


@settings(deadline=None)
@given(st.sampled_from(WHOLE), st.lists(st.integers(0, 200)))
def test_an_answer_is_the_same_however_it_is_cut(
    case: tuple[bytes, int, bytes, bool], cuts: list[int]
) -> None:
    data, status, body, keeps = case
    edges = sorted({0, len(data), *(cut for cut in cuts if cut < len(data))})
    answer = read([data[a:b] for a, b in pairwise(edges)])
    assert answer is not None
    assert (answer.status, answer.body, answer.keeps) == (status, body, keeps)


@settings(deadline=None)
@given(st.sampled_from(WHOLE), st.integers(0, 200))
def test_an_answer_that_is_cut_off_is_never_complete(
    case: tuple[bytes, int, bytes, bool], length: int
) -> None:
    data = case[0]
    reader = AnswerReader()
    assert reader.feed(data[: min(length, len(data) - 1)]) is None
    assert reader.ended() is None


def test_a_body_without_a_length_ends_with_the_connection() -> None:
    reader = AnswerReader()
    assert reader.feed(b"HTTP/1.1 500 Oops\r\n\r\nab") is None
    assert reader.feed(b"cd") is None
    assert reader.ended() == Answer(500, b"HTTP/1.1 500 Oops\r\n", b"abcd", False)


@pytest.mark.parametrize(
    "data",
    [
        b"SSH-2.0-OpenSSH\r\n",
        b"\x00\x00\x06\x04\x00\x00\x00\x00\x00",  # the first frame of HTTP/2
        b"HTTP/2 200\r\n\r\n",
        b"HTTP/1.1 abc\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 5, 5\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 99999999999999\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n-1\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nffffffffff\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + b"1" * 2000,
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n" + b"x" * 70_000,
        b"HTTP/1.1 200 OK\r\nX: " + b"x" * 70_000,
        b"HTTP/1.1 200 OK\r\nX: " + b"x" * 70_000 + b"\r\n\r\n",
    ],
)
def test_what_is_no_answer_is_refused(data: bytes) -> None:
    with pytest.raises(BadAnswer):
        AnswerReader().feed(data)


@settings(deadline=None)
@given(st.binary(max_size=300))
def test_nothing_that_a_server_sends_is_another_error(data: bytes) -> None:
    for start in (
        b"",
        b"HTTP/1.1 200 OK\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
    ):
        reader = AnswerReader()
        try:
            reader.feed(start + data)
            reader.ended()
        except BadAnswer:
            pass


def test_a_header_is_found_by_its_whole_name() -> None:
    head = b"HTTP/1.1 200 OK\r\nX-Content-Length: 7\r\ncontent-length:  5 \r\n"
    assert header(head, b"content-length") == b"5"
    assert header(head, b"length") == b""
