"""Files of images: JPEG, PNG, GIF, BMP and WebP, to pixels.

The files are put together here, so that they hold what no ordinary writer leaves behind.
"""

import base64
import struct
import zlib

import numpy as np
import tensorflow as tf
from record_cases import case, feed

RAW = tf.raw_ops
rng = np.random.default_rng(21)


def _smooth(height, width, channels, steps=256):
    """Waves, which compress well, and some noise."""
    y, x = np.mgrid[:height, :width]
    waves = [128 + 70 * np.sin(x / 3 + k) + 50 * np.cos(y / 4 * (k + 1)) for k in range(channels)]
    noisy = np.stack(waves, -1) + rng.normal(0, 4, (height, width, channels))
    return (noisy.clip(0, 255) * steps // 256).astype(np.uint16 if steps > 256 else np.uint8)


def _fed(content):
    return feed(np.array(content, object), shape=None)


# PNG


def _chunk(name, body):
    return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))


_SAMPLES = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}
_PASSES = (
    (0, 0, 8, 8),
    (0, 4, 8, 8),
    (4, 0, 8, 4),
    (0, 2, 4, 4),
    (2, 0, 4, 2),
    (0, 1, 2, 2),
    (1, 0, 2, 1),
)


def _filtered(pixels, depth):
    """Rows of a pass, each by another of the filters in turn."""
    height = len(pixels)
    if depth == 16:
        rows = pixels.astype(">u2").reshape(height, -1).view(np.uint8)
    elif depth == 8:
        rows = pixels.astype(np.uint8).reshape(height, -1)
    else:
        bits = pixels.reshape(height, -1, 1) >> np.arange(depth - 1, -1, -1) & 1
        rows = np.packbits(bits.reshape(height, -1).astype(np.uint8), axis=1)
    step = max(1, pixels.shape[2] * depth // 8)
    made, above = b"", np.zeros(rows.shape[1], int)
    for number, row in enumerate(rows.astype(int)):
        left, corner = (np.concatenate([np.zeros(step, int), r])[: len(r)] for r in (row, above))
        a, b, c = (abs(x) for x in (above - corner, left - corner, left + above - 2 * corner))
        paeth = np.where((a <= b) & (a <= c), left, np.where(b <= c, above, corner))
        kinds = (np.zeros_like(row), left, above, (left + above) // 2, paeth)
        made += bytes([number % 5]) + ((row - kinds[number % 5]) % 256).astype(np.uint8).tobytes()
        above = row
    return made


def _png(color, depth, size=(7, 9), interlaced=False, palette=None, alpha=None, extra=b""):
    height, width = size
    steps = len(palette) // 3 if palette else 1 << depth
    pixels = _smooth(height, width, _SAMPLES[color], steps)
    if interlaced:
        passes = [pixels[y::down, x::right] for y, x, down, right in _PASSES]
        raw = b"".join(_filtered(p, depth) for p in passes if p.size)
    else:
        raw = _filtered(pixels, depth)
    head = struct.pack(">IIBBBBB", width, height, depth, color, 0, 0, interlaced)
    made = b"\x89PNG\r\n\x1a\n" + _chunk(b"IHDR", head) + extra
    made += _chunk(b"PLTE", palette) if palette else b""
    made += _chunk(b"tRNS", alpha) if alpha else b""
    packed = zlib.compress(raw)
    made += b"".join(_chunk(b"IDAT", part) for part in (packed[:40], packed[40:]))
    return made + _chunk(b"IEND", b"")


PALETTE = rng.integers(0, 256, 36, np.uint8).tobytes()
PNG = {
    **{f"grey {d}": _png(0, d) for d in (1, 2, 4, 8, 16)},
    **{f"color {d}": _png(2, d) for d in (8, 16)},
    **{f"palette {d}": _png(3, d, palette=PALETTE[: 3 << d]) for d in (1, 2, 4, 8)},
    **{f"grey alpha {d}": _png(4, d) for d in (8, 16)},
    **{f"color alpha {d}": _png(6, d) for d in (8, 16)},
    "grey 2 hidden": _png(0, 2, alpha=struct.pack(">H", 1)),
    "grey 8 hidden": _png(0, 8, alpha=struct.pack(">H", 130)),
    "grey 16 hidden": _png(0, 16, alpha=struct.pack(">H", 0x8000)),
    "color 8 hidden": _png(2, 8, alpha=struct.pack(">3H", 130, 120, 110)),
    "palette 4 alpha": _png(3, 4, palette=PALETTE, alpha=bytes([0, 100, 200])),
    "palette 8 interlaced": _png(3, 8, palette=PALETTE, interlaced=True),
    "grey 1 interlaced": _png(0, 1, interlaced=True),
    "color 8 interlaced": _png(2, 8, interlaced=True),
    "color alpha 16 interlaced": _png(6, 16, interlaced=True),
    "pixel interlaced": _png(2, 8, size=(1, 1), interlaced=True),
    "srgb": _png(2, 8, extra=_chunk(b"sRGB", b"\0")),
    "gamma 8": _png(2, 8, extra=_chunk(b"gAMA", struct.pack(">I", 31000))),
    "gamma 16": _png(6, 16, extra=_chunk(b"gAMA", struct.pack(">I", 220000))),
}


def _bent(data, at, by=1):
    """A file with a byte that is wrong, counted from the end if `at` is negative."""
    at %= len(data)
    return data[:at] + bytes([data[at] ^ by]) + data[at + 1 :]


def _sized(width, height):
    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return PNG["color 8"][:8] + _chunk(b"IHDR", head) + PNG["color 8"][33:]


BAD_PNG = {
    "signature only": PNG["grey 8"][:8],
    "head cut off": PNG["grey 8"][:20],
    "pixels cut off": PNG["grey 8"][:-40],
    "no end": PNG["grey 8"][:-12],
    "end cut off": PNG["grey 8"][:-1],
    "wrong sum of the head": _bent(PNG["grey 8"], 30),
    "wrong sum of the pixels": _bent(PNG["grey 8"], -14),
    "no palette": _png(3, 8),
    "huge": _sized(60000, 60000),
    "wider than allowed": _sized(1000001, 1),
    "nothing": _sized(0, 4),
    "more rows than pixels": _sized(9, 8),
    "too many pixels": _sized(9, 6),
    "after the end": PNG["grey 8"] + b"more",
    "unknown critical chunk": PNG["grey 8"][:33] + _chunk(b"ABCD", b"") + PNG["grey 8"][33:],
    "unknown chunk": PNG["grey 8"][:33] + _chunk(b"abCd", b"") + PNG["grey 8"][33:],
}


def _decode(op, content, **attrs):
    return getattr(RAW, op)(contents=_fed(content), **attrs)


def decode_png(name, channels=0, dtype=tf.uint8):
    return _decode("DecodePng", {**PNG, **BAD_PNG}[name], channels=channels, dtype=dtype)


for _name in PNG:
    for _channels in (0, 1, 3, 4) if _name.startswith("gr") else (0, 1, 4):
        _dtype = tf.uint16 if "16" in _name else tf.uint8
        case("DecodePng", tolerance=0, name=_name, channels=_channels, dtype=_dtype)(decode_png)
for _name in ("grey 1", "grey 8", "color 8", "palette 4 alpha", "grey alpha 8"):
    case("DecodePng", tolerance=0, name=_name, dtype=tf.uint16)(decode_png)
for _name in ("grey 16", "color alpha 16", "gamma 16"):
    for _channels in (0, 1):
        case("DecodePng", tolerance=0, name=_name, channels=_channels)(decode_png)
for _name in BAD_PNG:
    case("DecodePng", tolerance=0, name=_name)(decode_png)

# GIF


def _codes(pixels, size=2):
    """Numbers of colours, never more than can be written without a longer code."""
    clear, bits, made = 1 << size, 0, 0
    numbers = [n for p in pixels for n in (clear, p)] + [clear + 1]
    for number in numbers:
        made |= number << bits
        bits += size + 1
    body = made.to_bytes(-(-bits // 8), "little")
    blocks = [body[i : i + 255] for i in range(0, len(body), 255)]
    return bytes([size]) + b"".join(bytes([len(b)]) + b for b in blocks) + b"\0"


def _frame(width, height, left=0, top=0, flags=0, colors=b"", count=None, size=2):
    pixels = rng.integers(0, 4, width * height if count is None else count).tolist()
    head = struct.pack(
        "<4HB", left, top, width, height, flags | {0: 0, 6: 0x80, 12: 0x81}[len(colors)]
    )
    return b"," + head + colors + _codes(pixels, size)


def _control(flags, hidden):
    return b"!\xf9\x04" + bytes([flags, 0, 0, hidden]) + b"\0"


def _gif(*parts, colors=PALETTE[:12], end=b";"):
    flags = 0x81 if colors else 0
    return b"GIF89a" + struct.pack("<HHBBB", 9, 9, flags, 0, 0) + colors + b"".join(parts) + end


WHOLE, PART = _frame(6, 5), _frame(2, 3, 3, 1)
GIF = {
    "one frame": _gif(WHOLE),
    "two frames": _gif(WHOLE, PART),
    "the second is larger": _gif(PART, WHOLE),
    "own colors": _gif(WHOLE, _frame(2, 2, colors=PALETTE[12:24])),
    "hidden": _gif(_control(1, 2), WHOLE, _control(1, 1), _frame(6, 5)),
    "nothing hidden": _gif(_control(0, 2), WHOLE),
    "disposed of": _gif(_control(8, 0), WHOLE, _control(12, 0), PART, PART),
    "interlaced": _gif(_frame(5, 11, flags=0x40)),
    "beyond the canvas": _gif(_frame(3, 3, 20, 1), WHOLE),
    "partly beyond": _gif(_frame(4, 4, 2, 3)),
    "comment": _gif(b"!\xfe\x02hi\0", WHOLE),
    "longer codes": _gif(_frame(4, 3, size=6)),
    "no trailer": _gif(WHOLE, PART, end=b""),
    "the second cut off": _gif(WHOLE, PART, end=b"")[:-4],
    "junk after the first": _gif(WHOLE, b"X", PART),
    "the second too short": _gif(WHOLE, _frame(3, 3, count=4)),
}
BAD_GIF = {
    "no frame": _gif(),
    "cut off": _gif(WHOLE, end=b"")[:-4],
    "too short": _gif(_frame(3, 3, count=4)),
    "no colors": _gif(WHOLE, colors=b""),
    "color beyond": _gif(_frame(4, 4, colors=PALETTE[:6])),
    "header only": b"GIF89a",
    "no size": _gif(_frame(0, 3)),
}


@case("DecodeGif", name="color beyond")
@case("DecodeGif", name="header only")
@case("DecodeGif", name="no size")
@case("DecodeGif", name="no frame")
@case("DecodeGif", name="cut off")
@case("DecodeGif", name="too short")
@case("DecodeGif", name="no colors")
def decode_gif(name):
    return _decode("DecodeGif", {**GIF, **BAD_GIF}[name])


for _name in GIF:
    case("DecodeGif", tolerance=0, name=_name)(decode_gif)

# BMP


def _bmp(height, width, bits, head=54, extra=b""):
    channels = bits // 8
    rows = [r.tobytes() for r in _smooth(abs(height), width, channels)]
    pitch = -(-width * channels // 4) * 4
    start = b"BM" + struct.pack("<IIIIiiHH", 0, 0, head, 40, width, height, 1, bits)
    return start.ljust(max(head, 0), b"\0") + b"".join(r.ljust(pitch, b"\0") for r in rows) + extra


BMP = {
    **{f"{b} bits": _bmp(4, 5, b) for b in (8, 24, 32)},
    "top down": _bmp(-4, 5, 24),
    "longer header": _bmp(4, 3, 24, head=70),
    "16 bits": _bmp(4, 3, 16),
    "one byte more": _bmp(4, 3, 24, extra=b"x"),
    "one byte less": _bmp(4, 3, 24)[:-1],
    "tiny": _bmp(4, 3, 24)[:31],
    "no height": _bmp(0, 3, 24),
    "no width": _bmp(3, 0, 24),
    "huge": _bmp(1, 1, 24)[:18] + struct.pack("<ii", 1 << 20, 1 << 20) + _bmp(1, 1, 24)[26:],
}


def decode_bmp(name, channels=0):
    return _decode("DecodeBmp", BMP[name], channels=channels)


for _name in BMP:
    for _channels in (0, 1, 3, 4):
        case("DecodeBmp", tolerance=0, name=_name, channels=_channels)(decode_bmp)

# JPEG

COLORS, WIDE = _smooth(17, 21, 3), _smooth(3, 40, 3)


def _jpeg(image, **options):
    return tf.io.encode_jpeg(image, quality=40, **options).numpy()


def _unmarked(data):
    """A file without its JFIF marker."""
    return data[:2] + data[20:]


JPEG = {
    "halved": _jpeg(COLORS),
    "progressive": _jpeg(COLORS, progressive=True),
    "whole chrominance": _jpeg(COLORS, chroma_downsampling=False),
    "wide": _jpeg(WIDE),
    "grey": _jpeg(COLORS[..., :1]),
    "tiny": _jpeg(COLORS[:1, :1]),
    "narrow": _jpeg(COLORS[:, :3]),
    "no JFIF": _unmarked(_jpeg(COLORS)),
}
BAD_JPEG = {
    "marker only": b"\xff\xd8\xff",
    "header cut off": JPEG["halved"][:100],
    "pixels cut off": JPEG["halved"][:-150],
    "no end": JPEG["halved"][:-2],
    "after the end": JPEG["halved"] + b"more",
    "no frame": JPEG["halved"].replace(b"\xff\xc0", b"\xff\xfe"),
    "empty": b"",
    "unknown": b"hello",
}
FILES = {
    "jpeg": JPEG["halved"],
    "png": PNG["color 8"],
    "png 16": PNG["color 16"],
    "png alpha": PNG["color alpha 8"],
    "gif": GIF["one frame"],
    "gif of two": GIF["two frames"],
    "bmp": BMP["24 bits"],
    "bmp grey": BMP["8 bits"],
    "bmp alpha": BMP["32 bits"],
    "bad jpeg": BAD_JPEG["pixels cut off"],
    "bad png": BAD_PNG["pixels cut off"],
    "bad gif": BAD_GIF["cut off"],
    "bad bmp": BMP["one byte less"],
    "empty": b"",
    "unknown": b"hello",
}


def decode_jpeg(name, **attrs):
    return _decode("DecodeJpeg", {**JPEG, **BAD_JPEG}[name], **attrs)


for _name in JPEG:
    for _attrs in (
        {},
        {"dct_method": "INTEGER_ACCURATE"},
        {"fancy_upscaling": False},
        {"channels": 1},
    ):
        case("DecodeJpeg", tolerance=0, name=_name, **_attrs)(decode_jpeg)
for _name in ("halved", "progressive", "grey"):
    case("DecodeJpeg", tolerance=0, name=_name, channels=3)(decode_jpeg)
    case("DecodeJpeg", tolerance=0, name=_name, dct_method="INTEGER_FAST")(decode_jpeg)
    for _ratio in (2, 4, 8):
        case("DecodeJpeg", tolerance=0, name=_name, ratio=_ratio)(decode_jpeg)
        case("DecodeJpeg", tolerance=0, name=_name, ratio=_ratio, channels=1)(decode_jpeg)
for _name in BAD_JPEG:
    case("DecodeJpeg", tolerance=0, name=_name)(decode_jpeg)
for _name in ("no end", "header cut off"):
    case("DecodeJpeg", tolerance=0, name=_name, try_recover_truncated=True)(decode_jpeg)


@case("DecodeJpeg", content=[JPEG["grey"]])
@case("DecodeJpeg", content=JPEG["grey"], channels=4)
def decode_jpeg_refused(content, channels=0):
    return _decode("DecodeJpeg", content, channels=channels)


def other_files(op, name, **attrs):
    return _decode(op, FILES[name], **attrs)


for _name in FILES:
    for _op in ("DecodeJpeg", "DecodePng", "DecodeBmp", "DecodeGif"):
        case(_op, tolerance=0, op=_op, name=_name)(other_files)
    for _dtype in (tf.uint8, tf.uint16, tf.float32) if "bad" not in _name else (tf.uint8,):
        case("DecodeImage", tolerance=1e-7, op="DecodeImage", name=_name, dtype=_dtype)(other_files)
    for _channels in (1, 4) if "bad" not in _name else ():
        case("DecodeImage", tolerance=0, op="DecodeImage", name=_name, channels=_channels)(
            other_files
        )
for _name in ("gif", "gif of two", "png"):
    case("DecodeImage", tolerance=0, op="DecodeImage", name=_name, expand_animations=False)(
        other_files
    )


def crop(window, name="halved", **attrs):
    return RAW.DecodeAndCropJpeg(
        contents=_fed({**JPEG, **BAD_JPEG, **FILES}[name]),
        crop_window=feed(np.array(window, np.int32), shape=None),
        **attrs,
    )


for _window in ((0, 0, 17, 21), (3, 5, 11, 7), (16, 16, 1, 5), (16, 20, 1, 1), (1, 17, 16, 3)):
    case("DecodeAndCropJpeg", tolerance=0, window=_window)(crop)
for _window in ((3, 5, 11, 7), (1, 17, 16, 3)):
    for _name in ("progressive", "whole chrominance", "grey"):
        case("DecodeAndCropJpeg", tolerance=0, window=_window, name=_name)(crop)
    for _attrs in ({"dct_method": "INTEGER_ACCURATE"}, {"fancy_upscaling": False}, {"channels": 1}):
        case("DecodeAndCropJpeg", tolerance=0, window=_window, **_attrs)(crop)
for _ratio in (2, 4):
    case("DecodeAndCropJpeg", tolerance=0, window=(1, 2, 3, 5), ratio=_ratio)(crop)
for _window in ((0, 0, 18, 21), (-1, 0, 3, 3), (0, 0, 0, 3), (0, 19, 3, 3), (0, 0, 3), ((0,) * 4,)):
    case("DecodeAndCropJpeg", window=_window)(crop)
for _name in ("png", "gif", "bmp", "empty", "header cut off"):
    case("DecodeAndCropJpeg", window=(0, 0, 2, 2), name=_name)(crop)
case("DecodeAndCropJpeg", window=(0, 0, 2, 2), name="no end", try_recover_truncated=True)(crop)


@case("ExtractJpegShape", name="halved")
@case("ExtractJpegShape", name="progressive")
@case("ExtractJpegShape", name="grey", dtype=tf.int64)
@case("ExtractJpegShape", name="header cut off")
@case("ExtractJpegShape", name="pixels cut off")
@case("ExtractJpegShape", name="png")
@case("ExtractJpegShape", name="empty")
def extract_shape(name, dtype=tf.int32):
    return RAW.ExtractJpegShape(
        contents=_fed({**JPEG, **BAD_JPEG, **FILES}[name]), output_type=dtype
    )


# WebP: small files, written by libwebp


def _webp(text):
    return base64.b64decode(text)


WEBP = {
    "lossy": _webp(
        "UklGRlwAAABXRUJQVlA4IFAAAAAQBACdASoRAAsAPrVInkmnJCKhMAgA4BaJZACdMoRwN6BvAAFKkYj/gAD+"
        "8+fT84NdLlESUTZWYLktvKSf/+jjzgHxlVN7OI5LER9hmsQAAA=="
    ),
    "lossless": _webp(
        "UklGRmwAAABXRUJQVlA4TF8AAAAvEIACACdAkG3jLzSOTeMKFyGTtjFR/2r61shEDIJsG52Jj2AE9zjM/Mfm"
        "ix4ZOjBo20jSfgTKYK8IThMIM/xJ3Qshov8htdaA+WNdJ+S1A2pJNmQtHQ6oWraDvPNW7wA="
    ),
    "alpha": _webp(
        "UklGRswAAABXRUJQVlA4WAoAAAAQAAAAEAAACgAAQUxQSFIAAAAJuYzof1ic1rbtRKSqKIF6KS9ObuGog/pX"
        "PTUqYgImYD3r4aiqJvWvGtgWnJCPQTa8BmMQ8s4AEvDwJkaCkBt5H3lt5IN5Iz/Xb5MPjfs7CUhAVlA4IFQA"
        "AADwAwCdASoRAAsAPu1kqU2ppaOiMAgBMB2JZACdMoADgcQWRpG0EnAAAP7rY8yUOXtZn0Fq+szDQuSNpveS"
        "mMbgtyO690xZVPm1e2V0kfNdUtqcAAA="
    ),
    "animated": _webp(
        "UklGRiwBAABXRUJQVlA4WAoAAAASAAAAEAAACgAAQU5JTQYAAAAAAAAAAABBTk1GdgAAAAAAAAAAABAAAAoA"
        "AAAAAAJWUDhMXgAAAC8QgAIQJ0CYbQS35zxHcArnqCBtA2bH2YzNzzwOiLRt0IwNzsNtXh+BAGWseGCRaNv+"
        "EK/jpVDQSGoEEu4OA+CgwUL9m/olRPQ/gNGqgi8UV3ceQmIDsOE54baHfTtBTk1GggAAAAAAAAAAABAAAAoA"
        "AAAAAAJWUDhMagAAAC8QgAIQJ0CYbQS35zxHcArnqCBtA2bH2YzNzzwOiLRt0IwNzsNtXh+BAGWseGCRaNv+"
        "EK/jpWAQSVIcPgEMKOAcXJ0CSPyb4pUQ0X+xSeIYXUKTYgYepOhG1OrUYAXoaoaj5XP0tMr/iwQ="
    ),
}


def decode_webp(op, name, cut=0, **attrs):
    content = WEBP[name]
    return _decode(op, content[: len(content) - cut], **attrs)


for _name in WEBP:
    for _channels in (0, 3, 4):
        case("DecodeWebP", tolerance=0, op="DecodeWebP", name=_name, channels=_channels)(
            decode_webp
        )
        case("DecodeImage", tolerance=0, op="DecodeImage", name=_name, channels=_channels)(
            decode_webp
        )
    case("DecodeImage", tolerance=0, op="DecodeImage", name=_name, expand_animations=False)(
        decode_webp
    )
    case("DecodeWebP", op="DecodeWebP", name=_name, cut=5)(decode_webp)
for _op in ("DecodeJpeg", "DecodePng", "DecodeBmp", "DecodeGif"):
    case(_op, tolerance=0, op=_op, name="lossy")(decode_webp)
case("DecodeWebP", op="DecodeWebP", name="lossy", channels=1)(decode_webp)
case("DecodeImage", op="DecodeImage", name="lossy", dtype=tf.uint16)(decode_webp)
for _name in FILES:
    case("DecodeWebP", tolerance=0, op="DecodeWebP", name=_name)(other_files)
