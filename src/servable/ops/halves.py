"""Floats of 8 and 16 bits: computed in float32 and rounded once, as TensorFlow's kernels do."""

from __future__ import annotations

from typing import Any

import numpy as np

from servable.tensors import Array


def wide(x: Array) -> Array:
    """The same numbers in a dtype that is fit for sums; other dtypes than halves as they are."""
    return x.astype(np.float32) if is_half(x.dtype) else x


def is_half(dtype: np.dtype[Any]) -> bool:
    """Whether it is float16, bfloat16 or narrower still."""
    return dtype == np.float16 or dtype.kind == "V"
