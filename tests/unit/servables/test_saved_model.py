"""Loading a SavedModel and asking it: the shipped digits, and small graphs with state."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from google.protobuf import text_format

from servable.demos import digits
from servable.errors import Code, FailedPrecondition, InvalidArgument, ServableError
from servable.graph.ir import GraphError, UnsupportedOps
from servable.pb import saved_model_pb2
from servable.pb._pool import POOL
from servable.servables.saved_model import SavedModelLoader, SavedModelServable

EXPECTED = Path(__file__).parents[2] / "data" / "digits_expected.npz"


def load(path: Path) -> SavedModelServable:
    loader = SavedModelLoader(path)
    loader.load()
    return loader.servable()


def written(folder: Path, meta_graph: str) -> Path:
    """A SavedModel with one MetaGraph, given as text."""
    proto = saved_model_pb2.SavedModel(saved_model_schema_version=1)
    text_format.Parse(meta_graph, proto.meta_graphs.add(), descriptor_pool=POOL)
    proto.meta_graphs[0].meta_info_def.tags.append("serve")
    (folder / "saved_model.pb").write_bytes(proto.SerializeToString())
    return folder


@pytest.mark.parametrize("version", [1, 2])
@pytest.mark.parametrize("batch", [1, 7, 360])
def test_digits_get_the_probabilities_that_tensorflow_gave(version: int, batch: int) -> None:
    images, _ = digits.heldout()
    got = load(digits.MODELS / str(version)).run(
        "serving_default", {"image": images[:batch]}, ["probabilities"]
    )["probabilities"]
    np.testing.assert_allclose(got, np.load(EXPECTED)[f"v{version}"][:batch], atol=1e-5)


def test_the_convolutional_net_runs_as_one_island_and_the_dense_one_on_the_host() -> None:
    plans = [load(digits.MODELS / v).plan("serving_default") for v in ("1", "2")]
    assert [{s.unit.backend for s in p.steps} for p in plans] == [{"host"}, {"openvino"}]
    assert len(plans[1].steps) == 1


COUNTER = """
graph_def {
  node { name: "v" op: "VarHandleOp" attr { key: "dtype" value { type: DT_FLOAT } }
    attr { key: "shape" value { shape {} } } attr { key: "shared_name" value { s: "count" } } }
  node { name: "zero" op: "Const" attr { key: "dtype" value { type: DT_FLOAT } }
    attr { key: "value" value { tensor { dtype: DT_FLOAT tensor_shape {} float_val: 10 } } } }
  node { name: "init" op: "AssignVariableOp" input: "v" input: "zero"
    attr { key: "dtype" value { type: DT_FLOAT } } }
  node { name: "by" op: "Placeholder" attr { key: "dtype" value { type: DT_FLOAT } } }
  node { name: "add" op: "AssignAddVariableOp" input: "v" input: "by"
    attr { key: "dtype" value { type: DT_FLOAT } } }
  node { name: "after" op: "ReadVariableOp" input: "v" input: "^add"
    attr { key: "dtype" value { type: DT_FLOAT } } }
  node { name: "now" op: "ReadVariableOp" input: "v"
    attr { key: "dtype" value { type: DT_FLOAT } } }
}
signature_def { key: "incr_by" value { inputs { key: "delta" value {
    name: "by:0" dtype: DT_FLOAT tensor_shape {} } }
  outputs { key: "output" value { name: "after:0" dtype: DT_FLOAT tensor_shape {} } } } }
signature_def { key: "get" value {
  outputs { key: "output" value { name: "now:0" dtype: DT_FLOAT tensor_shape {} } } } }
collection_def { key: "saved_model_main_op" value { node_list { value: "init" } } }
"""


def test_signatures_share_the_state_that_the_init_op_set_up(tmp_path: Path) -> None:
    counter = load(written(tmp_path, COUNTER))

    def get() -> float:
        return float(counter.run("get", {}, ["output"])["output"])

    assert get() == 10
    by = np.array(2.5, np.float32)
    assert counter.run("incr_by", {"delta": by}, ["output"])["output"] == 12.5
    assert get() == 12.5


SPARSE = (
    COUNTER
    + """
signature_def { key: "sparse" value { inputs { key: "s" value {
    coo_sparse { values_tensor_name: "by:0" } dtype: DT_FLOAT } }
  outputs { key: "output" value { name: "now:0" dtype: DT_FLOAT tensor_shape {} } } } }
"""
)


def test_a_sparse_signature_is_refused_when_called_and_the_others_are_served(
    tmp_path: Path,
) -> None:
    model = load(written(tmp_path, SPARSE))
    assert model.run("get", {}, ["output"])["output"] == 10
    assert set(model.compiled) == {"incr_by", "get"}
    with pytest.raises(UnsupportedOps, match="not plain tensors"):
        model.run("sparse", {"s": np.array(1, np.float32)}, ["output"])


def test_two_loads_of_one_folder_do_not_share_state(tmp_path: Path) -> None:
    written(tmp_path, COUNTER)
    first, second = load(tmp_path), load(tmp_path)
    first.run("incr_by", {"delta": np.array(1, np.float32)}, ["output"])
    assert second.run("get", {}, ["output"])["output"] == 10


TF1 = """
graph_def {
  node { name: "w" op: "VariableV2" attr { key: "dtype" value { type: DT_FLOAT } }
    attr { key: "shape" value { shape { dim { size: 2 } } } } }
  node { name: "start" op: "Const" attr { key: "dtype" value { type: DT_FLOAT } }
    attr { key: "value" value { tensor {
      dtype: DT_FLOAT tensor_shape { dim { size: 2 } } float_val: [3, 4] } } } }
  node { name: "assign" op: "Assign" input: "w" input: "start"
    attr { key: "T" value { type: DT_FLOAT } } }
  node { name: "x" op: "Placeholder" attr { key: "dtype" value { type: DT_FLOAT } } }
  node { name: "y" op: "Mul" input: "x" input: "w" attr { key: "T" value { type: DT_FLOAT } } }
}
signature_def { key: "serving_default" value { inputs { key: "x" value {
    name: "x:0" dtype: DT_FLOAT tensor_shape { unknown_rank: true } } }
  outputs { key: "y" value { name: "y:0" dtype: DT_FLOAT tensor_shape { unknown_rank: true } } }
  outputs { key: "w" value { name: "w:0" dtype: DT_FLOAT tensor_shape { unknown_rank: true } } } } }
collection_def { key: "legacy_init_op" value { node_list { value: "assign" } } }
"""


def test_reference_variables_of_tf1_are_read_where_values_are_wanted(tmp_path: Path) -> None:
    model = load(written(tmp_path, TF1))
    got = model.run("serving_default", {"x": np.array([2, 5], np.float32)}, ["y", "w"])
    assert {alias: array.tolist() for alias, array in got.items()} == {"y": [6, 20], "w": [3, 4]}


def test_a_refused_request_leaves_the_model_as_it_was(tmp_path: Path) -> None:
    model = load(written(tmp_path, TF1))
    with pytest.raises(InvalidArgument, match=r"\[\[\{\{node y\}\}\]\]"):
        model.run("serving_default", {"x": np.zeros(3, np.float32)}, ["y"])
    got = model.run("serving_default", {"x": np.ones(2, np.float32)}, ["y"])
    assert got["y"].tolist() == [3, 4]


BROKEN = {
    "an op outside the list": (
        'op: "Mul" input: "x" input: "w"',
        'op: "PyFunc" input: "x" attr { key: "token" value { s: "t" } }'
        " attr { key: 'Tin' value { list { type: DT_FLOAT } } }"
        " attr { key: 'Tout' value { list { type: DT_FLOAT } } }",
        UnsupportedOps,
        r"'PyFunc' \(node y\)",
    ),
    "a signature's tensor is not in the graph": (
        'name: "y:0"',
        'name: "z:0"',
        GraphError,
        "signature serving_default: tensor z:0 does not exist",
    ),
    "an input without a dtype": (
        'name: "x:0" dtype: DT_FLOAT',
        'name: "x:0"',
        GraphError,
        "input x has no dtype",
    ),
    "the init op is not in the graph": (
        'value: "assign"',
        'value: "gone"',
        GraphError,
        "node gone does not exist",
    ),
}


@pytest.mark.parametrize("name", BROKEN)
def test_a_model_that_can_not_answer_does_not_load_and_says_why(tmp_path: Path, name: str) -> None:
    old, new, kind, text = BROKEN[name]
    assert old in TF1
    with pytest.raises(kind, match=text):
        load(written(tmp_path, TF1.replace(old, new)))


def test_tags_that_no_metagraph_has_are_not_found() -> None:
    loader = SavedModelLoader(digits.MODELS / "1", tags=("serve", "gpu"))
    with pytest.raises(ServableError, match="matching supplied tags") as caught:
        loader.load()
    assert caught.value.code is Code.NOT_FOUND


def test_a_loader_gives_its_servable_only_between_load_and_unload() -> None:
    loader = SavedModelLoader(digits.MODELS / "1")
    with pytest.raises(FailedPrecondition, match="is not loaded"):
        loader.servable()
    loader.load()
    loader.servable()
    loader.unload()
    with pytest.raises(FailedPrecondition, match="is not loaded"):
        loader.servable()


def test_the_estimate_covers_the_files() -> None:
    folder = digits.MODELS / "2"
    size = sum(p.stat().st_size for p in folder.rglob("*") if p.is_file())
    assert size < SavedModelLoader(folder).estimate_resources() < 2 * size


def test_signatures_that_are_the_same_function_share_one_plan() -> None:
    model = load(digits.MODELS / "2")
    assert model.plan("serve") is model.plan("serving_default")
