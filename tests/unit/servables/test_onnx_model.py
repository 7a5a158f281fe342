"""ONNX models through OpenVINO: right answers, and refusals where it would give wrong ones."""

from __future__ import annotations

import shutil
import threading
from pathlib import Path

import numpy as np
import pytest

from servable.errors import FailedPrecondition, InvalidArgument, ServableError
from servable.servables.loaders import Engine, loader_for
from servable.servables.onnx_model import OnnxLoader, OnnxServable
from servable.tensors import FLOAT, INT64, TensorSpec

MODELS = Path(__file__).parents[2] / "data" / "engines"
W = np.arange(12, dtype=np.float32).reshape(4, 3) / 10
B = np.array([0.5, 0, -0.5], np.float32)


def load(name: str) -> OnnxServable:
    loader = OnnxLoader(MODELS / name)
    loader.load()
    return loader.servable()


def test_the_files_names_and_dtypes_become_the_signature() -> None:
    assert dict(load("onnx_lookup").signatures["serving_default"].inputs) == {
        "ids": TensorSpec("ids", INT64, (None, None))
    }
    outputs = load("onnx_dense").signatures["serving_default"].outputs
    assert list(outputs.items()) == [
        ("doubled", TensorSpec("doubled", FLOAT, (None, 4))),
        ("probabilities", TensorSpec("probabilities", FLOAT, (None, 3))),
    ]


@pytest.mark.parametrize("rows", [1, 2, 33])
def test_any_number_of_rows_is_computed(rows: int) -> None:
    x = np.random.default_rng(rows).normal(size=(rows, 4)).astype(np.float32)
    got = load("onnx_dense").run("serving_default", {"x": x}, ["probabilities", "doubled"])
    e = np.exp(x @ W + B)
    np.testing.assert_allclose(got["probabilities"], e / e.sum(1, keepdims=True), rtol=1e-5)
    np.testing.assert_array_equal(got["doubled"], x + x)


def test_only_what_is_fetched_comes_back() -> None:
    x = np.zeros((1, 4), np.float32)
    assert list(load("onnx_dense").run("serving_default", {"x": x}, ["doubled"])) == ["doubled"]


def test_int64_is_computed_within_int32_and_refused_beyond() -> None:
    model = load("onnx_lookup")
    got = model.run("serving_default", {"ids": np.array([[2, 0]])}, ["rows", "next"])
    assert got["rows"].tolist() == [[[20, 21], [0, 1]]]
    assert (got["next"].tolist(), got["next"].dtype.name) == ([[3, 1]], "int64")
    for wide in (2**31, -(2**31) - 1):
        with pytest.raises(InvalidArgument, match="ids holds an integer beyond int32"):
            model.run("serving_default", {"ids": np.array([[wide]])}, ["next"])


def test_ranks_that_the_file_leaves_open_are_met_one_by_one() -> None:
    model = load("onnx_any_rank")
    for shape in ((), (3,), (2, 3), (5, 1, 2)):
        x = -np.ones(shape, np.float32)
        got = model.run("serving_default", {"x": x}, ["y"])["y"]
        np.testing.assert_array_equal(got, -x)


@pytest.mark.parametrize("shape", [(2, 5), (4,), (1, 2, 4), (0, 4)])
def test_shapes_that_do_not_fit_are_refused_and_the_model_stays_usable(
    shape: tuple[int, ...],
) -> None:
    model = load("onnx_dense")
    with pytest.raises(InvalidArgument, match=r"hapes.*x \["):
        model.run("serving_default", {"x": np.zeros(shape, np.float32)}, ["doubled"])
    model.run("serving_default", {"x": np.zeros((1, 4), np.float32)}, ["doubled"])


def test_nan_is_refused_because_it_would_be_lost() -> None:
    with pytest.raises(InvalidArgument, match="x holds NaN"):
        load("onnx_dense").run(
            "serving_default", {"x": np.full((1, 4), np.nan, np.float32)}, ["doubled"]
        )


def test_many_threads_get_their_own_answers() -> None:
    model = load("onnx_dense")
    wrong: list[int] = []

    def ask(number: int) -> None:
        for rows in range(1, 20):
            x = np.full((rows, 4), number, np.float32)
            if (model.run("serving_default", {"x": x}, ["doubled"])["doubled"] != 2 * x).any():
                wrong.append(number)

    threads = [threading.Thread(target=ask, args=(n,)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []


def test_a_model_can_not_read_a_file_outside_of_its_folder(tmp_path: Path) -> None:
    (tmp_path / "secret.bin").write_bytes(np.arange(4, dtype=np.float32).tobytes())
    shutil.copytree(MODELS / "onnx_outside", tmp_path / "1")
    with pytest.raises(InvalidArgument) as caught:
        OnnxLoader(tmp_path / "1").load()
    assert "outside the base directory" in caught.value.hint


@pytest.mark.parametrize("content", [b"x", b"hello" * 100, b"\x08"])
def test_a_broken_file_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "model.onnx").write_bytes(content)
    with pytest.raises(InvalidArgument, match=r"model\.onnx can not be read"):
        OnnxLoader(tmp_path).load()


def test_no_prefix_of_a_file_ends_the_process(tmp_path: Path) -> None:
    whole = (MODELS / "onnx_dense" / "model.onnx").read_bytes()
    refused = 0
    for end in range(0, len(whole), 7):
        (tmp_path / "model.onnx").write_bytes(whole[:end])
        try:
            OnnxLoader(tmp_path).load()
        except ServableError:
            refused += 1
    assert refused > 10


@pytest.mark.parametrize("engine", ["auto", "native", "tensorflow"])
def test_a_folder_with_a_model_onnx_is_loaded_by_it(engine: Engine) -> None:
    assert isinstance(loader_for(MODELS / "onnx_dense", engine=engine), OnnxLoader)


def test_a_loader_gives_its_servable_only_between_load_and_unload() -> None:
    loader = OnnxLoader(MODELS / "onnx_dense")
    with pytest.raises(FailedPrecondition):
        loader.servable()
    loader.load()
    assert loader.estimate_resources() > 281
    loader.unload()
    with pytest.raises(FailedPrecondition):
        loader.servable()
