"""Normalisation by statistics of a batch, or of neighbouring channels."""

import numpy as np
import tensorflow as tf
from record_cases import case, feed

RAW = tf.raw_ops
rng = np.random.default_rng(14)
BFLOAT16 = tf.bfloat16.as_numpy_dtype


def _vector(size):
    return rng.uniform(0.2, 2, size).astype(np.float32)


def _batch_norm(
    shape=(2, 3, 2, 3),
    size=3,
    name="FusedBatchNormV3",
    dtype="f",
    training=False,
    outputs=None,
    statistics=None,
    data_format="NHWC",
    **attrs,
):
    made = getattr(RAW, name)(
        x=feed(rng.normal(size=shape).astype(dtype), shape=None if size != 3 else "rank"),
        scale=tf.constant(_vector(3)),
        offset=tf.constant(_vector(3)),
        mean=feed(_vector(size if statistics is None else statistics), shape=None),
        variance=feed(_vector(size if statistics is None else statistics), shape=None),
        is_training=training,
        data_format=data_format,
        **attrs,
    )
    return list(made)[:outputs]


_FIRST = {"shape": (2, 3, 2, 3), "data_format": "NCHW"}
for _op in ("FusedBatchNorm", "FusedBatchNormV2", "FusedBatchNormV3"):
    for _training in (False, True):
        for _options in (
            {},
            {"epsilon": 0.1},
            {"exponential_avg_factor": 0.25},
            _FIRST,
            {"shape": (1, 1, 1, 3)},
            {"shape": (0, 3, 2, 3)},
            {"size": 2},
            {"statistics": 0},
            {"statistics": 0, "exponential_avg_factor": 0.25},
        )[: None if _op == "FusedBatchNorm" else 5]:
            case(_op, name=_op, training=_training, **_options)(_batch_norm)
for _op in ("FusedBatchNormV2", "FusedBatchNormV3"):
    # What a reserve holds is undefined where there is nothing to reuse.
    case(_op, name=_op, dtype="e", outputs=3, tolerance=2e-3)(_batch_norm)
    case(_op, name=_op, dtype="e", training=True, tolerance=2e-3)(_batch_norm)
    case(_op, name=_op, dtype=BFLOAT16, tolerance=2e-2)(_batch_norm)
    case(_op, name=_op, dtype=BFLOAT16, training=True, tolerance=2e-2)(_batch_norm)
for _options in ({"data_format": "NDHWC"}, {"shape": (1, 3, 2, 2, 3), "data_format": "NCDHW"}):
    _options = {"shape": (1, 2, 2, 2, 3), "name": "FusedBatchNormV3"} | _options
    case("FusedBatchNormV3", outputs=3, **_options)(_batch_norm)
    case("FusedBatchNormV3", training=True, **_options)(_batch_norm)


@case("FusedBatchNormV3", data_format="NHWC")
@case("FusedBatchNormV3", data_format="NCHW")
def constant_statistics(data_format):
    return RAW.FusedBatchNormV3(
        x=feed(rng.normal(size=(2, 3, 2, 3)).astype(np.float32)),
        scale=tf.constant(_vector(3)),
        offset=tf.constant(_vector(3)),
        mean=tf.constant(_vector(3)),
        variance=tf.constant(_vector(3)),
        is_training=False,
        data_format=data_format,
    )[0]


@case("FusedBatchNormV3")
def infinite_and_not_a_number():
    x = rng.normal(size=(1, 2, 2, 2)).astype(np.float32)
    x[0, 0, 0] = np.inf, np.nan
    return RAW.FusedBatchNormV3(
        x=feed(x),
        scale=[1.0, 2.0],
        offset=[1.0, 2.0],
        mean=[0.0, 1.0],
        variance=[1.0, 2.0],
        is_training=False,
    )[0]


@case("BatchNormWithGlobalNormalization")
@case("BatchNormWithGlobalNormalization", scales=True)
@case("BatchNormWithGlobalNormalization", epsilon=0.5)
@case("BatchNormWithGlobalNormalization", dtype="d", scales=True)
@case("BatchNormWithGlobalNormalization", dtype="e", scales=True, tolerance=2e-3)
@case("BatchNormWithGlobalNormalization", shape=(2, 2, 3))
def of_old_graphs(scales=False, epsilon=0.01, dtype="f", shape=(1, 2, 2, 3)):
    # TensorFlow still runs it in graphs that were written by old versions only.
    inputs = [feed(rng.normal(size=shape).astype(dtype), shape=None)]
    inputs += [feed(_vector(n).astype(dtype), shape=None) for n in (3, 3, 3, 3)]
    graph = tf.compat.v1.GraphDef()
    graph.versions.producer = 8
    names = [f"arg_{i}" for i in range(len(inputs))]
    for name in names:
        graph.node.add(name=name, op="Placeholder").attr["dtype"].type = inputs[
            0
        ].dtype.as_datatype_enum
    node = graph.node.add(name="y", op="BatchNormWithGlobalNormalization", input=names)
    node.attr["T"].type = inputs[0].dtype.as_datatype_enum
    node.attr["variance_epsilon"].f = epsilon
    node.attr["scale_after_normalization"].b = scales
    return tf.graph_util.import_graph_def(graph, dict(zip(names, inputs, strict=True)), ["y:0"])


@case("LRN")
@case("LRN", depth_radius=1)
@case("LRN", depth_radius=0)
@case("LRN", depth_radius=2, bias=2.0)
@case("LRN", depth_radius=2, alpha=0.01, beta=0.75)
@case("LRN", depth_radius=2, beta=2.0)
@case("LRN", dtype="e", tolerance=3e-3)
@case("LRN", shape=(0, 2, 2, 7))
@case("LRN", shape=(2, 2, 7))
@case("LRN", depth_radius=-1)
def local_response(shape=(1, 2, 2, 7), dtype="f", **attrs):
    return RAW.LRN(input=feed(2 * rng.normal(size=shape).astype(dtype), shape=None), **attrs)
