"""Recurrent layers of Keras, with and without masks and states."""

import keras
import numpy as np
from exporting import keras_model
from keras import layers as L
from zoo import integers, model, normal

LAYERS = {"lstm": L.LSTM, "gru": L.GRU, "simple": L.SimpleRNN}


@model(layer="lstm")
@model(layer="gru")
@model(layer="simple")
def keras_recurrent(folder, layer):
    kind = LAYERS[layer]
    x = keras.Input((None, 4), name="x")
    states = kind(5, return_sequences=True, return_state=True)(x)
    outputs = {
        "last": kind(6)(x),
        "sequences": kind(6, return_sequences=True)(x),
        "backwards": kind(3, go_backwards=True)(x),
        "stacked": kind(3)(kind(4, return_sequences=True)(x)),
        "no_bias": kind(3, use_bias=False, activation="relu")(x),
    }
    outputs |= {f"state_{i}": state for i, state in enumerate(states)}
    return keras_model(folder, x, outputs, normal(1, 6, 4), normal(3, 9, 4), normal(2, 1, 4))


@model()
def keras_recurrent_unrolled(folder):
    x = keras.Input((5, 4), name="x")
    start = keras.Input((6,), name="start")
    outputs = {
        "lstm": L.LSTM(6, unroll=True)(x),
        "gru": L.GRU(6, unroll=True, reset_after=False)(x, initial_state=start),
        "started": L.GRU(6)(x, initial_state=start),
    }

    def batch(rows):
        return {"x": normal(rows, 5, 4), "start": normal(rows, 6)}

    return keras_model(folder, [x, start], outputs, batch(1), batch(3))


@model()
def keras_bidirectional(folder):
    x = keras.Input((None, 4), name="x")
    outputs = {
        "lstm": L.Bidirectional(L.LSTM(3))(x),
        "gru": L.Bidirectional(L.GRU(3, return_sequences=True), merge_mode="sum")(x),
        "average": L.Bidirectional(L.SimpleRNN(3), merge_mode="ave")(x),
    }
    return keras_model(folder, x, outputs, normal(1, 6, 4), normal(3, 9, 4))


@model()
def keras_masking(folder):
    tokens = keras.Input((None,), dtype="int32", name="tokens")
    x = keras.Input((None, 3), name="x")
    embedded = L.Embedding(20, 6, mask_zero=True)(tokens)
    masked = L.Masking(mask_value=0.0)(x)
    outputs = {
        "lstm": L.LSTM(4)(embedded),
        "gru": L.GRU(4, return_sequences=True, zero_output_for_mask=True)(embedded),
        "both": L.Bidirectional(L.LSTM(3, return_sequences=True))(embedded),
        "masked": L.SimpleRNN(4)(masked),
        "attended": L.MultiHeadAttention(2, 3)(embedded, embedded),
    }

    def batch(rows, length):
        ids = integers(20, rows, length)
        ids[:, length // 2 + 1 :] = 0
        values = normal(rows, length, 3)
        values[:, -1] = 0
        return {"tokens": ids, "x": values}

    return keras_model(folder, [tokens, x], outputs, batch(1, 5), batch(3, 8))


@model()
def keras_masked_states(folder):
    """Masks from either side, initial states, final states, and the other form of a GRU."""
    tokens = keras.Input((None,), dtype="int32", name="tokens")
    start = keras.Input((4,), name="start")
    embedded = L.Embedding(20, 6, mask_zero=True)(tokens)
    lstm = L.LSTM(4, return_state=True)(embedded, initial_state=[start, start])
    back = L.LSTM(4, go_backwards=True, return_sequences=True, return_state=True)(embedded)
    gru = L.GRU(4, reset_after=False, return_sequences=True, return_state=True)(embedded)
    simple = L.SimpleRNN(4, activation="relu", return_state=True)(embedded)
    named = {"lstm": lstm, "back": back, "gru": gru, "simple": simple}
    outputs = {f"{name}_{i}": value for name, made in named.items() for i, value in enumerate(made)}

    def batch(rows, length, side):
        ids = integers(19, rows, length) + 1
        for row in range(rows):
            ids[row, : 3 * row] = 0
        if side == "behind":
            ids = np.ascontiguousarray(ids[:, ::-1])
        return {"tokens": ids, "start": normal(rows, 4)}

    batches = [batch(1, 12, "behind"), batch(4, 12, "behind"), batch(5, 11, "in_front")]
    return keras_model(folder, [tokens, start], outputs, *batches)


@model()
def keras_time_distributed(folder):
    x = keras.Input((4, 8, 8, 3), name="x")
    frames = L.TimeDistributed(L.Conv2D(4, 3, activation="relu"))(x)
    pooled = L.TimeDistributed(L.GlobalAveragePooling2D())(frames)
    outputs = {"frames": frames, "last": L.LSTM(5)(pooled)}
    return keras_model(folder, x, outputs, normal(1, 4, 8, 8, 3), normal(3, 4, 8, 8, 3))


@model()
def keras_conv_lstm(folder):
    line = keras.Input((4, 8, 2), name="line")
    plane = keras.Input((None, 6, 6, 2), name="plane")
    outputs = {
        "line": L.ConvLSTM1D(3, 3, padding="same")(line),
        "plane": L.ConvLSTM2D(3, 3, padding="same", return_sequences=True)(plane),
        "strided": L.ConvLSTM2D(2, 3, strides=2)(plane),
    }

    def batch(rows, length):
        return {"line": normal(rows, 4, 8, 2), "plane": normal(rows, length, 6, 6, 2)}

    return keras_model(folder, [line, plane], outputs, batch(1, 3), batch(3, 5))


@model()
def keras_cells(folder):
    x = keras.Input((None, 4), name="x")
    stacked = L.RNN(L.StackedRNNCells([L.LSTMCell(4), L.GRUCell(3)]))
    outputs = {"stacked": stacked(x), "cell": L.RNN(L.SimpleRNNCell(3), return_sequences=True)(x)}
    return keras_model(folder, x, outputs, normal(1, 6, 4), normal(3, 2, 4))


@model()
def keras_sentiment(folder):
    """Embedding, a stacked bidirectional LSTM and a dense head, as tutorials have it."""
    tokens = keras.Input((None,), dtype="int32", name="tokens")
    hidden = L.Embedding(5000, 32, mask_zero=True)(tokens)
    hidden = L.Bidirectional(L.LSTM(32, return_sequences=True))(hidden)
    hidden = L.Bidirectional(L.LSTM(16))(hidden)
    output = L.Dense(1, "sigmoid")(L.Dense(32, "relu")(hidden))
    padded = np.pad(integers(5000, 3, 12), ((0, 0), (0, 4)))
    return keras_model(folder, tokens, {"score": output}, integers(5000, 1, 20), padded)


@model()
def keras_stateful(folder):
    """Layers that keep their states from one request to the next."""
    x = keras.Input(batch_shape=(2, 3, 4), name="x")
    outputs = {
        "lstm": L.LSTM(5, stateful=True)(x),
        "gru": L.GRU(3, stateful=True, return_sequences=True)(x),
    }
    return keras_model(folder, x, outputs, *[normal(2, 3, 4, seed=i) for i in range(3)])
