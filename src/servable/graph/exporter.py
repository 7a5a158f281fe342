"""The IR back to GraphDef."""

from __future__ import annotations

from collections.abc import Iterable

from servable.graph import attributes, schema
from servable.graph.ir import GraphError, Node
from servable.pb import framework_pb2

PRODUCER = 2000
"""GraphDef producer version that is written; readers only compare it with old limits."""


def export_graph(nodes: Iterable[Node]) -> framework_pb2.GraphDef:
    """Write nodes as a GraphDef.

    Raises:
        GraphError: an op is not in the table, so its attributes' kinds are unknown.
    """
    proto = framework_pb2.GraphDef()
    proto.versions.producer = PRODUCER
    for node in nodes:
        _export_node(node, proto.node.add())
    return proto


def _export_node(node: Node, proto: framework_pb2.NodeDef) -> None:
    op = schema.known(node.op)
    if op is None:
        raise GraphError(f"node {node.name}: op {node.op} is not in the table")
    proto.name = node.name
    proto.op = node.op
    for value in node.inputs:
        proto.input.append(f"{value.node}:{value.index}" if value.index else value.node)
    proto.input.extend(f"^{name}" for name in node.controls)
    for name, attr in op.attrs.items():
        if name in node.attrs:
            proto.attr[name].CopyFrom(attributes.encode(attr.kind, node.attrs[name]))
