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


MASKS = {
    "behind": [[1, 1], [1, 1], [1, 1], [0, 1], [0, 1]],
    "in_front": [[0, 1], [0, 1], [1, 1], [1, 1], [1, 1]],
    "here_and_there": [[0, 0], [1, 1], [0, 1], [1, 0], [0, 1]],
    "everything": [[0, 0]] * STEPS,
}


def held(step, states, pattern, zero=False, every=True, start=0.0, other=False):
    """Likewise, where a mask holds rows back; `start` and `other` are not as Keras has them."""
    x = feed(rng.normal(size=(STEPS, 2, INPUTS)).astype(np.float32))
    mask = feed(np.array(MASKS[pattern], bool)[:, :, np.newaxis])
    count = tf.shape(x)[0]
    source = tf.TensorArray(tf.float32, size=count, dynamic_size=False).unstack(x)
    masks = tf.TensorArray(tf.bool, size=count, element_shape=(None, 1)).unstack(mask)
    target = tf.TensorArray(tf.float32, size=count if every else 1, element_shape=(None, UNITS))
    blank = tf.zeros_like(states[0]) if not start else tf.fill((2, UNITS), start)

    def body(time, target, before, *states):
        output, new = step(source.read(time), *states)
        on = tf.tile(masks.read(time), [1, 1])
        output = tf.where(on, output, blank if zero else before)
        new = tuple(
            tf.where(on, fresh, fresh if other else old)
            for fresh, old in zip(new, states, strict=True)
        )
        return (time + 1, target.write(time if every else 0, output), output, *new)

    time, target, _, *states = tf.while_loop(
        lambda time, *_: time < count,
        body,
        (tf.constant(0), target, blank, *states),
        maximum_iterations=count,
    )
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


def gru_before():
    """As Keras has it: the reset gate acts before the product, and R comes in two parts."""
    k, r, b, _ = weights(3)

    def step(x, h):
        xz, xr, xh = tf.split(tf.nn.bias_add(x @ k, b), 3, axis=-1)
        inner = h @ r[:, : 2 * UNITS]
        z, reset = tf.sigmoid(xz + inner[:, :UNITS]), tf.sigmoid(xr + inner[:, UNITS : 2 * UNITS])
        h = z * h + (1.0 - z) * tf.tanh(xh + (reset * h) @ r[:, 2 * UNITS :])
        return h, (h,)

    return step


def plain(activation=tf.tanh, bias=True):
    k, r, b, _ = weights(1)

    def step(x, h):
        z = x @ k + h @ r
        h = activation(tf.nn.bias_add(z, b) if bias else z)
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


@case("_GRU")
def gru_reset_before_the_product():
    return scan(gru_before(), zeros(1))


@case("_GRU")
def gru_of_no_steps():
    return scan(gru(), zeros(1), steps=0)


@case("_LSTM")
def lstm_of_no_steps():
    return scan(lstm(), zeros(2), steps=0, every=False)


@case("_GRU", pattern="behind", zero=False)
@case("_GRU", pattern="in_front", zero=True)
@case("_GRU", pattern="everything", zero=False)
def gru_with_a_mask(pattern, zero):
    return held(gru(), zeros(1), pattern, zero)


@case("_LSTM", pattern="behind", zero=True, every=True)
@case("_LSTM", pattern="in_front", zero=False, every=False)
@case("_LSTM", pattern="here_and_there", zero=False, every=True)
@case("_LSTM", pattern="here_and_there", zero=True, every=False)
@case("_LSTM", pattern="everything", zero=False, every=False)
def lstm_with_a_mask(pattern, zero, every):
    return held(lstm(), zeros(2), pattern, zero, every)


@case("_LSTM")
def not_lstm_outputs_that_start_as_something_else():
    return held(lstm(), zeros(2), "in_front", start=1.0)


@case("_LSTM")
def not_lstm_states_that_are_not_held():
    return held(lstm(), zeros(2), "in_front", other=True)


@case("_RNN", activation=tf.tanh, bias=True)
@case("_RNN", activation=tf.nn.relu, bias=False)
@case("_RNN", activation=tf.sigmoid, bias=True)
def rnn_of_every_step(activation, bias):
    return scan(plain(activation, bias), zeros(1))


@case("_RNN")
def rnn_with_a_mask():
    return held(plain(), zeros(1), "here_and_there")


@case("_RNN")
def not_rnn_another_activation():
    return scan(plain(tf.nn.softplus), zeros(1))
