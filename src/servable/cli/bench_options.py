"""What may be written behind the options of `servable bench`."""

from __future__ import annotations

import re
from collections.abc import Mapping

import click

from servable.cli.failure import USAGE, Failure

_UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "": 1.0}

_RECORDED = "Recorded requests have their own."
_EITHER = (
    ("grpc", "rest", "Choose one, or none: then the port is asked."),
    ("clients", "rates", "--clients make a closed loop, --rate an open one; measure them apart."),
    ("duration", "requests", "A round ends after a time or after a number of requests."),
    ("traffic", "inputs", _RECORDED),
    ("traffic", "signature", _RECORDED),
    ("traffic", "batch_size", _RECORDED),
)
_OPTIONS = {"rates": "--rate", "inputs": "--input", "batch_size": "--batch-size"}


def refuse_contradictions(given: Mapping[str, object]) -> None:
    """Refuse options of which one would be ignored.

    Args:
        given: parameter -> value; what is None, False or empty was not given.

    Raises:
        Failure: two of them exclude each other, or one needs another.
    """
    for one, two, hint in _EITHER:
        if all(given[name] not in (None, False, ()) for name in (one, two)):
            names = " and ".join(_OPTIONS.get(name, f"--{name}") for name in (one, two))
            raise Failure(f"{names} are both given", hint=hint, exit_code=USAGE)
    if given["tolerance"] is not None and given["against"] is None:
        raise Failure(
            "--tolerance is given without --against",
            hint="Answers are compared with a second server's.",
            exit_code=USAGE,
        )


def duration(text: str) -> float:
    """Return the seconds in `500ms`, `10s`, `2m`, `1h`, or in a number without a unit.

    Raises:
        click.BadParameter: it is no such length of time.
    """
    found = re.fullmatch(r"([0-9]{1,9}(?:\.[0-9]{1,9})?)(ms|s|m|h|)", text.strip())
    if found is None:
        raise click.BadParameter(f"{text!r} is no length of time such as 500ms, 10s or 2m.")
    return float(found[1]) * _UNITS[found[2]]


def counts(text: str) -> tuple[int, ...]:
    """Return the numbers of clients in `1,8,32`.

    Raises:
        click.BadParameter: one is no such number, or out of range.
    """
    from servable.bench.settings import MOST_CLIENTS

    numbers = _parts(text)
    form = r"[0-9]{1,9}"
    if not all(re.fullmatch(form, n) and 1 <= int(n) <= MOST_CLIENTS for n in numbers):
        raise click.BadParameter(
            f"{text!r} is no list of whole numbers from 1 to {MOST_CLIENTS} such as 1,8,32."
        )
    return tuple(map(int, numbers))


def rates(text: str) -> tuple[float, ...]:
    """Return the requests per second in `100,250.5`.

    Raises:
        click.BadParameter: one is no such number, or out of range.
    """
    from servable.bench.settings import MOST_RATE

    numbers = _parts(text)
    form = r"[0-9]{1,9}(?:\.[0-9]{1,9})?"
    if not all(re.fullmatch(form, n) and 0 < float(n) <= MOST_RATE for n in numbers):
        raise click.BadParameter(
            f"{text!r} is no list of numbers more than 0 and at most {MOST_RATE}, such as "
            "100,250.5."
        )
    return tuple(map(float, numbers))


def _parts(text: str) -> list[str]:
    return [part.strip() for part in text.split(",")]
