"""URLs among the arguments of `servable serve`, and what is said about fetching."""

from __future__ import annotations

import io
import sys
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from servable.cli.byte_progress import byte_progress
from servable.cli.models import parse_models
from servable.cli.remote_options import Fetching, download_progress, fetching
from servable.errors import InvalidArgument, Unimplemented
from servable.sources.filesystem import Latest, WatchedModel
from servable.sources.remote.options import GIB, RemoteOptions
from servable.sources.remote.path import RemotePath


def options_of(*arguments: str) -> RemoteOptions:
    seen: list[RemoteOptions] = []

    @click.command()
    @fetching
    def command(fetching: Fetching) -> None:
        seen.append(fetching.options())

    result = CliRunner().invoke(command, arguments)
    assert result.exit_code == 0, result.output
    return seen[0]


@pytest.mark.parametrize(
    ("argument", "name", "url"),
    [
        ("memory://models/ranker", "ranker", "memory://models/ranker"),
        ("r=memory://models/ranker/", "r", "memory://models/ranker"),
    ],
)
def test_a_url_is_a_base_path_that_is_not_looked_at_yet(argument: str, name: str, url: str) -> None:
    pytest.importorskip("fsspec", reason="needs fsspec")
    assert parse_models([argument], Latest()) == (WatchedModel(name, RemotePath(url), Latest()),)


def test_a_url_without_a_path_needs_a_name() -> None:
    pytest.importorskip("fsspec", reason="needs fsspec")
    with pytest.raises(InvalidArgument, match="gives the model no name") as caught:
        parse_models(["memory://bucket"], Latest())
    assert caught.value.hint == "Write NAME=memory://bucket."


def test_a_url_that_nothing_reads_is_refused() -> None:
    with pytest.raises(Unimplemented, match="File system scheme 'nowhere' not implemented"):
        parse_models(["nowhere://bucket/m"], Latest())


def test_a_file_url_is_a_folder_of_this_machine(tmp_path: Path) -> None:
    (tmp_path / "m").mkdir()
    (model,) = parse_models([f"file://{tmp_path}/m"], Latest())
    assert isinstance(model, WatchedModel)
    assert model.base_path == tmp_path / "m"


def test_the_options_say_where_and_how_much() -> None:
    options = options_of(
        "--remote-cache-dir",
        "cache",
        "--remote-cache-bytes",
        "5GiB",
        "--remote-max-bytes",
        "1GiB",
        "--remote-ready-marker",
        "_READY",
    )
    assert options.cache_dir == Path.cwd() / "cache"
    assert (options.cache_bytes, options.max_bytes) == (5 * GIB, GIB)
    assert options.ready_marker == "_READY"


def test_without_options_the_usual_holds() -> None:
    usual, options = RemoteOptions(), options_of()
    assert (options.cache_dir, options.cache_bytes) == (usual.cache_dir, usual.cache_bytes)


def test_a_terminal_has_one_bar_and_lines_for_other_downloads(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    begun: list[str] = []
    monkeypatch.setattr(sys, "stderr", Terminal())

    def bar(what: str, total: int) -> AbstractContextManager[Callable[[int], None]]:
        begun.append(what)
        return byte_progress(what, total)

    monkeypatch.setattr("servable.cli.remote_options.byte_progress", bar)
    with download_progress("first", 10) as tell, download_progress("second", 10) as other:
        tell(1)
        other(1)
    with download_progress("third", 10):
        pass
    assert begun == ["first", "third"]
