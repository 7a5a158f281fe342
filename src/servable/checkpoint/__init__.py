"""TensorFlow checkpoints: read, written, kept and converted."""

from servable.checkpoint.archives import from_npz, read_npz, to_npz
from servable.checkpoint.meta import GraphVariable, MetaFile, checkpoint_to_saved_model, read_meta
from servable.checkpoint.reading import (
    find_prefix,
    list_variables,
    load_checkpoint,
    load_variable,
    restore,
)
from servable.checkpoint.saver import Saver, remove_checkpoint
from servable.checkpoint.state import (
    CheckpointState,
    latest_checkpoint,
    read_state,
    write_state,
)
from servable.checkpoint.writing import copy_checkpoint, write_checkpoint, write_object_checkpoint

__all__ = [
    "CheckpointState",
    "GraphVariable",
    "MetaFile",
    "Saver",
    "checkpoint_to_saved_model",
    "copy_checkpoint",
    "find_prefix",
    "from_npz",
    "latest_checkpoint",
    "list_variables",
    "load_checkpoint",
    "load_variable",
    "read_meta",
    "read_npz",
    "read_state",
    "remove_checkpoint",
    "restore",
    "to_npz",
    "write_checkpoint",
    "write_object_checkpoint",
    "write_state",
]
