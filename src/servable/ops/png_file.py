"""The parts of a PNG file, and its samples as they are stored.

Sources: the PNG specification (ISO/IEC 15948); what libpng refuses and what it lets pass.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from servable.tensors import Array

SIGNATURE = b"\x89PNG\r\n\x1a\n"
GREY, COLOR, PALETTE, GREY_ALPHA, COLOR_ALPHA = 0, 2, 3, 4, 6
_CHANNELS = {GREY: 1, COLOR: 3, PALETTE: 1, GREY_ALPHA: 2, COLOR_ALPHA: 4}
_DEPTHS = {
    GREY: (1, 2, 4, 8, 16),
    COLOR: (8, 16),
    PALETTE: (1, 2, 4, 8),
    GREY_ALPHA: (8, 16),
    COLOR_ALPHA: (8, 16),
}
_LARGEST_SIDE = 1_000_000
"""libpng's own limit."""
_PASSES = (
    (0, 0, 8, 8),
    (0, 4, 8, 8),
    (4, 0, 8, 4),
    (0, 2, 4, 4),
    (2, 0, 4, 2),
    (0, 1, 2, 2),
    (1, 0, 2, 1),
)
"""First row and column of each pass of an interlaced image, and the steps between them."""
_STORED = 0xFFFF
_SRGB = 45455
"""The gamma that a file means which says that it is sRGB."""


class BadPng(Exception):
    """The bytes before the pixels are no PNG file that can be decoded."""


class BadPixels(Exception):
    """The pixels are cut off or damaged."""


@dataclass(frozen=True, slots=True)
class PngFile:
    """A PNG file, taken apart.

    Attributes:
        depth: bits of a sample.
        color: the kind of pixels: GREY and the like.
        palette: uint8 [n, 3].
        transparency: what a tRNS chunk says; None without one.
        gamma: in 100000ths; 0 if the file does not say.
        pixels: gives them, compressed, or raises BadPixels.
    """

    width: int
    height: int
    depth: int
    color: int
    interlaced: bool
    palette: Array
    transparency: bytes | None
    gamma: int
    pixels: Callable[[], bytes]

    @property
    def channels(self) -> int:
        """Samples of a pixel."""
        return _CHANNELS[self.color]


def read_png(data: bytes) -> PngFile:
    """Take a file apart.

    Raises:
        BadPng: what comes before the pixels is broken.
    """
    if data[:8] != SIGNATURE:
        raise BadPng("no signature")
    found: dict[bytes, bytes] = {}
    at = len(SIGNATURE)
    while data[at + 4 : at + 8] != b"IDAT":
        name, body, at = _chunk(data, at, BadPng)
        if not found and name != b"IHDR":
            raise BadPng("IHDR is not first")
        _refuse_unknown(name, (b"IHDR", b"PLTE"), BadPng)
        if body is not None:
            found.setdefault(name, body)
    return _file(found, lambda: _pixels(data, at))


def _pixels(data: bytes, at: int) -> bytes:
    """The compressed pixels, once all that follows is known to be whole."""
    pieces: list[bytes] = []
    name, together = b"IDAT", True
    while name != b"IEND":
        name, body, at = _chunk(data, at, BadPixels)
        _refuse_unknown(name, (b"PLTE", b"IDAT", b"IEND"), BadPixels)
        together = together and name == b"IDAT"
        if together:
            pieces.append(body or b"")
    return b"".join(pieces)


def _refuse_unknown(name: bytes, known: tuple[bytes, ...], error: type[Exception]) -> None:
    if not name[0] & 0x20 and name not in known:
        raise error(f"critical chunk {name!r} where it can not be")


def _chunk(data: bytes, at: int, error: type[Exception]) -> tuple[bytes, bytes | None, int]:
    """A chunk's name, its body, and where it ends; no body if it is damaged and does not matter."""
    if at + 8 > len(data):
        raise error("cut off")
    length, name = struct.unpack_from(">I4s", data, at)
    end = at + 12 + length
    if end > len(data):
        raise error("cut off")
    body = data[at + 8 : end - 4]
    if zlib.crc32(body, zlib.crc32(name)) == int.from_bytes(data[end - 4 : end], "big"):
        return name, body, end
    if not name[0] & 0x20:
        raise error("a wrong checksum")
    return name, None, end


def _file(found: dict[bytes, bytes], pixels: Callable[[], bytes]) -> PngFile:
    head = found.get(b"IHDR", b"")
    if len(head) != 13:
        raise BadPng("IHDR of the wrong length")
    width, height, depth, color, packing, filtering, interlace = struct.unpack(">IIBBBBB", head)
    if not (0 < width <= _LARGEST_SIDE and 0 < height <= _LARGEST_SIDE):
        raise BadPng("impossible size")
    if depth not in _DEPTHS.get(color, ()) or packing or filtering or interlace > 1:
        raise BadPng("a kind that is not known")
    palette = found.get(b"PLTE", b"")
    if color == PALETTE and (not palette or len(palette) % 3 or len(palette) > 3 << depth):
        raise BadPng("no palette that can be used")
    gamma = found.get(b"gAMA", b"")
    return PngFile(
        width,
        height,
        depth,
        color,
        interlace == 1,
        np.frombuffer(palette[: len(palette) // 3 * 3], np.uint8).reshape(-1, 3),
        _transparency(found.get(b"tRNS"), color, len(palette) // 3),
        _SRGB if b"sRGB" in found else int.from_bytes(gamma, "big") if len(gamma) == 4 else 0,
        pixels,
    )


def _transparency(body: bytes | None, color: int, colors: int) -> bytes | None:
    fits = {
        GREY: body is not None and len(body) == 2,
        COLOR: body is not None and len(body) == 6,
        PALETTE: body is not None and 0 < len(body) <= colors,
    }
    return body if fits.get(color) else None


def samples(file: PngFile) -> Array:
    """The samples of a file, uint8 or, of 16 bits, uint16: [height, width, channels].

    Raises:
        BadPixels: there are too few, or they are damaged.
    """
    bits = file.depth * file.channels
    shapes = [(file.height, file.width)]
    if file.interlaced:
        shapes = [
            (-(-(file.height - y) // down), -(-(file.width - x) // right))
            for y, x, down, right in _PASSES
        ]
        shapes = [(max(h, 0), max(w, 0)) for h, w in shapes]
    sizes = [h * (-(-w * bits // 8) + 1) if w else 0 for h, w in shapes]
    raw = _inflated(file.pixels(), sum(sizes))
    if not file.interlaced:
        return _pass(raw, file, *shapes[0])
    dtype = np.uint16 if file.depth == 16 else np.uint8
    made = np.empty((file.height, file.width, file.channels), dtype)
    start = 0
    for (y, x, down, right), (height, width), size in zip(_PASSES, shapes, sizes, strict=True):
        if size:
            made[y::down, x::right] = _pass(raw[start : start + size], file, height, width)
        start += size
    return made


def _inflated(pixels: bytes, size: int) -> memoryview:
    stream = zlib.decompressobj()
    try:
        raw = stream.decompress(pixels, size)
    except zlib.error as error:
        raise BadPixels(str(error)) from error
    if len(raw) != size or not (stream.eof or stream.unconsumed_tail):
        raise BadPixels("too few pixels")
    return memoryview(raw)


def _pass(raw: memoryview, file: PngFile, height: int, width: int) -> Array:
    bits = file.depth * file.channels
    rows = _unfiltered(raw, height, -(-width * bits // 8), max(1, bits // 8))
    if file.depth == 16:
        made: Array = rows.view(">u2").astype(np.uint16)
    elif file.depth == 8:
        made = rows
    else:
        made = np.unpackbits(rows, axis=1).reshape(height, -1, file.depth)
        made = np.packbits(made, axis=2)[:, :width] >> (8 - file.depth)
    return made.reshape(height, width, file.channels)


_MODES = {1: ("L", "L"), 2: ("LA", "LA"), 3: ("RGB", "RGB"), 4: ("RGBA", "RGBA")}
_WIDE_MODES = {6: "RGB", 8: "RGBA"}


def _unfiltered(raw: memoryview, height: int, size: int, pixel: int) -> Array:
    """Rows of bytes without their filters, by Pillow's decoder, which wants them compressed.

    Args:
        raw: for each row the filter's number and `size` bytes.
        pixel: bytes of a pixel.

    Raises:
        BadPixels: a filter is not known.
    """
    from PIL import Image

    # Not compressed at all, and never said to end, so that no checksum is asked for.
    pieces: list[bytes | memoryview] = [b"\x78\x01"]
    for start in range(0, len(raw), _STORED):
        piece = raw[start : start + _STORED]
        pieces += [struct.pack("<BHH", 0, len(piece), len(piece) ^ _STORED), piece]
    packed = b"".join(pieces)

    def decoded(mode: str, kind: str) -> Array:
        try:
            image = Image.frombytes(mode, (size // pixel, height), packed, "zip", (kind, 0))
        except ValueError as error:
            raise BadPixels(str(error)) from error
        return np.asarray(image).reshape(height, -1)

    if pixel in _MODES:
        return decoded(*_MODES[pixel])
    # Pillow keeps one byte of each sample: first the upper ones, then the lower ones.
    mode = _WIDE_MODES[pixel]
    made = np.empty((height, size), np.uint8)
    made[:, 0::2], made[:, 1::2] = decoded(mode, f"{mode};16B"), decoded(mode, f"{mode};16L")
    return made
