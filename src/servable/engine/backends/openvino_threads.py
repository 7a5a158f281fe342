"""With how many threads OpenVINO computes a call, and how many calls at once.

Measured on two cores with OpenVINO 2026.4, alone and beside other work:

- One call of 3 million multiplications took as long with one thread as with two, one of 25
  million up to a tenth longer, one of 300 million 1.4 times as long. The second thread was
  busy all that time whatever it gained.
- With several streams even a lone call is handed to another thread: up to 1.7 times as long.
- Two streams of one thread answered 8 callers 1.3 to 1.9 times as fast as one stream of two,
  small calls and MobileNetV2's; no faster if calls were large and batched.
"""

from __future__ import annotations

import enum
import math
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

if TYPE_CHECKING:
    import openvino as ov

Hint: TypeAlias = Literal["auto", "latency", "throughput"]
"""What to make good: latency, how soon a lone call is answered; throughput, how many calls
are; auto, both, as far as the size of the calls allows."""

SMALL_WORK = 50_000_000
"""Multiplications up to which a call gains nothing, or little, from a second thread."""

SMALL_WEIGHTS = 4_000_000
"""Weights up to which a call is small whatever it does with them. To read more takes longer
than to wake threads, and more is not to be kept twice."""

MOST_WEIGHTS_TWICE = 32_000_000
"""Weights up to which streams are added when calls meet, which keep them once more: 128 MB."""

MOST_STREAMS = 8
"""Bound on the streams that are added: each has buffers of its own, and what
surrounds such calls runs in Python, which does not keep more of them busy."""


class Manner(enum.Enum):
    """How calls of a compiled model are computed."""

    ALL = "one call at a time, with all threads"
    ONE = "one call at a time, in the caller's thread"
    STREAMS = "several calls at a time"


class Threads:
    """The share of the CPUs that models get. Immutable.

    Args:
        hint: what to make good.
        budget: how many CPUs may be busy.
        limit: likewise, told to OpenVINO; None where it finds out itself, which it does
            better: it knows which of them are one core.

    Attributes:
        hint: what to make good.
    """

    def __init__(self, hint: Hint, budget: int, limit: int | None) -> None:
        self.hint = hint
        self._budget = budget
        self._limit = limit

    def manner(self, *, small: bool) -> Manner:
        """How to compute a call."""
        if self.hint == "throughput":
            return Manner.STREAMS
        return Manner.ONE if small and self.hint == "auto" else Manner.ALL

    def for_calls(self, model: ov.Model) -> Manner:
        """How to compute calls of a model, whose shapes are theirs."""
        return self.manner(small=is_small(model))

    def adds_streams(self, model: ov.Model) -> bool:
        """Whether calls that come while one is computed get streams of their own."""
        if self.hint != "auto" or self._budget == 1:
            return False
        return weights_of(model) <= MOST_WEIGHTS_TWICE

    def settings(self, manner: Manner, *, bound: bool = True) -> dict[str, str]:
        """What OpenVINO is told.

        Threads are bound to cores only if one call gets all of the machine's, and if they may
        be: those of each model, and of each process, are bound to the same first ones. Measured
        with two cores, 20 models and 20 callers: 1.6 times the calls if none is bound; but one
        model with all threads had 0.8 times the calls of 8 callers then.
        """
        bound = bound and manner is Manner.ALL and self._limit is None
        chosen = {"ENABLE_CPU_PINNING": "YES" if bound else "NO", "PERFORMANCE_HINT": "LATENCY"}
        if manner is Manner.STREAMS:
            chosen["PERFORMANCE_HINT"] = "THROUGHPUT"
            if self.hint == "auto":
                streams = str(min(self._budget, MOST_STREAMS))
                return {**chosen, "NUM_STREAMS": streams, "INFERENCE_NUM_THREADS": streams}
        else:
            chosen["NUM_STREAMS"] = "1"
        threads = 1 if manner is Manner.ONE else self._limit
        if threads is not None:
            chosen["INFERENCE_NUM_THREADS"] = str(threads)
        return chosen


def weights_of(model: ov.Model) -> int:
    """Return how many numbers a model holds."""
    return sum(
        math.prod(_sizes(node.output(0)))
        for node in model.get_ops()
        if node.get_type_name() == "Constant"
    )


def values_of(model: ov.Model) -> int:
    """Return how many numbers a model computes on its way. Sizes left open count as 1."""
    return sum(
        math.prod(_sizes(port))
        for node in model.get_ops()
        if node.get_type_name() != "Constant"
        for port in node.outputs()
    )


def is_small(model: ov.Model) -> bool:
    """Whether one call is so little work that one thread computes it as soon as several.

    Sizes that the model leaves open count as 1.
    """
    work = weights = 0
    for node in model.get_ops():
        kind = node.get_type_name()
        if kind == "Constant":
            weights += math.prod(_sizes(node.output(0)))
        elif kind == "MatMul" or "Convolution" in kind:
            work += _multiplications(kind, node)
        if work > SMALL_WORK or weights > SMALL_WEIGHTS:
            return False
    return True


def _multiplications(kind: str, node: Any) -> int:
    data, weights, made = (
        _sizes(port) for port in (node.input_value(0), node.input_value(1), node.output(0))
    )
    if kind == "MatMul":
        across = -2 if len(data) > 1 and node.get_attributes()["transpose_a"] else -1
        return math.prod(made) * (data[across] if data else 1)
    # Weights have their outputs' channels first, after any groups, those of transposed
    # convolutions their inputs'.
    kernel = math.prod(weights[2 if kind.startswith("Group") else 1 :])
    return math.prod(data if "Backprop" in kind else made) * kernel


def _sizes(port: Any) -> list[int]:
    shape = port.get_partial_shape()
    if shape.rank.is_dynamic:
        return []
    return [1 if size.is_dynamic else size.get_length() for size in shape]
