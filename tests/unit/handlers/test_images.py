"""Image files as the input of a model."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
import pytest
from PIL import Image

from servable import tensors
from servable.errors import InvalidArgument, ResourceExhausted
from servable.handlers.images import image_inputs
from servable.tensors import DType, Shape, Signature, TensorSpec

PIXELS = np.arange(2 * 3 * 3, dtype=np.uint8).reshape(2, 3, 3) * 14


def file(kind: str = "PNG", pixels: Any = PIXELS) -> bytes:
    out = io.BytesIO()
    Image.fromarray(pixels).save(out, kind)
    return out.getvalue()


def taking(dtype: DType | None, shape: Shape, **others: TensorSpec) -> Signature:
    inputs = {"image": TensorSpec("image:0", dtype, shape), **others}
    return Signature(inputs, {}, defaults={"k": np.zeros(())} if "k" in others else {})


@pytest.mark.parametrize(
    ("shape", "found"),
    [((), ()), ((None,), (1,)), ((1,), (1,)), (None, (1,)), ((None, 1), (1, 1))],
)
def test_a_string_gets_the_file_as_it_is(shape: Shape, found: tuple[int, ...]) -> None:
    array = image_inputs("s", taking(tensors.STRING, shape), b"not even an image")["image"]
    assert array.shape == found
    assert array.reshape(-1).tolist() == [b"not even an image"]


@pytest.mark.parametrize(
    ("dtype", "shape"),
    [
        (tensors.UINT8, (None, 2, 3, 3)),
        (tensors.UINT8, (None, None, None, 3)),
        (tensors.UINT8, (1, 2, None, None)),
        (tensors.UINT8, (2, 3, 3)),
        (tensors.FLOAT, (None, 2, 3, 3)),
        (tensors.DOUBLE, (None, 2, 3, 3)),
        (tensors.BFLOAT16, (None, 2, 3, 3)),
        (tensors.HALF, (None, 2, 3, 3)),
    ],
)
def test_a_tensor_gets_the_pixels_unscaled(dtype: DType, shape: Shape) -> None:
    assert shape is not None
    array = image_inputs("s", taking(dtype, shape), file())["image"]
    assert array.dtype == dtype.numpy
    assert array.ndim == len(shape)
    assert array.reshape(PIXELS.shape).astype(np.uint8).tolist() == PIXELS.tolist()


@pytest.mark.parametrize("kind", ["JPEG", "BMP", "GIF", "WEBP"])
def test_other_kinds_of_files_are_decoded(kind: str) -> None:
    signature = taking(tensors.UINT8, (None, None, None, 3))
    assert image_inputs("s", signature, file(kind))["image"].shape == (1, 2, 3, 3)


@pytest.mark.parametrize("channels", [1, 3, 4])
def test_the_signature_says_how_many_channels_there_are(channels: int) -> None:
    signature = taking(tensors.UINT8, (None, None, None, channels))
    assert image_inputs("s", signature, file())["image"].shape == (1, 2, 3, channels)


def test_an_input_with_a_default_may_be_left_out() -> None:
    signature = taking(tensors.STRING, (None,), k=TensorSpec("k:0", tensors.INT32, ()))
    assert list(image_inputs("s", signature, b"x")) == ["image"]


def test_the_size_must_fit() -> None:
    with pytest.raises(InvalidArgument) as caught:
        image_inputs("s", taking(tensors.FLOAT, (None, 224, None, 3)), file())
    assert caught.value.message == (
        "The image is 2 high and 3 wide, but the model takes 224 by any size."
    )
    assert "Resize it first" in caught.value.hint
    assert "float [?, 224, ?, 3]" in caught.value.hint


def stating(kind: str, side: int) -> bytes:
    """A file that says it is a square of that side, and holds next to nothing."""
    data = bytearray(file(kind))
    if kind == "PNG":
        data[16:24] = side.to_bytes(4) * 2
    elif kind == "GIF":
        data[6:10] = side.to_bytes(2, "little") * 2
    else:
        at = data.index(b"\xff\xc0") + 5
        data[at : at + 4] = side.to_bytes(2) * 2
    return bytes(data)


@pytest.mark.parametrize(("kind", "side"), [("PNG", 20_000), ("GIF", 65_535), ("JPEG", 60_000)])
def test_a_small_file_can_not_become_a_huge_tensor(kind: str, side: int) -> None:
    with pytest.raises(ResourceExhausted, match=f"{side} by {side} pixels"):
        image_inputs("s", taking(tensors.DOUBLE, (None, None, None, 3)), stating(kind, side))
    with pytest.raises(InvalidArgument, match=f"{side} high and {side} wide"):
        image_inputs("s", taking(tensors.DOUBLE, (None, 2, 3, 3)), stating(kind, side))


@pytest.mark.parametrize(
    "signature",
    [
        taking(tensors.FLOAT, (None, 4)),
        taking(tensors.FLOAT, None),
        taking(tensors.FLOAT, (2, 2, 3, 3)),
        taking(tensors.FLOAT, (None, 2, 3, 7)),
        taking(tensors.INT64, (None, 2, 3, 3)),
        taking(tensors.STRING, (2,)),
        taking(None, (None, 2, 3, 3)),
        taking(tensors.STRING, (None,), other=TensorSpec("o:0", tensors.INT32, ())),
    ],
)
def test_a_signature_that_takes_no_image_says_so(signature: Signature) -> None:
    with pytest.raises(InvalidArgument, match='Signature "s" does not take one image') as caught:
        image_inputs("s", signature, file())
    assert 'Signature "s" takes image' in caught.value.hint


@pytest.mark.parametrize(
    "data", [b"", b"hello", b"\x89PNG\r\n\x1a\n", file()[:-20], b"\xff\xd8\xff\xe0", b"GIF8"]
)
def test_what_is_no_image_is_refused(data: bytes) -> None:
    with pytest.raises(InvalidArgument):
        image_inputs("s", taking(tensors.UINT8, (None, None, None, 3)), data)
