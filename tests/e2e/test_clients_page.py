"""What docs/clients.md tells people to type works, against the models that it names."""

from __future__ import annotations

import json
import re
import shlex
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner

from servable.cli.main import main
from servable.client import GrpcClient
from servable.demos import digits
from servable.server.assemble import Server
from servable.server.config import ServerConfig
from servable.sources.filesystem import All, WatchedModel

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "clients.md").read_text()
COMMANDS = re.findall(r"^    (servable .+)$", PAGE, re.MULTILINE)
PROGRAMS = re.findall(r"^    ((?:node|go) .+)$", PAGE, re.MULTILINE)
SNIPPETS = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)

CONFIG = """
model_config_list {{
  config {{
    name: "digits" base_path: "{digits}" model_platform: "tensorflow"
    model_version_policy {{ all {{}} }}
  }}
  config {{ name: "half_plus_two" base_path: "{half}" model_platform: "tensorflow" }}
}}
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the commands are run: it looks like the checkout, and has the reload's file."""
    folder = tmp_path_factory.mktemp("page")
    (folder / "examples").symlink_to(ROOT / "examples")
    half = folder / "half_plus_two"
    shutil.copytree(ROOT / "tests/data/models/tf1_inference", half / "123")
    (folder / "models.config").write_text(CONFIG.format(digits=digits.MODELS, half=half))
    return folder


@pytest.fixture(scope="module")
def ports(
    folder: Path, eventually: Callable[[Callable[[], bool]], None]
) -> Iterator[Callable[[str], str]]:
    """Replace the page's ports by those of a server."""
    models = (
        WatchedModel("digits", digits.MODELS, All()),
        WatchedModel("half_plus_two", folder / "half_plus_two", All()),
    )
    with Server(ServerConfig(models, "127.0.0.1", grpc_port=0, rest_port=0)) as server:
        assert server.wait_until_settled(60)
        with GrpcClient(f"127.0.0.1:{server.grpc_port}") as client:
            for model in models:
                eventually(
                    lambda name=model.name: {s.state for s in client.status(name)} == {"AVAILABLE"}  # type: ignore[misc]  # mypy cannot infer the default's type
                )

        def replace(text: str) -> str:
            text = text.replace("localhost:8500", f"127.0.0.1:{server.grpc_port}")
            return text.replace("localhost:8501", f"127.0.0.1:{server.rest_port}")

        yield replace


def test_every_verb_that_asks_a_server_is_on_the_page() -> None:
    assert {command.split()[1] for command in COMMANDS} == {
        "classify",
        "metadata",
        "predict",
        "regress",
        "reload",
        "status",
    }


@pytest.mark.parametrize("command", COMMANDS)
def test_the_command_is_answered(
    command: str,
    ports: Callable[[str], str],
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(folder)

    result = CliRunner().invoke(main, shlex.split(ports(command))[1:])

    assert result.exit_code == 0, result.output
    assert result.stdout


@pytest.mark.parametrize("snippet", SNIPPETS)
def test_the_program_runs(
    snippet: str, ports: Callable[[str], str], capsys: pytest.CaptureFixture[str]
) -> None:
    exec(compile(ports(snippet), "clients.md", "exec"), {})

    assert capsys.readouterr().out


@pytest.mark.parametrize("command", PROGRAMS)
def test_the_client_in_another_language_is_answered(
    command: str, ports: Callable[[str], str]
) -> None:
    program, *arguments = shlex.split(ports(command))
    found = shutil.which(program)
    if found is None:
        pytest.skip(f"{program} is not installed")

    done = subprocess.run(
        [found, *arguments], capture_output=True, text=True, check=False, cwd=ROOT
    )

    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == [2.5, 3.0]
