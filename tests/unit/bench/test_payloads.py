"""The inputs of requests: made up, or cut from arrays."""

from __future__ import annotations

import numpy as np
import pytest
from served_models import spec

from servable import tensors
from servable.bench import payloads
from servable.errors import FailedPrecondition, InvalidArgument
from servable.tensors import Array, Shape, Signature

IMAGES = Signature({"image": spec("i:0", shape=(None, 8, 8, 1))}, {"y": spec("y:0")})


def of(dtype: tensors.DType | None, shape: Shape) -> Signature:
    return Signature({"x": spec("x:0", dtype, shape)}, {"y": spec("y:0")})


@pytest.mark.parametrize(
    ("shape", "made"),
    [
        ((None, 3), (5, 3)),
        ((None, None, 3), (5, 1, 3)),
        ((2, None), (2, 1)),
        ((), ()),
        (None, (5,)),
    ],
)
def test_unknown_sizes_are_the_rows_in_front_and_one_elsewhere(
    shape: Shape, made: tuple[int, ...]
) -> None:
    (first, *_) = payloads.made_up("s", of(tensors.FLOAT, shape), 5, seed=0)
    assert first["x"].shape == made


@pytest.mark.parametrize("dtype", [d for d in tensors.DTYPES if d.field])
def test_values_of_every_dtype_are_made_up_and_the_same_for_the_same_seed(
    dtype: tensors.DType,
) -> None:
    one, two = (payloads.made_up("s", of(dtype, (None, 4)), 3, seed=1) for _ in range(2))
    assert len(one) == payloads.DIFFERENT
    for a, b in zip(one, two, strict=True):
        assert a["x"].dtype == dtype.numpy
        np.testing.assert_array_equal(a["x"], b["x"])


def test_another_seed_and_another_request_have_other_values() -> None:
    one, two = (payloads.made_up("s", IMAGES, 1, seed=seed) for seed in (1, 2))
    assert not np.array_equal(one[0]["image"], two[0]["image"])
    assert not np.array_equal(one[0]["image"], one[1]["image"])


def test_fewer_requests_are_made_of_large_inputs() -> None:
    made = payloads.made_up("s", of(tensors.UINT8, (None, 2**20)), 20, seed=0)
    assert len(made) == 3


@pytest.mark.parametrize("method", ["classify", "regress"])
def test_tf_examples_are_not_made_up_and_the_message_says_what_to_give(method: str) -> None:
    signature = Signature(
        {"inputs": spec("x:0", tensors.STRING, (None,))},
        {"scores": spec("y:0")},
        method_name=f"tensorflow/serving/{method}",
    )
    with pytest.raises(FailedPrecondition, match="tf\\.Examples") as refusal:
        payloads.made_up("s", signature, 1, seed=0)
    assert "--input" in refusal.value.hint
    assert "--traffic" in refusal.value.hint


def test_a_dtype_without_values_is_refused() -> None:
    with pytest.raises(FailedPrecondition, match="No values"):
        payloads.made_up("s", of(tensors.RESOURCE, ()), 1, seed=0)


def pixels(rows: int) -> Array:
    return np.arange(rows * 64, dtype=np.float32).reshape(rows, 8, 8, 1)


def test_arrays_are_cut_into_rows_and_begin_again_after_the_last() -> None:
    cut = payloads.cut({"image": pixels(5)}, IMAGES, 2)
    rows = [inputs["image"][:, 0, 0, 0].astype(int) // 64 for inputs in cut]
    assert [row.tolist() for row in rows] == [[0, 1], [2, 3], [4, 0]]


def test_more_rows_than_there_are_repeat_them() -> None:
    (only,) = payloads.cut({"image": pixels(1)}, IMAGES, 3)
    assert only["image"].shape == (3, 8, 8, 1)
    assert payloads.row_count(only, IMAGES) == 3


def test_inputs_of_a_fixed_size_are_sent_whole() -> None:
    signature = Signature({"x": spec("x:0", shape=(None,)), "table": spec("t:0", shape=(4,))}, {})
    table = np.arange(4, dtype=np.float32)
    cut = payloads.cut({"x": np.zeros(2, np.float32), "table": table}, signature, 1)
    assert [inputs["table"] is table for inputs in cut] == [True, True]
    fixed = of(tensors.FLOAT, (4,))
    assert payloads.cut({"x": table}, fixed, 2) == [{"x": table}]
    assert payloads.row_count({"x": table}, fixed) == 1


@pytest.mark.parametrize("counts", [(2, 3), (0, 0)])
def test_inputs_with_other_numbers_of_rows_are_refused(counts: tuple[int, int]) -> None:
    signature = Signature({a: spec(a, shape=(None,)) for a in "ab"}, {})
    given = {a: np.zeros(n, np.float32) for a, n in zip("ab", counts, strict=True)}
    with pytest.raises(InvalidArgument, match="rows"):
        payloads.cut(given, signature, 1)
