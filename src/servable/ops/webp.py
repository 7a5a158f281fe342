"""WebP files to pixels, by Pillow, whose decoder is the library that TensorFlow uses."""

from __future__ import annotations

import io

import numpy as np

from servable.tensors import Array

_MOST_SAMPLES = 1 << 29
_LEAST = 30
"""Bytes up to the end of the size, whichever chunk comes first."""


class BadWebp(Exception):
    """The bytes are no WebP file that can be decoded."""


def is_webp(data: bytes) -> bool:
    """Whether a file says that it is one."""
    return data[:4] == b"RIFF" and data[8:15] == b"WEBPVP8"


def _pixels(data: bytes) -> int:
    """Pixels of the canvas, by the first chunk."""
    if len(data) < _LEAST:
        raise BadWebp("cut off")
    kind = data[12:16]
    if kind == b"VP8X":
        sides = (int.from_bytes(data[at : at + 3], "little") + 1 for at in (24, 27))
    elif kind == b"VP8L":
        bits = int.from_bytes(data[21:25], "little")
        sides = ((bits >> at & 0x3FFF) + 1 for at in (0, 14))
    elif kind == b"VP8 ":
        sides = (int.from_bytes(data[at : at + 2], "little") & 0x3FFF for at in (26, 28))
    else:
        raise BadWebp("a chunk that is not known")
    width, height = sides
    return width * height


def decode_webp(data: bytes, *, animated: bool = True) -> Array:
    """The frames of a file: uint8 [frames, height, width, 3 or 4].

    Args:
        animated: whether all are wanted, or the first one only.

    Raises:
        BadWebp: it can not be decoded, or is too large.
    """
    from PIL import Image, WebPImagePlugin

    # Two canvases are kept, of four samples a pixel, whatever the frames are.
    canvas = _pixels(data) * 4
    if canvas * 2 >= _MOST_SAMPLES:
        raise BadWebp("too large")
    try:
        with WebPImagePlugin.WebPImageFile(io.BytesIO(data)) as image:
            count = image.n_frames if animated else 1
            if canvas * count >= _MOST_SAMPLES:
                raise BadWebp("too large")
            frames = []
            for number in range(count):
                image.seek(number)
                frames.append(np.asarray(image))
    except (OSError, EOFError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise BadWebp(str(error)) from error
    return np.stack(frames)
