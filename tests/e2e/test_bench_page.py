"""The commands and the program in docs/bench.md, run against servers of their own."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from click.testing import CliRunner

from servable.cli.main import main
from servable.server.assemble import Server

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "bench.md").read_text()
COMMANDS = re.findall(r"^    servable (bench .+)$", PAGE, re.MULTILINE)
SHORT = ["--duration", "0.1s", "--warmup", "0", "--processes", "1"]


def on_servers_of(server: Server, text: str) -> str:
    """Return a command or program of the page, with a server's ports and model."""
    grpc, rest = f"127.0.0.1:{server.grpc_port}", f"127.0.0.1:{server.rest_port}"
    text = text.replace("tfserving:8500", rest).replace("--model ranker", "--model digits")
    return text.replace("localhost:8500", grpc).replace("localhost:8501", rest)


def test_the_page_has_commands() -> None:
    assert len(COMMANDS) >= 6


@pytest.mark.parametrize("command", COMMANDS)
def test_a_command_of_the_page_does_what_the_page_says(
    command: str, server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    # Of an option that is given twice the last counts: these make it short.
    outcome = CliRunner().invoke(main, [*on_servers_of(server, command).split(), *SHORT])
    assert outcome.exit_code == 0, outcome.output
    assert "requests/s" in outcome.output
    for file in re.findall(r"--(?:json|html|plot) (\S+)", command):
        assert (tmp_path / file).stat().st_size


def test_the_program_of_the_page_prints_a_line_for_each_load(
    server: Server, capsys: pytest.CaptureFixture[str]
) -> None:
    (program,) = re.findall(r"```python\n(.+?)```", PAGE, re.DOTALL)
    short = on_servers_of(server, program).replace("duration=5.0, warmup=1.0", "duration=0.1")
    assert short.count("duration=0.1)") == 1
    exec(compile(short.replace("duration=0.1", "duration=0.1, warmup=0.0"), "bench.md", "exec"), {})
    assert [line.split()[:2] for line in capsys.readouterr().out.splitlines()] == [
        ["1", "client"],
        ["8", "clients"],
    ]


def test_the_exit_codes_of_the_page_are_those_of_the_help() -> None:
    page = re.findall(r"^\| (\d+) \|", PAGE, re.MULTILINE)
    text = CliRunner().invoke(main, ["bench", "--help"]).output
    told = " ".join(text.partition("Exit codes:")[2].partition("Options:")[0].split())
    assert page == re.findall(r"(?:^|, )(\d+) ", told)
