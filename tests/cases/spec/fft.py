"""Fourier transforms."""

import numpy as np
import tensorflow as tf
from record_cases import case, feed

RAW = tf.raw_ops
rng = np.random.default_rng(23)
X = rng.normal(size=(2, 3, 4, 5)) + 1j * rng.normal(size=(2, 3, 4, 5))
SINGLE, DOUBLE = np.complex64, np.complex128
REAL = {SINGLE: tf.float32, DOUBLE: tf.float64}


def _complex(name, x):
    return getattr(RAW, name)(input=feed(x, shape=None))


def _forward(name, x, length, dtype=SINGLE):
    return getattr(RAW, name)(
        input=feed(x.astype(REAL[dtype].as_numpy_dtype), shape=None),
        fft_length=feed(np.array(length, np.int32), shape=None),
        Tcomplex=tf.as_dtype(dtype),
    )


def _inverse(name, x, length, dtype=SINGLE):
    return getattr(RAW, name)(
        input=feed(x.astype(dtype), shape=None),
        fft_length=feed(np.array(length, np.int32), shape=None),
        Treal=REAL[dtype],
    )


for _rank, _suffix in ((1, ""), (2, "2D"), (3, "3D")):
    _batch = X[(0,) * (3 - _rank)]
    for _op in (f"FFT{_suffix}", f"IFFT{_suffix}"):
        for _dtype in (SINGLE, DOUBLE):
            case(_op, name=_op, x=_batch.astype(_dtype))(_complex)
        case(_op, name=_op, x=_batch[0].astype(SINGLE))(_complex)
        case(_op, name=_op, x=_batch[:0].astype(SINGLE))(_complex)
        case(_op, name=_op, x=_batch[..., :0].astype(SINGLE))(_complex)
        case(_op, name=_op, x=_batch[(0,) * 2 + (...,)][(0,) * (_rank - 1)].astype(SINGLE))(
            _complex
        )
    _size = _batch.shape[1:]
    _shorter = tuple(n - 1 for n in _size)
    for _length in (_size, _shorter):
        for _dtype in (SINGLE, DOUBLE):
            _op = f"RFFT{_suffix}"
            case(_op, name=_op, x=_batch.real, length=_length, dtype=_dtype)(_forward)
            _op = f"IRFFT{_suffix}"
            _whole = (*_length[:-1], 2 * (_length[-1] - 1))
            case(_op, name=_op, x=_batch, length=_whole, dtype=_dtype)(_inverse)
            _odd = (*_length[:-1], 2 * (_length[-1] - 1) + 1)
            case(_op, name=_op, x=_batch, length=_odd, dtype=_dtype)(_inverse)
    _longer = tuple(n + 1 for n in _size)
    # Not of a dimension of no elements: TensorFlow answers with whatever lies in memory.
    for _x, _length in (
        *((_batch, _longer), (_batch, (*_size, 2)), (_batch, 4), (_batch[:0], _size)),
        (_batch[0, ..., 0], _size),
    ):
        case(f"RFFT{_suffix}", name=f"RFFT{_suffix}", x=_x.real, length=_length)(_forward)
    _double = tuple(2 * n for n in _size)
    for _x, _length in (
        *((_batch, _double), (_batch, (*_size, 2)), (_batch, 4), (_batch[:0], _size)),
        (_batch[0, ..., 0], _size),
    ):
        case(f"IRFFT{_suffix}", name=f"IRFFT{_suffix}", x=_x, length=_length)(_inverse)
