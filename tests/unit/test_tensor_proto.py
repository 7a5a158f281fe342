"""TensorProto <-> numpy. The rule tables were recorded from TensorFlow 2.21's ParseTensor."""

from __future__ import annotations

from typing import Any

import ml_dtypes
import numpy as np
import pytest
from google.protobuf import text_format
from hypothesis import example, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from servable import tensors, varint
from servable.errors import InvalidArgument, ResourceExhausted
from servable.pb import framework_pb2
from servable.tensor_proto import decode, decode_shape, encode
from servable.tensor_wire.write import MOST_MESSAGE_BYTES

NAN = float("nan")
VALUE_DTYPES = [dtype for dtype in tensors.DTYPES if dtype.field]
NUMERIC_DTYPES = [dtype for dtype in VALUE_DTYPES if dtype is not tensors.STRING]


def proto(text: str) -> framework_pb2.TensorProto:
    message = framework_pb2.TensorProto()
    text_format.Parse(text, message)
    return message


THREE_ELEMENTS: list[tuple[str, list[Any]]] = [
    # exactly as many values as elements, in every value field
    ("dtype: DT_FLOAT float_val: [1, 2.5, -3]", [1.0, 2.5, -3.0]),
    ("dtype: DT_DOUBLE double_val: [1, 2.5, -3]", [1.0, 2.5, -3.0]),
    ("dtype: DT_INT32 int_val: [1, -2147483648, 3]", [1, -(2**31), 3]),
    ("dtype: DT_INT64 int64_val: [1, -9223372036854775808, 3]", [1, -(2**63), 3]),
    ("dtype: DT_UINT32 uint32_val: [1, 4294967295, 3]", [1, 2**32 - 1, 3]),
    ("dtype: DT_UINT64 uint64_val: [1, 18446744073709551615, 3]", [1, 2**64 - 1, 3]),
    ("dtype: DT_BOOL bool_val: [true, false, true]", [True, False, True]),
    ('dtype: DT_STRING string_val: ["a", "", "\\377"]', [b"a", b"", b"\xff"]),
    ("dtype: DT_COMPLEX64 scomplex_val: [1, 2, 3, 4, 5, 6]", [1 + 2j, 3 + 4j, 5 + 6j]),
    # fewer values: the last one is repeated
    ("dtype: DT_FLOAT float_val: [1, 2]", [1.0, 2.0, 2.0]),
    ("dtype: DT_BOOL bool_val: true", [True, True, True]),
    ("dtype: DT_QINT32 int_val: 3", [3, 3, 3]),
    ("dtype: DT_UINT64 uint64_val: [1, 18446744073709551615]", [1, 2**64 - 1, 2**64 - 1]),
    ('dtype: DT_STRING string_val: ["a", "b"]', [b"a", b"b", b"b"]),
    ("dtype: DT_COMPLEX64 scomplex_val: [1, 2]", [1 + 2j, 1 + 2j, 1 + 2j]),
    ('dtype: DT_FLOAT8_E5M2 float8_val: "\\074\\000"', [1.0, 0.0, 0.0]),
    # no values: zeros
    ("dtype: DT_FLOAT", [0.0, 0.0, 0.0]),
    ("dtype: DT_STRING", [b"", b"", b""]),
    ("dtype: DT_FLOAT8_E5M2", [0.0, 0.0, 0.0]),
    ("dtype: DT_BFLOAT16", [0.0, 0.0, 0.0]),
    # values in another dtype's field do not count
    ("dtype: DT_FLOAT int_val: [1, 2, 3]", [0.0, 0.0, 0.0]),
    # more values than elements: the surplus is dropped
    ("dtype: DT_INT64 int64_val: [1, 2, 3, 4]", [1, 2, 3]),
    ("dtype: DT_COMPLEX128 dcomplex_val: [1, 2, 3, 4, 5, 6, 7, 8]", [1 + 2j, 3 + 4j, 5 + 6j]),
    ('dtype: DT_FLOAT8_E4M3FN float8_val: "\\074\\000\\001\\002"', [1.5, 0.0, 0.001953125]),
    # half of a complex number does not count
    ("dtype: DT_COMPLEX64 scomplex_val: [1, 2, 3]", [1 + 2j, 1 + 2j, 1 + 2j]),
    ("dtype: DT_COMPLEX64 scomplex_val: 1", [0j, 0j, 0j]),
    # small integers wrap
    ("dtype: DT_INT8 int_val: [300, -129]", [44, 127, 127]),
    ("dtype: DT_QINT8 int_val: [300, -129]", [44, 127, 127]),
    ("dtype: DT_UINT8 int_val: [300, -129]", [44, 127, 127]),
    ("dtype: DT_UINT16 int_val: [70000, -1]", [4464, 65535, 65535]),
    ("dtype: DT_QUINT16 int_val: [3, 70000]", [3, 4464, 4464]),
    ("dtype: DT_INT4 int_val: [1, -8, 9]", [1, -8, -7]),
    ("dtype: DT_UINT4 int_val: [1, -8, 17]", [1, 8, 1]),
    # half-precision fields hold bit patterns
    ("dtype: DT_HALF half_val: [15360, 81000, -1]", [1.0, 1.1015625, NAN]),
    ("dtype: DT_BFLOAT16 half_val: [16256, 81792]", [1.0, 1.0, 1.0]),
    # content is used exclusively
    ('dtype: DT_FLOAT float_val: 7 tensor_content: "\\000\\000\\200\\077\\000\\000\\000\\000'
     '\\000\\000\\000\\300"', [1.0, 0.0, -2.0]),
    ('dtype: DT_FLOAT float_val: 1 tensor_content: ""', [1.0, 1.0, 1.0]),
    ('dtype: DT_INT4 tensor_content: "\\001\\017\\010"', [1, -1, -8]),
    ('dtype: DT_UINT4 tensor_content: "\\001\\377\\010"', [1, 15, 8]),
    ('dtype: DT_BOOL tensor_content: "\\000\\001\\000"', [False, True, False]),
    # strings in content: all lengths, then all bytes; a length may be padded
    ('dtype: DT_STRING tensor_content: "\\001\\000\\002abc"', [b"a", b"", b"bc"]),
    ('dtype: DT_STRING tensor_content: "\\201\\000\\000\\002abc"', [b"a", b"", b"bc"]),
]  # fmt: skip


@pytest.mark.parametrize(("text", "expected"), THREE_ELEMENTS)
def test_decodes_three_elements_as_tensorflow_does(text: str, expected: list[Any]) -> None:
    array = decode(proto(text + " tensor_shape { dim { size: 3 } }"))
    assert array.shape == (3,)
    np.testing.assert_array_equal(array.tolist(), np.array(expected, dtype=object).tolist())


@pytest.mark.parametrize("dtype", VALUE_DTYPES, ids=str)
def test_the_array_has_the_numpy_type_of_the_dtype(dtype: tensors.DType) -> None:
    assert decode(proto(f"dtype: {dtype.wire_name}")).dtype == dtype.numpy


@pytest.mark.parametrize(
    ("text", "shape"),
    [
        ("", ()),
        ("tensor_shape { }", ()),
        ("tensor_shape { dim { size: 1 } dim { size: 2 } }", (1, 2)),
        ("tensor_shape { dim { size: 2 } dim { size: 0 } }", (2, 0)),
        ('tensor_shape { dim { size: 0 } } tensor_content: "four"', (0,)),
        ("tensor_shape { dim { size: 0 } } float_val: 1", (0,)),
    ],
)
def test_shapes_that_decode(text: str, shape: tuple[int, ...]) -> None:
    assert decode(proto("dtype: DT_FLOAT " + text)).shape == shape


HUGE = 2**32
REFUSED = [
    ("no dtype", "float_val: 1"),
    ("unknown dtype", "dtype: 99"),
    ("reference dtype", "dtype: DT_FLOAT_REF float_val: 1"),
    ("reference to nothing", "dtype: 100"),
    ("resource", "dtype: DT_RESOURCE"),
    ("variant", "dtype: DT_VARIANT"),
    ("unknown rank", "dtype: DT_FLOAT tensor_shape { unknown_rank: true }"),
    ("unknown size", "dtype: DT_FLOAT tensor_shape { dim { size: -1 } }"),
    ("negative size beside zero",
     "dtype: DT_FLOAT tensor_shape { dim { size: 0 } dim { size: -1 } }"),
    ("overflow",
     f"dtype: DT_FLOAT tensor_shape {{ dim {{ size: {HUGE} }} dim {{ size: {HUGE} }} }}"),
    ("overflow before a zero",
     f"dtype: DT_FLOAT tensor_shape {{ dim {{ size: {HUGE} }} dim {{ size: {HUGE} }}"
     " dim { size: 0 } }"),
    ("more than numpy can name",
     "dtype: DT_FLOAT tensor_shape { dim { size: 0 } dim { size: 9223372036854775807 } }"),
    ("rank", "dtype: DT_FLOAT tensor_shape {" + " dim { size: 1 }" * 65 + "}"),
    ("short content",
     'dtype: DT_FLOAT tensor_shape { dim { size: 3 } } tensor_content: "twelve bytes -"'),
    ("ragged content", 'dtype: DT_FLOAT tensor_content: "abc"'),
    ("bool content", 'dtype: DT_BOOL tensor_content: "\\002"'),
    ("int4 content", 'dtype: DT_INT4 tensor_shape { dim { size: 3 } } tensor_content: "\\001"'),
    ("string content, more bytes", 'dtype: DT_STRING tensor_content: "\\001ab"'),
    ("string content, fewer bytes", 'dtype: DT_STRING tensor_content: "\\003ab"'),
    ("string content, fewer lengths",
     'dtype: DT_STRING tensor_shape { dim { size: 2 } } tensor_content: "\\200\\200"'),
    ("string content, endless length",
     'dtype: DT_STRING tensor_content: "\\200\\200\\200\\200\\200\\200\\200\\200\\200\\200\\200"'),
    ("string content, length over 32 bits",
     'dtype: DT_STRING tensor_content: "\\201\\200\\200\\200\\200\\001"'),
    ("string content, no room for the lengths",
     'dtype: DT_STRING tensor_shape { dim { size: 100000000 } } tensor_content: "\\000"'),
]  # fmt: skip


@pytest.mark.parametrize("text", [text for _, text in REFUSED], ids=[name for name, _ in REFUSED])
def test_a_tensor_that_makes_no_sense_is_an_invalid_argument(text: str) -> None:
    with pytest.raises(InvalidArgument):
        decode(proto(text))


def test_a_few_bytes_that_declare_a_billion_equal_elements_take_no_memory() -> None:
    array = decode(proto("dtype: DT_INT8 int_val: 7 tensor_shape { dim { size: 1000000000 } }"))
    assert array.shape == (10**9,)
    assert array.strides == (0,)
    assert array[123456789] == 7


@pytest.mark.parametrize("values", ["", "float_val: 1", "float_val: [1, 2]"])
def test_the_limit_on_bytes_holds_for_repeated_values_too(values: str) -> None:
    message = proto(f"dtype: DT_FLOAT {values} tensor_shape {{ dim {{ size: 26 }} }}")
    assert decode(message, limit_bytes=104).shape == (26,)
    with pytest.raises(InvalidArgument, match="larger than 103 bytes"):
        decode(message, limit_bytes=103)


def test_content_is_not_copied_and_every_result_is_read_only() -> None:
    content = np.arange(4, dtype=np.float32)
    array = decode(encode(content, as_content=True))
    assert not array.flags.owndata
    assert not array.flags.writeable
    assert not decode(encode(content)).flags.writeable


@pytest.mark.parametrize(
    ("text", "shape"),
    [
        ("", ()),
        ("unknown_rank: true", None),
        ("dim { size: -1 } dim { size: 3 } dim { }", (None, 3, 0)),
    ],
)
def test_a_stored_shape_may_leave_sizes_open(text: str, shape: tensors.Shape) -> None:
    message = framework_pb2.TensorShapeProto()
    text_format.Parse(text, message)
    assert decode_shape(message) == shape


def test_a_stored_shape_with_a_size_below_minus_one_is_refused() -> None:
    message = framework_pb2.TensorShapeProto(dim=[framework_pb2.TensorShapeProto.Dim(size=-2)])
    with pytest.raises(InvalidArgument):
        decode_shape(message)


@pytest.mark.parametrize("dtype", NUMERIC_DTYPES, ids=str)
def test_each_dtype_is_written_to_its_own_field(dtype: tensors.DType) -> None:
    message = encode(np.ones((2, 1), dtype.numpy), dtype=dtype)
    filled = {field.name for field, _ in message.ListFields()}
    assert filled == {"dtype", "tensor_shape", dtype.field}
    assert message.dtype == dtype.enum


@pytest.mark.parametrize(
    "dtype", [dtype for dtype in VALUE_DTYPES if not dtype.name.startswith("q")], ids=str
)
def test_an_array_is_written_as_the_plain_dtype_of_its_type(dtype: tensors.DType) -> None:
    assert encode(np.zeros(0, dtype.numpy)).dtype == dtype.enum


def test_the_same_values_are_written_out_one_by_one() -> None:
    assert list(encode(np.zeros(3, np.float32)).float_val) == [0.0, 0.0, 0.0]
    assert list(encode(np.array([b"a", b"a"], object)).string_val) == [b"a", b"a"]


def test_half_precision_is_written_as_bit_patterns() -> None:
    assert list(encode(np.array([1.0, -2.0], np.float16)).half_val) == [0x3C00, 0xC000]
    assert list(encode(np.array([1.0], ml_dtypes.bfloat16)).half_val) == [0x3F80]


def test_content_is_little_endian_and_leaves_the_value_fields_empty() -> None:
    message = encode(np.array([2.5, 3.0, 4.5], np.float32), as_content=True)
    assert message.tensor_content == bytes.fromhex("000020400000404000009040")
    assert not message.float_val


def test_string_content_holds_all_lengths_first() -> None:
    message = encode(np.array([b"a" * 200, b""], object), as_content=True)
    assert message.tensor_content == b"\xc8\x01\x00" + b"a" * 200


def test_a_scalar_is_written_with_its_shape_set() -> None:
    message = encode(np.array(1.0))
    assert message.HasField("tensor_shape")
    assert not message.tensor_shape.dim


@pytest.mark.parametrize(
    ("array", "strings"),
    [
        (np.array(["ü", "b"]), ["ü".encode(), b"b"]),
        (np.array([b"x", b"yz"]), [b"x", b"yz"]),
        (np.array(["text", b"bytes"], object), [b"text", b"bytes"]),
    ],
)
def test_numpy_strings_are_written_as_bytes(array: tensors.Array, strings: list[bytes]) -> None:
    message = encode(array)
    assert message.dtype == framework_pb2.DT_STRING
    assert list(message.string_val) == strings


@pytest.mark.parametrize(
    "array",
    [
        np.arange(6, dtype=np.int32).reshape(2, 3).T,
        np.arange(6, dtype=np.float32)[::2],
        np.arange(6, dtype=">i4"),
        np.broadcast_to(np.float64(3), (2, 2)),
    ],
    ids=["transposed", "strided", "big-endian", "broadcast"],
)
@pytest.mark.parametrize("as_content", [False, True])
def test_any_memory_layout_is_written_in_order(array: tensors.Array, as_content: bool) -> None:
    np.testing.assert_array_equal(decode(encode(array, as_content=as_content)), array)


@pytest.mark.parametrize(
    ("array", "dtype"),
    [
        (np.array(["2026-01-01"], "datetime64[D]"), None),
        (np.array([1, 2], object), None),
        (np.array([1.0], np.float64), tensors.FLOAT),
        (np.array([1.0], np.float64), tensors.STRING),
        (np.array([None], object), tensors.RESOURCE),
    ],
    ids=["datetime", "objects", "other type", "not strings", "resource"],
)
def test_what_tensorflow_can_not_hold_is_refused(
    array: tensors.Array, dtype: tensors.DType | None
) -> None:
    with pytest.raises(InvalidArgument):
        encode(array, dtype=dtype)


SHAPES = hnp.array_shapes(min_dims=0, max_dims=4, min_side=0, max_side=4)


@st.composite
def numeric(draw: st.DrawFn) -> tuple[tensors.DType, tensors.Array]:
    """Any bit pattern of any dtype with elements of a fixed size."""
    dtype = draw(st.sampled_from(NUMERIC_DTYPES))
    shape = draw(SHAPES)
    size = int(np.prod(shape)) * dtype.numpy.itemsize
    raw = draw(st.binary(min_size=size, max_size=size))
    if dtype is tensors.BOOL:
        raw = bytes(byte & 1 for byte in raw)
    elif dtype in (tensors.INT4, tensors.UINT4):
        raw = bytes(byte & 15 for byte in raw)
    return dtype, np.frombuffer(raw, dtype.numpy).reshape(shape)


@settings(deadline=None)
@given(numeric(), st.booleans())
def test_what_is_written_reads_back_bit_for_bit(
    case: tuple[tensors.DType, tensors.Array], as_content: bool
) -> None:
    dtype, array = case
    wire = encode(array, dtype=dtype, as_content=as_content).SerializeToString()
    message = framework_pb2.TensorProto.FromString(wire)
    back = decode(message)
    assert (back.dtype, back.shape) == (array.dtype, array.shape)
    assert back.tobytes() == array.tobytes()
    assert message.dtype == dtype.enum


@settings(deadline=None)
@given(hnp.arrays(object, SHAPES, elements=st.binary(max_size=300)), st.booleans())
def test_strings_read_back(array: tensors.Array, as_content: bool) -> None:
    back = decode(encode(array, as_content=as_content))
    assert back.shape == array.shape
    assert back.tolist() == array.tolist()


@settings(deadline=None)
@given(st.integers(0, varint.MAX_UINT64), st.binary(max_size=3))
@example(varint.MAX_UINT64, b"")
def test_varints_read_back_and_stop_at_their_end(number: int, rest: bytes) -> None:
    encoded = varint.encode(number)
    assert varint.read(b"!" + encoded + rest, 1) == (number, 1 + len(encoded))


@settings(deadline=None)
@given(st.binary(max_size=80))
def test_bytes_of_any_kind_decode_or_are_refused(data: bytes) -> None:
    message = framework_pb2.TensorProto(dtype=framework_pb2.DT_STRING, tensor_content=data)
    message.tensor_shape.dim.add(size=3)
    try:
        array = decode(message)
    except InvalidArgument:
        return
    assert sum(len(item) for item in array.tolist()) < max(len(data), 1)


def test_a_tensor_that_no_message_can_hold_is_refused_before_it_is_copied() -> None:
    huge = np.broadcast_to(np.float32(0), (MOST_MESSAGE_BYTES // 4 + 1,))
    with pytest.raises(ResourceExhausted, match="do not fit a message"):
        encode(huge)
