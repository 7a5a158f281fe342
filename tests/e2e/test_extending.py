"""docs/extending.md: its code is run here, and what is around it is held to what it says."""

from __future__ import annotations

import json
import re
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

import pytest

from servable import extensions
from servable.cli.models import parse_models, parse_source
from servable.errors import InvalidArgument, NotFound
from servable.server.assemble import Server
from servable.server.config import ServerConfig
from servable.sources.versions import LATEST

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "extending.md").read_text()
PATIENCE = 60.0


@pytest.fixture
def written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The files of the page; its modules can be imported."""
    blocks = re.findall(r"^```\w+\n# (\S+)\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
    assert len(blocks) == 5
    for name, content in blocks:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(content)
    monkeypatch.syspath_prepend(tmp_path)
    extensions.find.cache_clear()
    return tmp_path


def served(**settings: Any) -> Server:
    return Server(ServerConfig(host="127.0.0.1", grpc_port=None, rest_port=0, **settings))


def ask(server: Server, model: str, instances: list[object]) -> Any:
    url = f"http://127.0.0.1:{server.rest_port}/v1/models/{model}:predict"
    body = json.dumps({"instances": instances}).encode()
    try:
        with urllib.request.urlopen(url, body, timeout=PATIENCE) as answer:
            return json.load(answer)["predictions"]
    except urllib.error.HTTPError as error:
        with error:
            return error.code, json.load(error)["error"]


def test_a_model_in_python(written: Path) -> None:
    models = parse_models([str(written / "models" / "zscore")], LATEST, "python")
    with served(models=models) as server:
        assert server.wait_until_settled(PATIENCE)
        assert ask(server, "zscore", [10.0, 20.0]) == [
            {"score": 0.0, "verdict": "usual"},
            {"score": 5.0, "verdict": "odd"},
        ]
        assert ask(server, "zscore", [[10.0]]) == (400, "x is a list of numbers")


def test_one_version_in_python(written: Path) -> None:
    models = parse_models([f"z={written / 'models' / 'zscore' / '1'}"], LATEST, "python")
    with served(models=models) as server:
        assert server.wait_until_settled(PATIENCE)
        assert ask(server, "z", [16.0]) == [{"score": 3.0, "verdict": "usual"}]


def test_code_is_not_run_unless_it_is_asked_for(written: Path) -> None:
    with pytest.raises(InvalidArgument, match="no SavedModel in"):
        parse_models([str(written / "models" / "zscore" / "1")], LATEST)


def test_a_platform(written: Path) -> None:
    (example,) = re.findall(r"^    model_config_list \{.*?^    \} \}$", PAGE, re.M | re.S)
    file = written / "models.config"
    file.write_text(example.replace("/models/", f"{written}/models/"))
    with served(config_file=file) as server:
        assert server.wait_until_settled(PATIENCE)
        assert ask(server, "numerals", ["two", "one"]) == [2, 1]
        code, error = ask(server, "numerals", ["three"])
        assert (code, error) == (400, "no such word: b'three'")


def test_a_version_that_its_platform_finds_incomplete_is_waited_for(written: Path) -> None:
    (written / "models" / "numerals" / "4").mkdir()
    numerals = str(written / "models" / "numerals")
    models = parse_models([numerals], LATEST, "table_platform:TableLoader")
    with served(models=models) as server:
        assert server.wait_until_settled(PATIENCE)
        assert ask(server, "numerals", ["one"]) == [1]
        waiting, _ = server.models.status("numerals")
        assert (waiting.id.version, waiting.state) == (4, "START")


def test_a_source(written: Path) -> None:
    listed = written / "models.txt"
    listed.write_text(f"words 7 {written}/models/numerals/3\ntaken 1 {written}/models/numerals/3\n")
    source = parse_source(f"file_source:FileSource={listed}")
    taken = parse_models([f"taken={written / 'models' / 'zscore'}"], LATEST, "python")
    settings = {"models": taken, "sources": (source,), "platform": "table_platform:TableLoader"}
    with served(**settings) as server:
        assert server.wait_until_settled(PATIENCE)
        server._manager.wait_until_settled(["words"], PATIENCE)
        assert ask(server, "words", ["two"]) == [2]
        assert ask(server, "taken", [10.0]) == [{"score": 0.0, "verdict": "usual"}]


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("nobody", "nothing is called 'nobody'"),
        ("no.such.module:Thing", "could not be imported: ModuleNotFoundError"),
        ("json:Nothing", "json has no Nothing"),
        ("string:digits", "can not be called"),
    ],
)
def test_what_is_not_there_is_told_before_anything_is_served(name: str, text: str) -> None:
    with pytest.raises((InvalidArgument, NotFound), match=text):
        parse_source(name)
    with pytest.raises(InvalidArgument, match=text):
        parse_models([str(Path(__file__).parent)], LATEST, name)


def test_a_config_file_with_an_unknown_platform_is_refused_with_the_peers_text(
    tmp_path: Path,
) -> None:
    file = tmp_path / "models.config"
    file.write_text(
        'model_config_list { config { name: "m" base_path: "/m" model_platform: "onnx" } }'
    )
    with pytest.raises(InvalidArgument) as error:
        served(config_file=file)
    assert error.value.message == "Model m requests unsupported platform onnx"
    assert "tensorflow, python, echo" in error.value.hint


def test_a_request_can_bring_no_code(written: Path) -> None:
    from servable.config.models import ModelConfig

    models = parse_models([str(written / "models" / "zscore")], LATEST, "python")
    with served(models=models) as server:
        for config in (
            ModelConfig("other", str(written / "models" / "zscore"), "python"),
            ModelConfig("zscore", str(written / "models" / "numerals"), "python"),
            ModelConfig("other", "/m", "os:system"),
        ):
            with pytest.raises(InvalidArgument, match="requests unsupported platform"):
                server.models.reload([config])
        server.models.reload([ModelConfig("zscore", str(written / "models" / "zscore"), "python")])


def test_an_entry_point_gives_a_short_name(written: Path) -> None:
    from servable.servables.platforms import platform

    info = written / "table-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: table\nVersion: 1.0\n")
    lines = re.findall(r'^    \[project.entry-points."(.*)"\]\n    (.*) = "(.*)"$', PAGE, re.M)
    ((group, name, value),) = lines
    (info / "entry_points.txt").write_text(f"[{group}]\n{name} = {value}\n")
    platform.cache_clear()
    try:
        assert platform("table").make.__name__ == "TableLoader"
    finally:
        platform.cache_clear()
        extensions.find.cache_clear()
