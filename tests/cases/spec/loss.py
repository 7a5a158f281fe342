"""Losses and other measures of predictions against labels."""

import numpy as np
import tensorflow as tf
from record_cases import case, feed

RAW = tf.raw_ops
rng = np.random.default_rng(15)
HALVES = ((np.float16, 2e-3), (tf.bfloat16.as_numpy_dtype, 2e-2))
LOGITS = rng.normal(size=(3, 4)).astype(np.float32)
STRANGE = np.array([[np.inf, 1, 2], [-np.inf, 1, 2], [np.nan, 1, 2]], "f")


for _x in (LOGITS, LOGITS[:0], LOGITS[0, 0], STRANGE, LOGITS.astype("d")):

    @case("L2Loss", x=_x)
    def half_the_squares(x):
        return RAW.L2Loss(t=feed(x))


for _dtype, _tolerance in HALVES:
    case("L2Loss", x=LOGITS.astype(_dtype), tolerance=_tolerance)(half_the_squares)


def _distribution(*shape, dtype="f"):
    values = rng.uniform(0, 1, shape)
    return (values / values.sum(axis=-1, keepdims=True)).astype(dtype)


def _softmax_loss(logits, labels):
    return RAW.SoftmaxCrossEntropyWithLogits(
        features=feed(logits, shape=None), labels=feed(labels, shape=None)
    )


for _logits, _labels in (
    (LOGITS, _distribution(3, 4)),
    (LOGITS, _distribution(1, 4)),
    (LOGITS[:1], _distribution(3, 4)),
    (LOGITS, _distribution(4)),
    (LOGITS, _distribution(3, 1)),
    (50 * LOGITS, _distribution(3, 4)),
    (LOGITS[0], _distribution(4)),
    (LOGITS, _distribution(3, 3)),
    (LOGITS[None], _distribution(1, 3, 4)),
    (LOGITS[:0], _distribution(0, 4)),
    (LOGITS[:, :0], _distribution(3, 0)),
    (STRANGE, _distribution(3, 3)),
    (LOGITS.astype("d"), _distribution(3, 4, dtype="d")),
):
    case("SoftmaxCrossEntropyWithLogits", logits=_logits, labels=_labels)(_softmax_loss)
for _dtype, _tolerance in HALVES:
    case(
        "SoftmaxCrossEntropyWithLogits",
        logits=LOGITS.astype(_dtype),
        labels=_distribution(3, 4, dtype=_dtype),
        tolerance=_tolerance,
    )(_softmax_loss)


def _class_loss(logits, labels, index="i"):
    return RAW.SparseSoftmaxCrossEntropyWithLogits(
        features=feed(logits, shape=None), labels=feed(np.array(labels, index), shape=None)
    )


for _logits, _labels in (
    (LOGITS, [0, 3, 2]),
    (50 * LOGITS, [1, 1, 1]),
    (LOGITS, [0, 4, 2]),
    (LOGITS, [0, -1, 2]),
    (LOGITS, [0, 1]),
    (LOGITS, [[0, 1, 2]]),
    (LOGITS[0], [0]),
    (LOGITS[:0], []),
    (LOGITS[:, :0], [0, 0, 0]),
    (STRANGE[1:2], [1]),
    (LOGITS.astype("d"), [0, 3, 2]),
):
    case("SparseSoftmaxCrossEntropyWithLogits", logits=_logits, labels=_labels)(_class_loss)
case("SparseSoftmaxCrossEntropyWithLogits", logits=LOGITS, labels=[0, 3, 2], index="q")(_class_loss)
for _dtype, _tolerance in HALVES:
    case(
        "SparseSoftmaxCrossEntropyWithLogits",
        logits=LOGITS.astype(_dtype),
        labels=[0, 3, 2],
        tolerance=_tolerance,
    )(_class_loss)


RANKED = np.array(
    [[0.1, 0.5, 0.5, 0.2], [1, np.inf, 3, 4], [1, 2, np.nan, 0], [3, 2, 1, 0]], np.float32
)


def _in_top_k(k, targets=(2, 0, 0, 1), index="i", name="InTopK", predictions=RANKED):
    return getattr(RAW, name)(
        predictions=feed(predictions, shape=None),
        targets=feed(np.array(targets, index), shape=None),
        k=k if name == "InTopK" else feed(np.array(k, index), shape=None),
    )


for _op in ("InTopK", "InTopKV2"):
    for _options in (
        *({"k": k} for k in (-1, 0, 1, 2, 3, 10)),
        {"k": 2, "targets": (9, -1, 4, 2)},
        {"k": 3, "index": "q"},
        {"k": 3, "targets": (1, 1)},
        {"k": 3, "predictions": RANKED[0]},
        {"k": 3, "predictions": RANKED[:0], "targets": ()},
        {"k": 3, "predictions": RANKED[:, :0]},
    ):
        case(_op, name=_op, **_options)(_in_top_k)
case("InTopKV2", name="InTopKV2", k=[1])(_in_top_k)
