"""What the README tells people to type works, against a server of the demo's models."""

from __future__ import annotations

import re
import shlex
import urllib.request
from pathlib import Path

import pytest
from click.testing import CliRunner

from servable.cli.main import main
from servable.server.assemble import Server

ROOT = Path(__file__).resolve().parents[2]
SECTION = (ROOT / "README.md").read_text().partition("\n## Ask it\n")[2].partition("\n## ")[0]
COMMANDS = re.findall(r"^    ((?:servable|curl) .+)$", SECTION, re.MULTILINE)


def on_ports_of(server: Server, text: str) -> str:
    return text.replace(":8500", f":{server.grpc_port}").replace(":8501", f":{server.rest_port}")


def curl(data: str, url: str) -> str:
    """Do what curl does with these arguments; `data` is "" or `@FILE`."""
    body = Path(data.removeprefix("@")).read_bytes() if data else None
    with urllib.request.urlopen(f"http://{url}", body, timeout=60) as reply:
        answer: bytes = reply.read()
    return answer.decode()


def test_there_is_something_to_type() -> None:
    assert {command.split()[0] for command in COMMANDS} == {"servable", "curl"}


@pytest.mark.parametrize("command", COMMANDS)
def test_the_command_is_answered(
    command: str, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(ROOT)
    program, *arguments = shlex.split(on_ports_of(server, command))
    if program == "servable":
        result = CliRunner().invoke(main, arguments)
        assert result.exit_code == 0, result.output
        assert '"probabilities"' in result.output
    else:
        data = arguments[1] if arguments[0] == "-d" else ""
        assert curl(data, arguments[-1]).startswith("{")


def test_the_python_example_runs(server: Server, capsys: pytest.CaptureFixture[str]) -> None:
    example = re.search(r"```python\n(.*?)```", SECTION, re.DOTALL)
    assert example is not None
    exec(compile(on_ports_of(server, example[1]), "README.md", "exec"), {})
    recognised, labels = re.findall(r"\[[\d ]+\]", capsys.readouterr().out)
    assert recognised == labels
