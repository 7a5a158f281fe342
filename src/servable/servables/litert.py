"""TFLite models computed by LiteRT, TensorFlow Lite's own runtime, where it is installed."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from servable.errors import Internal
from servable.servables.extras import MissingExtra
from servable.servables.tflite_file import Entry
from servable.tensors import STRING, Array


def interpreters(data: bytes) -> Callable[[], Any]:
    """Return what makes an interpreter of a file's content.

    Raises:
        MissingExtra: LiteRT is not installed.
    """
    try:
        from ai_edge_litert.interpreter import Interpreter
    except ImportError as error:
        raise MissingExtra("LiteRT", "tflite", error) from error
    return lambda: Interpreter(model_content=data)


class LiteRtModel:
    """A model with a pool of interpreters: one for each call in flight. Thread-safe.

    Args:
        make: makes an interpreter.
        entries: the file's signatures by name.

    Raises:
        Internal: no interpreter can be made, as where ops are missing.
    """

    def __init__(self, make: Callable[[], Any], entries: Mapping[str, Entry]) -> None:
        self._make = make
        self._entries = entries
        # list.append and list.pop are atomic.
        self._idle = [self._made()]

    def __call__(self, name: str, inputs: Mapping[str, Array]) -> dict[str, Array]:
        """Compute all outputs of a signature.

        Raises:
            Internal: the shapes or values do not suit the model; the texts are
                TensorFlow Serving's.
        """
        try:
            interpreter = self._idle.pop()
        except IndexError:
            interpreter = self._made()
        entry = self._entries[name]
        # One that failed is in an unknown state, so only one that did not comes back.
        compute = _signature if entry.subgraph else _main_subgraph
        results = compute(interpreter, name, entry, inputs)
        self._idle.append(interpreter)
        return results

    def _made(self) -> Any:
        try:
            return self._make()
        except (ValueError, RuntimeError) as error:
            raise Internal("Cannot build Interpreter from buffer.", hint=str(error)) from error


def _main_subgraph(
    interpreter: Any, _name: str, entry: Entry, inputs: Mapping[str, Array]
) -> dict[str, Array]:
    try:
        for alias, index in entry.inputs.items():
            interpreter.resize_tensor_input(index, inputs[alias].shape)
        interpreter.allocate_tensors()
        for alias, index in entry.inputs.items():
            interpreter.set_tensor(index, inputs[alias])
    except (ValueError, RuntimeError) as error:
        raise Internal("Failed to allocate tensors", hint=str(error)) from error
    try:
        interpreter.invoke()
        made = {alias: interpreter.get_tensor(index) for alias, index in entry.outputs.items()}
    except (ValueError, RuntimeError) as error:
        raise Internal("Failed to invoke TfLite interpreter", hint=str(error)) from error
    return _typed(entry, made)


def _signature(
    interpreter: Any, name: str, entry: Entry, inputs: Mapping[str, Array]
) -> dict[str, Array]:
    try:
        made = interpreter.get_signature_runner(name)(**inputs)
    except (ValueError, RuntimeError) as error:
        raise Internal("Failed to invoke TfLite interpreter", hint=str(error)) from error
    return _typed(entry, made)


def _typed(entry: Entry, made: Mapping[str, Any]) -> dict[str, Array]:
    outputs = entry.signature.outputs
    return {
        alias: np.asarray(value, object if outputs[alias].dtype is STRING else None)
        for alias, value in made.items()
    }
