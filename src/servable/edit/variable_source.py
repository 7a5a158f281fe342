"""Where the tensors of a SavedModel that is written come from."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Protocol

import numpy as np

from servable.edit.errors import BuildInvalid, EditRefused
from servable.savedmodel import slices
from servable.savedmodel.bundle_write import BundleWriter, byte_count
from servable.savedmodel.errors import SliceSpecInvalid
from servable.savedmodel.variables import Variables
from servable.tensors import Array, DType


class VariableSource(Protocol):
    """Tensors by name, written into a bundle one after the other."""

    def names(self) -> Collection[str]:
        """The names of all tensors."""

    def read(self, key: str, spec: str = "") -> Array:
        """Return a tensor, or the slice of it that an element of `shape_and_slices` names."""

    def elements(self, key: str) -> int:
        """Return how many elements a tensor has; 0 if there is no such tensor."""

    def byte_count(self, keys: Collection[str]) -> int:
        """Return about how many bytes these tensors have."""

    def write(self, key: str, writer: BundleWriter, stored: DType | None) -> None:
        """Write one tensor, in another dtype if one is given."""


class ArraySource:
    """Arrays in memory."""

    def __init__(self, arrays: Mapping[str, Array]) -> None:
        self._arrays = {key: np.asarray(array) for key, array in arrays.items()}

    def names(self) -> Collection[str]:
        """The names of the arrays."""
        return self._arrays.keys()

    def read(self, key: str, spec: str = "") -> Array:
        """Return an array or a slice of it.

        Raises:
            BuildInvalid: there is none of that name.
            SliceSpecInvalid: the slice does not fit it.
        """
        if key not in self._arrays:
            raise BuildInvalid(f"there is no value for the variable {key!r}")
        array = self._arrays[key]
        if not spec:
            return array
        shape, region = slices.parse_spec(spec)
        if shape != array.shape:
            raise SliceSpecInvalid(f"{key}: {spec!r} is no slice of a tensor {list(array.shape)}")
        return array[slices.within(region, slices.whole(shape))]

    def elements(self, key: str) -> int:
        """Return how many elements an array has; 0 if there is no such array."""
        return self._arrays[key].size if key in self._arrays else 0

    def byte_count(self, keys: Collection[str]) -> int:
        """Return how many bytes these arrays have."""
        return sum(self._arrays[key].nbytes for key in keys)

    def write(self, key: str, writer: BundleWriter, stored: DType | None) -> None:
        """Write an array."""
        writer.add(key, cast(key, self.read(key), stored))


class BundleSource:
    """The tensors of variable files or of a checkpoint; a piece of memory at a time."""

    def __init__(self, variables: Variables) -> None:
        self._variables = variables

    @classmethod
    def open(cls, prefix: Path) -> BundleSource:
        """Open a bundle.

        Raises:
            SavedModelError: it is damaged or missing.
        """
        return cls(Variables.open(prefix))

    def names(self) -> Collection[str]:
        """The names of the tensors, in the order of their places in the files."""
        entries = self._variables.entries
        return sorted(entries, key=lambda key: (entries[key].shard, entries[key].offset))

    def read(self, key: str, spec: str = "") -> Array:
        """Return a tensor or a slice of it, with the checksums compared.

        Raises:
            SavedModelError: it is damaged or missing.
        """
        if spec:
            return self._variables.read_slice(key, spec, verify=True)
        return self._variables.read(key, verify=True)

    def elements(self, key: str) -> int:
        """Return how many elements a tensor has, all slices together."""
        entry = self._variables.entries.get(key)
        return entry.elements if entry else 0

    def byte_count(self, keys: Collection[str]) -> int:
        """Return how many bytes these tensors have in the files."""
        entries = self._variables.entries
        return sum(byte_count(e.dtype, e.shape) or e.size for e in map(entries.__getitem__, keys))

    def write(self, key: str, writer: BundleWriter, stored: DType | None) -> None:
        """Copy a tensor, slice by slice if it is kept in slices."""
        entry = self._variables.entries.get(key)
        if entry is None or not entry.slices:
            array = cast(key, self.read(key), stored)
            writer.add(key, array, dtype=stored or (entry.dtype if entry else None))
            return
        for extents in entry.slices:
            piece = self.read(key, slices.spec_of(entry.shape, extents))
            writer.add_slice(key, entry.shape, extents, cast(key, piece, stored))


def cast(key: str, array: Array, stored: DType | None) -> Array:
    """Return an array in the dtype in which it should be stored.

    Raises:
        EditRefused: a finite value would become infinite.
    """
    if stored is None or array.dtype == stored.numpy:
        return array
    with np.errstate(over="ignore"):
        smaller = array.astype(stored.numpy)
    if not np.array_equal(np.isfinite(smaller), np.isfinite(array)):
        raise EditRefused(
            f"{key}: a value is too large for {stored}",
            hint="bfloat16 has the range of float; float16 ends at 65504.",
        )
    return smaller
