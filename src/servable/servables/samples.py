"""A small request that a model answers, for people who must write one: tried, not guessed.

Nothing in a SavedModel says that a string should be a JPEG file, or that an unknown size
should be 8. So a few likely requests are made up, and the first that the model answers is kept.
"""

from __future__ import annotations

import logging
import math
import threading
import zlib
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from itertools import product
from typing import TypeAlias

import numpy as np

from servable import tensors
from servable.errors import ServableError
from servable.pb import example_pb2
from servable.tensors import Array, DType, Sample, Shape, Signature, TensorSpec

log = logging.getLogger(__name__)

MAX_ELEMENTS = 256
"""Requests with more elements are not made: nobody would read them."""

_MAX_ANSWER = 2**16  # elements; the answer is kept beside the request
_SIZES = (1, 8, 32)  # what stands for sizes that are not known, except the first
_IMAGE_SIZES = (32, 224)
_TEXT = b"text"

Run: TypeAlias = Callable[[Mapping[str, Array]], Mapping[str, Array]]
"""Computes all outputs of one signature; raises ServableError."""


class Trial:
    """Finds a sample when it is first wanted, and keeps it. Thread-safe.

    Args:
        signature: whose request it is.
        run: the model. It is run from the thread that calls first, past metrics and logs.
    """

    def __init__(self, signature: Signature, run: Run) -> None:
        self._signature = signature
        self._run = run
        self._lock = threading.Lock()
        self._found: list[Sample | None] = []

    def __call__(self) -> Sample | None:
        """Return the sample, or None if there is none."""
        with self._lock:
            if not self._found:
                self._found.append(find_sample(self._signature, self._run))
            return self._found[0]


def find_sample(signature: Signature, run: Run) -> Sample | None:
    """Return the first candidate that is answered; None if none is."""
    for inputs in candidates(signature):
        try:
            outputs = run(inputs)
        except ServableError as error:
            log.debug("a sample request was refused: %s", error.message)
            continue
        except Exception:
            # Whoever asks is about to report an error already, and shall report that one.
            log.warning("a sample request failed in a way that no code foresaw", exc_info=True)
            continue
        if sum(output.size for output in outputs.values()) <= _MAX_ANSWER:
            return Sample(inputs, outputs)
    return None


def candidates(signature: Signature) -> Iterator[dict[str, Array]]:
    """Make up requests of one row and few elements, the likeliest first.

    All strings of a request are equal: the tf.Example that the model reads if that is known,
    or text, an image, a number, nothing. Numbers are all 1, or all 0.
    """
    specs = signature.inputs
    if not specs:
        return
    words = _words(signature) if tensors.STRING in {s.dtype for s in specs.values()} else (b"",)
    sizes = _SIZES if any(None in (spec.shape or ())[1:] for spec in specs.values()) else _SIZES[:1]
    ranks = _unknown_ranks(specs.values())
    for number, word, rank, size in product((1, 0), words, ranks, sizes):
        inputs: dict[str, Array] = {}
        for alias, spec in specs.items():
            array = _filled(spec.dtype, shape_of(spec.shape, size, rank), word, number)
            if array is None:
                return
            inputs[alias] = array
        if sum(array.size for array in inputs.values()) <= MAX_ELEMENTS:
            yield inputs


def shape_of(shape: Shape, size: int = 1, rank: int = 1) -> tuple[int, ...]:
    """Return a shape of one row: `size` for sizes that are not known, `rank` likewise."""
    if shape is None:
        return (1,) * rank
    return tuple(
        (size if axis else 1) if known is None else known for axis, known in enumerate(shape)
    )


def example(features: Mapping[str, TensorSpec]) -> bytes:
    """Return a serialized tf.Example that has these features."""
    message = example_pb2.Example()
    for name, spec in features.items():
        feature = message.features.feature[name]
        count = min(math.prod(shape_of(spec.shape)), MAX_ELEMENTS)
        if spec.dtype is tensors.STRING:
            feature.bytes_list.value.extend([_TEXT] * count)
        elif spec.dtype is tensors.FLOAT:
            feature.float_list.value.extend([1.0] * count)
        else:
            feature.int64_list.value.extend([1] * count)
    data: bytes = message.SerializeToString(deterministic=True)
    return data


def _words(signature: Signature) -> Sequence[bytes]:
    likely = (_TEXT, *map(_image, _IMAGE_SIZES), b"1", b"")
    if not signature.features:
        return likely
    count = sum(math.prod(shape_of(spec.shape)) for spec in signature.features.values())
    # One that is cut short would be refused.
    return (example(signature.features), *likely) if count <= MAX_ELEMENTS else likely


def _unknown_ranks(specs: Collection[TensorSpec]) -> Sequence[int]:
    return (1, 2, 0) if any(spec.shape is None for spec in specs) else (1,)


def _filled(dtype: DType | None, shape: tuple[int, ...], word: bytes, number: int) -> Array | None:
    if dtype is None or dtype in (tensors.RESOURCE, tensors.VARIANT):
        return None
    if math.prod(shape) > MAX_ELEMENTS:
        shape = (MAX_ELEMENTS + 1,)  # is not used, and shall not take memory
    return np.full(shape, word if dtype is tensors.STRING else number, dtype.numpy)


def _image(size: int) -> bytes:
    """Return a black PNG file of `size` by `size` pixels in three colours."""
    row = b"\x00" + bytes(3 * size)
    header = size.to_bytes(4, "big") * 2 + b"\x08\x02\x00\x00\x00"
    chunks = ((b"IHDR", header), (b"IDAT", zlib.compress(row * size, 9)), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        len(data).to_bytes(4, "big") + kind + data + zlib.crc32(kind + data).to_bytes(4, "big")
        for kind, data in chunks
    )
