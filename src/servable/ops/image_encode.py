"""Pixels to files of images."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from servable.errors import Internal, InvalidArgument
from servable.ops.jpeg_write import LONGEST_XMP, JpegSettings, encode_jpeg
from servable.ops.png import encode_png
from servable.ops.registry import Build, Kernel, op
from servable.ops.support import scalar, shape_text
from servable.tensors import Array

_LONGEST_SIDE = 65500
"""libjpeg's own limit."""
_FORMATS = {"": (1, 3), "grayscale": (1,), "rgb": (3,)}


def _jpeg(image: Array, settings: JpegSettings) -> Array:
    if not (0 < image.shape[0] <= _LONGEST_SIDE and 0 < image.shape[1] <= _LONGEST_SIDE):
        raise Internal("JPEG encoding failed")
    return np.array(encode_jpeg(image, settings), object)


def _check_rank(image: Array) -> None:
    if image.ndim != 3:
        raise InvalidArgument(f"image must be 3-dimensional{shape_text(image)}")


@op(
    "EncodeJpeg",
    attrs="format quality progressive optimize_size chroma_downsampling density_unit x_density"
    " y_density xmp_metadata",
)
def encode_jpeg_op(build: Build) -> Kernel:
    """A file of pixels, [height, width, 1 or 3] of uint8."""
    kind = build.choice("format", *_FORMATS)
    quality = build.int("quality")
    xmp = build.data("xmp_metadata")
    if not 0 <= quality <= 100:
        raise build.unsupported(f"quality={quality}; supported: 0 to 100")
    if len(xmp) > LONGEST_XMP:
        raise build.unsupported(f"xmp_metadata of {len(xmp)} bytes; supported: {LONGEST_XMP}")
    settings = JpegSettings(
        quality=quality,
        progressive=build.bool("progressive"),
        optimized=build.bool("optimize_size"),
        halved=build.bool("chroma_downsampling"),
        centimetres=build.choice("density_unit", "in", "cm") == "cm",
        density=(build.int("x_density") & 0xFFFF, build.int("y_density") & 0xFFFF),
        xmp=xmp,
    )

    def kernel(image: Array) -> Array:
        _check_rank(image)
        if image.shape[2] not in _FORMATS[kind]:
            text = shape_text(image)
            if kind:
                count = _FORMATS[kind][0]
                raise InvalidArgument(f"format {kind} expects {count} channels, got {text}")
            raise InvalidArgument(f"image must have 1 or 3 channels, got {text}")
        return _jpeg(image, settings)

    return kernel


@op("EncodeJpegVariableQuality")
def encode_jpeg_variable_quality(build: Build) -> Kernel:
    """A file of pixels, [height, width, 1 or 3] of uint8, of a quality from 0 to 100."""
    del build
    plain = JpegSettings()

    def kernel(image: Array, quality: Array) -> Array:
        _check_rank(image)
        wanted = scalar(quality, "quality must be scalar: {}")
        if not 0 <= wanted <= 100:
            raise InvalidArgument(f"quality must be in [0,100], got {wanted}")
        if image.shape[2] not in (1, 3):
            raise InvalidArgument(f"image must have 1 or 3 channels, got {shape_text(image)}")
        return _jpeg(image, replace(plain, quality=wanted))

    return kernel


@op("EncodePng", attrs="compression")
def encode_png_op(build: Build) -> Kernel:
    """Files of pixels, [..., height, width, 1 to 4] of uint8 or uint16."""
    compression = build.int("compression")
    if not -1 <= compression <= 9:
        raise build.unsupported(f"compression={compression}; supported: -1 to 9")

    def kernel(images: Array) -> Array:
        if images.ndim < 3:
            raise InvalidArgument(f"images must be at least rank 3{shape_text(images)}")
        *batch, height, width, channels = images.shape
        if not 1 <= channels <= 4:
            raise InvalidArgument(f"image must have 1, 2, 3, or 4 channels, got {channels}")
        made = np.empty(batch, object)
        if made.size and not height * width:
            numbers = ", ".join(map(str, range(made.size)))
            raise Internal(
                f"PNG encoding failed at the following flattened batch indices: {numbers}"
            )
        for place in np.ndindex(*batch):
            made[place] = encode_png(images[place], compression)
        return made

    return kernel
