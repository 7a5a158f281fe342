"""Cells of recurrent networks that TensorFlow computes in one op."""

import numpy as np
import tensorflow as tf
from record_cases import case, feed

RAW = tf.raw_ops
rng = np.random.default_rng(16)


def _values(*shape, dtype="f"):
    return rng.normal(size=shape).astype(dtype)


def _weights(inputs, size, dtype, wrong=0):
    return {
        "w": tf.constant(_values(inputs + size, 4 * size + wrong, dtype=dtype)),
        "wci": tf.constant(_values(size, dtype=dtype)),
        "wcf": tf.constant(_values(size, dtype=dtype)),
        "wco": tf.constant(_values(size, dtype=dtype)),
        "b": tf.constant(_values(4 * size, dtype=dtype)),
    }


def _cell(batch=2, inputs=3, size=2, dtype="f", wrong=0, rank=2, **attrs):
    return RAW.LSTMBlockCell(
        x=feed(_values(batch, inputs, *(1,) * (rank - 2), dtype=dtype), shape=None),
        cs_prev=feed(2 * _values(batch, size, dtype=dtype), shape=None),
        h_prev=feed(_values(batch, size + wrong, dtype=dtype), shape=None),
        **_weights(inputs, size, dtype),
        **attrs,
    )


for _options in (
    {},
    {"forget_bias": 0.0},
    {"cell_clip": 0.5},
    {"cell_clip": -1.0},
    {"use_peephole": True},
    {"use_peephole": True, "cell_clip": 0.5},
    {"batch": 0},
    {"wrong": 1},
    {"rank": 3},
    {"dtype": "e", "tolerance": 5e-3},
):
    case("LSTMBlockCell", **_options)(_cell)


def _block(
    name="BlockLSTM",
    steps=None,
    time=3,
    batch=2,
    inputs=3,
    size=2,
    dtype="f",
    wrong=0,
    outputs=range(7),
    **attrs,
):
    made = getattr(RAW, name)(
        seq_len_max=tf.constant(time, tf.int64) if steps is None else feed(steps, np.int64),
        x=feed(_values(time, batch, inputs, dtype=dtype)),
        cs_prev=tf.constant(2 * _values(batch, size, dtype=dtype)),
        h_prev=feed(_values(batch, size, dtype=dtype), shape=None),
        **_weights(inputs, size, dtype, wrong),
        **attrs,
    )
    return [made[i] for i in outputs]


for _op in ("BlockLSTM", "BlockLSTMV2"):
    for _options in (
        {},
        {"cell_clip": 0.5},
        {"use_peephole": True},
        # What the other outputs hold behind the last step is undefined.
        {"steps": 2, "outputs": (1, 6)},
        {"steps": 0, "outputs": (1, 6)},
        {"batch": 0},
        {"wrong": 4},
        {"outputs": (6,)},
        {"outputs": (6,), "steps": 2},
        {"dtype": "e", "tolerance": 5e-3},
    ):
        case(_op, name=_op, **_options)(_block)
case("BlockLSTM", forget_bias=0.25)(_block)
case("BlockLSTM", cell_clip=-1.0)(_block)


@case("GRUBlockCell")
@case("GRUBlockCell", batch=0)
@case("GRUBlockCell", wrong=1)
@case("GRUBlockCell", outputs=(3,))
def gru(batch=2, inputs=3, size=2, wrong=0, outputs=range(4)):
    made = RAW.GRUBlockCell(
        x=feed(_values(batch, inputs)),
        h_prev=feed(_values(batch, size), shape=None),
        w_ru=tf.constant(_values(inputs + size, 2 * size)),
        w_c=feed(_values(inputs + size + wrong, size), shape=None),
        b_ru=tf.constant(_values(2 * size)),
        b_c=tf.constant(_values(size)),
    )
    return [made[i] for i in outputs]
