"""Whole nets that people build with Keras."""

import keras
import numpy as np
import tensorflow as tf
from exporting import keras_model
from keras import layers as L
from zoo import Call, integers, model, normal


@model()
def net_vgg(folder):
    x = keras.Input((32, 32, 3), name="image")
    hidden = x
    for width in (16, 32, 64):
        hidden = L.Conv2D(width, 3, padding="same", activation="relu")(hidden)
        hidden = L.Conv2D(width, 3, padding="same", activation="relu")(hidden)
        hidden = L.MaxPooling2D()(hidden)
    hidden = L.Dense(128, "relu")(L.Flatten()(hidden))
    outputs = {"classes": L.Dense(10, "softmax")(L.Dropout(0.5)(hidden))}
    # Neither an empty batch nor NaN here: TensorFlow's optimiser fuses convolutions with what
    # follows, and the fused kernel refuses the one by mistake and turns the other into a number.
    return keras_model(folder, x, outputs, normal(1, 32, 32, 3), normal(3, 32, 32, 3))


def _encoder_block(hidden, mask, heads, width, inner):
    attended = L.MultiHeadAttention(heads, width // heads)(hidden, hidden, attention_mask=mask)
    hidden = L.LayerNormalization(epsilon=1e-6)(hidden + L.Dropout(0.1)(attended))
    fed = L.Dense(width)(L.Dense(inner, "gelu")(hidden))
    return L.LayerNormalization(epsilon=1e-6)(hidden + L.Dropout(0.1)(fed))


@model()
def net_transformer_encoder(folder):
    tokens = keras.Input((None,), dtype="int32", name="tokens")
    mask = keras.Input((None,), dtype="int32", name="mask")
    positions = keras.ops.cumsum(keras.ops.ones_like(tokens), axis=1) - 1
    hidden = L.Embedding(1000, 64)(tokens) + L.Embedding(128, 64)(positions)
    allowed = keras.ops.cast(keras.ops.expand_dims(mask, 1), "bool")
    for _ in range(3):
        hidden = _encoder_block(hidden, allowed, 4, 64, 128)
    outputs = {
        "sequence": hidden,
        "pooled": L.Dense(64, "tanh")(hidden[:, 0]),
        "logits": L.Dense(1000)(hidden),
    }

    def batch(rows, length, known):
        return {
            "tokens": integers(1000, rows, length),
            "mask": np.tile(np.arange(length, dtype="int32") < known, (rows, 1)).astype("int32"),
        }

    return keras_model(
        folder, [tokens, mask], outputs, batch(1, 16, 16), batch(3, 9, 5), batch(0, 4, 4)
    )


@model()
def net_unet(folder):
    """Any size that is a multiple of 8."""
    x = keras.Input((None, None, 3), name="image")
    hidden = x
    skips = []
    for width in (8, 16, 32):
        hidden = L.Conv2D(width, 3, padding="same", activation="relu")(hidden)
        hidden = L.BatchNormalization()(hidden)
        skips.append(hidden)
        hidden = L.MaxPooling2D()(hidden)
    hidden = L.Conv2D(64, 3, padding="same", activation="relu")(hidden)
    for width, skip in zip((32, 16, 8), reversed(skips), strict=True):
        hidden = L.Conv2DTranspose(width, 2, strides=2, padding="same")(hidden)
        hidden = L.Concatenate()([hidden, skip])
        hidden = L.Conv2D(width, 3, padding="same", activation="relu")(hidden)
    logits = L.Conv2D(4, 1)(hidden)
    outputs = {"logits": logits, "labels": keras.ops.argmax(logits, axis=-1)}
    return keras_model(
        folder,
        x,
        outputs,
        normal(1, 32, 32, 3),
        normal(3, 16, 48, 3),
        normal(1, 64, 24, 3),
        normal(1, 20, 16, 3),  # halves do not meet again: an error
    )


def _separable(hidden, width, stride=1, rate=1):
    hidden = L.DepthwiseConv2D(3, strides=stride, dilation_rate=rate, padding="same")(hidden)
    hidden = L.ReLU(6)(L.BatchNormalization()(hidden))
    return L.ReLU(6)(L.BatchNormalization()(L.Conv2D(width, 1)(hidden)))


def _resized(pair):
    return tf.image.resize(pair[0], tf.shape(pair[1])[1:3])


@model()
def net_deeplab(folder):
    """Dilated branches, image-level pooling, and a resize to the size of the request."""
    x = keras.Input((None, None, 3), name="image")
    hidden = L.Conv2D(16, 3, strides=2, padding="same")(x)
    for width, stride, rate in ((24, 2, 1), (32, 2, 1), (32, 1, 2)):
        hidden = _separable(hidden, width, stride, rate)
    pooled = L.Conv2D(16, 1, activation="relu")(L.GlobalAveragePooling2D(keepdims=True)(hidden))
    pooled = L.Lambda(_resized)([pooled, hidden])
    branches = [pooled, L.Conv2D(16, 1, activation="relu")(hidden)]
    branches += [
        L.Conv2D(16, 3, dilation_rate=rate, padding="same", activation="relu")(hidden)
        for rate in (2, 3)
    ]
    logits = L.Conv2D(5, 1)(L.Concatenate()(branches))
    full = L.Lambda(_resized)([logits, x])
    outputs = {"scores": keras.ops.softmax(full), "labels": keras.ops.argmax(full, axis=-1)}
    return keras_model(
        folder, x, outputs, normal(1, 64, 64, 3), normal(3, 33, 65, 3), normal(2, 48, 80, 3)
    )


@model()
def net_autoencoder(folder):
    x = keras.Input((28, 28, 1), name="image")
    hidden = L.Conv2D(16, 3, strides=2, padding="same", activation="relu")(x)
    hidden = L.Conv2D(8, 3, strides=2, padding="same", activation="relu")(hidden)
    code = L.Dense(12)(L.Flatten()(hidden))
    hidden = L.Reshape((7, 7, 8))(L.Dense(7 * 7 * 8, "relu")(code))
    hidden = L.Conv2DTranspose(16, 3, strides=2, padding="same", activation="relu")(hidden)
    picture = L.Conv2DTranspose(1, 3, strides=2, padding="same", activation="sigmoid")(hidden)
    outputs = {"code": code, "picture": picture}
    return keras_model(folder, x, outputs, normal(1, 28, 28, 1), normal(3, 28, 28, 1))


@model()
def net_wavenet(folder):
    """Dilated causal convolutions with gates, over audio of any length."""
    x = keras.Input((None, 1), name="audio")
    hidden = L.Conv1D(16, 2, padding="causal")(x)
    skips = []
    for rate in (1, 2, 4, 8):
        signal = L.Conv1D(16, 2, dilation_rate=rate, padding="causal", activation="tanh")(hidden)
        gate = L.Conv1D(16, 2, dilation_rate=rate, padding="causal", activation="sigmoid")(hidden)
        skip = L.Conv1D(16, 1)(signal * gate)
        skips.append(skip)
        hidden = hidden + skip
    outputs = {"next": L.Conv1D(32, 1)(L.ReLU()(L.Add()(skips)))}
    return keras_model(folder, x, outputs, normal(1, 50, 1), normal(3, 33, 1))


@model()
def net_recommender(folder):
    """Two towers and an interaction: large embedding tables, a dot product, cross features."""
    user = keras.Input((1,), dtype="int64", name="user")
    item = keras.Input((1,), dtype="int64", name="item")
    numbers = keras.Input((13,), name="numbers")
    user_vector = L.Flatten()(L.Embedding(100_000, 32)(user))
    item_vector = L.Flatten()(L.Embedding(50_000, 32)(item))
    bottom = L.Dense(32, "relu")(L.Dense(64, "relu")(numbers))
    crossed = L.Dot(axes=1)([user_vector, item_vector])
    hidden = L.Concatenate()([user_vector, item_vector, bottom, crossed])
    outputs = {
        "score": L.Dense(1, "sigmoid")(L.Dense(64, "relu")(hidden)),
        "affinity": crossed,
    }

    def batch(rows):
        return {
            "user": integers(100_000, rows, 1, dtype="int64"),
            "item": integers(50_000, rows, 1, dtype="int64"),
            "numbers": normal(rows, 13),
        }

    return keras_model(folder, [user, item, numbers], outputs, batch(1), batch(3), batch(0))


@model()
def net_multi_head(folder):
    """One backbone, several heads, as detectors and multi-task nets have."""
    x = keras.Input((24, 24, 3), name="image")
    hidden = L.Conv2D(16, 3, strides=2, activation="relu")(x)
    hidden = L.Conv2D(32, 3, strides=2, activation="relu")(hidden)
    flat = L.GlobalAveragePooling2D()(hidden)
    outputs = {
        "category": L.Dense(6, "softmax")(flat),
        "box": L.Dense(4, "sigmoid")(flat),
        "age": L.Dense(1)(flat),
        "map": L.Conv2D(1, 1, activation="sigmoid")(hidden),
    }
    return keras_model(folder, x, outputs, normal(1, 24, 24, 3), normal(3, 24, 24, 3))


@model(policy="mixed_float16", tolerance=2e-2)
@model(policy="mixed_bfloat16", tolerance=5e-2)
@model(policy="float64")
def net_of_other_precision(folder, policy):
    """The same net in a precision that is not float32; bounds are some units of it."""
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(policy)
    try:
        x = keras.Input((16, 16, 3), name="image", dtype="float64" if "64" in policy else None)
        hidden = L.Conv2D(16, 3, activation="relu", padding="same")(x)
        hidden = L.MaxPooling2D()(L.BatchNormalization()(hidden))
        hidden = L.Conv2D(8, 3, strides=2, padding="same", activation="relu")(hidden)
        hidden = L.Dense(20, "gelu")(L.Flatten()(hidden))
        outputs = {"logits": L.Dense(5)(hidden), "scores": L.Softmax(dtype=None)(hidden)}
        dtype = x.dtype
        return keras_model(
            folder,
            x,
            outputs,
            normal(1, 16, 16, 3).astype(dtype),
            normal(3, 16, 16, 3).astype(dtype),
        )
    finally:
        keras.config.set_dtype_policy(before)


@model()
def net_siamese(folder):
    """One tower twice: its weights are shared by two inputs."""
    left = keras.Input((16, 16, 1), name="left")
    right = keras.Input((16, 16, 1), name="right")
    image = keras.Input((16, 16, 1))
    hidden = L.Conv2D(8, 3, activation="relu")(image)
    hidden = L.MaxPooling2D()(hidden)
    tower = keras.Model(image, L.UnitNormalization()(L.Dense(16)(L.Flatten()(hidden))))
    a, b = tower(left), tower(right)
    outputs = {"similarity": L.Dot(1)([a, b]), "distance": keras.ops.norm(a - b, axis=1)}

    def batch(rows):
        return {"left": normal(rows, 16, 16, 1), "right": normal(rows, 16, 16, 1, seed=1)}

    return keras_model(folder, [left, right], outputs, batch(1), batch(3))


@model()
def net_seq2seq(folder):
    """An encoder whose states start a decoder, with attention between them."""
    source = keras.Input((None,), dtype="int32", name="source")
    target = keras.Input((None,), dtype="int32", name="target")
    encoded, *state = L.LSTM(24, return_sequences=True, return_state=True)(
        L.Embedding(80, 16)(source)
    )
    decoded = L.LSTM(24, return_sequences=True)(L.Embedding(90, 16)(target), initial_state=state)
    context = L.Attention()([decoded, encoded])
    outputs = {"logits": L.Dense(90)(L.Concatenate()([decoded, context]))}

    def batch(rows, here, there):
        return {"source": integers(80, rows, here), "target": integers(90, rows, there)}

    return keras_model(folder, [source, target], outputs, batch(1, 7, 5), batch(3, 4, 6))


@model()
def net_tcn_with_squeeze(folder):
    """Squeeze-and-excitation over sequences, layer normalisation, swish."""
    x = keras.Input((40, 6), name="x")
    hidden = x
    for rate in (1, 2, 4):
        wide = L.Conv1D(24, 3, dilation_rate=rate, padding="same", activation="swish")(hidden)
        wide = L.LayerNormalization()(wide)
        gate = L.Dense(24, "sigmoid")(L.Dense(6, "relu")(L.GlobalAveragePooling1D()(wide)))
        hidden = L.Multiply()([wide, L.Reshape((1, 24))(gate)])
    outputs = {"forecast": L.Dense(8)(L.Flatten()(hidden))}
    return keras_model(folder, x, outputs, normal(1, 40, 6), normal(3, 40, 6))


@model()
def net_with_endpoints(folder):
    """Several endpoints of one net, one of them with a choice of its own."""
    net = keras.Sequential([keras.Input((6,)), L.Dense(8, "relu"), L.Dense(3)])
    archive = keras.export.ExportArchive()
    archive.track(net)

    def best(x, count):
        scores, index = tf.math.top_k(net(x, training=False), count)
        return {"scores": scores, "index": index}

    row = tf.TensorSpec([None, 6], tf.float32, "x")
    archive.add_endpoint("serving_default", lambda x: {"logits": net(x)}, input_signature=[row])
    archive.add_endpoint("best", best, input_signature=[row, tf.TensorSpec([], tf.int32, "count")])
    archive.add_endpoint("train", lambda x: net(x, training=True), input_signature=[row])
    archive.write_out(folder, verbose=False)
    x = normal(4, 6)
    return [
        Call("serving_default", {"x": x}),
        Call("best", {"x": x, "count": np.int32(2)}),
        Call("best", {"x": x, "count": np.int32(4)}),  # more than there are: an error
        Call("train", {"x": x[:1]}),
    ]


class ClassToken(L.Layer):
    """Puts a learnt token before all others, and adds learnt positions."""

    def build(self, shape):
        self.token = self.add_weight(shape=(1, 1, shape[-1]), initializer="normal")
        self.places = self.add_weight(shape=(1, shape[1] + 1, shape[-1]), initializer="normal")

    def call(self, x):
        token = keras.ops.repeat(self.token, keras.ops.shape(x)[0], axis=0)
        return keras.ops.concatenate([token, x], axis=1) + self.places


@model()
def net_vision_transformer(folder):
    x = keras.Input((32, 32, 3), name="image")
    hidden = L.Reshape((16, 48))(L.Conv2D(48, 8, strides=8)(x))
    hidden = ClassToken()(hidden)
    for _ in range(2):
        normed = L.LayerNormalization(epsilon=1e-6)(hidden)
        hidden = hidden + L.MultiHeadAttention(4, 12)(normed, normed)
        normed = L.LayerNormalization(epsilon=1e-6)(hidden)
        hidden = hidden + L.Dense(48)(L.Dense(96, "gelu")(normed))
    outputs = {"classes": L.Dense(10, "softmax")(hidden[:, 0])}
    return keras_model(folder, x, outputs, normal(1, 32, 32, 3), normal(3, 32, 32, 3))


@model()
def net_resnext(folder):
    """Grouped convolutions between plain ones, and shuffled channels."""
    x = keras.Input((None, None, 3), name="image")
    hidden = L.Conv2D(32, 3, strides=2, padding="same", activation="relu")(x)
    for _ in range(2):
        wide = L.Conv2D(32, 1, activation="relu")(hidden)
        wide = L.Conv2D(32, 3, groups=8, padding="same", activation="relu")(wide)
        hidden = hidden + L.Conv2D(32, 1)(L.BatchNormalization()(wide))
    shape = keras.ops.shape(hidden)
    split = keras.ops.reshape(hidden, (-1, shape[1] or 16, shape[2] or 16, 4, 8))
    outputs = {
        "features": L.GlobalAveragePooling2D()(hidden),
        "shuffled": keras.ops.mean(keras.ops.swapaxes(split, 3, 4), axis=(1, 2)),
    }
    return keras_model(folder, x, outputs, normal(1, 32, 32, 3), normal(3, 32, 32, 3))
