"""Unicode: decoding, encoding, transcoding, scripts."""

import numpy as np
import tensorflow as tf
from record_cases import case, feed

RAW = tf.raw_ops
# Well-formed, cut off, overlong, surrogates, beyond the last code point, lone trail bytes.
UTF8 = [
    "aé€\U0001f600", b"a\xffb", b"a\xc3", b"\xe2\x82", b"\xe2\x82a", b"\xed\xa0\x80",
    b"\xf0\x9f\x98", b"\xf5\x80\x80\x80", b"\xc0\x80", b"\xe0\x80\x80", b"\xf4\x90\x80\x80",
    b"\x80\x80", b"", b"\xef\xbb\xbfa", b"\xe2\xc3\xa9", b"\xff\xff\xe2\x82", b"\xef\xbf\xbd",
    b"\x00\x1f\x7f\n",
]  # fmt: skip
UTF16 = [
    b"\0a\0b", b"a\0b\0", b"\0a\0", b"\xd8\x00\0a", b"\xd8\x3d\xde\x00", b"\xde\x00\0a", b"",
    b"\0\0\0a\0\x01\xf6\0", b"\0\0\xd8\0\0\x11\0\0", b"\xd8\x00", b"\xd8\x00\xd8", b"\0\0\xfe\xff",
    b"\xd8\0\xd8\0\0",
]  # fmt: skip
MARKED = [b"\xfe\xff\0a", b"\xff\xfea\0", b"\xfe\xff", b"\xff\xfe\xff\xfea\0", b"\xff\xfe\0", b"a"]
UTF32 = [
    b"\0\0\0a", b"\0\0\0a\0\x01\xf6\0", b"\0\0\xd8\0\0\x11\0\0", b"\0\0\0", b"\xd8\x00", b"",
    b"a\0\0\0", b"\0\0\xfe\xff\0\0\0a", b"\xff\xfe\0\0a\0\0\0",
]  # fmt: skip
ALL_BYTES = [bytes(range(0x7F, 0x100))]
OTHER = (
    ("US-ASCII", ALL_BYTES),
    ("latin1", ALL_BYTES),
    ("iso-8859-06", ALL_BYTES),
    ("windows-1252", ALL_BYTES),
    ("windows-1253", ALL_BYTES),
    ("cp1255", ALL_BYTES),
    ("KOI8-R", ALL_BYTES),
    ("macintosh", ALL_BYTES),
    ("utf8", UTF8),
    ("UTF-16", UTF16),
    ("UTF-16-BE", UTF16),
    ("UTF-16LE", UTF16),
    ("UTF-32", UTF32),
    ("UTF-32-BE", UTF32),
    ("UTF-32LE", UTF32),
)


def _decode(x, encoding, **options):
    return RAW.UnicodeDecode(input=feed(x, object), input_encoding=encoding, **options)


def _decode_offsets(x, encoding, **options):
    return RAW.UnicodeDecodeWithOffsets(input=feed(x, object), input_encoding=encoding, **options)


def _transcode(x, encoding, target="UTF-8", **options):
    return RAW.UnicodeTranscode(
        input=feed(x, object), input_encoding=encoding, output_encoding=target, **options
    )


for _encoding, _texts in OTHER:
    case("UnicodeDecodeWithOffsets", x=_texts, encoding=_encoding)(_decode_offsets)
    if _texts is not ALL_BYTES:
        case("UnicodeDecodeWithOffsets", x=_texts, encoding=_encoding, errors="ignore")(
            _decode_offsets
        )
for _text in MARKED:
    case("UnicodeDecodeWithOffsets", x=[_text], encoding="UTF-16")(_decode_offsets)
case("UnicodeDecodeWithOffsets", x=[b"\0\0\xfe\xff"], encoding="UTF-32")(_decode_offsets)

for _op, _function in (
    ("UnicodeDecode", _decode),
    ("UnicodeDecodeWithOffsets", _decode_offsets),
    ("UnicodeTranscode", _transcode),
):
    case(_op, x=UTF8, encoding="UTF-8")(_function)
    case(_op, x=UTF8, encoding="UTF-8", errors="ignore")(_function)
    case(_op, x=UTF8, encoding="UTF-8", replacement_char=63)(_function)
    for _controls in (False, True):
        for _errors in ("replace", "ignore", "strict"):
            case(
                _op, x=["a\x01\n b"], encoding="UTF-8", errors=_errors,
                replace_control_characters=_controls,
            )(_function)  # fmt: skip
    for _text in ("fine é", b"bad\xff", b"cut\xe2\x82", ""):
        case(_op, x=[_text], encoding="UTF-8", errors="strict")(_function)
    case(_op, x="scalar", encoding="UTF-8")(_function)
    case(_op, x=[["a"], ["bc"]], encoding="UTF-8")(_function)
    case(_op, x=np.zeros((0, 2), object), encoding="UTF-8")(_function)
    case(_op, x=["a"], encoding="no such encoding")(_function)
# TensorFlow itself dies of UnicodeDecodeWithOffsets with int32 splits.
case("UnicodeDecode", x=UTF8, encoding="UTF-8", Tsplits=tf.int32)(_decode)

for _target in ("UTF-16-BE", "UTF-32-BE"):
    case("UnicodeTranscode", x=UTF8, encoding="UTF-8", target=_target)(_transcode)
    case("UnicodeTranscode", x=UTF16, encoding="UTF-16-BE", target=_target)(_transcode)
    case("UnicodeTranscode", x=UTF8, encoding="UTF-8", target=_target, replacement_char=0x1F600)(
        _transcode
    )
case("UnicodeTranscode", x=ALL_BYTES, encoding="windows-1252")(_transcode)
case("UnicodeTranscode", x=UTF8, encoding="UTF-8", replacement_char=0x110000)(_transcode)
case("UnicodeTranscode", x=UTF8, encoding="UTF-8", replacement_char=0)(_transcode)

CODES = [0x41, 0xE9, 0x20AC, 0x1F600, 0, 0xFFFE]
WRONG = [0x41, 0x110000, -1, 0xD83D, 0xDE00, 0xDC00, 0x42]


def _encode(values, splits, encoding, dtype=np.int64, **options):
    return RAW.UnicodeEncode(
        input_values=feed(values, np.int32, shape=None),
        input_splits=feed(splits, dtype, shape=None),
        output_encoding=encoding,
        **options,
    )


for _encoding in ("UTF-8", "UTF-16-BE", "UTF-32-BE"):
    case("UnicodeEncode", values=CODES, splits=[0, 2, 2, 6], encoding=_encoding)(_encode)
    for _errors in ("replace", "ignore", "strict"):
        case("UnicodeEncode", values=WRONG, splits=[0, 4, 7], encoding=_encoding, errors=_errors)(
            _encode
        )
case("UnicodeEncode", values=WRONG, splits=[0, 7], encoding="UTF-8", replacement_char=63)(_encode)
case("UnicodeEncode", values=CODES, splits=[0, 6], encoding="UTF-8", dtype=np.int32)(_encode)
case("UnicodeEncode", values=CODES, splits=[0, 6], encoding="UTF-8", errors="strict")(_encode)
for _splits in ([1, 6], [0, 5], [0, 7], [0, 4, 2, 6], [], [0], [[0, 6]]):
    case("UnicodeEncode", values=CODES, splits=_splits, encoding="UTF-8")(_encode)
case("UnicodeEncode", values=[], splits=[0], encoding="UTF-8")(_encode)
case("UnicodeEncode", values=[], splits=[0, 0], encoding="UTF-8")(_encode)


@case("UnicodeScript", x=[0x41, 0x3B1, 0x416, 0x5D0, 0x627, 0x4E2D, 0x3042, 0xAC00, 0x1F600, 0x30])
@case("UnicodeScript", x=[-1, -(2**31), 0, 0x10FFFF, 0x110000, 2**31 - 1, 0xD800, 0xE000, 0x378])
@case("UnicodeScript", x=[[0x41], [0x10570]])
@case("UnicodeScript", x=65)
@case("UnicodeScript", x=np.zeros((0, 2), np.int32))
@case("UnicodeScript", x=np.arange(0, 0x11000, 97))
def script(x):
    return RAW.UnicodeScript(input=feed(np.array(x, np.int32)))
