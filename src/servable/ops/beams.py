"""Beam search over prefixes of label sequences.

A prefix is probable by two ways: paths that end in its last label, and paths that end
in a blank. Both are kept apart, because only after a blank does the same label again
make the prefix longer.
"""

from __future__ import annotations

import heapq
import itertools
import math
from dataclasses import dataclass, field

import numpy as np

from servable.errors import InvalidArgument
from servable.tensors import Array

_NEVER = -math.inf


def _log_add(a: float, b: float) -> float:
    """log(exp(a) + exp(b))."""
    if a == _NEVER:
        return b
    if b == _NEVER:
        return a
    return max(a, b) + math.log1p(math.exp(-abs(a - b)))


@dataclass(slots=True, eq=False)
class _Prefix:
    """A sequence of labels: a node of the tree of all that were tried.

    Attributes:
        total, blank, label: log probabilities at this step: of the prefix, and of it
            by paths that end in a blank, or in its last label.
        was_total, was_blank: the same, one step before.
    """

    parent: _Prefix | None
    last: int
    total: float = _NEVER
    blank: float = _NEVER
    label: float = _NEVER
    was_total: float = _NEVER
    was_blank: float = _NEVER
    children: dict[int, _Prefix] = field(default_factory=dict)

    def labels(self) -> list[int]:
        """The whole sequence."""
        found = []
        prefix: _Prefix | None = self
        while prefix is not None and prefix.parent is not None:
            found.append(prefix.last)
            prefix = prefix.parent
        return found[::-1]

    def drop(self) -> None:
        """Take it out of the beam."""
        self.total = self.blank = self.label = _NEVER


class _Beam:
    """The most probable prefixes, `width` at most."""

    def __init__(self, width: int) -> None:
        self._width = width
        self._heap: list[tuple[float, int, _Prefix]] = []
        # Of equals, the one that came first is kept.
        self._age = itertools.count(0, -1)

    @property
    def bar(self) -> float:
        """The log probability that a prefix must exceed to be kept."""
        return self._heap[0][0] if len(self._heap) >= self._width else _NEVER

    def push(self, prefix: _Prefix) -> None:
        """Keep a prefix, and drop the least probable if there are too many."""
        entry = (prefix.total, next(self._age), prefix)
        if len(self._heap) < self._width:
            heapq.heappush(self._heap, entry)
        else:
            heapq.heapreplace(self._heap, entry)[2].drop()

    def best(self) -> list[_Prefix]:
        """All that are kept, most probable first."""
        return [entry[2] for entry in sorted(self._heap, key=lambda e: e[:2], reverse=True)]


def beam_search(scores: Array, width: int, paths: int) -> list[tuple[list[int], float]]:
    """The most probable label sequences, best first, with their log probabilities.

    Args:
        scores: [time, classes], not normalised; the last class is the blank.
        width: how many prefixes are kept at each step.
        paths: how many sequences are wanted.

    Raises:
        InvalidArgument: so many are not found.
    """
    root = _Prefix(None, -1, total=0.0, blank=0.0)
    beam = _Beam(width)
    beam.push(root)
    for logs in _log_probabilities(scores):
        beam = _step(beam.best(), logs, width)
    best = beam.best()
    if len(best) < paths:
        raise InvalidArgument("Less leaves in the beam search than requested.")
    return [(prefix.labels(), prefix.total) for prefix in best[:paths]]


def _log_probabilities(scores: Array) -> Array:
    logs = scores.astype(np.float64)
    logs -= logs.max(axis=1, keepdims=True)
    logs -= np.log(np.exp(logs).sum(axis=1, keepdims=True))
    return logs


def _step(prefixes: list[_Prefix], logs: Array, width: int) -> _Beam:
    """One step of time: prefixes that stay as they are, and prefixes that grow by a label."""
    beam = _Beam(width)
    blank = float(logs[-1])
    for prefix in prefixes:
        prefix.was_total, prefix.was_blank = prefix.total, prefix.blank
    for prefix in prefixes:
        parent = prefix.parent
        if parent is not None:
            if parent.total != _NEVER:
                twice = prefix.last == parent.last
                before = parent.was_blank if twice else parent.was_total
                prefix.label = _log_add(prefix.label, before)
            prefix.label += float(logs[prefix.last])
        prefix.blank = prefix.was_total + blank
        prefix.total = _log_add(prefix.blank, prefix.label)
        beam.push(prefix)
    for prefix in prefixes:
        if prefix.was_total > beam.bar:
            _grow(prefix, logs[:-1], beam)
    return beam


def _grow(prefix: _Prefix, logs: Array, beam: _Beam) -> None:
    totals = logs + prefix.was_total
    if prefix.last >= 0:
        totals[prefix.last] = logs[prefix.last] + prefix.was_blank
    # The bar only rises: what does not take it now never will.
    hopeful = np.flatnonzero(totals > beam.bar).tolist()
    for label in sorted({*hopeful, *prefix.children}):
        total = float(totals[label])
        child = prefix.children.get(label)
        if child is not None and child.total != _NEVER:
            continue
        if total > beam.bar:
            if child is None:
                child = prefix.children[label] = _Prefix(prefix, label)
            child.blank, child.label, child.total = _NEVER, total, total
            beam.push(child)
        elif child is not None:
            # It was pushed out just now; as in TensorFlow, it does not even grow.
            child.was_total = child.was_blank = _NEVER
