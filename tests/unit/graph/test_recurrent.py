"""Which loops become one node; that their answers stay is what the recorded cases show."""

from __future__ import annotations

import base64
import json
from pathlib import Path

import pytest

from servable.engine.backends import host
from servable.graph.cut import cut
from servable.graph.importer import import_graph, parse_tensor_name
from servable.graph.ir import FunctionRef
from servable.graph.passes import expand, reduce
from servable.ops.registry import Body, Environment
from servable.ops.resources import Resources
from servable.pb import framework_pb2
from servable.tensors import from_enum


def no_functions(ref: FunctionRef) -> Body:
    raise AssertionError(f"nothing calls {ref}")


ENVIRONMENT = Environment(Resources(), None, no_functions)

RECORDED = Path(__file__).parents[2] / "cases" / "recorded"
CASES = [
    (op, json.loads(line))
    for op in ("_LSTM", "_GRU", "_RNN")
    for line in (RECORDED / f"{op}.json").read_text().splitlines()
]


@pytest.mark.parametrize(("op", "record"), CASES, ids=[r["name"] for _, r in CASES])
def test_a_loop_is_fused_only_if_it_is_the_cell(op: str, record: dict[str, object]) -> None:
    proto = framework_pb2.GraphDef.FromString(base64.b64decode(str(record["graph"])))
    nodes, library = import_graph(proto, {})
    feeds = record["feeds"]
    fetches = record["fetches"]
    assert isinstance(feeds, list)
    assert isinstance(fetches, list)
    function = cut(
        "case",
        nodes,
        {f["name"]: (parse_tensor_name(f["name"]), from_enum(f["dtype"])) for f in feeds},
        tuple(map(parse_tensor_name, fetches)),
    )
    reduced = reduce(
        expand(function, library),
        library,
        frozen=lambda _: None,
        evaluate=lambda node, inputs: host.evaluate(node, inputs, ENVIRONMENT),
    )
    ops = {node.op for node in reduced.nodes.values()}
    if str(record["name"]).startswith("not_"):
        assert "StatelessWhile" in ops
    else:
        assert op in ops
        assert "StatelessWhile" not in ops
