"""variables.index: which tensors a bundle holds, and where in its data files they lie."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from google.protobuf.message import DecodeError

from servable import tensors
from servable.pb import bundle_pb2
from servable.savedmodel import slices
from servable.savedmodel.errors import (
    BigEndian,
    EntryInvalid,
    EntrySizeWrong,
    HeaderInvalid,
    KeyInvalid,
    SliceInvalid,
    VersionUnsupported,
)
from servable.savedmodel.files import read_bytes
from servable.savedmodel.table import read_table
from servable.tensors import DType

# The index of a model with a million variables is about a tenth of this.
MAX_INDEX_BYTES = 1 << 30

# The version of the bundle format that this module reads; the only one there is.
FORMAT_VERSION = 1

_HEADER_KEY = b""
_SLICE_KEY_PREFIX = b"\x00"  # no tensor's name begins with it
_MAX_RANK = 254
_MAX_INT64 = 2**63 - 1


@dataclass(frozen=True, slots=True)
class Entry:
    """Where one tensor is.

    Attributes:
        dtype, shape: of the whole tensor.
        shard: number of the data file.
        offset, size: its bytes in that file; no bytes if the tensor is in slices.
        crc32c: masked checksum of those bytes, as stored.
        slices: the pieces of a partitioned variable, each (start, length) for every
            dimension with a length of -1 for all of it; () for a tensor in one piece.
    """

    dtype: DType
    shape: tuple[int, ...]
    shard: int
    offset: int
    size: int
    crc32c: int
    slices: tuple[slices.Extents, ...] = ()

    @property
    def elements(self) -> int:
        """Number of elements of the whole tensor."""
        return math.prod(self.shape)


@dataclass(frozen=True, slots=True)
class Index:
    """A bundle's contents.

    Attributes:
        shards: number of data files.
        entries: tensor name -> entry.
        pieces: key made by `slices.data_key` -> entry of one slice.
    """

    shards: int
    entries: Mapping[str, Entry]
    pieces: Mapping[bytes, Entry]

    def shard_bytes(self) -> dict[int, int]:
        """Return for each data file that is used how long it must be at least."""
        needed: dict[int, int] = {}
        for entry in (*self.entries.values(), *self.pieces.values()):
            if not entry.slices:
                end = entry.offset + entry.size
                needed[entry.shard] = max(needed.get(entry.shard, 0), end)
        return needed


def read_index(path: Path) -> Index:
    """Read and check a variables.index; the data files are not looked at.

    Raises:
        SavedModelError: the file can not be read or breaks a rule of the format;
            which subclass says which.
    """
    name = str(path)
    table = read_table(read_bytes(path, limit=MAX_INDEX_BYTES), name)
    key, value = next(table, (None, b""))
    if key != _HEADER_KEY:
        raise HeaderInvalid(f"{name}: the table does not begin with a bundle header")
    shards = _shards(value, name)
    entries: dict[str, Entry] = {}
    pieces: dict[bytes, Entry] = {}
    for key, value in table:
        entry = _entry(value, shards, f"{name}: key {key[:200]!r}")
        if key.startswith(_SLICE_KEY_PREFIX):
            pieces[key] = entry
        else:
            entries[_text(key, name)] = entry
    for tensor, entry in entries.items():
        _check_slices(tensor, entry, pieces, name)
    return Index(shards, entries, pieces)


def _shards(value: bytes, name: str) -> int:
    try:
        header = bundle_pb2.BundleHeaderProto.FromString(value)
    except DecodeError as error:
        raise HeaderInvalid(f"{name}: bundle header: {error}") from None
    if header.endianness != bundle_pb2.BundleHeaderProto.LITTLE:
        raise BigEndian(
            f"{name}: the variables are not stored in little-endian byte order",
            hint="Save the model again on a little-endian machine (x86 or ARM).",
        )
    version = header.version
    if version.min_consumer > FORMAT_VERSION or FORMAT_VERSION in version.bad_consumers:
        raise VersionUnsupported(
            f"{name}: the bundle demands a reader of version {version.min_consumer}; "
            f"this one reads version {FORMAT_VERSION}"
        )
    if header.num_shards < 0:
        raise HeaderInvalid(f"{name}: a bundle can not have {header.num_shards} data files")
    return header.num_shards


def _text(key: bytes, name: str) -> str:
    try:
        return key.decode()
    except UnicodeDecodeError:
        raise KeyInvalid(f"{name}: key {key[:200]!r} is not UTF-8") from None


def _entry(value: bytes, shards: int, where: str) -> Entry:
    try:
        stored = bundle_pb2.BundleEntryProto.FromString(value)
    except DecodeError as error:
        raise EntryInvalid(f"{where}: {error}") from None
    try:
        dtype = tensors.from_enum(stored.dtype)
    except KeyError:
        raise EntryInvalid(f"{where}: dtype number {stored.dtype} is not known") from None
    shape = tuple(dim.size for dim in stored.shape.dim)
    if stored.shape.unknown_rank or len(shape) > _MAX_RANK or any(n < 0 for n in shape):
        raise EntryInvalid(f"{where}: {list(shape[:8])} is not the shape of a stored tensor")
    if math.prod(size for size in shape if size) > _MAX_INT64:
        raise EntryInvalid(f"{where}: shape {list(shape[:8])} has too many elements")
    if not 0 <= stored.shard_id < shards:
        raise EntryInvalid(f"{where}: data file {stored.shard_id} of {shards} does not exist")
    if stored.offset < 0 or stored.size < 0:
        raise EntryInvalid(f"{where}: {stored.size} bytes at byte {stored.offset} are nowhere")
    entry = Entry(
        dtype=dtype,
        shape=shape,
        shard=stored.shard_id,
        offset=stored.offset,
        size=stored.size,
        crc32c=stored.crc32c,
        slices=tuple(_extents(piece) for piece in stored.slices),
    )
    if not entry.slices:
        _check_size(entry, where)
    return entry


def _extents(stored: bundle_pb2.TensorSliceProto) -> slices.Extents:
    return tuple(
        (extent.start, extent.length if extent.HasField("length") else slices.WHOLE)
        for extent in stored.extent
    )


def _check_size(entry: Entry, where: str) -> None:
    if entry.dtype is tensors.STRING:
        # At least one byte for each length, and the checksum of the lengths.
        right = entry.size >= entry.elements + 4
    elif entry.dtype.field:
        right = entry.size == entry.elements * entry.dtype.numpy.itemsize
    else:
        right = True  # variants and the like: their format is never looked at
    if not right:
        raise EntrySizeWrong(
            f"{where}: {entry.size} bytes can not hold {entry.dtype} {list(entry.shape)}"
        )


def _check_slices(tensor: str, entry: Entry, pieces: Mapping[bytes, Entry], name: str) -> None:
    """Check that every slice lies inside the tensor and has its data."""
    for extents in entry.slices:
        where = f"{name}: key {tensor!r}: slice {list(extents)}"
        found = slices.region(extents, entry.shape)
        if found is None:
            raise SliceInvalid(f"{where} does not fit the shape {list(entry.shape)}")
        piece = pieces.get(slices.data_key(tensor, extents))
        if piece is None:
            raise SliceInvalid(f"{where} has no data")
        if piece.slices or (piece.dtype, piece.shape) != (entry.dtype, slices.shape_of(found)):
            raise SliceInvalid(f"{where} holds {piece.dtype} {list(piece.shape)}")
