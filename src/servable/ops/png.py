"""PNG files to pixels and back, with the channels and bits that TensorFlow asks libpng for."""

from __future__ import annotations

import struct
import zlib
from typing import Any

import numpy as np

from servable.ops.png_file import (
    COLOR,
    COLOR_ALPHA,
    GREY,
    GREY_ALPHA,
    PALETTE,
    SIGNATURE,
    PngFile,
    samples,
)
from servable.tensors import Array


def png_channels(file: PngFile, wanted: int) -> int:
    """Channels of the result: as many as are wanted, or the file's own if that is 0."""
    if wanted:
        return wanted
    if file.color == PALETTE:
        return 4 if file.transparency is not None else 3
    return file.channels


def decode_png(file: PngFile, wanted: int, dtype: Any) -> Array:
    """The pixels of a file: [height, width, channels] of uint8 or uint16.

    Raises:
        BadPixels: they are cut off or damaged.
    """
    channels = png_channels(file, wanted)
    pixels, alpha = _separated(file, samples(file))
    if channels < 3 and pixels.shape[2] == 3:
        pixels = _grey(pixels, file.gamma, dtype)
    if channels >= 3 and pixels.shape[2] == 1:
        pixels = pixels.repeat(3, axis=2)
    if channels % 2 == 0:
        if alpha is None:
            # As many bits as the file's samples have, however many these have by now.
            alpha = np.full((*pixels.shape[:2], 1), (1 << file.depth) - 1, pixels.dtype)
        pixels = np.concatenate((pixels, alpha), axis=2)
    if pixels.dtype == np.uint16 and dtype == np.uint8:
        return (pixels >> 8).astype(np.uint8)
    if pixels.dtype == np.uint8 and dtype == np.uint16:
        return pixels.astype(np.uint16) * np.uint16(257)
    return pixels


def _separated(file: PngFile, stored: Array) -> tuple[Array, Array | None]:
    """Grey or colours of at least eight bits, and the alpha channel if there is any."""
    if file.color in (GREY_ALPHA, COLOR_ALPHA):
        return stored[..., :-1], stored[..., -1:]
    if file.color == PALETTE:
        return _from_palette(file, stored[..., 0])
    alpha = None
    if file.transparency is not None:
        hidden = np.frombuffer(file.transparency, ">u2").astype(np.uint16)
        if file.depth < 16:
            hidden = hidden & np.uint16((1 << file.depth) - 1)
        seen = (stored != hidden).any(axis=2, keepdims=True)
        most = np.iinfo(stored.dtype).max
        alpha = np.where(seen, most, 0).astype(stored.dtype)
    if file.depth < 8:
        stored = stored * np.uint8(255 // ((1 << file.depth) - 1))
    return stored, alpha


def _from_palette(file: PngFile, numbers: Array) -> tuple[Array, Array | None]:
    # Numbers past its end are black there, and not transparent.
    palette = np.zeros((256, 3), np.uint8)
    palette[: len(file.palette)] = file.palette
    alpha = None
    if file.transparency is not None:
        opacity = np.full(256, 255, np.uint8)
        opacity[: len(file.transparency)] = np.frombuffer(file.transparency, np.uint8)
        alpha = opacity[numbers][..., None]
    return palette[numbers], alpha


_RED, _GREEN = 29900 * 32768 // 100000, 58700 * 32768 // 100000
_BLUE = 32768 - _RED - _GREEN
_TOGETHER = 1 << 16
"""Pixels that are mixed together."""


def _grey(pixels: Array, gamma: int, dtype: Any) -> Array:
    """Luminance of colours, in libpng's integers; of light itself if the file says its gamma."""
    most = int(np.iinfo(pixels.dtype).max)
    light = back = None
    # Samples that are cut to eight bits later are taken with eleven.
    shift = 5 if most > 255 and dtype == np.uint8 else 0
    if gamma and abs(gamma - 100000) > 5000:
        there = _inverse(gamma)
        light, back = _curve(there, most, shift), _curve(_inverse(there), most, shift)
    made = np.empty((*pixels.shape[:2], 1), pixels.dtype)
    step = max(1, _TOGETHER // pixels.shape[1])
    for start in range(0, len(pixels), step):
        part = pixels[start : start + step]
        if light is not None and back is not None:
            mixed = back[(_mixed(light[part >> shift]) + 16384) >> 15 >> shift]
        else:
            mixed = (_mixed(part) + (16384 if most > 255 else 0)) >> 15
        same = (part == part[..., :1]).all(axis=2, keepdims=True)
        made[start : start + step] = np.where(same, part[..., :1], mixed)
    return made


def _mixed(pixels: Array) -> Array:
    wide = pixels.astype(np.int64)
    made: Array = _RED * wide[..., :1] + _GREEN * wide[..., 1:2] + _BLUE * wide[..., 2:]
    return made


def _inverse(gamma: int) -> int:
    return int(1e10 / gamma + 0.5)


def _curve(gamma: int, most: int, shift: int) -> Array:
    count = (most >> shift) + 1
    steps = np.arange(count) / (count - 1)
    return np.floor(most * steps ** (gamma / 1e5) + 0.5).astype(np.int64)


_COLORS = {1: GREY, 2: GREY_ALPHA, 3: COLOR, 4: COLOR_ALPHA}
_PIECE = 8192
"""Bytes of compressed pixels in a chunk, as libpng writes them."""


def encode_png(image: Array, compression: int) -> bytes:
    """A PNG file of pixels, [height, width, channels] of uint8 or uint16.

    Args:
        compression: from 0 to 9, or -1 for zlib's own choice.
    """
    height, width, channels = image.shape
    size = image.itemsize
    head = struct.pack(">IIBBBBB", width, height, 8 * size, _COLORS[channels], 0, 0, 0)
    rows = image.astype(image.dtype.newbyteorder(">"), copy=False)
    rows = np.ascontiguousarray(rows).view(np.uint8).reshape(height, -1)
    packer = zlib.compressobj(compression, zlib.DEFLATED, 15, 9, zlib.Z_FILTERED)
    packed = packer.compress(_filtered(rows, channels * size)) + packer.flush()
    pieces = [packed[i : i + _PIECE] for i in range(0, len(packed), _PIECE)]
    chunks = [(b"IHDR", head), *((b"IDAT", piece) for piece in pieces), (b"IEND", b"")]
    return SIGNATURE + b"".join(_chunk(name, body) for name, body in chunks)


def _chunk(name: bytes, body: bytes) -> bytes:
    check = zlib.crc32(body, zlib.crc32(name))
    return struct.pack(">I4s", len(body), name) + body + struct.pack(">I", check)


def _filtered(rows: Array, pixel: int) -> bytes:
    """Rows of bytes, each by the filter that leaves the smallest numbers, and its number."""
    left = np.zeros_like(rows)
    left[:, pixel:] = rows[:, :-pixel]
    above = np.zeros_like(rows)
    above[1:] = rows[:-1]
    corner = np.zeros_like(rows)
    corner[1:, pixel:] = rows[:-1, :-pixel]
    mean = (left.astype(np.uint16) + above >> 1).astype(np.uint8)
    tries = [rows, rows - left, rows - above, rows - mean, rows - _paeth(left, above, corner)]
    costs = np.stack([np.minimum(t, -t).sum(axis=1, dtype=np.int64) for t in tries])
    best = costs.argmin(axis=0)
    made = np.empty((rows.shape[0], rows.shape[1] + 1), np.uint8)
    made[:, 0] = best
    made[:, 1:] = np.choose(best[:, None], tries)
    return made.tobytes()


def _paeth(left: Array, above: Array, corner: Array) -> Array:
    a, b, c = (x.astype(np.int16) for x in (left, above, corner))
    from_left, from_above = np.abs(b - c), np.abs(a - c)
    from_corner = np.abs(a + b - 2 * c)
    return np.where(
        (from_left <= from_above) & (from_left <= from_corner),
        left,
        np.where(from_above <= from_corner, above, corner),
    )
