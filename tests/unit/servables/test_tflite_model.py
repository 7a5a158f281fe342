"""TFLite files: their signatures, and their answers through OpenVINO and a LiteRT that is none."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from servable.errors import Code, InvalidArgument, ServableError
from servable.servables import tflite_model
from servable.servables.litert import LiteRtModel, interpreters
from servable.servables.loaders import loader_for
from servable.servables.tflite_file import read_signatures
from servable.servables.tflite_model import TfLiteLoader, TfLiteServable
from servable.tensors import FLOAT, Array, TensorSpec

MODELS = Path(__file__).parents[2] / "data" / "engines"
DENSE = (MODELS / "tflite_dense" / "model.tflite").read_bytes()
W = np.arange(12, dtype=np.float32).reshape(4, 3) / 10
B = np.array([0.5, 0, -0.5], np.float32)


@pytest.fixture(autouse=True)
def no_litert(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ai_edge_litert", None)


def load(name: str) -> TfLiteServable:
    loader = loader_for(MODELS / name)
    assert isinstance(loader, TfLiteLoader)
    loader.load()
    return loader.servable()


def scores(x: Array) -> Array:
    e = np.exp(x @ W + B)
    return np.asarray(e / e.sum(1, keepdims=True))


def test_the_signatures_of_a_file_keep_their_aliases() -> None:
    ((name, signature),) = load("tflite_dense").signatures.items()
    assert name == "classify"
    assert dict(signature.inputs) == {"x": TensorSpec("classify_x:0", FLOAT, (None, 4))}
    assert list(signature.outputs) == ["doubled", "scores"]


def test_a_file_without_signatures_gets_one_over_its_tensors() -> None:
    ((name, signature),) = load("tflite_plain").signatures.items()
    assert (name, list(signature.inputs), list(signature.outputs)) == (
        "serving_default",
        ["x"],
        ["scores"],
    )


def test_a_trailing_zero_is_no_part_of_an_alias() -> None:
    plain = (MODELS / "tflite_plain" / "model.tflite").read_bytes()
    named = plain.replace(b"\x06\0\0\0scores\0", b"\x06\0\0\0core:0\0")
    assert named != plain
    (entry,) = read_signatures(named).values()
    assert list(entry.signature.outputs) == ["core"]
    assert entry.signature.outputs["core"].name == "core:0"


@pytest.mark.parametrize(
    ("name", "key"), [("tflite_dense", "classify"), ("tflite_plain", "serving_default")]
)
@pytest.mark.parametrize("rows", [1, 3])
def test_inputs_are_resized_to_the_requests_shape(name: str, key: str, rows: int) -> None:
    x = np.random.default_rng(rows).normal(size=(rows, 4)).astype(np.float32)
    got = load(name).run(key, {"x": x}, ["scores"])
    np.testing.assert_allclose(got["scores"], scores(x), rtol=1e-5)


def test_a_shape_that_does_not_fit_is_refused_and_the_model_stays_usable() -> None:
    model = load("tflite_dense")
    with pytest.raises(InvalidArgument, match=r"inputs of these shapes: classify_x:0 \[2, 5\]"):
        model.run("classify", {"x": np.zeros((2, 5), np.float32)}, ["scores"])
    model.run("classify", {"x": np.zeros((2, 4), np.float32)}, ["scores"])


@pytest.mark.parametrize("content", [b"", b"TFL3", b"\0\0\0\0TFL3", b"hello" * 100])
def test_what_is_no_flatbuffer_gets_tensorflow_servings_text(content: bytes) -> None:
    with pytest.raises(InvalidArgument, match=r"^Cannot build FlatBufferModel from buffer\.$"):
        read_signatures(content)


def test_a_damaged_byte_is_read_or_refused_and_nothing_else() -> None:
    refused = 0
    for at in range(8, len(DENSE)):
        try:
            read_signatures(DENSE[:at] + b"\xff" + DENSE[at + 1 :])
        except InvalidArgument:
            refused += 1
    assert refused > 50


@pytest.mark.parametrize("share", [0.01, 0.25, 0.5, 0.75])
def test_a_file_that_is_cut_off_is_refused(share: float) -> None:
    with pytest.raises(InvalidArgument):
        read_signatures(DENSE[: int(len(DENSE) * share)])


class Interpreter:
    """Doubles its input; the tensors are numbered as in the file."""

    made = 0

    def __init__(self) -> None:
        type(self).made += 1
        self.tensors: dict[int, Any] = {}
        self.shape: tuple[int, ...] = ()

    def resize_tensor_input(self, _index: int, shape: tuple[int, ...]) -> None:
        self.shape = shape

    def allocate_tensors(self) -> None:
        if self.shape[-1] != 4:
            raise RuntimeError("dims do not match")

    def set_tensor(self, index: int, value: Array) -> None:
        self.tensors[index] = value

    def invoke(self) -> None:
        if (self.tensors[0] < 0).any():
            raise RuntimeError("node 3 failed")

    def get_tensor(self, _index: int) -> Array:
        return np.asarray(self.tensors[0] * 2)


def test_litert_answers_by_alias_and_an_interpreter_that_failed_is_not_used_again() -> None:
    model = LiteRtModel(Interpreter, read_signatures(DENSE))
    before = Interpreter.made
    x = np.ones((2, 4), np.float32)
    assert model("classify", {"x": x})["doubled"].tolist() == (2 * x).tolist()
    assert Interpreter.made == before
    for bad, text in (
        (x[:, :3], "Failed to allocate tensors"),
        (-x, "Failed to invoke TfLite interpreter"),
    ):
        with pytest.raises(ServableError) as caught:
            model("classify", {"x": bad})
        assert (caught.value.code, caught.value.message) == (Code.INTERNAL, text)
        model("classify", {"x": x})
    assert Interpreter.made == before + 2


def test_an_interpreter_that_can_not_be_made_gets_tensorflow_servings_text() -> None:
    def refuse() -> None:
        raise ValueError("unresolved custom op: Frobnicate")

    with pytest.raises(ServableError, match=r"^Cannot build Interpreter from buffer\.$") as caught:
        LiteRtModel(refuse, {})
    assert "Frobnicate" in caught.value.hint


def test_litert_that_is_not_there_names_its_extra() -> None:
    with pytest.raises(ServableError, match=r"servable\[tflite\]"):
        interpreters(DENSE)


def test_what_openvino_lacks_is_refused_with_the_way_out(monkeypatch: pytest.MonkeyPatch) -> None:
    entries = read_signatures(DENSE)
    monkeypatch.setattr(
        tflite_model,
        "read_signatures",
        lambda _: {
            **entries,
            "half": read_signatures((MODELS / "tflite_plain" / "model.tflite").read_bytes())[
                "serving_default"
            ],
        },
    )
    with pytest.raises(ServableError) as caught:
        load("tflite_dense")
    assert caught.value.code is Code.UNIMPLEMENTED
    assert "servable[tflite]" in caught.value.hint
