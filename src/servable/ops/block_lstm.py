"""Cells of recurrent networks that TensorFlow computes in one op."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from servable.errors import InvalidArgument
from servable.ops.halves import wide
from servable.ops.registry import Build, Kernel, op
from servable.ops.support import shape_text
from servable.tensors import Array

_LSTM = "cell_clip use_peephole"


@dataclass(frozen=True, slots=True)
class _Lstm:
    """Attributes of a long short-term memory cell.

    Attributes:
        gates: the place of input, candidate, forget and output gate in the weights.
        forget_bias: added to the forget gate.
        clip: bound on the cell's state; 0 or less for none.
        peephole: whether gates see the state.
    """

    gates: tuple[int, int, int, int]
    forget_bias: float
    clip: float
    peephole: bool


_ICFO = (0, 1, 2, 3)
_IFCO = (0, 2, 1, 3)


def _sigmoid(x: Array) -> Array:
    # By way of tanh, which can not overflow.
    made: Array = np.tanh(x * 0.5)
    made *= 0.5
    made += 0.5
    return made


def _lstm(build: Build, gates: tuple[int, int, int, int]) -> _Lstm:
    bias = build.float("forget_bias") if "forget_bias" in build.node.attrs else 0.0
    return _Lstm(gates, bias, build.float("cell_clip"), build.bool("use_peephole"))


def _step(
    how: _Lstm, sums: Array, state: Array, peepholes: tuple[Array, Array, Array]
) -> tuple[Array, ...]:
    """One step: what the gates sum up to and the state before, to the seven outputs."""
    size = state.shape[-1]
    i, ci, f, o = (sums[:, at * size : (at + 1) * size] for at in how.gates)
    if how.peephole:
        i = i + state * peepholes[0]
        f = f + state * peepholes[1]
    i = _sigmoid(i)
    f = _sigmoid(f + np.array(how.forget_bias, f.dtype))
    ci = np.tanh(ci)
    new = ci * i + state * f
    if how.clip > 0:
        limit = np.array(how.clip, new.dtype)
        new = np.clip(new, -limit, limit)
    if how.peephole:
        o = o + new * peepholes[2]
    o = _sigmoid(o)
    co = np.tanh(new)
    return i, new, f, o, ci, co, o * co


def _check(x: Array, state: Array, before: Array, weights: Array, bias: Array) -> None:
    """Refuse shapes that do not belong together; x is [batch, inputs]."""
    if state.ndim != 2 or before.shape != state.shape or state.shape[0] != x.shape[0]:
        raise InvalidArgument(
            f"cs_prev and h_prev must be [batch, cell size]: x {shape_text(x)}, cs_prev"
            f" {shape_text(state)}, h_prev {shape_text(before)}"
        )
    size = state.shape[1]
    if weights.shape != (x.shape[1] + size, 4 * size) or bias.shape != (4 * size,):
        raise InvalidArgument(
            "w must be [input size + cell size, 4 * cell size], and b as wide:"
            f" w {shape_text(weights)}, b {shape_text(bias)}"
        )


@op("LSTMBlockCell", attrs=f"forget_bias {_LSTM}")
def lstm_block_cell(build: Build) -> Kernel:
    """One step. Outputs: input gate, state, forget gate, output gate, candidate, tanh(state), h."""
    how = _lstm(build, _ICFO)

    def kernel(
        x: Array,
        state: Array,
        before: Array,
        weights: Array,
        wci: Array,
        wcf: Array,
        wco: Array,
        bias: Array,
    ) -> list[Array]:
        if x.ndim != 2:
            raise InvalidArgument(f"x must be a matrix, got {shape_text(x)}")
        if not state.size:
            raise InvalidArgument(f"cs_prev_tensor is empty, has shape: {shape_text(state)}.")
        _check(x, state, before, weights, bias)
        sums = wide(np.concatenate([x, before], axis=1)) @ wide(weights) + wide(bias)
        made = _step(how, sums, wide(state), (wide(wci), wide(wcf), wide(wco)))
        return [array.astype(x.dtype, copy=False) for array in made]

    return kernel


def _block_lstm(how: _Lstm) -> Kernel:
    def kernel(
        steps: Array,
        x: Array,
        state: Array,
        before: Array,
        weights: Array,
        wci: Array,
        wcf: Array,
        wco: Array,
        bias: Array,
    ) -> list[Array]:
        if x.ndim != 3:
            raise InvalidArgument(f"x must be [time, batch, inputs], got {shape_text(x)}")
        time, batch, inputs = x.shape
        _check(x[0] if time else np.empty((batch, inputs)), state, before, weights, bias)
        if np.ndim(steps) or not 0 <= int(steps) <= time:
            raise InvalidArgument(f"seq_len_max must be in [0, {time}], got {steps}")
        made = [np.zeros((time, *state.shape), x.dtype) for _ in range(_LSTM_OUTPUTS)]
        peepholes = (wide(wci), wide(wcf), wide(wco))
        bank, state, before = wide(weights), wide(state), wide(before)
        # All that does not wait for the step before, in one product.
        sums = wide(x[: int(steps)]).reshape(-1, inputs) @ bank[:inputs] + wide(bias)
        for at, part in enumerate(sums.reshape(int(steps), batch, bank.shape[1])):
            values = _step(how, part + before @ bank[inputs:], state, peepholes)
            state, before = values[1], values[-1]
            for array, value in zip(made, values, strict=True):
                array[at] = value
        return made

    return kernel


_LSTM_OUTPUTS = 7


@op("BlockLSTM", attrs=f"forget_bias {_LSTM}")
def block_lstm(build: Build) -> Kernel:
    """LSTMBlockCell over the steps of a sequence; steps from seq_len_max on are zero."""
    return _block_lstm(_lstm(build, _ICFO))


@op("BlockLSTMV2", attrs=_LSTM)
def block_lstm_v2(build: Build) -> Kernel:
    """BlockLSTM with the weights of candidate and forget gate changed round."""
    return _block_lstm(_lstm(build, _IFCO))


@op("GRUBlockCell")
def gru_block_cell(build: Build) -> Kernel:
    """One step of a gated recurrent unit. Outputs: reset gate, update gate, candidate, h."""
    del build

    def kernel(
        x: Array,
        before: Array,
        w_gates: Array,
        w_candidate: Array,
        b_gates: Array,
        b_candidate: Array,
    ) -> list[Array]:
        if x.ndim != 2 or before.ndim != 2 or before.shape[0] != x.shape[0]:
            raise InvalidArgument(
                f"x and h_prev must be matrices of one batch: {shape_text(x)} vs."
                f" {shape_text(before)}"
            )
        size = before.shape[1]
        rows = x.shape[1] + size
        if (w_gates.shape, w_candidate.shape) != ((rows, 2 * size), (rows, size)):
            raise InvalidArgument(
                "w_ru and w_c must fit input size + cell size:"
                f" {shape_text(w_gates)}, {shape_text(w_candidate)}"
            )
        if (b_gates.shape, b_candidate.shape) != ((2 * size,), (size,)):
            raise InvalidArgument(
                f"b_ru and b_c must fit the cell size: {shape_text(b_gates)},"
                f" {shape_text(b_candidate)}"
            )
        gates = _sigmoid(np.concatenate([x, before], axis=1) @ w_gates + b_gates)
        reset, update = gates[:, :size], gates[:, size:]
        candidate = np.tanh(np.concatenate([x, before * reset], axis=1) @ w_candidate + b_candidate)
        return [reset, update, candidate, update * before + (1 - update) * candidate]

    return kernel
