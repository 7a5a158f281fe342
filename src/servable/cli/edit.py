"""`servable edit`: change a SavedModel and write it as a new one."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from servable.cli.failure import USAGE, Failure, reported

if TYPE_CHECKING:
    from servable.edit import Draft

CommandT = TypeVar("CommandT", bound=Callable[..., Any])
_Tags = tuple[str, ...] | None


def _parse_tags(context: click.Context, parameter: click.Parameter, value: str | None) -> _Tags:
    del context, parameter
    return None if value is None else tuple(tag.strip() for tag in value.split(",") if tag.strip())


def writing(command: CommandT) -> CommandT:
    """Add the model, --out or --in-place, and --text."""
    for option in (
        click.option("--text/--binary", "as_text", default=None, help="Form; as it was."),
        click.option("--in-place", is_flag=True, help="Put the new model in the old one's place."),
        click.option("--out", metavar="DIR", help="Folder for the new model; must not exist."),
        click.argument("directory", metavar="DIR", type=click.Path(exists=True, file_okay=False)),
    ):
        command = option(command)
    return command


def tagged(command: CommandT) -> CommandT:
    """Add --tag-set."""
    return click.option(
        "--tag-set",
        "--tag_set",
        "tags",
        metavar="TAG,TAG",
        callback=_parse_tags,
        help="Only the MetaGraph with exactly these tags; all of them by default.",
    )(command)


@click.group(short_help="Change a SavedModel and write it as a new one.")
def edit() -> None:
    """Change a SavedModel and write the result to a new folder.

    Needs no TensorFlow. The new folder appears complete or not at all; the old one is
    changed only with --in-place.

    \b
    Examples:
      servable edit prune ./export/1 --out ./export/2
      servable edit cast ./export/1 --to bfloat16 --out ./export/2
      servable edit freeze ./export/1 --out ./frozen.pb --signature serving_default
      servable edit rename-signature ./export/1 serve serving_default --in-place
      servable edit add-file ./export/1 warmup.tfrecord --in-place

    Exit codes: 0 written, 1 refused and nothing written, 2 something in the command itself.
    """


@edit.command("clear-devices")
@writing
@tagged
def clear_devices(
    directory: str, out: str | None, in_place: bool, as_text: bool | None, tags: _Tags
) -> None:
    """Let every node of the model in DIR run on whatever device there is."""

    def change(draft: Draft) -> str:
        from servable import edit as verbs

        return f"{verbs.clear_devices(draft, tags)} nodes had a device"

    _edit(directory, out, in_place, as_text, change)


@edit.command("add-signature")
@writing
@click.argument("name")
@click.option("--input", "inputs", multiple=True, metavar="ALIAS=TENSOR", help="As in x=input:0.")
@click.option("--output", "outputs", multiple=True, required=True, metavar="ALIAS=TENSOR")
@click.option(
    "--method",
    type=click.Choice(["predict", "classify", "regress"]),
    default="predict",
    show_default=True,
)
@click.option("--replace", is_flag=True, help="Even if there is one of that name.")
@tagged
def add_signature(
    directory: str,
    out: str | None,
    in_place: bool,
    as_text: bool | None,
    name: str,
    inputs: tuple[str, ...],
    outputs: tuple[str, ...],
    method: str,
    replace: bool,
    tags: _Tags,
) -> None:
    """Add the signature NAME over tensors of the graph, whose dtypes and shapes it has."""

    def change(draft: Draft) -> str:
        from servable import edit as verbs

        meta_graph = next(iter(draft.meta_graphs(tags)))
        signature = verbs.build_signature_def(
            {a: verbs.tensor_info_of(meta_graph, t) for a, t in pairs(inputs).items()},
            {a: verbs.tensor_info_of(meta_graph, t) for a, t in pairs(outputs).items()},
            f"tensorflow/serving/{method}",
        )
        verbs.add_signature(draft, name, signature, tags, replace=replace)
        return f"added the signature {name}"

    _edit(directory, out, in_place, as_text, change)


@edit.command("rename-signature")
@writing
@click.argument("old")
@click.argument("new")
@tagged
def rename_signature(
    directory: str,
    out: str | None,
    in_place: bool,
    as_text: bool | None,
    old: str,
    new: str,
    tags: _Tags,
) -> None:
    """Give the signature OLD the name NEW."""

    def change(draft: Draft) -> str:
        from servable import edit as verbs

        verbs.rename_signature(draft, old, new, tags)
        return f"renamed the signature {old} to {new}"

    _edit(directory, out, in_place, as_text, change)


@edit.command("drop-signature")
@writing
@click.argument("name")
@tagged
def drop_signature(
    directory: str, out: str | None, in_place: bool, as_text: bool | None, name: str, tags: _Tags
) -> None:
    """Remove the signature NAME; `prune` removes what only it needed."""

    def change(draft: Draft) -> str:
        from servable import edit as verbs

        verbs.drop_signature(draft, name, tags)
        return f"dropped the signature {name}"

    _edit(directory, out, in_place, as_text, change)


@edit.command("drop-meta-graph")
@writing
@click.argument("tag_set", metavar="TAG,TAG", callback=_parse_tags)
def drop_meta_graph(
    directory: str,
    out: str | None,
    in_place: bool,
    as_text: bool | None,
    tag_set: tuple[str, ...],
) -> None:
    """Remove the MetaGraph with exactly these tags."""

    def change(draft: Draft) -> str:
        from servable import edit as verbs

        verbs.drop_meta_graph(draft, tag_set)
        return f"dropped the MetaGraph {','.join(tag_set)}"

    _edit(directory, out, in_place, as_text, change)


@edit.command("prune")
@writing
@tagged
def prune(
    directory: str, out: str | None, in_place: bool, as_text: bool | None, tags: _Tags
) -> None:
    """Keep only what signatures reach: no training ops, no optimizer's variables."""

    def change(draft: Draft) -> str:
        from servable import edit as verbs

        before, after = verbs.prune(draft, tags)
        return f"{after} of {before} nodes are left"

    _edit(directory, out, in_place, as_text, change)


@edit.command("freeze")
@writing
@click.option("--signature", default="serving_default", show_default=True, help="For a .pb file.")
@tagged
def freeze(
    directory: str,
    out: str | None,
    in_place: bool,
    as_text: bool | None,
    signature: str,
    tags: _Tags,
) -> None:
    """Make constants of variables.

    With `--out FILE.pb` one signature becomes a single GraphDef, whose inputs and outputs
    are printed; otherwise the result is a SavedModel without variable files.
    """
    from servable import edit as verbs

    if out is not None and out.endswith(".pb"):
        if in_place:
            raise Failure("--in-place and a .pb file do not go together", exit_code=USAGE)
        _freeze_to_file(directory, Path(out), signature, tags)
        return

    def change(draft: Draft) -> str:
        return f"{verbs.freeze(draft, tags)} variables became constants"

    _edit(directory, out, in_place, as_text, change)


@edit.command("cast")
@writing
@click.option("--to", type=click.Choice(["float16", "bfloat16"]), required=True)
@click.option(
    "--least-elements",
    type=click.IntRange(0),
    default=1024,
    show_default=True,
    help="Smaller tensors stay as they are.",
)
def cast(
    directory: str,
    out: str | None,
    in_place: bool,
    as_text: bool | None,
    to: str,
    least_elements: int,
) -> None:
    """Store float weights in half the bytes; the model still computes in float."""

    def change(draft: Draft) -> str:
        from servable import edit as verbs
        from servable.edit.cast import STORAGE

        variables, constants = verbs.cast_weights(draft, STORAGE[to], least_elements=least_elements)
        return f"{variables} variables and {constants} constants are stored as {to}"

    _edit(directory, out, in_place, as_text, change)


@edit.command("add-file")
@writing
@click.argument("file", type=click.Path(exists=True, dir_okay=False))
@click.option(
    "--name",
    default="tf_serving_warmup_requests",
    show_default=True,
    help="Its name in assets.extra.",
)
def add_file(
    directory: str, out: str | None, in_place: bool, as_text: bool | None, file: str, name: str
) -> None:
    """Put FILE into assets.extra: recorded requests for warming up, or anything else."""

    def change(draft: Draft) -> str:
        from servable import edit as verbs

        verbs.add_extra_file(draft, Path(file), name)
        return f"added assets.extra/{name}"

    _edit(directory, out, in_place, as_text, change)


def pairs(texts: tuple[str, ...]) -> dict[str, str]:
    """Read `ALIAS=TENSOR` texts."""
    found: dict[str, str] = {}
    for text in texts:
        alias, equals, tensor = text.partition("=")
        if not equals or not alias or not tensor:
            raise Failure(f"{text!r} should be ALIAS=TENSOR, as in x=input:0", exit_code=USAGE)
        if alias in found:
            raise Failure(f"{alias} is given twice", exit_code=USAGE)
        found[alias] = tensor
    return found


def _edit(
    directory: str,
    out: str | None,
    in_place: bool,
    as_text: bool | None,
    change: Callable[[Draft], str],
) -> None:
    from servable.cli.byte_progress import byte_progress
    from servable.edit import open_draft

    if (out is None) != in_place:
        raise Failure(
            "say where the new model goes",
            hint="Give either --out DIR or --in-place.",
            exit_code=USAGE,
        )
    with reported():
        draft = open_draft(directory)
        told = change(draft)
        target = Path(directory if out is None else out)
        with byte_progress("writing", draft.variable_bytes()) as progress:
            draft.save(target, as_text=as_text, replace=in_place, progress=progress)
    click.echo(f"{target}: {told}")


def _freeze_to_file(directory: str, out: Path, signature: str, tags: _Tags) -> None:
    from servable import edit as verbs
    from servable.savedmodel.atomic import check_free, write_file

    with reported():
        check_free(out)
        frozen = verbs.frozen_graph(verbs.open_draft(directory), signature, tags)
        write_file(out, frozen.graph.SerializeToString(deterministic=True))
    click.echo(f"{out}: {len(frozen.graph.node)} nodes")
    for side, named in (("input", frozen.inputs), ("output", frozen.outputs)):
        for alias, tensor in named.items():
            click.echo(f"{side}  {alias} = {tensor}")
