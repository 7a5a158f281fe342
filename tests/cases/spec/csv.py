"""Comma-separated values."""

import numpy as np
import tensorflow as tf
from record_cases import case, feed

RAW = tf.raw_ops
EMPTY = {
    tf.int32: np.array([], np.int32),
    tf.int64: np.array([], np.int64),
    tf.float32: np.array([], np.float32),
    tf.float64: np.array([], np.float64),
    tf.string: np.array([], object),
}


def _csv(records, defaults, **options):
    given = [feed(d, shape=None) for d in defaults]
    return RAW.DecodeCSV(
        records=feed(records, object, shape=None), record_defaults=given, **options
    )


S, N, F = np.array([b"?"], object), np.array([-1], np.int32), np.array([0.5], np.float32)
L, D = np.array([-1], np.int64), np.array([0.5], np.float64)
NO_N, NO_S = EMPTY[tf.int32], EMPTY[tf.string]

case("DecodeCSV", records=["1,2.5,x", "-3,,", " 4 ,1e3,é"], defaults=[N, F, S])(_csv)
case("DecodeCSV", records=["9223372036854775807,1e300"], defaults=[L, D])(_csv)
case("DecodeCSV", records="7,8", defaults=[N, N])(_csv)
case("DecodeCSV", records=[["1"], ["2"]], defaults=[N])(_csv)
case("DecodeCSV", records=np.zeros((0, 2), object), defaults=[N, S])(_csv)
case("DecodeCSV", records=["1;2"], defaults=[N, N], field_delim=";")(_csv)
case("DecodeCSV", records=["1\t2", "3\t"], defaults=[N, N], field_delim="\t")(_csv)
case("DecodeCSV", records=["NA,NA", "1,x", ",NA"], defaults=[N, S], na_value="NA")(_csv)
case("DecodeCSV", records=['"a,b","c""d",e'], defaults=[S, S, S])(_csv)
case("DecodeCSV", records=['"a,b",c'], defaults=[S, S, S], use_quote_delim=False)(_csv)
case("DecodeCSV", records=['a"b,c'], defaults=[S, S], use_quote_delim=False)(_csv)
case("DecodeCSV", records=["a,b,c,d"], defaults=[S, S], select_cols=[1, 3])(_csv)
case("DecodeCSV", records=["a,b,c,"], defaults=[S, S], select_cols=[1, 3])(_csv)
case("DecodeCSV", records=['a,b,"broken'], defaults=[S], select_cols=[1])(_csv)
case("DecodeCSV", records=["a,b"], defaults=[S], select_cols=[5])(_csv)
case("DecodeCSV", records=["a,b"], defaults=[S, S], select_cols=[1])(_csv)
case("DecodeCSV", records=["a,b"], defaults=[S, S], select_cols=[1, 0])(_csv)
case("DecodeCSV", records=["a,b"], defaults=[S], select_cols=[-1])(_csv)
case("DecodeCSV", records=["a,b"], defaults=[S, S], field_delim=",,")(_csv)
case("DecodeCSV", records=["1,"], defaults=[NO_N, NO_N])(_csv)
case("DecodeCSV", records=["1,2"], defaults=[NO_N, NO_N])(_csv)
case("DecodeCSV", records=["x,"], defaults=[NO_S, NO_S])(_csv)
case("DecodeCSV", records=["1,2"], defaults=[np.array([1, 2], np.int32), N])(_csv)
case("DecodeCSV", records=["1,2"], defaults=[np.int32(5), np.int32(6)])(_csv)
for _record in (
    "", ",", "a", "a,b,c", "a,b\n", "\r\na,b", 'a"b,c', '"a"b,c', '"a,b', '"",""', '"a"",b"', '"",',
    '"a",\n"b"', '"a"\n,b', 'a,"b"', 'a,"b"x', '"a""",b', '"""a",b', 'a,"', '"', "a\rb,c", 'a,""',
    '"a","b",', "a,,", b"\xff,\x00",
):  # fmt: skip
    case("DecodeCSV", records=[_record], defaults=[S, S])(_csv)
for _field in ("1.5", "2147483648", "x", "1 2", " ", "+7", "0x1"):
    case("DecodeCSV", records=[_field], defaults=[N])(_csv)
for _field in ("1.5", "x", "inf", " 2 ", "1e400", "0x1p2"):
    case("DecodeCSV", records=[_field], defaults=[F])(_csv)
    case("DecodeCSV", records=[_field], defaults=[D])(_csv)
case("DecodeCSV", records=["9223372036854775808"], defaults=[L])(_csv)
