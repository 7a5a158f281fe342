"""From an image file to the tensor that a signature expects."""

from __future__ import annotations

import warnings
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from servable.errors import InvalidArgument
from servable.tensors import Array, TensorSpec

SUFFIXES = frozenset({".png", ".jpg", ".jpeg", ".bmp", ".gif", ".webp"})

_MODES = {1: "L", 3: "RGB", 4: "RGBA"}


def from_image(path: Path, spec: TensorSpec) -> Array:
    """Return an image as height x width x channels, with a batch dimension of one for rank 4.

    The image is turned upright, brought to the signature's number of channels (RGB
    if that is unknown) and, where they are fixed, to its height and width. Floats
    are 0..1, whole numbers 0..255.

    Args:
        path: an image file that Pillow can read.
        spec: a numeric input of rank 3 or 4, channels last; an unknown rank is
            taken as 4.

    Raises:
        InvalidArgument: the file is no image, or the signature wants no image.
    """
    height, width, channels = _wanted(spec)
    with _opened(path) as image:
        upright = ImageOps.exif_transpose(image).convert(_MODES[channels])
        size = (width or upright.width, height or upright.height)
        if size != upright.size:
            upright = upright.resize(size, Image.Resampling.BILINEAR)
        pixels = np.asarray(upright).reshape(size[1], size[0], channels)
    if spec.dtype is not None and spec.dtype.numpy.kind in "fV":
        pixels = (pixels.astype(np.float32) / 255).astype(spec.dtype.numpy)
    elif spec.dtype is not None:
        pixels = pixels.astype(spec.dtype.numpy)
    return pixels if spec.shape is not None and len(spec.shape) == 3 else pixels[np.newaxis]


def _wanted(spec: TensorSpec) -> tuple[int | None, int | None, int]:
    shape = (None, None, None, None) if spec.shape is None else spec.shape
    dtype_fits = spec.dtype is None or spec.dtype.numpy.kind in "fiuV"
    if len(shape) not in (3, 4) or not dtype_fits or (shape[-1] or 3) not in _MODES:
        raise InvalidArgument(
            f"the signature wants {spec}, which is not an image",
            hint="Give an array instead: JSON, or a .npy file.",
        )
    return shape[-3], shape[-2], shape[-1] or 3


def _opened(path: Path) -> Image.Image:
    with warnings.catch_warnings():
        warnings.simplefilter("error", Image.DecompressionBombWarning)
        try:
            image = Image.open(path)
            image.load()
        except (UnidentifiedImageError, Image.DecompressionBombError, OSError, Warning) as error:
            raise InvalidArgument(f"{path} can not be read as an image: {error}") from error
    return image
