"""What docs/toolkit.md tells people to type works, from the root of the checkout."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest
from click.testing import CliRunner

from servable.cli.main import main

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "toolkit.md").read_text()
COMMANDS = re.findall(r"^    servable (.+)$", PAGE, re.MULTILINE)
SNIPPETS = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)


def test_every_verb_of_the_page_is_shown_by_a_command() -> None:
    assert {command.split()[0] for command in COMMANDS} >= {"show", "run", "scan"}
    assert SNIPPETS


@pytest.mark.parametrize("command", COMMANDS)
def test_a_command_of_the_page_works(command: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    done = CliRunner().invoke(main, shlex.split(command))
    assert done.exit_code == 0, done.output
    assert done.output


@pytest.mark.parametrize("snippet", SNIPPETS)
def test_a_snippet_of_the_page_works(
    snippet: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(ROOT)
    exec(snippet, {})
    assert "[[3.5]]" in capsys.readouterr().out
