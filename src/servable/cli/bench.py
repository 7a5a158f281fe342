"""`servable bench`: how many requests a server answers, and how fast."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from servable.cli.bench_options import counts, duration, rates, refuse_contradictions
from servable.cli.bench_output import outputs_at, write
from servable.cli.connecting import versioned
from servable.cli.failure import REFUSED, USAGE, Failure, reported
from servable.cli.signals import stop_requested

if TYPE_CHECKING:
    from servable.bench import Result, Settings, Step
    from servable.tensors import Array

INTERRUPTED = 130
"""Exit code after Ctrl-C, as shells give it."""

UNEQUAL = 3
"""Exit code: measured, and two servers' answers differ."""


@click.command(short_help="Measure how many requests a server answers, and how fast.")
@click.argument("address", metavar="HOST:PORT")
@click.option("--model", required=True, help="The model's name on the server.")
@click.option("--grpc", is_flag=True, help="Speak gRPC.  [default: ask the port]")
@click.option("--rest", is_flag=True, help="Speak REST.")
@click.option(
    "--clients",
    type=counts,
    metavar="N,...",
    help="Closed loop: so many clients, each with one request at a time.  [default: 1,8,32]",
)
@click.option(
    "--rate",
    "rates",
    type=rates,
    metavar="N,...",
    help="Open loop: so many requests per second, up to a million, at random times, answered "
    "or not.",
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
    "--tolerance",
    type=float,
    help="By which floats may differ with --against, as a share of the largest one.  "
    "[default: 1e-5]",
)
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
@click.option("--batch-size", type=int, help="Rows in a request.  [default: 1]")
@click.option(
    "--body",
    type=click.Choice(["json", "protobuf", "npy", "raw"]),
    help="How tensors travel over REST. All but json need Servable.  [default: json]",
)
@click.option("--signature", help="Signature to run.  [default: serving_default]")
@versioned
@click.option(
    "--connections",
    type=int,
    help="gRPC: connections in all.  [default: one for each process]  REST has one for each "
    "client, and no choice; with --rate at most so many, 64 by default.",
)
@click.option("--processes", type=int, help="Load processes.  [default: half the processors]")
@click.option(
    "--seed", type=int, default=0, show_default=True, help="Of values and times; 0 or more."
)
@click.option(
    "--timeout", type=duration, metavar="TIME", default="60s", show_default=True,
    help="After which a request has failed.",
)  # fmt: skip
@click.option("--json", "json_path", metavar="FILE", help="Write all numbers; - for the terminal.")
@click.option("--html", "html_path", metavar="FILE", help="Write a page with drawings.")
@click.option(
    "--plot",
    "plot_path",
    metavar="FILE",
    help="Write a picture, such as .png, .svg or .pdf; needs matplotlib.",
)
def bench(
    address: str,
    inputs: tuple[str, ...],
    json_path: str | None,
    html_path: str | None,
    plot_path: str | None,
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
    command itself, 3 measured and the answers of the two servers differ (--against),
    130 Ctrl-C.
    """
    from servable.bench import Unfit, run

    with reported(USAGE):
        outputs = outputs_at(json_path, html_path, plot_path)
        settings = _settings(address, inputs, given)
    with stop_requested() as stop, reported(), _progress() as progress:
        try:
            result = run(settings, progress=progress, stop=stop)
        except Unfit as error:
            raise Failure(error.message, hint=error.hint, exit_code=USAGE) from error
    write(result, outputs)
    _end(result)


def _settings(address: str, inputs: tuple[str, ...], given: dict[str, Any]) -> Settings:
    """Return what the options say.

    Raises:
        Failure: two of them contradict each other.
        ServableError: one is out of range, or an input can not be read.
    """
    from servable.bench import Settings, traffic
    from servable.client.probe import UNIX, split_address

    for place in (address, given["against"]):
        if place is not None and not place.startswith(UNIX):
            split_address(place)
    refuse_contradictions({**given, "inputs": inputs})
    chosen = {name: value for name, value in given.items() if value is not None}
    grpc, rest = chosen.pop("grpc"), chosen.pop("rest")
    settings = Settings(address, protocol="grpc" if grpc else "rest" if rest else "auto", **chosen)
    if settings.protocol != "auto":
        settings.check_fits({settings.protocol})
    if settings.traffic is not None:
        traffic.check(settings.traffic)
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
    apart = result.comparison
    if apart is not None and not apart.same:
        refused = f"; one server refused {apart.refused_by_one} that the other answered"
        raise Failure(
            f"{apart.unequal} of {apart.compared} answers differ"
            + (refused if apart.refused_by_one else ""),
            hint=f"Floats may differ by {result.settings.tolerance:g} of the largest one: "
            "see --tolerance.",
            exit_code=UNEQUAL,
        )
