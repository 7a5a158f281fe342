"""Checkpoints to .npz archives of numpy and back."""

from __future__ import annotations

import lzma
import math
import os
import struct
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from servable import tensors
from servable.checkpoint.errors import ArchiveInvalid
from servable.checkpoint.reading import load_checkpoint
from servable.checkpoint.writing import write_checkpoint
from servable.savedmodel.atomic import sync, temporary_name, writing
from servable.savedmodel.bundle_write import Progress
from servable.tensors import Array

_MARK = "@"
_STRING = "string"


def _ignore(_: int) -> None:
    """Tell nobody."""


def to_npz(
    checkpoint: str | os.PathLike[str],
    out: str | os.PathLike[str],
    *,
    progress: Progress = _ignore,
) -> Path:
    """Write all tensors of a checkpoint into a .npz file, one member for each.

    numpy knows neither bfloat16 and the small floats nor strings of any length; these
    are members called `NAME@bfloat16` with the plain bytes, and `NAME@string` with
    lengths and bytes. `from_npz` reads them back.

    Raises:
        CheckpointError, SavedModelError: the checkpoint is not there, or damaged.
        WriteFailed: the operating system refused; nothing is left.
    """
    path = Path(out)
    temporary = temporary_name(path)
    with load_checkpoint(checkpoint) as variables, writing():
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            with zipfile.ZipFile(temporary, "w", zipfile.ZIP_STORED) as archive:
                for key in sorted(variables.entries):
                    name, array = _packed(key, variables.read(key, verify=True))
                    with archive.open(f"{name}.npy", "w", force_zip64=True) as member:
                        np.lib.format.write_array(member, array, allow_pickle=False)
                    progress(array.nbytes)
            sync(temporary)
            temporary.replace(path)
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise
    return path


def from_npz(
    archive: str | os.PathLike[str],
    prefix: str | os.PathLike[str],
    *,
    progress: Progress = _ignore,
) -> str:
    """Write a checkpoint of the arrays of a .npz file, by their names.

    Raises:
        ArchiveInvalid: the file is not there or damaged, or holds Python objects.
        NotWritable, WriteFailed: see `write_checkpoint`.
    """
    return write_checkpoint(prefix, dict(read_npz(archive)), progress=progress)


def read_npz(archive: str | os.PathLike[str]) -> Iterator[tuple[str, Array]]:
    """Yield names and arrays of a .npz file; Python objects are refused, not run.

    Raises:
        ArchiveInvalid: the file is not there or damaged, holds Python objects, or
            claims more bytes than it has.
    """
    try:
        with zipfile.ZipFile(archive) as found:
            for info in found.infolist():
                name = info.filename.removesuffix(".npy")
                yield _unpacked(name, _member(found, info, str(archive)), str(archive))
    except _DAMAGE as error:
        raise ArchiveInvalid(f"{archive} can not be read: {error}") from error


_DAMAGE = (
    OSError,
    ValueError,
    EOFError,
    NotImplementedError,  # a compression that Python does not know
    RuntimeError,  # a password would be needed
    struct.error,
    zipfile.BadZipFile,
    zlib.error,
    lzma.LZMAError,
)
# Deflate, which numpy uses, can not do better than this.
_MOST_BYTES_PER_BYTE = 1100
_HEADERS = {
    (1, 0): np.lib.format.read_array_header_1_0,
    (2, 0): np.lib.format.read_array_header_2_0,
}


def _member(archive: zipfile.ZipFile, info: zipfile.ZipInfo, where: str) -> Array:
    """Read one array; how much memory it takes is decided by what is there, not by its header."""
    where = f"{where}: {info.filename}"
    if info.file_size > _MOST_BYTES_PER_BYTE * info.compress_size + 1024:
        raise ArchiveInvalid(f"{where} claims {info.file_size} bytes in {info.compress_size}")
    with archive.open(info) as file:
        read_header = _HEADERS.get(np.lib.format.read_magic(file))
        if read_header is None:
            raise ArchiveInvalid(f"{where} is of a version that is not known")
        shape, turned, dtype = read_header(file)
        if dtype.hasobject:
            raise ArchiveInvalid(f"{where} can not be read: it holds Python objects")
        content = file.read()
    if any(size < 0 for size in shape) or math.prod(shape) * dtype.itemsize != len(content):
        raise ArchiveInvalid(f"{where}: {len(content)} bytes are no {dtype} {list(shape)}")
    if not dtype.itemsize:
        raise ArchiveInvalid(f"{where}: its elements have no bytes")
    return np.frombuffer(content, dtype).reshape(shape, order="F" if turned else "C")


def _packed(key: str, array: Array) -> tuple[str, Array]:
    """Return a member's name and an array that numpy's files can hold."""
    if array.dtype == object:
        values = array.reshape(-1).tolist()
        lengths = np.array([array.ndim, *array.shape, *map(len, values)], "<i8")
        content = lengths.tobytes() + b"".join(values)
        return f"{key}{_MARK}{_STRING}", np.frombuffer(content, np.uint8)
    dtype = tensors.from_numpy(array.dtype)
    if array.dtype.kind == "V" or dtype.numpy.type.__module__ != "numpy":
        plain = np.ascontiguousarray(array).view(np.dtype(f"u{array.dtype.itemsize}"))
        return f"{key}{_MARK}{dtype.name}", plain.reshape(array.shape)
    return key, array


_SPECIAL: dict[str, Any] = {
    dtype.name: dtype.numpy
    for dtype in tensors.DTYPES
    if dtype.field and dtype.numpy.type.__module__ != "numpy"
}


def _unpacked(name: str, array: Array, where: str) -> tuple[str, Array]:
    key, mark, kind = name.rpartition(_MARK)
    if mark and kind == _STRING:
        return key, _strings(array, f"{where}: {name}")
    if mark and kind in _SPECIAL and array.dtype.kind == "u":
        dtype = _SPECIAL[kind]
        if array.dtype.itemsize != dtype.itemsize:
            raise ArchiveInvalid(f"{where}: {name} has elements of {array.dtype.itemsize} bytes")
        return key, np.ascontiguousarray(array).reshape(-1).view(dtype).reshape(array.shape)
    return name, array


def _strings(packed: Array, where: str) -> Array:
    """Read strings from rank, sizes, lengths and bytes."""
    content = packed.tobytes() if packed.dtype == np.uint8 else b""
    numbers = np.frombuffer(content[: len(content) // 8 * 8], "<i8")
    rank = int(numbers[0]) if len(numbers) else -1
    shape = [int(n) for n in numbers[1 : 1 + rank]] if 0 <= rank < len(numbers) else [-1]
    count = 1
    for size in shape:
        count *= size
    if any(size < 0 for size in shape) or 1 + rank + count > len(numbers):
        raise ArchiveInvalid(f"{where}: the sizes of the strings do not fit their bytes")
    lengths = [int(n) for n in numbers[1 + rank : 1 + rank + count]]
    at = 8 * (1 + rank + count)
    if any(n < 0 for n in lengths) or at + sum(lengths) != len(content):
        raise ArchiveInvalid(f"{where}: the lengths of the strings do not fit their bytes")
    array = np.empty(count, object)
    for i, length in enumerate(lengths):
        array[i] = content[at : at + length]
        at += length
    return array.reshape(shape)
