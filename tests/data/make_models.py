"""Record the SavedModels under tests/data/models from TensorFlow, with what they hold.

Run it with a Python that has TensorFlow: `python tests/data/make_models.py`. Beside
each model lies `NAME.json` with every variable as TensorFlow itself reads it back
(`tf.train.load_checkpoint`). The output is the same in every run.

Models:
    tf2_dtypes        TF2 module: variables of many dtypes, strings, empty ones and
                      scalars; a table with an asset; a signature with a default
    tf2_mlp           TF2 module: two dense layers, a dynamic batch size
    tf1_half_plus_two TF1 graph: reference variables, an asset in a collection and a
                      legacy init op, classify, regress and predict signatures
    tf1_partitioned   TF1 graph: partitioned variables, two shards, three MetaGraphs
    tf1_stateless     TF1 graph without variables, as text (saved_model.pbtxt)
    tf1_inference     TF1 graph: half plus two and half plus three of serialized tf.Examples
                      and of plain floats, with classify, regress and predict signatures
    tf2_inference     TF2 module: labels and scores of tf.Examples with several features
"""

from __future__ import annotations

import json
import os
import shutil
import tempfile
import uuid
from pathlib import Path
from typing import Any, ClassVar

os.environ["CUDA_VISIBLE_DEVICES"] = ""
os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"

import ml_dtypes
import numpy as np
import tensorflow as tf
from tensorflow.core.protobuf import meta_graph_pb2, saved_model_pb2

HERE = Path(__file__).resolve().parent
MODELS = HERE / "models"
v1 = tf.compat.v1
TWO = tf.constant(2.0)


class Dtypes(tf.Module):
    """One variable of each dtype that a checkpoint can hold, and a vocabulary."""

    VALUES: ClassVar = {
        "float": np.array([[1.5, -2.0, 0.25], [3.0, np.inf, -0.0]], np.float32),
        "double": np.array([1.0, 1.0 + 1e-12]),
        "half": np.array([0.5, -65504.0], np.float16),
        "bfloat16": np.array([[1.0], [-3.0]], ml_dtypes.bfloat16),
        "int8": np.array([-128, 127], np.int8),
        "uint8": np.array([0, 255], np.uint8),
        "int16": np.array([-32768, 32767], np.int16),
        "uint16": np.array([65535], np.uint16),
        "int32": np.array([-(2**31), 2**31 - 1], np.int32),
        "uint32": np.array([2**32 - 1], np.uint32),
        "int64": np.array([-(2**63), 2**63 - 1], np.int64),
        "uint64": np.array([2**64 - 1], np.uint64),
        "bool": np.array([True, False, True]),
        "complex64": np.array([1 + 2j, -3j], np.complex64),
        "complex128": np.array([1e-12 + 1j], np.complex128),
        "float8_e5m2": np.array([1.0, -0.5], ml_dtypes.float8_e5m2),
        "scalar": np.array(7, np.int64),
        "empty": np.zeros((0, 3), np.float32),
        "string": np.array([[b"one", b""], [b"\x00\xff", b"x" * 300]], object),
        "string_scalar": np.array(b"alone", object),
        "string_empty": np.zeros((0,), object),
    }

    def __init__(self, vocabulary: str) -> None:
        super().__init__()
        for name, value in self.VALUES.items():
            tensor = tf.constant(value, tf.string if value.dtype == object else value.dtype)
            setattr(self, name, tf.Variable(tensor, trainable=False, name=name))
        self.table = tf.lookup.StaticHashTable(
            tf.lookup.TextFileInitializer(
                vocabulary,
                tf.string,
                tf.lookup.TextFileIndex.WHOLE_LINE,
                tf.int64,
                tf.lookup.TextFileIndex.LINE_NUMBER,
            ),
            default_value=-1,
        )

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string, "words")])
    def lookup(self, words: tf.Tensor) -> dict[str, tf.Tensor]:
        return {"ids": self.table.lookup(words), "words": words}

    @tf.function(
        input_signature=[
            tf.TensorSpec([None, 3], tf.float32, "x"),
            tf.TensorSpec([], tf.float32, "scale"),
        ]
    )
    def scaled(self, x: tf.Tensor, scale: tf.Tensor = TWO) -> dict[str, tf.Tensor]:
        return {"y": x * scale + self.float[0]}

    @tf.function(input_signature=[tf.TensorSpec(None, tf.float32, "anything")])
    def any_rank(self, anything: tf.Tensor) -> dict[str, tf.Tensor]:
        return {"doubled": anything * 2.0}


class Mlp(tf.Module):
    """Two dense layers with fixed weights."""

    def __init__(self) -> None:
        super().__init__()
        rng = np.random.default_rng(7)
        self.w1 = tf.Variable(rng.normal(size=(4, 8)).astype(np.float32), name="w1")
        self.b1 = tf.Variable(np.linspace(-1, 1, 8, dtype=np.float32), name="b1")
        self.w2 = tf.Variable(rng.normal(size=(8, 3)).astype(np.float32), name="w2")
        self.b2 = tf.Variable(np.zeros(3, np.float32), name="b2")

    @tf.function(input_signature=[tf.TensorSpec([None, 4], tf.float32, "x")])
    def __call__(self, x: tf.Tensor) -> dict[str, tf.Tensor]:
        hidden = tf.nn.relu(tf.matmul(x, self.w1) + self.b1)
        logits = tf.matmul(hidden, self.w2) + self.b2
        return {"logits": logits, "probabilities": tf.nn.softmax(logits)}


def tf2_dtypes(out: Path) -> None:
    Path("vocabulary.txt").write_text("red\ngreen\nblue\n")
    module = Dtypes("vocabulary.txt")
    signatures = {
        "serving_default": module.scaled,
        "lookup": module.lookup,
        "any_rank": module.any_rank,
    }
    tf.saved_model.save(module, str(out), signatures=signatures)


def tf2_mlp(out: Path) -> None:
    module = Mlp()
    tf.saved_model.save(module, str(out), signatures={"serving_default": module.__call__})


def _info(tensor: tf.Tensor) -> meta_graph_pb2.TensorInfo:
    return v1.saved_model.utils.build_tensor_info(tensor)


def _signature(
    inputs: dict[str, tf.Tensor], outputs: dict[str, tf.Tensor], method: str
) -> meta_graph_pb2.SignatureDef:
    return v1.saved_model.signature_def_utils.build_signature_def(
        {alias: _info(tensor) for alias, tensor in inputs.items()},
        {alias: _info(tensor) for alias, tensor in outputs.items()},
        f"tensorflow/serving/{method}",
    )


def tf1_half_plus_two(out: Path) -> None:
    Path("note.txt").write_text("half plus two\n")
    with tf.Graph().as_default(), v1.Session() as session:
        a = v1.get_variable("a", initializer=0.5, use_resource=False)
        b = v1.get_variable("b", initializer=2.0, use_resource=False)
        counter = v1.get_variable("counter", initializer=np.int64(0), use_resource=False)
        examples = v1.placeholder(tf.string, [None], name="tf_example")
        parsed = v1.io.parse_example(examples, {"x": tf.io.FixedLenFeature([1], tf.float32)})
        x = tf.identity(parsed["x"], name="x")
        y = tf.add(tf.multiply(a, x), b, name="y")
        asset = tf.constant("note.txt", name="asset_path")
        v1.add_to_collection(v1.GraphKeys.ASSET_FILEPATHS, asset)
        note = v1.get_variable(
            "note", initializer="", use_resource=False, collections=[v1.GraphKeys.LOCAL_VARIABLES]
        )
        init = tf.group(v1.assign(note, asset), name="init_all")
        session.run([v1.global_variables_initializer(), v1.local_variables_initializer()])
        builder = v1.saved_model.Builder(str(out))
        builder.add_meta_graph_and_variables(
            session,
            ["serve"],
            signature_def_map={
                "serving_default": _signature({"x": x}, {"y": y}, "predict"),
                "regress_x_to_y": _signature({"inputs": examples}, {"outputs": y}, "regress"),
                "classify_x_to_y": _signature({"inputs": examples}, {"scores": y}, "classify"),
                "count": _signature({}, {"after": v1.assign_add(counter, 1)}, "predict"),
            },
            assets_collection=v1.get_collection(v1.GraphKeys.ASSET_FILEPATHS),
            legacy_init_op=init,
        )
        builder.save()


def _counting(width: int) -> Any:
    """An initializer that numbers the elements of the whole variable, whatever the partition."""

    def initialize(shape: list[int], dtype: tf.DType, partition_info: Any) -> tf.Tensor:
        row, column = partition_info.var_offset
        rows = np.arange(row, row + shape[0])[:, None] * width
        return tf.constant(rows + np.arange(column, column + shape[1]), dtype)

    return initialize


def tf1_partitioned(out: Path) -> None:
    config = v1.ConfigProto(device_count={"CPU": 2})
    with tf.Graph().as_default(), v1.Session(config=config) as session:
        with tf.device("/job:localhost/replica:0/task:0/device:CPU:0"):
            rows = v1.get_variable(
                "rows",
                shape=(7, 6),
                initializer=_counting(6),
                partitioner=v1.fixed_size_partitioner(3),
            )
            plain = v1.get_variable("plain", initializer=np.arange(4, dtype=np.int32))
        with tf.device("/job:localhost/replica:0/task:0/device:CPU:1"):
            columns = v1.get_variable(
                "nested/columns",
                shape=(7, 70),
                initializer=_counting(70),
                partitioner=v1.fixed_size_partitioner(2, axis=1),
            )
        x = v1.placeholder(tf.float32, [None, 7], name="x")
        y = tf.matmul(tf.matmul(x, rows.as_tensor()), tf.ones([6, 1]), name="y")
        z = tf.matmul(x, columns.as_tensor(), name="z")
        n = tf.reduce_sum(plain, name="n")
        session.run(v1.global_variables_initializer())
        saver = v1.train.Saver(sharded=True)
        builder = v1.saved_model.Builder(str(out))
        full = _signature({"x": x}, {"y": y, "z": z, "n": n}, "predict")
        builder.add_meta_graph_and_variables(
            session, ["serve"], {"serving_default": full}, saver=saver, main_op=tf.no_op("main")
        )
        small = _signature({"x": x}, {"y": y}, "predict")
        builder.add_meta_graph(["serve", "gpu"], {"serving_default": small}, saver=saver)
        builder.add_meta_graph(["train"], {}, saver=saver)
        builder.save()


def tf1_stateless(out: Path) -> None:
    with tf.Graph().as_default(), v1.Session() as session:
        x = v1.placeholder(tf.float32, [None, 2], name="x")
        y = tf.add(x, tf.constant([10.0, 20.0]), name="y")
        builder = v1.saved_model.Builder(str(out))
        builder.add_meta_graph_and_variables(
            session, ["serve"], {"serving_default": _signature({"x": x}, {"y": y}, "predict")}
        )
        builder.save(as_text=True)


def tf1_inference(out: Path) -> None:
    with tf.Graph().as_default(), v1.Session() as session:
        a, b, c = (
            v1.get_variable(name, initializer=value, use_resource=True)
            for name, value in (("a", 0.5), ("b", 2.0), ("c", 3.0))
        )
        examples = v1.placeholder(tf.string, [None], name="tf_example")
        feature = tf.io.FixedLenFeature([1], tf.float32)
        optional = tf.io.FixedLenFeature([1], tf.float32, default_value=[0.0])
        parsed = v1.io.parse_example(examples, {"x": feature, "x2": optional})
        x = tf.identity(parsed["x"], name="x")
        x2 = tf.identity(parsed["x2"], name="x2")
        y = tf.add(a * x, b, name="y")
        y2 = tf.add(a * x, c, name="y2")
        y3 = tf.add(a * x2, c, name="y3")
        session.run(v1.global_variables_initializer())
        builder = v1.saved_model.Builder(str(out))
        builder.add_meta_graph_and_variables(
            session,
            ["serve"],
            signature_def_map={
                "serving_default": _signature({"x": x}, {"y": y}, "predict"),
                "regress_x_to_y": _signature({"inputs": examples}, {"outputs": y}, "regress"),
                "regress_x_to_y2": _signature({"inputs": examples}, {"outputs": y2}, "regress"),
                "regress_x2_to_y3": _signature({"inputs": x2}, {"outputs": y3}, "regress"),
                "classify_x_to_y": _signature({"inputs": examples}, {"scores": y}, "classify"),
                "classify_x2_to_y3": _signature({"inputs": x2}, {"scores": y3}, "classify"),
            },
        )
        builder.save()


class Inference(tf.Module):
    """Reads names, ratings and an age from tf.Examples, as exporters for TF2 do."""

    FEATURES: ClassVar = {
        "names": tf.io.FixedLenFeature([2], tf.string),
        "ratings": tf.io.FixedLenFeature([2], tf.float32),
        "age": tf.io.FixedLenFeature([1], tf.int64, default_value=[7]),
    }

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string, "inputs")])
    def classify(self, inputs: tf.Tensor) -> dict[str, tf.Tensor]:
        parsed = tf.io.parse_example(inputs, self.FEATURES)
        return {"classes": parsed["names"], "scores": parsed["ratings"]}

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string, "inputs")])
    def labels(self, inputs: tf.Tensor) -> dict[str, tf.Tensor]:
        return {"classes": tf.io.parse_example(inputs, self.FEATURES)["names"]}

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string, "inputs")])
    def regress(self, inputs: tf.Tensor) -> dict[str, tf.Tensor]:
        age = tf.io.parse_example(inputs, self.FEATURES)["age"]
        return {"outputs": tf.reshape(tf.cast(age, tf.float32) / 2.0, [-1])}


def tf2_inference(out: Path) -> None:
    module = Inference()
    signatures = {
        "serving_default": module.classify,
        "labels": module.labels,
        "regress": module.regress,
    }
    tf.saved_model.save(module, str(out), signatures=signatures)


def _tidy(model: Path) -> None:
    """Drop what is random, and write maps in a fixed order."""
    (model / "fingerprint.pb").unlink(missing_ok=True)
    file = model / "saved_model.pb"
    if file.exists():
        message = saved_model_pb2.SavedModel.FromString(file.read_bytes())
        file.write_bytes(message.SerializeToString(deterministic=True))
    variables = model / "variables"
    if variables.is_dir() and not any(variables.iterdir()):
        variables.rmdir()


def _expect(model: Path) -> None:
    """Write what TensorFlow reads from the model's variables: dtype, shape and bytes in hex."""
    if not (model / "variables" / "variables.index").exists():
        return
    reader = tf.train.load_checkpoint(str(model / "variables" / "variables"))
    expected = {}
    for key, dtype in sorted(reader.get_variable_to_dtype_map().items()):
        if key == "_CHECKPOINTABLE_OBJECT_GRAPH":
            continue
        value = np.asarray(reader.get_tensor(key))
        if dtype == tf.string:
            data = [item.hex() for item in np.asarray(value, object).ravel().tolist()]
        else:
            data = np.ascontiguousarray(value).tobytes().hex()
        expected[key] = {"dtype": dtype.name, "shape": list(value.shape), "data": data}
    lines = ",\n".join(f"{json.dumps(key)}: {json.dumps(item)}" for key, item in expected.items())
    model.with_suffix(".json").write_text(f"{{\n{lines}\n}}\n")


def main() -> None:
    counter = iter(range(1000))
    # TF1 savers put a random identifier into the graph.
    uuid.uuid4 = lambda: uuid.UUID(int=next(counter))  # type: ignore[assignment]  # a stand-in
    with tempfile.TemporaryDirectory() as work:
        os.chdir(work)  # assets are named relative to it, so that no path of a machine is recorded
        for make in (
            tf2_dtypes,
            tf2_mlp,
            tf1_half_plus_two,
            tf1_partitioned,
            tf1_stateless,
            tf1_inference,
            tf2_inference,
        ):
            model = MODELS / make.__name__
            shutil.rmtree(model, ignore_errors=True)
            make(model)
            _tidy(model)
            _expect(model)
        os.chdir(HERE)


if __name__ == "__main__":
    main()
