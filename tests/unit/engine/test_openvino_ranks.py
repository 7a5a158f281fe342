"""Islands of images whose rank shows only in a request."""

from __future__ import annotations

from collections.abc import Collection, Mapping

import numpy as np
import pytest

from servable.engine.backends.openvino import OpenVinoBackend
from servable.engine.compile import compile_function
from servable.engine.run import run
from servable.graph.ir import ARG, AttrValue, Function, FunctionRef, Node, Value, const
from servable.ops.registry import Body, Environment
from servable.ops.resources import Resources
from servable.tensors import FLOAT, INT32, Array, Shape


def no_functions(ref: FunctionRef) -> Body:
    raise AssertionError(f"nothing calls {ref}")


class Eager(OpenVinoBackend):
    """Takes what is not worth it."""

    def worth(self, nodes: Collection[Node], constants: Mapping[str, Node]) -> bool:
        del nodes, constants
        return True


POOL = Node(
    "pool",
    "MaxPool",
    (Value("image"),),
    attrs={
        "T": FLOAT,
        "ksize": (1, 1, 2, 1),
        "strides": (1, 1, 2, 1),
        "padding": b"VALID",
        "explicit_paddings": (),
        "data_format": b"NHWC",
    },
    dtypes=(FLOAT,),
)
SQUEEZE = Node(
    "out", "Squeeze", (Value("pool"),), attrs={"T": FLOAT, "squeeze_dims": (1,)}, dtypes=(FLOAT,)
)
X = np.random.default_rng(0).normal(size=(2, 8, 3)).astype(np.float32)
POOLED = X.reshape(2, 4, 2, 3).max(axis=2)


def pooled(before: list[Node], *args: Array, shapes: list[Shape]) -> Array:
    """What an island makes of sequences that become images first."""
    given = (
        Node(name, ARG, attrs={"T": dtype, "index": index}, dtypes=(dtype,))
        for index, (name, dtype) in enumerate((("x", FLOAT), ("sizes", INT32))[: len(args)])
    )
    nodes = {n.name: n for n in (*given, *before, POOL, SQUEEZE)}
    function = Function("f", ("x", "sizes")[: len(args)], nodes, (Value("out"),))
    plan = compile_function(
        function, Environment(Resources(), None, no_functions), backend=Eager(), shapes=shapes
    )
    (made,) = run(plan, args)
    return np.asarray(made)


AXIS = const("axis", np.array(1, np.int32), INT32)


def image(source: str) -> Node:
    """A sequence as an image of one row."""
    attrs: dict[str, AttrValue] = {"T": FLOAT, "Tdim": INT32}
    return Node("image", "ExpandDims", (Value(source), Value("axis")), (), attrs, (FLOAT,))


@pytest.mark.parametrize("shape", [(2, 8, 3), (None, None, 3), (None, None, None), None])
def test_sequences_that_are_pooled_as_images_come_back_as_sequences(shape: Shape) -> None:
    np.testing.assert_array_equal(pooled([AXIS, image("x")], X, shapes=[shape]), POOLED)


@pytest.mark.parametrize("known", [(3,), (None,), None])
def test_sequences_whose_rank_only_a_value_tells_are_pooled_right(known: Shape) -> None:
    reshape = Node(
        "reshaped",
        "Reshape",
        (Value("x"), Value("sizes")),
        attrs={"T": FLOAT, "Tshape": INT32},
        dtypes=(FLOAT,),
    )
    sizes = np.array([2, 8, 3], np.int32)
    made = pooled([AXIS, reshape, image("reshaped")], X, sizes, shapes=[(None, None, 3), known])
    np.testing.assert_array_equal(made, POOLED)


def test_a_convolution_of_groups_runs_on_an_island_where_the_channels_are_known() -> None:
    kernel = np.random.default_rng(1).normal(size=(1, 3, 2, 8)).astype(np.float32)
    attrs: dict[str, AttrValue] = {
        "T": FLOAT,
        "strides": (1, 1, 1, 1),
        "padding": b"VALID",
        "explicit_paddings": (),
        "data_format": b"NHWC",
        "dilations": (1, 1, 1, 1),
        "use_cudnn_on_gpu": True,
    }
    nodes = (
        Node("x", ARG, attrs={"T": FLOAT, "index": 0}, dtypes=(FLOAT,)),
        const("kernel", kernel, FLOAT),
        Node("out", "Conv2D", (Value("x"), Value("kernel")), (), attrs, (FLOAT,)),
    )
    function = Function("f", ("x",), {n.name: n for n in nodes}, (Value("out"),))
    environment = Environment(Resources(), None, no_functions)
    shape = (None, None, None, 4)
    plan = compile_function(function, environment, backend=Eager(), shapes=[shape])
    assert {step.unit.backend for step in plan.steps} == {"openvino"}
    x = np.random.default_rng(2).normal(size=(2, 1, 7, 4)).astype(np.float32)
    (expected,) = run(compile_function(function, environment), [x])
    np.testing.assert_allclose(run(plan, [x])[0], expected, atol=1e-5)
