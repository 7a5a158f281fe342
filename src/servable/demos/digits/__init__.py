"""Handwritten digits: two versions of a classifier and 360 images neither has seen.

Version 1 is a dense net, version 2 a convolutional one; `examples/digits/train.py`
made everything here. The images are part of "Optical Recognition of Handwritten
Digits" by E. Alpaydin and C. Kaynak (UCI Machine Learning Repository, 1998, CC BY
4.0), as scikit-learn ships them: scans of 8x8 pixels.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from servable.tensors import Array

_HERE = Path(__file__).resolve().parent
_BRIGHTEST = 16

MODELS: Path = _HERE / "models" / "digits"
"""The base path: a folder for each version, `1` and `2`.

Both versions have the signature `serving_default`: `image`, float32 [n, 8, 8, 1] with
values 0..1, to `probabilities`, float32 [n, 10].
"""


def heldout() -> tuple[Array, Array]:
    """Read the held-out images and what they show.

    Returns:
        Images, float32 [360, 8, 8, 1] with values 0..1, and labels, int64 [360] with
        values 0..9. New arrays every time.
    """
    with np.load(_HERE / "heldout.npz", allow_pickle=False) as stored:
        return stored["images"].astype(np.float32) / _BRIGHTEST, stored["labels"]
