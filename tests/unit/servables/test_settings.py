from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from servable.engine.compile import compile_function
from servable.engine.run import run
from servable.errors import ResourceExhausted
from servable.graph.ir import ARG, AttrValue, Function, FunctionRef, Node, Value
from servable.ops.registry import Body, Environment
from servable.ops.resources import Resources
from servable.tensors import INT32, Array


def counts_for_ever(ref: FunctionRef) -> Body:
    def body(args: Sequence[Array]) -> list[Array]:
        return [np.array(True)] if ref.name == "cond" else [args[0] + 1]

    return body


def test_a_loop_that_never_ends_is_ended_after_as_many_steps_as_are_allowed() -> None:
    attrs: dict[str, AttrValue] = {
        "T": (INT32,),
        "cond": FunctionRef("cond"),
        "body": FunctionRef("body"),
    }
    loop = Node("loop", "StatelessWhile", (Value("x"),), (), attrs, (INT32,))
    x = Node("x", ARG, attrs={"T": INT32, "index": 0}, dtypes=(INT32,))
    function = Function("f", ("x",), {"x": x, "loop": loop}, (Value("loop"),))
    environment = Environment(Resources(), None, counts_for_ever, most_steps=7)
    plan = compile_function(function, environment)
    with pytest.raises(ResourceExhausted, match="a loop ran for 7 steps, which is the most"):
        run(plan, [np.array(0, np.int32)])
