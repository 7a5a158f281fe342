"""BMP files to pixels: those of 8, 24 and 32 bits, not compressed, as TensorFlow reads them.

Of 8 bits, it takes the numbers of the colours for grey.
"""

from __future__ import annotations

import struct

import numpy as np

from servable.tensors import Array

_LEAST = 32
_MOST_PIXELS = ((1 << 31) - 1) // 8


class BadBmp(Exception):
    """The bytes are no BMP file that can be decoded; the text is TensorFlow's."""


def decode_bmp(data: bytes, wanted: int) -> Array:
    """The pixels of a file.

    Args:
        wanted: channels: 3, 4, or 0 for as many as the file has.

    Returns:
        uint8 [height, width, channels].

    Raises:
        BadBmp: its size is impossible, or not that of its pixels.
    """
    if len(data) < _LEAST:
        raise BadBmp(
            f"Incomplete bmp content, requires at least {_LEAST} bytes to find the header size,"
            f" width, height, and bpp, got {len(data)} bytes"
        )
    (head,) = struct.unpack_from("<i", data, 10)
    width, height, _, bits = struct.unpack_from("<iihh", data, 18)
    channels = int(bits / 8)
    rows = abs(height)
    _check(width, height, head, channels)
    pitch = (width * channels + 3) // 4 * 4
    if extra := len(data) - (head + pitch * rows):
        raise BadBmp(
            "Input size should match (header_size + row_size * abs_height) but they differ by"
            f" {extra}"
        )
    stored = np.frombuffer(data, np.uint8, pitch * rows, head).reshape(rows, pitch)
    pixels = stored[:: 1 if height < 0 else -1, : width * channels].reshape(rows, width, channels)
    if channels == 1:
        return _with_alpha(pixels.repeat(3, axis=2), None) if wanted == 4 else _grey(pixels, wanted)
    colors = pixels[..., 2::-1]
    alpha = pixels[..., 3:] if channels == 4 else None
    if (wanted or channels) == 4:
        return _with_alpha(colors, alpha)
    return np.ascontiguousarray(colors)


def _check(width: int, height: int, head: int, channels: int) -> None:
    if channels not in (1, 3, 4):
        raise BadBmp(f"Number of channels inherent in the image must be 1, 3 or 4, was {channels}")
    if width <= 0:
        raise BadBmp("Width must be positive")
    if height == 0:
        raise BadBmp("Height must be nonzero")
    if head < 0:
        raise BadBmp("header size must be nonnegative")
    if width * abs(height) >= _MOST_PIXELS:
        raise BadBmp("Total possible pixel bytes must be less than 2^30")


def _grey(pixels: Array, wanted: int) -> Array:
    return pixels.repeat(3, axis=2) if wanted == 3 else np.ascontiguousarray(pixels)


def _with_alpha(colors: Array, alpha: Array | None) -> Array:
    if alpha is None:
        alpha = np.full((*colors.shape[:2], 1), 255, np.uint8)
    return np.concatenate((colors, alpha), axis=2)
