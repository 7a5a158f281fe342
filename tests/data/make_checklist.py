"""Record the models of the peer's end-to-end suite under tests/data/checklist.

Run it with a Python that has TensorFlow: `python tests/data/make_checklist.py`. Each is a
version folder, and as small as what it is asked for (behaviour reference, chapter 8).

Models:
    half_plus_three   TF1 graph: y = 0.5 x + 3; `other` has a method name that nobody knows
    tf2_half_plus_two TF2 module: predict, classify and regress, of x and of tf.Examples
    counter           TF1 graph: signatures without inputs that read and change a variable
    concrete          a concrete function as the default signature: 10 + x
    several           two signatures: the default one adds -1, `custom` nothing
    keras             Keras Sequential with one dense layer of weight one
    mirrored          the same, built under MirroredStrategy
    tflite_plain      half plus two as model.tflite, without signatures
    tflite_signature  the same, with `serving_default`
"""

from __future__ import annotations

import os
import shutil
import tempfile
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

os.environ["CUDA_VISIBLE_DEVICES"] = ""
os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"

import numpy as np
import tensorflow as tf
from tensorflow.core.protobuf import saved_model_pb2

OUT = Path(__file__).resolve().parent / "checklist"
v1 = tf.compat.v1
FLOATS = tf.TensorSpec(None, tf.float32, "x")
EXAMPLES = tf.TensorSpec([None], tf.string, "inputs")


def _signature(
    inputs: dict[str, Any], outputs: dict[str, Any], method: str = "tensorflow/serving/predict"
) -> Any:
    info = v1.saved_model.utils.build_tensor_info
    return v1.saved_model.signature_def_utils.build_signature_def(
        {alias: info(tensor) for alias, tensor in inputs.items()},
        {alias: info(tensor) for alias, tensor in outputs.items()},
        method,
    )


def half_plus_three(out: Path) -> None:
    with tf.Graph().as_default(), v1.Session() as session:
        x = v1.placeholder(tf.float32, name="x")
        y = tf.add(0.5 * x, 3.0, name="y")
        builder = v1.saved_model.Builder(str(out))
        signatures = {
            "serving_default": _signature({"x": x}, {"y": y}),
            "other": _signature({"x": x}, {"y": y}, "not/supported/method"),
        }
        builder.add_meta_graph_and_variables(session, ["serve"], signatures)
        builder.save()


def counter(out: Path) -> None:
    with tf.Graph().as_default(), v1.Session() as session:
        value = v1.get_variable("counter", initializer=0.0, use_resource=False)
        delta = v1.placeholder(tf.float32, name="delta")
        outputs = {
            "get_counter": ({}, value),
            "incr_counter": ({}, v1.assign_add(value, 1.0)),
            "incr_counter_by": ({"delta": delta}, v1.assign_add(value, delta)),
            "reset_counter": ({}, v1.assign(value, 0.0)),
        }
        session.run(v1.global_variables_initializer())
        builder = v1.saved_model.Builder(str(out))
        builder.add_meta_graph_and_variables(
            session,
            ["serve"],
            {name: _signature(fed, {"output": got}) for name, (fed, got) in outputs.items()},
        )
        builder.save()


class HalfPlusTwo(tf.Module):
    def __init__(self) -> None:
        super().__init__()
        self.a = tf.Variable(0.5)
        self.b = tf.Variable(2.0)

    def _of_examples(self, inputs: Any) -> Any:
        parsed = tf.io.parse_example(inputs, {"x": tf.io.FixedLenFeature([1], tf.float32)})
        return self.a * parsed["x"] + self.b

    @tf.function(input_signature=[FLOATS])
    def predict(self, x: Any) -> Any:
        return {"y": self.a * x + self.b}

    @tf.function(input_signature=[EXAMPLES])
    def classify(self, inputs: Any) -> Any:
        return {"scores": self._of_examples(inputs)}

    @tf.function(input_signature=[EXAMPLES])
    def regress(self, inputs: Any) -> Any:
        return {"outputs": self._of_examples(inputs)}


def tf2_half_plus_two(out: Path) -> None:
    module = HalfPlusTwo()
    signatures = {
        "serving_default": module.predict,
        "classify_x_to_y": module.classify,
        "regress_x_to_y": module.regress,
    }
    tf.saved_model.save(module, str(out), signatures=signatures)


def concrete(out: Path) -> None:
    module = tf.Module()
    module.v = tf.Variable(10.0)
    module.plus = tf.function(lambda x: {"y": module.v + x})
    tf.saved_model.save(
        module, str(out), signatures=module.plus.get_concrete_function(tf.TensorSpec([], name="x"))
    )


def several(out: Path) -> None:
    module = tf.Module()
    module.minus = tf.function(lambda x: {"y": x - 1.0}, input_signature=[FLOATS])
    module.same = tf.function(lambda x: {"y": x + 0.0}, input_signature=[FLOATS])
    signatures = {"serving_default": module.minus, "custom": module.same}
    tf.saved_model.save(module, str(out), signatures=signatures)


def keras(out: Path) -> None:
    layers = tf.keras.layers
    model = tf.keras.Sequential([layers.Input((1,), name="x"), layers.Dense(1, name="y")])
    model.layers[0].set_weights([np.ones((1, 1)), np.zeros(1)])
    model.export(str(out), format="tf_saved_model", verbose=False)


def mirrored(out: Path) -> None:
    with tf.distribute.MirroredStrategy(["CPU:0"]).scope():
        keras(out)


def _tflite(out: Path, converter: Any) -> None:
    out.mkdir(parents=True)
    (out / "model.tflite").write_bytes(converter.convert())


def tflite_signature(out: Path) -> None:
    module = HalfPlusTwo()
    with tempfile.TemporaryDirectory() as saved:
        tf.saved_model.save(module, saved, signatures={"serving_default": module.predict})
        _tflite(out, tf.lite.TFLiteConverter.from_saved_model(saved))


def tflite_plain(out: Path) -> None:
    with v1.Session(graph=tf.Graph()) as session, session.graph.as_default():
        x = v1.placeholder(tf.float32, [1], name="x")
        y = tf.add(x * 0.5, 2.0, name="y")
        _tflite(out, v1.lite.TFLiteConverter.from_session(session, [x], [y]))


def _tidy(model: Path) -> None:
    """Drop what is random or empty, and write maps in a fixed order."""
    (model / "fingerprint.pb").unlink(missing_ok=True)
    file = model / "saved_model.pb"
    if file.exists():
        message = saved_model_pb2.SavedModel.FromString(file.read_bytes())
        file.write_bytes(message.SerializeToString(deterministic=True))
    for folder in (model / "variables", model / "assets"):
        if folder.is_dir() and not any(folder.iterdir()):
            folder.rmdir()


MAKERS: tuple[Callable[[Path], None], ...] = (
    half_plus_three,
    tf2_half_plus_two,
    counter,
    concrete,
    several,
    keras,
    mirrored,
    tflite_plain,
    tflite_signature,
)


def main() -> None:
    numbers = iter(range(1000))
    # TF1 savers put a random identifier into the graph.
    uuid.uuid4 = lambda: uuid.UUID(int=next(numbers))  # type: ignore[assignment]  # a stand-in
    for make in MAKERS:
        model = OUT / make.__name__
        shutil.rmtree(model, ignore_errors=True)
        make(model)
        _tidy(model)


if __name__ == "__main__":
    main()
