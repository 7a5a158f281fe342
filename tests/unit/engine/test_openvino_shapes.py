"""Shapes that OpenVINO lets pass and TensorFlow refuses."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from servable.engine.backends.openvino import OpenVinoBackend
from servable.engine.compile import compile_function
from servable.engine.run import run
from servable.errors import InvalidArgument
from servable.graph.ir import ARG, AttrValue, Function, FunctionRef, Node, Value, const
from servable.ops.registry import Body, Environment
from servable.ops.resources import Resources
from servable.tensors import FLOAT, INT32


def no_functions(ref: FunctionRef) -> Body:
    raise AssertionError(f"nothing calls {ref}")


def enlarge(
    padding: bytes, around: Sequence[int], dilation: int, given: tuple[int, int]
) -> tuple[int, ...]:
    """The shape of what an island makes of an input of these spatial sizes: 6 by 5 is asked for."""
    attrs: dict[str, AttrValue] = {
        "T": FLOAT,
        "strides": (1, 1 if dilation > 1 else 2, 1, 1),
        "padding": padding,
        "explicit_paddings": tuple(around),
        "data_format": b"NHWC",
        "dilations": (1, dilation, 1, 1),
        "use_cudnn_on_gpu": True,
    }
    nodes = (
        Node("x", ARG, attrs={"T": FLOAT, "index": 0}, dtypes=(FLOAT,)),
        const("f", np.ones((3, 2, 3, 2), np.float32), FLOAT),
        const("s", np.array([2, 6, 5, 3], np.int32), INT32),
        Node(
            "y",
            "Conv2DBackpropInput",
            (Value("s"), Value("f"), Value("x")),
            (),
            attrs,
            (FLOAT,),
        ),
    )
    plan = compile_function(
        Function("f", ("x",), {n.name: n for n in nodes}, (Value("y"),)),
        Environment(Resources(), None, no_functions),
        backend=OpenVinoBackend(),
        shapes=[(None, None, None, 2)],
    )
    assert [s.unit.backend for s in plan.steps] == ["openvino"]
    (made,) = run(plan, [np.ones((2, *given, 2), np.float32)])
    shape: tuple[int, ...] = made.shape
    return shape


CASES = [
    (b"SAME", (), 1, (3, 5)),
    (b"VALID", (), 1, (2, 4)),
    (b"SAME", (), 2, (6, 5)),
    (b"EXPLICIT", (0, 0, 1, 2, 0, 3, 0, 0), 1, (4, 7)),
]


@pytest.mark.parametrize(("padding", "around", "dilation", "given"), CASES)
def test_an_image_of_the_size_that_is_asked_for_is_made(
    padding: bytes, around: Sequence[int], dilation: int, given: tuple[int, int]
) -> None:
    assert enlarge(padding, around, dilation, given) == (2, 6, 5, 3)


@pytest.mark.parametrize(("padding", "around", "dilation", "given"), CASES)
@pytest.mark.parametrize("wrong", [(1, 0), (0, 1), (-1, 0), (0, -1)])
def test_an_input_that_no_such_image_has_is_refused(
    padding: bytes,
    around: Sequence[int],
    dilation: int,
    given: tuple[int, int],
    wrong: tuple[int, int],
) -> None:
    sizes = (given[0] + wrong[0], given[1] + wrong[1])
    with pytest.raises(InvalidArgument, match="Size of out_backprop doesn't match"):
        enlarge(padding, around, dilation, sizes)
