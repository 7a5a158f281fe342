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
    """One component's samples.

    Attributes:
        across, down: how many times fewer there are than pixels.
        smoothed: whether libjpeg interpolates between them, if it may.
    """

    across: int
    down: int
    smoothed: bool


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
            across = header.across * block // (c.across * size)
            down = header.down * block // (c.down * size)
            # Of libjpeg's sources: jdsample.c.
            wide = -(-header.width * c.across * size // (header.across * _BLOCK)) > 2
            smoothed = (across, down) == (1, 2) or (across == 2 and down <= 2 and wide)
            found.append(_Plane(across, down, smoothed and block > 1))
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
    if not any(p.smoothed for p in planes):
        return _plain(file, fast=options.fast)[top : top + height, left : left + width]
    # As Pillow does it. A window's edges are smoothed as if nothing were beyond.
    if options.smooth != options.fast and (window is None or not options.smooth):
        return _plain(file, fast=options.fast)[top : top + height, left : left + width]
    # libjpeg decodes whole blocks, and what is left of the first one does not exist for it.
    start = left - left % (_BLOCK // options.ratio * file.header.across)
    pixels = _rebuilt(file, planes, options, range(start, left + width))
    return pixels[top : top + height, left - start :]


def _plain(file: _File, *, fast: bool) -> Array:
    if len(file.header.components) == 4:
        inks = file.decode("CMYK", fast=fast)
        return _inks(inks[..., :3], inks[..., 3:], file.header)
    return file.decode("RGB", fast=fast)


def _inks(colors: Array, black: Array, header: JpegHeader) -> Array:
    """Red, green and blue of four inks; with an Adobe marker they are stored inverted."""
    first, last = colors.astype(np.int32), black.astype(np.int32)
    if header.adobe is None:
        first, last = 255 - first, 255 - last
    return (first * last // 255).astype(np.uint8)


def _stored(file: _File, *, fast: bool, ratio: int = 0) -> Array:
    """Every component as it is stored, each spread over all pixels."""
    header = file.header
    if len(header.components) == 3:
        return file.decode("YCbCr" if header.luminance else "RGB", fast=fast, ratio=ratio)
    inks = file.decode("CMYK", fast=fast, ratio=ratio)
    if header.luminance:
        colors = file.decode("YCbCr", "YCbCrK", fast=fast, ratio=ratio)
        return np.concatenate((colors, inks[..., 3:]), axis=-1)
    return inks


def _samples(file: _File, planes: list[_Plane], *, fast: bool) -> list[Array]:
    """Of every component, as many samples as are stored.

    Not fast, those of half a resolution across only, or down only, are the fast ones: they
    differ by a grey level or two.
    """
    quick = _stored(file, fast=True)
    found = [np.ascontiguousarray(quick[:: p.down, :: p.across, i]) for i, p in enumerate(planes)]
    if fast:
        return found
    whole = _stored(file, fast=False)
    # At half the size, what has half the samples comes as it is.
    halves = _stored(file, fast=False, ratio=2) if file.ratio == 1 else None
    for number, plane in enumerate(planes):
        if plane.across == plane.down == 1:
            found[number] = whole[..., number]
        elif plane.across == plane.down == 2 and halves is not None:
            found[number] = halves[..., number]
    return found


def _rebuilt(file: _File, planes: list[_Plane], options: JpegOptions, columns: range) -> Array:
    """Some columns of a file's pixels, from samples that are smoothed here if they shall be."""
    samples = _samples(file, planes, fast=options.fast)
    made = np.empty((file.height, len(columns), 3), np.uint8)
    step = max(2, _ROWS_OF // len(columns) // 2 * 2)
    for start in range(0, file.height, step):
        rows = np.arange(start, min(start + step, file.height))
        spread = [
            _spread(s, p, rows, columns, smooth=options.smooth)
            for s, p in zip(samples, planes, strict=True)
        ]
        made[rows] = _converted(spread, file.header)
    return made


def _converted(spread: list[Array], header: JpegHeader) -> Array:
    colors = _colors(*spread[:3]) if header.luminance else np.stack(spread[:3], axis=-1)
    if len(spread) == 3:
        return colors
    return _inks(255 - colors if header.luminance else colors, spread[3][..., None], header)


def _spread(samples: Array, plane: _Plane, rows: Array, columns: range, *, smooth: bool) -> Array:
    """Samples for every pixel of some rows and columns: the nearest, or smoothed."""
    start = columns.start // plane.across
    count = -(-len(columns) // plane.across)
    part = samples[:, start : start + count]
    if plane.across == plane.down == 1:
        return part[rows[0] : rows[-1] + 1]
    smooth = smooth and plane.smoothed and (plane.across == 1 or count > 1)
    near = rows // plane.down
    if not smooth:
        plain: Array = part[near].repeat(plane.across, axis=1)[:, : len(columns)]
        return plain
    made: Array = part[near].astype(np.int16)
    bias = (1, 2)
    if plane.down == 2:
        odd = rows % 2
        far = (near + 2 * odd - 1).clip(0, len(samples) - 1)
        made = made * np.int16(3) + part[far]
        if plane.across == 1:
            return ((made + (1 + odd).astype(np.int16)[:, None]) >> 2).astype(np.uint8)
        bias = (8, 7)
    wide = np.empty((len(rows), 2 * count), np.int16)
    padded = np.concatenate((made[:, :1], made, made[:, -1:]), axis=1)
    made = made * np.int16(3)
    shift = 4 if plane.down == 2 else 2
    wide[:, 0::2] = (made + padded[:, :-2] + np.int16(bias[0])) >> shift
    wide[:, 1::2] = (made + padded[:, 2:] + np.int16(bias[1])) >> shift
    return wide[:, : len(columns)].astype(np.uint8)


def _fixed(x: float) -> int:
    """A number in 65536ths."""
    return int(x * 65536 + 0.5)


_HALF, _MIDDLE = 32768, 128


def _tint(*parts: tuple[int, Array]) -> Array:
    """A sum of chrominances times numbers in 65536ths, rounded: int16."""
    made = np.full(parts[0][1].shape, _HALF, np.int32)
    for factor, chrominance in parts:
        scaled = chrominance.astype(np.int32)
        scaled -= _MIDDLE
        scaled *= factor
        made += scaled
    made >>= 16
    return made.astype(np.int16)


def _colors(y: Array, cb: Array, cr: Array) -> Array:
    """Red, green and blue, in libjpeg's integers: uint8 [rows, columns, 3]."""
    light = y.astype(np.int16)
    made = np.empty((*y.shape, 3), np.uint8)
    red = _tint((_fixed(1.402), cr))
    green = _tint((-_fixed(0.34414), cb), (-_fixed(0.71414), cr))
    blue = _tint((_fixed(1.772), cb))
    for channel, tint in enumerate((red, green, blue)):
        tint += light
        made[..., channel] = tint.clip(0, 255)
    return made
