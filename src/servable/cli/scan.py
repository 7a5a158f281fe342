"""`servable scan`: look for what should not be in a SavedModel."""

from __future__ import annotations

import sys
from dataclasses import asdict
from pathlib import Path

import click

from servable.cli.failure import REFUSED, reported


@click.command(short_help="Look for what should not be in a SavedModel.")
@click.option(
    "--dir",
    "directory",
    required=True,
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="The SavedModel.",
)
@click.option("--tag_set", metavar="TAGS", help="Only the MetaGraph with these tags.")
@click.option(
    "--op_denylist",
    metavar="OPS",
    help="Ops to report, with commas between; WriteFile,ReadFile,PrintV2 by default.",
)
@click.option(
    "--max_constant_bytes",
    type=click.IntRange(0),
    metavar="N",
    help="What one constant may take in memory; 64 MiB by default.",
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON, for machines.")
def scan(
    directory: Path,
    tag_set: str | None,
    op_denylist: str | None,
    max_constant_bytes: int | None,
    as_json: bool,
) -> None:
    """Look through a SavedModel for what should make one hesitate to serve it.

    Reported are ops that read or write files or print, ops outside the list that the
    native engine runs, absolute paths in constants and attributes, assets that lead out
    of the model, constants of an absurd size, and functions that call each other in a
    cycle. Nothing of the model is run.

    \b
    Examples:
      servable scan --dir ./export
      servable scan --dir ./export --op_denylist ReadFile,WriteFile,PyFunc
      servable scan --dir ./export --json | jq .findings

    Exit codes: 0 nothing found, 1 something found or the model is damaged, 2 something
    in the command itself.
    """
    from servable.cli.json_out import render
    from servable.cli.tables import print_table
    from servable.cli.waiting import waiting
    from servable.servables.scan import DENIED, MOST_CONSTANT_BYTES
    from servable.servables.scan import scan as look

    denied = DENIED if op_denylist is None else _split(op_denylist)
    with reported(), waiting(f"scanning {directory}"):
        findings = look(
            directory,
            tags=None if tag_set is None else tag_set.split(","),
            denied=denied,
            most_constant_bytes=(
                MOST_CONSTANT_BYTES if max_constant_bytes is None else max_constant_bytes
            ),
        )
    if as_json:
        document = {"path": str(directory), "findings": [asdict(f) for f in findings]}
        click.echo(render(document, pretty=sys.stdout.isatty()))
    elif findings:
        rows = [(f.rule, f.tags, f.where, f.detail) for f in findings]
        print_table(("rule", "tags", "where", "what"), rows)
        click.echo(f"{len(findings)} finding{'s' if len(findings) > 1 else ''}")
    else:
        click.echo("nothing found")
    if findings:
        sys.exit(REFUSED)


def _split(ops: str) -> frozenset[str]:
    return frozenset(op.strip() for op in ops.split(",") if op.strip())
