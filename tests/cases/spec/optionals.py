"""Values that hold others, and ops that only have to be there."""

import numpy as np
import tensorflow as tf
from record_cases import case, feed, raw_case

RAW = tf.raw_ops
F = np.float32


@case("OptionalFromValue", values=[np.arange(3), F(2)])
@case("OptionalFromValue", values=[np.array(["a", "b"])])
@case("OptionalGetValue", values=[np.arange(3), F(2)])
@case("OptionalGetValue", values=[np.arange(3), F(2)], types=[tf.float32, tf.float32])
@case("OptionalHasValue", values=[np.arange(3)])
def something(values, types=None):
    given = [feed(value) for value in values]
    optional = RAW.OptionalFromValue(components=given)
    dtypes = types or [t.dtype for t in given]
    shapes = [None] * len(given)
    got = RAW.OptionalGetValue(optional=optional, output_types=dtypes, output_shapes=shapes)
    return [RAW.OptionalHasValue(optional=optional), *got]


@case("OptionalNone", get=False)
@case("OptionalNone", get=True)
def nothing(get):
    optional = RAW.OptionalNone()
    if not get:
        return RAW.OptionalHasValue(optional=optional)
    return RAW.OptionalGetValue(optional=optional, output_types=[tf.float32], output_shapes=[None])


def _map(keys, values):
    made = RAW.EmptyTensorMap()
    for key, value in zip(keys, values, strict=True):
        made = RAW.TensorMapInsert(input_handle=made, key=feed(key), value=feed(value))
    return made


_KEYS = [np.int64(3), np.int64(5), np.int64(3)]
_VALUES = [F([1, 2]), F([3]), F([4, 5])]
_WORDS = [np.array(["a", "bc"]), np.array(["ab", "c"])]


def tensor_map(keys=_KEYS, values=_VALUES, key=3, erase=None):
    made = _map(keys, values)
    if erase is not None:
        made = RAW.TensorMapErase(
            input_handle=made, key=feed(np.asarray(erase)), value_dtype=values[0].dtype
        )
    key = feed(np.asarray(key))
    found = RAW.TensorMapLookup(input_handle=made, key=key, value_dtype=values[0].dtype)
    return [
        RAW.TensorMapSize(input_handle=made),
        RAW.TensorMapHasKey(input_handle=made, key=key),
        found,
    ]


for _op in ("TensorMapSize", "TensorMapHasKey", "TensorMapLookup", "TensorMapInsert"):
    case(_op)(tensor_map)
case("TensorMapLookup", key=5)(tensor_map)
case("TensorMapLookup", key=7)(tensor_map)
case("TensorMapLookup", keys=_WORDS, values=_VALUES[:2], key=["ab", "c"])(tensor_map)
case("TensorMapErase", erase=5)(tensor_map)
case("TensorMapErase", erase=3)(tensor_map)
case("TensorMapErase", erase=9)(tensor_map)


@case("EmptyTensorMap")
def empty_map():
    made = RAW.EmptyTensorMap()
    return RAW.TensorMapSize(input_handle=made), RAW.TensorMapHasKey(
        input_handle=made, key=feed(np.int64(1))
    )


@case("TensorMapStackKeys", keys=_KEYS)
@case("TensorMapStackKeys", keys=[])
@case("TensorMapStackKeys", keys=[np.int64(1), np.int64([1])])
def stack_keys(keys):
    """The order is open."""
    keys = RAW.TensorMapStackKeys(input_handle=_map(keys, _VALUES[: len(keys)]), key_dtype=tf.int64)
    return tf.sort(keys)


@case("ControlTrigger")
def trigger():
    x = feed(F([1, 2]))
    with tf.control_dependencies([RAW.ControlTrigger()]):
        return tf.identity(x)


@case("FakeParam", shape=[2, 3])
@case("FakeParam", shape=[0])
def fake_param(shape):
    """What is in it is open."""
    return tf.shape(RAW.FakeParam(dtype=tf.float32, shape=shape))


@case("DeviceIndex", names=["GPU", "CPU"])
@case("DeviceIndex", names=["CPU", "GPU"])
@case("DeviceIndex", names=["GPU", "TPU"])
def device_index(names):
    return RAW.DeviceIndex(device_names=names)


for _values in ([F([[1, 2]]), F([[3, 4]])], [np.array([["a"]]), np.array([["b"]])], [F([7])]):
    raw_case("ParallelConcat", "", shape=[len(_values), *_values[0].shape[1:]], values=_values)
