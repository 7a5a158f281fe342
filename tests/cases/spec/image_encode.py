"""Pixels to files of images: JPEG and PNG."""

import numpy as np
import tensorflow as tf
from record_cases import case, feed

RAW = tf.raw_ops
rng = np.random.default_rng(22)


def _smooth(height, width, channels, steps=256):
    """Waves, which compress well, and some noise."""
    y, x = np.mgrid[:height, :width]
    waves = [128 + 70 * np.sin(x / 3 + k) + 50 * np.cos(y / 4 * (k + 1)) for k in range(channels)]
    noisy = np.stack(waves, -1) + rng.normal(0, 4, (height, width, channels))
    return (noisy.clip(0, 255) * steps // 256).astype(np.uint16 if steps > 256 else np.uint8)


COLORS, WIDE = _smooth(17, 21, 3), _smooth(3, 40, 3)


def encode_jpeg(image, **attrs):
    return RAW.EncodeJpeg(image=feed(image, shape=None), **attrs)


for _image in (COLORS, COLORS[..., :1], WIDE[:1, :1]):
    for _attrs in (
        {},
        {"quality": 30},
        {"quality": 0},
        {"quality": 100},
        {"progressive": True},
        {"optimize_size": True},
        {"chroma_downsampling": False},
        {"density_unit": "cm", "x_density": 7, "y_density": 900},
        {"xmp_metadata": "<x>hi</x>"},
        {"progressive": True, "optimize_size": True, "quality": 77},
    ):
        case("EncodeJpeg", image=_image, **_attrs)(encode_jpeg)
case("EncodeJpeg", image=COLORS[..., :1], format="grayscale")(encode_jpeg)
case("EncodeJpeg", image=COLORS, format="rgb")(encode_jpeg)
case("EncodeJpeg", image=COLORS, format="grayscale")(encode_jpeg)
case("EncodeJpeg", image=COLORS[..., :1], format="rgb")(encode_jpeg)
case("EncodeJpeg", image=COLORS[..., :2])(encode_jpeg)
case("EncodeJpeg", image=COLORS[0])(encode_jpeg)
case("EncodeJpeg", image=COLORS[:0])(encode_jpeg)
case("EncodeJpeg", image=COLORS[:, :0])(encode_jpeg)


@case("EncodeJpegVariableQuality", image=COLORS, quality=5)
@case("EncodeJpegVariableQuality", image=COLORS, quality=95)
@case("EncodeJpegVariableQuality", image=COLORS[..., :1], quality=0)
@case("EncodeJpegVariableQuality", image=COLORS, quality=100)
@case("EncodeJpegVariableQuality", image=COLORS, quality=101)
@case("EncodeJpegVariableQuality", image=COLORS, quality=-1)
@case("EncodeJpegVariableQuality", image=COLORS, quality=[5])
@case("EncodeJpegVariableQuality", image=COLORS[..., :2], quality=5)
@case("EncodeJpegVariableQuality", image=COLORS[0], quality=5)
@case("EncodeJpegVariableQuality", image=COLORS[:0], quality=5)
def encode_variable(image, quality):
    return RAW.EncodeJpegVariableQuality(
        images=feed(image, shape=None), quality=feed(np.array(quality, np.int32), shape=None)
    )


def encode_png(image, compression=-1):
    """The file, and its pixels again: the bytes of compression differ from zlib to zlib."""
    file = RAW.EncodePng(image=feed(image, shape=None), compression=compression)
    return RAW.DecodePng(contents=file, dtype=tf.as_dtype(image.dtype))


for _channels in (1, 2, 3, 4):
    for _dtype in (np.uint8, np.uint16):
        _image = _smooth(6, 7, 4, 1 << 8 * np.dtype(_dtype).itemsize)[..., :_channels]
        case("EncodePng", tolerance=0, image=_image.astype(_dtype))(encode_png)
for _compression in (0, 1, 9):
    case("EncodePng", tolerance=0, image=COLORS, compression=_compression)(encode_png)


@case("EncodePng", image=COLORS[0])
@case("EncodePng", image=COLORS[:0])
@case("EncodePng", image=np.tile(COLORS, 2))
@case("EncodePng", image=COLORS[..., :0])
@case("EncodePng", image=np.zeros((0, 2, 2, 3), np.uint8))
def encode_png_edges(image):
    return RAW.EncodePng(image=feed(image, shape=None))


@case("EncodePng", shape=(2, 5, 6, 3))
@case("EncodePng", shape=(2, 3, 4, 5, 1))
def encode_pngs(shape):
    image = rng.integers(0, 256, shape).astype(np.uint8)
    files = tf.reshape(RAW.EncodePng(image=feed(image, shape=None)), [-1])
    return tf.shape(files), [RAW.DecodePng(contents=files[i]) for i in range(2)]
