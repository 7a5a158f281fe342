"""Writing tensor bundles: the variables of a SavedModel, or a checkpoint.

What is written is what TensorFlow's own writer makes of the same tensors, byte for byte,
for one data file and tensors added in ascending order of name.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Self

import google_crc32c
import numpy as np

from servable import tensors
from servable.pb import bundle_pb2
from servable.savedmodel import slices
from servable.savedmodel.atomic import sync, temporary_name, write_file, writing
from servable.savedmodel.checksum import mask
from servable.savedmodel.index import FORMAT_VERSION
from servable.savedmodel.strings_write import encode_strings
from servable.savedmodel.table_write import write_table
from servable.savedmodel.variables import index_path, shard_path
from servable.savedmodel.write_errors import NotWritable
from servable.tensors import Array, DType

Progress = Callable[[int], None]
"""Called with the number of bytes that were just written."""

_CHUNK_BYTES = 1 << 22


def _ignore(_: int) -> None:
    """Tell nobody."""


@dataclass(slots=True)
class _Shard:
    file: BinaryIO
    temporary: Path
    size: int = 0


@dataclass(slots=True)
class _Partitioned:
    dtype: DType
    shape: tuple[int, ...]
    pieces: list[slices.Extents] = field(default_factory=list)


class BundleWriter:
    """Writes tensors one at a time; memory is needed for one tensor only.

    A context manager: on a clean exit the data files get their names, and the index
    after them, so that a reader sees the old bundle, none, or the new one (a bundle of
    the same name is replaced: between the first rename and the last its readers may see
    a wrong checksum, so give a new bundle a new name). After an error nothing is left.
    Not thread-safe.

    Args:
        prefix: what the files' names have in common; its folder must exist.
        shards: number of data files; each tensor goes to the shortest so far.
        progress: told how many bytes of data were just written.
    """

    def __init__(self, prefix: Path, *, shards: int = 1, progress: Progress = _ignore) -> None:
        if not 1 <= shards <= 99_999:
            raise NotWritable(f"a bundle can not have {shards} data files")
        self._prefix = prefix
        self._progress = progress
        self._shards: list[_Shard] = []
        self._entries: dict[bytes, bundle_pb2.BundleEntryProto] = {}
        self._partitioned: dict[str, _Partitioned] = {}
        with writing():
            for number in range(shards):
                temporary = temporary_name(shard_path(prefix, number, shards))
                self._shards.append(_Shard(temporary.open("xb"), temporary))

    def add(self, key: str, array: Array, *, dtype: DType | None = None) -> None:
        """Write a tensor.

        Args:
            key: its name: not empty, no zero byte at its start, not used before.
            array: any shape; strings as object arrays of bytes or str, or numpy's
                own bytes and str arrays. Any memory layout and byte order.
            dtype: for dtypes that share a numpy type (the quantised ones).

        Raises:
            NotWritable: the name is empty or taken, or TensorFlow has no such dtype.
            WriteFailed: the disk refused.
        """
        self._check_name(key)
        if key in self._partitioned:
            raise NotWritable(f"tensor {key!r} is written in slices and as a whole")
        self._add(_encoded(key), key, array, dtype)

    def add_slice(
        self, key: str, shape: tuple[int, ...], extents: slices.Extents, array: Array
    ) -> None:
        """Write one piece of a partitioned tensor.

        Args:
            key: the name of the whole tensor.
            shape: of the whole tensor; the same in every call.
            extents: (start, length) for each dimension, a length of -1 for all of it.
            array: the piece.

        Raises:
            NotWritable: the piece does not fit, or was written before.
        """
        self._check_name(key)
        region = slices.region(extents, shape)
        if region is None or slices.shape_of(region) != array.shape:
            raise NotWritable(
                f"a piece {list(array.shape)} of tensor {key!r} does not fit the slice "
                f"{list(extents)} of {list(shape)}"
            )
        whole = self._partitioned.get(key)
        if whole is None:
            if _encoded(key) in self._entries:
                raise NotWritable(f"tensor {key!r} is written in slices and as a whole")
            whole = self._partitioned[key] = _Partitioned(_dtype_of(key, array), shape)
        if (whole.dtype, whole.shape) != (_dtype_of(key, array), shape):
            raise NotWritable(f"slices of tensor {key!r} have different dtypes or shapes")
        self._add(slices.data_key(key, extents), key, array, None)
        whole.pieces.append(extents)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        try:
            if error is None:
                self._finish()
        finally:
            for shard in self._shards:
                shard.file.close()
                shard.temporary.unlink(missing_ok=True)

    def _finish(self) -> None:
        with writing():
            for number, shard in enumerate(self._shards):
                shard.file.close()
                sync(shard.temporary)
                shard.temporary.rename(shard_path(self._prefix, number, len(self._shards)))
        write_file(index_path(self._prefix), write_table(self._table()))

    def _table(self) -> list[tuple[bytes, bytes]]:
        header = bundle_pb2.BundleHeaderProto(num_shards=len(self._shards))
        header.version.producer = FORMAT_VERSION
        for key, whole in self._partitioned.items():
            self._entries[_encoded(key)] = entry = _entry(whole.dtype, whole.shape)
            for extents in whole.pieces:
                piece = entry.slices.add()
                for start, length in extents:
                    extent = piece.extent.add(start=start)
                    if length != slices.WHOLE:
                        extent.length = length
        rows = [(key, entry.SerializeToString()) for key, entry in self._entries.items()]
        return [(b"", header.SerializeToString()), *sorted(rows)]

    def _check_name(self, key: str) -> None:
        if not key or key.startswith("\0"):
            raise NotWritable(f"a tensor can not have the name {key!r}")

    def _add(self, stored: bytes, key: str, array: Array, dtype: DType | None) -> None:
        if stored in self._entries:
            raise NotWritable(f"tensor {key!r} is written twice")
        dtype = _dtype_of(key, array) if dtype is None else dtype
        if not dtype.field or (dtype is not tensors.STRING and dtype.numpy != _native(array)):
            raise NotWritable(f"tensor {key!r}: an array of {array.dtype} is no {dtype.name}")
        number = min(range(len(self._shards)), key=lambda i: self._shards[i].size)
        entry = _entry(dtype, array.shape)
        entry.shard_id = number
        entry.offset = self._shards[number].size
        if dtype is tensors.STRING:
            content, entry.crc32c = encode_strings(_as_bytes(key, array))
            entry.size = len(content)
            self._write(self._shards[number], memoryview(content))
        else:
            flat = np.ascontiguousarray(array, dtype.numpy.newbyteorder("<")).reshape(-1)
            entry.size = flat.nbytes
            entry.crc32c = self._write(self._shards[number], flat.view(np.uint8).data)
        self._entries[stored] = entry

    def _write(self, shard: _Shard, content: memoryview) -> int:
        """Append bytes to a data file; return their masked checksum."""
        crc = 0
        with writing():
            for start in range(0, len(content), _CHUNK_BYTES):
                chunk = bytes(content[start : start + _CHUNK_BYTES])
                crc = google_crc32c.extend(crc, chunk)
                shard.file.write(chunk)
                self._progress(len(chunk))
        shard.size += len(content)
        return mask(crc)


def _entry(dtype: DType, shape: tuple[int, ...]) -> bundle_pb2.BundleEntryProto:
    entry = bundle_pb2.BundleEntryProto()
    entry.dtype = dtype.enum  # type: ignore[assignment]  # the stub wants the enum's own type
    entry.shape.SetInParent()  # a scalar's shape is empty, and still set
    for size in shape:
        entry.shape.dim.add(size=size)
    return entry


def _encoded(key: str) -> bytes:
    try:
        return key.encode()
    except UnicodeEncodeError as error:
        raise NotWritable(f"tensor {key!r}: {error}") from None


def _native(array: Array) -> np.dtype[np.generic]:
    return array.dtype.newbyteorder("=")


def _dtype_of(key: str, array: Array) -> DType:
    try:
        return tensors.from_numpy(array.dtype)
    except KeyError:
        raise NotWritable(f"tensor {key!r}: TensorFlow has no dtype for {array.dtype}") from None


def _as_bytes(key: str, array: Array) -> list[bytes]:
    values = []
    for item in array.reshape(-1).tolist():
        if not isinstance(item, bytes | str):
            raise NotWritable(f"tensor {key!r}: a string can not be a {type(item).__name__}")
        values.append(item.encode() if isinstance(item, str) else item)
    return values


def byte_count(dtype: DType, shape: tuple[int, ...]) -> int:
    """Return how many bytes a tensor of a fixed-size dtype takes; 0 for strings."""
    return 0 if dtype is tensors.STRING else math.prod(shape) * dtype.numpy.itemsize
