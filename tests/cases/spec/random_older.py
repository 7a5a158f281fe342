"""Random numbers of ops that graphs no longer have."""

import numpy as np
import tensorflow as tf
from record_cases import case, feed

RATES = np.array([0.0, 0.5, 3.0, 9.9, 10.0, 200.0])


def poisson(dtype=np.float32, seed=5, seed2=7, shape=(6,), rates=RATES):
    """Samples, in a graph of when the op was not yet replaced."""
    graph = tf.compat.v1.GraphDef()
    graph.versions.producer = 24
    tf.import_graph_def(graph, name="")
    sizes = feed(np.array(shape, np.int32), shape=None)
    return tf.raw_ops.RandomPoisson(
        shape=sizes, rate=feed(rates.astype(dtype)), seed=seed, seed2=seed2
    )


for _dtype in (np.float16, np.float32, np.float64):
    case("RandomPoisson", dtype=_dtype)(poisson)
    case("RandomPoisson", dtype=_dtype, seed=0, seed2=9)(poisson)
case("RandomPoisson", shape=(0,))(poisson)
case("RandomPoisson", shape=(2, 3), rates=RATES[:0])(poisson)
case("RandomPoisson", shape=2)(poisson)
