"""Recognise the arithmetic of one step of an LSTM, a GRU or a plain recurrent cell.

What is looked for is the data flow, whatever the nodes are called:

    LSTM   z = x K + h R + b;  i, f, g, o = split(z)
           c' = sig(f) c + sig(i) tanh(g);  h' = sig(o) tanh(c')
    GRU    xz, xr, xh = split(x K + b);  hz, hr = split(h R + d)
           z = sig(xz + hz);  r = sig(xr + hr);  h' = z h + (1 - z) tanh(xh + hh)
           hh is a third part of h R + d times r, or r h times a third part of R
    RNN    h' = f(x K + h R + b), with f one of `RNN_ACTIVATIONS`
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from servable.graph.ir import AttrValue, Value
from servable.graph.passes.matching import Match
from servable.tensors import Array

RNN_ACTIVATIONS = ("Tanh", "Relu", "Sigmoid")


@dataclass(frozen=True, slots=True)
class Gates:
    """A cell's arithmetic.

    Attributes:
        op: `_LSTM`, `_GRU` or `_RNN`.
        input: the step's x, which is no argument of the body.
        order: the arguments that are h, or h and c.
        weights: K [inputs, gates units], R [units, gates units], b [gates units], gates in
            the order i, f, g, o or z, r, h; a GRU has d too.
        attrs: what else the op is told.
    """

    op: str
    input: Value
    order: tuple[int, ...]
    weights: tuple[Array, ...]
    attrs: Mapping[str, AttrValue] = field(default_factory=dict)


def match_gates(match: Match, results: Mapping[int, Value]) -> Gates | None:
    """The cell whose states are these arguments and turn into these values."""
    states = list(results)
    if len(states) == 2:
        return _lstm(match, results, states) or _lstm(match, results, states[::-1])
    if len(states) == 1:
        return _gru(match, results[states[0]], states[0]) or _rnn(
            match, results[states[0]], states[0]
        )
    return None


def _lstm(match: Match, results: Mapping[int, Value], order: Sequence[int]) -> Gates | None:
    h, c = order
    for out, new_c in match.pairs(results[h], "Mul"):
        o, tanh_of = match.unary(out, "Sigmoid"), match.unary(new_c, "Tanh")
        if o is None or tanh_of != results[c]:
            continue
        gates = _lstm_gates(match, results[c], c)
        if gates is None:
            continue
        parts = [match.part(v, 4) for v in (*gates, o)]
        z = {p[0] for p in parts if p}
        if len(z) != 1 or [p[1] for p in parts if p] != [0, 1, 2, 3]:
            continue
        affine = _sum_of_products(match, z.pop(), h, 4)
        if affine and not {p[2] for p in parts if p} - {None, affine[2].shape[0]}:
            x, *weights = affine
            return Gates("_LSTM", x, (h, c), tuple(weights))
    return None


def _rnn(match: Match, result: Value, h: int) -> Gates | None:
    node = match.op(result, *RNN_ACTIVATIONS)
    affine = _sum_of_products(match, node.inputs[0], h, 1) if node else None
    if node is None or affine is None:
        return None
    x, *weights = affine
    return Gates("_RNN", x, (h,), tuple(weights), {"activation": node.op.encode()})


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


def _sum_of_products(
    match: Match, z: Value, h: int, gates: int
) -> tuple[Value, Array, Array, Array] | None:
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
            if r.shape[1] != k.shape[1] or r.shape[1] != gates * r.shape[0]:
                return None
            zeros = np.zeros(k.shape[1], k.dtype)
            return x, k, r, zeros if bias is None else np.broadcast_to(bias, zeros.shape)
    return None


def _gru(match: Match, result: Value, h: int) -> Gates | None:
    for kept, added in match.pairs(result, "AddV2", "Add"):
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


def _gru_gates(match: Match, z: Value, candidate: Value, h: int) -> Gates | None:
    z_sum = match.unary(z, "Sigmoid")
    if z_sum is None:
        return None
    for xh, last in match.pairs(candidate, "AddV2", "Add"):
        before = match.product(last)
        for r, hh in match.pairs(before[0] if before else last, "Mul"):
            r_sum = match.unary(r, "Sigmoid")
            if r_sum is None or (before and match.argument(hh) != h):
                continue
            for xz, hz in match.pairs(z_sum, "AddV2", "Add"):
                for xr, hr in match.pairs(r_sum, "AddV2", "Add"):
                    xs = _parts(match, (xz, xr, xh))
                    hs = _parts(match, (hz, hr) if before else (hz, hr, hh))
                    found = _gru_weights(match, xs, hs, h, before[1] if before else None)
                    if found:
                        return found
    return None


@dataclass(frozen=True, slots=True)
class _Side:
    """x w + b, taken apart; the widths of its parts where they are known."""

    x: Value
    w: Array
    b: Array
    widths: frozenset[int]


def _parts(match: Match, values: Sequence[Value]) -> _Side | None:
    """What these values are all parts of, in this order."""
    parts = [match.part(v, len(values)) for v in values]
    wholes = {p[0] for p in parts if p}
    if [p[1] for p in parts if p] != list(range(len(values))) or len(wholes) != 1:
        return None
    affine = _affine(match, wholes.pop())
    return affine and _Side(*affine, frozenset(p[2] for p in parts if p and p[2] is not None))


def _gru_weights(
    match: Match, xs: _Side | None, hs: _Side | None, h: int, last: Array | None
) -> Gates | None:
    """The cell of both sides.

    Args:
        last: the third part of R where it multiplies r h.
    """
    if xs is None or hs is None or match.argument(hs.x) != h or match.argument(xs.x) is not None:
        return None
    r, d = hs.w, hs.b
    units = len(r)
    if last is not None:
        if last.shape != (units, units):
            return None
        r, d = np.concatenate([r, last], 1), np.concatenate([d, np.zeros(units, d.dtype)])
    if r.shape[1] != xs.w.shape[1] or r.shape[1] != 3 * units or (xs.widths | hs.widths) - {units}:
        return None
    return Gates("_GRU", xs.x, (h,), (xs.w, r, xs.b, d), {"reset_after": last is None})


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
