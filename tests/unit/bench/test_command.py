"""What `servable bench` makes of its options, without a server."""

from __future__ import annotations

import os
import socket
import sys
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from servable.cli.bench_options import duration
from servable.cli.main import main

TO = ["localhost:1", "--model", "m"]


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
        ([*TO, "--clients", "1,x"], "whole numbers from 1 to 4096"),
        ([*TO, "--clients", "0"], "whole numbers from 1 to 4096"),
        ([*TO, "--rate", "-5"], "more than 0 and at most 1000000"),
        ([*TO, "--rate", "0"], "more than 0 and at most 1000000"),
        ([*TO, "--rate", "nan"], "more than 0 and at most 1000000"),
        ([*TO, "--rate", "100,1e12"], "more than 0 and at most 1000000"),
        ([*TO, "--rate", "1000001"], "more than 0 and at most 1000000"),
        ([*TO, "--clients", "1", "--rate", "1"], "--clients and --rate are both given"),
        ([*TO, "--duration", "1", "--requests", "1"], "both given"),
        ([*TO, "--grpc", "--rest"], "--grpc and --rest are both given"),
        ([*TO, "--grpc", "--body", "npy"], "the body npy is for REST"),
        ([*TO, "--grpc", "--body", "json"], "the body json is for REST"),
        ([*TO, "--rest", "--connections", "3"], "a connection of its own"),
        ([*TO, "--tolerance", "1"], "without --against"),
        ([*TO, "--against", "localhost:2", "--tolerance", "nan"], "tolerance must be"),
        ([*TO, "--version", "1", "--label", "a"], "both named"),
        ([*TO, "--version", "-1"], "version must be from 0"),
        ([*TO, "--seed", "-1"], "seed must be from 0 to 9223372036854775807"),
        ([*TO, "--traffic", "/nowhere/at/all"], "does not exist"),
        ([*TO, "--body", "xml"], "--body"),
    ],
)
def test_a_command_that_can_not_work_is_refused(arguments: list[str], complaint: str) -> None:
    code, output = run(*arguments)
    assert code == 2, output
    assert complaint in output


@pytest.mark.parametrize("option", [("--signature", "x"), ("--batch-size", "1"), ("--input", "1")])
def test_what_recorded_requests_have_themselves_is_refused_beside_them(
    option: tuple[str, str], tmp_path: Path
) -> None:
    code, output = run(*TO, "--traffic", str(tmp_path), *option)
    assert code == 2
    assert f"--traffic and {option[0]} are both given" in output


def test_traffic_that_holds_no_requests_is_refused_and_named(tmp_path: Path) -> None:
    code, output = run(*TO, "--traffic", str(tmp_path))
    assert code == 2
    assert f"no recorded requests at {tmp_path}" in output
    notes = tmp_path / "notes.txt"
    notes.write_text("This is a text, and no record of anything.")
    code, output = run(*TO, "--traffic", str(notes))
    assert code == 2
    assert f"{notes}: corrupted record at 0" in output


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["--json", "nowhere/r.json"], "there is no folder"),
        (["--html", "nowhere/r.html"], "there is no folder"),
        (["--plot", "nowhere/r.png"], "there is no folder"),
        (["--json", "file/r.json"], "there is no folder"),
        (["--html", "."], "it is a folder"),
        (["--html", "-"], "--html needs a file"),
        (["--plot", "-"], "--plot needs a file"),
        (["--json", "r", "--html", "./r"], "it is the file of --json"),
    ],
)
def test_a_file_that_can_not_be_written_is_refused_before_anything_is_measured(
    arguments: list[str], complaint: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("file").touch()
    code, output = run(*TO, *arguments)
    assert code == 2
    assert complaint in output
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_a_folder_that_may_not_be_written_is_refused_before_anything_is_measured(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Permissions do not bind root, as whom tests may run.
    monkeypatch.setattr(os, "access", lambda path, mode: (Path(path), mode) != (tmp_path, os.W_OK))
    code, output = run(*TO, "--json", str(tmp_path / "r.json"))
    assert code == 2
    assert f"{tmp_path} may not be written" in output


def test_a_picture_of_an_unknown_kind_is_refused_before_anything_is_measured(
    tmp_path: Path,
) -> None:
    pytest.importorskip("matplotlib")
    code, output = run(*TO, "--plot", str(tmp_path / "x.txt"))
    assert code == 2
    assert "no suffix of a picture" in output
    assert ".png" in output


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
