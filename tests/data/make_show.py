"""Build the SavedModels that `servable show` is tried on, and record what saved_model_cli prints.

Run with an interpreter that has TensorFlow and Keras, and saved_model_cli beside it:

    python tests/data/make_show.py

Only saved_model.pb is kept: neither of the two reads anything else to show a model.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
os.environ["TF_ENABLE_ONEDNN_OPTS"] = "0"

import keras
import numpy as np
import tensorflow as tf
from tensorflow.core.protobuf import saved_model_pb2

HERE = Path(__file__).resolve().parent
OUT = HERE / "show"
v1 = tf.compat.v1

ROWS = tf.TensorSpec([None, 2], tf.float32, "x")
SCALAR = tf.TensorSpec([], tf.float32)
HASH_SEED = "0"


class Defaults(tf.Module):
    """A function with defaults, traced often enough that its names pass a power of ten."""

    def __init__(self) -> None:
        super().__init__()
        self.v = tf.Variable([1.0, 2.0], name="v")

    @tf.function
    def __call__(
        self,
        x: tf.Tensor,
        training: bool = False,
        mask: None = None,  # noqa: ARG002  # only its default matters
        *,
        scale: float = 2.0,
    ) -> tf.Tensor:
        return x * self.v * scale if training else x * self.v


def defaults(out: Path) -> None:
    module = Defaults()
    for training in (True, False):
        for scale in (2.0, 0.5, -1.25):
            module.__call__.get_concrete_function(ROWS, training=training, scale=scale)
    tf.saved_model.save(module, str(out))


class Pair(NamedTuple):
    left: tf.Tensor
    right: tf.Tensor


class Nested(tf.Module):
    @tf.function
    def pair(self, pair: tuple[tf.Tensor, float], table: dict[str, tf.Tensor]) -> tf.Tensor:
        return pair[0] + pair[1] + table["a"]

    @tf.function
    def named(self, both: Pair, how: str = "plain") -> tf.Tensor:  # noqa: ARG002
        return both.left + both.right

    @tf.function
    def many(self, *xs: tf.Tensor, **more: tf.Tensor) -> tf.Tensor:
        return tf.add_n([*xs, *more.values()])

    @tf.function
    def nothing(self) -> tf.Tensor:
        return tf.constant(1.0)


def nested(out: Path) -> None:
    module = Nested()
    module.pair.get_concrete_function((SCALAR, tf.TensorSpec([3], tf.float32)), {"a": SCALAR})
    module.pair.get_concrete_function([SCALAR, 2.5], {"a": SCALAR})
    module.named.get_concrete_function(Pair(SCALAR, SCALAR))
    module.named.get_concrete_function(Pair(SCALAR, SCALAR), "other")
    module.many.get_concrete_function(ROWS, ROWS)
    module.many.get_concrete_function(ROWS, y=ROWS)
    module.nothing.get_concrete_function()
    tf.saved_model.save(module, str(out))


class Composite(tf.Module):
    @tf.function(
        input_signature=[
            tf.RaggedTensorSpec([None, None], tf.int32),
            tf.SparseTensorSpec([None, 3], tf.float32),
        ]
    )
    def composite(self, r: tf.RaggedTensor, sp: tf.SparseTensor) -> tf.Tensor:
        return tf.reduce_sum(r.to_tensor()) + tf.cast(tf.sparse.reduce_sum(sp), tf.int32)

    @tf.function
    def slices(self, s: tf.IndexedSlices) -> tf.Tensor:
        return s.values

    @tf.function
    def variable(self, v: tf.Variable) -> tf.Tensor:
        return v + 1.0


def composite(out: Path) -> None:
    module = Composite()
    spec = tf.IndexedSlicesSpec([None, 2], tf.float32, tf.int64, None, [None])
    module.slices.get_concrete_function(spec)
    tf.saved_model.save(module, str(out), signatures={"serving_default": module.composite})


class Shapes(tf.Module):
    @tf.function(
        input_signature=[
            tf.TensorSpec([], tf.int64, "n"),
            tf.TensorSpec(None, tf.string, "anything"),
            tf.TensorSpec([None, 3, None], tf.bfloat16, "some"),
            tf.TensorSpec([0], tf.complex64, "none"),
            tf.TensorSpec([2], tf.bool),
        ]
    )
    def shapes(
        self,
        n: tf.Tensor,
        anything: tf.Tensor,
        some: tf.Tensor,
        none: tf.Tensor,
        unnamed: tf.Tensor,
    ) -> dict[str, tf.Tensor]:
        return {"n": tf.fill([n], 1.0), "t": anything, "s": some, "c": none, "b": unnamed}


def shapes(out: Path) -> None:
    module = Shapes()
    tf.saved_model.save(module, str(out), signatures={"serving_default": module.shapes})


class Tables(tf.Module):
    """Tables, loops and branches: ops that only attributes of other ops lead to."""

    def __init__(self) -> None:
        super().__init__()
        words = tf.lookup.KeyValueTensorInitializer(["red", "blue"], tf.constant([1, 2], tf.int64))
        self.table = tf.lookup.StaticHashTable(words, -1)

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string, "words")])
    def look(self, words: tf.Tensor) -> tf.Tensor:
        found = self.table.lookup(words)
        while tf.reduce_sum(found) < 10:
            found += tf.where(found > 0, found, tf.ones_like(found))
        return found if tf.reduce_sum(found) > 11 else -found


def tables(out: Path) -> None:
    module = Tables()
    tf.saved_model.save(module, str(out), signatures={"look up": module.look})


class Gradient(tf.Module):
    @tf.function(input_signature=[ROWS])
    def clipped(self, x: tf.Tensor) -> tf.Tensor:
        @tf.custom_gradient
        def pass_on(y: tf.Tensor) -> tuple[tf.Tensor, Callable[[tf.Tensor], tf.Tensor]]:
            return tf.clip_by_value(y, 0.0, 1.0), lambda upstream: upstream

        return pass_on(x)


def gradient(out: Path) -> None:
    module = Gradient()
    options = tf.saved_model.SaveOptions(experimental_custom_gradients=True)
    signatures = {"serving_default": module.clipped}
    tf.saved_model.save(module, str(out), signatures=signatures, options=options)


def concrete(out: Path) -> None:
    module = tf.Module()
    function = tf.function(lambda x, scale=2.0: x * scale)
    module.once = function.get_concrete_function(ROWS)
    tf.saved_model.save(module, str(out), signatures={"serving_default": module.once})


def _shaken(model: keras.Model) -> keras.Model:
    random = np.random.default_rng(3)
    for weight in model.weights:
        weight.assign(random.normal(size=weight.shape))
    return model


def keras_dense(out: Path) -> None:
    layers = [keras.layers.Dense(4, activation="relu"), keras.layers.Dense(2)]
    model = _shaken(keras.Sequential([keras.Input((3,), name="features"), *layers]))
    model.export(out, verbose=False)


def keras_archive(out: Path) -> None:
    one, two = keras.Input((2,), name="one"), keras.Input((1,), name="two", dtype="int32")
    embedded = keras.layers.Flatten()(keras.layers.Embedding(5, 2)(two))
    dropped = keras.layers.Dropout(0.5)(keras.layers.Concatenate()([one, embedded]))
    model = _shaken(keras.Model([one, two], keras.layers.Dense(1)(dropped)))
    archive = keras.export.ExportArchive()
    archive.track(model)
    # A list: of a dict saved_model_cli would print the keys in any order.
    specs = [
        keras.InputSpec(shape=(None, 2), dtype="float32", name="one"),
        keras.InputSpec(shape=(None, 1), dtype="int32", name="two"),
    ]
    archive.add_endpoint("serve", lambda x: model(x, training=False), input_signature=[specs])
    archive.add_endpoint("train", lambda x: model(x, training=True), input_signature=[specs])
    archive.write_out(str(out), verbose=False)


def _info(tensor: tf.Tensor) -> object:
    return v1.saved_model.utils.build_tensor_info(tensor)


def tf1_tags(out: Path) -> None:
    builder = v1.saved_model.Builder(str(out))
    for number, tags in enumerate((["serve"], ["train"], ["serve", "mobile"], ["a", "serve", "b"])):
        with tf.Graph().as_default(), v1.Session() as session:
            x = v1.placeholder(tf.float32, [None] if number else None, "x")
            sparse = v1.sparse_placeholder(tf.int64, [None, 4], name="sparse")
            y = tf.identity(x * (number + 1.0), "y")
            build = v1.saved_model.signature_def_utils.build_signature_def
            signatures = {
                "serving_default": build({"x": _info(x)}, {"y": _info(y)}, "any/method"),
                "sparse": build({"s": _info(sparse)}, {"y": _info(y)}),
            }
            if number:
                builder.add_meta_graph(tags, signatures if number > 1 else None)
            else:
                builder.add_meta_graph_and_variables(session, tags, signatures)
    builder.save()


MAKERS: list[Callable[[Path], None]] = [
    defaults,
    nested,
    composite,
    shapes,
    tables,
    gradient,
    concrete,
    keras_dense,
    keras_archive,
    tf1_tags,
]


def listed(model: Path) -> str:
    """What saved_model_cli says about a model, with strings hashed without a random part."""
    command = [str(Path(sys.executable).parent / "saved_model_cli"), "show", "--all", "--dir"]
    return subprocess.run(
        [*command, str(model)],
        env=os.environ | {"PYTHONHASHSEED": HASH_SEED},
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        check=True,
    ).stdout


def main() -> None:
    shutil.rmtree(OUT, ignore_errors=True)
    for make in MAKERS:
        with tempfile.TemporaryDirectory() as work:
            make(Path(work) / "model")
            message = saved_model_pb2.SavedModel.FromString(
                (Path(work) / "model" / "saved_model.pb").read_bytes()
            )
        folder = OUT / make.__name__
        folder.mkdir(parents=True)
        data = message.SerializeToString(deterministic=True)
        (folder / "saved_model.pb").write_bytes(data)
    for model in sorted((*OUT.iterdir(), *(HERE / "models").iterdir())):
        if model.is_dir():
            (OUT / f"{model.name}.txt").write_text(listed(model))


if __name__ == "__main__":
    main()
