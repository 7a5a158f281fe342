"""What the variables of TF2 models are called, and which of them count."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from servable import checkpoint
from servable.pb import saved_model_pb2
from servable.savedmodel.errors import ObjectGraphInvalid
from servable.savedmodel.variable_names import Named, named_variables
from servable.savedmodel.variables import Variables

Objects = dict[str, "Objects | str"]
"""A tree: the name of a variable at each leaf."""


def objects_of(tree: Objects) -> saved_model_pb2.SavedObjectGraph:
    graph = saved_model_pb2.SavedObjectGraph()

    def add(item: Objects | str) -> int:
        number = len(graph.nodes)
        node = graph.nodes.add()
        if isinstance(item, str):
            node.variable.name, node.variable.trainable = item, True
            return number
        node.user_object.identifier = "_generic_user_object"
        for name, child in item.items():
            made = add(child)
            graph.nodes[number].children.add(node_id=made, local_name=name)
        return number

    add(tree)
    return graph


def arrays_of(tree: Objects) -> dict[str, object]:
    return {
        name: np.zeros(2, np.float32) if isinstance(item, str) else arrays_of(item)
        for name, item in tree.items()
    }


def named(folder: Path, tree: Objects) -> tuple[Named, ...]:
    meta_graph = saved_model_pb2.MetaGraphDef(object_graph_def=objects_of(tree))
    prefix = folder / "variables"
    checkpoint.write_object_checkpoint(prefix, arrays_of(tree))
    with Variables.open(prefix) as stored:
        return named_variables(meta_graph, stored)


def test_variables_of_one_name_are_called_by_their_paths(tmp_path: Path) -> None:
    tree: Objects = {"layers": {"0": {"w": "w"}, "1": {"w": "w"}}, "bias": "b", "no_name": ""}
    assert {v.name for v in named(tmp_path, tree)} == {"layers/0/w", "layers/1/w", "b", "no_name"}


def test_a_path_that_is_the_name_of_another_variable_is_written_out(tmp_path: Path) -> None:
    found = named(tmp_path, {"a": "same", "b": "same", "c": "a"})
    assert {v.name for v in found} == {"a", "a/.ATTRIBUTES/VARIABLE_VALUE", "b"}
    assert {v.key for v in found if v.name == "a"} == {"c/.ATTRIBUTES/VARIABLE_VALUE"}


def test_what_the_model_lists_are_its_variables_and_copies_are_not(tmp_path: Path) -> None:
    tree: Objects = {
        "_all_variables": {"0": "d/kernel", "1": "d/bias"},
        "trainable_variables": {},
        "variables": {"0": "d/kernel", "1": "d/bias"},
    }
    found = named(tmp_path, tree)
    assert [(v.name, v.trainable) for v in found if v.listed] == [
        ("d/kernel", False),
        ("d/bias", False),
    ]
    assert {v.name for v in found if not v.listed} == {"_all_variables/0", "_all_variables/1"}


def test_a_list_that_leads_nowhere_is_refused(tmp_path: Path) -> None:
    tree: Objects = {"w": "w", "variables": {}}
    meta_graph = saved_model_pb2.MetaGraphDef(object_graph_def=objects_of(tree))
    for child in meta_graph.object_graph_def.nodes[0].children:
        if child.local_name == "variables":
            child.node_id = 99
    prefix = tmp_path / "variables"
    checkpoint.write_object_checkpoint(prefix, arrays_of({"w": "w"}))
    with Variables.open(prefix) as stored, pytest.raises(ObjectGraphInvalid, match="no node 99"):
        named_variables(meta_graph, stored)
