"""Attributes that say only what is the default, left out so that older readers load a graph."""

from __future__ import annotations

from servable.edit.nodes import bodies
from servable.pb import framework_pb2, saved_model_pb2


def strip_default_attributes(meta_graph: saved_model_pb2.MetaGraphDef) -> int:
    """Remove attributes that have their op's default value; return how many.

    The ops' definitions are those that the MetaGraph carries; nodes of other ops stay as
    they are.
    """
    defaults = {
        op.name: {a.name: a.default_value for a in op.attr if a.HasField("default_value")}
        for op in meta_graph.meta_info_def.stripped_op_list.op
    }
    stripped = 0
    for nodes in bodies(meta_graph.graph_def):
        for node in nodes:
            stripped += _strip(node, defaults.get(node.op, {}))
    meta_graph.meta_info_def.stripped_default_attrs = True
    return stripped


def _strip(node: framework_pb2.NodeDef, defaults: dict[str, framework_pb2.AttrValue]) -> int:
    same = [n for n, value in defaults.items() if n in node.attr and node.attr[n] == value]
    for name in same:
        del node.attr[name]
    return len(same)
