"""Restoring a checkpoint through its op."""

from __future__ import annotations

import numpy as np
import pytest

from servable.engine.compile import compile_function
from servable.engine.run import run
from servable.graph.ir import Function, FunctionRef, Node, Value, const
from servable.ops.registry import Body, Environment
from servable.ops.resources import Resources
from servable.tensors import FLOAT, STRING, Array

STORED = {b"a": np.array([1, 2], np.float32), b"b": np.array(3, np.float32)}


def no_functions(ref: FunctionRef) -> Body:
    raise AssertionError(f"nothing calls {ref}")


@pytest.mark.parametrize("keys", [["a"], ["a", "b"]])
def test_a_checkpoint_of_any_number_of_variables_gives_a_tensor_for_each(keys: list[str]) -> None:
    def strings(*texts: str) -> Array:
        return np.array([text.encode() for text in texts], object)

    nodes = {
        "file": const("file", np.array(b"variables", object), STRING),
        "keys": const("keys", strings(*keys), STRING),
        "slices": const("slices", strings(*("" for _ in keys)), STRING),
        "restore": Node(
            "restore",
            "RestoreV2",
            (Value("file"), Value("keys"), Value("slices")),
            attrs={"dtypes": (FLOAT,) * len(keys)},
            dtypes=(FLOAT,) * len(keys),
        ),
    }
    results = tuple(Value("restore", i) for i in range(len(keys)))
    environment = Environment(Resources(), lambda key, _: STORED[key], no_functions)
    got = run(compile_function(Function("f", (), nodes, results), environment), [])
    for key, array in zip(keys, got, strict=True):
        np.testing.assert_array_equal(array, STORED[key.encode()])
