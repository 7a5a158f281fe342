"""Checkpoints and SavedModels that cross between TensorFlow and this package, both ways."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import ml_dtypes
import numpy as np
import pytest
from edited_models import B, W, answer, linear, linear_signature, save_linear

from servable import checkpoint, edit, tensors
from servable.savedmodel.variables import index_path
from servable.tensors import Array

pytestmark = pytest.mark.parity

tf = pytest.importorskip("tensorflow", reason="needs the environment of `make parity`")
v1 = tf.compat.v1

X = np.array([[1.0, 1.0], [0.5, -2.0]], np.float32)
VALUES: dict[str, Array] = {
    "float": np.array([[1.5, -2.0], [np.inf, 0.0]], np.float32),
    "bfloat16": np.array([1.0, -3.0], ml_dtypes.bfloat16),
    "half": np.array([0.5], np.float16),
    "float8": np.array([1.0, -0.5], ml_dtypes.float8_e5m2),
    "int64": np.array([-(2**63), 2**63 - 1]),
    "bool": np.array([True, False]),
    "complex": np.array([1 + 2j], np.complex64),
    "scalar": np.array(3, np.int32),
    "empty": np.zeros((0, 3), np.float32),
    "words/é": np.array([b"one", b"", b"x" * 300], object),
}


def equal(ours: Any, theirs: Any) -> None:
    ours, theirs = np.asarray(ours), np.asarray(theirs)
    assert (ours.dtype, ours.shape) == (theirs.dtype, theirs.shape)
    assert ours.tolist() == theirs.tolist()


@pytest.mark.parametrize("shards", [1, 3])
def test_tensorflow_reads_what_is_written_by_name(shards: int, tmp_path: Path) -> None:
    prefix = checkpoint.write_checkpoint(tmp_path / "model", VALUES, shards=shards)
    reader = tf.train.load_checkpoint(prefix)
    assert tf.train.list_variables(prefix) == [tuple(v) for v in checkpoint.list_variables(prefix)]
    for name, value in VALUES.items():
        equal(value, reader.get_tensor(name))


def test_what_tensorflow_writes_is_read_back_and_written_the_same(tmp_path: Path) -> None:
    module = tf.train.Checkpoint(
        **{
            name.partition("/")[0]: tf.Variable(
                tf.constant(value, tf.string if value.dtype == object else value.dtype)
            )
            for name, value in VALUES.items()
        }
    )
    prefix = module.write(str(tmp_path / "theirs"))
    for name, value in VALUES.items():
        equal(checkpoint.load_variable(prefix, name.partition("/")[0]), value)
    copy = checkpoint.copy_checkpoint(prefix, tmp_path / "ours")
    assert index_path(Path(copy)).read_bytes() == index_path(Path(prefix)).read_bytes()


def test_tensorflow_restores_objects(tmp_path: Path) -> None:
    prefix = checkpoint.write_object_checkpoint(
        tmp_path / "objects", {"layer": {"kernel": W, "od.d/name": B}, "step": np.array(5)}
    )
    layer = tf.Module()
    layer.kernel = tf.Variable(np.zeros_like(W))
    setattr(layer, "od.d/name", tf.Variable(np.zeros_like(B)))
    step = tf.Variable(0, dtype=tf.int64)
    status = tf.train.Checkpoint(layer=layer, step=step).restore(prefix)
    status.assert_consumed()
    equal(layer.kernel.numpy(), W)
    equal(getattr(layer, "od.d/name").numpy(), B)
    assert step.numpy() == 5


def test_state_files_are_read_by_both(tmp_path: Path) -> None:
    saver = checkpoint.Saver(max_to_keep=2)
    for step in range(3):
        saver.save({"w": W}, tmp_path / "ours" / "model", step)
    state = tf.train.get_checkpoint_state(str(tmp_path / "ours"))
    assert state.model_checkpoint_path == str(tmp_path / "ours" / "model-2")
    assert len(state.all_model_checkpoint_paths) == 2
    manager = tf.train.CheckpointManager(
        tf.train.Checkpoint(w=tf.Variable(W)), str(tmp_path / "theirs"), max_to_keep=2
    )
    for _ in range(3):
        manager.save()
    assert checkpoint.latest_checkpoint(tmp_path / "theirs") == manager.latest_checkpoint
    found = checkpoint.read_state(tmp_path / "theirs")
    assert found is not None
    assert [str(p) for p in found.all] == manager.checkpoints
    assert len(found.timestamps) == 2


def trained(folder: Path, *, resources: bool) -> tuple[str, Array]:
    """Train a line in TF1, with partitions and an optimizer; return prefix and answer."""
    with tf.Graph().as_default(), v1.Session() as session:
        x = v1.placeholder(tf.float32, [None, 2], "x")
        with v1.variable_scope(
            "net", partitioner=v1.fixed_size_partitioner(2), use_resource=resources
        ):
            w = v1.get_variable("w", initializer=tf.constant(W))
        b = v1.get_variable("b", initializer=tf.constant(B), use_resource=resources)
        y = tf.add(tf.matmul(x, tf.convert_to_tensor(w)), b, name="y")
        train = v1.train.AdamOptimizer(0.1).minimize(tf.reduce_sum(y * y))
        session.run(v1.global_variables_initializer())
        for _ in range(3):
            session.run(train, {x: X})
        saver = v1.train.Saver()
        prefix = saver.save(session, str(folder / "model"), global_step=3)
        return prefix, session.run(y, {x: X})


@pytest.mark.parametrize("resources", [False, True], ids=["references", "resources"])
def test_a_trained_checkpoint_becomes_a_model_for_both(resources: bool, tmp_path: Path) -> None:
    prefix, expected = trained(tmp_path, resources=resources)
    collections = checkpoint.read_meta(prefix).collections
    names = [v.name for v in collections["variables"] if isinstance(v, checkpoint.GraphVariable)]
    assert names[:3] == ["net/w/part_0:0", "net/w/part_1:0", "b:0"]
    meta_graph = checkpoint.read_meta(prefix).message
    signature = edit.predict_signature_def(
        {"x": edit.tensor_info_of(meta_graph, "x:0")}, {"y": edit.tensor_info_of(meta_graph, "y")}
    )
    out = checkpoint.checkpoint_to_saved_model(
        tmp_path, tmp_path / "export" / "1", {"serving_default": signature}
    )
    np.testing.assert_allclose(answer(out, {"x": X})["y"], expected, rtol=1e-6)
    assert [name for name, _ in checkpoint.list_variables(out)] == ["b", "net/w"]
    np.testing.assert_allclose(in_session(out)["y"], expected, rtol=1e-6)
    np.testing.assert_allclose(in_tensorflow_2(out)["y"], expected, rtol=1e-6)


def in_session(path: Path) -> dict[str, Any]:
    with tf.Graph().as_default(), v1.Session() as session:
        meta_graph = v1.saved_model.load(session, ["serve"], str(path))
        signature = meta_graph.signature_def["serving_default"]
        fetches = {alias: info.name for alias, info in signature.outputs.items()}
        found: dict[str, Any] = session.run(fetches, {signature.inputs["x"].name: X})
        return found


def in_tensorflow_2(path: Path) -> dict[str, Any]:
    model = tf.saved_model.load(str(path))
    outputs = model.signatures["serving_default"](x=tf.constant(X))
    return {alias: tensor.numpy() for alias, tensor in outputs.items()}


def resourceful(folder: Path) -> Path:
    """TF2: weights in a function, an embedding, a branch and a loop, and Adam's slots."""
    module = tf.Module()
    module.w = tf.Variable(W, name="w")
    module.table = tf.Variable(np.arange(2048, dtype=np.float32).reshape(1024, 2) / 1024)
    module.slot = tf.Variable(np.zeros(4096, np.float32), name="slot")

    def serve(x: Any) -> dict[str, Any]:
        rows = tf.gather(module.table, tf.cast(tf.abs(x[:, 0]) * 100, tf.int32))
        y = tf.matmul(x, module.w) if tf.reduce_sum(x) > 0 else x - module.w[0]
        for _ in tf.range(3):
            y = tf.matmul(y, module.w) * 0.1
        return {"y": y + rows}

    module.serve = tf.function(serve, input_signature=[tf.TensorSpec([None, 2], tf.float32, "x")])
    tf.saved_model.save(module, str(folder), signatures={"serving_default": module.serve})
    return folder


CHANGES: dict[str, tuple[Callable[[edit.Draft], object], float]] = {
    "copied": (edit.Draft.variable_bytes, 1e-6),
    "cleared": (edit.clear_devices, 1e-6),
    "pruned": (edit.prune, 1e-6),
    "frozen": (edit.freeze, 1e-6),
    "float16": (lambda draft: edit.cast_weights(draft, tensors.HALF), 1e-2),
    "bfloat16": (lambda draft: edit.cast_weights(draft, tensors.BFLOAT16), 1e-2),
}


@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize("build", [resourceful, save_linear], ids=["tf2", "built"])
def test_what_was_edited_is_loaded_by_both_ways_of_tensorflow(
    build: Callable[[Path], Path], change: str, tmp_path: Path
) -> None:
    source = build(tmp_path / "1")
    verb, tolerance = CHANGES[change]
    draft = edit.open_draft(source)
    verb(draft)
    out = draft.save(tmp_path / "2")
    expected = answer(source, {"x": X})["y"]
    np.testing.assert_allclose(answer(out, {"x": X})["y"], expected, atol=tolerance)
    np.testing.assert_allclose(in_session(out)["y"], expected, atol=tolerance)
    if build is resourceful or change == "frozen":  # TF2 takes no bare references
        np.testing.assert_allclose(in_tensorflow_2(out)["y"], expected, atol=tolerance)


def test_a_frozen_graph_runs_by_its_names(tmp_path: Path) -> None:
    source = resourceful(tmp_path / "1")
    frozen = edit.frozen_graph(edit.open_draft(source))
    graph_def = v1.GraphDef.FromString(frozen.graph.SerializeToString())
    with tf.Graph().as_default(), v1.Session() as session:
        tf.import_graph_def(graph_def, name="")
        got = session.run(frozen.outputs["y"], {frozen.inputs["x"]: X})
    np.testing.assert_allclose(got, answer(source, {"x": X})["y"], rtol=1e-6)


@pytest.mark.parametrize("as_text", [False, True], ids=["binary", "text"])
def test_tensorflow_loads_what_the_builder_saves(as_text: bool, tmp_path: Path) -> None:
    builder = edit.SavedModelBuilder(tmp_path / "1")
    values = {"w": W, "b": B, "unused": np.array(1, np.float32)}
    signatures = {"serving_default": linear_signature()}
    builder.add_meta_graph_and_variables(
        linear(), values, ["serve"], signature_def_map=signatures, clear_devices=True
    )
    builder.add_meta_graph(linear(), ["serve", "other"], signature_def_map=signatures)
    out = builder.save(as_text=as_text)
    np.testing.assert_allclose(in_session(out)["y"], X @ W + B)
    with tf.Graph().as_default(), v1.Session() as session:
        v1.saved_model.load(session, ["serve", "other"], str(out))
        equal(session.run("w/read:0"), W)


def test_a_graph_that_tensorflow_restored_is_saved_by_its_new_saver(tmp_path: Path) -> None:
    """What is cast is written small again, and read again."""
    draft = edit.open_draft(save_linear(tmp_path / "1"))
    edit.cast_weights(draft, tensors.BFLOAT16, least_elements=1)
    out = draft.save(tmp_path / "2")
    with tf.Graph().as_default(), v1.Session() as session:
        meta_graph = v1.saved_model.load(session, ["serve"], str(out))
        v1.train.Saver(saver_def=meta_graph.saver_def).save(session, str(tmp_path / "again"))
    assert checkpoint.load_variable(tmp_path / "again", "w").dtype == ml_dtypes.bfloat16
