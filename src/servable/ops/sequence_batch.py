"""What batches of tf.SequenceExample are asked for, and where in them it lies."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from servable.errors import InvalidArgument
from servable.ops.example_wire import READERS, TAGS, Malformed, Values, sequence_entries
from servable.ops.feature_columns import check_dtypes
from servable.ops.registry import Build
from servable.ops.text import flat
from servable.tensors import Array, DType

_UNNAMED = "<unknown>"


def text_of(data: bytes) -> str:
    """A string as messages show it."""
    return data.decode("utf-8", "replace")


@dataclass(frozen=True)
class Half:
    """What the attributes ask for of the context, or of the feature lists.

    Attributes:
        shapes: of the dense features; of one row if they are lists.
    """

    sparse: tuple[DType, ...]
    dense: tuple[DType, ...]
    shapes: tuple[tuple[int, ...], ...]
    ragged: tuple[DType, ...]
    ragged_splits: tuple[DType, ...]

    @classmethod
    def of(cls, build: Build, prefix: str, dense: str, *, ragged: bool) -> Half:
        """Read the attributes that start with a prefix.

        Args:
            dense: the attribute that lists the dtypes of the dense features.

        Raises:
            InvalidArgument: they do not fit together.
        """
        half = cls(
            build.list(f"{prefix}_sparse_types"),
            build.list(dense),
            build.list(f"{prefix}_dense_shapes"),
            build.list(f"{prefix}_ragged_value_types") if ragged else (),
            build.list(f"{prefix}_ragged_split_types") if ragged else (),
        )
        check_dtypes((*half.sparse, *half.dense, *half.ragged))
        if len(half.dense) != len(half.shapes) or len(half.ragged) != len(half.ragged_splits):
            raise InvalidArgument(f"the attributes of {prefix} features differ in length")
        if any(shape is None or None in shape for shape in half.shapes):
            raise InvalidArgument(f"{prefix}_dense_shapes must be fully defined")
        return half


@dataclass(frozen=True)
class Keys:
    """The names of the features of one half."""

    sparse: Sequence[bytes]
    dense: Sequence[bytes]
    ragged: Sequence[bytes] = ()

    def check(self, half: Half, what: str) -> None:
        """Refuse names that do not fit the attributes.

        Raises:
            InvalidArgument: there are too many or too few, or one has two kinds.
        """
        for kind in ("sparse", "dense", "ragged"):
            if len(getattr(self, kind)) != len(getattr(half, kind)):
                raise InvalidArgument(f"Expected len({kind}_keys) to match the {kind} types")
        for kind, others in (("ragged", self.sparse), ("dense", (*self.sparse, *self.ragged))):
            for key in set(getattr(self, kind)) & set(others):
                raise InvalidArgument(
                    f"{what} feature {text_of(key)} cannot be both {kind} and sparse"
                )


@dataclass(frozen=True)
class Batch:
    """The parts of all examples.

    Attributes:
        data: the examples.
        names: what messages call them.
        found: for each example the features of one half, and where their values lie.
        scalar: whether it is one example and no batch.
    """

    data: Sequence[bytes]
    names: Sequence[str]
    found: Sequence[dict[bytes, tuple[int, int]]]
    scalar: bool

    def where(self, key: bytes) -> Iterator[tuple[bytes, str, tuple[int, int] | None]]:
        """Each example, its name, and where its feature of this name lies."""
        for data, name, found in zip(self.data, self.names, self.found, strict=True):
            yield data, name, found.get(key)


def read_all(serialized: Array, labels: Array) -> tuple[Batch, Batch]:
    """The contexts and the feature lists of sequence examples.

    Raises:
        InvalidArgument: one is broken, or there are not as many labels as examples.
    """
    data = flat(serialized)
    if np.size(labels) not in (0, len(data)):
        raise InvalidArgument("example_names must be empty or have the correct number of elements")
    names = [text_of(label) for label in flat(labels)] or [_UNNAMED] * len(data)
    halves: tuple[list[dict[bytes, tuple[int, int]]], ...] = ([], [])
    for example, name in zip(data, names, strict=True):
        try:
            entries = sequence_entries(example)
        except Malformed:
            raise InvalidArgument(f"Invalid protocol message input, example id: {name}") from None
        for half, part in zip(halves, entries, strict=True):
            half.append({key: (first, last) for key, first, last in part})
    scalar = np.ndim(serialized) == 0
    return Batch(data, names, halves[0], scalar), Batch(data, names, halves[1], scalar)


def read_feature(data: bytes, at: int, end: int, dtype: DType) -> tuple[Values, int]:
    """One Feature of a known kind, and the offset behind it.

    Raises:
        Malformed: it is of another kind, or broken.
    """
    if at >= end or data[at] != TAGS[dtype]:
        raise Malformed
    return READERS[dtype](data, at + 1, end, True)
