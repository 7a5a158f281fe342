"""The demo's models, whole, against TensorFlow on the same machine."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from servable.demos import digits
from servable.servables.saved_model import SavedModelLoader

pytestmark = pytest.mark.parity

tf = pytest.importorskip("tensorflow", reason="needs the environment of `make parity`")

RECORDED = Path(__file__).parents[1] / "data" / "digits_expected.npz"


@pytest.mark.parametrize("version", ["1", "2"])
def test_answers_are_tensorflows(version: str) -> None:
    images, _ = digits.heldout()
    loader = SavedModelLoader(digits.MODELS / version)
    loader.load()
    ours = loader.servable().run("serving_default", {"image": images}, ["probabilities"])
    signature = tf.saved_model.load(str(digits.MODELS / version)).signatures["serving_default"]
    theirs = signature(image=tf.constant(images))["probabilities"].numpy()
    np.testing.assert_allclose(ours["probabilities"], theirs, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("version", ["1", "2"])
def test_the_recorded_answers_are_still_what_tensorflow_gives(version: str) -> None:
    images, _ = digits.heldout()
    signature = tf.saved_model.load(str(digits.MODELS / version)).signatures["serving_default"]
    theirs = signature(image=tf.constant(images))["probabilities"].numpy()
    with np.load(RECORDED) as recorded:
        np.testing.assert_allclose(recorded[f"v{version}"], theirs, rtol=1e-4, atol=1e-6)
