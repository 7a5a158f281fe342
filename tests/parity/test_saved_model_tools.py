"""`servable show` and `servable.load` beside saved_model_cli and tf.saved_model.load."""

from __future__ import annotations

import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest

import servable

pytestmark = [
    pytest.mark.parity,
    pytest.mark.skipif(
        find_spec("tensorflow") is None, reason="needs the environment of `make parity`"
    ),
]

DATA = Path(__file__).parents[1] / "data"
FOLDERS = sorted(p for part in ("models", "show") for p in (DATA / part).iterdir() if p.is_dir())
OURS = """
import sys
from pathlib import Path
from servable.cli import show_lines
from servable.savedmodel import model_file
model = model_file.parse(model_file.find(Path(sys.argv[1])))
sys.stdout.write(show_lines.everything(model))
"""


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda path: path.name)
def test_show_all_is_the_same_character_for_character(folder: Path) -> None:
    cli = Path(sys.executable).parent / "saved_model_cli"
    environment = os.environ | {"PYTHONHASHSEED": "0", "TF_CPP_MIN_LOG_LEVEL": "3"}

    def printed(*command: str) -> str:
        return subprocess.run(
            command,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            check=True,
        ).stdout

    expected = printed(str(cli), "show", "--all", "--dir", str(folder))
    assert printed(sys.executable, "-c", OURS, str(folder)) == expected


def test_calls_of_a_loaded_model_give_tensorflows_values(tmp_path: Path) -> None:
    import tensorflow as tf

    class Model(tf.Module):
        def __init__(self) -> None:
            super().__init__()
            (tmp_path / "words.txt").write_text("red\nblue\n")
            self.scale = tf.Variable([1.5, -2.0], name="scale")
            self.table = tf.lookup.StaticHashTable(
                tf.lookup.TextFileInitializer(
                    str(tmp_path / "words.txt"),
                    tf.string,
                    tf.lookup.TextFileIndex.WHOLE_LINE,
                    tf.int64,
                    tf.lookup.TextFileIndex.LINE_NUMBER,
                ),
                -1,
            )

        @tf.function
        def __call__(
            self, x: tf.Tensor, words: tf.Tensor, training: bool = False
        ) -> tuple[tf.Tensor, dict[str, tf.Tensor]]:
            found = self.table.lookup(words)
            return (x * self.scale if training else x, {"found": found, "sum": tf.reduce_sum(x)})

    model = Model()
    x, words = np.float32([[1, 2], [3, 4]]), ["red", "none", "blue"]
    for training in (True, False):
        model(tf.constant(x), tf.constant(words), training)
    tf.saved_model.save(model, str(tmp_path / "model"))
    theirs = tf.saved_model.load(str(tmp_path / "model"))
    with servable.load(tmp_path / "model") as ours:
        for training in (True, False):
            expected = theirs(tf.constant(x), tf.constant(words), training)
            first, rest = ours(x, words, training=training)
            np.testing.assert_array_equal(first, expected[0])
            assert rest.keys() == expected[1].keys()
            for key, value in rest.items():
                np.testing.assert_array_equal(value, expected[1][key])
        assert ours.variables["scale"].tolist() == [1.5, -2.0]
        assert list(ours.trainable_variables) == ["scale"]


def test_variables_of_what_keras_exports_are_those_that_tensorflow_lists(tmp_path: Path) -> None:
    import keras
    import tensorflow as tf

    frozen = keras.layers.Dense(3, name="frozen", trainable=False)
    layers = [keras.Input((4,)), frozen, keras.layers.BatchNormalization(), keras.layers.Dense(2)]
    keras.Sequential(layers).export(tmp_path / "model", verbose=False)
    theirs = tf.saved_model.load(str(tmp_path / "model"))
    with servable.load(tmp_path / "model") as ours:
        for mine, listed in (
            (ours.variables, theirs.variables),
            (ours.trainable_variables, theirs.trainable_variables),
        ):
            assert list(mine) == [v.name.removesuffix(":0") for v in listed]
            for value, variable in zip(mine.values(), listed, strict=True):
                np.testing.assert_array_equal(value, variable.numpy())
