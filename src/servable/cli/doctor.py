"""`servable doctor`: look at a model and say whether, and how, it would be served."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import click

from servable.cli.failure import REFUSED

if TYPE_CHECKING:
    from servable.cli.doctor_checks import Comparison
    from servable.servables.diagnosis import Diagnosis
    from servable.servables.loaders import Engine


@click.command(short_help="Say whether and how a model would be served.")
@click.argument("directory", metavar="DIR", type=click.Path(exists=True, file_okay=False))
@click.option(
    "--engine",
    type=click.Choice(["auto", "native", "tensorflow"]),
    default="auto",
    show_default=True,
    help="As for `servable serve`.",
)
@click.option(
    "--reference",
    default="auto",
    show_default=True,
    metavar="WHAT",
    help="What to compare answers with: tensorflow, none, or a .npz file of recorded arrays "
    "called inputs/ALIAS and outputs/ALIAS; auto is tensorflow if it is installed.",
)
@click.option("--trace", is_flag=True, help="Show what each pass over the graph did, and the plan.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON, for machines.")
def doctor(directory: str, engine: Engine, reference: str, trace: bool, as_json: bool) -> None:
    """Load the model in DIR as the server would, and show what is to know about it.

    DIR is one version folder, or a base path, of which the newest version is taken.
    Shown are files, signatures, which engine computes how much, every node that is not
    supported (not only the first), a sample request that was tried out, and how far the
    answers are from TensorFlow's on random inputs, if TensorFlow is installed.

    \b
    Examples:
      servable doctor ./models/ranker
      servable doctor ./models/ranker/3 --trace
      servable doctor ./export --json | jq .unsupported
      servable doctor ./export --reference recorded.npz

    Exit codes: 0 would be served, 1 would not, 2 something in the command itself.
    """
    with _progress() as stage:
        stage("starting")
        from servable.cli.doctor_checks import sample
        from servable.cli.doctor_report import Report, document, show
        from servable.cli.json_out import render
        from servable.servables.diagnosis import diagnose

        # TensorFlow talks a lot on standard error while it starts.
        os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
        path = version_folder(Path(directory))
        found = diagnose(path, engine=engine, stage=stage)
        # Before the samples, so that a model with state is asked the same by both.
        comparisons, note = _compared(found, reference, stage)
        stage("trying a request")
        # TensorFlow would do whatever the model says, so it is not asked on a guess.
        tried = None if found.engine == "tensorflow" else found.servable
        samples = {n: sample(n, s, tried) for n, s in found.signatures.items()}
        report = Report(model_name(path), found, samples, tuple(comparisons), note)
    if as_json:
        click.echo(render(document(report, trace=trace), pretty=sys.stdout.isatty()))
    else:
        show(report, trace=trace)
    if found.error is not None:
        sys.exit(REFUSED)


def version_folder(path: Path) -> Path:
    """Return the folder itself, or its newest version if it is a base path."""
    from servable.servables.formats import format_of
    from servable.sources.versions import sort_out

    versions = sort_out(os.listdir(path)).versions
    if format_of(path) is not None or not versions:
        return path
    return path / versions[max(versions)]


def model_name(path: Path) -> str:
    """Return what the server would call the model in a version folder."""
    from servable.sources.versions import parse_version

    path = path.absolute()
    return path.parent.name if parse_version(path.name) is not None else path.name


def _compared(
    found: Diagnosis, reference: str, stage: Callable[[str], None]
) -> tuple[list[Comparison], str]:
    """The comparisons, or why there are none."""
    from servable.cli.doctor_checks import compare_with_file, compare_with_tensorflow
    from servable.errors import ServableError
    from servable.servables.extras import install, installed
    from servable.servables.formats import Format

    if found.servable is None or reference == "none":
        return [], ""
    if reference not in ("auto", "tensorflow"):
        return compare_with_file(Path(reference), found.servable), ""
    if found.format is not Format.SAVED_MODEL or found.engine == "tensorflow":
        return [], ""
    if reference == "auto" and not installed("tensorflow"):
        hint = install("tensorflow")
        return [], f"not compared with TensorFlow, which is not installed: {hint}"
    try:
        return compare_with_tensorflow(found.path, found.servable, stage), ""
    except ServableError as error:
        return [], f"not compared with TensorFlow: {error.message}"


@contextmanager
def _progress() -> Iterator[Callable[[str], None]]:
    """Yield what shows the stage that is running, on a terminal."""
    from rich.console import Console

    console = Console(stderr=True)
    if not console.is_terminal:
        yield lambda _: None
        return
    with console.status("starting ...") as status:
        yield lambda stage: status.update(f"{stage} ...")
