"""Serialized tensors, and examples in JSON."""

import numpy as np
import tensorflow as tf
from record_cases import case, feed
from tensorflow.core.framework import tensor_pb2, tensor_shape_pb2

RAW = tf.raw_ops
SAMPLES = {
    "float": np.float32([1.5, -2, np.inf]),
    "double": np.array(1e300),
    "half": np.float16([1, 65504]),
    "bfloat16": np.array([1, 2]).astype(tf.bfloat16.as_numpy_dtype),
    "int8": np.int8([[-1], [5]]),
    "uint8": np.uint8([0, 255]),
    "int16": np.int16([-300]),
    "uint16": np.uint16([60000]),
    "int32": np.int32(-7),
    "uint32": np.uint32([2**32 - 1]),
    "int64": np.int64([[5, -(2**40)]]),
    "uint64": np.uint64([2**64 - 1]),
    "bool": np.array([True, False]),
    "complex64": np.complex64([1 + 2j]),
    "complex128": np.complex128([1 - 2j]),
    "strings": np.array([["a", "é"]], object),
    "string": np.array("x", object),
    "no strings": np.zeros((0, 3), object),
    "no floats": np.zeros((0, 2), np.float32),
}

for _name in SAMPLES:

    @case("SerializeTensor", name=_name)
    def serialize(name):
        return RAW.SerializeTensor(tensor=feed(SAMPLES[name]))

    @case("ParseTensor", name=_name, tolerance=0)
    def parse(name):
        value = SAMPLES[name]
        proto = tf.make_tensor_proto(
            value, tf.string if value.dtype == object else tf.as_dtype(value.dtype)
        )
        return RAW.ParseTensor(
            serialized=feed(np.array(proto.SerializeToString(), object)),
            out_type=tf.as_dtype(proto.dtype),
        )


def _proto(*sizes, **fields):
    dims = [tensor_shape_pb2.TensorShapeProto.Dim(size=s) for s in sizes]
    shape = tensor_shape_pb2.TensorShapeProto(dim=dims)
    return tensor_pb2.TensorProto(tensor_shape=shape, **fields).SerializeToString()


ODD = {
    "values repeat": _proto(3, dtype=1, float_val=[1, 2]),
    "no values": _proto(3, dtype=1),
    "too many values": _proto(1, dtype=1, float_val=[1, 2]),
    "another field": _proto(1, dtype=1, int_val=[1]),
    "content": _proto(1, dtype=1, tensor_content=b"\0\0\x80?"),
    "content of another size": _proto(2, dtype=1, tensor_content=b"abc"),
    "negative size": _proto(-1, dtype=1),
    "no dtype": _proto(1),
    "no shape": b"\x08\x01",
    "another dtype": _proto(1, dtype=3, int_val=[1]),
    "nothing": b"",
    "junk": b"junk",
}
for _name in ODD:

    @case("ParseTensor", name=_name)
    def parse_odd(name):
        return RAW.ParseTensor(serialized=feed(np.array(ODD[name], object)), out_type=tf.float32)


@case("ParseTensor")
def parse_vector():
    return RAW.ParseTensor(
        serialized=feed(np.array([ODD["content"]], object), shape=None), out_type=tf.float32
    )


def _json(inner):
    return '{"features":{"feature":{"a":' + inner + "}}}"


def _list(kind, *values):
    return _json('{"' + kind + '":{"value":[' + ",".join(values) + "]}}")


JSON = [
    "{}", "null", "[1]", "", "1", '{"features":{}}', '{"features":null}', '{"x":1}',
    '{"features":{"feature":{}}}', '{"features":{"feature":null}}', '{"features":{"feature":[]}}',
    '{"features":{"x":{}}}', '{"features":{}} junk', ' {"features" : { } } ',
    _json("{}"), _json("null"), _json('{"floatList":{}}'), _json('{"floatList":null}'),
    _json('{"floatList":{"value":null}}'), _json('{"floatList":{"value":5}}'),
    _json('{"floatList":{"x":5}}'), _json('{"floatList":[1]}'), _json("[]"), _json("1"),
    _json('{"floatList":{"value":[1]},"int64List":{"value":[1]}}'),
    _json('{"floatList":{"value":[1]},"int64List":null}'),
    _json('{"floatList":{"value":[1]}},"a":{"floatList":{"value":[2]}}'),
    _json('{"int64List":{"value":[1]}},"b":{"int64List":{"value":[2]}},"0":{}'),
    '{"features":{"feature":{"é\\u00e9\\ud83d\\ude00":{}}}}',
    _list("floatList", "1", "2.5", '"NaN"', '"-Infinity"', '"3"', "-0", "1e-3", '"1e5"'),
    _list("float_list", "1"), _list("floatList", '"Infinity"', '" 1"', '"inf"'),
    _list("floatList", "1e39"), _list("floatList", "true"), _list("floatList", '"x"'),
    _list("floatList", "NaN"), _list("floatList", "[1,[2]]", "3", "[]"),
    _list("floatList", "null", "1"),
    _list("int64List", "1", '"-2"', "1.0", "1e2", '"1.0"', '"1e3"', "9007199254740993"),
    _list("int64_list", "9223372036854775807", '"-9223372036854775808"'),
    _list("int64List", '"9223372036854775808"'), _list("int64List", "1.5"),
    _list("int64List", '" 5"'), _list("int64List", '"0x5"'), _list("int64List", "null"),
    _list("int64List", "true"), _list("int64List", '""'),
    _list("bytesList", '"YWI="', '"_-8"', '"YW+/"', '"YWI"', '""', '"YQ=="'),
    _list("bytes_list", '"YQ"'), _list("bytesList", '"!"'), _list("bytesList", '"YW I="'),
    _list("bytesList", '"Y"'), _list("bytesList", "1"), _list("bytesList", "null"),
    '{"features":{}', '{"features"}',
]  # fmt: skip
for _text in JSON:

    @case("DecodeJSONExample", text=_text)
    def decode_json(text):
        return RAW.DecodeJSONExample(json_examples=feed([text]))


case("DecodeJSONExample", text=JSON[0])(
    lambda text: RAW.DecodeJSONExample(json_examples=feed([[text], [JSON[5]]]))
)
case("DecodeJSONExample", text=JSON[0])(
    lambda text: RAW.DecodeJSONExample(json_examples=feed(text))
)
