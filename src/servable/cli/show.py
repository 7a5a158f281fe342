"""`servable show`: what is in a SavedModel."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from servable.cli.failure import USAGE, Failure, reported


@click.command(short_help="Show what is in a SavedModel.")
@click.option(
    "--dir",
    "directory",
    required=True,
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="The SavedModel.",
)
@click.option("--all", "everything", is_flag=True, help="All that saved_model_cli has to say.")
@click.option("--tag_set", metavar="TAGS", help="A MetaGraph by its tags, with commas between.")
@click.option("--signature_def", "key", metavar="NAME", help="A signature of that MetaGraph.")
@click.option("--list_ops", is_flag=True, help="The ops of that MetaGraph.")
@click.option("--json", "as_json", is_flag=True, help="Print the overview as JSON, for machines.")
@click.option("--verify", is_flag=True, help="Compare all variables with their checksums too.")
def show(
    directory: Path,
    everything: bool,
    tag_set: str | None,
    key: str | None,
    list_ops: bool,
    as_json: bool,
    verify: bool,
) -> None:
    """Show the MetaGraphs, signatures and ops of a SavedModel; its variables are not read.

    Without --all and --tag_set there is an overview for people: sizes, tags, signatures,
    ops, which engine would run each MetaGraph, and what looks wrong. With either of them
    the lines are those of `saved_model_cli show`, character for character, so that
    scripts which parse them keep working.

    \b
    Examples:
      servable show --dir ./export
      servable show --dir ./export --all
      servable show --dir ./export --tag_set serve
      servable show --dir ./export --tag_set serve --signature_def serving_default
      servable show --dir ./export --tag_set serve --list_ops
      servable show --dir ./export --json --verify

    Exit codes: 0 shown, 1 the model is damaged or has no such part, 2 something in the
    command itself.
    """
    _check_flags(tag_set, key, list_ops, as_json and (everything or tag_set is not None))
    with reported():
        if everything or tag_set is not None:
            _like_the_peer(directory, everything, tag_set, key, list_ops)
        else:
            _overview(directory, as_json)
        if verify:
            _verify(directory, quiet=as_json)


def _check_flags(tag_set: str | None, key: str | None, list_ops: bool, both: bool) -> None:
    if tag_set is None and (key is not None or list_ops):
        flag = "--signature_def" if key is not None else "--list_ops"
        raise Failure(
            f"{flag} needs --tag_set", hint="For example --tag_set serve.", exit_code=USAGE
        )
    if both:
        raise Failure(
            "--json is for the overview",
            hint="Leave out --all and --tag_set; the JSON has all MetaGraphs.",
            exit_code=USAGE,
        )


def _like_the_peer(
    directory: Path, everything: bool, tag_set: str | None, key: str | None, list_ops: bool
) -> None:
    from servable.cli import show_lines
    from servable.cli.waiting import waiting
    from servable.savedmodel import model_file
    from servable.savedmodel.select import meta_graph_of

    with waiting(f"reading {directory}"):
        model = model_file.parse(model_file.find(directory))
        text = show_lines.everything(model) if everything or tag_set is None else ""
    if everything or tag_set is None:
        click.echo(text, nl=False)
        return
    meta_graph = meta_graph_of(model, tag_set.split(","))
    lines = [show_lines.ops(meta_graph)] if list_ops else []
    if key is None:
        lines += show_lines.signature_keys(meta_graph)
    else:
        lines += show_lines.signature(meta_graph, key)
    click.echo("\n".join(lines))


def _overview(directory: Path, as_json: bool) -> None:
    from servable.cli.json_out import render
    from servable.cli.show_overview import document, print_overview
    from servable.cli.waiting import waiting
    from servable.servables.overview import overview

    with waiting(f"reading {directory}"):
        found = overview(directory)
    if as_json:
        click.echo(render(document(found), pretty=sys.stdout.isatty()))
    else:
        print_overview(found)


def _verify(directory: Path, *, quiet: bool) -> None:
    """Read all variables, with a bar on a terminal.

    Raises:
        SavedModelError: one of them is damaged.
    """
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, Progress, TransferSpeedColumn

    from servable.savedmodel.verify import verify

    console = Console(stderr=True)
    columns = (BarColumn(), DownloadColumn(), TransferSpeedColumn())
    with Progress(*columns, console=console, disable=not console.is_terminal) as progress:
        task = progress.add_task("verifying", total=None)

        def report(done: int, total: int) -> None:
            progress.update(task, completed=done, total=total)

        count = verify(directory, report)
    if not quiet:
        click.echo(f"{count} tensors have the checksums that are stored with them")
