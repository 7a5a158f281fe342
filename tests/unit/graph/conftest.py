"""Small graphs written as text protos."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from google.protobuf import text_format

from servable.graph.importer import Library, import_graph
from servable.graph.ir import Node
from servable.pb import framework_pb2
from servable.pb._pool import POOL

Graph = tuple[dict[str, Node], Library]


@pytest.fixture
def graph() -> Callable[[str], Graph]:
    """Import a GraphDef given as text."""

    def build(text: str) -> Graph:
        proto = framework_pb2.GraphDef()
        text_format.Parse(text, proto, descriptor_pool=POOL)
        nodes, library = import_graph(proto, {})
        return dict(nodes), library

    return build
