"""Partition, plan and loop: laws over random graphs, and what callers see of failures."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from servable.engine import plan as plan_module
from servable.engine.backends.null import NullBackend
from servable.engine.compile import Island, IslandRefused, compile_function
from servable.engine.partition import border, partition
from servable.engine.plan import Plan, Unit, make_plan, narrowed
from servable.engine.run import run
from servable.errors import InvalidArgument
from servable.graph.ir import ARG, CONST, Function, FunctionRef, Node, UnsupportedOps, Value, const
from servable.graph.passes.prune import prune
from servable.metrics.requests import CURRENT, Observation
from servable.ops.registry import Body, Environment, Kernel
from servable.ops.resources import Resources
from servable.tensors import FLOAT, Array


def no_functions(ref: FunctionRef) -> Body:
    raise AssertionError(f"nothing calls {ref}")


ENVIRONMENT = Environment(Resources(), None, no_functions)


@st.composite
def functions(draw: st.DrawFn) -> Function:
    """A random graph of additions, negations and two-output nodes over two arguments."""
    values = [Value("x"), Value("y"), Value("c")]
    nodes: dict[str, Node] = {
        name: Node(name, ARG, attrs={"T": FLOAT, "index": i}, dtypes=(FLOAT,))
        for i, name in enumerate("xy")
    }
    nodes["c"] = const("c", np.array([1, 2], np.float32), FLOAT)
    for i in range(draw(st.integers(1, 25))):
        name = f"n{i}"
        op, arity = draw(st.sampled_from([("Neg", 1), ("AddV2", 2), ("IdentityN", 2)]))
        inputs = tuple(draw(st.sampled_from(values)) for _ in range(arity))
        count = 2 if op == "IdentityN" else 1
        attrs = {"T": (FLOAT,) * 2 if count == 2 else FLOAT}
        nodes[name] = Node(name, op, inputs, (), attrs, (FLOAT,) * count)
        values += nodes[name].outputs()
    results = tuple(draw(st.lists(st.sampled_from(values), min_size=1, max_size=4)))
    return prune(Function("f", ("x", "y"), nodes, results))


ARGS = [np.array([3, 4], np.float32), np.array([5, 6], np.float32)]


@settings(max_examples=150, deadline=None)
@given(functions(), st.sets(st.integers(0, 24)))
def test_any_split_into_islands_gives_the_same_answers(
    function: Function, chosen: set[int]
) -> None:
    backend = NullBackend(lambda n: int(n.name[1:]) in chosen)
    alone = run(compile_function(function, ENVIRONMENT), ARGS)
    split = run(compile_function(function, ENVIRONMENT, backend=backend), ARGS)
    for a, b in zip(alone, split, strict=True):
        np.testing.assert_array_equal(a, b)


@settings(max_examples=150, deadline=None)
@given(functions(), st.sets(st.integers(0, 24)))
def test_groups_can_be_run_in_order_and_hold_each_node_once(
    function: Function, chosen: set[int]
) -> None:
    groups = partition(function, lambda n: int(n.name[1:]) in chosen, lambda _: True)
    ready = {n.name for n in function.nodes.values() if n.op in (ARG, CONST)}
    for group in groups:
        reads, _ = border(function, group)
        assert {v.node for v in reads} <= ready
        ready |= {n.name for n in group.nodes}
    assert ready == set(function.nodes)
    assert sum(len(g.nodes) for g in groups) == len(ready) - 3 + (0 if "c" in function.nodes else 1)


@settings(max_examples=100, deadline=None)
@given(functions())
def test_no_step_reads_a_slot_that_was_freed(function: Function) -> None:
    plan = compile_function(function, ENVIRONMENT)
    freed: set[int] = set()
    for step in plan.steps:
        assert freed.isdisjoint(step.inputs)
        freed |= set(step.frees)
    assert freed.isdisjoint(plan.results)


def chain(*nodes: Node) -> Function:
    x = Node("x", ARG, attrs={"T": FLOAT, "index": 0}, dtypes=(FLOAT,))
    return Function("f", ("x",), {n.name: n for n in (x, *nodes)}, (Value(nodes[-1].name),))


def node(name: str, op: str, *inputs: str) -> Node:
    return Node(name, op, tuple(map(Value, inputs)), (), {"T": FLOAT}, (FLOAT,))


@settings(max_examples=100, deadline=None)
@given(functions(), st.data())
def test_a_plan_for_some_of_the_results_gives_these_alone(
    function: Function, data: st.DataObject
) -> None:
    plan = compile_function(function, ENVIRONMENT)
    places = data.draw(st.lists(st.sampled_from(range(len(plan.results))), min_size=1))
    everything = run(plan, ARGS)
    some = narrowed(plan, places)
    assert len(some.steps) <= len(plan.steps)
    for made, place in zip(run(some, ARGS), places, strict=True):
        np.testing.assert_array_equal(made, everything[place])


def test_what_is_not_fetched_is_not_computed() -> None:
    x = Node("x", ARG, attrs={"T": FLOAT, "index": 0}, dtypes=(FLOAT,))
    three = const("three", np.zeros(3, np.float32), FLOAT)
    good = Node("good", "Neg", (Value("x"),), (), {"T": FLOAT}, (FLOAT,))
    bad = Node("bad", "AddV2", (Value("x"), Value("three")), (), {"T": FLOAT}, (FLOAT,))
    nodes = {node.name: node for node in (x, three, good, bad)}
    function = Function("f", ("x",), nodes, (Value("good"), Value("bad")))
    plan = compile_function(function, ENVIRONMENT)
    broken = [np.array([2, 1], np.float32)]
    with pytest.raises(InvalidArgument):
        run(plan, broken)
    (made,) = run(narrowed(plan, [0]), broken)
    assert made[1] == -1


def test_ops_that_a_backend_refuses_go_to_the_host_and_the_rest_stays() -> None:
    backend = NullBackend(lambda _: True, refuses={"Abs"})
    function = chain(node("a", "Neg", "x"), node("b", "Abs", "a"), node("c", "Neg", "b"))
    plan = compile_function(function, ENVIRONMENT, backend=backend)
    assert [s.unit.backend for s in plan.steps] == ["null", "host", "null"]
    assert run(plan, [np.array([-2, 3], np.float32)])[0].tolist() == [-2.0, -3.0]


class Unwilling(NullBackend):
    """Refuses islands with Abs, and does not say why."""

    def compile(self, island: Island) -> Kernel:
        if any(n.op == "Abs" for n in island.function.nodes.values()):
            raise IslandRefused("no reason")
        return super().compile(island)


@pytest.mark.parametrize("place", range(7))
def test_what_a_backend_refuses_without_a_reason_is_found_and_goes_to_the_host(place: int) -> None:
    names = "abcdefg"
    nodes = [
        node(name, "Abs" if i == place else "Neg", names[i - 1] if i else "x")
        for i, name in enumerate(names)
    ]
    plan = compile_function(chain(*nodes), ENVIRONMENT, backend=Unwilling(lambda _: True))
    hosts = [s.unit.label for s in plan.steps if s.unit.backend == "host"]
    assert hosts == [names[place]]
    alone = compile_function(chain(*nodes), ENVIRONMENT)
    x = np.array([-2, 3], np.float32)
    assert run(plan, [x])[0].tolist() == run(alone, [x])[0].tolist()


def test_all_ops_outside_the_list_are_named_at_once() -> None:
    function = chain(node("a", "WriteFile", "x"), node("b", "PyFunc", "a"))
    with pytest.raises(UnsupportedOps) as caught:
        compile_function(function, ENVIRONMENT)
    assert "'PyFunc' (node b), 'WriteFile' (node a)" in str(caught.value)
    assert caught.value.hint


def matmul_plan() -> Plan:
    product = Node(
        "layer/MatMul",
        "MatMul",
        (Value("x"), Value("x")),
        (),
        {"T": FLOAT, "transpose_a": False, "transpose_b": False},
        (FLOAT,),
    )
    return compile_function(chain(product), ENVIRONMENT)


def test_values_that_a_kernel_refuses_are_the_callers_fault_and_name_the_node() -> None:
    plan = matmul_plan()
    with pytest.raises(InvalidArgument) as caught:
        run(plan, [np.zeros((2, 3), np.float32)])
    assert caught.value.message == (
        "Matrix size-incompatible: In[0]: [2,3], In[1]: [2,3]\n\t [[{{node layer/MatMul}}]]"
    )
    assert run(plan, [np.eye(2, dtype=np.float32)])[0].tolist() == [[1, 0], [0, 1]]


def test_one_plan_runs_in_many_threads_at_once() -> None:
    plan = matmul_plan()
    wrong: list[int] = []

    def work(seed: int) -> None:
        x = np.full((8, 8), seed, np.float32)
        expected = x @ x
        wrong.extend(seed for _ in range(200) if not np.array_equal(run(plan, [x])[0], expected))

    threads = [threading.Thread(target=work, args=(i,)) for i in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


def test_a_printed_plan_shows_each_step_with_its_backend() -> None:
    assert str(matmul_plan()).splitlines() == [
        "f: 1 steps over 2 slots",
        "    0 host      layer/MatMul  0 0 -> 1",
    ]


def results(plan: Plan, args: Sequence[Array]) -> list[list[float]]:
    return [r.tolist() for r in run(plan, args)]


def test_an_argument_may_be_a_result() -> None:
    x = Node("x", ARG, attrs={"T": FLOAT, "index": 0}, dtypes=(FLOAT,))
    plan = compile_function(Function("f", ("x",), {"x": x}, (Value("x"),)), ENVIRONMENT)
    assert results(plan, [np.array([1, 2], np.float32)]) == [[1.0, 2.0]]


# Timing


def test_a_request_learns_how_long_islands_took_and_nested_ones_count_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    now = itertools.count()
    monkeypatch.setattr(plan_module, "perf_counter", lambda: float(next(now)))

    def kernel(array: Array) -> list[Array]:
        return run(inner, [array]) if array.size > 1 else [array]

    function = Function(
        "f", ("x",), {"x": Node("x", ARG, attrs={"T": FLOAT, "index": 0}, dtypes=(FLOAT,))}, ()
    )
    y = Value("y")
    unit = Unit("y", "null", kernel, (Value("x"),), (y,), single=False)
    outer = make_plan(replace(function, results=(y,)), [unit], {})
    inner = make_plan(replace(function, results=(y,)), [replace(unit, kernel=negated)], {})
    seen = CURRENT.observation = Observation("predict", "grpc")
    try:
        [answer] = run(outer, ARGS[:1])
    finally:
        CURRENT.observation = None
    assert answer.tolist() == [-3, -4]
    assert seen.island_seconds == 3  # the clock was read twice outside, twice within
    assert [array.tolist() for array in run(outer, ARGS[:1])] == [[-3, -4]]
    assert next(now) == 4


def negated(array: Array) -> list[Array]:
    return [-array]
