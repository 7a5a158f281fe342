"""`servable models`: add, remove, look after, label and direct single models of a server."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from servable.cli.connecting import as_json
from servable.cli.failure import USAGE, Failure, reported
from servable.cli.options import Seconds

if TYPE_CHECKING:
    from servable.cli.models_client import AdminClient

CommandT = TypeVar("CommandT", bound=Callable[..., Any])

_POLL_SECONDS = 0.2
_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)


def _talking(command: CommandT) -> CommandT:
    """Add what says how to reach the server; the command gets a client as `client`."""

    def gathered(
        server: str, admin_key_file: Path | None, tls: bool, ca: Path | None, **rest: Any
    ) -> Any:
        from servable.cli.admin_key import read_admin_key
        from servable.cli.models_client import AdminClient

        with reported(USAGE):
            key = read_admin_key(admin_key_file)
            client = AdminClient(server, key, tls=tls or ca is not None, ca=ca)
        with reported():
            return command(client, **rest)

    gathered.__name__, gathered.__doc__ = command.__name__, command.__doc__
    decorated: Any = gathered
    decorated.__click_params__ = list(getattr(command, "__click_params__", []))
    for option in reversed(_OPTIONS):
        decorated = option(decorated)
    result: CommandT = decorated
    return result


_OPTIONS = [
    click.option(
        "--server",
        default="localhost:8501",
        show_default=True,
        metavar="HOST:PORT",
        help="The server's REST port.",
    ),
    click.option(
        "--admin-key-file",
        type=_FILE,
        metavar="FILE",
        help="The server's admin key; SERVABLE_ADMIN_KEY by default. From the server's own machine "
        "none is needed unless it has one.",
    ),
    click.option("--tls", is_flag=True, help="Use TLS, and trust what this system trusts."),
    click.option("--ca", type=_FILE, help="Use TLS, and trust the authorities in this PEM file."),
]


@click.group(short_help="Change single models of a running server.")
def models() -> None:
    """Add, remove, look after, label and direct single models of a running server.

    \b
    Examples:
      servable models list
      servable models add ranker=/models/ranker --versions latest:2
      servable models label ranker stable=3 canary=4
      servable models traffic ranker canary=10 stable=90
      servable models reload ranker
      servable models remove ranker --server ranking:8501 --admin-key-file key

    Paths are the server's. A server that reads a config file again and again is changed
    by that file; it then refuses all but list, reload and traffic.
    """


@models.command("list", short_help="Show what is served.")
@_talking
@as_json
def list_models(client: AdminClient, as_json: bool) -> None:
    """Show every model that a server should serve, and where its versions are in their lives.

    \b
    Examples:
      servable models list
      servable models list --server ranking:8501 --json
    """
    _show(client.models(), as_json)


@models.command(short_help="Serve one model more.")
@click.argument("model", metavar="NAME=PATH")
@_talking
@click.option(
    "--versions",
    default="latest",
    show_default=True,
    metavar="POLICY",
    help="latest, latest:N for the N highest, all, or numbers such as 1,2.",
)
@click.option("--label", "labels", multiple=True, metavar="LABEL=VERSION", help="Repeatable.")
@click.option(
    "--wait/--no-wait", default=True, show_default=True, help="Return when it is available."
)
@click.option(
    "--timeout", type=Seconds(), default=300.0, show_default=True, help="How long to wait."
)
@as_json
def add(
    client: AdminClient,
    model: str,
    versions: str,
    labels: tuple[str, ...],
    wait: bool,
    timeout: float,
    as_json: bool,
) -> None:
    """Serve one model more: the versions under the base path PATH, as NAME.

    \b
    Examples:
      servable models add ranker=/models/ranker
      servable models add ranker=/models/ranker --versions latest:2 --label stable=3
      servable models add ranker=gs://bucket/ranker --no-wait --json

    Exit codes: 0 it is available (or was accepted, with --no-wait), 1 refused or not
    loaded in time, 2 something in the command itself.
    """
    name, equals, path = model.partition("=")
    if not equals or not name or not path:
        raise Failure(f"{model!r} is not NAME=PATH", exit_code=USAGE)
    body = {"name": name, "versions": versions, "labels": _labels(labels)}
    body["base_path"] = path if "://" in path else os.path.abspath(path)
    found = client.add(body)
    if wait:
        found = _waited(client, name, timeout)
    _show(found, as_json, only=name)


@models.command(short_help="Stop serving a model.")
@click.argument("name")
@_talking
@as_json
def remove(client: AdminClient, name: str, as_json: bool) -> None:
    """Stop serving the model NAME; requests that run finish.

    \b
    Examples:
      servable models remove ranker
    """
    _show(client.remove(name), as_json)


@models.command(short_help="Look for versions now.")
@click.argument("name")
@_talking
@as_json
def reload(client: AdminClient, name: str, as_json: bool) -> None:
    """Look for versions of the model NAME now, and try again what could not be loaded.

    \b
    Examples:
      servable models reload ranker
    """
    _show(client.reload(name), as_json, only=name)


@models.command(short_help="Move a model's labels.")
@click.argument("name")
@click.argument("labels", nargs=-1, metavar="LABEL=VERSION...")
@_talking
@click.option("--remove", "removed", multiple=True, metavar="LABEL", help="Take a label away.")
@as_json
def label(
    client: AdminClient, name: str, labels: tuple[str, ...], removed: tuple[str, ...], as_json: bool
) -> None:
    """Give labels of the model NAME to other versions, all at once; others stay.

    \b
    Examples:
      servable models label ranker stable=3 canary=4
      servable models label ranker stable=4 --remove canary

    A label whose version is not available yet is given as soon as it is.
    """
    changes: dict[str, int | None] = {**_labels(labels), **dict.fromkeys(removed)}
    if not changes:
        raise Failure("no label is named", hint="Write LABEL=VERSION.", exit_code=USAGE)
    _show(client.label(name, changes), as_json, only=name)


@models.command(short_help="Divide a model's requests among versions.")
@click.argument("name")
@click.argument("parts", nargs=-1, metavar="WHICH=WEIGHT...")
@_talking
@click.option("--shadow", metavar="WHICH", help="Have this version run copies of requests.")
@click.option(
    "--percent", type=click.FloatRange(0, 100), default=100.0, help="How many requests are copied."
)
@click.option("--no-split", is_flag=True, help="Send everything to the highest version again.")
@click.option("--no-shadow", is_flag=True, help="Run no more copies.")
@as_json
def traffic(
    client: AdminClient,
    name: str,
    parts: tuple[str, ...],
    shadow: str | None,
    percent: float,
    no_split: bool,
    no_shadow: bool,
    as_json: bool,
) -> None:
    """Say which versions of the model NAME answer requests that name none, from the next one on.

    \b
    Examples:
      servable models traffic ranker canary=10 stable=90
      servable models traffic ranker 3=50 4=50
      servable models traffic ranker --shadow canary --percent 10
      servable models traffic ranker --no-split --no-shadow

    WHICH is a version's number or a label. Weights are whole numbers; a part gets its weight over
    the sum of all. GET /v1/models/NAME/traffic tells how many requests each version got. This
    holds until a config file says something else about the model's traffic, or the server ends.
    """
    if bool(parts) + no_split > 1 or bool(shadow) + no_shadow > 1:
        raise Failure("that contradicts itself", exit_code=USAGE)
    changes: list[dict[str, Any]] = []
    if parts or no_split:
        changes.append({"split": [_part(word) for word in parts]})
    if shadow or no_shadow:
        changes.append({"shadow": {**_which(shadow), "percent": percent} if shadow else None})
    if not changes:
        raise Failure("nothing is to be changed", hint="Write WHICH=WEIGHT.", exit_code=USAGE)
    for change in changes:
        found = client.direct(name, change)
    _show(found, as_json, only=name)


def _which(word: str) -> dict[str, Any]:
    return {"version": int(word)} if word.isdecimal() else {"label": word}


def _part(word: str) -> dict[str, Any]:
    which, _, weight = word.rpartition("=")
    if not which or not weight.isdecimal():
        raise Failure(
            f"{word!r} gives no version a weight", hint="Write canary=10.", exit_code=USAGE
        )
    return {**_which(which), "weight": int(weight)}


def _labels(words: Sequence[str]) -> dict[str, int]:
    found = {}
    for word in words:
        text, _, number = word.rpartition("=")
        try:
            found[text] = int(number)
        except ValueError:
            text = ""
        if not text:
            raise Failure(
                f"{word!r} gives no label a version", hint="Write stable=3.", exit_code=USAGE
            )
    return found


def _waited(client: AdminClient, name: str, timeout: float) -> list[dict[str, Any]]:
    """Return what is served once a version of a model is available."""
    deadline = time.monotonic() + timeout
    while True:
        found = client.models()
        model = next((model for model in found if model["name"] == name), None)
        if model is None:
            raise Failure(f"{name} was removed meanwhile")
        versions = model["version_status"]
        if any(version["state"] == "AVAILABLE" for version in versions):
            return found
        failed = next((v for v in versions if v["state"] == "END" and "error" in v), None)
        busy = any(version["state"] in ("LOADING", "START") for version in versions)
        if failed is not None and not busy:
            raise Failure(
                f"{name} {failed['version']} could not be loaded: {failed['error']}",
                hint=f"Mend it and say: servable models reload {name}",
            )
        if time.monotonic() >= deadline:
            reasons = "; ".join(f"{v['version']}: {v['error']}" for v in versions if "error" in v)
            raise Failure(
                f"{name} is not available after {timeout:g} s",
                hint=reasons or "It has no version yet. A version is a folder named by a number.",
            )
        time.sleep(_POLL_SECONDS)


def _show(found: Sequence[Mapping[str, Any]], as_json: bool, *, only: str | None = None) -> None:
    chosen = [model for model in found if only is None or model["name"] == only]
    if as_json:
        click.echo(json.dumps({"models": chosen}, ensure_ascii=False))
        return
    from servable.cli.tables import print_table

    rows = [row for model in chosen for row in _rows(model)]
    if not rows:
        click.echo("No models are served.")
        return
    print_table(["model", "version", "state", "labels", "path", "reason"], rows)


def _rows(model: Mapping[str, Any]) -> list[tuple[str, ...]]:
    """Return a line for each version that is there or should be, and one if there is none."""
    labels: dict[str, list[str]] = {}
    for name, version in sorted(model["labels"].items()):
        labels.setdefault(str(version), []).append(name)
    shown = [v for v in model["version_status"] if v["state"] != "END" or "error" in v]
    rows = []
    for status in shown:
        given = ", ".join(labels.pop(status["version"], []))
        reason = status.get("error", "")
        rows.append((status["version"], status["state"], given, reason))
    rows += [(version, "not there", ", ".join(names), "") for version, names in labels.items()]
    return [
        (model["name"], version, state, given, model["base_path"], reason)
        for version, state, given, reason in rows or [("-", "no version", "", "")]
    ]
