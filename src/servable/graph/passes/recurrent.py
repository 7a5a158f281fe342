"""Loops over a recurrent cell become one node.

Keras writes a recurrent layer as a While over TensorLists. A step of such a loop is
a dozen tiny ops, so what it costs is the steps, not the arithmetic. `gates` says which
cells are known and `cells` how a loop over one looks; anything else stays a loop.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from servable.graph.ir import CONST, AttrValue, Function, FunctionRef, Node, Value, const
from servable.graph.passes.bind import LOOPS
from servable.graph.passes.cells import Cell, match_cell
from servable.graph.passes.matching import Match
from servable.tensors import BOOL, FLOAT, INT32, VARIANT, Array, DType

Reduced = Callable[[FunctionRef], Function]
"""Optimises a function of the library."""


def fuse_recurrent(function: Function, reduced: Reduced) -> Function:
    """Replace the loops whose body is a recurrent cell. Expects nodes in running order."""
    nodes: dict[str, Node] = {}
    moved: dict[Value, Value] = {}
    lists: dict[Value, _Written] = {}
    for node in function.nodes.values():
        node = _renamed(node, moved)
        fused = _fuse(node, function, reduced) if node.op in LOOPS else None
        if fused is not None:
            nodes.update(fused.nodes)
            moved.update(fused.results)
            lists.update(fused.lists)
            continue
        written = lists.get(node.inputs[0]) if node.op == "TensorListStack" else None
        cell = _stacked(node, written, nodes, function) if written else None
        if cell is not None:
            nodes[cell.name] = cell
            moved[Value(node.name)] = Value(cell.name)
        else:
            nodes[node.name] = node
    return function.with_nodes(nodes, results=tuple(moved.get(v, v) for v in function.results))


def _renamed(node: Node, moved: dict[Value, Value]) -> Node:
    if not any(v in moved for v in node.inputs):
        return node
    inputs = tuple(moved.get(v, v) for v in node.inputs)
    return Node(node.name, node.op, inputs, node.controls, node.attrs, node.dtypes)


@dataclass(frozen=True, slots=True)
class _Written:
    """What a TensorList holds that was reserved for just this.

    Attributes:
        cell: the node whose first output are all its elements.
        shape: what it was reserved with as the elements' shape.
    """

    cell: str
    shape: Value


def _stacked(
    stack: Node, written: _Written, nodes: dict[str, Node], function: Function
) -> Node | None:
    """The cell such that its first output is the stacked list, also where there are no steps.

    TensorFlow makes zeros of elements that were not written if it knows their shape, and
    refuses otherwise.
    """
    match = Match(function)
    shapes = [match.constant(value) for value in (stack.inputs[1], written.shape)]
    if any(s is None or s.shape != (2,) for s in shapes):
        return None
    cell = nodes[written.cell]
    if np.max([s for s in shapes if s is not None], 0).min() >= 0:
        return cell if cell.attrs["every"] else None
    return replace(cell, attrs={**cell.attrs, "needs_steps": True})


@dataclass(frozen=True, slots=True)
class _Fused:
    """What takes a loop's place.

    Attributes:
        nodes: the new nodes.
        results: the loop's values -> new ones.
        lists: a TensorList that holds what was written, and no more -> what that is.
    """

    nodes: dict[str, Node]
    results: dict[Value, Value]
    lists: dict[Value, _Written]


def _fuse(node: Node, function: Function, reduced: Reduced) -> _Fused | None:
    body_ref, cond_ref = node.attrs["body"], node.attrs["cond"]
    if not isinstance(body_ref, FunctionRef) or not isinstance(cond_ref, FunctionRef):
        return None
    if node.controls or VARIANT not in node.dtypes or FLOAT not in node.dtypes:
        return None
    body = reduced(body_ref)
    cell = match_cell(body)
    if cell is None or any(node.dtypes[i] is not FLOAT for i in (*cell.gates.order, *cell.zeros)):
        return None
    if not all(_are_zeros(function, node.inputs[i]) for i in cell.zeros):
        return None
    if cell.unread & _read(function, node):
        return None
    limits = _limits(reduced(cond_ref), cell, node, function)
    if limits is None:
        return None
    return _replacement(node, cell, limits, function)


def _limits(
    condition: Function, cell: Cell, loop: Node, function: Function
) -> list[Value | Node] | None:
    """What the counters are compared with; None unless all of them count from zero."""
    if not all(_is_zero(function, loop.inputs[counter]) for counter in cell.counters):
        return None
    match = Match(condition)
    found: list[Value | Node] = []
    stack = [condition.results[0]]
    while stack:
        value = stack.pop()
        node = condition.nodes[value.node]
        if node.op == "LogicalAnd":
            stack.extend(node.inputs)
            continue
        if node.op != "Less" or match.argument(node.inputs[0]) not in cell.counters:
            return None
        limit = match.argument(node.inputs[1])
        source = condition.nodes[node.inputs[1].node]
        if limit is not None and limit in cell.constants:
            found.append(loop.inputs[limit])
        elif source.op == CONST:
            found.append(source)
        else:
            return None
    return found or None


def _is_zero(function: Function, value: Value) -> bool:
    array = Match(function).constant(value)
    return array is not None and array.shape == () and array.dtype == np.int32 and not array.any()


def _are_zeros(function: Function, value: Value) -> bool:
    match = Match(function)
    fill = match.op(value, "Fill")
    array = match.constant(fill.inputs[1] if fill else value)
    return match.op(value, "ZerosLike") is not None or (array is not None and not array.any())


def _read(function: Function, node: Node) -> set[int]:
    """The outputs of a node that something reads."""
    values = [*function.results, *(v for n in function.nodes.values() for v in n.inputs)]
    return {v.index for v in values if v.node == node.name}


class _Builder:
    """New nodes under the loop's name."""

    def __init__(self, prefix: str) -> None:
        self._prefix = prefix
        self.nodes: dict[str, Node] = {}

    def add(
        self,
        name: str,
        op: str,
        inputs: tuple[Value, ...],
        dtypes: tuple[DType, ...],
        **attrs: AttrValue,
    ) -> Value:
        label = f"{self._prefix}/{name}"
        self.nodes[label] = Node(label, op, inputs, (), attrs, dtypes)
        return Value(label)

    def fixed(self, name: str, array: Array, dtype: DType) -> Value:
        label = f"{self._prefix}/{name}"
        self.nodes[label] = const(label, array, dtype)
        return Value(label)

    def number(self, name: str, value: int) -> Value:
        return self.fixed(name, np.asarray(value, np.int32), INT32)


def _replacement(loop: Node, cell: Cell, limits: list[Value | Node], function: Function) -> _Fused:
    build = _Builder(loop.name)
    gates = cell.gates
    steps = _steps(build, limits)
    rows = _rows(build, "input", loop.inputs[cell.source], FLOAT, function)
    if cell.mask is None:
        mask = build.fixed("no_mask", np.ones((0, 0, 1), np.bool_), BOOL)
    else:
        mask = _rows(build, "mask", loop.inputs[cell.mask], BOOL, function)
    weights = tuple(build.fixed(f"weight_{i}", w, FLOAT) for i, w in enumerate(gates.weights))
    states = tuple(loop.inputs[i] for i in gates.order)
    outputs = build.add(
        "cell",
        gates.op,
        (rows, mask, steps, *states, *weights),
        (FLOAT,) * (1 + len(states)),
        T=FLOAT,
        every=cell.every_step,
        masked=cell.mask is not None,
        zero_output=cell.zero_output,
        needs_steps=False,
        **gates.attrs,
    )
    target = loop.inputs[cell.target]
    written = build.add(
        "written",
        "TensorListScatterIntoExistingList",
        (target, outputs, _places(build, steps, cell.every_step)),
        (VARIANT,),
        element_dtype=FLOAT,
    )
    results = {Value(loop.name, i): loop.inputs[i] for i in cell.constants}
    results.update({Value(loop.name, i): steps for i in cell.counters})
    results.update(
        {Value(loop.name, i): Value(outputs.node, 1 + n) for n, i in enumerate(gates.order)}
    )
    results[Value(loop.name, cell.target)] = written
    one: list[Value | Node] = [const("one", np.asarray(1, np.int32), INT32)]
    lists = {}
    if _has_size(function, target, limits if cell.every_step else one):
        lists[written] = _Written(outputs.node, function.nodes[target.node].inputs[0])
    return _Fused(build.nodes, results, lists)


def _rows(build: _Builder, name: str, items: Value, dtype: DType, function: Function) -> Value:
    """The elements of a TensorList as one tensor."""
    source = function.nodes[items.node]
    if source.op == "TensorListFromTensor":
        return source.inputs[0]
    return build.add(
        name,
        "TensorListStack",
        (items, build.number(f"{name}_shape", -1)),
        (dtype,),
        element_dtype=dtype,
        num_elements=-1,
    )


def _places(build: _Builder, steps: Value, every_step: bool) -> Value:
    """Where the cell's outputs belong: all places, or the first unless there are no steps."""
    if not every_step:
        one = (steps, build.number("most", 1))
        steps = build.add("written_steps", "Minimum", one, (INT32,), T=INT32)
    limits = (build.number("zero", 0), steps, build.number("one", 1))
    return build.add("places", "Range", limits, (INT32,), Tidx=INT32)


def _steps(build: _Builder, limits: list[Value | Node]) -> Value:
    """The smallest of the limits."""
    values = []
    for index, limit in enumerate(limits):
        if isinstance(limit, Node):
            values.append(build.fixed(f"limit_{index}", _constant(limit), INT32))
        else:
            values.append(limit)
    steps = values[0]
    for index, value in enumerate(values[1:]):
        if value != steps:
            steps = build.add(f"steps_{index}", "Minimum", (steps, value), (INT32,), T=INT32)
    return steps


def _constant(node: Node) -> Array:
    value = node.attrs["value"]
    return value if isinstance(value, np.ndarray) else np.asarray(value)


def _has_size(function: Function, target: Value, limits: list[Value | Node]) -> bool:
    """Whether a list is reserved for just as many elements as every limit says."""
    reserve = function.nodes[target.node]
    if reserve.op != "TensorListReserve":
        return False
    size = reserve.inputs[1]
    known = Match(function).constant(size)

    def same(limit: Value | Node) -> bool:
        if isinstance(limit, Value):
            other = Match(function).constant(limit)
            if limit == size:
                return True
        else:
            other = _constant(limit)
        return known is not None and other is not None and int(known) == int(other)

    return all(map(same, limits))
