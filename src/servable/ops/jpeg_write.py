"""Pixels to JPEG files, byte for byte as TensorFlow's libjpeg-turbo writes them."""

from __future__ import annotations

import io
from dataclasses import dataclass

import numpy as np

from servable.tensors import Array

_XMP = b"http://ns.adobe.com/xap/1.0/\0"
_JFIF_END = 20
"""Bytes up to the end of the JFIF marker, which is always the first."""
_UNIT = 13
"""Where the unit of density stands in it."""
LONGEST_XMP = 0xFFFF - 2 - len(_XMP)


@dataclass(frozen=True, slots=True)
class JpegSettings:
    """How a file is written.

    Attributes:
        quality: from 0 to 100.
        halved: whether the chrominance has half the samples across and down.
        centimetres: whether density is in samples for each centimetre, not inch.
        density: across and down.
        xmp: metadata; empty for none.
    """

    quality: int = 95
    progressive: bool = False
    optimized: bool = False
    halved: bool = True
    centimetres: bool = False
    density: tuple[int, int] = (300, 300)
    xmp: bytes = b""


def encode_jpeg(image: Array, settings: JpegSettings) -> bytes:
    """A file of pixels, uint8 [height, width, 1 or 3]."""
    from PIL import Image

    # Importing the plugin registers the format with Pillow.
    from PIL import JpegImagePlugin as _  # noqa: F401

    pixels = np.ascontiguousarray(image[..., 0] if image.shape[2] == 1 else image)
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(
        buffer,
        "JPEG",
        quality=max(settings.quality, 1),
        progressive=settings.progressive,
        optimize=settings.optimized,
        # Grey has no chrominance, and its own samples are not said to be twice as many.
        subsampling="4:2:0" if settings.halved and pixels.ndim == 3 else "4:4:4",
        dpi=settings.density,
    )
    made = bytearray(buffer.getvalue())
    if settings.centimetres:
        made[_UNIT] = 2
    if settings.xmp:
        body = _XMP + settings.xmp
        made[_JFIF_END:_JFIF_END] = b"\xff\xe1" + (len(body) + 2).to_bytes(2, "big") + body
    return bytes(made)
