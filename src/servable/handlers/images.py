"""One image file as the input of a model.

A string input gets the file as it is. A tensor gets the file's pixels, as DecodeImage gives
them: 0 to 255, in the signature's dtype. They are neither scaled nor resized: what a model
expects beyond its shape, no signature says.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeAlias

import numpy as np

from servable import tensors
from servable.errors import InvalidArgument, ResourceExhausted
from servable.handlers import hints
from servable.tensors import Array, DType, Shape, Signature, TensorSpec

MAX_PIXELS = 2**25
"""Of one image: its pixels take up to 32 bytes each, however small the file is."""

Sizes: TypeAlias = tuple[int | None, int | None, int | None]
"""Height, width and channels that a signature asks for."""

_CHANNELS = (1, 3, 4)
_PIXELS = (tensors.UINT8, tensors.FLOAT, tensors.HALF, tensors.BFLOAT16, tensors.DOUBLE)


def image_inputs(name: str, signature: Signature, data: bytes) -> dict[str, Array]:
    """Return the inputs of a signature that takes one image.

    Args:
        name: what the signature is called, for error texts.
        signature: has one input, not counting those with a default.
        data: an image file of any kind that DecodeImage reads.

    Raises:
        InvalidArgument: the signature takes no image, or one of another size.
    """
    needed = [alias for alias in signature.inputs if alias not in signature.defaults]
    aliases = needed or list(signature.inputs)
    if len(aliases) != 1:
        raise _no_image(name, signature, f"it takes {len(aliases)} inputs")
    alias = aliases[0]
    spec = signature.inputs[alias]
    if spec.dtype is tensors.STRING:
        return {alias: _contents(name, signature, spec, data)}
    return {alias: _pixels(name, signature, spec, data)}


def _contents(name: str, signature: Signature, spec: TensorSpec, data: bytes) -> Array:
    shape = (None,) if spec.shape is None else spec.shape
    if any(size not in (None, 1) for size in shape):
        raise _no_image(name, signature, f"its input is {spec}")
    array = np.empty((1,) * len(shape), object)
    array[...] = data
    return array


def _pixels(name: str, signature: Signature, spec: TensorSpec, data: bytes) -> Array:
    shape = _image_shape(spec.shape)
    if shape is None or not _takes_pixels(spec.dtype):
        raise _no_image(name, signature, f"its input is {spec}")
    # Importing the decoders takes a while, and few servers are sent images.
    from servable.ops.image_decode import decode_first_frame, stated_size

    # Looked at first: a file of some kilobytes may state, and become, a gigabyte of pixels.
    stated = stated_size(data)
    if stated is not None:
        _check_size(name, signature, shape, stated)
    image = decode_first_frame(data, shape[2] or 3)
    _check_size(name, signature, shape, image.shape)
    array = image.astype(spec.dtype.numpy, copy=False) if spec.dtype else image
    return array if len(spec.shape or ()) == 3 else array[None]


def _check_size(name: str, signature: Signature, wanted: Sizes, found: Sequence[int]) -> None:
    height, width = found[:2]
    if wanted[0] not in (None, height) or wanted[1] not in (None, width):
        raise InvalidArgument(
            f"The image is {height} high and {width} wide, but the model takes "
            f"{_size(wanted[0])} by {_size(wanted[1])}.",
            hint=hints.cut(f"Resize it first. {hints.expected(name, signature)}"),
        )
    if height * width > MAX_PIXELS:
        raise ResourceExhausted(
            f"The image has {height} by {width} pixels; {MAX_PIXELS} are the most.",
            hint="Resize it first.",
        )


def _image_shape(shape: Shape) -> Sizes | None:
    """Return height, width and channels of an input, None if it can not be one image."""
    if shape is None or len(shape) not in (3, 4) or (len(shape) == 4 and shape[0] not in (None, 1)):
        return None
    height, width, channels = shape[-3:]
    return (height, width, channels) if channels is None or channels in _CHANNELS else None


def _takes_pixels(dtype: DType | None) -> bool:
    return dtype in _PIXELS


def _size(size: int | None) -> str:
    return "any size" if size is None else str(size)


def _no_image(name: str, signature: Signature, why: str) -> InvalidArgument:
    return InvalidArgument(
        f'Signature "{name}" does not take one image: {why}.',
        hint=hints.cut(
            f"Send an image to a signature with one input, a string or [batch, height, width, "
            f"channels] of uint8 or floats. {hints.expected(name, signature)}"
        ),
    )
