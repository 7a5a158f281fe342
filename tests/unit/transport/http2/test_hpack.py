from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from servable.transport.http2 import huffman
from servable.transport.http2.hpack import (
    MAX_INTEGER,
    CompressionError,
    Decoder,
    literal,
    read_integer,
)

Field = tuple[bytes, bytes]
PLENTY = 1 << 20


def fields(text: str) -> tuple[Field, ...]:
    """Return the fields of `name: value | name: value`."""
    pairs = (field.rpartition(": ") for field in text.split(" | "))
    return tuple((name.encode(), value.encode()) for name, _, value in pairs)


# RFC 7541, appendix C.

INTEGERS = [
    ("0a", 0x1F, 10),
    ("1f9a0a", 0x1F, 1337),
    ("2a", 0xFF, 42),
]


@pytest.mark.parametrize(("coded", "mask", "value"), INTEGERS)
def test_the_integers_of_appendix_c1_are_read(coded: str, mask: int, value: int) -> None:
    block = bytes.fromhex(coded)
    assert read_integer(block, 0, mask) == (value, len(block))


SINGLE_FIELDS = [
    (
        "400a 6375 7374 6f6d 2d6b 6579 0d63 7573 746f 6d2d 6865 6164 6572",
        (b"custom-key", b"custom-header"),
        1,
    ),
    ("040c 2f73 616d 706c 652f 7061 7468", (b":path", b"/sample/path"), 0),
    ("1008 7061 7373 776f 7264 0673 6563 7265 74", (b"password", b"secret"), 0),
    ("82", (b":method", b"GET"), 0),
]


@pytest.mark.parametrize(("coded", "field", "changes"), SINGLE_FIELDS)
def test_the_single_fields_of_appendix_c2_are_decoded(
    coded: str, field: Field, changes: int
) -> None:
    decoder = Decoder(PLENTY)
    assert decoder.decode(bytes.fromhex(coded)) == ((field,), False)
    assert decoder.changes == changes


REQUESTS = [
    ":method: GET | :scheme: http | :path: / | :authority: www.example.com",
    ":method: GET | :scheme: http | :path: / | :authority: www.example.com"
    " | cache-control: no-cache",
    ":method: GET | :scheme: https | :path: /index.html | :authority: www.example.com"
    " | custom-key: custom-value",
]
RESPONSES = [
    ":status: 302 | cache-control: private | date: Mon, 21 Oct 2013 20:13:21 GMT"
    " | location: https://www.example.com",
    ":status: 307 | cache-control: private | date: Mon, 21 Oct 2013 20:13:21 GMT"
    " | location: https://www.example.com",
    ":status: 200 | cache-control: private | date: Mon, 21 Oct 2013 20:13:22 GMT"
    " | location: https://www.example.com | content-encoding: gzip"
    " | set-cookie: foo=ASDJKHQKBZXOQWEOPIUAXQWEOIU; max-age=3600; version=1",
]
CONVERSATIONS = [
    (
        "C.3 requests without Huffman coding",
        4096,
        REQUESTS,
        [
            "8286 8441 0f77 7777 2e65 7861 6d70 6c65 2e63 6f6d",
            "8286 84be 5808 6e6f 2d63 6163 6865",
            "8287 85bf 400a 6375 7374 6f6d 2d6b 6579 0c63 7573 746f 6d2d 7661 6c75 65",
        ],
    ),
    (
        "C.4 requests with Huffman coding",
        4096,
        REQUESTS,
        [
            "8286 8441 8cf1 e3c2 e5f2 3a6b a0ab 90f4 ff",
            "8286 84be 5886 a8eb 1064 9cbf",
            "8287 85bf 4088 25a8 49e9 5ba9 7d7f 8925 a849 e95b b8e8 b4bf",
        ],
    ),
    (
        "C.5 responses without Huffman coding",
        256,
        RESPONSES,
        [
            "4803 3330 3258 0770 7269 7661 7465 611d 4d6f 6e2c 2032 3120 4f63 7420 3230 3133"
            "2032 303a 3133 3a32 3120 474d 546e 1768 7474 7073 3a2f 2f77 7777 2e65 7861 6d70"
            "6c65 2e63 6f6d",
            "4803 3330 37c1 c0bf",
            "88c1 611d 4d6f 6e2c 2032 3120 4f63 7420 3230 3133 2032 303a 3133 3a32 3220 474d"
            "54c0 5a04 677a 6970 7738 666f 6f3d 4153 444a 4b48 514b 425a 584f 5157 454f 5049"
            "5541 5851 5745 4f49 553b 206d 6178 2d61 6765 3d33 3630 303b 2076 6572 7369 6f6e"
            "3d31",
        ],
    ),
    (
        "C.6 responses with Huffman coding",
        256,
        RESPONSES,
        [
            "4882 6402 5885 aec3 771a 4b61 96d0 7abe 9410 54d4 44a8 2005 9504 0b81 66e0 82a6"
            "2d1b ff6e 919d 29ad 1718 63c7 8f0b 97c8 e9ae 82ae 43d3",
            "4883 640e ffc1 c0bf",
            "88c1 6196 d07a be94 1054 d444 a820 0595 040b 8166 e084 a62d 1bff c05a 839b d9ab"
            "77ad 94e7 821d d7f2 e6c7 b335 dfdf cd5b 3960 d5af 2708 7f36 72c1 ab27 0fb5 291f"
            "9587 3160 65c0 03ed 4ee5 b106 3d50 07",
        ],
    ),
]


@pytest.mark.parametrize(
    ("table_bytes", "expected", "blocks"),
    [case[1:] for case in CONVERSATIONS],
    ids=[case[0] for case in CONVERSATIONS],
)
def test_the_conversations_of_appendix_c_are_decoded(
    table_bytes: int, expected: list[str], blocks: list[str]
) -> None:
    decoder = Decoder(PLENTY, table_bytes)
    decoded = [decoder.decode(bytes.fromhex(block)) for block in blocks]
    assert decoded == [(fields(text), False) for text in expected]
    assert decoder.changes == 3


def test_what_an_eviction_took_is_gone() -> None:
    decoder = Decoder(PLENTY, 256)
    for block in CONVERSATIONS[2][3]:
        decoder.decode(bytes.fromhex(block))
    assert dynamic_entries(decoder) == [
        (b"set-cookie", b"foo=ASDJKHQKBZXOQWEOPIUAXQWEOIU; max-age=3600; version=1"),
        (b"content-encoding", b"gzip"),
        (b"date", b"Mon, 21 Oct 2013 20:13:22 GMT"),
    ]


# The Huffman code, appendix B.

HUFFMAN_CODES = {
    b"0": "00000",
    b" ": "010100",
    b"A": "100001",
    b":": "1011100",
    b"&": "11111000",
    b"Z": "11111101",
    b"!": "1111111000",
    b"|": "11111111100",
    b"#": "111111111010",
    b"\x00": "1111111111000",
    b"{": "111111111111110",
    b"\\": "1111111111111110000",
    b"\xff": "11111111111111111111101110",
    b"\xf9": "1111111111111111111111111110",
    b"\x16": "111111111111111111111111111110",
}


def packed(bits: str) -> bytes:
    """Return the bytes of these bits, filled up with ones."""
    return bytes(int(bits[i : i + 8].ljust(8, "1"), 2) for i in range(0, len(bits), 8))


@pytest.mark.parametrize(("symbol", "bits"), HUFFMAN_CODES.items())
def test_a_code_of_each_length_is_the_one_in_appendix_b(symbol: bytes, bits: str) -> None:
    assert huffman.decode(packed(bits)) == symbol


def test_the_end_of_string_symbol_has_the_last_code_and_no_code_is_unused() -> None:
    table = list(huffman.codes())
    assert table[-1] == (huffman.END_OF_STRING, 2**30 - 1, 30)
    assert sum(2 ** (30 - length) for _, _, length in table) == 2**30


BROKEN_HUFFMAN = {
    "eight bits of padding": "00000" + "111" + "1" * 8,
    "nothing but padding": "1" * 8,
    "padding that ends in a zero": "00000" + "110",
    "a zero bit of padding": "1111111000" + "00000" + "0",
    "the end of string": "1" * 30 + "11",
    "the end of string, and more": "00000" + "1" * 30 + "00000",
}


@pytest.mark.parametrize("bits", BROKEN_HUFFMAN.values(), ids=BROKEN_HUFFMAN)
def test_broken_huffman_coding_is_a_compression_error(bits: str) -> None:
    coded = packed(bits)
    with pytest.raises(CompressionError, match="Huffman"):
        Decoder(PLENTY).decode(b"\x00\x01a" + bytes((0x80 | len(coded),)) + coded)


# An encoder that takes every liberty the format leaves.

CODES = {bytes((symbol,)): f"{code:0{n}b}" for symbol, code, n in huffman.codes() if symbol < 256}
STATIC = [
    field for index in range(1, 62) for field in Decoder(99).decode(bytes((0x80 | index,)))[0]
]


def integer(value: int, mask: int, first: int) -> bytes:
    if value < mask:
        return bytes((first | value,))
    value -= mask
    out = bytearray((first | mask,))
    while value >= 128:
        out.append(128 | value % 128)
        value //= 128
    return bytes((*out, value))


def string(text: bytes, *, coded: bool = False) -> bytes:
    if coded:
        text = packed("".join(CODES[bytes((byte,))] for byte in text))
    return integer(len(text), 0x7F, 0x80 if coded else 0) + text


@dataclass(frozen=True)
class Choice:
    """How a field is to be written, as far as it is possible."""

    field: Field
    indexed: bool
    indexed_name: bool
    prefix: int  # of a literal: inserted, not inserted, never indexed
    coded_name: bool
    coded_value: bool


class Encoder:
    def __init__(self, table_bytes: int) -> None:
        self.table_bytes = table_bytes
        self.dynamic: list[Field] = []

    def resize(self, table_bytes: int) -> bytes:
        self.table_bytes = table_bytes
        self._fit()
        return integer(table_bytes, 0x1F, 0x20)

    def field(self, choice: Choice) -> bytes:
        table = STATIC + self.dynamic
        if choice.indexed and choice.field in table:
            return integer(table.index(choice.field) + 1, 0x7F, 0x80)
        name, value = choice.field
        mask = 0x3F if choice.prefix == 0x40 else 0x0F
        names = [other for other, _ in table]
        if choice.indexed_name and name in names:
            written = integer(names.index(name) + 1, mask, choice.prefix)
        else:
            written = bytes((choice.prefix,)) + string(name, coded=choice.coded_name)
        if choice.prefix == 0x40:
            self.dynamic.insert(0, choice.field)
            self._fit()
        return written + string(value, coded=choice.coded_value)

    def _fit(self) -> None:
        while sum(map(size, self.dynamic)) > self.table_bytes:
            self.dynamic.pop()


def size(field: Field) -> int:
    return len(field[0]) + len(field[1]) + 32


TEXTS = st.binary(max_size=12) | st.text("abcdefgh-0123/", max_size=200).map(str.encode)
FIELDS = st.sampled_from(STATIC) | st.tuples(
    st.sampled_from([b"user-agent", b"te", b":path", b"x"]) | TEXTS, TEXTS
)
POOLS = st.lists(FIELDS, min_size=1, max_size=8)
TABLE_BYTES = st.sampled_from([0, 33, 100, 256, 4096])


@st.composite
def conversations(draw: st.DrawFn) -> list[tuple[list[int], list[Choice]]]:
    """Blocks: each the table sizes it starts with, and its fields; fields come again."""
    choices = st.builds(
        Choice,
        field=st.sampled_from(draw(POOLS)),
        indexed=st.booleans(),
        indexed_name=st.booleans(),
        prefix=st.sampled_from([0x40, 0x40, 0x00, 0x10]),
        coded_name=st.booleans(),
        coded_value=st.booleans(),
    )
    no_sizes: list[int] = []
    sizes = st.just(no_sizes) | st.lists(TABLE_BYTES, max_size=2)
    return draw(st.lists(st.tuples(sizes, st.lists(choices, max_size=12)), max_size=6))


@given(conversations(), st.integers(0, 600) | st.just(PLENTY))
def test_what_an_encoder_writes_is_what_is_decoded(
    blocks: list[tuple[list[int], list[Choice]]], max_list_bytes: int
) -> None:
    encoder, decoder = Encoder(4096), Decoder(max_list_bytes)
    for sizes, choices in blocks:
        table = list(encoder.dynamic)
        before = decoder.changes
        block = b"".join([*map(encoder.resize, sizes), *map(encoder.field, choices)])
        kept, too_large = decoder.decode(block)

        sent = tuple(choice.field for choice in choices)
        assert kept == sent[: len(kept)]
        assert sum(map(size, kept)) <= max_list_bytes
        assert too_large == (len(kept) < len(sent))
        if too_large:
            assert sum(map(size, sent[: len(kept) + 1])) > max_list_bytes
        assert decoder.changes - before in (0, 1)
        if decoder.changes == before:
            assert encoder.dynamic == table
            assert decoder.decode(block) == (kept, too_large)


HOSTILE = st.binary(max_size=200) | st.lists(
    st.sampled_from(
        [b"\x80", b"\xff", b"\x3f", b"\x20", b"\x40", b"\x7f", b"\x00", b"\x82\x81\xff"]
    )
    | st.binary(max_size=3),
    max_size=60,
).map(b"".join)


@given(st.lists(HOSTILE, max_size=6), st.sampled_from([0, 64, 4096]))
def test_of_arbitrary_bytes_nothing_comes_but_fields_or_a_compression_error(
    blocks: list[bytes], table_bytes: int
) -> None:
    decoder = Decoder(5000, table_bytes)
    for block in blocks:
        try:
            kept, _ = decoder.decode(block)
        except CompressionError:
            continue
        assert sum(map(size, kept)) <= 5000
    assert sum(map(size, dynamic_entries(decoder))) <= table_bytes


def dynamic_entries(decoder: Decoder) -> list[Field]:
    entries: list[Field] = []
    with suppress(CompressionError):
        for index in range(62, 62 + 4096 // 32 + 1):
            entries += decoder.decode(integer(index, 0x7F, 0x80)).fields
    return entries


@given(conversations().filter(bool))
def test_a_block_that_is_cut_off_is_a_compression_error_or_ends_between_fields(
    blocks: list[tuple[list[int], list[Choice]]],
) -> None:
    encoder = Encoder(4096)
    pieces = [encoder.field(choice) for choice in blocks[0][1]]
    block = b"".join(pieces)
    borders = {sum(map(len, pieces[:count])): count for count in range(len(pieces) + 1)}
    for end in range(len(block)):
        if end in borders:
            assert len(Decoder(PLENTY).decode(block[:end]).fields) == borders[end]
        else:
            with pytest.raises(CompressionError):
                Decoder(PLENTY).decode(block[:end])


BROKEN_BLOCKS = [
    (b"\x80", "index 0 "),
    (b"\xbe", "index 62 "),
    (b"\xff\x00", "index 127 "),
    (b"\x7f\x00\x01a", "index 63 "),
    (b"\xff\x80", "ends inside an integer"),
    (b"\x3f", "ends inside an integer"),
    (b"\xff" + b"\x80" * 5 + b"\x00", "too many bytes"),
    (integer(MAX_INTEGER + 1, 0x7F, 0x80), "larger than"),
    (b"\x00\x05abcd", "ends inside a string"),
    (b"\x00\x01a", "ends inside an integer"),
    (b"\x01\x02a", "ends inside a string"),
    (b"\x01" + integer(MAX_INTEGER, 0x7F, 0) + b"a", "ends inside a string"),
    (integer(4097, 0x1F, 0x20), "4097 bytes: at most 4096"),
    (b"\x82\x20", "after a field"),
    (b"\x20\x20\x20", "two other updates"),
]


@pytest.mark.parametrize(("block", "message"), BROKEN_BLOCKS)
def test_a_broken_block_is_a_compression_error(block: bytes, message: str) -> None:
    with pytest.raises(CompressionError, match=message):
        Decoder(PLENTY).decode(block)


def test_the_largest_integers_are_read() -> None:
    longest = b"\xff" + b"\x80" * 4 + b"\x00"
    assert read_integer(longest, 0, 0x7F) == (127, 6)
    largest = integer(MAX_INTEGER, 0x7F, 0x80)
    assert read_integer(largest, 0, 0x7F) == (MAX_INTEGER, len(largest))


def inserted(name: bytes, value: bytes) -> bytes:
    return b"\x40" + string(name) + string(value)


def test_an_entry_as_large_as_the_table_fills_it_and_a_larger_one_only_empties_it() -> None:
    decoder = Decoder(PLENTY, 100)
    full, larger = (b"full", bytes(64)), (b"larger", bytes(63))
    decoder.decode(inserted(*full))
    assert dynamic_entries(decoder) == [full]
    assert decoder.decode(inserted(*larger)).fields == (larger,)
    assert dynamic_entries(decoder) == []
    assert decoder.decode(b"\xbd").fields == (STATIC[-1],)
    decoder.decode(inserted(*full))
    assert dynamic_entries(decoder) == [full]


def test_an_entry_may_take_its_name_from_the_one_that_it_evicts() -> None:
    decoder = Decoder(PLENTY, 40)
    decoder.decode(inserted(b"name", b"old"))
    assert decoder.decode(b"\x7e" + string(b"new")).fields == ((b"name", b"new"),)
    assert decoder.decode(b"\xbe").fields == ((b"name", b"new"),)


def test_a_table_that_was_made_smaller_may_grow_again_and_has_lost_its_entries() -> None:
    decoder = Decoder(PLENTY)
    decoder.decode(inserted(b"a", b"1"))
    decoder.decode(b"\x20" + integer(4096, 0x1F, 0x20))
    assert decoder.changes == 2
    decoder.decode(inserted(b"b", b"2"))
    assert dynamic_entries(decoder) == [(b"b", b"2")]


def test_many_references_to_one_large_entry_are_not_collected() -> None:
    decoder = Decoder(max_list_bytes=8192)
    decoder.decode(inserted(b"bomb", bytes(4000)))
    kept, too_large = decoder.decode(b"\xbe" * 100_000)
    assert too_large
    assert len(kept) == 2


def test_a_list_that_is_too_large_still_updates_the_table() -> None:
    decoder = Decoder(max_list_bytes=40)
    block = inserted(b"first", b"12") + inserted(b"second", b"34")
    assert decoder.decode(block) == (((b"first", b"12"),), True)
    assert decoder.changes == 1
    assert [decoder.decode(index).fields for index in (b"\xbf", b"\xbe")] == [
        ((b"first", b"12"),),
        ((b"second", b"34"),),
    ]


def test_fields_after_the_first_that_is_too_large_are_left_out_even_if_they_are_small() -> None:
    block = literal(b"a", b"") + literal(b"b", bytes(100)) + literal(b"c", b"")
    assert Decoder(100).decode(block) == (((b"a", b""),), True)


def test_a_list_as_large_as_the_limit_is_not_too_large() -> None:
    assert Decoder(35).decode(literal(b"abc", b"")) == (((b"abc", b""),), False)
    assert Decoder(34).decode(literal(b"abc", b"")) == ((), True)


# Responses.

LITERALS = [
    ((b":status", b"200"), "88"),
    ((b":status", b"415"), "08 03 343135"),
    ((b"content-type", b"application/grpc"), "0f10 10 6170706c69636174696f6e2f67727063"),
    ((b"grpc-status", b"0"), "00 0b 677270632d737461747573 01 30"),
]


@pytest.mark.parametrize(("field", "coded"), LITERALS)
def test_a_response_field_uses_the_static_table_where_it_can(field: Field, coded: str) -> None:
    assert literal(*field) == bytes.fromhex(coded)


@given(st.lists(FIELDS | st.tuples(TEXTS, st.binary(min_size=120, max_size=300))))
def test_response_fields_are_decoded_without_a_change_of_state(sent: Iterable[Field]) -> None:
    sent = tuple(sent)
    decoder = Decoder(PLENTY)
    assert decoder.decode(b"".join(literal(*field) for field in sent)) == (sent, False)
    assert decoder.changes == 0
