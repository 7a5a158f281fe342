"""Sound as speech recognisers want it: spectrograms, and mel cepstra made from those.

The steps are those of the ops of TensorFlow's speech tutorials, in double precision.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from servable.errors import InvalidArgument
from servable.ops.limits import check_size
from servable.ops.registry import Build, Kernel, op
from servable.ops.support import scalar, shape_text
from servable.ops.text import dims
from servable.tensors import Array

_FLOOR = 1e-12
"""The smallest energy of a band whose logarithm is taken."""


@op("AudioSpectrogram", attrs="window_size stride magnitude_squared")
def audio_spectrogram(build: Build) -> Kernel:
    """From samples [time, channels] to [channels, windows, frequencies]."""
    window, stride = build.int("window_size"), build.int("stride")
    squared = build.bool("magnitude_squared")
    if window < 2 or stride < 1:
        raise InvalidArgument(f"window_size={window} must be at least 2, and stride={stride} 1")
    length = 1 << (window - 1).bit_length()
    shades = 0.5 - 0.5 * np.cos(2 * np.pi / window * np.arange(window))

    def kernel(x: Array) -> Any:
        if x.ndim != 2:
            raise InvalidArgument(f"input must be 2-dimensional{dims(x.shape)}")
        count = max(0, 1 + (x.shape[0] - window) // stride) if x.shape[0] >= window else 0
        shape = check_size(
            (x.shape[1], count, length // 2 + 1), 4 * np.dtype(np.complex128).itemsize
        )
        if not count:
            return np.zeros(shape, np.float32)
        view = np.lib.stride_tricks.sliding_window_view(x.T.astype(np.float64), window, 1)
        found = np.fft.rfft(view[:, ::stride] * shades, length)
        energy = found.real**2 + found.imag**2
        return (energy if squared else np.sqrt(energy)).astype(np.float32)

    return kernel


def _mel(frequency: Any) -> Any:
    return 1127 * np.log1p(frequency / 700)


def _bands(bins: int, rate: int, count: int, low: float, high: float) -> Array | None:
    """How much of each frequency goes into each band, [bins, bands]; None if bins are too few.

    Bands are triangles, equally wide in mels; each begins where the one before it peaks.
    """
    width = 0.5 * rate / (bins - 1)
    start, stop = int(1.5 + low / width), int(high / width)
    if stop >= bins:
        return None
    lowest = _mel(low)
    centres = lowest + (_mel(high) - lowest) / (count + 1) * np.arange(1, count + 2)
    used = np.arange(start, stop + 1)
    mels = _mel(used * width)
    # The band whose centre lies below a frequency; -1 before the first one.
    below = np.minimum(np.searchsorted(centres, mels), count) - 1
    left = np.where(below >= 0, centres[below], lowest)
    falling = (centres[below + 1] - mels) / (centres[below + 1] - left)
    made = np.zeros((bins, count + 2))
    made[used, below + 1] = falling
    made[used, below + 2] = 1 - falling
    # What falls before the first band, and rises behind the last, is no band's.
    return made[:, 1:-1]


@op(
    "Mfcc",
    attrs=(
        "upper_frequency_limit lower_frequency_limit filterbank_channel_count dct_coefficient_count"
    ),
)
def mfcc(build: Build) -> Kernel:
    """Mel-frequency cepstral coefficients of spectrograms [channels, windows, frequencies]."""
    high, low = build.float("upper_frequency_limit"), build.float("lower_frequency_limit")
    count, kept = build.int("filterbank_channel_count"), build.int("dct_coefficient_count")
    if not 0 < kept <= count <= 1 << 16 or not 0 <= low < high:
        raise InvalidArgument(
            f"Mfcc initialization failed for {count} channels, {kept} coefficients and"
            f" frequencies from {low} to {high}"
        )
    angles = np.pi / count * np.outer(np.arange(count) + 0.5, np.arange(kept))
    cosines = np.sqrt(2 / count) * np.cos(angles)

    def kernel(x: Array, sample_rate: Array) -> Any:
        if x.ndim != 3:
            raise InvalidArgument(f"spectrogram must be 3-dimensional{dims(x.shape)}")
        rate = scalar(sample_rate, "Input sample_rate should be a scalar tensor, got {} instead.")
        bins = x.shape[2]
        if bins < 2 or rate <= 0:
            raise InvalidArgument(
                f"Mfcc initialization failed for channel count {count}, sample rate {rate} and"
                f" a spectrogram of shape {shape_text(x)}"
            )
        check_size((bins, count + 2), 8)
        bands = _bands(bins, rate, count, low, high)
        if bands is None:
            return np.zeros((*x.shape[:2], kept), np.float32)
        energy = np.sqrt(x.astype(np.float64)) @ bands
        return (np.log(np.maximum(energy, _FLOOR)) @ cosines).astype(np.float32)

    return kernel
