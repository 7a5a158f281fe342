"""Files of images: what comes back, and what hostile ones can do."""

from __future__ import annotations

import io
import struct
import zlib
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from op_kernels import kernel
from PIL import Image

from servable.errors import InvalidArgument, ResourceExhausted, ServableError
from servable.graph.ir import UnsupportedOps
from servable.tensors import FLOAT, UINT8, UINT16, Array, from_numpy

RNG = np.random.default_rng(0)
PIXELS = np.add.outer(np.arange(17) * 9, np.arange(23) * 5)[..., None] * [1, 2, 3] % 256


def file(kind: str, **options: Any) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(PIXELS.astype(np.uint8)).save(buffer, kind, **options)
    return buffer.getvalue()


def scalar(content: bytes) -> Array:
    return np.array(content, object)


def chunk(name: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))


def png(width: int, height: int, packed: bytes, color: int = 2, depth: int = 8) -> bytes:
    head = struct.pack(">IIBBBBB", width, height, depth, color, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", packed) + chunk(b"IEND", b"")
    )


def gif(width: int, height: int, codes: bytes, frames: int = 1) -> bytes:
    frame = b"," + struct.pack("<4HB", 0, 0, width, height, 0) + b"\x02" + codes + b"\0"
    return b"GIF89a" + struct.pack("<HHBBB", 1, 1, 0x80, 0, 0) + bytes(6) + frame * frames + b";"


FILES = {
    "JPEG": file("JPEG"),
    "progressive JPEG": file("JPEG", progressive=True, subsampling="4:2:2"),
    "PNG": file("PNG"),
    "GIF": file("GIF"),
    "BMP": file("BMP"),
    "WebP": file("WEBP"),
    "animated WebP": file("WEBP", save_all=True, append_images=[Image.new("RGB", (23, 17))]),
}


@given(
    arrays.arrays(
        st.sampled_from([np.uint8, np.uint16]),
        st.tuples(st.integers(1, 9), st.integers(1, 9), st.integers(1, 4)),
    ),
    st.integers(-1, 9),
)
@settings(max_examples=60, deadline=None)
def test_a_png_gives_back_the_pixels_that_it_was_made_of(image: Array, compression: int) -> None:
    dtype = from_numpy(image.dtype)
    made = kernel("EncodePng", T=dtype, compression=compression)(image)
    again = kernel("DecodePng", dtype=dtype)(made)
    np.testing.assert_array_equal(again, image, strict=True)


@given(st.sampled_from(sorted(FILES)), st.data())
@settings(max_examples=300, deadline=None)
def test_a_damaged_file_is_decoded_or_refused(kind: str, data: st.DataObject) -> None:
    content = bytearray(FILES[kind])
    for _ in range(data.draw(st.integers(0, 4))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    cut = data.draw(st.one_of(st.just(len(content)), st.integers(0, len(content))))
    try:
        made = kernel("DecodeImage", dtype=UINT8)(scalar(bytes(content[:cut])))
    except ServableError:
        return
    assert made.dtype == np.uint8
    assert made.shape[-1] in (1, 3, 4)


def test_pixels_beyond_the_size_of_a_png_are_not_inflated() -> None:
    bomb = zlib.compress(bytes(64 << 20), 9)
    made = kernel("DecodePng")(scalar(png(3, 2, bomb)))
    np.testing.assert_array_equal(made, np.zeros((2, 3, 3), np.uint8))


@pytest.mark.parametrize(
    ("op", "content", "error"),
    [
        ("DecodePng", png(20_000, 20_000, zlib.compress(b"")), ResourceExhausted),
        ("DecodePng", png(100_000, 100_000, zlib.compress(b"")), InvalidArgument),
        ("DecodePng", png(9_000, 9_000, zlib.compress(bytes(1000))), InvalidArgument),
        ("DecodeGif", gif(65_535, 65_535, b"\x01\x00"), InvalidArgument),
        ("DecodeGif", gif(9_000, 9_000, b"\x01\x00"), InvalidArgument),
        ("DecodeGif", gif(1_000, 1_000, b"\x01\x00", frames=10_000), InvalidArgument),
        ("DecodeWebP", b"RIFF\x16\0\0\0WEBPVP8L\x0a\0\0\0\x2f" + b"\xff" * 20, InvalidArgument),
        ("DecodeBmp", FILES["BMP"][:18] + b"\xff\xff\xff\x0f" * 2 + FILES["BMP"][26:], None),
        ("DecodeJpeg", FILES["JPEG"].replace(struct.pack(">HH", 17, 23), b"\xff\xdc" * 2), None),
    ],
)
def test_a_small_file_that_says_to_be_huge_is_refused(
    op: str, content: bytes, error: type[ServableError] | None
) -> None:
    with pytest.raises(error or InvalidArgument):
        kernel(op)(scalar(content))


@pytest.mark.parametrize("kind", ["JPEG", "progressive JPEG"])
@pytest.mark.parametrize("window", [(0, 0, 17, 23), (3, 5, 9, 11), (16, 22, 1, 1)])
def test_a_window_is_a_part_of_the_whole(kind: str, window: tuple[int, int, int, int]) -> None:
    top, left, height, width = window
    attrs: dict[str, Any] = {"fancy_upscaling": False}
    whole = kernel("DecodeJpeg", **attrs)(scalar(FILES[kind]))
    part = kernel("DecodeAndCropJpeg", **attrs)(scalar(FILES[kind]), np.array(window, np.int32))
    np.testing.assert_array_equal(part, whole[top : top + height, left : left + width])


@pytest.mark.parametrize(("kind", "bits"), [("PNG", 257), ("BMP", 256), ("JPEG", 256)])
def test_an_image_of_another_dtype_has_the_same_pixels(kind: str, bits: int) -> None:
    content = scalar(FILES[kind])
    plain = kernel("DecodeImage", dtype=UINT8)(content)
    np.testing.assert_array_equal(
        kernel("DecodeImage", dtype=UINT16)(content), plain.astype(np.uint16) * bits
    )
    fractions = kernel("DecodeImage", dtype=FLOAT)(content)
    assert fractions.dtype == np.float32
    np.testing.assert_allclose(fractions, plain / 255, rtol=1e-6)


@pytest.mark.parametrize(
    ("op", "attrs"),
    [
        ("DecodePng", {"channels": 2}),
        ("DecodeJpeg", {"channels": 5}),
        ("DecodeJpeg", {"ratio": 3}),
        ("DecodeJpeg", {"dct_method": b"FLOAT"}),
        ("EncodePng", {"compression": 10}),
        ("EncodeJpeg", {"quality": 101}),
        ("EncodeJpeg", {"format": b"cmyk"}),
        ("EncodeJpeg", {"density_unit": b"mm"}),
        ("EncodeJpeg", {"xmp_metadata": bytes(70_000)}),
    ],
)
def test_attributes_that_tensorflow_refuses_are_refused_at_load(
    op: str, attrs: dict[str, Any]
) -> None:
    with pytest.raises(UnsupportedOps, match=op):
        kernel(op, **attrs)


@given(
    st.integers(1, 6), st.integers(1, 30), st.booleans(), st.sampled_from([(0, 0), (1, 0), (0, 1)])
)
def test_wide_images_are_resized_as_each_of_their_columns_is(
    height: int, made: int, special: bool, how: tuple[int, int]
) -> None:
    image = RNG.standard_normal((2, height, 1, 1500)).astype(np.float32)
    if special:
        image[0, 0, 0, :3] = [np.inf, -np.inf, np.nan]
    align, half = map(bool, how)
    resize = kernel("ResizeBilinear", T=FLOAT, align_corners=align, half_pixel_centers=half)
    size = np.array([made, 1], np.int32)
    with np.errstate(invalid="ignore"):
        apart = [resize(image[..., i : i + 300], size) for i in range(0, 1500, 300)]
        np.testing.assert_array_equal(resize(image, size), np.concatenate(apart, axis=3))
