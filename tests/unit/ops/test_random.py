"""Random ops without a seed: what can be said of numbers that differ each time."""

from __future__ import annotations

import numpy as np
import pytest
from op_kernels import kernel

from servable.errors import ServableError
from servable.tensors import INT64


def test_ints_from_the_system_have_the_wanted_shape_and_are_not_the_same_twice() -> None:
    draw = kernel("NonDeterministicInts", dtype=INT64, shape_dtype=INT64)
    first, second = (draw(np.array([4, 8], np.int64)) for _ in range(2))
    assert first.shape == (4, 8)
    assert first.dtype == np.int64
    assert not np.array_equal(first, second)


def test_an_absurd_number_of_ints_is_refused() -> None:
    draw = kernel("NonDeterministicInts", dtype=INT64, shape_dtype=INT64)
    with pytest.raises(ServableError):
        draw(np.array([2**40], np.int64))
