"""Checkpoints: written, listed, read, and errors that say what is missing."""

from __future__ import annotations

import zipfile
from pathlib import Path

import ml_dtypes
import numpy as np
import pytest

from servable import checkpoint
from servable.checkpoint.errors import (
    ArchiveInvalid,
    CheckpointMissing,
    KeysMissing,
    OldFormat,
    StateInvalid,
)
from servable.checkpoint.writing import object_tree
from servable.pb import saved_model_pb2
from servable.savedmodel.write_errors import AlreadyThere
from servable.tensors import Array

MODELS = Path(__file__).parents[2] / "data" / "models"
STRINGS = np.array([b"one", b"", b"\xff\x00"], object)
TENSORS: dict[str, Array] = {
    "dense/kernel": np.arange(6, dtype=np.float32).reshape(2, 3),
    "dense/bias": np.array([1, 2, 3], ml_dtypes.bfloat16),
    "global_step": np.array(7, np.int64),
    "words": STRINGS,
}


@pytest.fixture
def prefix(tmp_path: Path) -> str:
    return checkpoint.write_checkpoint(tmp_path / "model-7", TENSORS)


def test_what_was_written_is_listed_and_loaded(prefix: str) -> None:
    assert checkpoint.list_variables(prefix) == [
        ("dense/bias", [3]),
        ("dense/kernel", [2, 3]),
        ("global_step", []),
        ("words", [3]),
    ]
    for name, expected in TENSORS.items():
        got = checkpoint.load_variable(prefix, name)
        assert (got.dtype, got.tolist()) == (expected.dtype, expected.tolist())


def test_a_saved_model_and_an_index_file_stand_for_a_checkpoint(prefix: str) -> None:
    names = {name for name, _ in checkpoint.list_variables(MODELS / "tf2_mlp")}
    assert "w1/.ATTRIBUTES/VARIABLE_VALUE" in names
    assert checkpoint.load_variable(f"{prefix}.index", "global_step") == 7


def test_a_variable_may_be_named_as_a_tensor_or_as_an_object(prefix: str) -> None:
    assert checkpoint.load_variable(prefix, "global_step:0") == 7
    assert checkpoint.load_variable(MODELS / "tf2_mlp", "b2").shape == (3,)


def test_one_missing_key_is_told_with_close_names(prefix: str) -> None:
    with pytest.raises(KeysMissing) as caught:
        checkpoint.load_variable(prefix, "dense/kernal")
    assert caught.value.message == "Key dense/kernal not found in checkpoint"
    assert "dense/kernal: close to dense/kernel" in caught.value.hint


def test_all_missing_keys_are_told_at_once(prefix: str) -> None:
    with pytest.raises(KeysMissing, match="2 keys not found in checkpoint: dense/b, zzzzzz"):
        checkpoint.restore(prefix, ["global_step", "dense/b", "zzzzzz"])
    many = [f"layer_{i}" for i in range(30)]
    with pytest.raises(KeysMissing, match=r"30 keys .* and 20 more"):
        checkpoint.restore(prefix, many)


def test_restoring_gives_what_is_asked_for_or_everything(prefix: str) -> None:
    got = checkpoint.restore(prefix, {"dense/kernel": (2, 3)})
    np.testing.assert_array_equal(got["dense/kernel"], TENSORS["dense/kernel"])
    assert checkpoint.restore(prefix).keys() == TENSORS.keys()


def test_other_shapes_are_told(prefix: str) -> None:
    with pytest.raises(KeysMissing, match=r"dense/kernel is \[2, 3\] and should be \[3, 2\]"):
        checkpoint.restore(prefix, {"dense/kernel": [3, 2], "global_step": []})


def test_a_checkpoint_that_is_not_there_is_told_with_those_that_are(prefix: str) -> None:
    wrong = Path(prefix).with_name("model-8")
    with pytest.raises(CheckpointMissing) as caught:
        checkpoint.load_checkpoint(wrong)
    assert "There are: model-7." in caught.value.hint
    with pytest.raises(CheckpointMissing, match="there is no checkpoint in"):
        checkpoint.load_checkpoint(wrong.parent)


def test_the_format_of_old_is_named(tmp_path: Path) -> None:
    (tmp_path / "model.ckpt").write_bytes(b"old")
    with pytest.raises(OldFormat, match="is one file"):
        checkpoint.load_checkpoint(tmp_path / "model.ckpt")


def test_objects_are_written_with_a_graph_that_leads_to_them(tmp_path: Path) -> None:
    tree = {"layer": {"kernel": np.ones(2), "odd/name.": np.zeros(1)}, "step": np.array(3)}
    prefix = checkpoint.write_object_checkpoint(tmp_path / "objects", tree)
    tensors = checkpoint.restore(prefix)
    described = tensors["_CHECKPOINTABLE_OBJECT_GRAPH"].item()
    assert object_tree(saved_model_pb2.TrackableObjectGraph.FromString(described)) == {
        "layer/kernel/.ATTRIBUTES/VARIABLE_VALUE": "layer.kernel",
        "layer/odd.Sname../.ATTRIBUTES/VARIABLE_VALUE": "layer.odd/name.",
        "step/.ATTRIBUTES/VARIABLE_VALUE": "step",
        "save_counter/.ATTRIBUTES/VARIABLE_VALUE": "save_counter",
    }
    assert checkpoint.load_variable(prefix, "layer/kernel").tolist() == [1, 1]


def test_the_object_graph_of_tensorflow_is_understood() -> None:
    stored = checkpoint.load_variable(MODELS / "tf2_mlp", "_CHECKPOINTABLE_OBJECT_GRAPH")
    paths = object_tree(saved_model_pb2.TrackableObjectGraph.FromString(stored.item()))
    assert paths["w1/.ATTRIBUTES/VARIABLE_VALUE"] == "w1"


def test_objects_that_hold_each_other_are_walked_once() -> None:
    graph = saved_model_pb2.TrackableObjectGraph()
    first, second = graph.nodes.add(), graph.nodes.add()
    first.children.add(node_id=1, local_name="b")
    second.children.add(node_id=0, local_name="a")
    second.children.add(node_id=99, local_name="nowhere")
    second.attributes.add(name="VARIABLE_VALUE", checkpoint_key="k")
    assert object_tree(graph) == {"k": "b"}


def test_a_copy_has_the_same_tensors_in_as_many_files_as_asked(tmp_path: Path) -> None:
    source = MODELS / "tf1_partitioned"
    prefix = checkpoint.copy_checkpoint(source, tmp_path / "copy", shards=3)
    assert len(list(tmp_path.glob("copy.data-*-of-00003"))) == 3
    assert checkpoint.list_variables(prefix) == checkpoint.list_variables(source)
    for name, _ in checkpoint.list_variables(source):
        np.testing.assert_array_equal(
            checkpoint.load_variable(prefix, name), checkpoint.load_variable(source, name)
        )
    with pytest.raises(AlreadyThere):
        checkpoint.copy_checkpoint(prefix, prefix)


# The state file


def test_the_state_file_is_tensorflows_text(tmp_path: Path) -> None:
    state = checkpoint.CheckpointState(
        tmp_path / "model-2", (tmp_path / "model-1", tmp_path / "model-2"), (1.5, 2.0), 1.0
    )
    checkpoint.write_state(tmp_path, state)
    assert (tmp_path / "checkpoint").read_text() == (
        'model_checkpoint_path: "model-2"\n'
        'all_model_checkpoint_paths: "model-1"\n'
        'all_model_checkpoint_paths: "model-2"\n'
        "all_model_checkpoint_timestamps: 1.5\n"
        "all_model_checkpoint_timestamps: 2.0\n"
        "last_preserved_timestamp: 1.0\n"
    )
    assert checkpoint.read_state(tmp_path) == state


def test_the_latest_is_none_where_its_files_are_gone(prefix: str) -> None:
    folder = Path(prefix).parent
    assert checkpoint.latest_checkpoint(folder) is None
    state = checkpoint.CheckpointState(Path(prefix), (Path(prefix),))
    checkpoint.write_state(folder, state)
    assert checkpoint.latest_checkpoint(folder) == prefix
    checkpoint.remove_checkpoint(prefix)
    assert checkpoint.latest_checkpoint(folder) is None
    assert [p.name for p in folder.iterdir()] == ["checkpoint"]


@pytest.mark.parametrize("text", [b"", b"model_checkpoint_path: 3", b"\xff", b"}{", b'x: "y"'])
def test_a_damaged_state_file_is_an_error(text: bytes, tmp_path: Path) -> None:
    (tmp_path / "checkpoint").write_bytes(text)
    with pytest.raises(StateInvalid, match="checkpoint"):
        checkpoint.latest_checkpoint(tmp_path)


# Archives of numpy


def test_an_archive_holds_everything_and_gives_it_back(prefix: str, tmp_path: Path) -> None:
    archive = checkpoint.to_npz(prefix, tmp_path / "weights.npz")
    with np.load(archive) as plain:
        np.testing.assert_array_equal(plain["dense/kernel"], TENSORS["dense/kernel"])
        assert set(plain.files) == {
            "dense/kernel",
            "global_step",
            "dense/bias@bfloat16",
            "words@string",
        }
    again = checkpoint.restore(checkpoint.from_npz(archive, tmp_path / "again"))
    assert again.keys() == TENSORS.keys()
    for name, expected in TENSORS.items():
        assert again[name].dtype == expected.dtype
        assert again[name].tolist() == expected.tolist()


@pytest.mark.parametrize("model", ["tf2_dtypes", "tf1_half_plus_two", "tf1_partitioned"])
def test_models_of_tensorflow_survive_an_archive(model: str, tmp_path: Path) -> None:
    archive = checkpoint.to_npz(MODELS / model, tmp_path / "weights.npz")
    again = checkpoint.restore(checkpoint.from_npz(archive, tmp_path / "again"))
    for name, expected in checkpoint.restore(MODELS / model).items():
        assert (again[name].dtype, again[name].shape) == (expected.dtype, expected.shape)
        if expected.dtype == object:
            assert again[name].tolist() == expected.tolist()
        else:
            assert again[name].tobytes() == expected.tobytes()


def test_python_objects_in_an_archive_are_refused_not_run(tmp_path: Path) -> None:
    np.savez(tmp_path / "bad.npz", x=np.array([print], object))
    with pytest.raises(ArchiveInvalid, match="can not be read"):
        checkpoint.from_npz(tmp_path / "bad.npz", tmp_path / "model")


@pytest.mark.parametrize(
    "packed",
    [
        np.zeros(0, np.uint8),
        np.frombuffer(np.array([1, 2**62]).tobytes(), np.uint8),
        np.frombuffer(np.array([2**62, 1]).tobytes(), np.uint8),
        np.frombuffer(np.array([1, 1, -1]).tobytes(), np.uint8),
        np.frombuffer(np.array([1, 1, 5]).tobytes() + b"four", np.uint8),
        np.frombuffer(np.array([-1]).tobytes(), np.uint8),
        np.zeros(3),
    ],
)
def test_strings_that_do_not_fit_are_refused(packed: Array, tmp_path: Path) -> None:
    with (
        zipfile.ZipFile(tmp_path / "bad.npz", "w") as archive,
        archive.open("x@string.npy", "w") as member,
    ):
        np.lib.format.write_array(member, packed)
    with pytest.raises(ArchiveInvalid, match="x@string"):
        checkpoint.from_npz(tmp_path / "bad.npz", tmp_path / "model")


@pytest.mark.parametrize("content", [b"", b"PK\3\4 cut", b"\x93NUMPY\x01\x00 cut"])
def test_files_that_are_no_archive_are_refused(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "bad.npz").write_bytes(content)
    with pytest.raises(ArchiveInvalid):
        checkpoint.from_npz(tmp_path / "bad.npz", tmp_path / "model")
    with pytest.raises(ArchiveInvalid):
        checkpoint.from_npz(tmp_path / "missing.npz", tmp_path / "model")
