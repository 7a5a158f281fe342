"""Conditionals of TensorFlow 1 around reference variables."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from google.protobuf import text_format

from servable.pb import saved_model_pb2
from servable.pb._pool import POOL
from servable.servables.saved_model import SavedModelLoader, SavedModelServable

# What `tf.cond(training, lambda: tf.assign(mean, x), lambda: mean)` becomes.
MODEL = """
graph_def {
  node { name: "mean" op: "VariableV2" attr { key: "dtype" value { type: DT_FLOAT } }
    attr { key: "shape" value { shape { } } } }
  node { name: "start" op: "Const" attr { key: "dtype" value { type: DT_FLOAT } }
    attr { key: "value" value { tensor { dtype: DT_FLOAT tensor_shape { } float_val: 7 } } } }
  node { name: "init" op: "Assign" input: "mean" input: "start"
    attr { key: "T" value { type: DT_FLOAT } } }
  node { name: "x" op: "Placeholder" attr { key: "dtype" value { type: DT_FLOAT } } }
  node { name: "training" op: "Placeholder" attr { key: "dtype" value { type: DT_BOOL } } }
  node { name: "ref" op: "RefSwitch" input: "mean" input: "training"
    attr { key: "T" value { type: DT_FLOAT } } }
  node { name: "new" op: "Switch" input: "x" input: "training"
    attr { key: "T" value { type: DT_FLOAT } } }
  node { name: "assign" op: "Assign" input: "ref:1" input: "new:1"
    attr { key: "T" value { type: DT_FLOAT } } }
  node { name: "taken" op: "Identity" input: "assign"
    attr { key: "T" value { type: DT_FLOAT } } }
  node { name: "left" op: "Identity" input: "ref"
    attr { key: "T" value { type: DT_FLOAT } } }
  node { name: "out" op: "Merge" input: "left" input: "taken"
    attr { key: "T" value { type: DT_FLOAT } } attr { key: "N" value { i: 2 } } }
}
signature_def { key: "step" value {
  inputs { key: "x" value { name: "x:0" dtype: DT_FLOAT tensor_shape { } } }
  inputs { key: "training" value { name: "training:0" dtype: DT_BOOL tensor_shape { } } }
  outputs { key: "mean" value { name: "out:0" dtype: DT_FLOAT tensor_shape { } } } } }
collection_def { key: "legacy_init_op" value { node_list { value: "init" } } }
"""


@pytest.fixture
def model(tmp_path: Path) -> SavedModelServable:
    proto = saved_model_pb2.SavedModel(saved_model_schema_version=1)
    text_format.Parse(MODEL, proto.meta_graphs.add(), descriptor_pool=POOL)
    proto.meta_graphs[0].meta_info_def.tags.append("serve")
    (tmp_path / "saved_model.pb").write_bytes(proto.SerializeToString())
    loader = SavedModelLoader(tmp_path)
    loader.load()
    return loader.servable()


def test_a_variable_changes_only_on_the_branch_that_assigns_it(model: SavedModelServable) -> None:
    def step(x: float, training: bool) -> float:
        inputs = {"x": np.array(x, np.float32), "training": np.array(training)}
        return float(model.run("step", inputs, ["mean"])["mean"])

    assert step(1, False) == 7
    assert step(2, True) == 2
    assert step(3, False) == 2
