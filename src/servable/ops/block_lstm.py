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


def _require(name: str, array: Array, **sizes: int) -> None:
    """Refuse an array that has other sizes than these."""
    if array.ndim != len(sizes):
        raise InvalidArgument(f"{name}_tensor must be rank {len(sizes)} but is rank {array.ndim}.")
    for d, (what, size) in enumerate(sizes.items()):
        if array.shape[d] != size:
            raise InvalidArgument(
                f"{name}.dim_size({d}) != {_WORDS.get(what, what)}: {array.shape[d]} vs. {size}"
            )


_WORDS = {"rows": "input_size + cell_size", "gates": "cell_size * 4", "gates_2": "cell_size * 2"}
"""What sizes that are computed are called in messages."""


def _check(
    how: _Lstm,
    batch: int,
    inputs: int,
    state: Array,
    before: Array,
    weights: Array,
    peepholes: tuple[Array, Array, Array],
    bias: Array,
) -> None:
    """Refuse shapes that do not belong together."""
    size = state.shape[1] if state.ndim == 2 else 0
    _require("cs_prev", state, batch_size=batch, cell_size=size)
    _require("h_prev", before, batch_size=batch, cell_size=size)
    _require("w", weights, rows=inputs + size, gates=4 * size)
    _require("b", bias, gates=4 * size)
    if how.peephole:
        for name, peephole in zip(("wci", "wcf", "wco"), peepholes, strict=True):
            _require(name, peephole, cell_size=size)


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
            raise InvalidArgument(f"x_tensor must be rank 2 but is rank {x.ndim}.")
        if not state.size:
            sizes = ",".join(map(str, state.shape))
            raise InvalidArgument(f"cs_prev_tensor is empty, has shape: ({sizes}).")
        _check(how, x.shape[0], x.shape[1], state, before, weights, (wci, wcf, wco), bias)
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
            raise InvalidArgument(f"x_tensor must be rank 3 but is rank {x.ndim}.")
        time, batch, inputs = x.shape
        _check(how, batch, inputs, state, before, weights, (wci, wcf, wco), bias)
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
        if x.ndim != 2 or before.ndim != 2:
            raise InvalidArgument(
                f"x and h_prev must be matrices: {shape_text(x)}, {shape_text(before)}"
            )
        size = before.shape[1]
        rows = x.shape[1] + size
        _require("h_prev", before, batch_size=x.shape[0], cell_size=size)
        _require("w_ru", w_gates, rows=rows, gates_2=2 * size)
        _require("w_c", w_candidate, rows=rows, cell_size=size)
        _require("b_ru", b_gates, gates_2=2 * size)
        _require("b_c", b_candidate, cell_size=size)
        gates = _sigmoid(np.concatenate([x, before], axis=1) @ w_gates + b_gates)
        reset, update = gates[:, :size], gates[:, size:]
        candidate = np.tanh(np.concatenate([x, before * reset], axis=1) @ w_candidate + b_candidate)
        return [reset, update, candidate, update * before + (1 - update) * candidate]

    return kernel
