"""What a version folder holds, and whether it is all there."""

from __future__ import annotations

from pathlib import Path

import pytest

from servable.savedmodel.errors import Incomplete
from servable.servables.formats import Format, check_complete, format_of, memory_estimate


@pytest.mark.parametrize(
    ("files", "kind"),
    [
        (["saved_model.pb"], Format.SAVED_MODEL),
        (["saved_model.pbtxt"], Format.SAVED_MODEL),
        (["model.tflite"], Format.TFLITE),
        (["model.onnx"], Format.ONNX),
        (["model.tflite", "model.onnx", "saved_model.pb"], Format.SAVED_MODEL),
        (["readme.txt"], None),
        ([], None),
    ],
)
def test_a_format_is_known_by_its_files(
    tmp_path: Path, files: list[str], kind: Format | None
) -> None:
    for name in files:
        (tmp_path / name).write_bytes(b"x")
    assert format_of(tmp_path) is kind


@pytest.mark.parametrize("name", ["model.tflite", "model.onnx"])
def test_an_empty_file_is_waited_for(tmp_path: Path, name: str) -> None:
    (tmp_path / name).touch()
    with pytest.raises(Incomplete, match=f"INCOMPLETE: {name} is empty"):
        check_complete(tmp_path)
    (tmp_path / name).write_bytes(b"x")
    check_complete(tmp_path)


def test_a_folder_without_a_model_waits_for_a_saved_model(tmp_path: Path) -> None:
    with pytest.raises(Incomplete, match=r"saved_model\.pb missing"):
        check_complete(tmp_path)


def test_the_estimate_is_all_files_and_a_fifth_more(tmp_path: Path) -> None:
    (tmp_path / "model.onnx").write_bytes(bytes(1000))
    (tmp_path / "weights").mkdir()
    (tmp_path / "weights" / "w.bin").write_bytes(bytes(4000))
    assert memory_estimate(tmp_path) == 6000
