"""WAV files, spectrograms and mel cepstra."""

import struct

import numpy as np
import tensorflow as tf
from record_cases import case, feed

RAW = tf.raw_ops
rng = np.random.default_rng(16)
SOUND = (0.3 * rng.normal(size=(300, 2))).astype(np.float32)


def _wav(samples=6, channels=1, kind=1, bits=16, rate=8000, between=b"", extra=b"", cut=0, **over):
    width = over.get("width", 2 * channels)
    values = np.arange(samples * channels) * 1234 % 65536
    data = (values - 32768).astype("<i2").tobytes()
    described = struct.pack(
        "<HHIIHH", kind, channels, rate, over.get("second", rate * width), width, bits
    )
    described += extra
    body = b"WAVEfmt " + struct.pack("<I", len(described)) + described + between
    body += b"data" + struct.pack("<I", len(data)) + data
    made = b"RIFF" + struct.pack("<I", len(body)) + body
    return made[: len(made) - cut]


_LIST = b"LIST" + struct.pack("<I", 4) + b"abcd"
_TWO = b"data" + struct.pack("<I", 4) + b"\1\2\3\4"
for _options in (
    {},
    {"channels": 2},
    {"samples": 0},
    {"extra": b"\0\0"},
    {"extra": b"\0\0\0\0"},
    {"between": _LIST},
    {"between": _TWO},
    {"between": b"LIST" + struct.pack("<I", 10**6)},
    {"bits": 8},
    {"kind": 3},
    {"cut": 1},
    {"cut": 30},
    {"cut": 16},
    {"width": 3},
    {"second": 5},
    {"channels": 0},
):
    case("DecodeWav", data=_wav(**_options))(lambda data: list(RAW.DecodeWav(contents=feed(data))))
for _data in (b"", b"RIFF", b"RIFX" + _wav()[4:], _wav() + b"x", _wav() + _LIST):
    case("DecodeWav", data=_data)(lambda data: list(RAW.DecodeWav(contents=feed(data))))


@case("DecodeWav", channels=1, samples=4)
@case("DecodeWav", channels=3, samples=9)
@case("DecodeWav", channels=2, samples=-1)
def decode_wav_as_wanted(channels, samples):
    data = feed(_wav(channels=2))
    return list(RAW.DecodeWav(contents=data, desired_channels=channels, desired_samples=samples))


@case("DecodeWav")
def decode_several():
    return RAW.DecodeWav(contents=feed([_wav()], shape=None))


@case("EncodeWav", audio=SOUND[:5])
@case("EncodeWav", audio=SOUND[:5, :1])
@case("EncodeWav", audio=np.array([[1.5], [-1.5], [0.5 / 32768], [-0.5 / 32768]], np.float32))
@case("EncodeWav", audio=SOUND[:0])
@case("EncodeWav", audio=SOUND[:5, 0])
@case("EncodeWav", audio=SOUND[:5], rate=0)
def encode_wav(audio, rate=44100):
    return RAW.EncodeWav(audio=feed(audio, shape=None), sample_rate=feed(np.int32(rate)))


@case("AudioSpectrogram", samples=300, window=64, stride=32)
@case("AudioSpectrogram", samples=300, window=50, stride=64, squared=True)
@case("AudioSpectrogram", samples=64, window=64, stride=1)
@case("AudioSpectrogram", samples=63, window=64, stride=1)
def spectrogram(samples, window, stride, squared=False):
    return RAW.AudioSpectrogram(
        input=feed(SOUND[:samples]), window_size=window, stride=stride, magnitude_squared=squared
    )


@case("AudioSpectrogram")
def spectrogram_of_a_vector():
    return RAW.AudioSpectrogram(input=feed(SOUND[:, 0], shape=None), window_size=64, stride=32)


@case("Mfcc", rate=16000)
@case("Mfcc", rate=8000)
@case("Mfcc", rate=6000)
@case("Mfcc", rate=0)
@case("Mfcc", rate=16000, filterbank_channel_count=10, dct_coefficient_count=5)
@case("Mfcc", rate=16000, upper_frequency_limit=7000.0, lower_frequency_limit=300.0)
@case("Mfcc", rate=16000, bins=1)
def mfcc(rate, bins=65, **attrs):
    values = np.abs(np.random.default_rng(2).normal(size=(2, 3, bins))).astype(np.float32)
    values[0, 0] = 0
    return RAW.Mfcc(spectrogram=feed(values), sample_rate=feed(np.int32(rate)), **attrs)
