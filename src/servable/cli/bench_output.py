"""Where `servable bench` writes, looked at before anything is measured."""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import click

from servable.cli.failure import USAGE, Failure, reported

if TYPE_CHECKING:
    from servable.bench import Result

_TERMINAL = "-"


@dataclass(frozen=True, slots=True)
class Outputs:
    """What to write.

    Attributes:
        to_terminal: whether JSON takes the place of tables.
        json, html, plot: files; None for those that are not wanted.
    """

    to_terminal: bool
    json: Path | None
    html: Path | None
    plot: Path | None


def outputs_at(json: str | None, html: str | None, plot: str | None) -> Outputs:
    """Return where results go, as far as can be told before there are any.

    Raises:
        Failure: a file can not be written, or two are the same.
        ServableError: no picture of this kind can be drawn.
    """
    files: dict[str, Path] = {}
    for option, text in (("--json", json), ("--html", html), ("--plot", plot)):
        if text is None or (option, text) == ("--json", _TERMINAL):
            continue
        if text == _TERMINAL:
            raise Failure(
                f"{option} needs a file",
                hint="Only --json - writes to the terminal.",
                exit_code=USAGE,
            )
        path = Path(text)
        problem = _problem(path)
        twice = [other for other, known in files.items() if known.absolute() == path.absolute()]
        if twice:
            problem = f"it is the file of {twice[0]}"
        if problem:
            raise Failure(f"{option}: can not write {text}: {problem}", exit_code=USAGE)
        files[option] = path
    if "--plot" in files:
        from servable.bench import plot as picture

        picture.check_drawable(files["--plot"])
    found = (files.get(option) for option in ("--json", "--html", "--plot"))
    return Outputs(json == _TERMINAL, *found)


def write(result: Result, outputs: Outputs) -> None:
    """Print a result and write its files.

    Raises:
        Failure: a file can not be written, though it looked so.
    """
    from servable.bench import plot
    from servable.bench.document import document
    from servable.bench.html import page
    from servable.cli.bench_report import print_result
    from servable.cli.json_out import render

    if outputs.to_terminal:
        click.echo(render(document(result), pretty=sys.stdout.isatty()))
    elif result.levels:
        print_result(result)
    try:
        if outputs.json is not None:
            text = render(document(result), pretty=True) + "\n"
            outputs.json.write_text(text, encoding="utf-8")
        if outputs.html is not None:
            outputs.html.write_text(page(result), encoding="utf-8")
    except OSError as error:
        raise Failure(f"can not write {error.filename}: {error.strerror}") from error
    if outputs.plot is not None:
        with reported():
            plot.draw(result, outputs.plot)


def _problem(path: Path) -> str:
    """Return why a file can not be written; "" if nothing is known to be in the way."""
    try:
        if path.is_dir():
            return "it is a folder"
        if path.exists():
            return "" if os.access(path, os.W_OK) else "it may not be written"
        if not path.parent.is_dir():
            return f"there is no folder {path.parent}"
        return "" if os.access(path.parent, os.W_OK) else f"{path.parent} may not be written"
    except (OSError, ValueError) as error:
        return str(error)
