"""Recognise a loop over a recurrent cell, as Keras writes it, with and without a mask.

A step of a loop with a mask keeps, for each example whose element of the mask is false,
the states as they were, and its output is the one before or zeros:

    h = where(mask, h', h);  c = where(mask, c', c);  output = where(mask, h', before)
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

import numpy as np

from servable.graph.ir import Function, Value
from servable.graph.passes.gates import Gates, match_gates
from servable.graph.passes.matching import Match


@dataclass(frozen=True, slots=True)
class Cell:
    """A loop over a cell, in numbers of the loop's variables.

    Attributes:
        source: the TensorList that inputs are read from, at the step's number.
        target: the TensorList that outputs are written to.
        every_step: whether each step writes at its own number, or all at zero.
        mask: the TensorList of masks [batch, 1], or None.
        zero_output: whether a step that is masked gives zeros, or the output before.
        zeros: variables that must start as zeros.
        unread: variables that nothing may read after the loop.
        counters: variables that grow by one.
        constants: variables that stay.
        gates: the arithmetic; its order says which variables are the states.
    """

    source: int
    target: int
    every_step: bool
    mask: int | None
    zero_output: bool
    zeros: frozenset[int]
    unread: frozenset[int]
    counters: frozenset[int]
    constants: frozenset[int]
    gates: Gates


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
    write = match.nodes[body.results[target].node]
    place = match.argument(write.inputs[1])
    fixed = match.constant(write.inputs[1])
    if match.argument(write.inputs[0]) != target or not (
        place in counters or (fixed is not None and fixed.size == 1 and not fixed.any())
    ):
        return None
    held = _unmasked(match, body, [i for i in rest if i != target], write.inputs[2], constants)
    gates = match_gates(match, held.states) if held else None
    if held is None or gates is None or held.states[gates.order[0]] != held.output:
        return None
    source = _source(match, gates.input, counters)
    mask = _source(match, held.mask, counters) if held.mask else None
    if not {source, mask} - {None} <= constants or source is None:
        return None
    if held.mask and mask is None:
        return None
    return Cell(
        source, target, place is not None, mask, held.zero_output, held.zeros,
        held.unread, frozenset(counters), frozenset(constants), gates,
    )  # fmt: skip


@dataclass(frozen=True, slots=True)
class _Held:
    """A step without its mask.

    Attributes:
        states: variable -> its new value where the mask is true.
        output: what the step writes where the mask is true.
        mask: the step's mask, or None.
    """

    states: dict[int, Value]
    output: Value
    mask: Value | None = None
    zero_output: bool = False
    zeros: frozenset[int] = frozenset()
    unread: frozenset[int] = frozenset()


def _unmasked(
    match: Match, body: Function, states: list[int], written: Value, constants: Collection[int]
) -> _Held | None:
    choice = match.op(written, "SelectV2")
    if choice is None:
        return _Held({i: body.results[i] for i in states}, written)
    condition, output, before = choice.inputs
    mask = _column(match, condition)
    otherwise = match.argument(before)
    # Keras carries the output before also where it gives zeros.
    outputs = [i for i in states if body.results[i] == written]
    if mask is None or otherwise is None or otherwise not in {*constants, *outputs}:
        return None
    kept: dict[int, Value] = {}
    for index in states:
        if index in outputs:
            continue
        node = match.op(body.results[index], "SelectV2")
        if node is None or node.inputs[0] != condition or match.argument(node.inputs[2]) != index:
            return None
        kept[index] = node.inputs[1]
    return _Held(
        kept,
        output,
        mask,
        zero_output=otherwise in constants,
        zeros=frozenset({otherwise}),
        unread=frozenset(outputs),
    )


def _column(match: Match, condition: Value) -> Value | None:
    """An element [batch, 1] of a list, which may be tiled once."""
    tile = match.op(condition, "Tile")
    if tile is not None:
        times = match.constant(tile.inputs[1])
        if times is None or not (times == 1).all():
            return None
        condition = tile.inputs[0]
    node = match.op(condition, "TensorListGetItem")
    shape = match.constant(node.inputs[2]) if node else None
    return condition if shape is not None and shape.shape == (2,) and shape[1] == 1 else None


def _counts(match: Match, value: Value, index: int) -> bool:
    for a, b in match.pairs(value, "AddV2", "Add"):
        one = match.constant(b)
        if match.argument(a) == index and one is not None:
            return one.dtype == np.int32 and one.shape == () and int(one) == 1
    return False


def _source(match: Match, value: Value, counters: set[int]) -> int | None:
    """The TensorList that a step's value is an element of, at the step's number."""
    node = match.op(value, "TensorListGetItem")
    if node is None or match.argument(node.inputs[1]) not in counters:
        return None
    return match.argument(node.inputs[0])
