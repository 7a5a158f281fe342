"""Where rows of a batch could influence one another."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pytest

from servable.engine.rows import mixing
from servable.graph.ir import ARG, AttrValue, Function, Node, Value, const
from servable.tensors import FLOAT, INT32, Array

Op = tuple[str, str, Sequence[str], Mapping[str, AttrValue]]
"""Name, op, inputs, attributes."""

W = np.ones((4, 4), np.float32)


def function(ops: Sequence[Op], constants: Mapping[str, Array | int | list[int]]) -> Function:
    """A function of x, whose result is its last op."""
    nodes: dict[str, Node] = {"x": Node("x", ARG, dtypes=(FLOAT,))}
    for name, value in constants.items():
        array = np.asarray(value) if isinstance(value, np.ndarray) else np.array(value, np.int32)
        nodes[name] = const(name, array, FLOAT if array.dtype == np.float32 else INT32)
    for name, op, inputs, attrs in ops:
        values = tuple(Value(each) for each in inputs)
        nodes[name] = Node(name, op, values, attrs=attrs, dtypes=(FLOAT,))
    return Function("f", ("x",), nodes, (Value(ops[-1][0]),))


APART: list[tuple[str, list[Op], dict[str, Array | int | list[int]]]] = [
    ("dense layer", [("m", "MatMul", "xw", {}), ("y", "Relu", "m", {})], {"w": W}),
    ("mean of features", [("y", "Mean", "xa", {"keep_dims": False})], {"a": [1]}),
    ("softmax", [("y", "Softmax", "x", {})], {}),
    ("flatten", [("y", "Reshape", "xs", {})], {"s": [-1, 8]}),
    (
        "flatten by its shape",
        [("s", "Shape", "x", {}), ("y", "Reshape", "xs", {})],
        {},
    ),
    (
        "time first and back",
        [("t", "Transpose", "xp", {}), ("r", "Relu", "t", {}), ("y", "Transpose", "rp", {})],
        {"p": [1, 0, 2]},
    ),
    ("attention", [("y", "Einsum", "xx", {"equation": b"bqd,bkd->bqk"})], {}),
    ("a row of weights", [("y", "GatherV2", "wxa", {"batch_dims": 0})], {"w": W, "a": 0}),
    ("joined features", [("y", "ConcatV2", "xxa", {})], {"a": 1}),
    (
        "some features",
        [("y", "StridedSlice", "xbes", {"begin_mask": 1, "end_mask": 1})],
        {"b": [0, 1], "e": [0, 3], "s": [1, 1]},
    ),
    (
        "a token before each",
        [
            ("s", "Shape", "x", {}),
            ("n", "StridedSlice", "sbe2", {"shrink_axis_mask": 1}),
            ("d", "Pack", "nee", {}),
            ("t", "Fill", "dw", {}),
            ("y", "ConcatV2", "txe", {}),
        ],
        {"b": [0], "e": 1, "2": [1], "w": W},
    ),
    (
        "times the length",
        [
            ("s", "Shape", "x", {}),
            ("n", "StridedSlice", "sbe2", {"shrink_axis_mask": 1}),
            ("y", "Mul", "xn", {}),
        ],
        {"b": [1], "e": [2], "2": [1]},
    ),
    (
        "examples of known sizes",
        [("y", "ParseExampleV2", "xwwww", {"dense_shapes": ((2, 3), ())})],
        {"w": W},
    ),
    ("padded edges", [("y", "Pad", "xp", {})], {"p": np.array([[0, 0], [1, 1]])}),
]

MIXED: list[tuple[str, list[Op], dict[str, Array | int | list[int]]]] = [
    ("mean of the batch", [("y", "Mean", "xa", {"keep_dims": True})], {"a": [0]}),
    ("sum of all", [("y", "Sum", "xa", {})], {"a": [0, 1]}),
    ("running sum", [("y", "Cumsum", "xa", {})], {"a": 0}),
    ("gram matrix", [("y", "MatMul", "xx", {"transpose_b": True})], {}),
    ("product over rows", [("y", "Einsum", "xx", {"equation": b"bi,bj->ij"})], {}),
    ("the first row", [("y", "StridedSlice", "xbes", {})], {"b": [0], "e": [1], "s": [1]}),
    (
        "rows backwards",
        [("y", "StridedSlice", "xbes", {"begin_mask": 1, "end_mask": 1})],
        {"b": [0], "e": [0], "s": [-1]},
    ),
    ("turned over", [("y", "ReverseV2", "xa", {})], {"a": [0]}),
    ("rows by number", [("y", "GatherV2", "xia", {})], {"i": [0, 0], "a": 0}),
    ("a fixed number of rows", [("y", "Reshape", "xs", {})], {"s": [2, 4]}),
    ("features first", [("y", "Transpose", "xp", {})], {"p": [1, 0]}),
    ("random", [("y", "RandomShuffle", "x", {})], {}),
    ("training", [("y", "FusedBatchNormV3", "xwwww", {"is_training": True})], {"w": W}),
    ("a constant", [("y", "Identity", "w", {})], {"w": W}),
    ("how many rows", [("y", "Shape", "x", {})], {}),
    ("a loop", [("y", "StatelessWhile", "x", {})], {}),
    ("an axis that there is not", [("y", "Transpose", "xp", {})], {"p": [1]}),
    ("all axes of size one gone", [("y", "Squeeze", "x", {"squeeze_dims": ()})], {}),
    (
        "times the number of rows",
        [
            ("s", "Shape", "x", {}),
            ("n", "StridedSlice", "sbe2", {"shrink_axis_mask": 1}),
            ("y", "Mul", "xn", {}),
        ],
        {"b": [0], "e": [1], "2": [1]},
    ),
    (
        "each row's number",
        [("s", "Size", "x", {}), ("r", "Range", "bse", {}), ("y", "Add", "xr", {})],
        {"b": 0, "e": 1},
    ),
    (
        "rows counted by a sum of ones",
        [
            ("s", "Shape", "x", {}),
            ("o", "Fill", "sw", {}),
            ("n", "Sum", "oa", {}),
            ("y", "Mul", "xn", {}),
        ],
        {"w": W, "a": [0]},
    ),
    (
        "examples as long as the longest",
        [("y", "ParseExampleV2", "xwwww", {"dense_shapes": ((2,), (None,))})],
        {"w": W},
    ),
    ("rows added", [("y", "Pad", "xp", {})], {"p": np.array([[1, 0], [0, 0]])}),
    ("joined rows", [("y", "ConcatV2", "xxa", {})], {"a": 0}),
]


@pytest.mark.parametrize(("ops", "constants"), [c[1:] for c in APART], ids=[c[0] for c in APART])
def test_rows_stay_apart(ops: list[Op], constants: dict[str, Array | int | list[int]]) -> None:
    assert mixing(function(ops, constants)) == ""


@pytest.mark.parametrize(("ops", "constants"), [c[1:] for c in MIXED], ids=[c[0] for c in MIXED])
def test_rows_may_meet(ops: list[Op], constants: dict[str, Array | int | list[int]]) -> None:
    assert mixing(function(ops, constants)).partition(":")[0]
