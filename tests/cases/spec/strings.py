"""Strings: joining, cutting, changing, numbers as text, templates, base64, raw bytes."""

import gzip
import zlib

import numpy as np
import tensorflow as tf
from record_cases import case, feed

RAW = tf.raw_ops
GRID = [["ab", "c"], ["", "de"], ["x", "é€"]]
BYTES = [b"\x00\x01\xff", b"", b"plain"]


@case("StringJoin", parts=(["a", "b"], ["c", ""]))
@case("StringJoin", parts=(["a", "b"], ["c", ""]), separator="--")
@case("StringJoin", parts=(["a", "b"], "!", [["x"]][0] * 2), separator=", ")
@case("StringJoin", parts=("a", "b", "c"), separator="é")
@case("StringJoin", parts=(["only"],), separator="?")
@case("StringJoin", parts=([["a"], ["b"]], "c"))
@case("StringJoin", parts=(BYTES, BYTES))
@case("StringJoin", parts=(["a", "b"], ["a", "b", "c"]))
@case("StringJoin", parts=(np.zeros((0, 2), object), "x"))
def join(parts, separator=""):
    return RAW.StringJoin(inputs=[feed(p, object, shape=None) for p in parts], separator=separator)


SPLIT = ["hello world", "a b  c", " lead", "trail ", "", " ", "a,b;c", "a\tb\nc"]


@case("StringSplit", delimiter=" ", skip=True)
@case("StringSplit", delimiter=" ", skip=False)
@case("StringSplit", delimiter="", skip=True)
@case("StringSplit", delimiter="", skip=False)
@case("StringSplit", delimiter=",; ", skip=True)
@case("StringSplit", delimiter=",; ", skip=False)
@case("StringSplit", delimiter=" ", skip=True, x=[])
@case("StringSplit", delimiter=" ", skip=True, x=[["a b"]])
@case("StringSplit", delimiter=[" "], skip=True)
def split(delimiter, skip, x=SPLIT):
    return RAW.StringSplit(
        input=feed(np.array(x, object), shape=None),
        delimiter=feed(delimiter, shape=None),
        skip_empty=skip,
    )


for _most in (-1, 0, 1, 2):
    for _sep in ("", " ", "  ", "l"):

        @case("StringSplitV2", sep=_sep, most=_most)
        def split_v2(sep, most, x=SPLIT):
            return RAW.StringSplitV2(input=feed(x), sep=feed(sep), maxsplit=most)


case("StringSplitV2", sep=" ", most=-1, x=np.array([], object))(split_v2)
case("StringSplitV2", sep=" ", most=-2, x=["a b c"])(split_v2)


@case("StringSplitV2")
def split_v2_matrix():
    return RAW.StringSplitV2(input=feed([["a b"]], shape=None), sep="")


@case("Substr", pos=1, length=2)
@case("Substr", pos=-2, length=2)
@case("Substr", pos=-3, length=1)
@case("Substr", pos=0, length=100)
@case("Substr", pos=3, length=1)
@case("Substr", pos=4, length=1)
@case("Substr", pos=-4, length=2)
@case("Substr", pos=1, length=-1)
@case("Substr", pos=1, length=0)
@case("Substr", pos=1, length=2, dtype=np.int64)
@case("Substr", pos=1, length=2, unit="UTF8_CHAR")
@case("Substr", pos=-2, length=1, unit="UTF8_CHAR")
@case("Substr", pos=-3, length=2, unit="UTF8_CHAR")
@case("Substr", pos=-3, length=9, unit="UTF8_CHAR")
@case("Substr", pos=3, length=9, unit="UTF8_CHAR")
@case("Substr", pos=4, length=1, unit="UTF8_CHAR")
@case("Substr", pos=-4, length=1, unit="UTF8_CHAR")
@case("Substr", pos=0, length=2, unit="UTF8_CHAR")
@case("Substr", pos=[0, 1, 2], length=[3, 1, 1])
@case("Substr", pos=[0, 1, -1], length=[3, 1, 1], unit="UTF8_CHAR")
@case("Substr", pos=[[0], [1]], length=[[2], [2]])
@case("Substr", pos=[[[0]]], length=[[[2]]])
@case("Substr", pos=[0, 1], length=[1])
@case("Substr", pos=[0, 1], length=[1, 2])
def substr(pos, length, dtype=np.int32, unit="BYTE"):
    return RAW.Substr(
        input=feed(["abc", "xyz", "é€é"], shape=None),
        pos=feed(pos, dtype, shape=None),
        len=feed(length, dtype, shape=None),
        unit=unit,
    )


@case("Substr", unit="BYTE")
@case("Substr", unit="UTF8_CHAR")
def substr_scalar(unit):
    return RAW.Substr(input=feed("thirteen é"), pos=feed(-5), len=feed(4), unit=unit)


@case("Substr", unit="UTF8_CHAR", pos=0, length=2)
@case("Substr", unit="UTF8_CHAR", pos=-1, length=2)
@case("Substr", unit="UTF8_CHAR", pos=1, length=1)
@case("Substr", unit="UTF8_CHAR", pos=-2, length=1)
def substr_malformed(unit, pos, length):
    texts = [b"\x80ab\xe2", b"\x80\x80a", b"a\x80\x80b"]
    return RAW.Substr(input=feed(texts, object), pos=feed(pos), len=feed(length), unit=unit)


@case("StringStrip")
def strip():
    texts = [" a b ", "\t\n\v\f\rx\r", "", "  ", "\xa0a\xa0", b"\x00a\x00", b"\x1ca\x1d"]
    return RAW.StringStrip(input=feed(texts, object))


WORDS = [
    "Hello World", "ÀÉÎ ß ﬁ", "ΑΣ ΑΣΑ", "İstanbul \u0131", "ǅ ŉ ΐ", "", "Ⱟ Ꟁ ⱟ", b"A\xffB\xe2\x82",
    b"a\x00B", "ᏸᲐ",
]  # fmt: skip


@case("StringLower", encoding="")
@case("StringLower", encoding="utf-8")
@case("StringLower", encoding="latin-1")
def lower(encoding):
    return RAW.StringLower(input=feed(WORDS, object), encoding=encoding)


@case("StringUpper", encoding="")
@case("StringUpper", encoding="utf-8")
@case("StringUpper", encoding="UTF-8")
def upper(encoding):
    return RAW.StringUpper(input=feed(WORDS, object), encoding=encoding)


@case("StringLength", unit="BYTE")
@case("StringLength", unit="UTF8_CHAR")
def length(unit):
    return RAW.StringLength(input=feed([*WORDS, "", b"\x80\x80"], object), unit=unit)


@case("StringLength", x="é", unit="UTF8_CHAR")
@case("StringLength", x=np.zeros((0, 2), object), unit="BYTE")
def length_shape(x, unit):
    return RAW.StringLength(input=feed(x), unit=unit)


for _axes in ([0], [1], [-1], [0, 1], [1, 0], [], [-1, 0], [2], [0, 0], [-3]):

    @case("ReduceJoin", axes=_axes)
    @case("ReduceJoin", axes=_axes, keep=True, separator="+")
    def reduce_join(axes, keep=False, separator=""):
        return RAW.ReduceJoin(
            inputs=feed(GRID, shape=None),
            reduction_indices=feed(axes, np.int32),
            keep_dims=keep,
            separator=separator,
        )


@case("ReduceJoin", x=np.zeros((0, 2), object), axis=0)
@case("ReduceJoin", x=np.zeros((0, 2), object), axis=1)
@case("ReduceJoin", x=np.array([[["a", "b"], ["c", "d"]], [["e", "f"], ["g", "h"]]]), axis=1)
def reduce_join_shape(x, axis):
    return RAW.ReduceJoin(inputs=feed(x), reduction_indices=feed(axis, np.int32), separator="-")


@case("UnsortedSegmentJoin", ids=[0, 1, 0], n=3)
@case("UnsortedSegmentJoin", ids=[2, 0, 2], n=3, separator=", ")
@case("UnsortedSegmentJoin", ids=[[0, 1], [1, 0], [0, 0]], n=2, separator="+")
@case("UnsortedSegmentJoin", ids=[0, -1, 0], n=2)
@case("UnsortedSegmentJoin", ids=[0, 2, 0], n=2)
@case("UnsortedSegmentJoin", ids=[0, 2], n=3)
@case("UnsortedSegmentJoin", ids=[0, 1, 0], n=2, separator="a\0b")
@case("UnsortedSegmentJoin", ids=0, n=2)
def segment_join(ids, n, separator=""):
    return RAW.UnsortedSegmentJoin(
        inputs=feed(GRID, shape=None),
        segment_ids=feed(ids, np.int32, shape=None),
        num_segments=feed(n),
        separator=separator,
    )


@case("UnsortedSegmentJoin")
def segment_join_empties():
    return RAW.UnsortedSegmentJoin(
        inputs=feed(["", "a", "", "b", ""]),
        segment_ids=feed([0, 0, 0, 0, 1], np.int64),
        num_segments=feed(2, np.int64),
        separator=",",
    )


TOKENS = ["a", "b", "c", "d", "e", "f"]
EDGES = [0, 3, 3, 4, 6]


@case("StringNGrams", widths=[2])
@case("StringNGrams", widths=[1, 3], separator="-")
@case("StringNGrams", widths=[3], pad=-1, left="<", right=">")
@case("StringNGrams", widths=[3], pad=1, left="L", right="")
@case("StringNGrams", widths=[3], pad=5, left="L", right="R")
@case("StringNGrams", widths=[5])
@case("StringNGrams", widths=[5], preserve=True)
@case("StringNGrams", widths=[5, 7], pad=1, left="<", right=">", preserve=True)
@case("StringNGrams", widths=[2], edges=[])
@case("StringNGrams", widths=[2], edges=[1, 6])
@case("StringNGrams", widths=[2], edges=[0, 7])
@case("StringNGrams", widths=[2], edges=[0, 4, 3, 6])
@case("StringNGrams", widths=[2], edges=[0, 4])
@case("StringNGrams", widths=[2], tokens=[], edges=[0, 0])
@case("StringNGrams", widths=[2], dtype=np.int32)
@case("StringNGrams", widths=[0])
def ngrams(
    widths, separator=" ", pad=0, left="", right="", preserve=False, tokens=TOKENS, edges=EDGES,
    dtype=np.int64,
):  # fmt: skip
    return RAW.StringNGrams(
        data=feed(np.array(tokens, object)),
        data_splits=feed(edges, dtype),
        separator=separator,
        ngram_widths=widths,
        left_pad=left,
        right_pad=right,
        pad_width=pad,
        preserve_short_sequences=preserve,
    )


NUMBERS = [
    "1", "+1", " -1\t", "1.5", ".5", "5.", "-.5e1", "1e5", "1E+5", "1e400", "-1e400", "0x1A",
    "-0x1.8p3", "inf", "-Infinity", "NAN", "nan(7)", "16777217.0000001", "3.5e38", "1e-30",
    "1.00000005960464477539062500000000001", "1.000000059604644775390625", "00012",
    "0.1111111111111111111111111111111111",
]  # fmt: skip
WRONG = ["", " ", "1 2", "1e", "0x", "1_0", "1.5f", "--1", "+-1", ".", "+", "e5", "1,5", "\uff11"]

for _type in (tf.float32, tf.float64):

    @case("StringToNumber", dtype=_type, tolerance=0, x=NUMBERS)
    @case("StringToNumber", dtype=_type, tolerance=0, x="2.5")
    @case("StringToNumber", dtype=_type, tolerance=0, x=np.zeros((0, 3), object))
    def to_number(dtype, x):
        return RAW.StringToNumber(string_tensor=feed(x, object), out_type=dtype)


for _type, _texts in (
    (tf.int32, ["7", "+7", " -7 ", "2147483647", "-2147483648", "0009"]),
    (tf.int64, ["7", "9223372036854775807", "-9223372036854775808"]),
    (tf.uint32, ["7", "+7", "4294967295"]),
    (tf.uint64, ["7", "18446744073709551615"]),
):
    case("StringToNumber", dtype=_type, x=_texts)(to_number)
for _type, _texts in (
    (tf.int32, ["2147483648", "-2147483649", "1.0", "0x1", "1e2", "inf"]),
    (tf.int64, ["9223372036854775808", "-9223372036854775809"]),
    (tf.uint32, ["-1", "4294967296", "-0"]),
    (tf.uint64, ["-1", "18446744073709551616"]),
    (tf.float32, WRONG),
    (tf.float64, ["1.2.3", "infin", "nan(", "0x1p", b"1\x00"]),
):
    for _text in _texts:
        case("StringToNumber", dtype=_type, x=[_text])(to_number)

FLOATS = [0.0, -0.0, 1.5, -2.25, -123456.789, 1e20, np.nan, np.inf, -np.inf, 1e-10]
FORMATS = (
    {},
    {"precision": 2},
    {"precision": 0},
    {"scientific": True},
    {"scientific": True, "precision": 3, "width": 12},
    {"shortest": True},
    {"shortest": True, "precision": 3},
    {"width": 10},
    {"width": 10, "fill": "0"},
    {"width": 9, "fill": "-", "precision": 1},
    {"width": 9, "fill": "+", "precision": 0},
    {"width": 9, "fill": " ", "precision": 1},
    {"width": 9, "fill": "#", "precision": 0},
    {"fill": "0"},
    {"width": 0, "fill": "+"},
)


def as_string(x, dtype, **options):
    return RAW.AsString(input=feed(np.array(x).astype(dtype)), **options)


for _format in FORMATS:
    case("AsString", x=FLOATS, dtype=np.float32, **_format)(as_string)
    case("AsString", x=FLOATS, dtype=np.float64, **_format)(as_string)
for _type in (np.float16, tf.bfloat16.as_numpy_dtype):
    case("AsString", x=[0.5, -1.25, np.inf, np.nan], dtype=_type)(as_string)
    case("AsString", x=[0.5, -1.25], dtype=_type, shortest=True, width=7)(as_string)
for _type in (np.complex64, np.complex128):
    case("AsString", x=[1 + 2j, complex(np.nan, -np.inf)], dtype=_type)(as_string)
    case("AsString", x=[1 - 2j], dtype=_type, precision=1, width=6, fill="0")(as_string)
    case("AsString", x=[1 - 2j], dtype=_type, scientific=True)(as_string)
for _type in (np.int8, np.uint8, np.int16, np.uint16, np.int32, np.uint32, np.int64, np.uint64):
    _limits = [np.iinfo(_type).min, 7, np.iinfo(_type).max]
    case("AsString", x=np.array(_limits, _type), dtype=_type)(as_string)
    case("AsString", x=np.array(_limits, _type), dtype=_type, width=6)(as_string)
for _fill in ("0", "-", "+", " ", "#"):
    case("AsString", x=[5, -42], dtype=np.int32, width=5, fill=_fill)(as_string)
    case("AsString", x=["ab", "é", ""], dtype=object, width=5, fill=_fill)(as_string)
for _options in (
    {"fill": "x", "width": 5},
    {"fill": "00", "width": 5},
    {"precision": 2},
    {"scientific": True},
    {"shortest": True},
):
    case("AsString", x=[1], dtype=np.int32, **_options)(as_string)
case("AsString", x=[1.0], dtype=np.float32, scientific=True, shortest=True)(as_string)
case("AsString", x=[[True], [False]], dtype=np.bool_)(as_string)
case("AsString", x=[True], dtype=np.bool_, width=7)(as_string)
case("AsString", x=[True], dtype=np.bool_, precision=1)(as_string)
case("AsString", x=["abc", b"a\x00b"], dtype=object, width=5, precision=1)(as_string)
case("AsString", x=3.5, dtype=np.float32)(as_string)
case("AsString", x=np.zeros((2, 0)), dtype=np.float32)(as_string)


@case("StringFormat", x=np.float32([1, 2.5, 1e10, 1e-7, 0.1, np.nan, np.inf, -0.0, 16777217]))
@case("StringFormat", x=np.float64([1, 1e10, 0.1, 1 / 3, 1e300, 123456.7, -np.inf]))
@case("StringFormat", x=np.float16([1, 2.5, 0.1, 65504]))
@case("StringFormat", x=np.array([1, 0.1]).astype(tf.bfloat16.as_numpy_dtype))
@case("StringFormat", x=np.array([True, False]))
@case("StringFormat", x=np.int8([-1, 5]))
@case("StringFormat", x=np.uint64([2**64 - 1]))
@case("StringFormat", x=np.complex64([1 + 2j]))
@case("StringFormat", x=["a", "b\"c\n\\'", "é", b"\x01\xff\x7f\t\r\x00"])
@case("StringFormat", x="alone")
@case("StringFormat", x=5)
def string_format_value(x):
    value = np.array(x, object) if isinstance(x, (str, list)) else x
    return RAW.StringFormat(inputs=[feed(value)], template="<{}>", placeholder="{}", summarize=-1)


for _count in (0, 1, 2, 3, -1, -2):

    @case("StringFormat", summarize=_count, x=np.arange(7))
    @case("StringFormat", summarize=_count, x=np.arange(30).reshape(5, 3, 2))
    @case("StringFormat", summarize=_count, x=np.zeros((2, 0), np.int32))
    @case("StringFormat", summarize=_count, x=np.zeros((0, 2), np.int32))
    def string_format_summary(x, summarize):
        return RAW.StringFormat(inputs=[feed(x)], summarize=summarize)


@case("StringFormat", template="a%sb%sc")
@case("StringFormat", template="abc", placeholder="")
@case("StringFormat", template="%s {} {}", placeholder="{}")
def string_format_template(template, placeholder="%s"):
    return RAW.StringFormat(inputs=[feed(1), feed("x")], template=template, placeholder=placeholder)


@case("StringFormat")
def string_format_nothing():
    return RAW.StringFormat(inputs=[], template="fixed")


@case("EncodeBase64", pad=False)
@case("EncodeBase64", pad=True)
def encode_base64(pad):
    texts = [b"", b"a", b"ab", b"abc", b"abcd", b"\xff\xfe\xfd"]
    return RAW.EncodeBase64(input=feed(texts, object), pad=pad)


@case("DecodeBase64")
def decode_base64():
    texts = ["", "YQ", "YQ==", "YWI", "YWI=", "YWJj", "__-_", "YR", "YR=="]
    return RAW.DecodeBase64(input=feed(texts, object))


for _text in ("YQ=", "Y", "YWJjZ", "/+//", "Y!==", "====", "YQ==YQ==", " YQ", b"\xff\xff", "A==="):

    @case("DecodeBase64", text=_text)
    def decode_base64_wrong(text):
        return RAW.DecodeBase64(input=feed([text], object))


ROWS = [bytes(range(64, 80)), bytes(range(100, 116))]
DTYPES = (
    tf.float32, tf.float64, tf.int32, tf.uint16, tf.uint8, tf.int16, tf.int8, tf.int64, tf.bfloat16,
)  # fmt: skip

for _type in (*DTYPES, tf.float16, tf.complex64, tf.complex128, tf.bool):
    for _little in (True, False):

        @case("DecodeRaw", dtype=_type, little=_little, tolerance=0)
        def decode_raw(dtype, little, x=ROWS):
            return RAW.DecodeRaw(bytes=feed(x, object), out_type=dtype, little_endian=little)


case("DecodeRaw", dtype=tf.int16, little=True, x=[b"abc"])(decode_raw)
case("DecodeRaw", dtype=tf.int8, little=True, x=[b"ab", b"abc"])(decode_raw)
case("DecodeRaw", dtype=tf.int16, little=True, x=b"")(decode_raw)
case("DecodeRaw", dtype=tf.int16, little=True, x=[b"", b""])(decode_raw)
case("DecodeRaw", dtype=tf.int16, little=True, x=np.zeros((0, 3), object))(decode_raw)
case("DecodeRaw", dtype=tf.uint8, little=True, x=[[b"ab"], [b"cd"]])(decode_raw)
case("DecodeRaw", dtype=tf.bool, little=True, x=b"\x00\x01\x02")(decode_raw)

for _type in DTYPES:
    for _little in (True, False):

        @case("DecodePaddedRaw", dtype=_type, little=_little, tolerance=0)
        def decode_padded_raw(dtype, little, x=ROWS, length=8):
            return RAW.DecodePaddedRaw(
                input_bytes=feed(x, object),
                fixed_length=feed(length, np.int32, shape=None),
                out_type=dtype,
                little_endian=little,
            )


for _length in (1, 2, 3, 4, 6, 0, -2):
    case(
        "DecodePaddedRaw", dtype=tf.int16, little=True, x=[b"abc", b"", b"abcdef"], length=_length
    )(decode_padded_raw)
case("DecodePaddedRaw", dtype=tf.uint8, little=False, x=[[b"abc"], [b""]], length=4)(
    decode_padded_raw
)
case("DecodePaddedRaw", dtype=tf.int16, little=True, x=np.array([], object), length=4)(
    decode_padded_raw
)

DATA = b"hello" * 10
ZLIB, GZIP = zlib.compress(DATA), gzip.compress(DATA, mtime=0)
for _kind, _data in (
    ("", DATA),
    ("ZLIB", ZLIB),
    ("ZLIB", b""),
    ("ZLIB", zlib.compress(b"")),
    ("ZLIB", ZLIB[:-5]),
    ("ZLIB", ZLIB + b"junk"),
    ("ZLIB", ZLIB + ZLIB),
    ("ZLIB", DATA),
    ("ZLIB", ZLIB[:-4] + b"abcd"),
    ("GZIP", GZIP),
    ("GZIP", b""),
    ("GZIP", GZIP[:-9]),
    ("GZIP", GZIP + gzip.compress(b"x", mtime=0)),
    ("GZIP", GZIP + b"junk"),
    ("GZIP", ZLIB),
):

    @case("DecodeCompressed", kind=_kind, data=_data)
    def decode_compressed(kind, data):
        return RAW.DecodeCompressed(bytes=feed([data], object), compression_type=kind)
