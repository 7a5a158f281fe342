"""What a version folder holds, told by the names of its files."""

from __future__ import annotations

import enum
from pathlib import Path

from servable.savedmodel import checks, model_file
from servable.savedmodel.errors import Incomplete
from servable.savedmodel.files import size_of

TFLITE_NAME = "model.tflite"
ONNX_NAME = "model.onnx"

OVERHEAD = 1.2
"""Bytes of memory for each byte of the files; TensorFlow Serving estimates the same."""


class Format(enum.Enum):
    """A format of models, with the names of the files that it is known by."""

    SAVED_MODEL = (model_file.BINARY_NAME, model_file.TEXT_NAME)
    TFLITE = (TFLITE_NAME,)
    ONNX = (ONNX_NAME,)


def format_of(path: Path) -> Format | None:
    """Return what a folder holds, None if it is no model.

    A folder with several counts as the first in the order of `Format`: TensorFlow Serving,
    too, takes the SavedModel beside a `model.tflite` unless it is told otherwise.
    """
    for kind in Format:
        if any((path / name).is_file() for name in kind.value):
            return kind
    return None


def check_complete(path: Path) -> None:
    """Return if a version folder is all there, as far as its format lets one tell.

    A TFLite or ONNX file says nowhere how long it is; one that is not empty counts.

    Raises:
        Incomplete: something is missing; a later call may succeed.
        SavedModelError: waiting will not help.
    """
    kind = format_of(path)
    if kind is None or kind is Format.SAVED_MODEL:
        checks.check_complete(path)
        return
    (name,) = kind.value
    if not size_of(path / name):
        raise Incomplete(f"INCOMPLETE: {name} is empty")


def memory_estimate(path: Path) -> int:
    """Return how much memory the model in a folder will need: all files, and a fifth more."""
    files = (p for p in path.rglob("*") if p.is_file())
    return int(sum(p.stat().st_size for p in files) * OVERHEAD)
