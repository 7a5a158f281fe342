"""`servable bench`: how many requests a server answers, and how fast."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from servable.cli.connecting import versioned
from servable.cli.failure import REFUSED, USAGE, Failure, reported
from servable.cli.signals import stop_requested

if TYPE_CHECKING:
    from servable.bench import Result, Settings, Step
    from servable.tensors import Array

INTERRUPTED = 130
"""Exit code after Ctrl-C, as shells give it."""

_FILE = click.Path(dir_okay=False, path_type=Path)
_EITHER = (
    ("clients", "rates", "--clients make a closed loop, --rate an open one; measure them apart."),
    ("duration", "requests", "A round ends after a time or after a number of requests."),
)
_UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "": 1.0}


def duration(text: str) -> float:
    """Return the seconds in `500ms`, `10s`, `2m`, `1h`, or in a number without a unit.

    Raises:
        click.BadParameter: it is no such length of time.
    """
    found = re.fullmatch(r"([0-9]{1,9}(?:\.[0-9]{1,9})?)(ms|s|m|h|)", text.strip())
    if found is None:
        raise click.BadParameter(f"{text!r} is no length of time such as 500ms, 10s or 2m.")
    return float(found[1]) * _UNITS[found[2]]


def _counts(text: str) -> tuple[int, ...]:
    return tuple(int(number) for number in _numbers(text, r"[0-9]{1,9}"))


def _rates(text: str) -> tuple[float, ...]:
    return tuple(float(number) for number in _numbers(text, r"[0-9]{1,9}(?:\.[0-9]{1,9})?"))


def _numbers(text: str, form: str) -> list[str]:
    numbers = [part.strip() for part in text.split(",")]
    if not all(re.fullmatch(form, number) for number in numbers):
        raise click.BadParameter(f"{text!r} is no list of numbers such as 1,8,32.")
    return numbers


@click.command(short_help="Measure how many requests a server answers, and how fast.")
@click.argument("address", metavar="HOST:PORT")
@click.option("--model", required=True, help="The model's name on the server.")
@click.option("--grpc", "protocol", flag_value="grpc", help="Speak gRPC. [default: ask the port]")
@click.option("--rest", "protocol", flag_value="rest", help="Speak REST.")
@click.option(
    "--clients",
    type=_counts,
    metavar="N,...",
    help="Closed loop: so many clients, each with one request at a time.  [default: 1,8,32]",
)
@click.option(
    "--rate",
    "rates",
    type=_rates,
    metavar="N,...",
    help="Open loop: so many requests per second, at random times, answered or not.",
)
@click.option("--duration", type=duration, metavar="TIME", help="Of each round.  [default: 10s]")
@click.option("--requests", type=int, help="Requests in each round, instead of --duration.")
@click.option(
    "--warmup",
    type=duration,
    metavar="TIME",
    default="2s",
    show_default=True,
    help="The same load before each round, not counted.",
)
@click.option("--rounds", type=int, help="Rounds of each load.  [default: 1; 3 with --against]")
@click.option("--against", metavar="HOST:PORT", help="Give a second server the same, in turn.")
@click.option(
    "--input",
    "inputs",
    multiple=True,
    metavar="[ALIAS=]VALUE",
    help="Rows to send: a .npy file, or as for `servable predict`; or a .npz file with all "
    "inputs. Repeat for each input. Made up from the signature by default.",
)
@click.option(
    "--traffic",
    type=click.Path(exists=True, path_type=Path),
    help="Recorded requests to send: a file or folder of PredictionLogs.",
)
@click.option("--batch-size", type=int, default=1, show_default=True, help="Rows in a request.")
@click.option(
    "--body",
    type=click.Choice(["json", "protobuf", "npy", "raw"]),
    default="json",
    show_default=True,
    help="How tensors travel over REST. All but json need Servable.",
)
@click.option("--signature", default="serving_default", show_default=True, help="Signature to run.")
@versioned
@click.option(
    "--connections",
    type=int,
    help="gRPC: connections in all.  [default: one for each process]  REST has one for each "
    "client; with --rate at most so many, 64 by default.",
)
@click.option("--processes", type=int, help="Load processes.  [default: half the processors]")
@click.option("--seed", type=int, default=0, show_default=True, help="Of values and times.")
@click.option(
    "--timeout", type=duration, metavar="TIME", default="60s", show_default=True,
    help="After which a request has failed.",
)  # fmt: skip
@click.option("--json", "json_path", metavar="FILE", help="Write all numbers; - for the terminal.")
@click.option("--html", "html_path", type=_FILE, help="Write a page with drawings.")
@click.option("--plot", "plot_path", type=_FILE, help="Write a picture; needs matplotlib.")
def bench(
    address: str,
    inputs: tuple[str, ...],
    json_path: str | None,
    html_path: Path | None,
    plot_path: Path | None,
    **given: Any,
) -> None:
    """Measure the server at HOST:PORT: throughput, and how long answers take.

    Without --rate the load is a closed loop: every client waits for its answer before it
    asks again, and a slow server is asked less. With --rate requests come at random times,
    whether or not others were answered, and latency counts from when each was due.

    \b
    Examples:
      servable bench localhost:8500 --model digits
      servable bench localhost:8501 --model digits --clients 1,4,16 --duration 5s --body npy
      servable bench localhost:8500 --model digits --rate 100,200,400 --html report.html
      servable bench localhost:8500 --model ranker --input x=rows.npy --batch-size 32
      servable bench localhost:8500 --model ranker --traffic /var/log/ranker
      servable bench localhost:8500 --model digits --against tfserving:8500 --json results.json

    Works with TensorFlow Serving too. Ctrl-C ends it and shows what was measured so far.
    Exit codes: 0 measured, 1 refused, unreachable or no good answers, 2 something in the
    command itself, 130 Ctrl-C.
    """
    from servable.bench import plot, run

    with reported(USAGE):
        settings = _settings(address, inputs, given)
        if plot_path is not None:
            plot.check_installed()
    with stop_requested() as stop, reported(), _progress() as progress:
        result = run(settings, progress=progress, stop=stop)
    _write(result, json_path, html_path, plot_path)
    _end(result)


def _settings(address: str, inputs: tuple[str, ...], given: dict[str, Any]) -> Settings:
    """Return what the options say.

    Raises:
        Failure: two of them contradict each other.
        ServableError: one is out of range, or an input can not be read.
    """
    from servable.bench import Settings
    from servable.client.probe import UNIX, split_address

    for place in (address, given["against"]):
        if place is not None and not place.startswith(UNIX):
            split_address(place)
    for one, two, hint in _EITHER:
        if given[one] is not None and given[two] is not None:
            names = " and ".join("--" + name.replace("rates", "rate") for name in (one, two))
            raise Failure(f"{names} are both given", hint=hint, exit_code=USAGE)
    chosen = {name: value for name, value in given.items() if value is not None}
    settings = Settings(address, **chosen)
    if not inputs:
        return settings
    from dataclasses import replace

    return replace(settings, inputs=_arrays(settings, inputs))


def _arrays(settings: Settings, texts: tuple[str, ...]) -> dict[str, Array]:
    """Return the arrays of --input options, in the dtypes of the server's signature."""
    import numpy as np

    from servable.cli.inputs import tensors_for
    from servable.cli.values import cast
    from servable.client import connect
    from servable.errors import InvalidArgument

    with (
        reported(REFUSED),
        connect(settings.address, protocol=settings.protocol, timeout=settings.timeout) as client,
    ):
        metadata = client.metadata(settings.model, version=settings.version, label=settings.label)
    signature = metadata.signatures.get(settings.signature)
    if signature is None:
        raise Failure(
            f"{settings.model} has no signature {settings.signature!r}",
            hint="It has: " + ", ".join(sorted(metadata.signatures)),
        )
    archives = [text for text in texts if text.lower().endswith(".npz")]
    found = dict(tensors_for([text for text in texts if text not in archives], signature))
    for text in archives:
        try:
            with np.load(text, allow_pickle=False) as archive:
                loaded = {alias: archive[alias] for alias in archive.files}
        except (OSError, ValueError) as error:
            raise InvalidArgument(f"{text} is no .npz file: {error}") from error
        for alias, array in loaded.items():
            if alias not in signature.inputs:
                raise InvalidArgument(
                    f"{text} has an array {alias}, which is no input of the signature",
                    hint="Inputs: " + ", ".join(signature.inputs),
                )
            found[alias] = cast(array, signature.inputs[alias])
    return found


@contextmanager
def _progress() -> Iterator[Callable[[Step], None] | None]:
    """Give a function that draws a bar on standard error; None if that is no terminal."""
    if not sys.stderr.isatty():
        yield None
        return
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

    bar = Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.percentage:>3.0f}%"),
        TimeElapsedColumn(),
        console=Console(stderr=True),
        transient=True,
    )
    with bar:
        task = bar.add_task("asking the server", total=1.0)

        def tell(step: Step) -> None:
            what = "warming up" if step.warming else f"{step.ended} requests"
            bar.update(
                task, completed=step.done, description=f"{step.load}, {step.address}: {what}"
            )

        yield tell


def _write(
    result: Result, json_path: str | None, html_path: Path | None, plot_path: Path | None
) -> None:
    from servable.bench import plot
    from servable.bench.document import document
    from servable.bench.html import page
    from servable.cli.bench_report import print_result
    from servable.cli.json_out import render

    if json_path == "-":
        click.echo(render(document(result), pretty=sys.stdout.isatty()))
    elif result.levels:
        print_result(result)
    try:
        if json_path not in (None, "-"):
            Path(str(json_path)).write_text(render(document(result), pretty=True) + "\n")
        if html_path is not None:
            html_path.write_text(page(result), encoding="utf-8")
    except OSError as error:
        raise Failure(f"can not write {error.filename}: {error.strerror}") from error
    if plot_path is not None:
        with reported():
            plot.draw(result, plot_path)


def _end(result: Result) -> None:
    if result.interrupted and not result.lost:
        click.echo("Stopped early.", err=True)
        sys.exit(INTERRUPTED)
    if result.lost:
        raise Failure("a server went away", hint="Look at its log.")
    if not result.answered:
        raise Failure("no request was answered well at some load", hint="See the errors above.")
    if any(m.unreadable for level in result.levels for m in level.measurements):
        raise Failure("a server's answers can not be read", hint="See the notes above.")
