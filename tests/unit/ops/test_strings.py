"""Laws of hashing, numbers as text and Unicode, and strings meant to do harm."""

from __future__ import annotations

import math
import zlib
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from op_kernels import kernel

from servable.errors import InvalidArgument, ResourceExhausted
from servable.graph.ir import UnsupportedOps
from servable.ops import decoding
from servable.ops.hashes import fingerprint64, hash64, sip_hash
from servable.ops.number_text import parse_double, parse_float, parse_integer, shortest
from servable.ops.text import strings
from servable.ops.unicode_text import decoder, encode
from servable.tensors import BFLOAT16, DOUBLE, FLOAT, INT32

SETTINGS = settings(deadline=None)


@SETTINGS
@given(st.lists(st.binary(max_size=200), max_size=8))
def test_a_hash_does_not_depend_on_the_strings_beside_it(items: list[bytes]) -> None:
    for function in (fingerprint64, hash64, lambda i: sip_hash(i, (3, 2**64 - 1))):
        together = function(items).tolist()
        assert together == [function([item]).tolist()[0] for item in items]


@SETTINGS
@given(st.floats(allow_nan=False))
def test_a_double_as_text_is_read_back(value: float) -> None:
    assert parse_double(repr(value).encode()) == value
    assert parse_double(shortest(np.float64(value), 15).encode()) == value


@SETTINGS
@given(st.floats(allow_nan=False, width=32))
def test_a_float_as_text_is_read_back(value: float) -> None:
    assert parse_float(shortest(np.float32(value), 6).encode()) == value


@SETTINGS
@given(st.integers(-(10**30), 10**30), st.integers(-40, 5))
@example(100000005960464477539062500000000001, -35)
@example(16777217, 0)
def test_a_float_is_the_nearest_one(digits: int, exponent: int) -> None:
    found = parse_float(b"%de%d" % (digits, exponent))

    assert found is not None
    exact = Fraction(digits) * Fraction(10) ** exponent
    near = np.float32(found)
    if not np.isfinite(near) or abs(near) < np.finfo(np.float32).tiny:
        return
    distance = abs(Fraction(float(near)) - exact)
    for other in (np.nextafter(near, np.float32(s * np.inf)) for s in (1, -1)):
        if math.isfinite(other):
            assert distance <= abs(Fraction(float(other)) - exact)


@SETTINGS
@given(st.integers(-(2**70), 2**70), st.sampled_from(["i4", "u4", "i8", "u8"]))
def test_an_integer_is_read_if_it_fits(value: int, dtype: str) -> None:
    limits = np.iinfo(dtype)
    fits = limits.min <= value <= limits.max

    assert parse_integer(str(value).encode(), np.dtype(dtype)) == (value if fits else None)


def test_an_endless_number_is_refused() -> None:
    assert parse_integer(b"1" * 10_000_000, np.dtype(np.int64)) is None


@SETTINGS
@given(st.binary(max_size=60), st.sampled_from(["UTF-8", "UTF-16-BE", "UTF-32LE", "latin1"]))
def test_every_byte_belongs_to_one_character(data: bytes, encoding: str) -> None:
    decode = decoder(encoding)
    assert decode is not None

    found = decode(data)

    assert int(found.lengths.sum()) == len(data)
    assert (found.lengths > 0).all()
    assert not (found.codes[found.malformed] != 0xFFFD).any()


@SETTINGS
@given(
    st.text(st.characters(exclude_categories=["Cs"])),
    st.sampled_from(["UTF-8", "UTF-16-BE", "UTF-32-BE"]),
)
def test_text_survives_encoding_and_decoding(text: str, encoding: str) -> None:
    decode = decoder(encoding)
    assert decode is not None
    codes = np.array([ord(c) for c in text], np.int32)

    found = decode(encode(codes, encoding))

    assert found.codes.tolist() == codes.tolist()
    assert not found.malformed.any()


def test_much_malformed_text_is_decoded_in_one_pass() -> None:
    decode = decoder("UTF-8")
    assert decode is not None

    # One copy of the rest for each error would be a million times a megabyte.
    assert decode(b"\xff" * 1_000_000).malformed.all()


def test_a_pattern_made_for_backtracking_ends() -> None:
    match = kernel("StaticRegexFullMatch", pattern=b"(a+)+$")

    assert match(strings([b"a" * 100_000 + b"b"])).tolist() == [False]


def test_a_small_string_can_not_fill_the_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(decoding, "_MOST_INFLATED", 1000)
    inflate = kernel("DecodeCompressed", compression_type=b"ZLIB")

    assert len(inflate(strings([zlib.compress(bytes(1000))]))[0]) == 1000
    with pytest.raises(ResourceExhausted, match="1000 bytes"):
        inflate(strings([zlib.compress(bytes(1001))]))


def test_gzip_members_are_counted_together(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(decoding, "_MOST_INFLATED", 1000)
    inflate = kernel("DecodeCompressed", compression_type=b"GZIP")
    packer = zlib.compressobj(wbits=zlib.MAX_WBITS + 16)
    member = packer.compress(bytes(600)) + packer.flush()

    with pytest.raises(ResourceExhausted):
        inflate(strings([member * 2]))


def test_a_padded_length_beyond_memory_is_refused() -> None:
    pad = kernel("DecodePaddedRaw", out_type=INT32)

    with pytest.raises(ResourceExhausted):
        pad(strings([b"x"] * 8), np.int32(2**31 - 4))


def test_segments_beyond_memory_are_refused() -> None:
    join = kernel("UnsortedSegmentJoin")

    with pytest.raises(ResourceExhausted):
        join(strings([b"x"]), np.zeros(1, np.int32), np.int64(2**50))


@pytest.mark.parametrize("option", ["width", "precision"])
def test_a_number_of_absurd_width_is_refused_at_load(option: str) -> None:
    attrs: dict[str, Any] = {option: 2**31 - 1}

    with pytest.raises(UnsupportedOps, match="width or precision"):
        kernel("AsString", T=FLOAT, **attrs)


def test_a_nan_with_a_sign_shows_it() -> None:
    values = np.array([np.nan, -np.nan])

    assert kernel("AsString", T=DOUBLE)(values).tolist() == [b"nan", b"-nan"]
    signed = kernel("AsString", T=DOUBLE, fill=b"0", width=6)(values).tolist()
    assert signed == [b"   nan", b"  -nan"]


def test_bfloat16_of_the_other_byte_order_is_read() -> None:
    decode = kernel("DecodeRaw", out_type=BFLOAT16, little_endian=False)

    assert decode(strings([b"\x3f\x80\xc0\x00"])).astype(float).tolist() == [[1.0, -2.0]]


@pytest.mark.parametrize(
    "text",
    [
        b"[" * 100_000,
        b'{"features":' * 50_000,
        b'{"features":{"feature":{"a":{"int64List":{"value":[' + b"1" * 10_000 + b"]}}}}}",
        b'{"features":{"feature":{"a":{"floatList":{"value":[1e999]}}}}}',
        b'{"features":{"feature":{"a":{"floatList":{"value":[' + b"9" * 5000 + b"]}}}}}",
        b'{"features":{"feature":{"a":{"bytesList":{"value":["\\ud800"]}}}}}',
        b'{"features":{"feature":{"\\ud800":{}}}}',
        b'\xff{"features":{}}',
    ],
)
def test_hostile_json_is_refused(text: bytes) -> None:
    with pytest.raises(InvalidArgument, match="Error while parsing JSON"):
        kernel("DecodeJSONExample")(strings([text]))
