"""A SavedModel run by TensorFlow itself, where it is installed.

The way is TensorFlow Serving's: restore into a session, run the init op, then fetch
tensors by name. TensorFlow is imported when a model is loaded, and not before.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from servable.errors import (
    AlreadyExists,
    Cancelled,
    Code,
    DataLoss,
    DeadlineExceeded,
    FailedPrecondition,
    Internal,
    InvalidArgument,
    NotFound,
    OutOfRange,
    PermissionDenied,
    ResourceExhausted,
    ServableError,
    Unavailable,
    Unimplemented,
    UnknownError,
)
from servable.graph.ir import UnsupportedOps
from servable.savedmodel.reader import read
from servable.servables.extras import MissingExtra
from servable.servables.formats import memory_estimate
from servable.tensors import STRING, Array, Signature

_ERRORS: Mapping[int, type[ServableError]] = {
    kind.code: kind
    for kind in (
        Cancelled, InvalidArgument, DeadlineExceeded, NotFound, AlreadyExists, PermissionDenied,
        ResourceExhausted, FailedPrecondition, OutOfRange, Unimplemented, Internal, Unavailable,
        DataLoss,
    )
}  # fmt: skip


class TensorFlowServable:
    """A SavedModel in a session. Thread-safe, as sessions are.

    Args:
        signatures: its signatures.
        functions: signature name -> a function of the inputs, in the order of the
            signature, that returns all outputs in that order.
        failure: the base of the exceptions that the functions raise for a request,
            which have `error_code` and `message`.
    """

    def __init__(
        self,
        signatures: Mapping[str, Signature],
        functions: Mapping[str, Callable[..., Sequence[Any]]],
        failure: type[Exception],
    ) -> None:
        self._signatures = dict(signatures)
        self._functions = dict(functions)
        self._failure = failure

    @property
    def signatures(self) -> Mapping[str, Signature]:
        """Signature name -> signature."""
        return self._signatures

    def run(
        self, signature: str, inputs: Mapping[str, Array], fetches: Sequence[str]
    ) -> dict[str, Array]:
        """Compute outputs of a signature; see `contracts.Servable`."""
        definition = self._signatures[signature]
        try:
            values = self._functions[signature](*(inputs[alias] for alias in definition.inputs))
        except self._failure as error:
            raise converted(error) from error
        except (TypeError, ValueError) as error:
            raise InvalidArgument(str(error)) from error
        made = dict(zip(definition.outputs, values, strict=True))
        return {
            # A session returns a scalar string as bytes, and other scalars as numpy's.
            alias: np.asarray(
                made[alias], object if definition.outputs[alias].dtype is STRING else None
            )
            for alias in fetches
        }


class TensorFlowLoader:
    """Loads one version folder into TensorFlow. A `contracts.Loader`.

    TensorFlow runs whatever op a model names, those that read and write files
    included: only for models that are trusted.

    Args:
        path: the folder with `saved_model.pb`.
        tags: the MetaGraph to take, by its exact set of tags.
    """

    def __init__(self, path: str | os.PathLike[str], *, tags: Collection[str] = ("serve",)) -> None:
        self._path = Path(path)
        self._tags = tuple(tags)
        self._session: Any = None
        self._servable: TensorFlowServable | None = None

    def estimate_resources(self) -> int:
        """Bytes: the size of all files, and a fifth more."""
        return memory_estimate(self._path)

    def load(self) -> None:
        """Import TensorFlow, restore and initialise.

        Raises:
            MissingExtra: TensorFlow is not installed.
            ServableError: the files are broken, or TensorFlow refuses the graph.
        """
        tf = _tensorflow()
        # Read by our own reader: the signatures are the same, whoever computes.
        signatures = read(self._path).meta_graph(self._tags).signatures
        for name, signature in signatures.items():
            _check_plain(name, signature)
        session = tf.compat.v1.Session(graph=tf.Graph())
        try:
            with session.graph.as_default():
                tf.compat.v1.saved_model.load(session, list(self._tags), os.fspath(self._path))
            functions = {name: _function(session, s) for name, s in signatures.items()}
        except tf.errors.OpError as error:
            session.close()
            raise converted(error) from error
        except (ValueError, TypeError, KeyError, OSError, RuntimeError) as error:
            session.close()
            raise InvalidArgument(f"TensorFlow can not load {self._path}: {error}") from error
        self._session = session
        self._servable = TensorFlowServable(signatures, functions, tf.errors.OpError)

    def unload(self) -> None:
        """Close the session."""
        if self._session is not None:
            self._session.close()
        self._session = self._servable = None

    def servable(self) -> TensorFlowServable:
        """The loaded model.

        Raises:
            FailedPrecondition: `load` has not succeeded.
        """
        if self._servable is None:
            raise FailedPrecondition(f"{self._path} is not loaded")
        return self._servable


def converted(error: Any) -> ServableError:
    """Return TensorFlow's error as one of ours, with its code and its text."""
    kind = _ERRORS.get(error.error_code or Code.UNKNOWN, UnknownError)
    return kind(str(error.message))


def _tensorflow() -> Any:
    try:
        import tensorflow
    except ImportError as error:
        raise MissingExtra("TensorFlow", "tensorflow", error) from error
    return tensorflow


def _check_plain(name: str, signature: Signature) -> None:
    for alias, spec in (*signature.inputs.items(), *signature.outputs.items()):
        if not spec.name:
            raise UnsupportedOps(
                f"signature {name}: {alias} is not a plain tensor, and others are not supported"
            )


def _function(session: Any, signature: Signature) -> Callable[..., Sequence[Any]]:
    from tensorflow.core.protobuf.config_pb2 import CallableOptions

    options = CallableOptions(
        feed=[spec.name for spec in signature.inputs.values()],
        fetch=[spec.name for spec in signature.outputs.values()],
    )
    # The public `make_callable` goes through `Session.run`, which compares shapes with
    # those of placeholders; TensorFlow Serving feeds without asking, and so does this.
    function: Callable[..., Sequence[Any]] = session._make_callable_from_options(options)
    return function
