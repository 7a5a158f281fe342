""".meta files, and checkpoints that become SavedModels by them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from edited_models import MODELS, B, W, answer, linear, linear_signature

from servable import checkpoint
from servable.checkpoint.errors import CheckpointMissing, KeysMissing, MetaInvalid
from servable.edit.errors import BuildInvalid, TensorMissing
from servable.edit.restores import Restored
from servable.edit.savers import replace_saver
from servable.pb import saved_model_pb2
from servable.savedmodel import model_file
from servable.savedmodel.variables import Variables
from servable.tensors import FLOAT, Array

X = np.array([[1.0, 1.0]], np.float32)
SIGNATURES = {"serving_default": linear_signature()}
VALUES: dict[str, Array] = {
    "w": W,
    "b": B,
    "unused": np.array(1, np.float32),
    "w/Adam": np.zeros((2, 2), np.float32),
}


def trained(folder: Path, values: dict[str, Array]) -> str:
    """Write what TF1 leaves behind: a checkpoint and a .meta file."""
    meta_graph = saved_model_pb2.MetaGraphDef(graph_def=linear())
    replace_saver(meta_graph, [Restored(name, name, "", FLOAT) for name in ("w", "b", "unused")])
    meta_graph.collection_def["train_op"].node_list.value.append("train")
    meta_graph.collection_def["steps"].int64_list.value.append(3)
    described = saved_model_pb2.VariableDef(
        variable_name="w:0", snapshot_name="w/read:0", is_resource=True, trainable=True
    )
    meta_graph.collection_def["variables"].bytes_list.value.append(described.SerializeToString())
    prefix = checkpoint.write_checkpoint(folder / "model-9", values)
    Path(f"{prefix}.meta").write_bytes(meta_graph.SerializeToString())
    return prefix


def test_collections_are_read(tmp_path: Path) -> None:
    found = checkpoint.read_meta(trained(tmp_path, VALUES))
    assert found.collections["train_op"] == ("train",)
    assert found.collections["steps"] == (3,)
    assert found.collections["variables"] == (
        checkpoint.GraphVariable("w:0", "", "w/read:0", trainable=True, is_resource=True),
    )


def test_collections_of_tensorflow_are_read(tmp_path: Path) -> None:
    stored = model_file.parse(MODELS / "tf1_half_plus_two" / "saved_model.pb")
    (tmp_path / "x.meta").write_bytes(stored.meta_graphs[0].SerializeToString())
    found = checkpoint.read_meta(tmp_path / "x.meta").collections
    names = [v.name for v in found["variables"] if isinstance(v, checkpoint.GraphVariable)]
    assert names == ["a:0", "b:0", "counter:0"]


def test_a_checkpoint_becomes_a_model_without_training_ops(tmp_path: Path) -> None:
    prefix = trained(tmp_path, VALUES)
    out = checkpoint.checkpoint_to_saved_model(prefix, tmp_path / "1", SIGNATURES)
    np.testing.assert_array_equal(answer(out, {"x": X})["y"], X @ W + B)
    with Variables.open(out / "variables" / "variables") as variables:
        assert set(variables.entries) == {"w", "b"}
    out = checkpoint.checkpoint_to_saved_model(
        prefix, tmp_path / "2", SIGNATURES, keep_training_ops=True, as_text=True
    )
    with Variables.open(out / "variables" / "variables") as variables:
        assert set(variables.entries) == {"w", "b", "unused"}
    (meta_graph,) = model_file.parse(out / "saved_model.pbtxt").meta_graphs
    assert "train" in {n.name for n in meta_graph.graph_def.node}


def test_what_the_checkpoint_lacks_is_told(tmp_path: Path) -> None:
    prefix = trained(tmp_path, {"w": W, "bb": B})
    with pytest.raises(KeysMissing, match="Key b not found") as caught:
        checkpoint.checkpoint_to_saved_model(prefix, tmp_path / "1", SIGNATURES)
    assert "bb" in caught.value.hint
    assert not (tmp_path / "1").exists()


def test_what_does_not_fit_is_refused(tmp_path: Path) -> None:
    prefix = trained(tmp_path, VALUES)
    wrong = linear_signature()
    wrong.outputs["y"].name = "gone:0"
    with pytest.raises(TensorMissing, match="gone:0"):
        checkpoint.checkpoint_to_saved_model(prefix, tmp_path / "1", {"s": wrong})
    with pytest.raises(BuildInvalid, match="a signature and a tag"):
        checkpoint.checkpoint_to_saved_model(prefix, tmp_path / "1", {})
    with pytest.raises(CheckpointMissing, match=r"no .*other\.meta"):
        checkpoint.checkpoint_to_saved_model(
            prefix, tmp_path / "1", SIGNATURES, meta=tmp_path / "other.meta"
        )


def test_a_damaged_meta_file_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "x.meta").write_bytes(b"\x0a\xff\xff")
    with pytest.raises(MetaInvalid, match=r"x\.meta"):
        checkpoint.read_meta(tmp_path / "x.meta")
