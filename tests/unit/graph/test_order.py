"""Effects stay in the order that the graph asks for, whatever becomes of what lies between."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from servable.graph.effects import has_effect
from servable.graph.importer import Library
from servable.graph.ir import Function, Node, UnsupportedOps, Value
from servable.graph.passes import expand, reduce
from servable.graph.passes.freeze import assigned_variables

Import = Callable[[str], tuple[dict[str, Node], Library]]

FLOAT = 'attr { key: "dtype" value { type: DT_FLOAT } }'
T = 'attr { key: "T" value { type: DT_FLOAT } }'


def handle(name: str) -> str:
    return (
        f'node {{ name: "{name}" op: "VarHandleOp" {FLOAT} attr {{ key: "shape" value {{ shape {{}}'
        f' }} }} attr {{ key: "shared_name" value {{ s: "{name}" }} }} }}'
    )


def constant(name: str, *waits: str) -> str:
    inputs = " ".join(f'input: "^{w}"' for w in waits)
    value = "tensor { dtype: DT_FLOAT tensor_shape {} float_val: 2 }"
    return (
        f'node {{ name: "{name}" op: "Const" {inputs} {FLOAT}'
        f' attr {{ key: "value" value {{ {value} }} }} }}'
    )


def doubled(node: Node, inputs: object) -> list[np.ndarray[tuple[()], np.dtype[np.float32]]]:
    del node, inputs
    return [np.asarray(4, np.float32)]


def reduced(graph: tuple[dict[str, Node], Library], result: str) -> Function:
    nodes, library = graph
    expanded = expand(Function("f", (), nodes, (Value(result),)), library)
    fixed = np.asarray(2, np.float32)
    return reduce(
        expanded, library, frozen=lambda n: fixed if n == "fixed" else None, evaluate=doubled
    )


READ = f'node {{ name: "c" op: "ReadVariableOp" input: "fixed" input: "^first" {FLOAT} }}'


@pytest.mark.parametrize("between", [constant("c", "first"), handle("fixed") + READ])
def test_an_assignment_waits_through_constants_that_are_folded(graph: Import, between: str) -> None:
    text = f"""{handle("v")} {constant("one")} {between}
    node {{ name: "first" op: "AssignAddVariableOp" input: "v" input: "one" {FLOAT} }}
    node {{ name: "twice" op: "Mul" input: "c" input: "c" {T} }}
    node {{ name: "second" op: "AssignVariableOp" input: "v" input: "twice" {FLOAT} }}
    node {{ name: "out" op: "ReadVariableOp" input: "v" input: "^second" {FLOAT} }}"""
    nodes = reduced(graph(text), "out").nodes
    assert list(nodes).index("first") < list(nodes).index("second")


def test_a_constant_result_still_brings_the_effect_that_it_waits_for(graph: Import) -> None:
    text = f"""{handle("v")} {constant("one")} {constant("c", "first")}
    node {{ name: "first" op: "AssignAddVariableOp" input: "v" input: "one" {FLOAT} }}"""
    assert "first" in reduced(graph(text), "c").nodes


TRAINED = f"""{constant("one")}
node {{ name: "v" op: "VariableV2" {FLOAT} attr {{ key: "shape" value {{ shape {{}} }} }} }}
node {{ name: "step" op: "ApplyGradientDescent" input: "v" input: "one" input: "one" {T} }}
node {{ name: "out" op: "Identity" input: "one" input: "^step" {T} }}"""


def test_a_step_of_training_is_refused_and_not_left_out(graph: Import) -> None:
    with pytest.raises(UnsupportedOps, match="'ApplyGradientDescent'"):
        reduced(graph(TRAINED), "out")


@pytest.mark.parametrize(
    ("op", "effect"),
    [
        ("ApplyAdam", True),
        ("SparseApplyFtrl", True),
        ("StridedSliceAssign", True),
        ("RefSwitch", False),
        ("IsVariableInitialized", False),
        ("LookupTableFind", False),
        ("ScalarSummary", False),
    ],
)
def test_ops_on_references_have_effects_unless_they_only_read(op: str, effect: bool) -> None:
    assert has_effect(op) is effect


def test_a_variable_that_only_a_body_names_is_not_frozen(graph: Import) -> None:
    one = constant("one").replace("node {", "node_def {", 1)
    add = f'op: "AssignAddVariableOp" input: "v:resource:0" input: "one:output:0" {FLOAT}'
    boolean = 'attr { key: "T" value { type: DT_BOOL } }'
    text = f"""
    node {{ name: "p" op: "Placeholder" attr {{ key: "dtype" value {{ type: DT_BOOL }} }} }}
    node {{ name: "w" op: "While" input: "p"
      attr {{ key: "T" value {{ list {{ type: DT_BOOL }} }} }}
      attr {{ key: "cond" value {{ func {{ name: "same" }} }} }}
      attr {{ key: "body" value {{ func {{ name: "count" }} }} }} }}
    library {{
      function {{ signature {{ name: "same" input_arg {{ name: "a" type: DT_BOOL }}
          output_arg {{ name: "o" type: DT_BOOL }} }} ret {{ key: "o" value: "a" }} }}
      function {{ signature {{ name: "count" input_arg {{ name: "a" type: DT_BOOL }}
          output_arg {{ name: "o" type: DT_BOOL }} }}
        {handle("v").replace("node {", "node_def {", 1)} {one}
        node_def {{ name: "add" {add} }}
        node_def {{ name: "b" op: "Identity" input: "a" {boolean} }}
        ret {{ key: "o" value: "b:output:0" }} control_ret {{ key: "add" value: "add" }} }} }}"""
    nodes, library = graph(text)
    assert assigned_variables(Function("f", (), nodes, (Value("w"),)), library) == {"v"}


def test_a_broken_loop_that_nobody_needs_is_not_looked_at(graph: Import) -> None:
    text = f"""{constant("one")}
    node {{ name: "enter" op: "Enter" input: "one" {T}
      attr {{ key: "frame_name" value {{ s: "odd" }} }} }}
    node {{ name: "out" op: "Identity" input: "one" {T} }}"""
    assert list(reduced(graph(text), "out").nodes) == ["one"]
