"""numpy's own file formats, `.npy` and `.npz`, read as a stranger's.

The header of a `.npy` file is a Python literal. It is matched here by a pattern of what
numpy writes and never evaluated, and arrays of objects, which are pickles, are refused.
"""

from __future__ import annotations

import io
import re
import struct
import zipfile
import zlib
from collections.abc import Mapping

import numpy as np

from servable.errors import InvalidArgument, ResourceExhausted
from servable.tensors import Array, DType
from servable.wire import dense

MAX_HEADER_BYTES = 10_000
"""What numpy itself takes from files that it does not trust."""

MAX_MEMBERS = 1000
"""Arrays in one `.npz` file."""

MAX_STRING_BYTES = 2**28
"""What the strings of an answer may take, each filled up to the longest of them."""

_LAST_CHARACTER = 0x10FFFF
_SURROGATES = 0xD800 >> 11

_MEMBER = b"PK\x01\x02"
"""What each entry of an archive's directory begins with."""

_MAGIC = b"\x93NUMPY"
_QUOTED = r"(?:'([^'\\]*)'|\"([^\"\\]*)\")"
_ITEM = re.compile(
    rf"\s*{_QUOTED}\s*:\s*(?:{_QUOTED}|(True|False)|\(([0-9,\sL]*)\))\s*(?:,|(?=\s*\}}))"
)
_DESCR = re.compile(r"([<>=|]?)([biufcSUV])([0-9]{1,9})")
_NO_PICKLE = "Save plain numbers or strings, not objects: np.save(f, a.astype('float32'))."


def read(data: dense.Bytes, expected: DType | None = None) -> Array:
    """Return the array in a `.npy` file, a view of its bytes where the file's order allows.

    Args:
        data: the whole file.
        expected: the dtype wanted. It tells what two anonymous bytes are, the way numpy
            saves dtypes that are not its own, such as bfloat16.

    Raises:
        InvalidArgument: it is no such file, holds objects, or ends too early or too late.
        ResourceExhausted: its unicode strings would be larger than they may be.
    """
    descr, fortran, shape, offset = _header(data)
    array = _elements(memoryview(data)[offset:], descr, expected, shape[::-1] if fortran else shape)
    return np.ascontiguousarray(array.T) if fortran and array.ndim else array


def write(array: Array) -> bytes:
    """Return a `.npy` file. Strings are filled up with zero bytes to the length of the longest.

    Raises:
        InvalidArgument: a string ends in a zero byte, which could not be told from filling.
        ResourceExhausted: the strings are too large to be filled up.
    """
    if array.dtype.hasobject:
        array = _fixed_width(array)
    # numpy knows the names of its own dtypes only; to it the others are anonymous bytes.
    descr = f"<V{array.itemsize}" if array.dtype.kind == "V" else array.dtype.newbyteorder("<").str
    sizes = "".join(f"{size}, " for size in array.shape)
    header = f"{{'descr': '{descr}', 'fortran_order': False, 'shape': ({sizes}), }}"
    # The elements shall begin at a multiple of 64 bytes; the last byte before is a newline.
    filling = -(len(_MAGIC) + 4 + len(header) + 1) % 64
    text = header.encode() + b" " * filling + b"\n"
    head = _MAGIC + b"\x01\x00" + struct.pack("<H", len(text)) + text
    return b"".join((head, dense.elements(array)))


def read_archive(
    data: bytes, expected: Mapping[str, DType | None], most_bytes: int
) -> dict[str, Array]:
    """Return the arrays in a `.npz` file by name.

    Args:
        data: the whole file.
        expected: name -> the dtype wanted, for `read`.
        most_bytes: what the arrays may take, all together.

    Raises:
        InvalidArgument: it is no such file, or a member is no array.
        ResourceExhausted: its members are too many or too large.
    """
    # zipfile makes an object of each member before anybody can ask how many there are.
    if data.count(_MEMBER) > MAX_MEMBERS:
        raise ResourceExhausted(f"The archive has more than {MAX_MEMBERS} members.")
    arrays: dict[str, Array] = {}
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            members = archive.infolist()
            _check_size(members, most_bytes)
            for member in members:
                name = member.filename.removesuffix(".npy")
                if name in arrays:
                    raise InvalidArgument(f"The archive has two members {name[:60]!r}.")
                with archive.open(member) as file:
                    content = file.read(member.file_size + 1)
                arrays[name] = read(content, expected.get(name))
    except (zipfile.BadZipFile, zlib.error, NotImplementedError, RuntimeError) as error:
        raise _bad_archive(error) from None
    except (EOFError, OSError, ValueError, OverflowError, struct.error) as error:
        raise _bad_archive(error) from None
    return arrays


def write_archive(arrays: Mapping[str, Array]) -> bytes:
    """Return a `.npz` file, not compressed; raises as `write` does."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        for name, array in arrays.items():
            archive.writestr(zipfile.ZipInfo(f"{name}.npy"), write(array))
    return file.getvalue()


def _header(data: dense.Bytes) -> tuple[str, bool, tuple[int, ...], int]:
    """Return descr, fortran_order, shape and where the elements begin."""
    head = bytes(data[:12])
    if head[:6] != _MAGIC:
        raise InvalidArgument("The body is no .npy file.", hint="Send what np.save writes.")
    match head[6:7]:
        case b"\x01" if len(head) >= 10:
            start, length = 10, struct.unpack_from("<H", head, 8)[0]
        case b"\x02" | b"\x03" if len(head) == 12:
            start, length = 12, struct.unpack_from("<I", head, 8)[0]
        case _:
            raise InvalidArgument("The .npy file is cut off, or of an unknown version.")
    if length > MAX_HEADER_BYTES or start + length > len(data):
        raise InvalidArgument("The header of the .npy file is cut off or too long.")
    text = bytes(data[start : start + length]).decode("latin-1")
    return *_fields(text), start + length


def _fields(text: str) -> tuple[str, bool, tuple[int, ...]]:
    found: dict[str, str] = {}
    inner = text.strip()
    at = 1
    while inner[:1] == "{" and (item := _ITEM.match(inner, at)):
        single, double, one, two, word, sizes = item.groups()
        value = next(v for v in (one, two, word, sizes) if v is not None)
        found[(single or double or "")] = value
        at = item.end()
    if inner[at:].strip() != "}" or found.keys() != {"descr", "fortran_order", "shape"}:
        raise InvalidArgument(
            f"The header of the .npy file is not understood: {text.strip()[:200]}",
            hint=f"Send one plain array. {_NO_PICKLE}",
        )
    if found["fortran_order"] not in ("True", "False"):
        raise InvalidArgument("fortran_order of the .npy file is neither True nor False.")
    shape = dense.read_shape("".join(found["shape"].replace("L", "").split()))
    return found["descr"], found["fortran_order"] == "True", shape


def _elements(
    data: memoryview, descr: str, expected: DType | None, shape: tuple[int, ...]
) -> Array:
    matched = _DESCR.fullmatch(descr)
    if matched is None:
        raise InvalidArgument(
            f"Elements of the kind {descr[:60]!r} are not read from .npy files.", hint=_NO_PICKLE
        )
    order, kind, size = matched[1], matched[2], int(matched[3])
    if kind in "SU":
        return _strings(data, descr, shape)
    if kind == "V":
        dtype = expected if expected and expected.numpy.kind == "V" else None
    else:
        plain = dense.NAMES.get(_numpy_name(kind, size))
        dtype = plain if plain and plain.numpy.kind == kind else None
    if dtype is None or dtype.numpy.itemsize != size:
        raise InvalidArgument(f"TensorFlow has no dtype for numpy's {descr!r}.", hint=_NO_PICKLE)
    array = dense.view(data, dtype, shape)
    return array.byteswap() if order == ">" and size > 1 else array


def _numpy_name(kind: str, size: int) -> str:
    if kind == "b":
        return "bool" if size == 1 else ""
    return {"i": "int", "u": "uint", "f": "float", "c": "complex"}[kind] + str(8 * size)


def _strings(data: memoryview, descr: str, shape: tuple[int, ...]) -> Array:
    """Return strings as bytes objects, without the zero bytes they are filled up with."""
    dtype = np.dtype(descr)
    count = dense.count(shape)
    if not dtype.itemsize or len(data) != count * dtype.itemsize:
        raise InvalidArgument(f"The .npy file does not hold {list(shape)} strings of {descr}.")
    if dtype.kind == "U":
        # numpy itself fails of numbers that are no characters, and not with an error to catch.
        points = np.frombuffer(data, np.dtype(np.uint32).newbyteorder(dtype.byteorder))
        if ((points > _LAST_CHARACTER) | (points >> 11 == _SURROGATES)).any():
            raise InvalidArgument("The .npy file holds text that is no Unicode.")
    items = np.frombuffer(data, dtype).tolist()
    array = np.empty(count, object)
    array[:] = items if dtype.kind == "S" else [item.encode() for item in items]
    return dense.shaped(array, shape)


def _fixed_width(array: Array) -> Array:
    items: list[bytes] = array.reshape(-1).tolist()
    if any(item.endswith(b"\0") for item in items):
        raise InvalidArgument(
            "A string that ends in a zero byte has no form in a .npy file.",
            hint="Ask for JSON or a protobuf message.",
        )
    width = max(map(len, items), default=0) or 1
    if width * len(items) > MAX_STRING_BYTES:
        raise ResourceExhausted(
            f"{len(items)} strings of up to {width} bytes are too large for a .npy file.",
            hint="Ask for JSON or a protobuf message.",
        )
    return np.array(items, f"S{width}").reshape(array.shape)


def _check_size(members: list[zipfile.ZipInfo], most_bytes: int) -> None:
    size = sum(member.file_size for member in members)
    if size > most_bytes:
        raise ResourceExhausted(
            f"The archive holds {size} bytes; {most_bytes} are the most.",
            hint="Send fewer rows at once.",
        )


def _bad_archive(error: Exception) -> InvalidArgument:
    return InvalidArgument(
        f"The body is no .npz file: {str(error)[:200]}", hint="Send what np.savez writes."
    )
