"""Recurrent layers compiled by OpenVINO, one model for each.

A layer is no part of an island: masks and the number of steps are values, and OpenVINO has
its fast kernel only where every row has as many steps as the input. So the host makes
such an input, runs the model, and picks from what comes out:

- Each row's unmasked steps are moved to its front. h after any step is then the output at
  the number of unmasked steps up to it.
- OpenVINO prepares itself for every new shape, which takes some milliseconds, so steps and
  rows are filled up to one of few sizes. Outputs do not depend on what comes later.
- The last c of a row that is shorter is needed as well. An LSTM therefore has one input
  more that is 1 where a row is over, with weights that shut the input gate and open the
  forget gate for good.

What is not regular (no rows, no steps, values that are not finite, few steps) is the host's.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from servable.engine.backends.openvino_requests import Requests, finite
from servable.engine.compile import IslandRefused
from servable.graph.ir import Node
from servable.ops.islands import constant
from servable.ops.registry import Kernel
from servable.tensors import Array

if TYPE_CHECKING:
    import openvino as ov

log = logging.getLogger(__name__)

_STATES = {"_LSTM": 2, "_GRU": 1, "_RNN": 1}

_ACTIVATIONS = {b"Tanh": "tanh", b"Relu": "relu"}
"""Those of a plain cell for which OpenVINO has its fast kernel."""

ONE_THREAD = 131_072
"""Weights up to which one thread does all. Measured: with fewer, waking others costs more
than they save, also for 16 rows."""

_SHUT = 1e4
"""What makes a sigmoid exactly 0 or 1 in single precision, whatever else a gate sums up."""


def compile_layer(
    node: Node,
    nodes: Mapping[str, Node],
    host: Kernel,
    compiled: Callable[[ov.Model, bool], Requests],
    least_steps: int,
) -> Kernel | None:
    """A kernel for a recurrent layer; None if the host's must do.

    Args:
        nodes: the function's, with the constants that the layer reads.
        host: computes what is not regular.
        compiled: compiles a model, and hears whether it is small.
        least_steps: how many steps make a call worth it.
    """
    states = _STATES.get(node.op)
    if states is None:
        return None
    weights = [constant(v, nodes) for v in node.inputs[3 + states :]]
    known = [w for w in weights if w is not None]
    if len(known) < len(weights) or not all(map(finite, known)):
        return None
    attrs = node.attrs
    if node.op == "_RNN" and attrs["activation"] not in _ACTIVATIONS:
        return None
    try:
        small = known[0].size + known[1].size <= ONE_THREAD
        requests = compiled(_model(node, known), small)
    except (IslandRefused, RuntimeError) as refusal:
        log.debug("%s: recurrent layer refused: %s", node.name, refusal)
        return None
    return _Layer(
        host, requests, states, known[0].shape[0], known[1].shape[0], bool(attrs["every"]),
        bool(attrs["masked"]), bool(attrs["zero_output"]), least_steps,
    )  # fmt: skip


def _model(node: Node, weights: list[Array]) -> ov.Model:
    """x [rows, steps, inputs], a step's number for each row and the states to h of every step,
    or of that step, and the last c."""
    import openvino as ov
    from openvino import opset13 as ops

    k, r, b = weights[:3]
    units = len(r)
    is_lstm = node.op == "_LSTM"
    x = ops.parameter([-1, -1, len(k) + is_lstm], np.float32)
    at = ops.parameter([-1], np.int32)
    states = [ops.parameter([-1, units], np.float32) for _ in range(_STATES[node.op])]
    shape = ops.shape_of(x, "i32")
    # This very form tells the plugin that all rows are of full length.
    rows, steps = (
        ops.gather(shape, ops.constant(np.array([axis], np.int32)), ops.constant(0))
        for axis in (0, 1)
    )
    lengths = ops.broadcast(steps, rows)
    started = [ops.unsqueeze(state, ops.constant(1)) for state in states]
    if is_lstm:
        k = np.concatenate([k, _shutting(units)])
        k, r, b = (_gates(w, "ifgo", "figo") for w in (k, r, b))
        made = ops.lstm_sequence(
            x, *started, lengths, _stored(k), _stored(r), _row(b), units, "forward"
        )
    elif node.op == "_GRU":
        after = bool(node.attrs["reset_after"])
        made = ops.gru_sequence(
            x, *started, lengths, _stored(k), _stored(r), _row(_gru_bias(b, weights[3], after)),
            units, "forward", linear_before_reset=after,
        )  # fmt: skip
    else:
        activation = _ACTIVATIONS[node.attrs["activation"]]  # type: ignore[index]  # was looked up
        made = ops.rnn_sequence(
            x, *started, lengths, _stored(k), _stored(r), _row(b), units, "forward", [activation]
        )
    every = ops.squeeze(made.output(0), ops.constant(1))
    picked = ops.gather(every, at, ops.constant(1), 1)
    results = [every if node.attrs["every"] else picked]
    if is_lstm:
        results.append(ops.squeeze(made.output(2), ops.constant(1)))
    return ov.Model([ops.result(value) for value in results], [x, at, *states])


def _gates(w: Array, given: str, wanted: str) -> Array:
    """The columns of each gate in another order."""
    parts = dict(zip(given, np.split(w, len(given), axis=-1), strict=True))
    return np.concatenate([parts[gate] for gate in wanted], -1)


def _shutting(units: int) -> Array:
    """Weights, in the order i, f, g, o, that keep c."""
    row = np.zeros((1, 4 * units), np.float32)
    row[:, :units], row[:, units : 2 * units] = -_SHUT, _SHUT
    return row


def _gru_bias(b: Array, d: Array, reset_after: bool) -> Array:
    """z and r have one bias; h has one for each product where they are apart."""
    if not reset_after:
        return b + d
    units = len(b) // 3
    return np.concatenate([(b + d)[: 2 * units], b[2 * units :], d[2 * units :]])


def _stored(w: Array) -> Any:
    from openvino import opset13 as ops

    return ops.constant(np.ascontiguousarray(w.T[np.newaxis]))


def _row(b: Array) -> Any:
    from openvino import opset13 as ops

    return ops.constant(np.ascontiguousarray(b[np.newaxis]))


def _filled_up(size: int) -> int:
    """The size itself up to 8, then the next of four in each octave."""
    unit = 1 << max(size.bit_length() - 3, 0)
    return -(-size // unit) * unit


@dataclass(frozen=True, slots=True)
class _Layer:
    """A compiled layer. Called from many threads at once."""

    host: Kernel
    requests: Requests
    states: int
    inputs: int
    units: int
    every: bool
    masked: bool
    zero_output: bool
    least_steps: int

    def __call__(self, x: Array, mask: Array, steps: Any, *rest: Array) -> Any:
        states = rest[: self.states]
        count = int(steps)
        if not self._regular(x, mask, count, states):
            return self.host(x, mask, steps, *rest)
        try:
            return self._run(x[:count], mask[:count] if self.masked else None, states)
        except RuntimeError as error:
            log.debug("recurrent layer failed on %s: %s", x.shape, error)
            return self.host(x, mask, steps, *rest)

    def _regular(self, x: Array, mask: Array, count: int, states: tuple[Array, ...]) -> bool:
        if x.ndim != 3 or x.shape[2] != self.inputs or not self.least_steps <= count <= len(x):
            return False
        rows = x.shape[1]
        if rows == 0 or any(s.shape != (rows, self.units) for s in states):
            return False
        if self.masked and (mask.shape[1:] != (rows, 1) or len(mask) < count):
            return False
        return all(map(finite, (x, *states)))

    def _run(self, x: Array, mask: Array | None, states: tuple[Array, ...]) -> Any:
        count, rows = x.shape[:2]
        on = None if mask is None or mask.all() else mask[:, :, 0]
        lengths = np.full(rows, count, np.int32) if on is None else on.sum(0, dtype=np.int32)
        if on is not None and (on[:-1] < on[1:]).any():
            # Stable, so what is masked moves behind the rest.
            order = np.argsort(~on, axis=0, kind="stable")
            x = np.take_along_axis(x, order[:, :, np.newaxis], 0)
        longest = int(lengths.max())
        if longest == 0:
            h = states[0]
            return np.zeros((count if self.every else 1, *h.shape), h.dtype), *states
        made = self.requests.run(self._inputs(x[:longest], lengths, states))
        c = [last[:rows] for last in made[1:]]
        if not self.every:
            h, out = self._last(made[0][:rows], lengths, on, states[0])
            return out[np.newaxis], h, *c
        every = made[0][:rows]
        if on is None:
            every = every[:, :count]
            return every.transpose(1, 0, 2), every[:, -1], *c
        at = np.cumsum(on, 0) - 1
        h, _ = self._last(every[np.arange(rows), lengths - 1], lengths, on, states[0])
        out = every[np.arange(rows), at]
        out[~on if self.zero_output else at < 0] = 0
        return out, h, *c

    def _inputs(self, x: Array, lengths: Array, states: tuple[Array, ...]) -> list[Array]:
        count, rows = x.shape[:2]
        full = (_filled_up(rows), _filled_up(count))
        holds = self.states == 2
        given = np.zeros((*full, self.inputs + holds), np.float32)
        given[:rows, :count, : self.inputs] = x.transpose(1, 0, 2)
        if holds:
            given[:rows, :, -1] = np.arange(full[1]) >= lengths[:, np.newaxis]
        at = np.zeros(full[0], np.int32)
        at[:rows] = np.maximum(lengths - 1, 0)
        started = [np.zeros((full[0], self.units), np.float32) for _ in states]
        for whole, state in zip(started, states, strict=True):
            whole[:rows] = state
        return [given, at, *started]

    def _last(
        self, picked: Array, lengths: Array, on: Array | None, start: Array
    ) -> tuple[Array, Array]:
        """The last h, and what the last step gives."""
        if on is None:
            return picked, picked
        none = (lengths == 0)[:, np.newaxis]
        silent = ~on[-1][:, np.newaxis] if self.zero_output else none
        return np.where(none, start, picked), np.where(silent, np.float32(0), picked)
