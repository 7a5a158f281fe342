"""The other engines: TensorFlow as it serves models here, and what it shares with ours."""

from __future__ import annotations

import logging
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from servable.demos import digits
from servable.errors import InvalidArgument, ServableError
from servable.servables.loaders import loader_for
from servable.servables.saved_model import SavedModelLoader
from servable.servables.tensorflow_model import TensorFlowLoader, TensorFlowServable
from servable.tensors import Array

pytestmark = [
    pytest.mark.parity,
    pytest.mark.filterwarnings("default"),  # TensorFlow's own deprecations
]

tf: Any = pytest.importorskip("tensorflow", reason="needs the environment of `make parity`")

MODELS = Path(__file__).parents[1] / "data" / "models"


def tensorflow(path: Path) -> TensorFlowServable:
    loader = TensorFlowLoader(path)
    loader.load()
    return loader.servable()


def outside(folder: Path) -> Path:
    """A SavedModel with an op that can never be on our list: it reads a file."""

    class Module(tf.Module):  # type: ignore[misc]  # TensorFlow ships no types
        @tf.function(input_signature=[tf.TensorSpec([], tf.string, name="path")])  # type: ignore[untyped-decorator]  # no types
        def serve(self, path: Any) -> dict[str, Any]:
            return {"content": tf.io.read_file(path)}

    module = Module()
    tf.saved_model.save(module, str(folder), signatures=module.serve)
    return folder


@pytest.mark.parametrize("version", ["1", "2"])
def test_both_engines_give_one_answer_and_one_signature(version: str) -> None:
    images, _ = digits.heldout()
    theirs = tensorflow(digits.MODELS / version)
    ours = SavedModelLoader(digits.MODELS / version)
    ours.load()
    assert theirs.signatures == ours.servable().signatures
    for batch in (1, 9):
        answers = [
            model.run("serving_default", {"image": images[:batch]}, ["probabilities"])
            for model in (ours.servable(), theirs)
        ]
        np.testing.assert_allclose(
            answers[0]["probabilities"], answers[1]["probabilities"], rtol=1e-4, atol=1e-6
        )


def test_tf1_models_with_assets_are_initialised() -> None:
    model = tensorflow(MODELS / "tf1_half_plus_two")
    x = np.array([[1.0], [2.0]], np.float32)
    got = model.run("serving_default", {"x": x}, ["y"])
    assert got["y"].tolist() == [[2.5], [3.0]]


def test_strings_and_scalars_survive(tmp_path: Path) -> None:
    class Module(tf.Module):  # type: ignore[misc]  # TensorFlow ships no types
        @tf.function(input_signature=[tf.TensorSpec(None, tf.string, name="s")])  # type: ignore[untyped-decorator]  # no types
        def serve(self, s: Any) -> dict[str, Any]:
            return {"first": tf.reshape(s, [-1])[0], "upper": tf.strings.upper(s)}

    module = Module()
    tf.saved_model.save(module, str(tmp_path), signatures=module.serve)
    words = np.array([[b"ab\0", b""]], object)
    got = tensorflow(tmp_path).run("serving_default", {"s": words}, ["upper", "first"])
    assert got["upper"].tolist() == [[b"AB\0", b""]]
    assert (got["first"].dtype.name, got["first"].shape) == ("object", ())
    assert got["first"].item() == b"ab\0"


def test_a_refused_request_leaves_the_model_as_it_was() -> None:
    model = tensorflow(digits.MODELS / "2")
    with pytest.raises(ServableError) as caught:
        model.run("serving_default", {"image": np.zeros((1, 3, 3, 7), np.float32)}, [])
    assert isinstance(caught.value, InvalidArgument)
    assert "[[{{node" in caught.value.message
    model.run("serving_default", {"image": np.zeros((1, 8, 8, 1), np.float32)}, ["probabilities"])


def test_many_threads_share_a_session() -> None:
    images, _ = digits.heldout()
    model = tensorflow(digits.MODELS / "1")
    wanted = model.run("serving_default", {"image": images[:64]}, ["probabilities"])
    wrong: list[int] = []

    def ask(index: int) -> None:
        for i in range(index, 64, 4):
            got = model.run("serving_default", {"image": images[i : i + 1]}, ["probabilities"])
            row: Array = wanted["probabilities"][i : i + 1]
            if not np.allclose(got["probabilities"], row, atol=1e-5):
                wrong.append(i)

    threads = [threading.Thread(target=ask, args=(i,)) for i in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []


def test_auto_serves_what_the_native_engine_lacks(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    loader = loader_for(outside(tmp_path))
    with caplog.at_level(logging.WARNING, "servable"):
        loader.load()
    assert "'ReadFile'" in caplog.text
    file = tmp_path / "note.txt"
    file.write_bytes(b"four")
    path = np.array(str(file).encode(), object)
    got = loader.servable().run("serving_default", {"path": path}, ["content"])
    assert got["content"].item() == b"four"
    loader.unload()


def test_auto_keeps_to_the_native_engine_where_it_can() -> None:
    loader = loader_for(digits.MODELS / "1")
    loader.load()
    assert not isinstance(loader.servable(), TensorFlowServable)
