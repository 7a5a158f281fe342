"""Two functions are the same only if every part of them is."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from servable.graph.equal import same
from servable.graph.ir import ARG, Function, Node, Value, const
from servable.tensors import DOUBLE, FLOAT, Array


def function(
    prefix: str = "a/", *, op: str = "AddV2", weight: Array | None = None, swapped: bool = False
) -> Function:
    x, w, y = (prefix + n for n in "xwy")
    array = np.array([1, np.nan], np.float32) if weight is None else weight
    inputs = (Value(w), Value(x)) if swapped else (Value(x), Value(w))
    nodes = (
        Node(x, ARG, attrs={"T": FLOAT, "index": 0}, dtypes=(FLOAT,)),
        const(w, array, FLOAT),
        Node(y, op, inputs, (), {"T": FLOAT}, (FLOAT,)),
    )
    return Function(prefix, (x,), {n.name: n for n in nodes}, (Value(y),))


def test_names_make_no_difference() -> None:
    assert same(function("a/"), function("b/"))


def changed(**changes: object) -> Function:
    plain = function("b/")
    node = replace(plain.nodes["b/y"], **changes)  # type: ignore[arg-type]  # fields of a node
    return plain.with_nodes({**plain.nodes, "b/y": node})


DIFFERENT = {
    "another op": function("b/", op="Sub"),
    "inputs the other way round": function("b/", swapped=True),
    "another constant": function("b/", weight=np.array([1, 2], np.float32)),
    "a constant of the same bytes in another shape": function(
        "b/", weight=np.array([[1, np.nan]], np.float32)
    ),
    "another result": function("b/").with_nodes(function("b/").nodes, results=(Value("b/x"),)),
    "an attribute": changed(attrs={"T": DOUBLE}),
    "a wait": changed(controls=("b/w",)),
    "a target": function("b/").with_nodes(function("b/").nodes, targets=("b/y",)),
}


@pytest.mark.parametrize("name", DIFFERENT)
def test_any_difference_is_one(name: str) -> None:
    assert not same(function("a/"), DIFFERENT[name])


def test_zero_and_minus_zero_are_different_constants() -> None:
    zero = np.zeros(1, np.float32)
    assert not same(function("a/", weight=zero), function("b/", weight=-zero))
