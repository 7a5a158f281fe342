"""Shapes that OpenVINO lets pass and TensorFlow refuses."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

import numpy as np
import pytest

from servable.engine.backends.openvino import OpenVinoBackend
from servable.engine.compile import compile_function
from servable.engine.run import run
from servable.errors import InvalidArgument
from servable.graph.ir import ARG, AttrValue, Function, FunctionRef, Node, Value, const
from servable.ops.registry import Body, Environment
from servable.ops.resources import Resources
from servable.tensors import FLOAT, INT32, INT64, Array


def no_functions(ref: FunctionRef) -> Body:
    raise AssertionError(f"nothing calls {ref}")


def on_an_island(nodes: Sequence[Node], x: Array) -> Array:
    """What an island makes of an input of any size: the last node's first output."""
    arg = Node("x", ARG, attrs={"T": FLOAT, "index": 0}, dtypes=(FLOAT,))
    function = Function("f", ("x",), {n.name: n for n in (arg, *nodes)}, (Value(nodes[-1].name),))
    plan = compile_function(
        function,
        Environment(Resources(), None, no_functions),
        backend=Eager(),
        shapes=[(None,) * x.ndim],
    )
    assert {s.unit.backend for s in plan.steps} == {"openvino"}
    (made,) = run(plan, [x])
    return np.asarray(made)


class Eager(OpenVinoBackend):
    """Takes what is not worth it."""

    def worth(self, nodes: Collection[Node], constants: Mapping[str, Node]) -> bool:
        del nodes, constants
        return True


def ints(name: str, *numbers: int) -> Node:
    return const(name, np.array(numbers, np.int32), INT32)


def from_column(name: str, source: str, column: int, *, alone: bool) -> list[Node]:
    """x[:, column] or x[:, column:]."""
    attrs: dict[str, AttrValue] = {
        "T": FLOAT,
        "Index": INT32,
        "begin_mask": 1,
        "end_mask": 1 if alone else 3,
        "ellipsis_mask": 0,
        "new_axis_mask": 0,
        "shrink_axis_mask": 2 if alone else 0,
    }
    vectors = [
        ints(f"{name}_begin", 0, column),
        ints(f"{name}_end", 0, column + 1),
        ints(f"{name}_strides", 1, 1),
    ]
    inputs = (Value(source), *(Value(v.name) for v in vectors))
    return [*vectors, Node(name, "StridedSlice", inputs, (), attrs, (FLOAT,))]


def picked(column: int) -> list[Node]:
    attrs: dict[str, AttrValue] = {
        "Tparams": FLOAT,
        "Tindices": INT32,
        "Taxis": INT32,
        "batch_dims": 0,
    }
    inputs = (Value("x"), Value("indices"), Value("axis"))
    axis = const("axis", np.array(1, np.int32), INT32)
    node = Node("y", "GatherV2", inputs, (), attrs, (FLOAT,))
    return [ints("indices", column, 0), axis, node]


ROWS = np.arange(6, dtype=np.float32).reshape(2, 3)


@pytest.mark.parametrize("column", [0, 2, -1, -3])
def test_a_constant_index_picks_its_column(column: int) -> None:
    made = on_an_island(from_column("y", "x", column, alone=True), ROWS)
    np.testing.assert_array_equal(made, ROWS[:, column])
    if column >= 0:
        np.testing.assert_array_equal(on_an_island(picked(column), ROWS), ROWS[:, [column, 0]])


@pytest.mark.parametrize("column", [3, -4])
def test_a_constant_index_beyond_the_columns_is_refused(column: int) -> None:
    with pytest.raises(InvalidArgument, match="of dimension 1 out of bounds"):
        on_an_island(from_column("y", "x", column, alone=True), ROWS)
    if column >= 0:
        with pytest.raises(InvalidArgument, match="indices\\[0\\] = 3 is not in \\[0, 3\\)"):
            on_an_island(picked(column), ROWS)


def test_the_first_of_no_columns_is_refused() -> None:
    nodes = from_column("z", "x", 3, alone=False) + from_column("y", "z", 0, alone=True)
    with pytest.raises(InvalidArgument, match="slice index 0 of dimension 1 out of bounds"):
        on_an_island(nodes, ROWS)


def test_the_place_of_the_largest_of_none_is_refused() -> None:
    axis = const("axis", np.array(1, np.int32), INT32)
    attrs: dict[str, AttrValue] = {"T": FLOAT, "Tidx": INT32, "output_type": INT64}
    largest = Node("y", "ArgMax", (Value("z"), Value("axis")), (), attrs, (INT64,))
    nodes = [*from_column("z", "x", 2, alone=False), axis, largest]
    np.testing.assert_array_equal(on_an_island(nodes, ROWS), [0, 0])
    with pytest.raises(InvalidArgument, match="Reduction axis 1 is empty"):
        on_an_island(nodes, ROWS[:, :2])


def blocks(block: int, before: int, behind: int) -> list[Node]:
    attrs: dict[str, AttrValue] = {"T": FLOAT, "Tblock_shape": INT32, "Tpaddings": INT32}
    borders = const("borders", np.array([[before, behind]], np.int32), INT32)
    inputs = (Value("x"), Value("block"), Value("borders"))
    made = Node("y", "SpaceToBatchND", inputs, (), attrs, (FLOAT,))
    return [ints("block", block), borders, made]


@pytest.mark.parametrize(("before", "behind"), [(0, 1), (1, 0), (2, 2), (0, 5), (3, 1)])
def test_a_block_of_padding_alone_holds_zeros(before: int, behind: int) -> None:
    nodes = blocks((1 + before + behind), before, behind)
    x = np.arange(1, 7, dtype=np.float32).reshape(3, 1, 2)
    expected = np.zeros((1 + before + behind, 3, 1, 2), np.float32)
    expected[before] = x
    np.testing.assert_array_equal(on_an_island(nodes, x), expected.reshape(-1, 1, 2))


def test_a_dimension_that_is_not_one_is_not_dropped() -> None:
    attrs: dict[str, AttrValue] = {"T": FLOAT, "squeeze_dims": (1,)}
    nodes = [Node("y", "Squeeze", (Value("x"),), (), attrs, (FLOAT,))]
    assert on_an_island(nodes, ROWS[:, :1]).shape == (2,)
    with pytest.raises(InvalidArgument, match="expected a dimension of 1, got 3"):
        on_an_island(nodes, ROWS)


def test_a_tensor_is_taken_apart_into_as_many_as_it_holds() -> None:
    attrs: dict[str, AttrValue] = {"T": FLOAT, "num": 1, "axis": 0}
    first = Node("z", "Unpack", (Value("x"),), (), attrs, (FLOAT,))
    steps = [ints("b", 0), ints("e", 2), ints("s", 1)]
    masks = ("begin_mask", "end_mask", "ellipsis_mask", "new_axis_mask", "shrink_axis_mask")
    inputs = (Value("z"), *(Value(n.name) for n in steps))
    whole: dict[str, AttrValue] = {"T": FLOAT, "Index": INT32, **dict.fromkeys(masks, 0)}
    nodes = [first, *steps, Node("y", "StridedSlice", inputs, (), whole, (FLOAT,))]
    np.testing.assert_array_equal(on_an_island(nodes, ROWS[:1]), ROWS[0, :2])
    with pytest.raises(InvalidArgument, match="Input shape axis 0 must equal 1"):
        on_an_island(nodes, ROWS)


def test_a_constant_shape_is_not_changed_to_fit() -> None:
    attrs: dict[str, AttrValue] = {"T": FLOAT, "Tshape": INT32}
    shaped = Node("y", "Reshape", (Value("x"), Value("sizes")), (), attrs, (FLOAT,))
    nodes = [ints("sizes", 6), shaped]
    assert on_an_island(nodes, ROWS).shape == (6,)
    with pytest.raises(InvalidArgument, match="a tensor with 3 values, but the requested"):
        on_an_island(nodes, ROWS[:1])


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
