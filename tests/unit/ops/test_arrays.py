"""Ops on arrays, beyond what TensorFlow's CPU kernels can be recorded doing."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from servable.errors import ResourceExhausted
from servable.graph import schema
from servable.graph.ir import FunctionRef, Node, Value
from servable.ops.registry import Body, Environment, Kernel, registered
from servable.ops.resources import Resources
from servable.tensors import FLOAT, INT32, INT64, Array


def no_functions(ref: FunctionRef) -> Body:
    raise AssertionError(f"nothing calls {ref}")


def kernel(op: str, **attrs: Any) -> Kernel:
    known = schema.known(op)
    assert known is not None
    whole: dict[str, Any] = {
        name: INT32 if attr.kind == "type" else attr.default for name, attr in known.attrs.items()
    }
    whole |= attrs
    inputs = tuple(Value(f"x{i}") for i in range(len(known.inputs)))
    node = Node("y", op, inputs, (), whole, known.output_dtypes(whole))
    return registered()[op].build(node, Environment(Resources(), None, no_functions))


def ints(value: Any, dtype: Any = np.int32) -> Array:
    return np.array(value, dtype)


@pytest.mark.parametrize("step", [2, 3])
def test_channels_in_front_give_the_same_blocks(step: int) -> None:
    space = np.arange(2 * 6 * 12 * 3).reshape(2, 6, 12, 3)
    last = kernel("SpaceToDepth", block_size=step, data_format=b"NHWC")(space)
    depth = kernel("SpaceToDepth", block_size=step, data_format=b"NCHW")(np.moveaxis(space, -1, 1))
    np.testing.assert_array_equal(np.moveaxis(depth, 1, -1), last)
    back = kernel("DepthToSpace", block_size=step, data_format=b"NCHW")(depth)
    np.testing.assert_array_equal(np.moveaxis(back, 1, -1), space)


HUGE = 2**31 - 1
ONE = np.ones(1, np.float32)
ROW = np.ones((1, 4), np.float32)
NOTHING = np.zeros(0, np.float32)
ABSURD: list[tuple[str, dict[str, Any], tuple[Any, ...]]] = [
    ("Fill", {}, (ints([HUGE]), np.float64(1))),
    ("Fill", {}, (ints([2**40, 2**40], np.int64), np.float64(1))),
    ("Empty", {"dtype": FLOAT}, (ints([HUGE, 3]),)),
    ("Range", {"Tidx": INT64}, (ints(0, np.int64), ints(2**60, np.int64), ints(1, np.int64))),
    ("Range", {"Tidx": FLOAT}, (np.float32(0), np.float32(1), np.float32(1e-15))),
    ("LinSpace", {"T": FLOAT}, (np.float32(0), np.float32(1), ints(HUGE))),
    ("BroadcastTo", {}, (ONE, ints([HUGE, 9]))),
    ("Tile", {}, (np.ones((2, 2), np.float32), ints([HUGE, HUGE]))),
    ("Pad", {}, (ONE, ints([[HUGE, 0]]))),
    ("PadV2", {}, (ONE, ints([[0, HUGE]]), np.float32(1))),
    ("SpaceToBatchND", {}, (np.ones((1, 1), np.float32), ints([1]), ints([[HUGE, HUGE]]))),
    ("OneHot", {}, (np.zeros(9, np.int64), ints(HUGE), np.float32(1), np.float32(0))),
    ("ScatterNd", {"bad_indices_policy": b""}, (ints([[0]]), np.ones(1), ints([HUGE]))),
    ("MatrixDiagV3", {}, (ONE, ints(0), ints(1), ints(HUGE), np.float32(0))),
    ("UnsortedSegmentSum", {}, (ROW, ints([0]), ints(HUGE))),
    ("SegmentSum", {}, (ONE, ints([HUGE]))),
    ("SegmentMean", {}, (np.ones((1, 0), np.float32), ints([HUGE]))),
    ("SparseSegmentSum", {}, (ONE, ints([0]), ints([HUGE]))),
    ("SparseSegmentMeanWithNumSegments", {}, (ONE, ints([0]), ints([0]), ints(HUGE))),
    ("DynamicStitch", {"N": 1}, (ints([HUGE]), ROW)),
    ("Bincount", {}, (ints([1]), ints(HUGE), NOTHING)),
    ("DenseBincount", {}, (ints([[1], [2]]), ints(HUGE), NOTHING)),
    ("HistogramFixedWidth", {}, (ONE, ints([0, 5], np.float32), ints(HUGE))),
    ("GatherV2", {}, (np.ones((1, 2**16), np.float32), np.zeros(2**16, np.int32), ints(0))),
]


@pytest.mark.parametrize(("op", "attrs", "inputs"), ABSURD, ids=lambda x: str(x)[:20])
def test_a_size_that_a_request_names_is_bounded(
    op: str, attrs: dict[str, Any], inputs: tuple[Any, ...]
) -> None:
    with pytest.raises(ResourceExhausted, match="OOM when allocating tensor with shape"):
        kernel(op, **attrs)(*inputs)


@given(
    st.lists(st.lists(st.integers(0, 5), min_size=40, max_size=40), min_size=1, max_size=4),
    st.integers(1, 4),
)
def test_the_few_largest_of_many_are_those_of_the_whole_order(
    rows: list[list[int]], k: int
) -> None:
    x = np.array(rows, np.float32)
    values, places = kernel("TopKV2", index_type=INT32)(x, ints(k))
    order = np.argsort(-x, axis=-1, kind="stable")[:, :k]
    np.testing.assert_array_equal(places, order)
    np.testing.assert_array_equal(values, np.take_along_axis(x, order, -1))


@given(st.lists(st.sampled_from([0.0, -0.0, 1.5, float("nan"), -3.0])))
def test_unique_values_and_their_numbers_make_up_the_vector(items: list[float]) -> None:
    x = np.array(items, np.float32)
    values, numbers, counts = kernel("UniqueWithCounts", out_idx=INT64)(x)
    np.testing.assert_array_equal(values[numbers], x)
    np.testing.assert_array_equal(counts, np.bincount(numbers, minlength=len(values)))
    firsts = [int(np.flatnonzero(numbers == n)[0]) for n in range(len(values))]
    assert firsts == sorted(firsts)


def test_print_writes_to_the_log_as_often_as_it_is_told(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "servable")
    x = np.arange(3)
    attrs = {"U": (INT32,), "message": b"x is ", "summarize": 2}
    twice = kernel("Print", first_n=2, **attrs)
    assert all(twice(x, x) is x for _ in range(3))
    assert caplog.messages == ["x is [0 1...]"] * 2
    always = kernel("Print", first_n=-1, **attrs)
    for _ in range(3):
        always(x, x)
    assert len(caplog.messages) == 5


def test_a_graph_can_not_print_to_a_file(caplog: pytest.LogCaptureFixture, tmp_path: Path) -> None:
    caplog.set_level(logging.INFO, "servable")
    target = tmp_path / "made"
    stream = f"file://{target}".encode()
    kernel("PrintV2", output_stream=stream, end=b"")(np.array(b"said", object))
    assert caplog.messages == ["said"]
    assert not target.exists()


SCALARS: list[tuple[str, dict[str, Any], tuple[Any, ...]]] = [
    ("Identity", {}, (np.float32(3),)),
    ("Shape", {"out_type": INT32}, (np.float32(3),)),
    ("Reshape", {}, (np.float32(3), ints([1]))),
    ("ExpandDims", {}, (np.float32(3), np.int32(0))),
    ("Pack", {"axis": 0}, (np.float32(3), np.float32(4))),
    ("Fill", {}, (ints([2]), np.float32(3))),
    ("GatherV2", {"batch_dims": 0}, (np.arange(3), np.int32(1), np.int32(0))),
    ("Split", {"num_split": 2}, (np.int32(0), np.arange(4))),
    ("Transpose", {}, (np.float32(3), ints([]))),
    ("ZerosLike", {}, (np.float32(3),)),
    ("StridedSlice", {"ellipsis_mask": 1}, (np.float32(3), ints([0]), ints([0]), ints([1]))),
    ("Tile", {}, (np.float32(3), ints([]))),
    ("ArgMax", {"output_type": INT32}, (np.arange(4), np.int32(0))),
    ("Bitcast", {"T": FLOAT, "type": INT32}, (np.float32(3),)),
]


@pytest.mark.parametrize(("op", "attrs", "inputs"), SCALARS, ids=lambda x: str(x)[:20])
def test_numpy_scalars_are_as_good_as_arrays(
    op: str, attrs: dict[str, Any], inputs: tuple[Any, ...]
) -> None:
    run = kernel(op, **attrs)
    made, expected = run(*inputs), run(*(np.asarray(x) for x in inputs))
    np.testing.assert_array_equal(made, expected)
    assert np.shape(made) == np.shape(expected)
