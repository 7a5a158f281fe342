"""The models that `runtime` measures, exported with Keras. Imported only where TensorFlow is."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from keras import layers

from servable.tensors import Array

Make = Callable[[], Any]


@dataclass(frozen=True)
class Model:
    """A model to measure.

    Attributes:
        make: makes the Keras model, or the module with a `serve` function.
        shape: of one row of its input.
        integers: the input counts up to this; None for an input of floats.
    """

    name: str
    make: Make
    shape: tuple[int, ...]
    integers: int | None = None

    def rows(self, count: int) -> Array:
        """Some input, the same each time: [count, *shape] of float32 or int32."""
        rng = np.random.default_rng(7)
        shape = (count, *self.shape)
        if self.integers is not None:
            return rng.integers(0, self.integers, shape, np.int32)
        return rng.normal(size=shape).astype(np.float32)

    def export(self, folder: Path) -> Path:
        """Its SavedModel under `folder`; made if it is not there yet."""
        path = folder / self.name
        if not path.exists():
            keras.utils.set_random_seed(1)
            unfinished = folder / f"{self.name}.unfinished"
            shutil.rmtree(unfinished, ignore_errors=True)
            made = self.make()
            if isinstance(made, keras.Model):
                made.export(unfinished, verbose=False)
            else:
                tf.saved_model.save(made, unfinished, signatures=made.serve)
            unfinished.rename(path)
        return path


class _Function(tf.Module):  # type: ignore[misc]  # TensorFlow ships no types
    def __init__(self, compute: Callable[[Any], Any], shape: tuple[int | None, ...]) -> None:
        super().__init__()
        spec = tf.TensorSpec(shape, tf.float32, name="x")
        self.serve = tf.function(lambda x: {"y": compute(x)}, input_signature=[spec])


def _power() -> Any:
    return _Function(lambda x: tf.pow(x, 2.0), (None,))


def _half_plus_two() -> Any:
    return _Function(lambda x: 0.5 * x + 2.0, (None,))


def _mlp() -> keras.Model:
    image = layers.Input((784,))
    hidden = layers.Dense(128, activation="relu")(image)
    return keras.Model(image, layers.Dense(10, activation="softmax")(hidden))


def _cnn() -> keras.Model:
    image = layers.Input((28, 28, 1))
    x = layers.MaxPool2D()(layers.Conv2D(32, 3, activation="relu")(image))
    x = layers.MaxPool2D()(layers.Conv2D(64, 3, activation="relu")(x))
    x = layers.Dense(128, activation="relu")(layers.Flatten()(x))
    return keras.Model(image, layers.Dense(10, activation="softmax")(x))


class _Enlarge(layers.Layer):  # type: ignore[misc]  # Keras ships no types
    def call(self, logits: Any, image: Any) -> Any:
        return tf.image.resize(logits, tf.shape(image)[1:3])

    def compute_output_shape(self, logits_shape: Any, image_shape: Any) -> Any:
        return (*image_shape[:3], logits_shape[3])


def _segmentation() -> keras.Model:
    """In the manner of DeepLab: MobileNetV2 at stride 16, three dilations, images of any size."""
    image = layers.Input((None, None, 3))
    body = keras.applications.MobileNetV2(weights=None, include_top=False, input_tensor=image)
    x = body.get_layer("block_13_expand_relu").output
    branches = [
        layers.Conv2D(64, 3, dilation_rate=rate, padding="same", activation="relu")(x)
        for rate in (1, 3, 6)
    ]
    logits = layers.Conv2D(21, 1)(layers.Concatenate()(branches))
    return keras.Model(image, _Enlarge()(logits, image))


def _transformer() -> keras.Model:
    words = layers.Input((64,), dtype="int32")
    x = layers.Embedding(1000, 128)(words)
    for _ in range(2):
        x = layers.LayerNormalization()(x + layers.MultiHeadAttention(4, 32)(x, x))
        wide = layers.Dense(256, activation="gelu")(x)
        x = layers.LayerNormalization()(x + layers.Dense(128)(wide))
    return keras.Model(words, layers.Dense(2)(layers.GlobalAveragePooling1D()(x)))


def _recurrent() -> keras.Model:
    words = layers.Input((50,), dtype="int32")
    return keras.Model(words, layers.Dense(3)(layers.LSTM(64)(layers.Embedding(1000, 64)(words))))


MODELS = (
    Model("pow", _power, ()),
    Model("half-plus-two", _half_plus_two, ()),
    Model("MLP", _mlp, (784,)),
    Model("CNN", _cnn, (28, 28, 1)),
    Model("MobileNetV2", lambda: keras.applications.MobileNetV2(weights=None), (224, 224, 3)),
    Model("ResNet-50", lambda: keras.applications.ResNet50(weights=None), (224, 224, 3)),
    Model("segmentation", _segmentation, (256, 256, 3)),
    Model("transformer", _transformer, (64,), 1000),
    Model("LSTM", _recurrent, (50,), 1000),
)


def chosen(names: Sequence[str]) -> list[Model]:
    """The models of these names, or all where none is named; ends the program at an unknown one."""
    known = {model.name: model for model in MODELS}
    if unknown := [name for name in names if name not in known]:
        sys.exit(f"no model {', '.join(unknown)}; there are {', '.join(known)}")
    return [known[name] for name in names] or list(MODELS)
