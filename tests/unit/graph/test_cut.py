from __future__ import annotations

import numpy as np

from servable.engine.compile import compile_function
from servable.engine.run import run
from servable.graph.cut import cut
from servable.graph.ir import FunctionRef, Node, Value
from servable.graph.passes.prune import prune
from servable.ops.registry import Body, Environment
from servable.ops.resources import Resources
from servable.tensors import FLOAT


def no_functions(ref: FunctionRef) -> Body:
    raise AssertionError(ref)


def test_a_tensor_that_two_aliases_feed_takes_the_value_of_the_later() -> None:
    nodes = {
        "x": Node("x", "Placeholder", attrs={"dtype": FLOAT, "shape": None}, dtypes=(FLOAT,)),
        "y": Node("y", "Neg", (Value("x"),), attrs={"T": FLOAT}, dtypes=(FLOAT,)),
    }
    feeds = {"a": (Value("x"), FLOAT), "b": (Value("x"), FLOAT)}
    function = prune(cut("f", nodes, feeds, (Value("y"), Value("x"))))
    environment = Environment(Resources(), None, no_functions)
    made = run(
        compile_function(function, environment),
        [np.array([1], np.float32), np.array([2], np.float32)],
    )
    assert [m.tolist() for m in made] == [[-2], [2]]
