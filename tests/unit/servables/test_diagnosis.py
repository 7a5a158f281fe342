"""What is found out about a version folder, whether it loads or not."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

import pytest
from google.protobuf import text_format

from servable.demos import digits
from servable.errors import Code
from servable.pb import saved_model_pb2
from servable.pb._pool import POOL
from servable.savedmodel.reader import read
from servable.servables.diagnosis import diagnose
from servable.servables.formats import Format
from servable.servables.survey import Refusal, refusals

MANY_OUTSIDE = """
graph_def {
  node { name: "x" op: "Placeholder" attr { key: "dtype" value { type: DT_FLOAT } } }
  node { name: "a" op: "Frobnicate" input: "x" }
  node { name: "b" op: "Frobnicate" input: "a" }
  node { name: "name" op: "Const" attr { key: "dtype" value { type: DT_STRING } }
    attr { key: "value" value { tensor { dtype: DT_STRING tensor_shape {} string_val: "f" } } } }
  node { name: "read" op: "ReadFile" input: "name" }
  node { name: "dead" op: "WriteFile" input: "name" input: "name" }
  node { name: "pool" op: "MaxPool" input: "b" attr { key: "T" value { type: DT_FLOAT } }
    attr { key: "ksize" value { list { i: [1, 1, 2, 2] } } }
    attr { key: "strides" value { list { i: [1, 1, 2, 2] } } }
    attr { key: "padding" value { s: "VALID" } }
    attr { key: "data_format" value { s: "NCHW_VECT_C" } } }
}
signature_def { key: "serving_default" value {
  inputs { key: "x" value { name: "x:0" dtype: DT_FLOAT tensor_shape { unknown_rank: true } } }
  outputs { key: "y" value { name: "pool:0" dtype: DT_FLOAT tensor_shape { unknown_rank: true } } }
  outputs { key: "r" value { name: "read:0" dtype: DT_STRING tensor_shape {} } } } }
meta_info_def { tags: "serve" stripped_op_list { op { name: "Frobnicate"
  input_arg { name: "x" type: DT_FLOAT } output_arg { name: "y" type: DT_FLOAT } } } }
"""


def written(folder: Path, meta_graph: str) -> Path:
    proto = saved_model_pb2.SavedModel(saved_model_schema_version=1)
    text_format.Parse(meta_graph, proto.meta_graphs.add(), descriptor_pool=POOL)
    (folder / "saved_model.pb").write_bytes(proto.SerializeToString())
    return folder


@pytest.fixture(autouse=True)
def no_tensorflow(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "tensorflow", None)


def test_a_good_model_is_loaded_and_its_nodes_are_counted() -> None:
    stages: list[str] = []
    found = diagnose(digits.MODELS / "2", stage=stages.append)
    assert found.error is None
    assert (found.format, found.engine, found.refusals) == (Format.SAVED_MODEL, "native", ())
    assert found.tag_sets == (("serve",),)
    assert found.files["variables/variables.index"] > 0
    compiled = found.compiled["serving_default"]
    ((backend, ops),) = compiled.islands
    assert backend == "openvino"
    assert ops["Conv2D"] == 3
    assert compiled.host == {}
    assert [p.name for p in compiled.passes][:2] == ["drop unreachable", "pass references"]
    assert compiled.passes[-1].nodes < max(p.nodes for p in compiled.passes)
    assert "openvino" in compiled.plan
    assert stages == ["reading", "loading"]


def test_every_refused_node_is_found_and_dead_ones_are_not(tmp_path: Path) -> None:
    found = diagnose(written(tmp_path, MANY_OUTSIDE))
    assert found.error is not None
    assert found.error.code is Code.UNIMPLEMENTED
    assert found.servable is None
    named = {(r.op, r.node) for r in found.refusals}
    assert named == {
        ("Frobnicate", "a"),
        ("Frobnicate", "b"),
        ("ReadFile", "read"),
        ("MaxPool", "pool"),
    }
    (pool,) = (r for r in found.refusals if r.op == "MaxPool")
    assert "NCHW_VECT_C" in pool.reason
    assert list(found.signatures) == ["serving_default"]


def test_ops_that_nothing_is_known_of_are_found_without_following_the_graph(tmp_path: Path) -> None:
    folder = written(
        tmp_path, MANY_OUTSIDE.replace('op { name: "Frobnicate"', 'op { name: "Other"')
    )
    model = read(folder)
    assert refusals(model, model.meta_graph()) == [
        Refusal("Frobnicate", "a"),
        Refusal("Frobnicate", "b"),
    ]


def test_a_model_that_is_not_complete_says_what_is_missing(tmp_path: Path) -> None:
    folder = tmp_path / "1"
    shutil.copytree(digits.MODELS / "1", folder)
    next(folder.glob("variables/variables.data*")).unlink()
    found = diagnose(folder)
    assert found.error is not None
    assert "INCOMPLETE" in found.error.message
    assert found.estimated_bytes > 0


def test_an_empty_folder_is_no_model(tmp_path: Path) -> None:
    found = diagnose(tmp_path)
    assert found.format is None
    assert found.error is not None


def test_tags_that_the_server_does_not_want_are_shown(tmp_path: Path) -> None:
    found = diagnose(written(tmp_path, MANY_OUTSIDE.replace('tags: "serve"', 'tags: "train"')))
    assert found.tag_sets == (("train",),)
    assert found.error is not None
    assert found.error.code is Code.NOT_FOUND
