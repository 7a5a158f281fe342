"""What is kept of a request until a copy of it was run."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from servable.tensors import Array

_COPIED = 16_384
"""Bytes up to which a view is copied, so that it does not keep a whole request in memory."""

_PER_STRING = 48
"""What Python spends on a string beside its bytes."""


@dataclass(frozen=True, slots=True)
class Run:
    """What was computed for a request.

    Attributes:
        signature: the signature that was run.
        inputs, outputs: alias -> array.
        seconds: how long it took.
    """

    signature: str
    inputs: Mapping[str, Array]
    outputs: Mapping[str, Array]
    seconds: float


def kept(run: Run) -> Run:
    """Return the same with arrays that may be kept: short views of long buffers are copied.

    Arrays are not written after they were made, and keep alive what they are views of.
    """
    return Run(run.signature, _kept(run.inputs), _kept(run.outputs), run.seconds)


def _kept(arrays: Mapping[str, Array]) -> Mapping[str, Array]:
    return {alias: _own(array) for alias, array in arrays.items()}


def _own(array: Array) -> Array:
    if array.base is None or array.nbytes > _COPIED or array.dtype == object:
        return array
    return np.array(array)


def size(run: Run) -> int:
    """Return how many bytes are kept in memory by a run. Buffers that arrays share count once."""
    arrays = (*run.inputs.values(), *run.outputs.values())
    return sum({id(buffer): length for array in arrays for buffer, length in _held(array)}.values())


def _held(array: Array) -> Iterable[tuple[Any, int]]:
    """Yield what an array keeps alive, with the number of bytes."""
    root: Any = array
    while True:
        if isinstance(root, np.ndarray) and root.base is not None:
            root = root.base
        elif isinstance(root, memoryview):
            root = root.obj
        else:
            break
    try:
        # At least the array's own: what the root is of may be unknown to Python.
        yield root, max(memoryview(root).nbytes, array.nbytes)
    except (TypeError, ValueError):  # no buffer, or a dtype that has none
        yield root, getattr(root, "nbytes", array.nbytes)
    if array.dtype == object:
        strings = array.ravel().tolist()
        yield strings, sum(map(len, strings)) + _PER_STRING * len(strings)
