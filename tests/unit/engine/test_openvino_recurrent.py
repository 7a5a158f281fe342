"""Recurrent layers in OpenVINO give what the host gives, whatever the mask and the sizes."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from servable.engine.backends.openvino import OpenVinoBackend
from servable.engine.compile import compile_function
from servable.engine.plan import Plan
from servable.engine.run import run
from servable.errors import InvalidArgument
from servable.graph.ir import ARG, AttrValue, Function, FunctionRef, Node, Value, const
from servable.ops.registry import Body, Environment
from servable.ops.resources import Resources
from servable.tensors import BOOL, FLOAT, INT32, Array

INPUTS, UNITS = 5, 6

GATES = {"_LSTM": 4, "_GRU": 3, "_RNN": 1}

CELLS: dict[str, tuple[str, dict[str, AttrValue]]] = {
    "lstm": ("_LSTM", {}),
    "gru": ("_GRU", {"reset_after": True}),
    "gru_reset_before": ("_GRU", {"reset_after": False}),
    "rnn_tanh": ("_RNN", {"activation": b"Tanh"}),
    "rnn_relu": ("_RNN", {"activation": b"Relu"}),
}


def no_functions(ref: FunctionRef) -> Body:
    raise AssertionError(f"nothing calls {ref}")


class Willing(OpenVinoBackend):
    least_steps = 1


def layer(
    cell: str,
    *,
    every: bool = True,
    masked: bool = False,
    zero_output: bool = False,
    weight: float = 0.4,
) -> Function:
    """x, mask, steps and states in; all that the layer gives out."""
    op, attrs = CELLS[cell]
    rng = np.random.default_rng(5)
    columns = GATES[op] * UNITS
    shapes = [(INPUTS, columns), (UNITS, columns), (columns,)] + [(columns,)] * (op == "_GRU")
    weights = [
        const(f"w{i}", rng.normal(size=s).astype(np.float32) * weight, FLOAT)
        for i, s in enumerate(shapes)
    ]
    states = ["h", "c"][: 2 if op == "_LSTM" else 1]
    dtypes = {"x": FLOAT, "mask": BOOL, "steps": INT32} | dict.fromkeys(states, FLOAT)
    args = [
        Node(name, ARG, attrs={"T": dtype, "index": i}, dtypes=(dtype,))
        for i, (name, dtype) in enumerate(dtypes.items())
    ]
    inputs = tuple(Value(n.name) for n in (*args, *weights))
    flags: dict[str, AttrValue] = {
        "T": FLOAT,
        "every": every,
        "masked": masked,
        "zero_output": zero_output,
        "needs_steps": False,
    }
    node = Node("layer", op, inputs, (), flags | attrs, (FLOAT,) * (1 + len(states)))
    nodes = {n.name: n for n in (*args, *weights, node)}
    return Function("f", tuple(dtypes), nodes, node.outputs())


def plans(function: Function, backend: OpenVinoBackend | None = None) -> tuple[Plan, Plan]:
    """The layer on the host, and in OpenVINO."""
    environment = Environment(Resources(), None, no_functions)
    compiled = compile_function(function, environment, backend=backend or Willing())
    assert [s.unit.backend for s in compiled.steps] == ["openvino"]
    return compile_function(function, environment), compiled


def feeds(function: Function, steps: int, rows: int, mask: Array | None = None) -> list[Array]:
    rng = np.random.default_rng(steps * 100 + rows)
    states = [rng.normal(size=(rows, UNITS)).astype(np.float32) for _ in function.args[3:]]
    return [
        rng.normal(size=(steps, rows, INPUTS)).astype(np.float32),
        np.ones((0, 0, 1), np.bool_) if mask is None else mask,
        np.asarray(steps, np.int32),
        *states,
    ]


def agree(pair: tuple[Plan, Plan], args: list[Array]) -> None:
    expected, got = (run(plan, args) for plan in pair)
    for theirs, ours in zip(expected, got, strict=True):
        assert ours.dtype == np.float32
        np.testing.assert_allclose(ours, theirs, rtol=2e-5, atol=2e-6)


@pytest.mark.parametrize("every", [True, False])
@pytest.mark.parametrize("cell", CELLS)
def test_a_layer_gives_what_the_host_gives_for_any_number_of_steps_and_rows(
    cell: str, every: bool
) -> None:
    function = layer(cell, every=every)
    pair = plans(function)
    for steps, rows in ((1, 1), (9, 1), (9, 3), (40, 9), (0, 2), (7, 0)):
        agree(pair, feeds(function, steps, rows))


def padded(steps: int, *lengths: int) -> Array:
    return (np.arange(steps)[:, np.newaxis] < np.array(lengths))[:, :, np.newaxis]


MASKS = {
    "behind": padded(9, 9, 4, 1),
    "in_front": padded(9, 9, 4, 1)[::-1],
    "nothing": padded(9, 9, 9, 9),
    "a_whole_row": padded(9, 0, 9, 3),
    "everything": padded(9, 0, 0, 0),
    "here_and_there": np.random.default_rng(8).random((9, 3, 1)) < 0.5,
}


@pytest.mark.parametrize("mask", MASKS)
@pytest.mark.parametrize("cell", CELLS)
def test_what_a_mask_holds_back_is_what_the_host_holds_back(cell: str, mask: str) -> None:
    backend = Willing()
    for every, zero_output in itertools.product((True, False), repeat=2):
        function = layer(cell, every=every, masked=True, zero_output=zero_output)
        agree(plans(function, backend), feeds(function, 9, 3, MASKS[mask]))


def test_a_masked_step_keeps_the_states_and_repeats_the_output_or_gives_zeros() -> None:
    mask = padded(3, 2)
    for zero_output in (False, True):
        function = layer("lstm", masked=True, zero_output=zero_output)
        for plan in plans(function):
            args = feeds(function, 3, 1, mask)
            every, h, c = run(plan, args)
            _, h_before, c_before = run(
                plan, [args[0], args[1], np.asarray(2, np.int32), *args[3:]]
            )
            np.testing.assert_allclose(h, h_before, rtol=1e-5)
            np.testing.assert_allclose(c, c_before, rtol=1e-5)
            np.testing.assert_allclose(every[2], 0 * h if zero_output else every[1])


def test_fewer_steps_than_there_are_inputs_stop_early() -> None:
    function = layer("gru")
    pair = plans(function)
    x, mask, _, h = feeds(function, 12, 2)
    agree(pair, [x, mask, np.asarray(10, np.int32), h])


@pytest.mark.parametrize("cell", ["lstm", "gru", "rnn_tanh"])
def test_more_steps_than_inputs_are_refused_as_tensorflow_does(cell: str) -> None:
    function = layer(cell)
    x, mask, _, *states = feeds(function, 9, 2)
    for plan in plans(function):
        with pytest.raises(InvalidArgument, match="access element 9 in a list with 9 elements"):
            run(plan, [x, mask, np.asarray(10, np.int32), *states])


@pytest.mark.parametrize("wrong", ["rows", "steps", "rank"])
def test_a_mask_of_another_shape_is_refused(wrong: str) -> None:
    function = layer("gru", masked=True)
    shapes = {"rows": (9, 5, 1), "steps": (4, 3, 1), "rank": (9, 3)}
    for plan in plans(function):
        with pytest.raises(InvalidArgument):
            run(plan, feeds(function, 9, 3, np.ones(shapes[wrong], np.bool_)))


@pytest.mark.parametrize("cell", CELLS)
def test_values_that_are_not_finite_come_out_as_the_host_has_them(cell: str) -> None:
    function = layer(cell)
    args = feeds(function, 9, 3)
    args[0][4, 1, 2] = np.nan
    expected, got = (run(plan, args) for plan in plans(function))
    np.testing.assert_array_equal(np.isnan(got[0]), np.isnan(expected[0]))
    assert np.isnan(got[1][1]).all()
    assert np.isfinite(got[1][[0, 2]]).all()


@pytest.mark.parametrize("cell", ["lstm", "gru", "rnn_tanh"])
def test_gates_that_are_full_stay_full(cell: str) -> None:
    function = layer(cell, weight=300.0)
    agree(plans(function), feeds(function, 9, 3))


def test_a_short_row_is_over_however_large_its_gates_are() -> None:
    function = layer("lstm", masked=True, weight=300.0)
    agree(plans(function), feeds(function, 9, 3, MASKS["behind"]))


def test_a_few_steps_are_the_hosts() -> None:
    function = layer("gru")
    args = feeds(function, 3, 2)
    host, compiled = (run(plan, args) for plan in plans(function, OpenVinoBackend()))
    for ours, theirs in zip(compiled, host, strict=True):
        np.testing.assert_array_equal(ours, theirs)


def test_weights_that_are_not_finite_or_not_constant_are_the_hosts() -> None:
    environment = Environment(Resources(), None, no_functions)
    odd = layer("rnn_tanh", weight=float("inf"))
    fed = layer("rnn_tanh")
    k = Node("w0", ARG, attrs={"T": FLOAT, "index": 4}, dtypes=(FLOAT,))
    fed = Function("f", (*fed.args, "w0"), {**fed.nodes, "w0": k}, fed.results)
    for function in (odd, fed):
        plan = compile_function(function, environment, backend=Willing())
        assert [s.unit.backend for s in plan.steps] == ["host"]


def test_results_stay_as_they_are_when_the_next_request_runs() -> None:
    function = layer("lstm")
    _, plan = plans(function)
    first = run(plan, feeds(function, 9, 3))
    kept = [value.copy() for value in first]
    run(plan, feeds(function, 10, 3))
    for value, copy in zip(first, kept, strict=True):
        np.testing.assert_array_equal(value, copy)
