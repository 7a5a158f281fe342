"""What `servable bench` makes of its options, without a server."""

from __future__ import annotations

import socket
import sys
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from servable.cli.bench import duration
from servable.cli.main import main


def run(*arguments: str) -> tuple[int, str]:
    outcome = CliRunner().invoke(main, ["bench", *arguments])
    return outcome.exit_code, outcome.output


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("10s", 10.0), ("500ms", 0.5), ("2m", 120.0), ("1h", 3600.0), ("3", 3.0), (" 1.5s ", 1.5)],
)
def test_lengths_of_time(text: str, seconds: float) -> None:
    assert duration(text) == seconds


@pytest.mark.parametrize("text", ["", "s", "-1s", "1d", "1 s", "nan", "inf", "1e9s", "٣s"])
def test_what_is_no_length_of_time(text: str) -> None:
    with pytest.raises(click.BadParameter, match="no length of time"):
        duration(text)


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["localhost:1"], "--model"),
        (["localhost", "--model", "m"], "not an address"),
        (["localhost:1", "--model", "m", "--against", "nowhere"], "not an address"),
        (["localhost:1", "--model", "m", "--clients", "1,x"], "no list of numbers"),
        (["localhost:1", "--model", "m", "--clients", "0"], "clients must be"),
        (["localhost:1", "--model", "m", "--rate", "-1"], "no list of numbers"),
        (["localhost:1", "--model", "m", "--clients", "1", "--rate", "1"], "both given"),
        (["localhost:1", "--model", "m", "--duration", "1", "--requests", "1"], "both given"),
        (["localhost:1", "--model", "m", "--version", "1", "--label", "a"], "both named"),
        (["localhost:1", "--model", "m", "--traffic", "/nowhere/at/all"], "does not exist"),
        (["localhost:1", "--model", "m", "--body", "xml"], "--body"),
    ],
)
def test_a_command_that_can_not_work_is_refused(arguments: list[str], complaint: str) -> None:
    code, output = run(*arguments)
    assert code == 2
    assert complaint in output


@pytest.mark.parametrize("protocol", [[], ["--rest"], ["--grpc"]])
def test_where_nobody_listens_the_command_says_so(protocol: list[str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        address = f"127.0.0.1:{listener.getsockname()[1]}"
    code, output = run(address, "--model", "m", *protocol)
    assert code == 1
    assert f"{address}" in output
    assert "Is the server running" in output


def test_a_picture_that_can_not_be_drawn_is_refused_before_anything_is_measured(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    code, output = run("localhost:1", "--model", "m", "--plot", str(tmp_path / "x.png"))
    assert code == 2
    assert "pip install matplotlib" in output
