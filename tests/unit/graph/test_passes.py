"""Passes: what they may change, and what must stay as it was."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from servable.graph.importer import Library
from servable.graph.ir import CONST, Function, GraphError, Node, Value, const
from servable.graph.passes import Traced, expand, reduce
from servable.graph.passes.fold import MOST_BYTES, fold, merge_equal
from servable.graph.passes.freeze import assigned_variables
from servable.graph.passes.prune import prune
from servable.tensors import FLOAT, RESOURCE, Array

Import = Callable[[str], tuple[dict[str, Node], Library]]

EMPTY = Library([], {})


def neg(name: str, source: str, *controls: str) -> Node:
    return Node(name, "Neg", (Value(source),), controls, {"T": FLOAT}, (FLOAT,))


def arg(name: str = "x") -> Node:
    return Node(name, "_Arg", attrs={"T": FLOAT, "index": 0}, dtypes=(FLOAT,))


def function(*nodes: Node, result: str, targets: tuple[str, ...] = ()) -> Function:
    return Function("f", ("x",), {n.name: n for n in nodes}, (Value(result),), targets)


def never(node: Node, inputs: object) -> None:
    del node, inputs


def test_prune_orders_nodes_and_drops_what_nobody_needs() -> None:
    pruned = prune(function(neg("c", "b"), neg("b", "x"), neg("lost", "x"), arg(), result="c"))
    assert list(pruned.nodes) == ["x", "b", "c"]


@pytest.mark.parametrize("nodes", [(neg("a", "a"),), (neg("a", "b"), neg("b", "x", "a"))])
def test_a_circle_is_refused(nodes: tuple[Node, ...]) -> None:
    with pytest.raises(GraphError, match=r"wait for each other|waits for itself"):
        prune(function(arg(), *nodes, result="a"))


def test_ten_thousand_layers_are_not_too_deep() -> None:
    chain = [neg(f"n{i}", f"n{i - 1}" if i else "x") for i in range(10_000)]
    assert len(prune(function(*reversed(chain), arg(), result="n9999")).nodes) == 10_001


COUNTER = """
node { name: "x" op: "Placeholder" attr { key: "dtype" value { type: DT_FLOAT } } }
node { name: "v" op: "VarHandleOp" attr { key: "dtype" value { type: DT_FLOAT } }
  attr { key: "shape" value { shape {} } } attr { key: "shared_name" value { s: "count" } } }
node { name: "call" op: "StatefulPartitionedCall" input: "v" input: "x"
  attr { key: "Tin" value { list { type: DT_RESOURCE type: DT_FLOAT } } }
  attr { key: "Tout" value { list { type: DT_FLOAT } } }
  attr { key: "f" value { func { name: "add" } } } }
node { name: "read" op: "ReadVariableOp" input: "v" input: "^call"
  attr { key: "dtype" value { type: DT_FLOAT } } }
library { function {
  signature { name: "add" input_arg { name: "v" type: DT_RESOURCE }
    input_arg { name: "d" type: DT_FLOAT } output_arg { name: "out" type: DT_FLOAT } }
  node_def { name: "a" op: "AssignAddVariableOp" input: "v" input: "d"
    attr { key: "dtype" value { type: DT_FLOAT } } }
  node_def { name: "same" op: "Identity" input: "d" attr { key: "T" value { type: DT_FLOAT } } }
  ret { key: "out" value: "same:output:0" } control_ret { key: "a" value: "a" }
} }
"""


def test_an_inlined_body_still_does_its_work_before_what_waits_for_the_call(graph: Import) -> None:
    nodes, library = graph(COUNTER)
    expanded = expand(Function("f", (), nodes, (Value("read"),)), library)
    assert "call/a" in expanded.nodes["read"].controls
    reduced = reduce(expanded, library, frozen=lambda _: None, evaluate=never)
    assert reduced.nodes["read"].controls == ("call/a",)


def test_whoever_reads_a_result_of_a_call_gets_its_effects_too(graph: Import) -> None:
    nodes, library = graph(COUNTER)
    reduced = reduce(
        expand(Function("f", (), nodes, (Value("call"),)), library),
        library,
        frozen=lambda _: None,
        evaluate=never,
    )
    assert "call/a" in reduced.nodes


def test_a_variable_that_a_called_function_assigns_is_not_frozen(graph: Import) -> None:
    nodes, library = graph(COUNTER)
    expanded = expand(Function("f", (), nodes, (Value("read"),)), library)
    assert assigned_variables(expanded, library) == {"count"}


def test_a_frozen_variable_leaves_neither_handle_nor_wait() -> None:
    handle = Node("v", "VarHandleOp", (), (), {"shared_name": b"w"}, (RESOURCE,))
    read = Node("r", "ReadVariableOp", (Value("v"),), (), {"dtype": FLOAT}, (FLOAT,))
    out = Node("y", "AddV2", (Value("x"), Value("r")), ("r",), {"T": FLOAT}, (FLOAT,))
    reduced = reduce(
        prune(function(arg(), handle, read, out, result="y")),
        EMPTY,
        frozen=lambda name: np.ones(2, np.float32) if name == "w" else None,
        evaluate=never,
    )
    assert reduced.nodes["r"].op == CONST
    assert "v" not in reduced.nodes
    assert reduced.nodes["y"].controls == ()


def _calls(name: str, callee: str, times: int) -> str:
    body = ""
    last = "v"
    for i in range(times):
        body += (
            f'node_def {{ name: "c{i}" op: "PartitionedCall" input: "{last}"'
            " attr { key: 'Tin' value { list { type: DT_FLOAT } } }"
            " attr { key: 'Tout' value { list { type: DT_FLOAT } } }"
            f' attr {{ key: "f" value {{ func {{ name: "{callee}" }} }} }} }} '
        )
        last = f"c{i}:output:0"
    return (
        f'function {{ signature {{ name: "{name}" input_arg {{ name: "v" type: DT_FLOAT }}'
        f' output_arg {{ name: "o" type: DT_FLOAT }} }} {body}'
        f' ret {{ key: "o" value: "{last}" }} }}\n'
    )


def _call(callee: str) -> str:
    return (
        'node { name: "x" op: "Placeholder" attr { key: "dtype" value { type: DT_FLOAT } } }'
        f'node {{ name: "y" op: "{callee}" input: "x" }}'
    )


def test_functions_that_call_each_other_in_a_circle_are_refused(graph: Import) -> None:
    nodes, library = graph(
        _call("a") + f"library {{ {_calls('a', 'b', 1)} {_calls('b', 'a', 1)} }}"
    )
    with pytest.raises(GraphError, match="calls itself"):
        expand(Function("f", (), nodes, (Value("y"),)), library)


def test_a_graph_that_would_explode_when_inlined_is_refused(graph: Import) -> None:
    # 40 functions that call the next one ten times each: 10 ** 40 nodes in 40 lines.
    calls = "".join(_calls(f"f{i}", f"f{i + 1}", 10) for i in range(40))
    leaf = (
        'function { signature { name: "f40" input_arg { name: "v" type: DT_FLOAT }'
        ' output_arg { name: "o" type: DT_FLOAT } }'
        ' node_def { name: "n" op: "Neg" input: "v" attr { key: "T" value { type: DT_FLOAT } } }'
        ' ret { key: "o" value: "n:y:0" } }'
    )
    nodes, library = graph(_call("f0") + f"library {{ {calls} {leaf} }}")
    with pytest.raises(GraphError, match="over 1000000 nodes"):
        expand(Function("f", (), nodes, (Value("y"),)), library)


def test_folding_stops_before_constants_outgrow_the_file() -> None:
    huge = MOST_BYTES // 4 + 2

    def evaluate(node: Node, inputs: object) -> list[Array]:
        del node, inputs
        return [np.broadcast_to(np.float32(0), (huge,))]

    fill = Node("y", "Neg", (Value("c"),), (), {"T": FLOAT}, (FLOAT,))
    small = const("c", np.zeros(1, np.float32), FLOAT)
    folded = fold(function(arg(), small, fill, result="y"), evaluate)
    assert folded.nodes["y"].op == "Neg"


def test_equal_nodes_are_computed_once_and_different_ones_are_not() -> None:
    merged = merge_equal(
        prune(
            function(
                arg(),
                neg("a", "x"),
                neg("b", "x"),
                Node("y", "Sub", (Value("a"), Value("b")), (), {"T": FLOAT}, (FLOAT,)),
                result="y",
            )
        )
    )
    first, second = merged.nodes["y"].inputs
    assert first == second


def test_the_trace_names_each_pass_with_what_it_changed() -> None:
    trace: list[Traced] = []
    expand(function(arg(), neg("y", "x"), neg("lost", "x"), result="y"), EMPTY, trace)
    assert [t.name for t in trace][:2] == ["drop unreachable", "pass references"]
    assert [t.changed for t in trace][:2] == [1, 0]
