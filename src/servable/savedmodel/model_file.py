"""saved_model.pb or saved_model.pbtxt: finding and parsing it."""

from __future__ import annotations

from pathlib import Path

from google.protobuf import text_format
from google.protobuf.message import DecodeError

from servable.pb import saved_model_pb2
from servable.pb._pool import POOL
from servable.savedmodel.errors import ModelFileInvalid, NotASavedModel, SessionBundleRemoved
from servable.savedmodel.files import read_bytes, size_of

BINARY_NAME = "saved_model.pb"
TEXT_NAME = "saved_model.pbtxt"
_SESSION_BUNDLE_NAME = "export.meta"

# No protobuf message can be larger. Bigger models keep their weights in variables.
MAX_BINARY_BYTES = 2**31 - 1
# The text parser takes about a second for a megabyte.
MAX_TEXT_BYTES = 2**28


def find(directory: Path) -> Path:
    """Return the model file of a SavedModel; the binary form goes before text.

    Raises:
        NotASavedModel, SessionBundleRemoved: there is none; the texts are
            TensorFlow Serving's.
        FileUnreadable: something else than a regular file is in its place.
    """
    for name in (BINARY_NAME, TEXT_NAME):
        path = directory / name
        if size_of(path) is not None:
            return path
    if size_of(directory / _SESSION_BUNDLE_NAME) is not None:
        raise SessionBundleRemoved(
            "Session Bundle is deprecated and removed.",
            hint="Export the model again as a SavedModel.",
        )
    raise NotASavedModel(
        "Specified file path does not appear to contain a SavedModel bundle "
        "(should have a file called `saved_model.pb`)\n"
        f"Specified file path: {directory}",
        hint="Name the directory that holds saved_model.pb; for a server's base path "
        "that is the numbered version directory below it.",
    )


def parse(path: Path) -> saved_model_pb2.SavedModel:
    """Parse a model file, as text if its name says so.

    Raises:
        FileTooLarge, FileUnreadable, ModelFileInvalid.
    """
    if path.name == TEXT_NAME:
        return _parse_text(path)
    data = read_bytes(path, limit=MAX_BINARY_BYTES)
    try:
        return saved_model_pb2.SavedModel.FromString(data)
    except DecodeError as error:
        raise ModelFileInvalid(f"{path} ({len(data)} bytes): {error}") from None


def _parse_text(path: Path) -> saved_model_pb2.SavedModel:
    data = read_bytes(path, limit=MAX_TEXT_BYTES)
    message = saved_model_pb2.SavedModel()
    try:
        # Fields that our own message definitions leave out are skipped.
        text_format.Parse(data.decode(), message, allow_unknown_field=True, descriptor_pool=POOL)
    except (text_format.ParseError, UnicodeDecodeError) as error:
        raise ModelFileInvalid(f"{path}: {error}") from None
    except RecursionError:
        raise ModelFileInvalid(f"{path}: messages are nested too deeply") from None
    return message
