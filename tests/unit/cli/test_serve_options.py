"""Options of `servable serve` about models, and what they become."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click
import pytest
from click.testing import CliRunner

from servable.cli.serve_options import Tending, tending
from servable.config.request_logs import LoggingConfig
from servable.server.config import Loading


def parsed(*arguments: str) -> Tending | str:
    """What a command with these options gets, or why it gets nothing."""
    seen: list[Tending] = []

    @click.command()
    @tending
    def command(tending: Tending) -> None:
        seen.append(tending)

    result = CliRunner().invoke(command, arguments)
    return seen[0] if seen else result.stderr


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ([], Loading()),
        (["--no-warmup"], Loading(warmup_iterations=0)),
        (["--warmup-iterations", "3"], Loading(warmup_iterations=3)),
        (["--swap", "unload-first"], Loading(resource_preserving=True)),
        (["--memory-limit", "1000"], Loading(memory_limit_bytes=1000)),
        (["--memory-limit", "500MB"], Loading(memory_limit_bytes=500_000_000)),
        (["--memory-limit", "4GiB"], Loading(memory_limit_bytes=2**32)),
        (["--memory-limit", "1.5 kib"], Loading(memory_limit_bytes=1536)),
    ],
)
def test_how_versions_are_loaded(arguments: list[str], expected: Loading) -> None:
    options = parsed(*arguments)
    assert isinstance(options, Tending)
    assert options.loading() == expected
    assert options.log() is None


@pytest.mark.parametrize("size", ["", "many", "-1", "1XB", "1e9", "9" * 50])
def test_a_size_that_is_none_is_told(size: str) -> None:
    refusal: Any = parsed("--memory-limit", size)
    assert "is no size; write 500MB or 4GiB." in refusal


def test_a_relative_prefix_is_taken_from_here(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    options = parsed("--log-requests", "logs/m", "--log-rate", "0.5")
    assert isinstance(options, Tending)
    assert options.log() == LoggingConfig(tmp_path / "logs" / "m", 0.5)
