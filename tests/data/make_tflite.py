"""Write the TFLite models under tests/data/engines. Needs TensorFlow.

Models, each a version folder:
    tflite_dense       signature `classify`: float x [?, 4] -> scores [?, 3], doubled [?, 4]
    tflite_plain       without signatures: float x [1, 4] -> scores [1, 3]
"""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from typing import Any

os.environ["CUDA_VISIBLE_DEVICES"] = ""
os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"

import numpy as np
import tensorflow as tf

HERE = Path(__file__).resolve().parent / "engines"


class Dense(tf.Module):
    def __init__(self) -> None:
        super().__init__()
        self.w = tf.Variable(np.arange(12, dtype=np.float32).reshape(4, 3) / 10)
        self.b = tf.Variable(np.array([0.5, 0, -0.5], np.float32))

    @tf.function(input_signature=[tf.TensorSpec([None, 4], tf.float32, name="x")])
    def classify(self, x: Any) -> dict[str, Any]:
        return {"scores": tf.nn.softmax(x @ self.w + self.b), "doubled": x + x}


def write(name: str, converter: Any) -> None:
    folder = HERE / name
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "model.tflite").write_bytes(converter.convert())


module = Dense()
with tempfile.TemporaryDirectory() as saved:
    tf.saved_model.save(module, saved, signatures={"classify": module.classify})
    write(
        "tflite_dense",
        tf.lite.TFLiteConverter.from_saved_model(saved, signature_keys=["classify"]),
    )
v1 = tf.compat.v1
w, b = module.w.numpy(), module.b.numpy()
with v1.Session(graph=tf.Graph()) as session, session.graph.as_default():
    x = v1.placeholder(tf.float32, [1, 4], name="x")
    scores = tf.nn.softmax(tf.add(x @ w, b), name="scores")
    write("tflite_plain", v1.lite.TFLiteConverter.from_session(session, [x], [scores]))
