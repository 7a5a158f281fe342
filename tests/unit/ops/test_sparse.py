"""Laws of sparse and ragged tensors, and bounds on what a request can ask for."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from servable.errors import InvalidArgument, ResourceExhausted, ServableError
from servable.graph import schema
from servable.graph.ir import FunctionRef, Node, UnsupportedOps, Value
from servable.ops.registry import Body, Environment, Kernel, registered
from servable.ops.resources import Resources
from servable.tensors import FLOAT, INT64, STRING, Array, DType

HUGE = 2**40
NONE = np.zeros((0, 2), np.int64)
NO_VALUES = np.zeros(0, np.float32)
ONE = np.zeros((1, 2), np.int64)
MANY = np.stack((np.zeros(10_000, np.int64), np.arange(10_000)), axis=1)


def _no_body(ref: FunctionRef) -> Body:
    raise AssertionError(ref)


def _kernel(op: str, dtype: DType = FLOAT, **attributes: Any) -> Kernel:
    known = schema.known(op)
    assert known is not None
    attrs: dict[str, Any] = {name: spec.default for name, spec in known.attrs.items()}
    attrs |= {name: dtype for name, spec in known.attrs.items() if spec.kind == "type"}
    attrs |= attributes
    node = Node(op, op, (Value("x"),), (), attrs, (dtype, dtype))
    return registered()[op].build(node, Environment(Resources(), None, _no_body))


def _long(*numbers: int) -> Array:
    return np.array(numbers, np.int64)


_CROSS: dict[str, Any] = {"N": 4, "sparse_types": (INT64,) * 4, "dense_types": ()}
_SPLIT: dict[str, Any] = {"row_partition_types": (b"ROW_SPLITS",)}
_ROWS: dict[str, Any] = {"row_partition_types": (b"FIRST_DIM_SIZE", b"VALUE_ROWIDS")}


@pytest.mark.parametrize(
    ("op", "attributes", "arrays"),
    [
        ("SparseToDense", {}, (NONE, _long(HUGE, HUGE), NO_VALUES, np.float32(0))),
        ("SparseFillEmptyRows", {}, (NONE, NO_VALUES, _long(HUGE, 4), np.float32(0))),
        ("RaggedFillEmptyRows", {}, (_long(), NO_VALUES, np.int64(HUGE), np.float32(0))),
        ("SparseReduceSum", {"keep_dims": False}, (NONE, NO_VALUES, _long(HUGE, 4), _long(1))),
        ("SparseTensorDenseMatMul", {}, (NONE, NO_VALUES, _long(HUGE, 1), np.zeros((1, 1), "f"))),
        ("SetSize", {}, (NONE, NO_VALUES, _long(HUGE, 4))),
        ("SparseBincount", {}, (NONE, _long(), _long(HUGE, 4), np.int64(4), NO_VALUES)),
        ("SparseBincount", {}, (ONE, _long(0), _long(1, 1), np.int64(HUGE), NO_VALUES)),
        ("RaggedBincount", {}, (_long(0, 1), _long(0), np.int64(HUGE), NO_VALUES)),
        ("SerializeManySparse", {}, (NONE, NO_VALUES, _long(HUGE, 4))),
        ("EditDistance", {}, (NONE, _long(), _long(HUGE, 4)) * 2),
        ("RaggedRange", {"Tsplits": INT64}, (np.int64(0), np.int64(HUGE), np.int64(1))),
        ("RaggedRange", {"Tsplits": INT64}, (_long(-(2**63)), _long(2**63 - 1), _long(1))),
        ("RaggedRange", {"Tsplits": INT64}, (np.float32(0), np.float32(1e18), np.float32(1))),
        ("RaggedGather", {}, (_long(0, 10**6), np.zeros(10**6, "f"), np.zeros(10**6, np.int64))),
        ("RaggedTensorToTensor", _SPLIT, (_long(HUGE, 4), NO_VALUES, np.float32(0), _long(0))),
        ("RaggedTensorToTensor", _SPLIT, (_long(2, 2), NO_VALUES, np.float32(0), _long(0, HUGE))),
        (
            "RaggedTensorToTensor",
            _ROWS,
            (_long(2, 2), NO_VALUES, np.float32(0), _long(HUGE), _long()),
        ),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_results_that_no_request_should_ask_for_are_refused(
    op: str, attributes: dict[str, Any], arrays: tuple[Array, ...]
) -> None:
    with pytest.raises(ResourceExhausted, match="OOM when allocating tensor with shape"):
        _kernel(op, **attributes)(*arrays)


@pytest.mark.parametrize(
    ("op", "dtype", "more"),
    [
        ("SparseCross", INT64, ()),
        ("SparseCross", STRING, ()),
        ("SparseCrossHashed", INT64, (np.int64(9), np.bool_(False), _long(1, 2))),
        ("SparseCrossV2", STRING, (np.array(b"-", object),)),
    ],
)
def test_crosses_of_many_features_are_refused(
    op: str, dtype: DType, more: tuple[Array, ...]
) -> None:
    attributes: dict[str, Any] = dict(_CROSS)
    if op == "SparseCross":
        attributes |= {"hashed_output": True, "num_buckets": 0, "hash_key": 1}
        attributes |= {"out_type": dtype, "internal_type": INT64}
    kernel = _kernel(op, dtype, **attributes)
    values = np.arange(len(MANY))
    with pytest.raises(ResourceExhausted, match="OOM"):
        kernel(*[MANY] * 4, *[values] * 4, *[_long(1, len(MANY))] * 4, *more)


def test_a_batch_of_crosses_that_only_a_shape_names_is_refused() -> None:
    kernel = _kernel("SparseCrossHashed", **_CROSS)
    arrays = (*[NONE] * 4, *[_long()] * 4, *[_long(HUGE, 1)] * 4)
    with pytest.raises(ResourceExhausted, match="OOM"):
        kernel(*arrays, np.int64(0), np.bool_(True), _long(1, 2))


def test_a_small_message_can_not_stand_for_a_large_sparse_tensor() -> None:
    wide = b"\x08\x09\x12\x0a\x12\x05\x08\x80\x80\x80\x40\x12\x01\x08"
    with pytest.raises(ServableError):
        _kernel("DeserializeSparse", dtype=FLOAT)(np.array([wide, wide, wide], object))


@pytest.mark.parametrize("types", [(), (b"VALUE_ROWIDS",), (b"FIRST_DIM_SIZE",), (b"ROW_LENGTHS",)])
def test_row_partitions_that_can_not_be_are_refused_at_load(types: tuple[bytes, ...]) -> None:
    with pytest.raises(UnsupportedOps, match="row_partition_types"):
        _kernel("RaggedTensorToTensor", row_partition_types=types)


def test_rows_that_are_not_sorted_are_refused() -> None:
    kernel = _kernel("RaggedTensorToTensor", **_ROWS)
    with pytest.raises(InvalidArgument, match="sorted"):
        kernel(_long(-1, -1), np.zeros(2, "f"), np.float32(0), _long(3), _long(1, 0))


def test_splits_beyond_the_values_are_refused() -> None:
    kernel = _kernel("RaggedTensorToTensor", **_SPLIT)
    with pytest.raises(InvalidArgument, match="past values"):
        kernel(_long(-1, -1), np.zeros(2, "f"), np.float32(0), _long(0, 3))


_SHAPE = (4, 3)
_DENSE = st.lists(st.integers(-3, 3), min_size=12, max_size=12).map(
    lambda items: np.array(items, np.float32).reshape(_SHAPE)
)


def _sparse(dense: Array) -> tuple[Array, Array, Array]:
    indices = np.argwhere(dense)
    return indices, dense[tuple(indices.T)], _long(*dense.shape)


def _to_dense(indices: Array, values: Array, shape: Array) -> Array:
    made: Array = _kernel("SparseToDense")(indices, shape, values, np.zeros((), values.dtype))
    return made


@given(_DENSE, st.randoms(use_true_random=False))
def test_any_order_of_the_same_indices_reorders_to_one(dense: Array, random: Any) -> None:
    indices, values, shape = _sparse(dense)
    mixed = list(range(values.size))
    random.shuffle(mixed)
    again = _kernel("SparseReorder")(indices[mixed], values[mixed], shape)
    np.testing.assert_array_equal(again[0], indices)
    np.testing.assert_array_equal(again[1], values)


@given(_DENSE, _DENSE)
def test_sparse_arithmetic_is_dense_arithmetic(a: Array, b: Array) -> None:
    total = _kernel("SparseAdd")(*_sparse(a), *_sparse(b), np.float32(0))
    np.testing.assert_array_equal(_to_dense(*total), a + b)
    for op, ufunc in (("SparseSparseMaximum", np.maximum), ("SparseSparseMinimum", np.minimum)):
        indices, values = _kernel(op)(*_sparse(a), *_sparse(b))
        made = _to_dense(indices, values, _long(*_SHAPE))
        np.testing.assert_array_equal(made, ufunc(a, b))
    product = _kernel("SparseTensorDenseMatMul")(*_sparse(a), b.T)
    np.testing.assert_array_equal(product, a @ b.T)
    np.testing.assert_array_equal(_kernel("SparseTensorDenseAdd")(*_sparse(a), b), a + b)
    reduced = _kernel("SparseReduceSum", keep_dims=False)(*_sparse(a), _long(1))
    np.testing.assert_array_equal(reduced, a.sum(axis=1))


@given(_DENSE, st.sampled_from([(12,), (2, 6), (3, 4), (2, 3, 2)]))
def test_reshaping_is_dense_reshaping(dense: Array, shape: tuple[int, ...]) -> None:
    indices, values, old = _sparse(dense)
    made, sizes = _kernel("SparseReshape")(indices, old, _long(*shape))
    np.testing.assert_array_equal(_to_dense(made, values, sizes), dense.reshape(shape))


@given(_DENSE, st.integers(1, 3))
def test_pieces_of_a_split_join_again(dense: Array, pieces: int) -> None:
    parts = _kernel("SparseSplit", num_split=pieces)(np.int64(1), *_sparse(dense))
    again = _kernel("SparseConcat", concat_dim=1, N=pieces)(*parts)
    for got, expected in zip(again, _sparse(dense), strict=True):
        np.testing.assert_array_equal(got, expected)


@given(_DENSE, st.sampled_from([STRING, INT64]))
def test_what_is_written_is_read_again(dense: Array, kind: DType) -> None:
    written = _kernel("SerializeManySparse", out_type=kind)(*_sparse(dense))
    again = _kernel("DeserializeSparse", dtype=FLOAT)(written)
    for got, expected in zip(again, _sparse(dense), strict=True):
        np.testing.assert_array_equal(got, expected)


_ROW_LISTS = st.lists(st.lists(st.integers(-9, 9), max_size=4), min_size=1, max_size=5)


def _ragged(rows: list[list[int]]) -> tuple[Array, Array]:
    return np.cumsum([0, *map(len, rows)]), np.array([x for row in rows for x in row], np.float32)


@given(_ROW_LISTS, st.integers(-1, 6), st.integers(-1, 6))
def test_rows_made_dense_are_cut_or_filled_up(rows: list[list[int]], high: int, wide: int) -> None:
    splits, values = _ragged(rows)
    made = _kernel("RaggedTensorToTensor", **_SPLIT)(
        _long(high, wide), values, np.float32(99), splits
    )
    height = len(rows) if high == -1 else high
    width = max(map(len, rows)) if wide == -1 else wide
    padded = [(row + [99] * width)[:width] for row in rows] + [[99] * width] * height
    np.testing.assert_array_equal(
        made, np.array(padded, np.float32)[:height].reshape(height, width)
    )


@given(_ROW_LISTS, st.data())
def test_gathered_rows_are_the_rows(rows: list[list[int]], data: st.DataObject) -> None:
    picked = data.draw(st.lists(st.integers(0, len(rows) - 1), max_size=6))
    splits, values = _kernel("RaggedGather")(*_ragged(rows), _long(*picked))
    expected = _ragged([rows[i] for i in picked])
    np.testing.assert_array_equal(splits, expected[0])
    np.testing.assert_array_equal(values, expected[1])


@given(_ROW_LISTS)
def test_rows_come_back_from_variants(rows: list[list[int]]) -> None:
    written = _kernel("RaggedTensorToVariant", batched_input=True, RAGGED_RANK=1)(*_ragged(rows))
    read = _kernel(
        "RaggedTensorFromVariant", input_ragged_rank=0, output_ragged_rank=1, Tsplits=INT64
    )(written)
    for got, expected in zip(read, _ragged(rows), strict=True):
        np.testing.assert_array_equal(got, expected)


@settings(max_examples=30)
@given(st.text("abc", max_size=7), st.text("abc", max_size=7))
def test_distances_are_those_of_the_definition(a: str, b: str) -> None:
    def sparse(text: str) -> tuple[Array, Array, Array]:
        places = np.stack((np.zeros(len(text), np.int64), np.arange(len(text))), axis=1)
        return places, np.array([ord(c) for c in text], np.int64), _long(1, 8)

    def distance(x: str, y: str) -> int:
        if not x or not y:
            return len(x) + len(y)
        if x[0] == y[0]:
            return distance(x[1:], y[1:])
        return 1 + min(distance(x[1:], y), distance(x, y[1:]), distance(x[1:], y[1:]))

    made = _kernel("EditDistance", INT64, normalize=False)(*sparse(a), *sparse(b))
    assert made.tolist() == [distance(a, b)]
