"""What a scan of a SavedModel reports, rule by rule, and the command that prints it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner
from google.protobuf import text_format

from servable.cli.main import main
from servable.pb import saved_model_pb2
from servable.pb._pool import POOL
from servable.servables.scan import Finding, scan

MODELS = Path(__file__).parents[2] / "data" / "models"


def written(folder: Path, *meta_graphs: str) -> Path:
    model = saved_model_pb2.SavedModel(saved_model_schema_version=1)
    for number, text in enumerate(meta_graphs):
        meta_graph = model.meta_graphs.add()
        text_format.Parse(text, meta_graph, descriptor_pool=POOL)
        meta_graph.meta_info_def.tags.append(f"t{number}")
    (folder / "saved_model.pb").write_bytes(model.SerializeToString())
    return folder


def constant(tensor: str, name: str = "c", dtype: str = "DT_STRING") -> str:
    return f"""node {{ name: "{name}" op: "Const"
      attr {{ key: "dtype" value {{ type: {dtype} }} }}
      attr {{ key: "value" value {{ tensor {{ dtype: {dtype} {tensor} }} }} }} }}"""


CIRCLE = """library {
  function { signature { name: "a" } node_def { name: "call" op: "b" } }
  function { signature { name: "b" } node_def { name: "call" op: "a" } }
}"""
HUGE = "tensor_shape { dim { size: 1000000 } dim { size: 1000 } } float_val: 0"
REACHED = """graph_def { node { name: "p" op: "PyFunc"
    attr { key: "Tin" value { list { } } } attr { key: "Tout" value { list { type: DT_FLOAT } } }
    attr { key: "token" value { s: "x" } } } }
signature_def { key: "s" value { outputs { key: "y" value { name: "p:0" dtype: DT_FLOAT } } } }"""
ASSET = 'asset_file_def { tensor_info { name: "a:0" } filename: "../../secret" }'


def text_constant(text: str) -> str:
    return f"graph_def {{ {constant(f'string_val: {json.dumps(text)}')} }}"


FOUND = [
    ('graph_def { node { name: "w" op: "ReadFile" } }', "denied-op", "w"),
    (
        'graph_def { library { function { signature { name: "f" } '
        'node_def { name: "n" op: "PrintV2" } } } }',
        "denied-op",
        "f/n",
    ),
    (text_constant("/srv/models/words.txt"), "absolute-path", "c"),
    (text_constant("/srv/all models/my words.txt"), "absolute-path", "c"),
    (text_constant("C:/data/words.txt"), "absolute-path", "c"),
    (f"graph_def {{ {constant(HUGE, dtype='DT_FLOAT')} }}", "oversized-constant", "c"),
    (f"graph_def {{ {CIRCLE} }}", "function-cycle", "function library"),
    (REACHED, "unsupported-op", "p"),
    (ASSET, "asset-outside", "assets"),
]


@pytest.mark.parametrize(("meta_graph", "rule", "where"), FOUND, ids=[f[1] for f in FOUND])
def test_each_rule_finds_what_breaks_it(
    tmp_path: Path, meta_graph: str, rule: str, where: str
) -> None:
    found = {(f.rule, f.where) for f in scan(written(tmp_path, meta_graph))}
    assert (rule, where) in found


@pytest.mark.parametrize("name", sorted(p.name for p in MODELS.iterdir() if p.is_dir()))
def test_sound_models_have_no_findings(name: str) -> None:
    assert scan(MODELS / name) == []


@pytest.mark.parametrize("text", ["layer/kernel", "/", "/x", "a b/c d", "http://x/y"])
def test_what_is_no_path_is_not_taken_for_one(tmp_path: Path, text: str) -> None:
    assert scan(written(tmp_path, text_constant(text))) == []


def test_ops_and_sizes_to_report_can_be_chosen() -> None:
    model = MODELS / "tf2_mlp"
    assert {f.rule for f in scan(model, denied={"MatMul"})} == {"denied-op"}
    assert {f.rule for f in scan(model, most_constant_bytes=0)} == {"oversized-constant"}


def test_a_tag_set_narrows_the_scan(tmp_path: Path) -> None:
    write = 'graph_def { node { name: "w" op: "WriteFile" } }'
    folder = written(tmp_path, "graph_def { }", write)
    assert scan(folder, tags=["t0"]) == []
    assert Finding("denied-op", "t1", "w", "WriteFile") in scan(folder, tags=["t1"])


def test_the_command_ends_with_1_when_it_finds_anything(tmp_path: Path) -> None:
    folder = str(written(tmp_path, 'graph_def { node { name: "w" op: "WriteFile" } }'))
    done = CliRunner().invoke(main, ["scan", "--dir", folder])
    assert done.exit_code == 1
    assert "WriteFile" in done.output
    machine = CliRunner().invoke(main, ["scan", "--dir", folder, "--json"])
    assert machine.exit_code == 1
    assert json.loads(machine.output)["findings"][0] == {
        "rule": "denied-op",
        "tags": "t0",
        "where": "w",
        "detail": "WriteFile",
    }
    quiet = CliRunner().invoke(main, ["scan", "--dir", str(MODELS / "tf2_mlp")])
    assert (quiet.exit_code, quiet.output) == (0, "nothing found\n")


def test_the_command_takes_the_ops_to_report() -> None:
    arguments = ["scan", "--dir", str(MODELS / "tf2_mlp"), "--op_denylist", "MatMul, Relu"]
    assert CliRunner().invoke(main, arguments).exit_code == 1
