"""Telling a SavedModel that is all there from one that is still being copied."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from servable.errors import Code
from servable.savedmodel import errors
from servable.savedmodel.checks import check_complete

MODELS = Path(__file__).parents[2] / "data" / "models"
DATA = "variables/variables.data-00001-of-00002"


@pytest.mark.parametrize("model", sorted(p for p in MODELS.iterdir() if p.is_dir()), ids=str)
def test_recorded_models_are_complete(model: Path) -> None:
    check_complete(model)


def cut(path: Path, size: int) -> None:
    os.truncate(path, path.stat().st_size + size if size < 0 else size)


def empty(directory: Path) -> None:
    shutil.rmtree(directory)
    directory.mkdir()


INCOMPLETE: list[tuple[str, str, Callable[[Path], object], str]] = [
    ("nothing yet", "tf2_mlp", empty, "saved_model.pb missing"),
    ("no directory", "tf2_mlp", shutil.rmtree, "saved_model.pb missing"),
    ("empty model file", "tf2_mlp", lambda m: cut(m / "saved_model.pb", 0),
     "saved_model.pb holds no MetaGraph"),
    ("half a model file", "tf2_mlp", lambda m: cut(m / "saved_model.pb", 9000), "saved_model.pb"),
    ("last byte of the model file", "tf2_mlp", lambda m: cut(m / "saved_model.pb", -1),
     "saved_model.pb"),
    ("half a text file", "tf1_stateless", lambda m: cut(m / "saved_model.pbtxt", 2000),
     "saved_model.pbtxt"),
    ("no variables", "tf2_mlp", lambda m: shutil.rmtree(m / "variables"),
     "variables.index missing"),
    ("no variables of reference dtype", "tf1_half_plus_two",
     lambda m: shutil.rmtree(m / "variables"), "variables.index missing"),
    ("no index", "tf2_mlp", lambda m: (m / "variables/variables.index").unlink(),
     "variables.index missing"),
    ("empty index", "tf2_mlp", lambda m: cut(m / "variables/variables.index", 0),
     "variables.index"),
    ("last byte of the index", "tf2_mlp", lambda m: cut(m / "variables/variables.index", -1),
     "variables.index"),
    ("no shard", "tf1_partitioned", lambda m: (m / DATA).unlink(),
     "variables.data-00001-of-00002 missing"),
    ("half a shard", "tf1_partitioned", lambda m: cut(m / DATA, 1000),
     "variables.data-00001-of-00002 has 1000 of 1960 bytes"),
    ("last byte of a shard", "tf1_partitioned", lambda m: cut(m / DATA, -1),
     "variables.data-00001-of-00002 has 1959 of 1960 bytes"),
    ("no asset", "tf2_dtypes", lambda m: (m / "assets/vocabulary.txt").unlink(),
     "assets/vocabulary.txt missing"),
    ("no assets", "tf1_half_plus_two", lambda m: shutil.rmtree(m / "assets"),
     "assets/note.txt missing"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("model", "remove", "text"), [case[1:] for case in INCOMPLETE], ids=[c[0] for c in INCOMPLETE]
)
def test_what_is_missing_is_named(
    tmp_path: Path, model: str, remove: Callable[[Path], object], text: str
) -> None:
    copy = tmp_path / "1"
    shutil.copytree(MODELS / model, copy)
    remove(copy)
    with pytest.raises(errors.Incomplete) as caught:
        check_complete(copy)
    assert caught.value.code is Code.UNAVAILABLE
    assert caught.value.message.startswith("INCOMPLETE: ")
    assert text in caught.value.message


def test_every_order_of_copying_is_incomplete_until_the_last_file(tmp_path: Path) -> None:
    source = MODELS / "tf2_dtypes"
    files = sorted(path.relative_to(source) for path in source.rglob("*") if path.is_file())
    for last in files:
        copy = tmp_path / last.name
        for file in files:
            if file != last:
                (copy / file).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy(source / file, copy / file)
        with pytest.raises(errors.Incomplete):
            check_complete(copy)
        (copy / last).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(source / last, copy / last)
        check_complete(copy)


def test_a_frozen_graph_that_kept_its_saver_needs_no_variables(tmp_path: Path) -> None:
    (tmp_path / "saved_model.pbtxt").write_text(
        'meta_graphs { saver_def { restore_op_name: "save/restore_all" } '
        'graph_def { node { name: "x" op: "Placeholder" } } }'
    )
    check_complete(tmp_path)


def test_no_tensor_is_read(tmp_path: Path) -> None:
    """The right length is enough: content is checked when it is loaded, if at all."""
    copy = tmp_path / "1"
    shutil.copytree(MODELS / "tf1_partitioned", copy)
    (copy / DATA).write_bytes(b"")
    os.truncate(copy / DATA, 1960)
    check_complete(copy)


def test_what_waiting_will_not_mend_keeps_its_own_code(tmp_path: Path) -> None:
    (tmp_path / "export.meta").touch()
    with pytest.raises(errors.SessionBundleRemoved):
        check_complete(tmp_path)
