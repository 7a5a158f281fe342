"""GIF files to pixels: every frame on one canvas, drawn over the one before.

Sources: the GIF89a specification; what giflib, as TensorFlow calls it, lets pass: frames up
to the first damaged one are taken, and how a frame is to be disposed of is not heeded.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass

import numpy as np

from servable.tensors import Array

_SCREEN, _FRAME = 13, 10
"""Bytes up to the colours of all frames, and up to those of one."""
_CONTROL = 0xF9
_COLORS_FOLLOW, _INTERLACED = 0x80, 0x40
_LONGEST_CODE = 8
_MOST_SAMPLES = 1 << 29


class BadGif(Exception):
    """The bytes are no GIF file that can be decoded; the text says why, as giflib would."""


@dataclass(frozen=True, slots=True)
class _Frame:
    """One image of a file.

    Attributes:
        colors: uint8 [n, 3]; None if neither it nor the file has any.
        hidden: the colour's number that is not drawn; -1 for none.
        pixels: where the compressed numbers of colours begin: with the length of a code.
    """

    left: int
    top: int
    width: int
    height: int
    interlaced: bool
    colors: Array | None
    hidden: int
    pixels: int


def decode_gif(data: bytes, *, animated: bool = True) -> Array:
    """The frames of a file: uint8 [frames, height, width, 3], as large as the largest one.

    Args:
        animated: whether all are wanted, or the first one only.

    Raises:
        BadGif: there is none, or one that can not be drawn.
    """
    frames, why = _frames(data)
    rasters: list[Array] = []
    most = max((f.width * f.height for f in frames), default=0) * 3
    if most * (len(frames) if animated else 1) >= _MOST_SAMPLES:
        raise BadGif("too large")
    for frame in frames:
        raster = _raster(data, frame)
        if raster is None:
            why = "failed to slurp gif file: Image EOF detected before image complete"
            break
        rasters.append(raster)
    if not rasters:
        raise BadGif(why)
    frames = frames[: len(rasters)]
    width, height = max(f.width for f in frames), max(f.height for f in frames)
    count = len(frames) if animated else 1
    if count * width * height * 3 >= _MOST_SAMPLES:
        raise BadGif("too large")
    made = np.zeros((count, height, width, 3), np.uint8)
    for number, (frame, raster) in enumerate(zip(frames[:count], rasters, strict=False)):
        if number:
            made[number] = made[number - 1]
        _draw(made[number], frame, raster, number)
    return made


def _draw(canvas: Array, frame: _Frame, raster: Array, number: int) -> None:
    """Draw a frame on the canvas, which is all that is ever written to."""
    if frame.colors is None:
        raise BadGif(f"missing color map for frame {number}")
    part = canvas[frame.top : frame.top + frame.height, frame.left : frame.left + frame.width]
    raster = raster[: part.shape[0], : part.shape[1]]
    drawn = raster != frame.hidden
    beyond = raster[drawn & (raster >= len(frame.colors))]
    if beyond.size:
        raise BadGif(
            f"found color index {beyond[0]} outside of color map range {len(frame.colors)}"
        )
    part[drawn] = frame.colors[raster[drawn]]


def _colors(data: bytes, at: int, flags: int) -> tuple[Array | None, int]:
    """The colours that follow, if the flags say so, and where they end."""
    if not flags & _COLORS_FOLLOW:
        return None, at
    end = at + (6 << (flags & 7))
    if end > len(data):
        raise BadGif("failed to open gif file: No screen descriptor detected")
    return np.frombuffer(data[at:end], np.uint8).reshape(-1, 3), end


def _frames(data: bytes) -> tuple[list[_Frame], str]:
    """The frames that are whole as far as their blocks go, and why there are no more."""
    if len(data) < _SCREEN:
        raise BadGif("failed to open gif file: No screen descriptor detected")
    shared, at = _colors(data, _SCREEN, data[_SCREEN - 3])
    made: list[_Frame] = []
    control: bytes | None = None
    try:
        while data[at] != ord(";"):
            if data[at] == ord("!"):
                block = data[at + 3 : at + 3 + data[at + 2]]
                if data[at + 1] == _CONTROL and control is None and block:
                    control = block
                at = _end_of_blocks(data, at + 2)
            elif data[at] == ord(","):
                frame = _frame(data, at, shared, control)
                at = _end_of_blocks(data, frame.pixels + 1)
                made.append(frame)
                control = None
            else:
                return made, "failed to slurp gif file: Wrong record type detected"
    except (IndexError, BadGif, struct.error):
        return made, "failed to slurp gif file: Failed to read from given file"
    return made, "failed to slurp gif file: No Image Descriptor detected"


def _frame(data: bytes, at: int, shared: Array | None, control: bytes | None) -> _Frame:
    left, top, width, height, flags = struct.unpack_from("<4HB", data, at + 1)
    own, end = _colors(data, at + _FRAME, flags)
    # Of any other length, it says nothing.
    hides = control is not None and len(control) == 4 and control[0] & 1
    if not width or not height or data[end] > _LONGEST_CODE:
        raise BadGif("no pixels")
    return _Frame(
        left,
        top,
        width,
        height,
        bool(flags & _INTERLACED),
        shared if own is None else own,
        control[3] if hides and control is not None else -1,
        end,
    )


def _end_of_blocks(data: bytes, at: int) -> int:
    while data[at]:
        at += data[at] + 1
    return at + 1


def _raster(data: bytes, frame: _Frame) -> Array | None:
    """The numbers of a frame's colours; None if they are damaged or too few."""
    from PIL import Image

    size = frame.width, frame.height
    blocks = memoryview(data)[frame.pixels + 1 : _end_of_blocks(data, frame.pixels + 1)]
    # No byte of a block brings more than a whole table of codes.
    if not data[frame.pixels] or len(blocks) << 12 < frame.width * frame.height:
        return None
    arguments = (data[frame.pixels], int(frame.interlaced), -1)
    try:
        image = Image.frombytes("L", size, bytes(blocks), "gif", arguments)
    except (ValueError, OSError):
        return None
    return np.asarray(image)
