"""Whether a function computes each row of its inputs by itself.

Requests may be computed together only if no row of the answer depends on another row. This
looks for the places in a graph where rows could meet: a mean over the batch, a sort along it,
a random number, a loop. It is a screen and no proof, since ranks and sizes are not known
here; who merges requests compares merged answers with separate ones before trusting it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from servable.engine.rows_ops import (
    ANY_AXIS,
    FIRST_AXIS,
    KEEP_ALIKE,
    READS,
    REDUCTIONS,
    REPEAT,
    SIZES_OF,
    TAKE_SIZES,
    TWO_FACTORS,
)
from servable.graph.effects import has_effect
from servable.graph.ir import ARG, CONST, Function, Node, Value
from servable.tensors import Array

FIXED: Final = -3
"""A value that the inputs have no part in."""

ALIKE: Final = -2
"""A value whose elements do not depend on how many rows there are, though their number may:
the size of another axis, or a row of constants for each row."""

SIZES: Final = -1
"""A value that depends on the inputs' sizes and on nothing else of them. Any other number is
the axis along which the value has the inputs' rows."""


@dataclass(frozen=True, slots=True)
class _Mixed(Exception):
    """Rows may meet here."""

    reason: str


def mixing(function: Function) -> str:
    """Return where rows of different requests could meet; "" where that was not found.

    Args:
        function: a signature after all passes, its nodes in an order in which each comes
            after all that it needs.
    """
    axes: dict[Value, int] = {}
    known = _Known(function.nodes, axes)
    for node in function.nodes.values():
        try:
            axes.update(zip(node.outputs(), _axes(node, known), strict=True))
        except _Mixed as mixed:
            return f"{node.op} {node.name}: {mixed.reason}"
        except (ValueError, IndexError):
            # An axis that there is not; whoever runs it will be told.
            return f"{node.op} {node.name}: it names an axis that there is not"
    for result in function.results:
        if axes[result] != 0:
            return f"{result}: no row of it belongs to a row of the inputs"
    return ""


@dataclass(frozen=True, slots=True)
class _Known:
    """What is known of a function's values so far."""

    nodes: Mapping[str, Node]
    axes: Mapping[Value, int]

    def axis(self, value: Value) -> int:
        return self.axes[value]

    def constant(self, value: Value) -> Array:
        node = self.nodes[value.node]
        found = node.attrs.get("value")
        if node.op != CONST or not isinstance(found, np.ndarray):
            raise _Mixed("where it takes rows from is not known beforehand")
        return found

    def numbers(self, value: Value) -> list[int]:
        return [int(number) for number in self.constant(value).ravel()]


def _axes(node: Node, known: _Known) -> Sequence[int]:
    """The axis of each output."""
    outputs = len(node.dtypes)
    if node.op == ARG:
        return [0] * outputs
    if has_effect(node.op) and node.op not in READS:
        raise _Mixed("it does more than compute")
    inputs = [known.axis(value) for value in node.inputs]
    if all(axis < 0 for axis in inputs):
        return [_rowless(node, inputs, known)] * outputs
    if node.op in SIZES_OF:
        return [SIZES] * outputs
    if SIZES in inputs and node.op not in TAKE_SIZES:
        raise _Mixed("it computes with the number of rows")
    if node.op in _RECURRENT and inputs[0] == 1:
        return [1, 0, 0][:outputs]  # all steps, and the last states
    rule = _RULES.get(node.op)
    if rule is None:
        raise _Mixed("rows are not known to stay apart in it")
    return [rule(_Place(node, inputs, known))] * outputs


def _rowless(node: Node, inputs: Sequence[int], known: _Known) -> int:
    """What is made of values that have no rows."""
    if node.op in REPEAT:
        value = inputs[REPEAT[node.op]]
        return max(inputs) if value == SIZES else min(ALIKE, max(inputs))
    if node.op == "StridedSlice" and inputs[0] == SIZES and _takes_other_sizes(node, known):
        return ALIKE
    most = max(inputs, default=FIXED)
    return SIZES if most == ALIKE and node.op not in KEEP_ALIKE else most


def _takes_other_sizes(node: Node, known: _Known) -> bool:
    """Whether a slice of a shape leaves the size out that is the number of rows."""
    shape = known.nodes[node.inputs[0].node]
    begin = known.nodes[node.inputs[1].node].attrs.get("value")
    stride = known.nodes[node.inputs[3].node].attrs.get("value")
    if shape.op != "Shape" or not isinstance(begin, np.ndarray) or node.attrs.get("begin_mask"):
        return False
    if not isinstance(stride, np.ndarray) or begin.size != 1 or stride.ravel()[0] < 1:
        return False
    rows, first = known.axis(shape.inputs[0]), int(begin.ravel()[0])
    return first > rows >= 0 or bool(node.attrs.get("shrink_axis_mask") and 0 <= first < rows)


@dataclass(frozen=True, slots=True)
class _Place:
    """A node with an input that has rows.

    Attributes:
        axes: the axis of each input.
    """

    node: Node
    axes: Sequence[int]
    known: _Known

    def attr(self, name: str) -> int:
        """A number among the attributes; 0 where there is none."""
        found = self.node.attrs.get(name)
        return found if isinstance(found, int) else 0

    def numbers(self, place: int) -> list[int]:
        """The elements of an input that is a constant."""
        return self.known.numbers(self.node.inputs[place])


Rule = Callable[[_Place], int]


def _same(at: _Place) -> int:
    """Element by element: all that have rows have them along the same axis."""
    return _common(at.axes)


def _common(inputs: Sequence[int]) -> int:
    axes = {axis for axis in inputs if axis >= 0}
    if len(axes) != 1:
        raise _Mixed("its inputs have their rows along different axes")
    return axes.pop()


def _first(at: _Place) -> int:
    """Row by row along the first axis of the first input."""
    if at.axes[0] != 0 or any(axis >= 0 for axis in at.axes[1:]):
        raise _Mixed("it takes rows otherwise than along its first input's first axis")
    return 0


def _factors(at: _Place) -> int:
    """Products of matrices for each row."""
    if any(axis > 0 for axis in at.axes):
        raise _Mixed("rows are along an axis that it sums over")
    return 0


def _product(at: _Place) -> int:
    if at.axes[0] != 0 or at.axes[1] >= 0 or at.node.attrs.get("transpose_a"):
        raise _Mixed("it multiplies rows with one another")
    return 0


def _reduced(at: _Place) -> int:
    axis = at.axes[0]
    gone = at.numbers(1)
    if axis in gone or not gone:
        raise _Mixed("it goes along the rows")
    if at.node.attrs.get("keep_dims"):
        return axis
    if axis and min(gone) < 0:
        raise _Mixed("it is not known which axis is left of the rows")
    return axis - sum(0 <= one < axis for one in gone)


def _along(place: int, *, removes: bool = False, adds: bool = False) -> Rule:
    """Something along the axis that the input `place` names."""

    def rule(at: _Place) -> int:
        others = [axis for number, axis in enumerate(at.axes) if number != place % len(at.axes)]
        axis = _common(others)
        return _stepped(axis, at.numbers(place), removes, adds)

    return rule


def _attribute(name: str, *, removes: bool = False, adds: bool = False) -> Rule:
    def rule(at: _Place) -> int:
        return _stepped(_same(at), [at.attr(name)], removes, adds)

    return rule


def _stepped(axis: int, along: Sequence[int], removes: bool, adds: bool) -> int:
    if adds:
        if axis and min(along) < 0:
            raise _Mixed("it is not known which axis becomes that of the rows")
        return axis + sum(0 <= one <= axis for one in along)
    if axis in along:
        raise _Mixed("it goes along the rows")
    if removes and axis and min(along) < 0:
        raise _Mixed("it is not known which axis is left of the rows")
    return axis - sum(0 <= one < axis for one in along) if removes else axis


def _transpose(at: _Place) -> int:
    return at.numbers(1).index(at.axes[0])


def _reshape(at: _Place) -> int:
    if at.axes[0] != 0 or at.axes[1] >= 0:
        raise _Mixed("rows are not along its first axis")
    if at.axes[1] == FIXED and at.numbers(1)[:1] != [-1]:
        raise _Mixed("the number of rows is fixed")
    return 0


def _squeeze(at: _Place) -> int:
    gone = at.node.attrs.get("squeeze_dims")
    if not isinstance(gone, tuple) or not gone:
        raise _Mixed("a single row would lose its axis")
    return _stepped(at.axes[0], [int(str(one)) for one in gone], True, False)


def _untouched(place: int, kept: int) -> Rule:
    """Something with a number, or a pair of them, for each axis; those of the rows do nothing."""

    def rule(at: _Place) -> int:
        axis = at.axes[0]
        if axis < 0 or any(other >= 0 for other in at.axes[1:]):
            raise _Mixed("what it does depends on values of the inputs")
        if at.axes[place] == FIXED:
            per_axis = at.known.constant(at.node.inputs[place])
            if axis >= len(per_axis) or np.any(per_axis[axis] != kept):
                raise _Mixed("it changes the number of rows")
        return axis

    return rule


def _slice(at: _Place) -> int:
    if any(axis >= 0 for axis in at.axes[1:]):
        raise _Mixed("what it takes depends on values of the inputs")
    begins, sizes = (at.numbers(place) for place in (1, 2))
    if begins[at.axes[0]] != 0 or sizes[at.axes[0]] != -1:
        raise _Mixed("it takes some of the rows")
    return at.axes[0]


def _strided(at: _Place) -> int:
    if at.axes[0] < 0 or any(axis >= 0 for axis in at.axes[1:]):
        raise _Mixed("what it takes depends on values of the inputs")
    masks = {
        name: at.attr(f"{name}_mask")
        for name in ("begin", "end", "ellipsis", "new_axis", "shrink_axis")
    }
    places = at.known.constant(at.node.inputs[3]).size
    axis, made = 0, 0
    for place in range(places):
        if masks["ellipsis"] >> place & 1:
            if axis <= at.axes[0]:
                if at.axes[0] == 0 and place == 0:
                    return 0
                raise _Mixed("it is not known which axis its ellipsis stands for")
            break
        if masks["new_axis"] >> place & 1:
            made += 1
            continue
        if axis == at.axes[0]:
            whole = masks["begin"] >> place & 1 and masks["end"] >> place & 1
            forward = at.numbers(3)[place] == 1
            if not whole or not forward or masks["shrink_axis"] >> place & 1:
                raise _Mixed("it takes some of the rows")
            return made
        made += not masks["shrink_axis"] >> place & 1
        axis += 1
    return at.axes[0] - axis + made


def _gather(at: _Place) -> int:
    axis = at.numbers(2)[0] if len(at.node.inputs) > 2 else 0
    batch = at.attr("batch_dims")
    table, indices = at.axes[:2]
    if table < 0 and indices == 0 and axis == 0:
        return 0  # a row of a table of weights for each index
    if table == 0 and indices < 0 and axis != 0 and not batch:
        return 0
    if table == indices == 0 and batch >= 1:
        return 0
    raise _Mixed("it takes rows by their numbers")


def _einsum(at: _Place) -> int:
    equation = at.node.attrs.get("equation")
    text = equation.decode() if isinstance(equation, bytes) else ""
    left, _, right = text.replace(" ", "").partition("->")
    terms = left.split(",")
    labels = {t[:1] for t, axis in zip(terms, at.axes, strict=True) if axis >= 0}
    if any(axis > 0 for axis in at.axes) or len(labels) != 1 or labels != {right[:1]}:
        raise _Mixed("it sums over rows, or moves them")
    label = labels.pop()
    elsewhere = [t for t, axis in zip(terms, at.axes, strict=True) if axis < 0 and label in t]
    if elsewhere and label != ".":
        raise _Mixed("weights have an axis that counts rows")
    return 0


def _normalized(at: _Place) -> int:
    if at.node.attrs.get("is_training"):
        raise _Mixed("it normalizes by the mean of the batch")
    return _first(at)


def _one_hot(at: _Place) -> int:
    if at.node.attrs.get("axis") == 0:
        raise _Mixed("it moves the rows")
    return _first(at)


def _broadcast(at: _Place) -> int:
    if at.axes[1] == FIXED:
        raise _Mixed("the number of rows is fixed")
    return _first(at)


def _parsed(at: _Place) -> int:
    if any(
        at.node.attrs.get(name) for name in ("num_sparse", "sparse_types", "ragged_value_types")
    ):
        raise _Mixed("it makes tensors that are not dense")
    shapes = at.node.attrs.get("dense_shapes")
    if not isinstance(shapes, tuple) or not all(_is_known(shape) for shape in shapes):
        raise _Mixed("it makes all rows as long as the longest")
    return _first(at)


def _is_known(shape: object) -> bool:
    return isinstance(shape, tuple) and None not in shape


_RECURRENT = frozenset({"_LSTM", "_GRU", "_RNN"})

_RULES: Mapping[str, Rule] = {
    **dict.fromkeys(ANY_AXIS, _same),
    **dict.fromkeys(FIRST_AXIS, _first),
    **dict.fromkeys(REDUCTIONS, _reduced),
    **dict.fromkeys(TWO_FACTORS, _factors),
    **dict.fromkeys(("FusedBatchNorm", "FusedBatchNormV2", "FusedBatchNormV3"), _normalized),
    **dict.fromkeys(("ParseExample", "ParseExampleV2"), _parsed),
    "OneHot": _one_hot,
    "BroadcastTo": _broadcast,
    "MatMul": _product,
    "Einsum": _einsum,
    "ArgMax": _along(1, removes=True),
    "ArgMin": _along(1, removes=True),
    "Cumsum": _along(1),
    "Cumprod": _along(1),
    "ReverseV2": _along(1),
    "ConcatV2": _along(-1),
    "Concat": _along(0),
    "Split": _along(0),
    "SplitV": _along(2),
    "ExpandDims": _along(1, adds=True),
    "Pack": _attribute("axis", adds=True),
    "Unpack": _attribute("axis", removes=True),
    "Squeeze": _squeeze,
    "Transpose": _transpose,
    "Reshape": _reshape,
    "Pad": _untouched(1, 0),
    "PadV2": _untouched(1, 0),
    "MirrorPad": _untouched(1, 0),
    "Tile": _untouched(1, 1),
    "Slice": _slice,
    "StridedSlice": _strided,
    "Gather": _gather,
    "GatherV2": _gather,
}
