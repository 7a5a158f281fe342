"""Images as the tensors that signatures expect."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from servable import tensors
from servable.cli.images import from_image
from servable.errors import InvalidArgument
from servable.tensors import DType, Shape, TensorSpec


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    """Four columns wide, two rows high: red on the left, black on the right."""
    pixels = np.zeros((2, 4, 3), np.uint8)
    pixels[:, :2, 0] = 255
    path = tmp_path / "photo.png"
    Image.fromarray(pixels).save(path)
    return path


@pytest.mark.parametrize(
    ("shape", "made"),
    [
        ((None, None, None, 3), (1, 2, 4, 3)),
        ((None, 8, 16, 3), (1, 8, 16, 3)),
        ((None, 8, None, 3), (1, 8, 4, 3)),
        ((1, 2, 4, 1), (1, 2, 4, 1)),
        ((None, 2, 4, 4), (1, 2, 4, 4)),
        ((None, 2, 4, None), (1, 2, 4, 3)),
        ((2, 4, 3), (2, 4, 3)),
        (None, (1, 2, 4, 3)),
    ],
)
def test_an_image_takes_the_signatures_shape(
    photo: Path, shape: Shape, made: tuple[int, ...]
) -> None:
    assert from_image(photo, TensorSpec("", tensors.FLOAT, shape)).shape == made


@pytest.mark.parametrize(
    ("dtype", "red"),
    [
        (tensors.UINT8, 255),
        (tensors.INT32, 255),
        (tensors.FLOAT, 1.0),
        (tensors.BFLOAT16, 1.0),
    ],
)
def test_whole_numbers_keep_levels_and_floats_are_shares(
    photo: Path, dtype: DType, red: float
) -> None:
    pixels = from_image(photo, TensorSpec("", dtype, (None, None, None, 3)))

    assert pixels.dtype == dtype.numpy
    assert pixels[0, 0, 0].tolist() == [red, 0, 0]


@pytest.mark.parametrize(
    "spec",
    [
        TensorSpec("", tensors.FLOAT, (None, 784)),
        TensorSpec("", tensors.FLOAT, (None, 3, 8, 8)),
        TensorSpec("", tensors.BOOL, (None, 8, 8, 1)),
    ],
    ids=str,
)
def test_a_signature_that_wants_no_image_says_so(photo: Path, spec: TensorSpec) -> None:
    with pytest.raises(InvalidArgument, match="not an image") as caught:
        from_image(photo, spec)

    assert ".npy" in caught.value.hint


@pytest.mark.parametrize("content", [b"", b"not an image", b"\x89PNG\r\n\x1a\n" + b"\0" * 50])
def test_a_broken_file_is_named(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "broken.png"
    path.write_bytes(content)

    with pytest.raises(InvalidArgument, match=r"broken\.png"):
        from_image(path, TensorSpec("", tensors.FLOAT, None))


def test_a_sideways_photo_is_turned_upright(tmp_path: Path) -> None:
    image = Image.new("RGB", (4, 2))
    exif = image.getexif()
    exif[0x0112] = 6  # orientation: turn by a quarter
    path = tmp_path / "sideways.jpg"
    image.save(path, exif=exif)

    assert from_image(path, TensorSpec("", tensors.UINT8, None)).shape == (1, 4, 2, 3)
