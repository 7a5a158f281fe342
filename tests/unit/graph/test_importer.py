"""GraphDef and FunctionDef to the IR: what is resolved, and what is refused."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from servable.graph.importer import Library, parse_tensor_name
from servable.graph.ir import GraphError, Node, UnsupportedOps, Value
from servable.tensors import FLOAT, INT32

Import = Callable[[str], tuple[dict[str, Node], Library]]

X = 'node { name: "x" op: "Placeholder" attr { key: "dtype" value { type: DT_FLOAT } } }'


def test_defaults_that_were_stripped_are_filled_in(graph: Import) -> None:
    nodes, _ = graph(
        X
        + """node { name: "m" op: "MatMul" input: "x" input: "x"
                    attr { key: "T" value { type: DT_FLOAT } } }"""
    )
    assert nodes["m"].attrs["transpose_a"] is False
    assert nodes["m"].dtypes == (FLOAT,)


def test_hints_of_tensorflows_runtime_are_left_out(graph: Import) -> None:
    nodes, _ = graph(
        """node { name: "x" op: "Placeholder" attr { key: "dtype" value { type: DT_INT32 } }
                  attr { key: "_class" value { list { s: "loc:@y" } } } }"""
    )
    assert nodes["x"].dtypes == (INT32,)
    assert "_class" not in nodes["x"].attrs


SPLIT_FUNCTION = """
library { function {
  signature { name: "halves"
    input_arg { name: "v" type: DT_FLOAT }
    output_arg { name: "first" type: DT_FLOAT } output_arg { name: "rest" type: DT_FLOAT } }
  node_def { name: "axis" op: "Const" attr { key: "dtype" value { type: DT_INT32 } }
    attr { key: "value" value { tensor { dtype: DT_INT32 tensor_shape {} } } } }
  node_def { name: "s" op: "Split" input: "axis:output:0" input: "v" input: "^axis"
    attr { key: "T" value { type: DT_FLOAT } } attr { key: "num_split" value { i: 3 } } }
  node_def { name: "u" op: "UniqueWithCounts" input: "s:output:1"
    attr { key: "T" value { type: DT_FLOAT } } }
  ret { key: "first" value: "s:output:2" } ret { key: "rest" value: "u:y:0" }
  control_ret { key: "done" value: "s" }
} }
"""


def test_outputs_inside_functions_are_counted_over_all_arguments_of_the_op(graph: Import) -> None:
    _, library = graph(SPLIT_FUNCTION)
    function = library["halves"]
    assert function.results == (Value("s", 2), Value("u", 0))
    assert function.nodes["u"].inputs == (Value("s", 1),)
    assert function.nodes["s"].controls == ("axis",)
    assert function.targets == ("s",)


def test_a_function_may_be_called_by_its_own_name(graph: Import) -> None:
    nodes, _ = graph(X + 'node { name: "c" op: "halves" input: "x" }' + SPLIT_FUNCTION)
    assert nodes["c"].dtypes == (FLOAT, FLOAT)


NEG = 'op: "Neg" attr { key: "T" value { type: DT_FLOAT } }'

BROKEN = {
    "a node is defined twice": (X + X, "node x is defined twice"),
    "a node has no name": (f"node {{ {NEG} }}", "has no name"),
    "an input does not exist": (
        f'node {{ name: "n" input: "gone" {NEG} }}',
        "node n reads gone:0, which does not exist",
    ),
    "an output does not exist": (
        X + f'node {{ name: "n" input: "x:7" {NEG} }}',
        "node n reads x:7, which does not exist",
    ),
    "an output is not a number": (
        X + f'node {{ name: "n" input: "x:y" {NEG} }}',
        "'x:y' is not the name of a tensor",
    ),
    "a control input does not exist": (
        X + f'node {{ name: "n" input: "x" input: "^gone" {NEG} }}',
        "node n waits for gone, which does not exist",
    ),
    "an attribute is missing": (
        X + 'node { name: "n" op: "Neg" input: "x" }',
        "node n: Neg needs attribute T",
    ),
    "a dtype is not a dtype": (
        'node { name: "x" op: "Placeholder" attr { key: "dtype" value { i: 1 } } }',
        "attribute dtype should be a dtype",
    ),
    "a count is negative": (
        X
        + """node { name: "n" op: "Pack" input: "x" attr { key: "N" value { i: 1 } }
                    attr { key: "T" value { type: DT_FLOAT } } }
             node { name: "s" op: "Split" input: "x" input: "x"
                    attr { key: "num_split" value { i: -3 } }
                    attr { key: "T" value { type: DT_FLOAT } } }""",
        "attribute num_split should be a number of tensors",
    ),
    "an attribute is an unbound placeholder": (
        'node { name: "x" op: "Placeholder" attr { key: "dtype" value { placeholder: "T" } } }',
        "placeholder 'T' is not filled in",
    ),
    "a function is defined twice": (
        "library { function { signature { name: 'halves' } }"
        " function { signature { name: 'halves' } } }",
        "function halves is defined twice",
    ),
}


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_graph_is_refused_with_the_place_named(graph: Import, name: str) -> None:
    text, expected = BROKEN[name]
    with pytest.raises(GraphError, match=expected.replace("(", r"\(")):
        graph(text)


BROKEN_FUNCTIONS = {
    "a result is not said": ('ret { key: "rest" value: "u:y:0" }', "", "its result rest is"),
    "a reference has two parts": ('"s:output:1"', '"s:1"', "is not `node:output:index`"),
    "an output name is wrong": ('"s:output:1"', '"s:out:1"', "Split has no output called 'out'"),
    "a node does not exist": ('"s:output:1"', '"t:output:1"', "names a node that does not exist"),
    "a target does not exist": ('value: "s" }', 'value: "t" }', "t does not exist"),
    "an output is past the end": ('"s:output:1"', '"s:output:9"', "reads s:9"),
}


@pytest.mark.parametrize("name", BROKEN_FUNCTIONS)
def test_a_broken_function_is_refused_when_it_is_asked_for(graph: Import, name: str) -> None:
    old, new, expected = BROKEN_FUNCTIONS[name]
    assert old in SPLIT_FUNCTION
    _, library = graph(SPLIT_FUNCTION.replace(old, new))
    with pytest.raises(GraphError, match=expected):
        library["halves"]


def test_a_function_that_is_not_there_is_named(graph: Import) -> None:
    _, library = graph("")
    with pytest.raises(GraphError, match="calls function f, which it does not have"):
        library["f"]


def test_an_op_that_nobody_knows_is_named_with_its_node(graph: Import) -> None:
    with pytest.raises(UnsupportedOps, match=r"Op type not registered 'MyOp' \(node n\)"):
        graph('node { name: "n" op: "MyOp" }')


@pytest.mark.parametrize(
    ("text", "value"), [("x", Value("x", 0)), ("x:0", Value("x", 0)), ("a/b:12", Value("a/b", 12))]
)
def test_tensor_names_of_signatures(text: str, value: Value) -> None:
    assert parse_tensor_name(text) == value
