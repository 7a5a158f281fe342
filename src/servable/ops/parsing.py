"""tf.Example to tensors."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from servable.errors import InvalidArgument
from servable.ops.example_wire import KINDS, READERS, Malformed, Values, example_entries
from servable.ops.feature_columns import (
    Column,
    as_values,
    check_dtypes,
    nothing,
    ragged_indices,
    splits,
)
from servable.ops.limits import check_size
from servable.ops.registry import Build, Kernel, op
from servable.ops.support import bare
from servable.ops.text import dims, flat, one
from servable.tensors import INT32, INT64, STRING, Array, DType, Shape


@dataclass(frozen=True)
class _Dense:
    """A feature that has a shape.

    Attributes:
        shape: of one example; None in front where its length varies.
        stride: values of one entry of the first dimension if that varies, else all.
    """

    dtype: DType
    shape: tuple[int | None, ...]
    stride: int

    @property
    def varies(self) -> bool:
        return bool(self.shape) and self.shape[0] is None

    @property
    def shown(self) -> str:
        return dims(["?" if size is None else size for size in self.shape])

    @property
    def inner(self) -> tuple[int, ...]:
        return tuple(size for size in self.shape if size is not None)

    @classmethod
    def of(cls, dtype: DType, shape: Shape, number: int) -> _Dense:
        if shape is None or None in shape[1:]:
            raise InvalidArgument(
                f"dense_shapes[{number}] has unknown rank or unknown inner dimensions"
            )
        stride = int(np.prod([size for size in shape if size is not None], dtype=np.int64))
        return cls(dtype, shape, stride)

    def check_default(self, default: Array, number: int) -> None:
        shown = self.shown
        if self.varies:
            if default.size != 1:
                raise InvalidArgument(
                    f"dense_shape[{number}] is a variable length shape: {shown}, therefore"
                    f" def_value[{number}] must contain a single element (the padding element)."
                    f"  But its shape is: {dims(default.shape)}"
                )
        elif default.size and default.shape != self.shape:
            raise InvalidArgument(
                f"def_value[{number}].shape() == {dims(default.shape)} is not compatible with"
                f" dense_shapes_[{number}] == {shown}"
            )


@dataclass(frozen=True)
class _Features:
    """What the attributes ask for; sparse, dense and ragged, each in order."""

    sparse: tuple[DType, ...]
    dense: tuple[_Dense, ...]
    ragged: tuple[DType, ...]
    ragged_splits: tuple[DType, ...]

    @classmethod
    def of(cls, build: Build, *, ragged: bool) -> _Features:
        dense_types, shapes = build.list("Tdense"), build.list("dense_shapes")
        if len(dense_types) != len(shapes):
            raise InvalidArgument("len(dense_keys) != len(dense_shapes)")
        features = cls(
            build.list("sparse_types"),
            tuple(
                _Dense.of(dtype, shape, i)
                for i, (dtype, shape) in enumerate(zip(dense_types, shapes, strict=True))
            ),
            build.list("ragged_value_types") if ragged else (),
            build.list("ragged_split_types") if ragged else (),
        )
        check_dtypes((*features.sparse, *dense_types, *features.ragged))
        if any(dtype not in (INT32, INT64) for dtype in features.ragged_splits):
            raise InvalidArgument("Invalid ragged_split_type")
        if len(features.ragged) != len(features.ragged_splits):
            raise InvalidArgument("len(ragged_value_types) != len(ragged_split_types)")
        return features

    @property
    def dtypes(self) -> tuple[DType, ...]:
        """Of all features, the dense ones after the sparse ones, then the ragged ones."""
        return (*self.sparse, *(d.dtype for d in self.dense), *self.ragged)


class _Names:
    """Which feature has which name, in the order of `_Features.dtypes`."""

    def __init__(self, features: _Features, *keys: Sequence[bytes]) -> None:
        wanted = {
            "len(sparse_keys) == num_sparse": len(features.sparse),
            "len(dense_keys) == len(dense_types)": len(features.dense),
            "len(ragged_keys) == len(ragged_value_types)": len(features.ragged),
        }
        for (rule, number), names in zip(wanted.items(), keys, strict=True):
            if len(names) != number:
                raise InvalidArgument(f"Expected {rule} but got: {len(names)} vs. {number}")
        self.names = [name for part in keys for name in part]
        self.index = {name: i for i, name in enumerate(self.names)}
        if len(self.index) != len(self.names):
            # TensorFlow finds no feature at all then, whatever its name.
            self.index = {}


def _text(data: bytes) -> str:
    return data.decode("utf-8", "replace")


class _Reading:
    """Reads examples one after another; used by one call.

    Attributes:
        columns: one for each feature, in the order of `_Features.dtypes`.
    """

    def __init__(self, features: _Features, names: _Names, defaults: Sequence[Array]) -> None:
        if len(defaults) != len(features.dense):
            raise InvalidArgument(
                f"Expected len(dense_defaults) == len(dense_keys) but got: {len(defaults)} vs."
                f" {len(features.dense)}"
            )
        for i, (dense, default) in enumerate(zip(features.dense, defaults, strict=True)):
            dense.check_default(np.asarray(default), i)
        self._dtypes = features.dtypes
        self._names = names
        first = len(features.sparse)
        self._dense = dict(enumerate(features.dense, first))
        self._defaults = dict(enumerate(map(np.asarray, defaults), first))
        self.columns = [Column(dtype) for dtype in self._dtypes]

    def read(self, data: bytes, where: str, index: str, *, single: bool) -> None:
        """Append what one example has to the columns.

        Args:
            where, index: put into messages.
            single: follow the rules for an example that is no batch: a feature without
                values, of any kind, is as good as none.
        """
        try:
            entries = example_entries(data)
        except Malformed:
            raise InvalidArgument(
                f"Could not parse example input, value: '{_text(data)}'"
            ) from None
        found: dict[int, Values] = {}
        # The last entry of a name counts, as with any map of protobuf's.
        for key, first, last in reversed(entries):
            number = self._names.index.get(key)
            if number is None:
                continue
            kind = None
            if first < last and (kind := KINDS.get(data[first])) is None:
                raise InvalidArgument("Unsupported datatype.")
            if kind is None and (single or number in self._dense):
                continue
            if number not in found:
                about = f"{where}Key: {_text(key)}{index}.  "
                found[number] = self._values(data, (first, last), number, kind, about, single)
        for number, column in enumerate(self.columns):
            values = found[number] if number in found else self._missing(number, where)
            column.add(values)

    def _values(
        self,
        data: bytes,
        place: tuple[int, int],
        number: int,
        kind: DType | None,
        about: str,
        single: bool,
    ) -> Values:
        dtype, dense = self._dtypes[number], self._dense.get(number)
        if kind is None:
            return nothing(dtype)
        if kind != dtype:
            types = (
                f"Data type: {kind.name} but expected type: {dtype.name}"
                if dense
                else f"Expected type: {dtype.name}, Actual type: {kind.name}"
            )
            raise InvalidArgument(f"{about}Data types don't match. {types}")
        try:
            values, _ = READERS[dtype](data, place[0] + 1, place[1], False)
        except Malformed:
            raise InvalidArgument(about + _unreadable(dtype, dense, single)) from None
        if dense is not None:
            count = len(values) if isinstance(values, list) else len(values) // 4
            if wrong := _miscounted(dense, count, single):
                raise InvalidArgument(about + wrong)
        return values

    def _missing(self, number: int, where: str) -> Values:
        """What a feature has that an example lacks."""
        dense = self._dense.get(number)
        if dense is None or dense.varies:
            return nothing(self._dtypes[number])
        default = self._defaults[number]
        if not default.size:
            raise InvalidArgument(
                f"{where}Feature: {_text(self._names.names[number])} (data type:"
                f" {dense.dtype.name}) is required but could not be found."
            )
        return as_values(default, dense.dtype)


def _unreadable(dtype: DType, dense: _Dense | None, single: bool) -> str:
    if not single:
        return "Can't parse serialized Example."
    if dtype is STRING and (dense is None or dense.varies):
        return "Can't parse serialized Example: Could not get num elements in bytes_list."
    return f"Can't parse serialized Example: Parsing {_word(dtype)}_list failed."


def _miscounted(dense: _Dense, count: int, single: bool) -> str:
    """What is wrong with the number of values of a dense feature; "" if nothing is."""
    word = _word(dense.dtype)
    if dense.varies:
        if not dense.stride or count % dense.stride == 0:
            return ""
        return (
            f"Number of {word} values is not a multiple of stride length. Saw {count} values but"
            f" output shape is: {dense.shown}"
        )
    if count == dense.stride:
        return ""
    if single:
        return f"Can't parse serialized Example: Some {word}_list slice was not parsed."
    return (
        f"Number of {word} values != expected.  Values size: {count} but output shape:"
        f" {dense.shown}"
    )


def _word(dtype: DType) -> str:
    return "bytes" if dtype is STRING else dtype.name


def _batch(
    features: _Features, reading: _Reading, number: int, defaults: Sequence[Array]
) -> list[Array]:
    """The outputs of a vector of examples."""
    sparse = reading.columns[: len(features.sparse)]
    dense = reading.columns[len(sparse) : len(sparse) + len(features.dense)]
    ragged = reading.columns[len(sparse) + len(dense) :]
    return [
        *(ragged_indices(c.counts) for c in sparse),
        *(c.array() for c in sparse),
        *(np.array([number, max(c.counts, default=0)], np.int64) for c in sparse),
        *(
            _padded(f, c, default) if f.varies else c.array().reshape(number, *f.inner)
            for f, c, default in zip(features.dense, dense, defaults, strict=True)
        ),
        *(c.array() for c in ragged),
        *(splits(c.counts, s) for c, s in zip(ragged, features.ragged_splits, strict=True)),
    ]


def _padded(feature: _Dense, column: Column, default: Array) -> Array:
    """Rows of different lengths, the shorter ones filled up."""
    longest = max(column.counts, default=0)
    number = len(column.counts)
    rows = longest // feature.stride if feature.stride else 0
    shape = check_size((number, rows, *feature.inner), feature.dtype.numpy.itemsize)
    result = np.full((number, longest), np.asarray(default).ravel()[0], feature.dtype.numpy)
    result[np.arange(longest) < np.array(column.counts)[:, None]] = column.array()
    return result.reshape(shape)


def _single(features: _Features, reading: _Reading) -> list[Array]:
    """The outputs of one example."""
    sparse = reading.columns[: len(features.sparse)]
    dense = reading.columns[len(sparse) : len(sparse) + len(features.dense)]
    ragged = reading.columns[len(sparse) + len(dense) :]
    return [
        *(np.arange(c.counts[0], dtype=np.int64).reshape(-1, 1) for c in sparse),
        *(c.array() for c in sparse),
        *(np.array(c.counts, np.int64) for c in sparse),
        *(
            c.array().reshape(-1 if f.stride else 0, *f.inner)
            if f.varies
            else c.array().reshape(f.inner)
            for f, c in zip(features.dense, dense, strict=True)
        ),
        *(c.array() for c in ragged),
        # One example has no rows to split.
        *(np.empty(0, dtype.numpy) for dtype in features.ragged_splits),
    ]


def _parse(
    features: _Features, names: _Names, serialized: Array, labels: Array, defaults: Sequence[Array]
) -> Any:
    examples = flat(serialized)
    if np.size(labels) and np.shape(labels) != np.shape(serialized):
        raise InvalidArgument(
            "Expected names have the same shape as serialized: name.shape="
            f"{dims(np.shape(labels))}, serialized.shape={dims(np.shape(serialized))}"
        )
    reading = _Reading(features, names, defaults)
    if np.ndim(serialized) == 0:
        reading.read(examples[0], "", "", single=True)
        return bare(_single(features, reading))
    shown = [_text(label) for label in flat(labels)] or ["<unknown>"] * len(examples)
    for i, (example, label) in enumerate(zip(examples, shown, strict=True)):
        reading.read(example, f"Name: {label}, ", f", Index: {i}", single=False)
    return bare(_batch(features, reading, len(examples), defaults))


@op("ParseExample", attrs="sparse_types Tdense dense_shapes")
def parse_example(build: Build) -> Kernel:
    """A vector of examples; the names of the features are inputs."""
    features = _Features.of(build, ragged=False)
    sparse, dense = build.int("Nsparse"), build.int("Ndense")

    def kernel(serialized: Array, labels: Array, *rest: Array) -> Any:
        if np.ndim(serialized) != 1:
            raise InvalidArgument(
                f"Expected serialized to be a vector, got shape: {dims(np.shape(serialized))}"
            )
        keys = [one(key, "key") for key in rest[: sparse + dense]]
        names = _Names(features, keys[:sparse], keys[sparse:], ())
        return _parse(features, names, serialized, labels, rest[sparse + dense :])

    return kernel


@op(
    "ParseExampleV2",
    attrs="sparse_types Tdense dense_shapes ragged_value_types ragged_split_types",
)
def parse_example_v2(build: Build) -> Kernel:
    """A vector of examples or a single one; ragged features too."""
    features = _Features.of(build, ragged=True)

    def kernel(
        serialized: Array,
        labels: Array,
        sparse: Array,
        dense: Array,
        ragged: Array,
        *defaults: Array,
    ) -> Any:
        if np.ndim(serialized) > 1:
            raise InvalidArgument(
                "Expected serialized to be a scalar or vector, got shape:"
                f" {dims(np.shape(serialized))}"
            )
        names = _Names(features, flat(sparse), flat(dense), flat(ragged))
        return _parse(features, names, serialized, labels, defaults)

    return kernel


@op("ParseSingleExample", attrs="sparse_keys dense_keys sparse_types Tdense dense_shapes")
def parse_single_example(build: Build) -> Kernel:
    """One example; the names of the features are attributes."""
    features = _Features.of(build, ragged=False)
    names = _Names(features, build.list("sparse_keys"), build.list("dense_keys"), ())

    def kernel(serialized: Array, *defaults: Array) -> Any:
        if np.ndim(serialized) != 0:
            raise InvalidArgument(
                f"Expected serialized to be a scalar, got shape: {dims(np.shape(serialized))}"
            )
        return _parse(features, names, serialized, np.empty(0, object), defaults)

    return kernel
