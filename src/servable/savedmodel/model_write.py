"""Writing saved_model.pb or saved_model.pbtxt."""

from __future__ import annotations

from pathlib import Path

from google.protobuf import text_format
from google.protobuf.message import EncodeError

from servable.pb import saved_model_pb2
from servable.pb._pool import POOL
from servable.savedmodel.atomic import write_file
from servable.savedmodel.model_file import BINARY_NAME, MAX_BINARY_BYTES, TEXT_NAME
from servable.savedmodel.write_errors import NotWritable

SCHEMA_VERSION = 1


def write_model(
    model: saved_model_pb2.SavedModel, directory: Path, *, as_text: bool = False
) -> Path:
    """Write a model file into a folder; the same message gives the same bytes.

    As text, fields that our own message definitions leave out are lost.

    Raises:
        NotWritable: the message is larger than protobuf allows, which is 2 GiB.
        WriteFailed: the operating system refused.
    """
    path = directory / (TEXT_NAME if as_text else BINARY_NAME)
    if as_text:
        content = text_format.MessageToString(model, descriptor_pool=POOL).encode()
    else:
        try:
            content = model.SerializeToString(deterministic=True)
        except (EncodeError, ValueError) as error:
            raise _too_large() from error
        if len(content) > MAX_BINARY_BYTES:
            raise _too_large()
    write_file(path, content)
    return path


def _too_large() -> NotWritable:
    return NotWritable(
        "the graph does not fit one message, which may have 2 GiB",
        hint="Keep large weights in variables.",
    )
