"""`make_tensor_proto` and `make_ndarray` beside TensorFlow's, byte for byte."""

from __future__ import annotations

from collections.abc import Callable
from importlib.util import find_spec
from typing import Any

import ml_dtypes
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from servable.client import make_ndarray, make_tensor_proto

pytestmark = [
    pytest.mark.parity,
    pytest.mark.skipif(
        find_spec("tensorflow") is None, reason="needs the environment of `make parity`"
    ),
]

DTYPES = [
    "float16", "float32", "float64", "int8", "int16", "int32", "int64", "uint8", "uint16",
    "uint32", "uint64", "bool", "complex64", "complex128", "bfloat16", "string",
]  # fmt: skip

VALUES: list[Any] = [
    1, -1, 2**31, 2**40, True, 1.5, 1e40, float("nan"), 1 + 2j, "text", b"by\x00tes\x00", None,
    [], [[]], [1], [1, 2], [[1, 2], [3, 4]], [1, 2.5], [1, 2**40], [True, False], [True, 2],
    ["a", b"b"], [["a\x00"], ["\u00e9"]], ["a", 1], [1, None], [[1], [2, 3]], [300], [-1], (1, 2),
    np.float64(1.5), np.int64(3), np.float32([1, 2]), np.arange(6).reshape(2, 3),
    np.arange(6).reshape(2, 3).T, np.array(5), np.zeros((0, 3)), np.array(["a", "bc"]),
    np.array([b"a", "b"], dtype=object), np.array([True]),
    np.array([1, 2], ml_dtypes.bfloat16), np.array([1 + 1j, 2]), [np.float64(1), np.float64(2)],
    [np.int64(7)], object(),
]  # fmt: skip

SHAPES: list[tuple[int, ...] | None] = [None, (2, 2), (1,), (0,), (4,)]


def outcome(function: Callable[[], Any]) -> Any:
    """Return a message's fields, or the kind of error."""
    try:
        proto = function()
    except (ValueError, TypeError) as error:
        return TypeError if isinstance(error, TypeError) else ValueError
    return proto.SerializeToString(deterministic=True)


@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("dtype", [None, *DTYPES])
@pytest.mark.filterwarnings("ignore::RuntimeWarning", "ignore:Casting complex values")
def test_every_value_gives_the_same_message_or_is_refused_by_both(
    dtype: str | None, shape: tuple[int, ...] | None
) -> None:
    import tensorflow as tf

    if (dtype, shape) == ("string", (0,)):
        pytest.skip("TensorFlow writes values into an empty string tensor; we do not")
    different = {}
    for value in VALUES:
        ours = outcome(lambda v=value: make_tensor_proto(v, dtype, shape))  # type: ignore[misc]  # mypy cannot infer the default's type
        theirs = outcome(lambda v=value: tf.make_tensor_proto(v, dtype, shape))  # type: ignore[misc]  # as above
        refused = isinstance(ours, type) and isinstance(theirs, type)
        # TensorFlow lets numbers that do not fit wrap around, or writes them as they are.
        refused |= ours is ValueError and "int" in str(dtype)
        if ours != theirs and not refused:
            different[repr(value)] = (ours, theirs)
    assert different == {}


@pytest.mark.parametrize("options", [{"verify_shape": True}, {"allow_broadcast": True}])
@pytest.mark.parametrize("shape", [(2,), (2, 1), (4,), ()])
@pytest.mark.parametrize("value", [1.5, [1.5], [1.0, 2.0], [[1.0, 2.0]]])
def test_shapes_are_verified_and_broadcast_alike(
    value: Any, shape: tuple[int, ...], options: dict[str, bool]
) -> None:
    import tensorflow as tf

    ours = outcome(lambda: make_tensor_proto(value, shape=shape, **options))
    assert ours == outcome(lambda: tf.make_tensor_proto(value, shape=shape, **options))


@given(
    hnp.arrays(
        st.sampled_from(["f2", "f4", "f8", "i1", "i4", "i8", "u2", "u8", "?", "c8", "c16"]),
        hnp.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=3),
    )
)
def test_each_reads_what_the_other_writes(array: Any) -> None:
    import tensorflow as tf
    from tensorflow.core.framework import tensor_pb2

    from servable.pb import framework_pb2

    ours, theirs = make_tensor_proto(array), tf.make_tensor_proto(array)
    read = make_ndarray(framework_pb2.TensorProto.FromString(theirs.SerializeToString()))
    np.testing.assert_array_equal(read, array)
    assert read.dtype == array.dtype
    back = tf.make_ndarray(tensor_pb2.TensorProto.FromString(ours.SerializeToString()))
    np.testing.assert_array_equal(back, array)


@pytest.mark.parametrize(
    "fields",
    [
        {"dtype": 1, "float_val": [1.0, 2.0], "tensor_shape": {"dim": [{"size": 4}]}},
        {"dtype": 3, "tensor_shape": {"dim": [{"size": 2}]}},
        {"dtype": 7, "string_val": [b"a"], "tensor_shape": {"dim": [{"size": 3}]}},
        {"dtype": 14, "half_val": [16256], "tensor_shape": {}},
        {"dtype": 10, "bool_val": [True], "tensor_shape": {"dim": [{"size": 2}]}},
        {"dtype": 8, "scomplex_val": [1.0, 2.0], "tensor_shape": {"dim": [{"size": 1}]}},
    ],
    ids=lambda fields: str(fields["dtype"]),
)
def test_short_value_lists_are_read_alike(fields: dict[str, Any]) -> None:
    import tensorflow as tf
    from tensorflow.core.framework import tensor_pb2

    from servable.pb import framework_pb2

    ours = make_ndarray(framework_pb2.TensorProto(**fields))
    theirs = tf.make_ndarray(tensor_pb2.TensorProto(**fields))
    assert ours.tolist() == theirs.tolist()
    assert (ours.dtype, ours.shape) == (theirs.dtype, theirs.shape)
    assert ours.flags.writeable
