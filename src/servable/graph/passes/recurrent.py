"""Loops over an LSTM or GRU cell become one node.

Keras writes a recurrent layer as a While over TensorLists. A step of such a loop is
a dozen tiny ops, so what it costs is the steps, not the arithmetic. What is looked for
is the data flow of the cell, whatever the nodes are called:

    LSTM   z = x K + h R + b;  i, f, g, o = split(z)
           c' = sig(f) c + sig(i) tanh(g);  h' = sig(o) tanh(c')
    GRU    (reset after the product)  xz, xr, xh = split(x K + b);  hz, hr, hh = split(h R + d)
           z = sig(xz + hz);  r = sig(xr + hr);  h' = z h + (1 - z) tanh(xh + r hh)

Anything else stays a loop.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from servable.graph.ir import CONST, AttrValue, Function, FunctionRef, Node, Value, const
from servable.graph.passes.bind import LOOPS
from servable.graph.passes.cells import Cell, Match, match_cell
from servable.tensors import FLOAT, INT32, VARIANT, Array, DType

Reduced = Callable[[FunctionRef], Function]
"""Optimises a function of the library."""


def fuse_recurrent(function: Function, reduced: Reduced) -> Function:
    """Replace the loops whose body is an LSTM or GRU cell. Expects nodes in running order."""
    nodes: dict[str, Node] = {}
    moved: dict[Value, Value] = {}
    lists: dict[Value, Value] = {}
    for node in function.nodes.values():
        node = _renamed(node, moved)
        fused = _fuse(node, function, reduced) if node.op in LOOPS else None
        if fused is not None:
            nodes.update(fused.nodes)
            moved.update(fused.results)
            lists.update(fused.lists)
            continue
        nodes[node.name] = node
        if node.op == "TensorListStack" and node.inputs[0] in lists:
            moved[Value(node.name)] = lists[node.inputs[0]]
    return function.with_nodes(nodes, results=tuple(moved.get(v, v) for v in function.results))


def _renamed(node: Node, moved: dict[Value, Value]) -> Node:
    if not any(v in moved for v in node.inputs):
        return node
    inputs = tuple(moved.get(v, v) for v in node.inputs)
    return Node(node.name, node.op, inputs, node.controls, node.attrs, node.dtypes)


@dataclass(frozen=True, slots=True)
class _Fused:
    """What takes a loop's place.

    Attributes:
        nodes: the new nodes.
        results: the loop's values -> new ones.
        lists: a TensorList that holds each step's output, and no more -> these as a tensor.
    """

    nodes: dict[str, Node]
    results: dict[Value, Value]
    lists: dict[Value, Value]


def _fuse(node: Node, function: Function, reduced: Reduced) -> _Fused | None:
    body_ref, cond_ref = node.attrs["body"], node.attrs["cond"]
    if not isinstance(body_ref, FunctionRef) or not isinstance(cond_ref, FunctionRef):
        return None
    if node.controls or VARIANT not in node.dtypes or FLOAT not in node.dtypes:
        return None
    body = reduced(body_ref)
    cell = match_cell(body)
    if cell is None or any(node.dtypes[i] is not FLOAT for i in cell.states):
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
    steps = _steps(build, limits)
    source = function.nodes[loop.inputs[cell.source].node]
    if source.op == "TensorListFromTensor":
        rows = source.inputs[0]
    else:
        rows = build.add(
            "input",
            "TensorListStack",
            (loop.inputs[cell.source], build.number("any_shape", -1)),
            (FLOAT,),
            element_dtype=FLOAT,
            num_elements=-1,
        )
    weights = tuple(build.fixed(f"weight_{i}", w, FLOAT) for i, w in enumerate(cell.weights))
    states = tuple(loop.inputs[i] for i in cell.states)
    outputs = build.add(
        "cell", cell.op, (rows, steps, *states, *weights), (FLOAT,) * (1 + len(states)), T=FLOAT
    )
    target = loop.inputs[cell.target]
    if cell.every_step:
        places = build.add(
            "places",
            "Range",
            (build.number("zero", 0), steps, build.number("one", 1)),
            (INT32,),
            Tidx=INT32,
        )
        written = build.add(
            "written",
            "TensorListScatterIntoExistingList",
            (target, outputs, places),
            (VARIANT,),
            element_dtype=FLOAT,
        )
    else:
        written = build.add(
            "written",
            "TensorListSetItem",
            (target, build.number("place", 0), Value(outputs.node, 1)),
            (VARIANT,),
            element_dtype=FLOAT,
            resize_if_index_out_of_bounds=False,
        )
    results = {Value(loop.name, i): loop.inputs[i] for i in cell.constants}
    results.update({Value(loop.name, i): steps for i in cell.counters})
    results.update(
        {Value(loop.name, i): Value(outputs.node, 1 + n) for n, i in enumerate(cell.states)}
    )
    results[Value(loop.name, cell.target)] = written
    filled = cell.every_step and _has_size(function, target, limits)
    return _Fused(build.nodes, results, {written: outputs} if filled else {})


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
