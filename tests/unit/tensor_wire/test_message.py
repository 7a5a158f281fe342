"""Messages that are sent in pieces."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from servable.tensor_wire.message import Spread, message

PIECE = st.binary(max_size=40) | st.integers(0, 2**16).map(bytes)


@given(st.lists(PIECE, max_size=5), st.booleans())
def test_a_message_is_its_pieces_whether_it_is_joined_or_not(
    pieces: list[bytes], views: bool
) -> None:
    whole = b"".join(pieces)
    made = message([memoryview(piece) for piece in pieces] if views else pieces)
    assert (bytes(made), len(made)) == (whole, len(whole))


def test_what_is_sent_has_few_pieces() -> None:
    long = memoryview(bytes(2**16))
    made = message([b"abc"] * 100_000 + [long] + [b"d"] * 1000 + [long, long])
    assert isinstance(made, Spread)
    assert [len(piece) for piece in made.pieces] == [300_000, 2**16, 1000, 2**16, 2**16]


def test_what_is_long_is_not_copied() -> None:
    long = memoryview(bytes(2**20))
    made = message([b"head", long])
    assert isinstance(made, Spread)
    assert made.pieces[1] is long
