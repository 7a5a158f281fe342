"""What can be wrong with a checkpoint beside damage, which `savedmodel.errors` describes."""

from __future__ import annotations

from servable.errors import Code, ServableError


class CheckpointError(ServableError):
    """Base of errors about checkpoints."""

    code = Code.FAILED_PRECONDITION


class CheckpointMissing(CheckpointError):
    """There is no checkpoint under that name."""

    code = Code.NOT_FOUND


class OldFormat(CheckpointError):
    """The checkpoint has the format that TensorFlow wrote before 1.0."""

    code = Code.UNIMPLEMENTED


class StateInvalid(CheckpointError):
    """The file `checkpoint` is not the message it should be."""

    code = Code.DATA_LOSS


class KeysMissing(CheckpointError):
    """Tensors that are asked for are not in the checkpoint, or have another shape."""

    code = Code.NOT_FOUND


class MetaInvalid(CheckpointError):
    """A .meta file is not the message it should be."""

    code = Code.DATA_LOSS


class ArchiveInvalid(CheckpointError):
    """A .npz file can not be read, or holds what no tensor can be."""

    code = Code.INVALID_ARGUMENT
