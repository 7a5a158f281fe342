"""Loops over cells, as Keras writes its recurrent layers, and loops that only look like them."""

import numpy as np
import tensorflow as tf
from record_cases import case, feed

UNITS, INPUTS, STEPS = 4, 3, 5
rng = np.random.default_rng(3)


def weights(gates):
    def matrix(*shape):
        return tf.constant(rng.normal(size=shape).astype(np.float32) * 0.5)

    return (
        matrix(INPUTS, gates * UNITS),
        matrix(UNITS, gates * UNITS),
        matrix(gates * UNITS),
        matrix(gates * UNITS),
    )


def scan(step, states, every=True, steps=None, start=0, batch=2):
    """What Keras does: a While over a TensorList of inputs and one of outputs."""
    x = feed(rng.normal(size=(STEPS, batch, INPUTS)).astype(np.float32))
    count = tf.shape(x)[0] if steps is None else tf.constant(steps)
    source = tf.TensorArray(tf.float32, size=count, dynamic_size=False).unstack(x)
    target = tf.TensorArray(tf.float32, size=count if every else 1, element_shape=(None, UNITS))

    def body(time, target, *states):
        output, states = step(source.read(time), *states)
        return (time + 1, target.write(time if every else 0, output), *states)

    def looped(*states):
        return tf.while_loop(
            lambda time, *_: time < count,
            body,
            (tf.constant(start), target, *states),
            maximum_iterations=count,
        )

    time, target, *states = looped(*states)
    return (time, target.stack(), *states)


def zeros(number, batch=2):
    return tuple(feed(rng.normal(size=(batch, UNITS)).astype(np.float32)) for _ in range(number))


def lstm(order="ifgo", bias="after", forget=tf.sigmoid):
    k, r, b, _ = weights(4)

    def step(x, h, c):
        z = x @ k
        if bias == "before":
            z = tf.nn.bias_add(z, b)
        z = z + h @ r
        if bias == "after":
            z = tf.nn.bias_add(z, b)
        gates = dict(zip(order, tf.split(z, 4, axis=1), strict=True))
        c = forget(gates["f"]) * c + tf.sigmoid(gates["i"]) * tf.tanh(gates["g"])
        h = tf.sigmoid(gates["o"]) * tf.tanh(c)
        return h, (h, c)

    return step


def gru(after=True, split=True, swap=False):
    k, r, b, d = weights(3)

    def parts(value):
        if split:
            return tf.split(value, 3, axis=1)
        return value[:, :UNITS], value[:, UNITS : 2 * UNITS], value[:, 2 * UNITS :]

    def step(x, h):
        xz, xr, xh = tf.split(tf.nn.bias_add(x @ k, b), 3, axis=1)
        hz, hr, hh = parts(h @ r + d)
        z, reset = tf.sigmoid(xz + hz), tf.sigmoid(xr + hr)
        new = tf.tanh(xh + (reset * hh if after else (reset * h) @ r[:, 2 * UNITS :]))
        h = (1.0 - z) * h + z * new if swap else z * h + (1.0 - z) * new
        return h, (h,)

    return step


@case("_LSTM")
def lstm_of_every_step():
    return scan(lstm(), zeros(2))


@case("_LSTM")
def lstm_of_the_last_step():
    return scan(lstm(), zeros(2), every=False)


@case("_LSTM")
def lstm_with_a_fixed_number_of_steps():
    return scan(lstm(), zeros(2), steps=STEPS)


@case("_LSTM")
def lstm_that_reads_past_the_end():
    return scan(lstm(), zeros(2), steps=STEPS + 2)


@case("_LSTM")
def lstm_of_fewer_steps():
    return scan(lstm(), zeros(2), steps=STEPS - 2)


@case("_LSTM", bias="before")
@case("_LSTM", bias="none")
def lstm_bias(bias):
    return scan(lstm(bias=bias), zeros(2))


@case("_LSTM")
def lstm_of_an_empty_batch():
    return scan(lstm(), zeros(2, 0), batch=0)


@case("_LSTM")
def not_lstm_gates_in_another_order():
    return scan(lstm(order="igfo"), zeros(2))


@case("_LSTM")
def not_lstm_another_activation():
    return scan(lstm(forget=tf.nn.relu), zeros(2))


@case("_LSTM")
def not_lstm_from_another_start():
    return scan(lstm(), zeros(2), start=1)


@case("_GRU")
def gru_of_every_step():
    return scan(gru(), zeros(1))


@case("_GRU")
def gru_of_the_last_step():
    return scan(gru(), zeros(1), every=False)


@case("_GRU")
def gru_with_slices():
    return scan(gru(split=False), zeros(1))


@case("_GRU")
def not_gru_reset_before_the_product():
    return scan(gru(after=False), zeros(1))


@case("_GRU")
def not_gru_the_other_way_round():
    return scan(gru(swap=True), zeros(1))
