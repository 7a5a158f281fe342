"""JPEG files to pixels, with the very bits that TensorFlow's libjpeg-turbo gives.

Pillow's decoder is the same library, but has two of its four ways only: accurate and
smoothed, or fast and not smoothed. TensorFlow's default is fast and smoothed: then the
chrominance comes from Pillow as it is stored, and is smoothed and turned into colours here,
in libjpeg's integers. Accurate and not smoothed is put together from two decodings.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

import numpy as np

from servable.ops.jpeg_header import END, BadJpeg, JpegHeader, read_header
from servable.tensors import Array

_MOST_SAMPLES = 1 << 29
"""Samples of an image from which TensorFlow refuses it."""
_BLOCK = 8
_ROWS_OF = 1 << 16
"""Pixels that are computed together."""


@dataclass(frozen=True, slots=True)
class JpegOptions:
    """How a file is decoded.

    Attributes:
        channels: 1, 3, or 0 for as many as the file has, three at most.
        ratio: height and width are divided by it: 1, 2, 4 or 8.
        smooth: whether samples between those of the chrominance are interpolated.
        fast: the faster, less accurate transform.
        recover: what is missing at the end is filled, not an error.
    """

    channels: int = 0
    ratio: int = 1
    smooth: bool = True
    fast: bool = True
    recover: bool = False


@dataclass(frozen=True, slots=True)
class _Plane:
    """Where one component's samples lie: so many times fewer across and down than pixels."""

    across: int
    down: int
    width: int

    @property
    def smoothed(self) -> bool:
        """Whether libjpeg interpolates between the samples, if it may."""
        if self.across == 2:
            return self.down in (1, 2) and self.width > 2
        return (self.across, self.down) == (1, 2)


class _File:
    """A file that is to be decoded at some ratio."""

    def __init__(self, data: bytes, options: JpegOptions) -> None:
        if options.recover:
            data = data + END
        self.header = read_header(data)
        self.ratio = options.ratio
        if data.find(END, self.header.scans) < 0:
            raise BadJpeg("no end of image")
        scans = memoryview(data)[self.header.scans :]
        if not options.recover and len(scans) < self.header.least_bytes():
            raise BadJpeg("too few bytes for its size")
        self._data = b"".join((self.header.head, scans))
        self.height, self.width = self._size(options.ratio)
        if self.height * self.width * len(self.header.components) >= _MOST_SAMPLES:
            raise BadJpeg("too large")

    def _size(self, ratio: int) -> tuple[int, int]:
        return -(-self.header.height // ratio), -(-self.header.width // ratio)

    def planes(self) -> list[_Plane]:
        """How the components are stored at this ratio."""
        header, block = self.header, _BLOCK // self.ratio
        found = []
        for c in header.components:
            size = block
            # libjpeg takes more of a component's coefficients rather than fewer samples.
            while (
                size < _BLOCK
                and header.across * block % (c.across * size * 2) == 0
                and header.down * block % (c.down * size * 2) == 0
            ):
                size *= 2
            width = -(-header.width * c.across * size // (header.across * _BLOCK))
            across = header.across * block // (c.across * size)
            found.append(_Plane(across, header.down * block // (c.down * size), width))
        return found

    def decode(self, mode: str, raw: str = "", *, fast: bool, ratio: int = 0) -> Array:
        """Decode by Pillow: smoothed if accurate, not smoothed if fast.

        Args:
            mode: Pillow's name of the pixels' kind.
            raw: libjpeg's colours, if they are others.
            ratio: another than the file's own.

        Raises:
            BadJpeg: libjpeg refuses it.
        """
        from PIL import Image

        ratio = ratio or self.ratio
        height, width = self._size(ratio)
        arguments = (raw or mode, "", ratio, int(fast))
        try:
            image = Image.frombytes(mode, (width, height), self._data, "jpeg", arguments)
        except (ValueError, OSError) as error:
            raise BadJpeg(str(error)) from error
        return np.asarray(image).reshape(height, width, -1)


Window: TypeAlias = tuple[int, int, int, int]
"""Top, left, height and width."""


def decode_jpeg(data: bytes, options: JpegOptions, window: Window | None = None) -> Array:
    """Decode a file, or a window of it.

    Returns:
        uint8 [height, width, channels].

    Raises:
        BadJpeg: it can not be decoded, or the window is not inside.
    """
    file = _File(data, options)
    top, left, height, width = window or (0, 0, file.height, file.width)
    inside = top >= 0 and left >= 0 and top + height <= file.height and left + width <= file.width
    if not inside or height <= 0 or width <= 0:
        raise BadJpeg("the window is not inside")
    count = len(file.header.components)
    channels = options.channels or min(count, 3)
    if channels == 1:
        if count == 4:
            raise BadJpeg("four components are no grey")
        return file.decode("L", fast=options.fast)[top : top + height, left : left + width]
    planes = file.planes()
    smoothed = count > 1 and file.header.luminance and any(p.smoothed for p in planes)
    as_it_is = options.smooth != options.fast or (count == 4 and not options.fast)
    if smoothed and not (as_it_is and (window is None or not options.smooth)):
        # libjpeg decodes whole blocks, and what is left of the first one does not exist for it.
        start = left - left % (_BLOCK // options.ratio * file.header.across)
        pixels = _rebuilt(file, planes, options, range(start, left + width))
        return pixels[top : top + height, left - start :]
    pixels = _plain(file, count, fast=options.fast)
    return pixels[top : top + height, left : left + width]


def _plain(file: _File, count: int, *, fast: bool) -> Array:
    if count == 4:
        inks = file.decode("CMYK", fast=fast)
        return _inks(inks[..., :3], inks[..., 3:], file.header)
    return file.decode("RGB", fast=fast)


def _inks(colors: Array, black: Array, header: JpegHeader) -> Array:
    """Red, green and blue of four inks; with an Adobe marker they are stored inverted."""
    first, last = colors.astype(np.int32), black.astype(np.int32)
    if header.adobe is None:
        first, last = 255 - first, 255 - last
    return (first * last // 255).astype(np.uint8)


def _samples(file: _File, planes: list[_Plane], *, fast: bool) -> list[Array]:
    """Luminance and both chrominances, as many samples as are stored."""
    raw = "YCbCrK" if len(planes) == 4 else "YCbCr"
    if not fast and file.ratio == 1 and all(p.across == p.down for p in planes):
        # At half the size, chrominance of half the samples comes as it is.
        halves = file.decode("YCbCr", raw, fast=False, ratio=2)
        return [file.decode("L", fast=False)[..., 0], halves[..., 1], halves[..., 2]]
    whole = file.decode("YCbCr", raw, fast=True)
    found = [whole[:: p.down, :: p.across, i] for i, p in enumerate(planes[:3])]
    if not fast:
        found[0] = file.decode("L", fast=False)[..., 0]
    return found


def _rebuilt(file: _File, planes: list[_Plane], options: JpegOptions, columns: range) -> Array:
    """Some columns of a file's pixels, from samples that are smoothed here if they shall be."""
    samples = _samples(file, planes, fast=options.fast)
    black = file.decode("CMYK", fast=options.fast)[..., 3:] if len(planes) == 4 else None
    made = np.empty((file.height, len(columns), 3), np.uint8)
    step = max(2, _ROWS_OF // len(columns) // 2 * 2)
    for start in range(0, file.height, step):
        rows = np.arange(start, min(start + step, file.height))
        y, cb, cr = (
            _spread(s, p, rows, columns, smooth=options.smooth)
            for s, p in zip(samples, planes, strict=False)
        )
        part = _colors(y, cb, cr)
        if black is not None:
            part = _inks(255 - part, black[rows][:, columns.start : columns.stop], file.header)
        made[rows] = part
    return made


def _spread(samples: Array, plane: _Plane, rows: Array, columns: range, *, smooth: bool) -> Array:
    """Samples for every pixel of some rows and columns: the nearest, or smoothed."""
    start = columns.start // plane.across
    count = -(-len(columns) // plane.across)
    part = samples[:, start : start + count]
    smooth = smooth and plane.smoothed and (plane.across == 1 or count > 1)
    near = rows // plane.down
    if not smooth:
        plain: Array = part[near].repeat(plane.across, axis=1)[:, : len(columns)]
        return plain
    made: Array = part[near].astype(np.int16)
    bias: tuple[int, int] | Array = (1, 2)
    if plane.down == 2:
        odd = rows % 2
        far = (near + 2 * odd - 1).clip(0, len(samples) - 1)
        made = made * np.int16(3) + part[far]
        if plane.across == 1:
            return (made + (1 + odd).astype(np.int16)[:, None]) >> 2
        bias = (8, 7)
    wide = np.empty((len(rows), 2 * count), np.int16)
    padded = np.concatenate((made[:, :1], made, made[:, -1:]), axis=1)
    made = made * np.int16(3)
    shift = 4 if plane.down == 2 else 2
    wide[:, 0::2] = (made + padded[:, :-2] + np.int16(bias[0])) >> shift
    wide[:, 1::2] = (made + padded[:, 2:] + np.int16(bias[1])) >> shift
    return wide[:, : len(columns)]


def _fixed(x: float) -> int:
    return int(x * 65536 + 0.5)


_STEPS = np.arange(-128, 128, dtype=np.int32)
_RED = ((_fixed(1.402) * _STEPS + 32768) >> 16).astype(np.int16)
_BLUE = ((_fixed(1.772) * _STEPS + 32768) >> 16).astype(np.int16)
_GREEN_BY_RED = -_fixed(0.71414) * _STEPS
_GREEN_BY_BLUE = -_fixed(0.34414) * _STEPS + 32768


def _colors(y: Array, cb: Array, cr: Array) -> Array:
    """Red, green and blue by libjpeg's tables: uint8 [rows, columns, 3]."""
    light = y.astype(np.int16)
    made = np.empty((*y.shape, 3), np.uint8)
    green = ((_GREEN_BY_BLUE[cb] + _GREEN_BY_RED[cr]) >> 16).astype(np.int16)
    for channel, tint in enumerate((_RED[cr], green, _BLUE[cb])):
        made[..., channel] = (light + tint).clip(0, 255)
    return made
