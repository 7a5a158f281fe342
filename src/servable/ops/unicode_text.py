"""Bytes of an encoding as code points and back, as ICU converts them for TensorFlow."""

from __future__ import annotations

import codecs
import functools
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np

Codes: TypeAlias = np.ndarray[Any, np.dtype[np.int32]]
Flags: TypeAlias = np.ndarray[Any, np.dtype[np.bool_]]


@dataclass(frozen=True, slots=True)
class Decoded:
    """The characters of one string.

    Attributes:
        codes: code points; U+FFFD for each malformed sequence.
        lengths: the bytes that each was read from.
        malformed: which of them stand for a malformed sequence.
    """

    codes: Codes
    lengths: Codes
    malformed: Flags


Decoder: TypeAlias = Callable[[bytes], Decoded]

REPLACEMENT = 0xFFFD
_SURROGATES = 0xD800


def _mark(error: UnicodeError) -> tuple[str, int]:
    """Put a lone surrogate, which no decoder yields, in place of a malformed sequence.

    Its low bits say how many bytes long the sequence is.
    """
    if not isinstance(error, UnicodeDecodeError):
        raise error
    return chr(_SURROGATES + error.end - error.start), error.end


_MARKING = "servable.malformed"
codecs.register_error(_MARKING, _mark)


def decoder(encoding: str) -> Decoder | None:
    """What decodes an encoding, by any of ICU's usual names for it; None if it is not known."""
    plain = re.sub(r"(?<![0-9])0+(?=[0-9])", "", encoding.lower())
    name = re.sub(r"[^0-9a-z]", "", plain)
    if name == "utf8":
        return lambda s: _decode(s, "utf-8", _utf8_lengths)
    if match := re.fullmatch(r"utf(16|32)(be|le|)", name):
        return _wide(int(match[1]), match[2])
    codec = _SINGLE.get(name)
    return functools.partial(_decode_single, codec) if codec else None


def _decode(s: bytes, codec: str, lengths: Callable[[Codes], Codes]) -> Decoded:
    text = s.decode(codec, _MARKING)
    codes: Codes = np.frombuffer(text.encode("utf-32-le", "surrogatepass"), "<i4")
    malformed = (codes & ~0x7FF) == _SURROGATES
    if malformed.any():
        sizes = np.where(malformed, codes - _SURROGATES, lengths(codes)).astype(np.int32)
        return Decoded(np.where(malformed, REPLACEMENT, codes).astype(np.int32), sizes, malformed)
    return Decoded(codes, lengths(codes), malformed)


def _utf8_lengths(codes: Codes) -> Codes:
    longer = (codes >= 0x80).astype(np.int32) + (codes >= 0x800) + (codes >= 0x10000)
    result: Codes = longer + np.int32(1)
    return result


def _utf16_lengths(codes: Codes) -> Codes:
    return np.where(codes >= 0x10000, 4, 2).astype(np.int32)


def _utf32_lengths(codes: Codes) -> Codes:
    return np.full(codes.shape, 4, np.int32)


def _wide(bits: int, order: str) -> Decoder:
    """UTF-16 or UTF-32; without an order in the name, a byte order mark may name it."""
    lengths = _utf16_lengths if bits == 16 else _utf32_lengths
    marks = {
        codecs.BOM_UTF16_BE if bits == 16 else codecs.BOM_UTF32_BE: "be",
        codecs.BOM_UTF16_LE if bits == 16 else codecs.BOM_UTF32_LE: "le",
    }

    def decode(s: bytes) -> Decoded:
        if order:
            return _decode(s, f"utf-{bits}-{order}", lengths)
        size = bits // 8
        byte_order = marks.get(s[:size])
        if byte_order is None:
            return _decode(s, f"utf-{bits}-be", lengths)
        if len(s) == size:
            # ICU's answer for a mark alone: not malformed, and not a character either.
            return Decoded(
                np.array([0xFFFF], np.int32), np.array([size], np.int32), np.array([False])
            )
        found = _decode(s[size:], f"utf-{bits}-{byte_order}", lengths)
        sizes = found.lengths.copy()
        sizes[0] += size
        return Decoded(found.codes, sizes, found.malformed)

    return decode


# ICU's name without punctuation -> Python's codec, where both have the same 256 entries.
_SINGLE = {
    **dict.fromkeys(("usascii", "ascii"), "ascii"),
    **{f"iso8859{n}": f"iso8859-{n}" for n in (*range(1, 12), 13, 14, 15)},
    **{f"latin{n}": f"iso8859-{n}" for n in range(1, 5)},
    **{f"{prefix}{n}": f"cp{n}" for n in range(1250, 1259) for prefix in ("windows", "cp")},
    "koi8r": "koi8-r",
    "koi8u": "koi8-u",
    "macintosh": "mac-roman",
}


@functools.cache
def _table(codec: str) -> Codes:
    """The code point of every byte; -1 where there is none."""
    codes = []
    for byte in range(256):
        try:
            codes.append(ord(bytes([byte]).decode(codec)))
        except UnicodeDecodeError:
            # ICU keeps control characters, and one other, that the encoding leaves out.
            kept = (byte < 0xA0 and codec != "ascii") or (codec, byte) == ("cp1253", 0xAA)
            codes.append(byte if kept else -1)
    return np.array(codes, np.int32)


def _decode_single(codec: str, s: bytes) -> Decoded:
    codes = _table(codec)[np.frombuffer(s, np.uint8)]
    malformed = codes < 0
    return Decoded(
        np.where(malformed, np.int32(REPLACEMENT), codes), np.ones_like(codes), malformed
    )


def encode(codes: Codes, encoding: str) -> bytes:
    """Code points in UTF-8, UTF-16-BE or UTF-32-BE.

    Surrogates are what they are in UTF-16: two may make one character, and one alone
    has no form in UTF-8.
    """
    units = codes.astype("<i4").tobytes().decode("utf-32-le", "surrogatepass")
    utf16 = units.encode("utf-16-be", "surrogatepass")
    if encoding == "UTF-16-BE":
        return utf16
    if encoding == "UTF-8":
        return utf16.decode("utf-16-be", "replace").encode()
    return utf16.decode("utf-16-be", "surrogatepass").encode("utf-32-be", "surrogatepass")


# Letters whose other case came with Unicode 14 or later; TensorFlow's ICU knows 13.
_NEW_CASES = re.compile(
    "([\u2c2f\u2c5f\ua7c0\ua7c1\ua7d0\ua7d1\ua7d6-\ua7d9\U00010570-\U000105bc"
    "\u1c89\u1c8a\ua7cb-\ua7cd\ua7da-\ua7dc\u019b\u0264\U00010d50-\U00010d85])"
)


def cased(s: bytes, change: Callable[[str], str]) -> bytes:
    """A UTF-8 string in another case, up to the first NUL; what is malformed becomes U+FFFD."""
    text = s.split(b"\0", 1)[0].decode("utf-8", "replace")
    if _NEW_CASES.search(text) is None:
        return change(text).encode()
    parts = _NEW_CASES.split(text)
    parts[::2] = [change(part) for part in parts[::2]]
    return "".join(parts).encode()
