"""The variables of a SavedModel, from its index and data files."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Self

import numpy as np

from servable import tensors
from servable.savedmodel import slices
from servable.savedmodel.checksum import crc32c, mask
from servable.savedmodel.errors import (
    AssembledTooLarge,
    BoolInvalid,
    DataChecksumWrong,
    DtypeUnreadable,
    EntryInvalid,
    KeyNotFound,
    SlicesMissing,
    SlicesOverlap,
    SliceSpecInvalid,
    VariablesClosed,
)
from servable.savedmodel.index import Entry, Index, read_index
from servable.savedmodel.shards import Shard, open_shard
from servable.savedmodel.strings import read_strings
from servable.tensors import Array

__all__ = ["Entry", "Variables", "index_path", "shard_path"]


def index_path(prefix: Path) -> Path:
    """Return the index of a bundle: `variables.index` for the prefix `variables`."""
    return prefix.with_name(f"{prefix.name}.index")


def shard_path(prefix: Path, shard: int, shards: int) -> Path:
    """Return one of a bundle's data files."""
    return prefix.with_name(f"{prefix.name}.data-{shard:05d}-of-{shards:05d}")


class Variables:
    """The tensors of one bundle: `variables.index` and its data files.

    Nothing changes after opening, so any number of threads may read at once. Files
    that are mapped must not be shortened while they are: the process would end. A
    server reads them instead.

    Usable as a context manager. Arrays that were read stay valid after `close`; a
    mapping goes with the last of them.
    """

    def __init__(self, name: str, index: Index, data: Mapping[int, Shard]) -> None:
        self._name = name
        self._index = index
        self._data: Mapping[int, Shard] | None = data

    @classmethod
    def open(cls, prefix: Path, *, mapped: bool = True) -> Self:
        """Read the index and open the data files it names.

        Args:
            prefix: what the files' names have in common, as in
                `<model>/variables/variables`.
            mapped: map the files into memory, which copies nothing; or read each
                tensor into memory of its own.

        Raises:
            SavedModelError: the index is damaged, or a data file is missing or
                shorter than the index says.
        """
        index = read_index(index_path(prefix))
        data = {
            shard: open_shard(shard_path(prefix, shard, index.shards), needed, mapped=mapped)
            for shard, needed in index.shard_bytes().items()
        }
        return cls(str(prefix), index, data)

    @property
    def entries(self) -> Mapping[str, Entry]:
        """Name -> where the tensor is; a partitioned variable is one entry."""
        return self._index.entries

    def read(self, key: str, *, verify: bool = False) -> Array:
        """Return a tensor.

        Dtypes of a fixed size come as read-only views of a mapping, which need not be
        aligned; strings as object arrays of bytes; a tensor in several slices is
        copied together.

        Args:
            key: a key of `entries`.
            verify: compare the bytes with the stored checksum, which reads them all.

        Raises:
            KeyNotFound: there is no such tensor.
            SavedModelError: its bytes break a rule of the format.
        """
        entry = self._entry(key)
        return self._region(key, entry, slices.whole(entry.shape), verify)

    def read_slice(self, key: str, spec: str, *, verify: bool = False) -> Array:
        """Return what an element of RestoreV2's `shape_and_slices` asks for.

        Args:
            key: a key of `entries`.
            spec: "" for the whole tensor; else as `slices.parse_spec` describes.
            verify: compare what is read with the stored checksums.

        Raises:
            KeyNotFound: there is no such tensor.
            SliceSpecInvalid: `spec` is malformed or was made for another shape.
            SavedModelError: the tensor's bytes break a rule of the format.
        """
        if not spec:
            return self.read(key, verify=verify)
        shape, wanted = slices.parse_spec(spec)
        entry = self._entry(key)
        if shape != entry.shape:
            raise SliceSpecInvalid(
                f"tensor_name = {key}; shape in shape_and_slice spec {_bracketed(shape)} "
                f"does not match the shape stored in checkpoint: {_bracketed(entry.shape)}"
            )
        return self._region(key, entry, wanted, verify)

    def close(self) -> None:
        """Let go of the data files; reading again raises VariablesClosed."""
        self._data = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def _entry(self, key: str) -> Entry:
        entry = self._index.entries.get(key)
        if entry is None:
            raise KeyNotFound(f"Key {key} not found in checkpoint")
        return entry

    def _region(self, key: str, entry: Entry, wanted: slices.Region, verify: bool) -> Array:
        if entry.slices:
            return self._assembled(key, entry, wanted, verify)
        array = self._stored(key, entry, verify)
        whole = slices.whole(entry.shape)
        return array if wanted == whole else array[slices.within(wanted, whole)]

    def _stored(self, key: str, entry: Entry, verify: bool) -> Array:
        """Return a tensor, or one slice of it, that is in one piece."""
        where = f"{self._name}: key {key!r}"
        if not entry.dtype.field:
            raise DtypeUnreadable(f"{where}: {entry.dtype} can not be read from a checkpoint")
        data = self._open_data()[entry.shard][entry.offset : entry.offset + entry.size]
        if entry.dtype is tensors.STRING:
            array = read_strings(data, entry.elements, where, crc=entry.crc32c if verify else None)
        else:
            if verify and mask(crc32c(data)) != entry.crc32c:
                raise DataChecksumWrong(f"{where}: the data has a wrong checksum")
            array = np.frombuffer(data, entry.dtype.numpy)
        if entry.dtype is tensors.BOOL and (array.view(np.uint8) > 1).any():
            # numpy's loops rely on it: such a "bool" can lead them out of bounds.
            raise BoolInvalid(f"{where}: a bool is neither 0 nor 1")
        try:
            return array.reshape(entry.shape)
        except ValueError as error:  # numpy allows fewer dimensions than TensorFlow
            raise EntryInvalid(f"{where}: {error}") from None

    def _assembled(self, key: str, entry: Entry, wanted: slices.Region, verify: bool) -> Array:
        """Copy a region together from the slices that hold parts of it."""
        where = f"{self._name}: key {key!r}"
        parts = []
        for extents in entry.slices:
            region = slices.region(extents, entry.shape)
            common = region and slices.intersection(region, wanted)
            if region and common:
                piece = self._index.pieces[slices.data_key(key, extents)]
                if region == wanted:
                    return self._stored(key, piece, verify)
                parts.append((region, common, piece))
        shape = slices.shape_of(wanted)
        self._check_worth(shape, entry, [slices.shape_of(common) for _, common, _ in parts], where)
        try:
            array = np.empty(shape, entry.dtype.numpy)
            filled = np.zeros(shape, np.bool_)
        except ValueError as error:  # more dimensions than numpy has, or an absurd size
            raise EntryInvalid(f"{where}: {error}") from None
        for region, common, piece in parts:
            place = slices.within(common, wanted)
            if filled[place].any():
                raise SlicesOverlap(f"{where}: slices overlap at {list(common)}")
            filled[place] = True
            array[place] = self._stored(key, piece, verify)[slices.within(common, region)]
        array.flags.writeable = False
        return array

    def _check_worth(
        self, shape: tuple[int, ...], entry: Entry, parts: list[tuple[int, ...]], where: str
    ) -> None:
        """Refuse what can not be put together, before memory is taken for it."""
        wanted, found = math.prod(shape), sum(map(math.prod, parts))
        if found < wanted:
            raise SlicesMissing(f"{where}: the slices hold {found} of {wanted} elements")
        if found > wanted:
            raise SlicesOverlap(f"{where}: the slices hold {found} elements for {wanted}")
        item = 1 if entry.dtype is tensors.STRING else entry.dtype.numpy.itemsize
        present = sum(map(len, self._open_data().values()))
        if wanted * item > present:
            raise AssembledTooLarge(
                f"{where}: the slices claim {wanted * item} bytes of data files with {present}"
            )

    def _open_data(self) -> Mapping[int, Shard]:
        data = self._data
        if data is None:
            raise VariablesClosed(f"{self._name}: the variables are closed")
        return data


def _bracketed(shape: tuple[int, ...]) -> str:
    return f"[{','.join(map(str, shape))}]"
