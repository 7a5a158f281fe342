"""Keras layers that prepare data: numbers, images, categories and text."""

import keras
import numpy as np
import tensorflow as tf
from exporting import keras_model
from keras import layers as L
from zoo import integers, model, normal, strings

WORDS = ["the", "cat", "sat", "on", "mat", "dog", "é", "日本"]


@model()
def keras_numbers(folder):
    x = keras.Input((4,), name="x")
    age = keras.Input((1,), name="age")
    normalised = L.Normalization()
    normalised.adapt(normal(50, 4, seed=3) * [1, 2, 3, 4] + 5)
    buckets = L.Discretization([-1.0, 0.0, 1.5])
    outputs = {
        "rescaled": L.Rescaling(1 / 127.5, offset=-1)(x),
        "rescaled_each": L.Rescaling([1.0, 2.0, 3.0, 4.0], offset=[0.0, 1.0, 0.0, 1.0])(x),
        "normalised": normalised(x),
        "inverted": L.Normalization(mean=2.0, variance=4.0, invert=True, axis=None)(x),
        "buckets": buckets(x),
        "one_hot": L.Discretization([18.0, 35.0, 65.0], output_mode="one_hot")(age),
        "multi_hot": L.Discretization([-1.0, 1.0], output_mode="multi_hot")(x),
        "counts": L.Discretization([0.0], output_mode="count")(x),
    }

    def batch(rows):
        return {"x": normal(rows, 4), "age": np.abs(40 * normal(rows, 1))}

    return keras_model(folder, [x, age], outputs, batch(1), batch(3))


@model()
def keras_images(folder):
    x = keras.Input((None, None, 3), name="x")
    outputs = {
        "bilinear": L.Resizing(8, 10)(x),
        "nearest": L.Resizing(5, 7, interpolation="nearest")(x),
        "bicubic": L.Resizing(9, 6, interpolation="bicubic")(x),
        "area": L.Resizing(4, 4, interpolation="area")(x),
        "lanczos3": L.Resizing(12, 5, interpolation="lanczos3")(x),
        "cropped": L.Resizing(6, 6, crop_to_aspect_ratio=True)(x),
        "padded": L.Resizing(6, 6, pad_to_aspect_ratio=True)(x),
        "centre": L.CenterCrop(4, 5)(x),
        "rescaled": L.Rescaling(1 / 255)(x),
    }

    def batch(*shape):
        return integers(256, *shape, 3).astype("float32")

    return keras_model(folder, x, outputs, batch(1, 8, 10), batch(3, 17, 9), batch(2, 6, 20))


@model()
def keras_image_bytes(folder):
    """Images as uint8, as a camera sends them, with augmentation that is off when serving."""
    x = keras.Input((16, 16, 3), dtype="uint8", name="x")
    hidden = L.Rescaling(1 / 255)(x)
    for layer in (
        L.RandomFlip(),
        L.RandomRotation(0.2),
        L.RandomZoom(0.2),
        L.RandomContrast(0.3),
        L.RandomTranslation(0.1, 0.1),
        L.RandomBrightness(0.2, value_range=(0, 1)),
    ):
        hidden = layer(hidden)
    outputs = {"crop": L.RandomCrop(12, 12)(hidden), "features": L.Conv2D(4, 3)(hidden)}
    return keras_model(
        folder,
        x,
        outputs,
        integers(256, 1, 16, 16, 3, dtype="uint8"),
        integers(256, 3, 16, 16, 3, dtype="uint8"),
    )


@model()
def keras_image_effects(folder):
    """Effects that a layer applies always, and others that it applies only in training."""
    x = keras.Input((12, 10, 3), name="x")
    grey = L.RandomGrayscale(factor=0.5)(x)
    outputs = {
        "contrast": L.AutoContrast(value_range=(0, 255))(x),
        "solarised": L.Solarization(addition_factor=0.0, threshold_factor=0.0)(x),
        "plain": L.RandomErasing()(L.RandomSharpness(0.5)(L.RandomShear(0.2, 0.2)(grey))),
    }
    return keras_model(
        folder,
        x,
        outputs,
        integers(256, 1, 12, 10, 3).astype("float32"),
        integers(256, 3, 12, 10, 3).astype("float32"),
    )


@model()
def keras_categories(folder):
    ids = keras.Input((3,), dtype="int64", name="ids")
    one = keras.Input((1,), dtype="int64", name="one")
    name = keras.Input((1,), dtype="string", name="name")
    vocabulary = [12, 36, 1138, 42]
    crossing = L.HashedCrossing(num_bins=7)
    outputs = {
        "one_hot": L.CategoryEncoding(6, output_mode="one_hot")(one),
        "multi_hot": L.CategoryEncoding(6, output_mode="multi_hot")(ids),
        "counts": L.CategoryEncoding(6, output_mode="count")(ids),
        "integer_lookup": L.IntegerLookup(vocabulary=vocabulary)(ids),
        "integer_masked": L.IntegerLookup(vocabulary=vocabulary, mask_token=0)(ids),
        "integer_one_hot": L.IntegerLookup(vocabulary=vocabulary, output_mode="one_hot")(one),
        "hashed": L.Hashing(num_bins=11)(ids),
        "hashed_strings": L.Hashing(num_bins=11)(name),
        "hashed_salted": L.Hashing(num_bins=11, salt=[133, 137])(name),
        "hashed_one_hot": L.Hashing(num_bins=5, output_mode="one_hot")(name),
        "crossed": crossing((one, name)),
        "crossed_one_hot": L.HashedCrossing(num_bins=5, output_mode="one_hot")((one, name)),
    }

    def batch(rows):
        return {
            "ids": integers(6, rows, 3, dtype="int64"),
            "one": integers(6, rows, 1, dtype="int64"),
            "name": strings([[w] for w in WORDS[:rows]]),
        }

    return keras_model(folder, [ids, one, name], outputs, batch(1), batch(5))


@model()
def keras_strings(folder):
    x = keras.Input((None,), dtype="string", name="x")
    weighted = L.StringLookup(vocabulary=WORDS, output_mode="tf_idf", idf_weights=[0.5] * 8)
    outputs = {
        "ids": L.StringLookup(vocabulary=WORDS)(x),
        "masked": L.StringLookup(vocabulary=WORDS, mask_token="", num_oov_indices=2)(x),
        "multi_hot": L.StringLookup(vocabulary=WORDS, output_mode="multi_hot")(x),
        "counts": L.StringLookup(vocabulary=WORDS, output_mode="count")(x),
        "weighted": weighted(x),
        "back": L.StringLookup(vocabulary=WORDS, invert=True)(L.StringLookup(vocabulary=WORDS)(x)),
    }
    return keras_model(
        folder,
        x,
        outputs,
        strings([["cat", "nobody"]]),
        strings([["the", "dog", "é"], ["日本", "", "sat"]]),
    )


@model(mode="int")
@model(mode="multi_hot")
@model(mode="count")
@model(mode="tf_idf")
def keras_text(folder, mode):
    x = keras.Input((1,), dtype="string", name="x")
    extra = {"output_sequence_length": 6} if mode == "int" else {"pad_to_max_tokens": True}
    plain = L.TextVectorization(max_tokens=30, output_mode=mode, **extra)
    grams = L.TextVectorization(
        max_tokens=40, output_mode=mode, ngrams=2, standardize="lower", **extra
    )
    texts = ["The cat sat on the mat.", "A dog; a cat! A mat?", "é 日本"]
    for layer in (plain, grams):
        layer.adapt(tf.constant(texts))
    outputs = {"plain": plain(x), "grams": grams(x)}
    return keras_model(
        folder,
        x,
        outputs,
        strings([["the CAT... sat"]]),
        strings([["A dog on a mat"], [""], ["nothing known here at all, is there? é"]]),
    )


@model()
def keras_text_classifier(folder):
    """Raw text to classes: vectorisation, embedding, convolution, dense."""
    x = keras.Input((1,), dtype="string", name="text")
    vectorise = L.TextVectorization(max_tokens=200, output_sequence_length=12)
    vectorise.adapt(["what a great film", "what a dull film", "great acting, dull plot"])
    hidden = L.Embedding(200, 16)(vectorise(x))
    hidden = L.GlobalMaxPooling1D()(L.Conv1D(32, 3, activation="relu", padding="same")(hidden))
    outputs = {"scores": L.Dense(2, "softmax")(hidden)}
    return keras_model(
        folder, x, outputs, strings([["a great plot"]]), strings([["Dull!"], ["what?"], [""]])
    )


@model()
def keras_characters(folder):
    x = keras.Input((1,), dtype="string", name="x")
    characters = L.TextVectorization(
        split="character", standardize="lower_and_strip_punctuation", output_sequence_length=10
    )
    characters.adapt(["hello there", "général"])
    outputs = {"ids": characters(x)}
    return keras_model(folder, x, outputs, strings([["Hello!"]]), strings([["gé"], ["zz top"]]))


@model()
def keras_tabular(folder):
    """A mixed table, as the structured data tutorial has it: strings, ids and numbers."""
    kind = keras.Input((1,), dtype="string", name="kind")
    zip_code = keras.Input((1,), dtype="int64", name="zip_code")
    age = keras.Input((1,), name="age")
    income = keras.Input((1,), name="income")
    scaled = L.Normalization()
    scaled.adapt(np.array([[10.0], [20.0], [60.0]], "float32"))
    features = [
        L.StringLookup(vocabulary=["cat", "dog"], output_mode="one_hot")(kind),
        L.IntegerLookup(vocabulary=[1010, 2020], output_mode="one_hot")(zip_code),
        L.Discretization([18.0, 65.0], output_mode="one_hot")(age),
        scaled(income),
    ]
    hidden = L.Dense(32, "relu")(L.Concatenate()(features))
    outputs = {"risk": L.Dense(1, "sigmoid")(hidden)}

    def batch(kinds, codes):
        rows = len(kinds)
        return {
            "kind": strings([[k] for k in kinds]),
            "zip_code": np.array([[c] for c in codes], "int64"),
            "age": np.abs(40 * normal(rows, 1)),
            "income": 30 + 10 * normal(rows, 1, seed=1),
        }

    return keras_model(
        folder,
        [kind, zip_code, age, income],
        outputs,
        batch(["dog"], [2020]),
        batch(["cat", "bird", ""], [1010, 2020, -1]),
    )


@model()
def keras_spectrograms(folder):
    x = keras.Input((1600,), name="x")
    channels = L.Reshape((1600, 1))(x)
    outputs = {
        "mel": L.MelSpectrogram(
            fft_length=256, sequence_stride=128, num_mel_bins=20, sampling_rate=8000
        )(x),
        "stft": L.STFTSpectrogram(mode="log", frame_length=128, frame_step=64)(channels),
        "power": L.STFTSpectrogram(mode="psd", frame_length=100, frame_step=50, padding="same")(
            channels
        ),
    }
    return keras_model(folder, x, outputs, normal(1, 1600), normal(3, 1600))
