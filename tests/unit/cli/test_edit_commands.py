"""`servable edit` and `servable checkpoint`: what is written, told and refused."""

from __future__ import annotations

import json
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner, Result
from edited_models import MODELS, answer, save_linear

from servable import checkpoint
from servable.cli.byte_progress import byte_progress
from servable.cli.main import main
from servable.savedmodel.reader import read

MLP = MODELS / "tf2_mlp"
ROWS = np.ones((2, 4), np.float32)


def servable(*arguments: object) -> Result:
    return CliRunner().invoke(main, [str(argument) for argument in arguments])


@pytest.mark.parametrize(
    ("verb", "arguments", "told"),
    [
        ("clear-devices", [], "nodes had a device"),
        ("prune", [], "40 of 79 nodes are left"),
        ("freeze", [], "4 variables became constants"),
        ("cast", ["--to", "bfloat16", "--least-elements", 8], "3 variables and 0 constants"),
        ("rename-signature", ["serving_default", "s"], "renamed the signature"),
    ],
)
def test_each_verb_writes_a_model_and_says_what_it_did(
    verb: str, arguments: list[object], told: str, tmp_path: Path
) -> None:
    result = servable("edit", verb, MLP, *arguments, "--out", tmp_path / "1")
    assert result.exit_code == 0, result.output
    assert told in result.output
    (name,) = read(tmp_path / "1").meta_graph().signatures
    expected = answer(MLP, {"x": ROWS})["logits"]
    got = answer(tmp_path / "1", {"x": ROWS}, name)["logits"]
    np.testing.assert_allclose(got, expected, atol=0.1)


def test_a_signature_is_added_by_the_graphs_own_tensors(tmp_path: Path) -> None:
    path = save_linear(tmp_path / "1")
    result = servable(
        "edit", "add-signature", path, "half",
        "--input", "x=x:0", "--output", "product=product", "--in-place",
    )  # fmt: skip
    assert result.exit_code == 0, result.output
    signature = read(path).meta_graph().signatures["half"]
    assert str(signature) == "(x: float [?, 2]) -> (product: float, any shape)"
    assert servable("edit", "drop-signature", path, "half", "--in-place").exit_code == 0
    assert set(read(path).meta_graph().signatures) == {"serving_default"}


def test_a_meta_graph_is_dropped_by_its_tags(tmp_path: Path) -> None:
    out = tmp_path / "1"
    result = servable(
        "edit", "drop-meta-graph", MODELS / "tf1_partitioned", "serve,gpu", "--out", out
    )
    assert result.exit_code == 0, result.output
    assert {tuple(m.tags) for m in read(out).meta_graphs} == {("serve",), ("train",)}


def test_a_file_is_added_for_warming_up(tmp_path: Path) -> None:
    (tmp_path / "requests").write_bytes(b"records")
    result = servable("edit", "add-file", MLP, tmp_path / "requests", "--out", tmp_path / "1")
    assert result.exit_code == 0, result.output
    extra = tmp_path / "1" / "assets.extra" / "tf_serving_warmup_requests"
    assert extra.read_bytes() == b"records"


def test_freezing_to_one_file_prints_what_to_feed(tmp_path: Path) -> None:
    result = servable("edit", "freeze", MLP, "--out", tmp_path / "graph.pb")
    assert result.exit_code == 0, result.output
    assert "input  x = serving_default_x:0" in result.output
    assert "output  logits = " in result.output
    again = servable("edit", "freeze", MLP, "--out", tmp_path / "graph.pb")
    assert again.exit_code == 1
    assert "is there already" in again.output


def test_text_is_written_on_request(tmp_path: Path) -> None:
    assert servable("edit", "prune", MLP, "--text", "--out", tmp_path / "1").exit_code == 0
    assert (tmp_path / "1" / "saved_model.pbtxt").exists()


@pytest.mark.parametrize("arguments", [[], ["--in-place", "--out", "x"]])
def test_where_the_new_model_goes_must_be_said(arguments: list[str]) -> None:
    result = servable("edit", "prune", MLP, *arguments)
    assert result.exit_code == 2
    assert "Give either --out DIR or --in-place." in result.output


def test_a_refusal_is_exit_code_1_and_writes_nothing(tmp_path: Path) -> None:
    result = servable("edit", "drop-signature", MLP, "nothing", "--out", tmp_path / "1")
    assert result.exit_code == 1
    assert "there is no signature 'nothing'" in result.output
    assert "It has: serving_default." in result.output
    assert not (tmp_path / "1").exists()


def test_tensors_are_listed_for_people_and_machines() -> None:
    result = servable("checkpoint", "list", MLP)
    assert result.exit_code == 0
    assert "w1/.ATTRIBUTES/VARIABLE_VALUE" in result.output
    assert "5 tensors, 68 elements" in result.output
    rows = json.loads(servable("checkpoint", "list", MLP, "--json").stdout)["tensors"]
    assert {
        "name": "b2/.ATTRIBUTES/VARIABLE_VALUE",
        "dtype": "float",
        "shape": [3],
        "bytes": 12,
    } in rows


def test_a_tensor_is_shown() -> None:
    result = servable("checkpoint", "show", MLP, "b2")
    assert result.stdout == "b2: float [3]\n[0. 0. 0.]\n"
    value = json.loads(servable("checkpoint", "show", MLP, "b2", "--json").stdout)
    assert value == {"name": "b2", "value": [0.0, 0.0, 0.0]}
    wrong = servable("checkpoint", "show", MLP, "b3")
    assert wrong.exit_code == 1
    assert "close to" in wrong.output


def test_checkpoints_are_converted_there_and_back(tmp_path: Path) -> None:
    places = [MLP, *(tmp_path / name for name in ("w.npz", "back/model", "copy/model"))]
    for source, target in pairwise(places):
        result = servable("checkpoint", "convert", source, target)
        assert result.exit_code == 0, result.output
    assert checkpoint.list_variables(tmp_path / "copy" / "model") == checkpoint.list_variables(MLP)


def test_a_bar_appears_after_a_second_and_only_in_a_terminal(
    capsys: pytest.CaptureFixture[str],
) -> None:
    times = iter([0.0, 0.5, 2.0, 2.0, 2.0, 2.0])
    with byte_progress("writing", 10, clock=lambda: next(times), terminal=True) as tell:
        tell(1)
        assert capsys.readouterr().err == ""
        tell(9)
    assert "writing" in capsys.readouterr().err
    with byte_progress("writing", 10, clock=lambda: 9.0, terminal=False) as tell:
        tell(10)
    assert capsys.readouterr().err == ""
