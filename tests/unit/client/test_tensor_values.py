"""`make_tensor_proto` and `make_ndarray`; tests/parity compares them with TensorFlow's."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from servable import tensors
from servable.client import make_ndarray, make_tensor_proto
from servable.client.tensor_values import as_dtype
from servable.pb import framework_pb2


@pytest.mark.parametrize(
    ("values", "dtype", "field", "stored"),
    [
        (1.5, "DT_FLOAT", "float_val", [1.5]),
        (1, "DT_INT32", "int_val", [1]),
        (2**40, "DT_INT64", "int64_val", [2**40]),
        (True, "DT_BOOL", "bool_val", [True]),
        ("é", "DT_STRING", "string_val", ["é".encode()]),
        ([b"a\x00", "b"], "DT_STRING", "string_val", [b"a\x00", b"b"]),
        (np.float64(1.5), "DT_DOUBLE", "double_val", [1.5]),
        (np.array([1, 2], np.uint16), "DT_UINT16", "int_val", [1, 2]),
    ],
)
def test_values_become_fields(values: Any, dtype: str, field: str, stored: list[Any]) -> None:
    proto = make_tensor_proto(values)

    assert framework_pb2.DataType.Name(proto.dtype) == dtype
    assert list(getattr(proto, field)) == stored
    assert proto.tensor_content == b""


def test_several_numbers_are_written_as_their_memory() -> None:
    proto = make_tensor_proto([[1.0, 2.0]])

    assert proto.tensor_content == np.array([1, 2], np.float32).tobytes()
    assert [dim.size for dim in proto.tensor_shape.dim] == [1, 2]


def test_one_value_stands_for_a_whole_shape() -> None:
    proto = make_tensor_proto(1.5, shape=[2, 2])

    assert list(proto.float_val) == [1.5]
    assert make_ndarray(proto).tolist() == [[1.5, 1.5], [1.5, 1.5]]


@pytest.mark.parametrize(
    ("values", "options", "kind"),
    [
        (None, {}, ValueError),
        ([1, None], {}, ValueError),
        ([[1], [2, 3]], {}, ValueError),
        ([1, 2, 3], {"shape": [2]}, ValueError),
        ([-1], {"dtype": "uint8"}, ValueError),
        (1.5, {"dtype": "int32"}, TypeError),
        ("a", {"dtype": "float32"}, TypeError),
        (["a", 1], {"dtype": "string"}, TypeError),
        ([1.0], {"shape": [2], "verify_shape": True}, TypeError),
        ([1.0, 2.0], {"shape": [4], "allow_broadcast": True}, TypeError),
        (object(), {}, TypeError),
        (np.array(["2020"], "datetime64[s]"), {}, TypeError),
        (1, {"dtype": "nothing"}, TypeError),
    ],
)
def test_what_is_no_tensor_is_refused(
    values: Any, options: dict[str, Any], kind: type[Exception]
) -> None:
    with pytest.raises(kind):
        make_tensor_proto(values, **options)


def test_a_message_that_can_not_be_read_is_a_type_error() -> None:
    with pytest.raises(TypeError, match="dtype number 0"):
        make_ndarray(framework_pb2.TensorProto())


def test_the_array_may_be_written_to() -> None:
    array = make_ndarray(make_tensor_proto([1, 2]))
    array[0] = 7
    assert array.tolist() == [7, 2]


@pytest.mark.parametrize("name", [1, "float", "float32", np.float32, np.dtype("f4"), "f4"])
def test_a_dtype_has_many_names(name: Any) -> None:
    assert as_dtype(name) is tensors.FLOAT
