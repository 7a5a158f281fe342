"""`servable show`: the lines of saved_model_cli, the overview, and how it fails."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from servable.cli.main import main

DATA = Path(__file__).parents[2] / "data"
MODELS = DATA / "models"
RECORDED = sorted(DATA.glob("show/*.txt"))
SEPARATOR = "\n=====\n"
SHOW_ALL = f"""
import sys
from click.testing import CliRunner
from servable.cli.main import main
for folder in sys.argv[1:]:
    sys.stdout.write(CliRunner().invoke(main, ["show", "--all", "--dir", folder]).output)
    sys.stdout.write({SEPARATOR!r})
"""


def folder_of(recorded: Path) -> Path:
    own = recorded.with_suffix("")
    return own if own.is_dir() else MODELS / recorded.stem


def show(*arguments: object) -> Result:
    return CliRunner().invoke(main, ["show", *map(str, arguments)])


@pytest.fixture(scope="module")
def shown() -> dict[str, str]:
    """What is printed with strings hashed as they were for the recording."""
    done = subprocess.run(
        [sys.executable, "-c", SHOW_ALL, *map(str, map(folder_of, RECORDED))],
        env=os.environ | {"PYTHONHASHSEED": "0"},
        capture_output=True,
        text=True,
        check=True,
    )
    texts = done.stdout.split(SEPARATOR)[:-1]
    return dict(zip((file.stem for file in RECORDED), texts, strict=True))


@pytest.mark.parametrize("recorded", RECORDED, ids=lambda file: file.stem)
def test_show_all_prints_what_saved_model_cli_prints(recorded: Path, shown: dict[str, str]) -> None:
    assert shown[recorded.stem] == recorded.read_text()


def test_there_are_enough_recordings_to_speak_of() -> None:
    assert len(RECORDED) >= 15


def test_the_tag_set_chooses_the_graph_whatever_the_order_of_its_tags() -> None:
    expected = (
        "The given SavedModel MetaGraphDef contains SignatureDefs with the following keys:\n"
        'SignatureDef key: "serving_default"\n'
    )
    for tags in ("serve,gpu", "gpu,serve"):
        assert show("--dir", MODELS / "tf1_partitioned", "--tag_set", tags).output == expected


def test_a_signature_is_shown_alone() -> None:
    done = show("--dir", MODELS / "tf2_mlp", "--tag_set=serve", "--signature_def=serving_default")
    assert done.output == (
        "The given SavedModel SignatureDef contains the following input(s):\n"
        "  inputs['x'] tensor_info:\n"
        "      dtype: DT_FLOAT\n"
        "      shape: (-1, 4)\n"
        "      name: serving_default_x:0\n"
        "The given SavedModel SignatureDef contains the following output(s):\n"
        "  outputs['logits'] tensor_info:\n"
        "      dtype: DT_FLOAT\n"
        "      shape: (-1, 3)\n"
        "      name: StatefulPartitionedCall:0\n"
        "  outputs['probabilities'] tensor_info:\n"
        "      dtype: DT_FLOAT\n"
        "      shape: (-1, 3)\n"
        "      name: StatefulPartitionedCall:1\n"
        "Method name is: tensorflow/serving/predict\n"
    )


def test_ops_are_listed_before_the_signatures() -> None:
    done = show("--dir", MODELS / "tf1_stateless", "--tag_set", "serve", "--list_ops")
    first, second, *_ = done.output.splitlines()
    head = "The MetaGraph with tag set ['serve'] contains the following ops: "
    assert first.startswith(head + "{")
    assert eval(first.removeprefix(head)) == {"Placeholder", "Const", "AddV2"}
    assert second.startswith("The given SavedModel MetaGraphDef")


def test_the_overview_says_what_people_ask_first() -> None:
    done = show("--dir", MODELS / "tf2_dtypes")
    assert done.exit_code == 0
    for text in ("vocabulary.txt", "tags: serve", "float [], optional", "engine: native"):
        assert text in done.output


def test_the_overview_is_json_too() -> None:
    found = json.loads(show("--dir", MODELS / "tf1_partitioned", "--json").output)
    assert [graph["tags"] for graph in found["meta_graphs"]] == [
        ["serve"],
        ["gpu", "serve"],
        ["train"],
    ]
    assert (found["variables"], found["parameters"]) == (3, 7 * 6 + 4 + 7 * 70)
    assert found["meta_graphs"][1]["signatures"]["serving_default"]["inputs"]["x"] == {
        "dtype": "float",
        "shape": [None, 7],
        "name": "x:0",
    }
    assert found["warnings"] == []


@pytest.fixture
def copied(tmp_path: Path) -> Path:
    return Path(shutil.copytree(MODELS / "tf2_mlp", tmp_path / "model"))


def test_nothing_but_the_graph_is_needed_to_show_it(copied: Path) -> None:
    shutil.rmtree(copied / "variables")
    assert show("--dir", copied, "--all").exit_code == 0


def test_verify_finds_a_flipped_bit_that_showing_does_not(copied: Path) -> None:
    assert "5 tensors have the checksums" in show("--dir", copied, "--verify").output
    data = copied / "variables" / "variables.data-00000-of-00001"
    content = bytearray(data.read_bytes())
    content[3] ^= 1
    data.write_bytes(content)
    assert show("--dir", copied).exit_code == 0
    done = show("--dir", copied, "--verify")
    assert done.exit_code == 1
    assert "wrong checksum" in done.output


@pytest.mark.parametrize(
    ("arguments", "code", "text"),
    [
        (["--tag_set", "train"], 1, "tag sets of the SavedModel: serve"),
        (["--tag_set", "serve", "--signature_def", "no"], 1, "choose from: __saved_model_init_op"),
        (["--signature_def", "serving_default"], 2, "needs --tag_set"),
        (["--list_ops"], 2, "needs --tag_set"),
        (["--all", "--json"], 2, "--json is for the overview"),
    ],
)
def test_what_can_not_be_shown_is_said(arguments: list[str], code: int, text: str) -> None:
    done = show("--dir", MODELS / "tf2_mlp", *arguments)
    assert done.exit_code == code
    assert text in done.output


def test_a_folder_without_a_model_is_refused(tmp_path: Path) -> None:
    done = show("--dir", tmp_path, "--all")
    assert done.exit_code == 1
    assert "does not appear to contain a SavedModel" in done.output


def test_functions_that_tensorflow_could_not_load_are_not_listed(copied: Path) -> None:
    model = copied / "saved_model.pb"
    model.write_bytes(model.read_bytes().replace(b"MatMul", b"MatMuh"))
    assert (
        "due to the existence of custom ops in the SavedModel)"
        in show("--dir", copied, "--all").output
    )
