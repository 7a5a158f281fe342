"""Models written in Python: what a model.py declares, answers, and gets wrong."""

from __future__ import annotations

import sys
import textwrap
from pathlib import Path

import numpy as np
import pytest

from servable import tensors
from servable.errors import (
    FailedPrecondition,
    Internal,
    InvalidArgument,
    ServableError,
)
from servable.servables.code_model import CodeLoader, check_complete
from servable.tensors import TensorSpec

SUM = """
    import dataclasses
    import numpy as np

    @dataclasses.dataclass
    class Config:
        bias: float

    class Model:
        signatures = {
            "serving_default": {
                "inputs": {"x": ("float32", [None, 2])},
                "outputs": {"sum": ("float", [None]), "word": ("string", None)},
            }
        }

        def __init__(self, path):
            self.config = Config(float((path / "bias.txt").read_text()))

        def predict(self, signature, inputs):
            x = inputs["x"]
            if x.shape[-1] != 2:
                raise ValueError("two numbers a row")
            if x.size == 0:
                return []
            if x[0, 0] < 0:
                raise RuntimeError("below zero")
            if x[0, 0] > 1e6:
                raise SystemExit("too much")
            sums = x.sum(axis=1) + self.config.bias
            return {"sum": sums.tolist(), "word": "w\\u00f6rter" if x[0, 0] else ["a", b"b"]}

        def close(self):
            print("closed")
"""


def folder(path: Path, source: str) -> Path:
    (path / "model.py").write_text(textwrap.dedent(source))
    (path / "bias.txt").write_text("0.5")
    return path


@pytest.fixture
def loader(tmp_path: Path) -> CodeLoader:
    return CodeLoader(folder(tmp_path, SUM))


def test_it_declares_signatures_and_answers(loader: CodeLoader, tmp_path: Path) -> None:
    before = set(sys.modules)
    loader.load()
    servable = loader.servable()
    signature = servable.signatures["serving_default"]
    assert signature.inputs == {"x": TensorSpec("x:0", tensors.FLOAT, (None, 2))}
    assert signature.outputs["word"] == TensorSpec("word:0", tensors.STRING, None)
    x = np.array([[1, 2], [3, 4]], np.float32)
    outputs = servable.run("serving_default", {"x": x}, ["word", "sum"])
    assert outputs["sum"].dtype == np.float32
    assert outputs["sum"].tolist() == [3.5, 7.5]
    assert outputs["word"].tolist() == "wörter".encode()
    assert sorted(p.name for p in tmp_path.iterdir()) == ["bias.txt", "model.py"]
    loader.unload()
    assert set(sys.modules) == before


def test_it_is_closed_when_it_is_unloaded(
    loader: CodeLoader, capsys: pytest.CaptureFixture[str]
) -> None:
    loader.load()
    loader.unload()
    assert capsys.readouterr().out == "closed\n"
    with pytest.raises(FailedPrecondition):
        loader.servable()


def test_that_code_is_run_is_said(loader: CodeLoader, caplog: pytest.LogCaptureFixture) -> None:
    loader.load()
    assert "it may do whatever the server may" in caplog.text
    loader.unload()


@pytest.mark.parametrize(
    ("x", "kind", "text"),
    [
        ([[1, 2, 3]], InvalidArgument, "two numbers a row"),
        ([[-1, 2]], Internal, "model.py: RuntimeError: below zero"),
        ([[1e7, 2]], Internal, "model.py: SystemExit: too much"),
        (np.zeros((0, 2)), Internal, "model.py: predict returned no mapping of outputs"),
    ],
)
def test_what_predict_gets_wrong_is_one_request_s_trouble(
    loader: CodeLoader, x: object, kind: type[ServableError], text: str
) -> None:
    loader.load()
    with pytest.raises(kind) as error:
        loader.servable().run("serving_default", {"x": np.array(x, np.float32)}, ["sum"])
    assert error.value.message == text
    again = np.array([[1, 2]], np.float32)
    assert loader.servable().run("serving_default", {"x": again}, ["sum"])["sum"] == [3.5]
    loader.unload()


OUTPUT = """
    class Model:
        signatures = {{"s": {{"inputs": {{}}, "outputs": {{"y": ("int64", [])}}}}}}
        def __init__(self, path): pass
        def predict(self, signature, inputs): return {result}
"""


@pytest.mark.parametrize(
    ("result", "text"),
    [
        ('{"z": 1}', "model.py: predict returned no output y"),
        ('{"y": "many"}', "model.py: output y is not int64 []: invalid literal"),
    ],
)
def test_an_output_that_is_not_as_declared_is_told(tmp_path: Path, result: str, text: str) -> None:
    loader = CodeLoader(folder(tmp_path, OUTPUT.format(result=result)))
    loader.load()
    with pytest.raises(Internal) as error:
        loader.servable().run("s", {}, ["y"])
    assert error.value.message.startswith(text)
    loader.unload()


NO_SIGNATURES = "class Model:\n    signatures = {}\n    def __init__(self, p): pass\n"


@pytest.mark.parametrize(
    ("source", "text"),
    [
        ("def broken(:", "no Python that can be run"),
        ("a\0b", "no Python that can be run"),
        ("x = 1", "has no class Model"),
        (NO_SIGNATURES, "has no method predict"),
        (NO_SIGNATURES + "    def predict(self, s, i): pass", "has no signatures"),
        (
            NO_SIGNATURES.replace("{}", "{'s': 1}") + "    def predict(self, s, i): pass",
            "can not be understood",
        ),
        (
            NO_SIGNATURES.replace("{}", "{'s': {'inputs': {'x': ('no', [])}, 'outputs': {}}}")
            + "    def predict(self, s, i): pass",
            "can not be understood",
        ),
    ],
)
def test_a_file_that_is_no_model_is_refused_and_leaves_nothing(
    tmp_path: Path, source: str, text: str
) -> None:
    before = set(sys.modules)
    with pytest.raises(InvalidArgument, match=text):
        CodeLoader(folder(tmp_path, source)).load()
    assert set(sys.modules) == before


def test_a_file_that_ends_the_program_is_refused(tmp_path: Path) -> None:
    before = set(sys.modules)
    with pytest.raises(Internal, match=r"model\.py: SystemExit: 3"):
        CodeLoader(folder(tmp_path, "import sys\nsys.exit(3)\n")).load()
    assert set(sys.modules) == before


def test_a_folder_without_the_file_is_not_complete(tmp_path: Path) -> None:
    with pytest.raises(ServableError, match=r"model\.py missing"):
        check_complete(tmp_path)
    check_complete(folder(tmp_path, SUM))
