from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from servable.engine.compile import compile_function
from servable.engine.run import run
from servable.graph.ir import ARG, AttrValue, Function, FunctionRef, Node, Value, const
from servable.graph.passes.prune import prune
from servable.graph.passes.restore import restore_only
from servable.ops.registry import Body, Environment
from servable.ops.resources import Resources
from servable.tensors import FLOAT, RESOURCE, STRING, Array

CHECKPOINT = {b"a/value": np.float32(1), b"b/value": np.float32(2), b"c/value": np.float32(3)}


def no_functions(ref: FunctionRef) -> Body:
    raise AssertionError(ref)


def handle(name: str) -> Node:
    attrs: Mapping[str, AttrValue] = {"dtype": FLOAT, "shape": (), "shared_name": name.encode()}
    return Node(f"handle_{name}", "VarHandleOp", attrs=attrs, dtypes=(RESOURCE,))


def restoring() -> Function:
    """Restores a, b and c from one node, as exporters write it."""
    nodes = [
        Node("prefix", ARG, attrs={"T": STRING, "index": 0}, dtypes=(STRING,)),
        const("keys", np.array(list(CHECKPOINT), object), STRING),
        const("slices", np.array([b""] * 3, object), STRING),
        Node(
            "restore",
            "RestoreV2",
            (Value("prefix"), Value("keys"), Value("slices")),
            attrs={"dtypes": (FLOAT,) * 3},
            dtypes=(FLOAT,) * 3,
        ),
    ]
    for number, name in enumerate("abc"):
        inputs = (Value(f"handle_{name}"), Value("restore", number))
        attrs: Mapping[str, AttrValue] = {"dtype": FLOAT, "validate_shape": False}
        nodes += [handle(name), Node(f"assign_{name}", "AssignVariableOp", inputs, (), attrs)]
    all_of_them = tuple(f"assign_{name}" for name in "abc")
    nodes.append(Node("restore_all", "NoOp", (), all_of_them))
    return Function("restore", ("prefix",), {n.name: n for n in nodes}, (), ("restore_all",))


def restored(function: Function) -> tuple[list[bytes], dict[str, Array | None]]:
    """The keys that were read, and the variables' values."""
    read: list[bytes] = []

    def read_slice(key: bytes, piece: bytes) -> Array:
        assert piece == b""
        read.append(key)
        return np.asarray(CHECKPOINT[key])

    resources = Resources()
    environment = Environment(resources, read_slice, no_functions)
    run(compile_function(function, environment), [np.array(b"path", object)])
    return read, {name: resources.variable(name).value for name in "abc"}


def test_variables_that_nothing_reads_are_not_read_from_the_checkpoint() -> None:
    read, values = restored(prune(restore_only(restoring(), {"b"})))
    assert read == [b"b/value"]
    assert values == {"a": None, "b": 2, "c": None}


def test_where_all_are_needed_they_are_read_at_once() -> None:
    function = restoring()
    assert restore_only(function, {"a", "b", "c"}) is function
    read, values = restored(function)
    assert read == list(CHECKPOINT)
    assert values == {"a": 1, "b": 2, "c": 3}
