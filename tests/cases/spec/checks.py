"""Ops that look at values."""

import numpy as np
import tensorflow as tf
from record_cases import case, feed, raw_case

RAW = tf.raw_ops
F32, I32, I64 = np.float32, np.int32, np.int64
BF16 = tf.bfloat16.as_numpy_dtype
A = np.arange(6, dtype=F32).reshape(2, 3) + 1
NAN, INF = np.nan, np.inf

for _op in ("CheckNumerics", "CheckNumericsV2"):
    for _dtype in (F32, np.float64, np.float16, BF16):
        _name = np.dtype(_dtype).name
        raw_case(_op, _name, {"tensor": A.astype(_dtype)}, message="m")
        raw_case(_op, f"{_name} nan", {"tensor": np.array([1, NAN], _dtype)}, message="m")
        raw_case(_op, f"{_name} inf", {"tensor": np.array([1, INF], _dtype)}, message="m")
    for _values in ([-INF, 1], [INF, NAN], [-INF, NAN], [-INF, INF], [INF, -INF, NAN]):
        raw_case(_op, f"{_values}", {"tensor": np.array(_values, F32)}, message="here")
    raw_case(_op, "nothing", {"tensor": A[:0]}, message="m")


@case("Assert", condition=True)
@case("Assert", condition=False)
@case("Assert", condition=[True])
@case("Assert", condition=False, summarize=2)
@case("Assert", condition=False, summarize=-1)
@case("Assert", condition=False, summarize=0)
@case("Assert", condition=False, summarize=4, data=[A, np.arange(8, dtype=I32).reshape(2, 2, 2)])
@case("Assert", condition=False, data=[F32(3), "hello", True, [True, False], I64(2**40)])
@case("Assert", condition=False, summarize=9, data=[np.array([1.5, 1 / 3, 1e10, NAN, -INF], F32)])
@case("Assert", condition=False, summarize=9, data=[np.array([1 / 3, 1e10, 123456.789])])
@case("Assert", condition=False, data=[np.array([1 / 3], np.float16), np.array([1j])])
@case("Assert", condition=False, data=[A[:0], A[:, :0], [["a", "b"], ["c", "d"]], "a'b\\c\té\x01"])
def assertion(condition, data=(A,), **attrs):
    x = feed(A)
    inputs = [feed(d) for d in data]
    check = RAW.Assert(condition=feed(condition, shape=None), data=inputs, **attrs)
    with tf.control_dependencies([check]):
        return tf.identity(x)


@case("Print", first_n=-1)
@case("Print", first_n=1)
def printed(**attrs):
    return RAW.Print(input=feed(A), data=[feed(A), feed("x")], message="said", **attrs)


@case("PrintV2", output_stream="stderr")
@case("PrintV2", output_stream="stdout", end="")
def printed_v2(**attrs):
    x = feed(A)
    with tf.control_dependencies([RAW.PrintV2(input=feed("said"), **attrs)]):
        return tf.identity(x)


@case("Timestamp")
def timestamp():
    return RAW.Greater(x=RAW.Timestamp(), y=tf.constant(1.6e9, tf.float64))
