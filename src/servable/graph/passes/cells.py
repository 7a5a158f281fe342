"""Recognise an LSTM or GRU cell in the body of a loop."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from servable.graph.ir import ARG, CONST, Function, Node, Value
from servable.tensors import Array


@dataclass(frozen=True, slots=True)
class Cell:
    """A loop over a cell, in numbers of the loop's variables.

    Attributes:
        op: `_LSTM` or `_GRU`.
        source: the TensorList that inputs are read from, at the step's number.
        target: the TensorList that outputs are written to.
        every_step: whether each step writes at its own number, or all at zero.
        states: h, or h and c.
        counters: variables that grow by one.
        constants: variables that stay.
        weights: LSTM: K [inputs, 4 units], R [units, 4 units], b [4 units], gates in
            the order i, f, g, o. GRU: K, R, b, d with gates z, r, h.
    """

    op: str
    source: int
    target: int
    every_step: bool
    states: tuple[int, ...]
    counters: frozenset[int]
    constants: frozenset[int]
    weights: tuple[Array, ...]


class Match:
    """Questions about the values of one function."""

    def __init__(self, function: Function) -> None:
        self.nodes = function.nodes
        self._args = {name: i for i, name in enumerate(function.args)}

    def argument(self, value: Value) -> int | None:
        """The number of the argument that a value is."""
        return self._args.get(value.node) if self.nodes[value.node].op == ARG else None

    def constant(self, value: Value) -> Array | None:
        """The constant that a value is."""
        found = self.nodes[value.node].attrs.get("value")
        is_const = self.nodes[value.node].op == CONST
        return found if is_const and isinstance(found, np.ndarray) else None

    def op(self, value: Value, *ops: str) -> Node | None:
        """The node behind a value, if its op is one of these and the value its only output."""
        node = self.nodes[value.node]
        return node if node.op in ops and value.index == 0 else None

    def pairs(self, value: Value, *ops: str) -> Iterator[tuple[Value, Value]]:
        """The operands of a commutative op, in both orders."""
        node = self.op(value, *ops)
        if node is not None and len(node.inputs) == 2:
            a, b = node.inputs
            yield a, b
            yield b, a

    def unary(self, value: Value, op: str) -> Value | None:
        """The operand of an op of one input."""
        node = self.op(value, op)
        return node.inputs[0] if node else None

    def product(self, value: Value) -> tuple[Value, Array] | None:
        """x and w of a product x w with a constant matrix."""
        node = self.op(value, "MatMul")
        if node is None or node.attrs["transpose_a"] or node.attrs["transpose_b"]:
            return None
        weight = self.constant(node.inputs[1])
        return (node.inputs[0], weight) if weight is not None and weight.ndim == 2 else None

    def part(self, value: Value, parts: int) -> tuple[Value, int, int | None] | None:
        """What a value is a part of, which, and its width if known, if it is one of equal parts
        of the last axis."""
        node = self.nodes[value.node]
        if node.op == "Split" and len(node.dtypes) == parts:
            axis = self.constant(node.inputs[0])
            if axis is not None and int(axis) in (1, -1):
                return node.inputs[1], value.index, None
        if node.op == "StridedSlice":
            return self._slice_part(node, parts)
        return None

    def _slice_part(self, node: Node, parts: int) -> tuple[Value, int, int] | None:
        """`x[:, a:b]` as one of equal parts; whoever knows the whole's width checks the part's."""
        bounds = [self.constant(v) for v in node.inputs[1:]]
        if any(b is None or b.shape != (2,) for b in bounds):
            return None
        begin, end, strides = ([int(x) for x in b] for b in bounds if b is not None)
        masks = (
            node.attrs["ellipsis_mask"],
            node.attrs["new_axis_mask"],
            node.attrs["shrink_axis_mask"],
        )
        begin_mask, end_mask = node.attrs["begin_mask"], node.attrs["end_mask"]
        if any(masks) or strides != [1, 1] or not isinstance(begin_mask, int):
            return None
        if not isinstance(end_mask, int) or not begin_mask & 1 or not end_mask & 1:
            return None
        first = 0 if begin_mask & 2 else begin[1]
        if end_mask & 2:
            # The last part: it begins at (parts - 1) widths.
            whole = first > 0 and first % (parts - 1) == 0
            return (node.inputs[0], parts - 1, first // (parts - 1)) if whole else None
        width = end[1] - first
        if width <= 0 or first % width or first // width >= parts - 1:
            return None
        return node.inputs[0], first // width, width


def match_cell(body: Function) -> Cell | None:
    """The cell that a loop's body is, if it is one."""
    match = Match(body)
    if len(body.results) != len(body.args) or body.targets:
        return None
    counters, constants, rest = set(), set(), []
    for index, value in enumerate(body.results):
        if match.argument(value) == index:
            constants.add(index)
        elif _counts(match, value, index):
            counters.add(index)
        else:
            rest.append(index)
    lists = [i for i in rest if match.op(body.results[i], "TensorListSetItem")]
    if len(lists) != 1:
        return None
    target = lists[0]
    states = [i for i in rest if i != target]
    write = match.nodes[body.results[target].node]
    place = match.argument(write.inputs[1])
    fixed = match.constant(write.inputs[1])
    if match.argument(write.inputs[0]) != target or not (
        place in counters or (fixed is not None and fixed.size == 1 and not fixed.any())
    ):
        return None
    found = _lstm(match, body, states) if len(states) == 2 else None
    if found is None and len(states) == 1:
        found = _gru(match, body, states[0])
    if found is None or body.results[found.order[0]] != write.inputs[2]:
        return None
    source = _source(match, found.input, counters)
    if source is None or source not in constants:
        return None
    return Cell(
        found.op, source, target, place is not None, found.order,
        frozenset(counters), frozenset(constants), found.weights,
    )  # fmt: skip


@dataclass(frozen=True, slots=True)
class _Found:
    op: str
    input: Value
    order: tuple[int, ...]
    weights: tuple[Array, ...]


def _counts(match: Match, value: Value, index: int) -> bool:
    for a, b in match.pairs(value, "AddV2", "Add"):
        one = match.constant(b)
        if match.argument(a) == index and one is not None:
            return one.dtype == np.int32 and one.shape == () and int(one) == 1
    return False


def _source(match: Match, value: Value, counters: set[int]) -> int | None:
    """The TensorList that the step's input is an element of, at the step's number."""
    node = match.op(value, "TensorListGetItem")
    if node is None or match.argument(node.inputs[1]) not in counters:
        return None
    return match.argument(node.inputs[0])


def _lstm(match: Match, body: Function, states: list[int]) -> _Found | None:
    first, second = states
    for h, c in ((first, second), (second, first)):
        for out, new_c in match.pairs(body.results[h], "Mul"):
            o, tanh_of = match.unary(out, "Sigmoid"), match.unary(new_c, "Tanh")
            if o is None or tanh_of != body.results[c]:
                continue
            gates = _lstm_gates(match, body.results[c], c)
            if gates is None:
                continue
            parts = [match.part(v, 4) for v in (*gates, o)]
            if any(p is None for p in parts):
                continue
            z = {p[0] for p in parts if p}
            if len(z) != 1 or [p[1] for p in parts if p] != [0, 1, 2, 3]:
                continue
            affine = _sum_of_products(match, z.pop(), h)
            if affine and not {p[2] for p in parts if p} - {None, affine[2].shape[0]}:
                x, k, r, b = affine
                return _Found("_LSTM", x, (h, c), (k, r, b))
    return None


def _lstm_gates(match: Match, new_c: Value, c: int) -> tuple[Value, Value, Value] | None:
    """i, f and g of sig(f) c + sig(i) tanh(g)."""
    for kept, added in match.pairs(new_c, "AddV2", "Add"):
        for f_gate, old in match.pairs(kept, "Mul"):
            f = match.unary(f_gate, "Sigmoid")
            if f is None or match.argument(old) != c:
                continue
            for i_gate, g_gate in match.pairs(added, "Mul"):
                i, g = match.unary(i_gate, "Sigmoid"), match.unary(g_gate, "Tanh")
                if i is not None and g is not None:
                    return i, f, g
    return None


def _sum_of_products(match: Match, z: Value, h: int) -> tuple[Value, Array, Array, Array] | None:
    """x, K, R and b of z = x K + h R + b; the bias may be missing or stand with either."""
    bias: Array | None = None
    products: list[tuple[Value, Array]] = []
    stack = [z]
    while stack:
        value = stack.pop()
        constant = match.constant(value)
        product = match.product(value)
        node = match.op(value, "AddV2", "Add", "BiasAdd")
        if constant is not None and constant.ndim == 1:
            bias = constant if bias is None else bias + constant
        elif product is not None:
            products.append(product)
        elif node is not None:
            stack.extend(node.inputs)
        else:
            return None
    if len(products) != 2:
        return None
    for (x, k), (state, r) in (products, products[::-1]):
        if match.argument(state) == h and match.argument(x) is None:
            if r.shape[1] != k.shape[1] or r.shape[1] != 4 * r.shape[0]:
                return None
            zeros = np.zeros(k.shape[1], k.dtype)
            return x, k, r, zeros if bias is None else np.broadcast_to(bias, zeros.shape)
    return None


def _gru(match: Match, body: Function, h: int) -> _Found | None:
    for kept, added in match.pairs(body.results[h], "AddV2", "Add"):
        for z, old in match.pairs(kept, "Mul"):
            if match.argument(old) != h or match.unary(z, "Sigmoid") is None:
                continue
            for rest, new in match.pairs(added, "Mul"):
                candidate = match.unary(new, "Tanh")
                node = match.op(rest, "Sub")
                one = match.constant(node.inputs[0]) if node else None
                if node is None or one is None or one.size != 1 or float(one.ravel()[0]) != 1.0:
                    continue
                if node.inputs[1] == z and candidate is not None:
                    found = _gru_gates(match, z, candidate, h)
                    if found:
                        return found
    return None


def _gru_gates(match: Match, z: Value, candidate: Value, h: int) -> _Found | None:
    z_sum = match.unary(z, "Sigmoid")
    if z_sum is None:
        return None
    for xh, reset in match.pairs(candidate, "AddV2", "Add"):
        for r, hh in match.pairs(reset, "Mul"):
            r_sum = match.unary(r, "Sigmoid")
            if r_sum is None:
                continue
            for xz, hz in match.pairs(z_sum, "AddV2", "Add"):
                for xr, hr in match.pairs(r_sum, "AddV2", "Add"):
                    found = _gru_weights(match, (xz, xr, xh), (hz, hr, hh), h)
                    if found:
                        return found
    return None


def _gru_weights(
    match: Match, xs: tuple[Value, ...], hs: tuple[Value, ...], h: int
) -> _Found | None:
    sides = []
    widths: set[int | None] = set()
    for values in (xs, hs):
        parts = [match.part(v, 3) for v in values]
        if any(p is None for p in parts) or [p[1] for p in parts if p] != [0, 1, 2]:
            return None
        wholes = {p[0] for p in parts if p}
        widths |= {p[2] for p in parts if p}
        affine = _affine(match, wholes.pop()) if len(wholes) == 1 else None
        if affine is None:
            return None
        sides.append(affine)
    (x, k, b), (state, r, d) = sides
    if match.argument(state) != h or match.argument(x) is not None:
        return None
    if r.shape[1] != k.shape[1] or r.shape[1] != 3 * r.shape[0] or widths - {None, r.shape[0]}:
        return None
    return _Found("_GRU", x, (h,), (k, r, b, d))


def _affine(match: Match, value: Value) -> tuple[Value, Array, Array] | None:
    """x, w and b of x w + b; the bias may be missing."""
    bias: Array | None = None
    node = match.op(value, "AddV2", "Add", "BiasAdd")
    if node is not None:
        for a, b in ((0, 1), (1, 0)):
            constant = match.constant(node.inputs[b])
            if constant is not None and constant.ndim == 1:
                bias, value = constant, node.inputs[a]
                break
    product = match.product(value)
    if product is None:
        return None
    x, w = product
    return (
        x,
        w,
        np.zeros(w.shape[1], w.dtype) if bias is None else np.broadcast_to(bias, w.shape[1:]),
    )
