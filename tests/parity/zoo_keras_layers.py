"""Keras layers, a family to a model, each layer an output of its own."""

import keras
import numpy as np
from exporting import keras_model
from keras import layers as L
from zoo import integers, model, normal

F32 = "float32"


@model()
def keras_dense(folder):
    x = keras.Input((8,), name="x")
    hidden = L.Dense(16, "relu")(x)
    outputs = {
        "dense": L.Dense(5)(hidden),
        "no_bias": L.Dense(3, use_bias=False)(hidden),
        "einsum": L.EinsumDense("bi,io->bo", output_shape=(4,), bias_axes="o")(hidden),
        "identity": L.Identity()(hidden),
        "dropout": L.Dropout(0.5)(L.GaussianNoise(0.3)(L.GaussianDropout(0.2)(hidden))),
        "alpha_dropout": L.AlphaDropout(0.4)(hidden),
        "regularised": L.ActivityRegularization(0.1)(hidden),
        "spectral": L.SpectralNormalization(L.Dense(4))(hidden),
        "softmax": L.Dense(7, "softmax")(hidden),
    }
    return keras_model(folder, x, outputs, normal(1, 8), normal(3, 8), normal(0, 8))


@model()
def keras_dense_of_sequences(folder):
    x = keras.Input((None, 6), name="x")
    outputs = {
        "dense": L.Dense(4, "gelu")(x),
        "einsum": L.EinsumDense("abc,cd->abd", output_shape=(None, 5), bias_axes="d")(x),
        "heads": L.EinsumDense("abc,cde->abde", output_shape=(None, 2, 3))(x),
        "time": L.TimeDistributed(L.Dense(3))(x),
    }
    return keras_model(folder, x, outputs, normal(1, 4, 6), normal(3, 7, 6), normal(2, 1, 6))


@model()
def keras_conv_1d(folder):
    x = keras.Input((None, 4), name="x")
    outputs = {
        "valid": L.Conv1D(6, 3)(x),
        "same": L.Conv1D(6, 3, strides=2, padding="same", activation="relu")(x),
        "causal": L.Conv1D(5, 3, dilation_rate=2, padding="causal")(x),
        "groups": L.Conv1D(8, 3, groups=2, padding="same")(x),
        "depthwise": L.DepthwiseConv1D(3, depth_multiplier=2, padding="same")(x),
        "separable": L.SeparableConv1D(6, 3, padding="same")(x),
        "transposed": L.Conv1DTranspose(3, 4, strides=2, padding="same")(x),
        "transposed_valid": L.Conv1DTranspose(3, 3)(x),
    }
    return keras_model(folder, x, outputs, normal(1, 9, 4), normal(3, 16, 4), normal(2, 8, 4))


@model()
def keras_conv_2d(folder):
    x = keras.Input((None, None, 4), name="x")
    outputs = {
        "valid": L.Conv2D(6, 3)(x),
        "strided": L.Conv2D(6, 3, strides=2, padding="same", activation="relu")(x),
        "uneven": L.Conv2D(5, (1, 3), strides=(2, 1), padding="same")(x),
        "dilated": L.Conv2D(5, 3, dilation_rate=2, padding="same")(x),
        "groups": L.Conv2D(8, 3, groups=4, padding="same", use_bias=False)(x),
        "depthwise": L.DepthwiseConv2D(3, depth_multiplier=2)(x),
        "depthwise_strided": L.DepthwiseConv2D(3, strides=2, padding="same")(x),
        "depthwise_dilated": L.DepthwiseConv2D(3, dilation_rate=2, padding="same")(x),
        "separable": L.SeparableConv2D(6, 3, strides=2, padding="same")(x),
    }
    return keras_model(
        folder, x, outputs, normal(1, 12, 12, 4), normal(3, 9, 13, 4), normal(2, 16, 8, 4)
    )


@model()
def keras_conv_2d_transposed(folder):
    x = keras.Input((None, None, 3), name="x")
    outputs = {
        "same": L.Conv2DTranspose(4, 3, strides=2, padding="same", activation="relu")(x),
        "valid": L.Conv2DTranspose(4, 3, strides=2)(x),
        "padded": L.Conv2DTranspose(2, 3, strides=2, output_padding=1)(x),
        "dilated": L.Conv2DTranspose(2, 3, dilation_rate=2, padding="same")(x),
        "uneven": L.Conv2DTranspose(2, (2, 5), strides=(1, 3), padding="same")(x),
    }
    return keras_model(folder, x, outputs, normal(1, 6, 6, 3), normal(3, 5, 8, 3))


@model()
def keras_conv_3d(folder):
    x = keras.Input((None, 8, 8, 2), name="x")
    outputs = {
        "valid": L.Conv3D(4, 3)(x),
        "strided": L.Conv3D(3, 3, strides=2, padding="same", activation="relu")(x),
        "dilated": L.Conv3D(3, 2, dilation_rate=2)(x),
        "transposed": L.Conv3DTranspose(3, 3, strides=2, padding="same")(x),
        "transposed_valid": L.Conv3DTranspose(3, 2)(x),
    }
    return keras_model(folder, x, outputs, normal(1, 6, 8, 8, 2), normal(3, 5, 8, 8, 2))


@model()
def keras_pooling_1d(folder):
    x = keras.Input((None, 3), name="x")
    outputs = {
        "max": L.MaxPooling1D(2)(x),
        "max_same": L.MaxPooling1D(3, strides=2, padding="same")(x),
        "average": L.AveragePooling1D(3, strides=1)(x),
        "average_same": L.AveragePooling1D(2, padding="same")(x),
        "global_max": L.GlobalMaxPooling1D()(x),
        "global_average": L.GlobalAveragePooling1D(keepdims=True)(x),
    }
    return keras_model(folder, x, outputs, normal(1, 8, 3), normal(3, 11, 3))


@model()
def keras_pooling_2d(folder):
    x = keras.Input((None, None, 3), name="x")
    outputs = {
        "max": L.MaxPooling2D(2)(x),
        "max_same": L.MaxPooling2D(3, strides=2, padding="same")(x),
        "max_uneven": L.MaxPooling2D((1, 3), strides=(2, 1))(x),
        "average": L.AveragePooling2D(2)(x),
        "average_same": L.AveragePooling2D(3, strides=2, padding="same")(x),
        "global_max": L.GlobalMaxPooling2D()(x),
        "global_average": L.GlobalAveragePooling2D()(x),
        "global_kept": L.GlobalAveragePooling2D(keepdims=True)(x),
    }
    return keras_model(
        folder, x, outputs, normal(1, 8, 8, 3), normal(3, 7, 10, 3), normal(2, 5, 5, 3)
    )


@model()
def keras_pooling_3d(folder):
    x = keras.Input((6, 6, 6, 2), name="x")
    outputs = {
        "max": L.MaxPooling3D(2)(x),
        "max_same": L.MaxPooling3D(4, strides=3, padding="same")(x),
        "average": L.AveragePooling3D(2)(x),
        "average_same": L.AveragePooling3D(4, strides=3, padding="same")(x),
        "global_max": L.GlobalMaxPooling3D()(x),
        "global_average": L.GlobalAveragePooling3D()(x),
    }
    return keras_model(folder, x, outputs, normal(1, 6, 6, 6, 2), normal(3, 6, 6, 6, 2))


@model()
def keras_pooling_adaptive(folder):
    line = keras.Input((10, 3), name="line")
    plane = keras.Input((9, 12, 2), name="plane")
    space = keras.Input((6, 5, 7, 2), name="space")
    outputs = {
        "average_1d": L.AdaptiveAveragePooling1D(4)(line),
        "max_1d": L.AdaptiveMaxPooling1D(3)(line),
        "average_2d": L.AdaptiveAveragePooling2D((4, 5))(plane),
        "max_2d": L.AdaptiveMaxPooling2D(3)(plane),
        "average_3d": L.AdaptiveAveragePooling3D(2)(space),
        "max_3d": L.AdaptiveMaxPooling3D((3, 2, 4))(space),
    }

    def batch(rows):
        return {
            "line": normal(rows, 10, 3),
            "plane": normal(rows, 9, 12, 2),
            "space": normal(rows, 6, 5, 7, 2),
        }

    return keras_model(folder, [line, plane, space], outputs, batch(1), batch(3))


@model()
def keras_normalisation(folder):
    x = keras.Input((5, 7, 8), name="x")
    flat = keras.Input((6,), name="flat")
    outputs = {
        "batch": L.BatchNormalization()(x),
        "batch_plain": L.BatchNormalization(center=False, scale=False, epsilon=1e-5)(x),
        "batch_axis": L.BatchNormalization(axis=1)(x),
        "batch_flat": L.BatchNormalization()(flat),
        "layer": L.LayerNormalization()(x),
        "layer_axes": L.LayerNormalization(axis=[1, 2, 3])(x),
        "layer_plain": L.LayerNormalization(center=False, scale=False)(flat),
        "group": L.GroupNormalization(4)(x),
        "instance": L.GroupNormalization(-1)(x),
        "unit": L.UnitNormalization()(flat),
        "rms": L.RMSNormalization()(x),
    }

    def batch(rows):
        return {"x": normal(rows, 5, 7, 8), "flat": normal(rows, 6)}

    return keras_model(folder, [x, flat], outputs, batch(1), batch(3))


ELEMENTWISE = [
    "celu",
    "elu",
    "exponential",
    "gelu",
    "glu",
    "hard_shrink",
    "hard_sigmoid",
    "hard_silu",
    "hard_tanh",
    "leaky_relu",
    "linear",
    "log_sigmoid",
    "mish",
    "relu",
    "relu6",
    "selu",
    "sigmoid",
    "silu",
    "soft_shrink",
    "softplus",
    "softsign",
    "sparse_plus",
    "sparse_sigmoid",
    "squareplus",
    "tanh",
    "tanh_shrink",
]
OF_ROWS = ("softmax", "log_softmax", "sparsemax")


@model()
def keras_activations(folder):
    x = keras.Input((8,), name="x")
    rows = keras.Input((8,), name="rows")
    outputs = {name: L.Activation(name)(x) for name in ELEMENTWISE}
    outputs |= {name: L.Activation(name)(rows) for name in OF_ROWS}
    outputs |= {
        "layer_relu": L.ReLU(max_value=2.0, negative_slope=0.1, threshold=0.3)(x),
        "layer_leaky": L.LeakyReLU(0.2)(x),
        "layer_elu": L.ELU(0.7)(x),
        "layer_prelu": L.PReLU()(x),
        "layer_softmax": L.Softmax()(rows),
        "gelu_rough": L.Lambda(lambda t: keras.activations.gelu(t, approximate=True))(x),
        "threshold": L.Lambda(lambda t: keras.activations.threshold(t, 0.5, -1.0))(x),
    }
    strange = np.array([[np.nan, np.inf, -np.inf, 0.0, -0.0, 1e30, -1e30, 88.8]], "float32")
    batches = [{"x": 3 * normal(n, 8), "rows": 3 * normal(n, 8)} for n in (1, 3, 0)]
    wide = np.array([[1e30, -1e30, 88.8, -90.0, 0.0, 0.0, 1.0, 2.0]], "float32")
    batches.append({"x": strange, "rows": wide})
    return keras_model(folder, [x, rows], outputs, *batches)


@model()
def keras_shapes(folder):
    x = keras.Input((6, 8, 3), name="x")
    line = keras.Input((None, 4), name="line")
    flat = keras.Input((12,), name="flat")
    space = keras.Input((4, 5, 6, 2), name="space")
    outputs = {
        "reshape": L.Reshape((4, -1))(flat),
        "permute": L.Permute((3, 1, 2))(x),
        "repeat": L.RepeatVector(5)(flat),
        "flatten": L.Flatten()(x),
        "crop_1d": L.Cropping1D((1, 2))(line),
        "crop_2d": L.Cropping2D(((1, 2), (0, 3)))(x),
        "crop_3d": L.Cropping3D(1)(space),
        "pad_1d": L.ZeroPadding1D((2, 1))(line),
        "pad_2d": L.ZeroPadding2D(((1, 0), (2, 3)))(x),
        "pad_3d": L.ZeroPadding3D((1, 2, 0))(space),
        "up_1d": L.UpSampling1D(3)(line),
        "up_nearest": L.UpSampling2D((2, 3))(x),
        "up_bilinear": L.UpSampling2D(2, interpolation="bilinear")(x),
        "up_bicubic": L.UpSampling2D(2, interpolation="bicubic")(x),
        "up_3d": L.UpSampling3D(2)(space),
    }

    def batch(rows, length):
        return {
            "x": normal(rows, 6, 8, 3),
            "line": normal(rows, length, 4),
            "flat": normal(rows, 12),
            "space": normal(rows, 4, 5, 6, 2),
        }

    return keras_model(folder, [x, line, flat, space], outputs, batch(1, 5), batch(3, 9))


@model()
def keras_merging(folder):
    a = keras.Input((4, 6), name="a")
    b = keras.Input((4, 6), name="b")
    c = keras.Input((6,), name="c")
    outputs = {
        "add": L.Add()([a, b]),
        "add_three": L.Add()([a, b, a]),
        "subtract": L.Subtract()([a, b]),
        "multiply": L.Multiply()([a, b]),
        "average": L.Average()([a, b]),
        "maximum": L.Maximum()([a, b]),
        "minimum": L.Minimum()([a, b]),
        "concatenate": L.Concatenate()([a, b]),
        "concatenate_rows": L.Concatenate(axis=1)([a, b, b]),
        "dot": L.Dot(axes=2)([a, b]),
        "cosine": L.Dot(axes=(2, 1), normalize=True)([a, c]),
    }

    def batch(rows):
        return {"a": normal(rows, 4, 6), "b": normal(rows, 4, 6, seed=1), "c": normal(rows, 6)}

    return keras_model(folder, [a, b, c], outputs, batch(1), batch(3), batch(0))


@model()
def keras_attention(folder):
    query = keras.Input((None, 8), name="query")
    value = keras.Input((None, 8), name="value")
    mask = keras.Input((None, None), dtype="bool", name="mask")
    attend, scores = L.Attention(use_scale=True)([query, value], return_attention_scores=True)
    many, weights = L.MultiHeadAttention(2, 4)(query, value, return_attention_scores=True)
    outputs = {
        "dot": attend,
        "dot_scores": scores,
        "concat": L.Attention(score_mode="concat")([query, value]),
        "additive": L.AdditiveAttention()([query, value]),
        "causal": L.Attention()([query, query], use_causal_mask=True),
        "heads": many,
        "head_weights": weights,
        "heads_masked": L.MultiHeadAttention(2, 4)(query, value, attention_mask=mask),
        "heads_causal": L.MultiHeadAttention(4, 2, value_dim=3)(query, query, use_causal_mask=True),
        "grouped": L.GroupQueryAttention(4, 4, 2)(query, value),
    }

    def batch(rows, queries, values):
        return {
            "query": normal(rows, queries, 8),
            "value": normal(rows, values, 8, seed=1),
            "mask": normal(rows, queries, values) > -1,
        }

    return keras_model(
        folder, [query, value, mask], outputs, batch(1, 5, 7), batch(3, 4, 4), batch(2, 1, 9)
    )


@model()
def keras_embedding(folder):
    tokens = keras.Input((None,), dtype="int32", name="tokens")
    wide = keras.Input((5,), dtype="int64", name="wide")
    outputs = {
        "embedding": L.Embedding(50, 8)(tokens),
        "wide": L.Embedding(50, 4)(wide),
        "pooled": L.GlobalAveragePooling1D()(L.Embedding(50, 6, mask_zero=True)(tokens)),
        "summed": L.Dense(3)(keras.ops.sum(L.Embedding(50, 6)(tokens), axis=1)),
    }

    def batch(rows, length):
        return {
            "tokens": integers(50, rows, length),
            "wide": integers(50, rows, 5, dtype="int64"),
        }

    return keras_model(
        folder, [tokens, wide], outputs, batch(1, 4), batch(3, 9), batch(0, 4), batch(2, 1)
    )
