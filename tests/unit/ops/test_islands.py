"""Which ops on arrays an island may hold: none whose indices or sizes a request can say."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

from servable.engine.backends.openvino import OpenVinoBackend
from servable.graph import schema
from servable.graph.ir import ARG, Node, Value, const
from servable.tensors import FLOAT, INT32, Array, from_numpy


def fed(name: str) -> Node:
    return Node(name, ARG, attrs={"T": INT32, "index": 0}, dtypes=(INT32,))


def fixed(name: str, value: Any) -> Node:
    array: Array = np.asarray(value)
    array = array.astype(np.int32) if array.dtype.kind == "i" else array.astype(np.float32)
    return const(name, array, from_numpy(array.dtype))


def node(op: str, inputs: Sequence[Node], name: str = "y", **attrs: Any) -> Node:
    known = schema.known(op)
    assert known is not None
    whole: dict[str, Any] = {
        key: (FLOAT if key in ("T", "Tparams") else INT32) if a.kind == "type" else a.default
        for key, a in known.attrs.items()
    }
    whole |= attrs
    values = tuple(Value(n.name) for n in inputs)
    return Node(name, op, values, (), whole, known.output_dtypes(whole))


X = fed("x")
NUMBERS = fed("numbers")
SHAPE = node("Shape", [X], "shape")
ENTRIES = [fixed("b", [0]), fixed("e", [1]), fixed("s", [1])]
ROWS = node("StridedSlice", [SHAPE, *ENTRIES], "rows", T=INT32, shrink_axis_mask=1)
TWO = fixed("two", 2)
SIZES = node("Pack", [ROWS, TWO], "sizes", T=INT32, N=2)
ASKED = node("Pack", [NUMBERS, TWO], "asked", T=INT32, N=2)
ZERO = fixed("zero", 0)
VALUE = fixed("value", 1.0)
MATRIX = fixed("matrix", [[1.0, 2.0]])
VECTORS = [fixed("begin", [0, 1]), fixed("end", [0, 2]), fixed("steps", [1, 1])]
FLAT = node("Reshape", [X, SIZES], "flat")
PERM = fixed("perm", [1, 0])
TURNED = node("Transpose", [X, PERM], "turned")


Case = tuple[str, Sequence[Node], dict[str, Any]]

HELD: list[Case] = [
    ("Fill", [SIZES, VALUE], {}),
    ("BroadcastTo", [X, SHAPE], {}),
    ("Tile", [MATRIX, SIZES], {}),
    ("Tile", [FLAT, fixed("times", [2, 1])], {}),
    ("Pad", [X, fixed("pads", [[0, 1], [2, 0]])], {}),
    ("PadV2", [X, fixed("pads", [[0, 1], [2, 0]]), VALUE], {}),
    ("OneHot", [X, TWO, VALUE, VALUE], {}),
    ("GatherV2", [X, fixed("indices", [2, 0]), ZERO], {}),
    ("StridedSlice", [X, *VECTORS], {"shrink_axis_mask": 2, "begin_mask": 1}),
    ("StridedSlice", [X, NUMBERS, *VECTORS[1:]], {"begin_mask": 1}),
    ("ArgMax", [X, ZERO], {}),
    ("Squeeze", [X], {"squeeze_dims": (0,)}),
    ("Transpose", [X, fixed("perm", [1, 0])], {}),
    ("SpaceToBatchND", [X, fixed("block", [2]), fixed("pads", [[0, 1]])], {}),
    ("BatchToSpaceND", [X, fixed("block", [2]), fixed("crops", [[0, 1]])], {}),
    ("FloorMod", [ROWS, TWO], {"T": INT32}),
]
NOT_HELD: list[Case] = [
    ("FloorMod", [NUMBERS, TWO], {"T": INT32}),
    ("FloorMod", [ROWS, ZERO], {"T": INT32}),
    ("FloorMod", [TWO, ROWS], {"T": INT32}),
    ("FloorMod", [VALUE, VALUE], {}),
    ("Fill", [ASKED, VALUE], {}),
    ("Fill", [NUMBERS, VALUE], {}),
    ("BroadcastTo", [X, NUMBERS], {}),
    ("Tile", [MATRIX, ASKED], {}),
    ("Tile", [X, fixed("times", [2, 1])], {}),
    ("Tile", [MATRIX, fixed("times", [2])], {}),
    ("Pad", [X, NUMBERS], {}),
    ("Pad", [X, fixed("pads", [[0, -1], [2, 0]])], {}),
    ("PadV2", [X, fixed("pads", [[0, 1], [2, 0]]), NUMBERS], {}),
    ("OneHot", [X, NUMBERS, VALUE, VALUE], {}),
    ("GatherV2", [X, NUMBERS, ZERO], {}),
    ("GatherV2", [X, fixed("indices", [-1]), ZERO], {}),
    ("GatherV2", [X, fixed("indices", [0]), NUMBERS], {}),
    ("StridedSlice", [X, NUMBERS, *VECTORS[1:]], {"shrink_axis_mask": 2}),
    ("StridedSlice", [X, *VECTORS], {"ellipsis_mask": 1}),
    ("StridedSlice", [X, *VECTORS], {"new_axis_mask": 1, "shrink_axis_mask": 2}),
    ("StridedSlice", [X, *VECTORS], {"begin_mask": 2, "shrink_axis_mask": 2}),
    ("ArgMax", [X, NUMBERS], {}),
    ("Slice", [X, *VECTORS[:2]], {}),
    ("Squeeze", [X], {"squeeze_dims": ()}),
    ("StridedSlice", [X, *VECTORS[:2], fixed("back", [1, -1])], {}),
    ("StridedSlice", [X, *VECTORS[:2], NUMBERS], {}),
    ("GatherV2", [X, fixed("indices", [[0], [1]]), ZERO], {}),
    ("GatherV2", [X, fixed("indices", np.zeros(0, np.int32)), ZERO], {}),
    ("Pad", [X, fixed("pads", np.zeros((0, 2), np.int32))], {}),
    ("Reshape", [X, fixed("scalar", np.zeros(0, np.int32))], {}),
    ("Tile", [MATRIX, fixed("times", [0, 1])], {}),
    ("Transpose", [X, fixed("perm", np.zeros(0, np.int32))], {}),
    ("SpaceToBatchND", [X, NUMBERS, fixed("pads", [[0, 1]])], {}),
    ("SpaceToBatchND", [X, fixed("block", [2]), NUMBERS], {}),
    ("SpaceToBatchND", [X, fixed("block", [2]), fixed("pads", [[0, -1]])], {}),
    ("SpaceToBatchND", [TURNED, fixed("block", [2]), fixed("pads", [[0, 1]])], {}),
    ("ReverseV2", [X, fixed("axes", [0])], {"T": INT32}),
]


def eligible(op: str, inputs: Sequence[Node], attrs: dict[str, Any]) -> bool:
    chosen = node(op, inputs, **attrs)
    around = (X, NUMBERS, SHAPE, TWO, SIZES, ASKED, ROWS, PERM, *ENTRIES, *inputs, chosen)
    return OpenVinoBackend().eligible(chosen, {n.name: n for n in around})


@pytest.mark.parametrize(
    ("op", "inputs", "attrs"), HELD, ids=lambda x: x if isinstance(x, str) else ""
)
def test_what_constants_and_shapes_say_may_be_in_an_island(
    op: str, inputs: Sequence[Node], attrs: dict[str, Any]
) -> None:
    assert eligible(op, inputs, attrs)


@pytest.mark.parametrize(
    ("op", "inputs", "attrs"), NOT_HELD, ids=lambda x: x if isinstance(x, str) else ""
)
def test_what_a_request_can_say_stays_on_the_host(
    op: str, inputs: Sequence[Node], attrs: dict[str, Any]
) -> None:
    assert not eligible(op, inputs, attrs)
