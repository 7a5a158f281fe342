"""Files of images to pixels. Each op takes every kind of file, as far as its result allows."""

from __future__ import annotations

import enum
from collections.abc import Callable
from typing import Any, TypeAlias

import numpy as np

from servable.errors import InvalidArgument, ResourceExhausted
from servable.ops.bmp import BadBmp, decode_bmp
from servable.ops.gif import BadGif, decode_gif
from servable.ops.jpeg import JpegOptions, Window, decode_jpeg
from servable.ops.jpeg_header import BadJpeg, read_header
from servable.ops.png import decode_png, png_channels
from servable.ops.png_file import BadPixels, BadPng, read_png
from servable.ops.registry import Build, Kernel, op
from servable.ops.text import dims
from servable.ops.webp import BadWebp, decode_webp, is_webp
from servable.tensors import Array

_MOST_SIDE, _MOST_PIXELS = 1 << 27, 1 << 29
"""TensorFlow's own bounds on a PNG file."""
_MOST_BYTES = 1 << 29
"""Bound on the pixels of one: they may be a thousand times as many bytes as the file has."""


_PNG_SIZE_ENDS, _GIF_SIZE_ENDS = 24, 10


class _Kind(enum.Enum):
    """A kind of file, by its first bytes; there is a name for it in TensorFlow's messages."""

    JPEG = b"\xff\xd8\xff"
    PNG = b"\x89PNG\r\n\x1a\n"
    GIF = b"GIF8"
    BMP = b"BM"
    WEBP = b"RIFF"


def _kind(data: bytes) -> _Kind:
    for kind in _Kind:
        if data.startswith(kind.value) and (kind is not _Kind.WEBP or is_webp(data)):
            return kind
    raise InvalidArgument(
        "Unknown image file format. One of JPEG, JPEG XL, PNG, GIF, BMP, WebP required.",
        hint="Send the bytes of a JPEG, PNG, GIF, BMP or WebP file; JPEG XL is not decoded.",
    )


def _contents(contents: Any) -> bytes:
    if np.ndim(contents):
        raise InvalidArgument(f"`contents` must be scalar but got shape{dims(np.shape(contents))}")
    data: bytes = contents.item() if isinstance(contents, np.ndarray) else contents
    if not data:
        raise InvalidArgument("Input is empty.")
    return data


def _channels(build: Build) -> int:
    channels = build.int("channels")
    if channels not in (0, 1, 3, 4):
        raise build.unsupported(f"channels={channels}; supported: 0, 1, 3, 4")
    return channels


_Decode: TypeAlias = Callable[[bytes], Array]


def _jpeg(data: bytes, channels: int, options: JpegOptions, window: Window | None = None) -> Array:
    if channels == 4:
        raise InvalidArgument("JPEG does not support 4 channels")
    try:
        return decode_jpeg(data, options, window)
    except BadJpeg:
        raise InvalidArgument(
            "jpeg::Uncompress failed. Invalid JPEG data or crop window."
        ) from None


def _png(data: bytes, channels: int, dtype: Any) -> Array:
    try:
        file = read_png(data)
    except BadPng:
        raise InvalidArgument("Invalid PNG. Failed to initialize decoder.") from None
    width, height = file.width, file.height
    if max(width, height) >= _MOST_SIDE or width * height >= _MOST_PIXELS:
        raise InvalidArgument(f"PNG size too large for int: {width} by {height}")
    if width * height * png_channels(file, channels) * np.dtype(dtype).itemsize > _MOST_BYTES:
        raise ResourceExhausted(
            f"A PNG of {width} by {height} pixels would take more than {_MOST_BYTES} bytes"
        )
    try:
        return decode_png(file, channels, dtype)
    except BadPixels:
        raise InvalidArgument(f"Invalid PNG data, size {len(data)}") from None


def _gif(data: bytes, channels: int, *, animated: bool) -> Array:
    if channels not in (0, 3):
        raise InvalidArgument(f"channels must be 0 or 3 for GIF, got {channels}")
    try:
        return decode_gif(data, animated=animated)
    except BadGif as error:
        raise InvalidArgument(f"Invalid GIF data (size {len(data)}), {error}") from None


def _one_frame(frames: Array) -> Array:
    if len(frames) != 1:
        raise InvalidArgument(
            f"Got {len(frames)} frames, but animated gifs can only be decoded by"
            " tf.io.decode_gif or tf.io.decode_image"
        )
    one: Array = frames[0]
    return one


def _bmp(data: bytes, channels: int, name: str) -> Array:
    if channels == 1:
        raise InvalidArgument("`channels` must be 0, 3 or 4 for BMP, but got 1")
    if name not in ("DecodeBmp", "DecodeImage"):
        raise InvalidArgument(
            "Trying to decode BMP format using a wrong op. Use `decode_bmp` or `decode_image`"
            f" instead. Op used: {name}"
        )
    try:
        return decode_bmp(data, channels)
    except BadBmp as error:
        raise InvalidArgument(str(error)) from None


def _webp(data: bytes, channels: int, dtype: Any = np.uint8, *, animated: bool = True) -> Array:
    """All frames, whatever the op: TensorFlow makes no image of three dimensions of them."""
    if channels == 1:
        raise InvalidArgument("WebP only supports 3 or 4 channels")
    if dtype != np.uint8:
        raise InvalidArgument("WebP only supports uint8 for dtype")
    try:
        frames = decode_webp(data, animated=animated)
    except BadWebp:
        raise InvalidArgument("Failed to decode WebP image.") from None
    if channels not in (0, frames.shape[3]):
        raise InvalidArgument("Number of channels requested does not match input")
    return frames


def _options(build: Build, channels: int) -> JpegOptions:
    ratio = build.int("ratio")
    if ratio not in (1, 2, 4, 8):
        raise build.unsupported(f"ratio={ratio}; supported: 1, 2, 4, 8")
    method = build.choice("dct_method", "", "INTEGER_FAST", "INTEGER_ACCURATE")
    return JpegOptions(
        channels=channels,
        ratio=ratio,
        smooth=build.bool("fancy_upscaling"),
        fast=method != "INTEGER_ACCURATE",
        recover=build.bool("try_recover_truncated"),
    )


# What acceptable_fraction would say, TensorFlow's decoder never asks: a file that is cut off
# is an error, or all of it is filled.
@op(
    "DecodeJpeg",
    attrs="channels ratio fancy_upscaling try_recover_truncated dct_method",
    no_effect="acceptable_fraction",
)
def decode_jpeg_op(build: Build) -> Kernel:
    """The pixels of a file: [height, width, channels] of uint8."""
    channels = _channels(build)
    options = _options(build, channels)

    def kernel(contents: Any) -> Array:
        data = _contents(contents)
        match _kind(data):
            case _Kind.JPEG:
                return _jpeg(data, channels, options)
            case _Kind.PNG:
                return _png(data, channels, np.uint8)
            case _Kind.GIF:
                return _one_frame(_gif(data, channels, animated=True))
            case _Kind.BMP:
                return _bmp(data, channels, "DecodeJpeg")
            case _Kind.WEBP:
                return _webp(data, channels)

    return kernel


@op(
    "DecodeAndCropJpeg",
    attrs="channels ratio fancy_upscaling try_recover_truncated dct_method",
    no_effect="acceptable_fraction",
)
def decode_and_crop_jpeg(build: Build) -> Kernel:
    """A window of a JPEG file: [height, width, channels] of uint8."""
    channels = _channels(build)
    options = _options(build, channels)

    def kernel(contents: Any, crop_window: Array) -> Array:
        data = _contents(contents)
        kind = _kind(data)
        if kind is _Kind.WEBP:
            return _webp(data, channels)
        if kind is _Kind.GIF and channels not in (0, 3):
            raise InvalidArgument(f"channels must be 0 or 3 for GIF, got {channels}")
        if kind is _Kind.BMP and channels == 1:
            raise InvalidArgument("`channels` must be 0, 3 or 4 for BMP, but got 1")
        if kind is not _Kind.JPEG:
            raise InvalidArgument(
                f"DecodeAndCropJpeg operation can run on JPEG only, but detected {kind.name}."
            )
        if crop_window.ndim != 1:
            raise InvalidArgument(f"crop_window must be 1-D, got shape {dims(crop_window.shape)}")
        if crop_window.size != 4:
            raise InvalidArgument(f"crop_size must have four elements {dims(crop_window.shape)}")
        top, left, height, width = crop_window.tolist()
        return _jpeg(data, channels, options, (top, left, height, width))

    return kernel


@op("ExtractJpegShape", attrs="output_type")
def extract_jpeg_shape(build: Build) -> Kernel:
    """Height, width and channels of a JPEG file, from its header."""
    dtype = build.type("output_type").numpy

    def kernel(contents: Any) -> Array:
        if np.ndim(contents):
            raise InvalidArgument(f"contents must be scalar, got shape {dims(np.shape(contents))}")
        data: bytes = contents.item() if isinstance(contents, np.ndarray) else contents
        try:
            header = read_header(data)
        except BadJpeg:
            raise InvalidArgument(f"Invalid JPEG data, size {len(data)}") from None
        return np.array((header.height, header.width, len(header.components)), dtype)

    return kernel


_FRACTION = np.float32(1) / np.float32(255)
_FINE_FRACTION = np.float32(1) / np.float32(65535)


def _converted(pixels: Array, dtype: Any) -> Array:
    """Eight bits as another dtype: the upper ones of 16, or fractions of one."""
    if dtype == np.uint16:
        return pixels.astype(np.uint16) << np.uint16(8)
    if dtype == np.float32:
        return pixels.astype(np.float32) * _FRACTION
    return pixels


def _decode_other(data: bytes, channels: int, dtype: Any, name: str) -> Array:
    """Decode what is no GIF file."""
    kind = _kind(data)
    if kind is _Kind.WEBP:
        return _webp(data, channels, dtype)
    if kind is _Kind.PNG:
        if dtype == np.float32:
            return _png(data, channels, np.uint16).astype(np.float32) * _FINE_FRACTION
        return _png(data, channels, dtype)
    if kind is _Kind.BMP:
        return _converted(_bmp(data, channels, name), dtype)
    return _converted(_jpeg(data, channels, JpegOptions(channels=channels)), dtype)


@op("DecodePng", attrs="channels dtype")
def decode_png_op(build: Build) -> Kernel:
    """The pixels of a file: [height, width, channels] of uint8 or uint16."""
    channels, dtype = _channels(build), build.type("dtype").numpy

    def kernel(contents: Any) -> Array:
        data = _contents(contents)
        if _kind(data) is _Kind.GIF:
            return _converted(_one_frame(_gif(data, channels, animated=True)), dtype)
        return _decode_other(data, channels, dtype, "DecodePng")

    return kernel


@op("DecodeGif")
def decode_gif_op(build: Build) -> Kernel:
    """The pixels of all frames: [frames, height, width, 3] of uint8."""
    del build

    def kernel(contents: Any) -> Array:
        data = _contents(contents)
        if _kind(data) is _Kind.GIF:
            return _gif(data, 3, animated=True)
        made = _decode_other(data, 3, np.uint8, "DecodeGif")
        return made if made.ndim == 4 else made[None]

    return kernel


_WORDS = {_Kind.JPEG: "decode_jpeg", _Kind.PNG: "decode_png", _Kind.GIF: "decode_gif"}


@op("DecodeBmp", attrs="channels")
def decode_bmp_op(build: Build) -> Kernel:
    """The pixels of a file: [height, width, channels] of uint8."""
    channels = _channels(build)

    def kernel(contents: Any) -> Array:
        data = _contents(contents)
        kind = _kind(data)
        if kind is _Kind.WEBP:
            return _webp(data, channels)
        if kind is _Kind.JPEG and channels == 4:
            raise InvalidArgument("JPEG does not support 4 channels")
        if kind is _Kind.GIF and channels not in (0, 3):
            raise InvalidArgument(f"channels must be 0 or 3 for GIF, got {channels}")
        if kind is not _Kind.BMP:
            raise InvalidArgument(
                f"Trying to decode {kind.name} format using DecodeBmp op. Use `{_WORDS[kind]}` or"
                " `decode_image` instead."
            )
        return _bmp(data, channels, "DecodeBmp")

    return kernel


def stated_size(data: bytes) -> tuple[int, int] | None:
    """Return height and width as a file states them, before anything is decoded.

    None for kinds whose pixels can not be many times as large as the file, or that have a
    tight bound of their own, and for files that are damaged.
    """
    if data.startswith(_Kind.PNG.value) and len(data) >= _PNG_SIZE_ENDS:
        return int.from_bytes(data[20:24]), int.from_bytes(data[16:20])
    if data.startswith(_Kind.GIF.value) and len(data) >= _GIF_SIZE_ENDS:
        return int.from_bytes(data[8:10], "little"), int.from_bytes(data[6:8], "little")
    if data.startswith(_Kind.JPEG.value):
        try:
            header = read_header(data)
        except BadJpeg:
            return None
        return header.height, header.width
    return None


def decode_first_frame(data: bytes, channels: int) -> Array:
    """Return pixels as DecodeImage does without animations: [height, width, channels] of uint8.

    Args:
        data: the whole file.
        channels: 1, 3 or 4; 0 for those of the file.

    Raises:
        InvalidArgument, ResourceExhausted: it is no image, or too large a one.
    """
    return _any_image(_contents(data), channels, np.uint8, animated=False)


def _any_image(data: bytes, channels: int, dtype: Any, *, animated: bool) -> Array:
    kind = _kind(data)
    if kind is _Kind.WEBP:
        frames = _webp(data, channels, dtype, animated=animated)
    elif kind is _Kind.GIF:
        frames = _converted(_gif(data, channels, animated=animated), dtype)
    else:
        return _decode_other(data, channels, dtype, "DecodeImage")
    if animated:
        return frames
    first: Array = frames[0]
    return first


@op("DecodeImage", attrs="channels dtype expand_animations")
def decode_image(build: Build) -> Kernel:
    """The pixels of a file of any kind: of GIF, all frames of it if they are wanted."""
    channels, dtype = _channels(build), build.type("dtype").numpy
    animated = build.bool("expand_animations")

    def kernel(contents: Any) -> Array:
        return _any_image(_contents(contents), channels, dtype, animated=animated)

    return kernel


@op("DecodeWebP", attrs="channels dtype")
def decode_webp_op(build: Build) -> Kernel:
    """The pixels of all frames: [frames, height, width, 3 or 4] of uint8."""
    channels, dtype = _channels(build), build.type("dtype").numpy

    def kernel(contents: Any) -> Array:
        data = _contents(contents)
        if _kind(data) is not _Kind.GIF:
            return _decode_other(data, channels, dtype, "DecodeWebP")
        if channels not in (0, 3):
            raise InvalidArgument(f"channels must be 0 or 3 for GIF, got {channels}")
        raise InvalidArgument("Bad op type DecodeWebP")

    return kernel
