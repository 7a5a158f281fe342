"""The largest, the nearest, what falls, and sequences of labels."""

import numpy as np
import tensorflow as tf
from record_cases import case, feed, raw_case

RAW = tf.raw_ops
rng = np.random.default_rng(56)


def _values(shape, dtype=np.float32):
    return rng.normal(size=shape).astype(dtype)


def approx_top_k(x, k, **attrs):
    return list(RAW.ApproxTopK(input=feed(x, shape=x.shape), k=k, **attrs))


for _k in (0, 1, 3, 5):
    case("ApproxTopK", x=_values((2, 5)), k=_k)(approx_top_k)
case("ApproxTopK", x=_values((2, 6), np.float16), k=2)(approx_top_k)

_POINTS, _CENTERS = _values((4, 3)), _values((5, 3))
for _k in (1, 3, 5, 7, 0):
    raw_case("NearestNeighbors", "", {"points": _POINTS, "centers": _CENTERS}, k=_k)
raw_case("NearestNeighbors", "", {"points": _POINTS, "centers": _CENTERS[:, :2]}, k=1, ranks=False)

for _x in (_values((3, 7)), np.array([[5, 3, 3, 1], [1, 2, 3, 4]], np.float32), _values((2, 0))):
    raw_case("IsotonicRegression", "", {"input": _x})
for _type in (tf.float32, tf.float64):
    _x = np.array([[4, 5, 1, 3, 2]], np.int32 if _type == tf.float64 else np.int16)
    raw_case("IsotonicRegression", "", {"input": _x}, output_dtype=_type)
raw_case("IsotonicRegression", "", {"input": _values((2, 6), np.float64)}, output_dtype=tf.float64)

_INDICES = np.array([[0, 0], [0, 1], [0, 2], [1, 0], [1, 1]], np.int64)


def loss(
    labels=(1, 1, 2, 0, 3),
    lengths=(6, 4),
    indices=_INDICES,
    dtype=np.float32,
    shape=(6, 2, 5),
    **attrs,
):
    return RAW.CTCLoss(
        inputs=feed(_values(shape, dtype), shape=None),
        labels_indices=feed(indices, shape=None),
        labels_values=feed(np.array(labels, np.int32), shape=None),
        sequence_length=feed(np.array(lengths, np.int32), shape=None),
        **attrs,
    )


for _collapse in (False, True):
    for _merge in (False, True):
        for _labels in ((1, 1, 2, 0, 3), (0, 1, 2, 3, 3)):
            case(
                "CTCLoss",
                labels=_labels,
                preprocess_collapse_repeated=_collapse,
                ctc_merge_repeated=_merge,
            )(loss)


@case("CTCLoss")
def double_loss():
    """TensorFlow computes some of it in 32 bits even so."""
    made = loss(dtype=np.float64)
    return [tf.cast(part, tf.float32) for part in made]


for _ignore in (False, True):
    for _lengths in ((6, 1), (3, 4), (0, 4), (6, 2)):
        case("CTCLoss", lengths=_lengths, ignore_longer_outputs_than_inputs=_ignore)(loss)
for _wrong in (
    {"lengths": (7, 4)},
    {"lengths": (6,)},
    {"labels": (1, 1, 2, 0, 4)},
    {"labels": (1, 4, 2, 0, 3)},
    {"labels": (1, 1, 2, 0, -1)},
    {"labels": (1, 1)},
    {"indices": _INDICES + np.array([2, 0])},
    {"shape": (6, 2)},
    {"indices": _INDICES[:3], "labels": (1, 2, 3)},
):
    case("CTCLoss", **_wrong)(loss)
