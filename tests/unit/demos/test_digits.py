"""What ships for `servable demo`: two versions, and images to try them on."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
from PIL import Image

from servable.demos import digits

EXPECTED = Path(__file__).parents[2] / "data" / "digits_expected.npz"
SAMPLES = Path(__file__).parents[3] / "examples" / "digits"
# The wheel carries the demo; it stays small enough to ship to everyone.
BUDGET = 1_000_000


def test_the_base_path_holds_the_two_versions() -> None:
    assert sorted(p.name for p in digits.MODELS.iterdir()) == ["1", "2"]
    for version in digits.MODELS.iterdir():
        assert (version / "saved_model.pb").is_file()
        assert (version / "variables" / "variables.index").is_file()


def test_the_shipped_files_stay_under_a_megabyte() -> None:
    files = [f for f in Path(digits.__file__).parent.rglob("*") if f.is_file()]
    assert sum(f.stat().st_size for f in files if f.suffix != ".pyc") < BUDGET


def test_held_out_images_are_ready_for_the_models() -> None:
    images, labels = digits.heldout()
    assert images.shape == (360, 8, 8, 1)
    assert images.dtype == np.float32
    assert labels.shape == (360,)
    assert labels.dtype == np.int64
    assert images.min() == 0.0
    assert images.max() == 1.0
    # Held out in proportion: every digit makes up about a tenth.
    assert set(np.bincount(labels, minlength=10)) <= {34, 35, 36, 37}


def test_callers_cannot_change_each_others_images() -> None:
    first, _ = digits.heldout()
    first[:] = -1.0
    assert digits.heldout()[0].min() == 0.0


def test_tensorflows_recorded_answers_are_for_the_shipped_images() -> None:
    _, labels = digits.heldout()
    with np.load(EXPECTED) as recorded:
        answers = {name: recorded[name] for name in recorded.files}
    assert set(answers) == {"v1", "v2"}
    accuracy = {}
    for name, probabilities in answers.items():
        assert probabilities.shape == (360, 10)
        assert probabilities.dtype == np.float32
        np.testing.assert_allclose(probabilities.sum(axis=1), 1.0, rtol=1e-5)
        accuracy[name] = float((probabilities.argmax(axis=1) == labels).mean())
    assert accuracy["v1"] > 0.95
    assert accuracy["v2"] > 0.97
    assert accuracy["v2"] > accuracy["v1"]


def test_the_sample_request_is_a_held_out_seven() -> None:
    images, labels = digits.heldout()
    sample = json.loads((SAMPLES / "seven.json").read_text())["instances"]
    np.testing.assert_array_equal(np.array(sample, np.float32), images[labels == 7][:1])


def test_the_sample_picture_shows_the_same_seven() -> None:
    images, labels = digits.heldout()
    with Image.open(SAMPLES / "seven.png") as picture:
        pixels = np.asarray(picture, np.float32) / 255
    np.testing.assert_allclose(pixels, images[labels == 7][0, ..., 0], atol=0.5 / 255)
