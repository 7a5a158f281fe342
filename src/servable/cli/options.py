"""Options that several verbs share."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, TypeVar

import click

EVERYWHERE = frozenset({"0.0.0.0", "::"})
"""Hosts that stand for every interface of the machine."""

CommandT = TypeVar("CommandT", bound=Callable[..., Any])


class Seconds(click.FloatRange):
    """A length of time: a finite number, not negative."""

    def __init__(self) -> None:
        super().__init__(0)

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Refuse nan and infinity, which compare as no number does."""
        number = super().convert(value, param, ctx)
        if not math.isfinite(number):
            self.fail(f"{value!r} is not a finite number of seconds.", param, ctx)
        return number


_PORT = click.IntRange(0, 65535)


def listening(host: str) -> Callable[[CommandT], CommandT]:
    """Add --host, with this default, --grpc-port and --rest-port to a command."""

    def add(command: CommandT) -> CommandT:
        for option in reversed(
            [
                click.option(
                    "--host", default=host, show_default=True, help="Address to listen on."
                ),
                click.option(
                    "--grpc-port",
                    type=_PORT,
                    default=8500,
                    show_default=True,
                    help="0 picks a free port.",
                ),
                click.option(
                    "--rest-port",
                    type=_PORT,
                    default=8501,
                    show_default=True,
                    help="0 picks a free port.",
                ),
            ]
        ):
            command = option(command)
        return command

    return add


def reachable(host: str) -> str:
    """Return how this machine reaches a server that listens on `host`, for use in URLs."""
    if host in EVERYWHERE:
        return "localhost"
    return f"[{host}]" if ":" in host else host
