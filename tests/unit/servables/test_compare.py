"""Two answers side by side, and the random requests that get them."""

from __future__ import annotations

import numpy as np
import pytest

from servable import tensors
from servable.servables.compare import Difference, differences, random_inputs, takes_rows
from servable.tensors import Array, DType, Shape, Signature, TensorSpec

F = np.float32


def one(got: Array, wanted: Array) -> Difference:
    (difference,) = differences({"y": got}, {"y": wanted})
    return difference


@pytest.mark.parametrize(
    ("got", "wanted", "absolute", "relative"),
    [
        (np.array([1, 2], F), np.array([1, 2], F), 0, 0),
        (np.array([1, 2], F), np.array([1, 4], F), 2, 0.5),
        (np.array([0.5], F), np.array([0], F), 0.5, 0.5),
        (np.array([np.nan, np.inf], F), np.array([np.nan, np.inf], F), 0, 0),
        (np.zeros((0, 3), F), np.zeros((0, 3), F), 0, 0),
        (np.array(7, np.int64), np.array(10, np.int64), 3, 0.3),
        (np.array([b"a"], object), np.array([b"a"], object), 0, 0),
        (np.array([b"a"], object), np.array([b"b"], object), 1, 1),
        (np.array([True]), np.array([False]), 1, 1),
        (np.array([3 + 4j]), np.array([0j]), 5, 5),
    ],
)
def test_the_largest_difference_is_found(
    got: Array, wanted: Array, absolute: float, relative: float
) -> None:
    difference = one(got, wanted)
    assert (difference.absolute, difference.problem) == (absolute, "")
    assert difference.relative == pytest.approx(relative)


@pytest.mark.parametrize(
    ("got", "wanted", "problem"),
    [
        (np.zeros(2, F), np.zeros(3, F), "shape [2], not [3]"),
        (np.zeros(2, F), np.zeros(2), "dtype float32, not float64"),
        (np.array([np.nan], F), np.array([1], F), "NaN or infinite on one side only"),
        (np.array([-np.inf], F), np.array([np.inf], F), "NaN or infinite on one side only"),
    ],
)
def test_what_can_not_be_compared_is_said(got: Array, wanted: Array, problem: str) -> None:
    assert one(got, wanted).problem == problem


def test_an_output_that_is_not_there_is_said() -> None:
    (difference,) = differences({}, {"y": np.zeros(1)})
    assert difference.problem == "is not an output of the model"


def signature(**shapes: tuple[DType | None, Shape]) -> Signature:
    return Signature({a: TensorSpec(a, d, s) for a, (d, s) in shapes.items()}, {})


ALL = [d for d in tensors.DTYPES if d not in (tensors.RESOURCE, tensors.VARIANT)]


@pytest.mark.parametrize("dtype", ALL, ids=str)
def test_every_dtype_that_holds_values_gets_some(dtype: DType) -> None:
    made = random_inputs(signature(x=(dtype, (None, 2, None))), 3, 5, np.random.default_rng(0))
    assert made is not None
    assert (made["x"].shape, made["x"].dtype) == ((3, 2, 5), dtype.numpy)


def test_the_same_seed_asks_the_same() -> None:
    wanted = signature(x=(tensors.FLOAT, None), s=(tensors.STRING, (None,)))
    first, second = (random_inputs(wanted, 4, 1, np.random.default_rng(7)) for _ in range(2))
    assert first is not None
    assert second is not None
    assert all(np.array_equal(first[alias], second[alias]) for alias in wanted.inputs)


@pytest.mark.parametrize("dtype", [None, tensors.RESOURCE, tensors.VARIANT])
def test_there_is_nothing_to_ask_with_where_values_can_not_be_made(dtype: DType | None) -> None:
    assert random_inputs(signature(x=(dtype, ())), 1, 1, np.random.default_rng(0)) is None


@pytest.mark.parametrize(
    ("shape", "open_"), [(None, True), ((None, 2), True), ((2, None), False), ((), False)]
)
def test_rows_are_what_an_open_first_size_takes(shape: Shape, open_: bool) -> None:
    assert takes_rows(signature(x=(tensors.FLOAT, shape))) is open_
