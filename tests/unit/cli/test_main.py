"""The command itself: help, and how it fails."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from servable.cli.failure import Failure, reported
from servable.cli.main import main
from servable.errors import NotFound

VERBS = sorted(main.commands)


def test_there_are_these_verbs() -> None:
    assert VERBS == [
        "bench",
        "checkpoint",
        "classify",
        "demo",
        "doctor",
        "edit",
        "metadata",
        "model_server",
        "models",
        "predict",
        "regress",
        "reload",
        "run",
        "scan",
        "serve",
        "show",
        "status",
        "warmup",
    ]


@pytest.mark.parametrize(
    # model_server answers as TensorFlow Serving does
    "verb",
    [[], *([verb] for verb in VERBS if verb != "model_server")],
    ids=str,
)
def test_help_shows_examples(verb: list[str]) -> None:
    result = CliRunner().invoke(main, [*verb, "--help"])

    assert result.exit_code == 0
    assert "Examples:" in result.output
    assert f"servable {' '.join(verb)}".strip() in result.output


def test_help_loads_nothing_heavy() -> None:
    code = (
        "import sys\n"
        "from servable.cli.main import main\n"
        "main(['serve', '--help'], standalone_mode=False)\n"
        "heavy = {'numpy', 'grpc', 'openvino', 'google', 'rich', 'uvicorn', 'PIL', 'orjson'}\n"
        "sys.exit(str(sorted(heavy & set(sys.modules))) if heavy & set(sys.modules) else 0)\n"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)

    assert (run.returncode, run.stderr) == (0, "")


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["serve"], "nothing to serve"),
        (["serve", "--config", "nowhere"], "nowhere; No such file or directory"),
        (["serve", "nowhere"], "there is no folder nowhere"),
        (["serve", "a=here", "a=here"], "two models are called a"),
        (["serve", "here", "--versions", "newest"], "does not say which versions"),
        (["serve", "here", "--grpc-port", "9", "--rest-port", "9"], "cannot share port 9"),
        (["predict", "localhost", "m"], "not an address"),
    ],
)
def test_a_mistake_in_the_command_is_one_line_and_a_hint(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str], complaint: str
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "here").mkdir()

    result = CliRunner().invoke(main, arguments)

    assert result.exit_code == 2
    assert result.stdout == ""
    error, hint = result.stderr.splitlines()
    assert error.startswith("error: ")
    assert complaint in error
    assert hint.startswith("hint: ")


def test_an_error_of_ours_becomes_a_failure_with_its_hint() -> None:
    with pytest.raises(Failure) as caught, reported(2):
        raise NotFound("no", hint="try this")

    assert (caught.value.message, caught.value.hint, caught.value.exit_code) == (
        "no",
        "try this",
        2,
    )


def test_an_engine_that_is_not_installed_is_refused_before_anything_starts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "tensorflow", None)

    result = CliRunner().invoke(main, ["serve", f"m={tmp_path}", "--engine", "tensorflow"])

    assert result.exit_code == 2
    assert "TensorFlow is not installed" in result.stderr
    assert "pip install 'servable[tensorflow]'" in result.stderr
