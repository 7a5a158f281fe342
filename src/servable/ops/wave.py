"""WAV files: samples of 16 bits, the only ones that TensorFlow reads or writes."""

from __future__ import annotations

import struct
from typing import Any

import numpy as np

from servable.errors import InvalidArgument
from servable.ops.limits import check_size
from servable.ops.registry import Build, Kernel, op
from servable.ops.support import scalar
from servable.ops.text import dims
from servable.tensors import Array

_FORMAT = struct.Struct("<HHIIHH")
_HEADER = struct.Struct("<4sI4s4sI16s4sI")
_ONE = np.float32(1 << 15)


def _chunks(data: bytes) -> tuple[bytes, bytes]:
    """The description of the format, and the samples, of a WAV file.

    Raises:
        InvalidArgument: it is none, or it breaks off.
    """
    if data[:4] != b"RIFF" or data[8:12] != b"WAVE" or data[12:16] != b"fmt ":
        raise InvalidArgument("Header mismatch: Expected RIFF, WAVE and fmt")
    size = _number(data, 16)
    if size not in (16, 18):
        raise InvalidArgument(f"Bad format chunk size for WAV: Expected 16 or 18, but got {size}")
    if len(data) < 20 + size:
        raise InvalidArgument("Data too short when trying to read value")
    described, at = data[20:36], 20 + size
    found = None
    while at < len(data):
        kind, size, at = data[at : at + 4], _number(data, at + 4), at + 8
        if at >= len(data):  # TensorFlow refuses a file that ends in a header
            raise InvalidArgument("Data too short when trying to read string")
        if kind == b"data":
            if found is not None:
                raise InvalidArgument("More than one data chunk found in WAV")
            found = data[at : at + size]
            if len(found) < size:
                raise InvalidArgument("Data too short when trying to read values")
        at += size
    if found is None:
        raise InvalidArgument("No data chunk found in WAV")
    return described, found


def _number(data: bytes, at: int) -> int:
    if len(data) < at + 4:
        raise InvalidArgument("Data too short when trying to read value")
    return int.from_bytes(data[at : at + 4], "little")


def read_wave(data: bytes) -> tuple[Array, int]:
    """Samples between -1 and 1, float32 [time, channels], and how many there are in a second.

    Raises:
        InvalidArgument: it is no WAV file, or one of another kind than 16-bit PCM.
    """
    described, samples = _chunks(data)
    kind, channels, rate, bytes_per_second, width, bits = _FORMAT.unpack(described)
    if kind != 1:
        raise InvalidArgument(f"Bad audio format for WAV: Expected 1 (PCM), but got{kind}")
    if bits != 16:
        raise InvalidArgument(f"Can only read 16-bit WAV files, but received {bits}")
    if not channels or width != 2 * channels or bytes_per_second != width * rate:
        raise InvalidArgument(
            f"Bad sizes in WAV header: {channels} channels, {width} bytes per sample and"
            f" {bytes_per_second} per second at a rate of {rate}"
        )
    whole = len(samples) // width * width
    numbers = np.frombuffer(samples[:whole], "<i2").reshape(-1, channels)
    return numbers.astype(np.float32) / _ONE, rate


@op("DecodeWav", attrs="desired_channels desired_samples")
def decode_wav(build: Build) -> Kernel:
    """Samples of a WAV file, cut off or filled up with zeros, and its rate.

    Channels that are wanted and not there are copies of the last one.
    """
    channels, samples = build.int("desired_channels"), build.int("desired_samples")

    def kernel(contents: Array) -> tuple[Any, Any]:
        data = scalar(contents, "contents must be scalar, got shape {}")
        found, rate = read_wave(data)
        length = found.shape[0] if samples == -1 else samples
        width = found.shape[1] if channels == -1 else channels
        made = np.zeros(check_size((length, width), 4), np.float32)
        source = np.minimum(np.arange(width), found.shape[1] - 1)
        kept = min(length, found.shape[0])
        made[:kept] = found[:kept, source]
        return made, np.array(rate, np.int32)

    return kernel


@op("EncodeWav")
def encode_wav(build: Build) -> Kernel:
    """A WAV file of samples [time, channels] between -1 and 1."""
    del build

    def kernel(audio: Array, sample_rate: Array) -> Any:
        if audio.ndim != 2:
            raise InvalidArgument(f"audio must be 2-dimensional{dims(audio.shape)}")
        rate = scalar(sample_rate, "sample_rate must be rank 0 but got shape {}")
        if not 0 < audio.shape[1] < 1 << 15 or rate <= 0:
            raise InvalidArgument(
                f"audio of shape {dims(audio.shape)} at a rate of {rate} can not be a WAV file"
            )
        halves_away = np.trunc(audio * _ONE + np.copysign(np.float32(0.5), audio))
        samples = np.clip(halves_away, -_ONE, _ONE - 1).astype("<i2").tobytes()
        width = 2 * audio.shape[1]
        described = _FORMAT.pack(1, audio.shape[1], rate, rate * width, width, 16)
        parts = (b"RIFF", 36 + len(samples), b"WAVE", b"fmt ", 16, described, b"data")
        return np.array(_HEADER.pack(*parts, len(samples)) + samples, object)

    return kernel
