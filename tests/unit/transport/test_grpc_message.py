"""Messages, put together from any pieces, and no larger in memory than what came."""

from __future__ import annotations

import gzip
import tracemalloc
import zlib
from contextlib import suppress
from itertools import pairwise

import pytest
from http2_wire import message
from hypothesis import given
from hypothesis import strategies as st

from servable.errors import (
    Code,
    Internal,
    InvalidArgument,
    ResourceExhausted,
    ServableError,
    Unimplemented,
)
from servable.transport.grpc_message import Messages


def take(messages: Messages, *pieces: bytes) -> list[bytes]:
    return [bytes(m) for piece in pieces for m in messages.take(piece, 0, len(piece))]


@given(st.lists(st.binary(max_size=50), max_size=5), st.lists(st.integers(0, 300), max_size=10))
def test_it_does_not_matter_where_messages_are_cut(sent: list[bytes], cuts: list[int]) -> None:
    stream = b"".join(message(m) for m in sent)
    edges = [0, *sorted(min(cut, len(stream)) for cut in cuts), len(stream)]
    messages = Messages(b"identity", 1000)
    assert take(messages, *(stream[a:b] for a, b in pairwise(edges))) == sent
    assert not messages.partial


def test_only_the_part_that_is_pointed_at_is_read() -> None:
    data = b"xx" + message(b"abc") + b"yy"
    assert list(Messages(b"identity", 10).take(data, 2, len(data) - 2)) == [b"abc"]


@pytest.mark.parametrize("length", range(1, 8))
def test_what_has_begun_is_known_to_be_unfinished(length: int) -> None:
    messages = Messages(b"identity", 10)
    assert take(messages, message(b"abc")[:length]) == []
    assert messages.partial


@pytest.mark.parametrize("much", [0, 1, 1000, 100_000])
@pytest.mark.parametrize(
    ("encoding", "compress"), [(b"gzip", gzip.compress), (b"deflate", zlib.compress)]
)
def test_compressed_messages_are_inflated_up_to_the_bound_itself(
    encoding: bytes, compress: object, much: int
) -> None:
    assert callable(compress)
    packed = compress(b"a" * much)
    assert take(Messages(encoding, max(much, len(packed))), message(packed, 1)) == [b"a" * much]


def test_plain_and_compressed_messages_may_be_mixed() -> None:
    messages = Messages(b"gzip", 100)
    sent = message(b"plain") + message(gzip.compress(b"packed", mtime=0), 1) + message(b"plain")
    assert take(messages, sent) == [b"plain", b"packed", b"plain"]


PACKED = gzip.compress(b"abc" * 10, mtime=0)


@pytest.mark.parametrize(
    ("encoding", "sent", "kind"),
    [
        (b"identity", message(b"abc", 2), Internal),
        (b"identity", message(b"abc", 255), Internal),
        (b"identity", message(PACKED, 1), Internal),
        (b"snappy", message(PACKED, 1), Unimplemented),
        (b"\xff", message(PACKED, 1), Unimplemented),
        (b"gzip", message(b"", 1), InvalidArgument),
        (b"gzip", message(b"abc", 1), InvalidArgument),
        (b"gzip", message(PACKED[:-1], 1), InvalidArgument),
        (b"gzip", message(PACKED[:15], 1), InvalidArgument),
        (b"gzip", message(PACKED + b"more", 1), InvalidArgument),
        (b"gzip", message(PACKED[:-8] + bytes(8), 1), InvalidArgument),
        (b"deflate", message(PACKED, 1), InvalidArgument),
        (b"identity", message(b"a" * 101), ResourceExhausted),
        (b"gzip", message(gzip.compress(b"a" * 101, mtime=0), 1), ResourceExhausted),
    ],
)
def test_messages_that_are_not_taken(
    encoding: bytes, sent: bytes, kind: type[ServableError]
) -> None:
    with pytest.raises(kind):
        take(Messages(encoding, 100), sent)


def test_a_length_that_is_too_large_is_refused_before_the_message_comes() -> None:
    with pytest.raises(ResourceExhausted) as caught:
        take(Messages(b"identity", 100), b"\0\xff\xff\xff\xff")
    assert caught.value.message == "Received message larger than max (4294967295 vs. 100)"
    assert caught.value.code is Code.RESOURCE_EXHAUSTED


@pytest.mark.parametrize("flag", [0, 1])
def test_a_claimed_length_takes_no_memory(flag: int) -> None:
    messages = Messages(b"gzip", float("inf"))
    tracemalloc.start()
    try:
        assert take(messages, bytes((flag,)) + b"\xff\xff\xff\xff", b"some") == []
        assert tracemalloc.get_traced_memory()[1] < 2**16
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("most", [0, 1000])
def test_a_bomb_takes_no_memory(most: int) -> None:
    bomb = message(gzip.compress(bytes(2**24)), 1)
    messages = Messages(b"gzip", len(bomb) if most else 0)
    tracemalloc.start()
    try:
        with pytest.raises(ResourceExhausted):
            take(messages, bomb)
        assert tracemalloc.get_traced_memory()[1] < 2**20
    finally:
        tracemalloc.stop()


@given(st.binary(), st.sampled_from([b"identity", b"gzip", b"deflate", b"other"]))
def test_any_bytes_are_messages_or_an_error_of_ours(data: bytes, encoding: bytes) -> None:
    with suppress(ServableError):
        assert all(len(found) <= 100 for found in take(Messages(encoding, 100), data))
