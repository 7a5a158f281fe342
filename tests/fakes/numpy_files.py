"""What numpy writes, as bytes."""

from __future__ import annotations

import io
from typing import Any

import numpy as np


def saved(array: Any) -> bytes:
    """An `.npy` file."""
    file = io.BytesIO()
    np.save(file, array)
    return file.getvalue()


def archive(**arrays: Any) -> bytes:
    """An `.npz` file."""
    file = io.BytesIO()
    np.savez(file, **arrays)
    return file.getvalue()
