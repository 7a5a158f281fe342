"""How a command ends when it can not do what was asked."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO, Any

import click

from servable.errors import ServableError

REFUSED = 1
"""Exit code: the request was understood and something refused it."""

USAGE = 2
"""Exit code: what was typed can not work; nothing was started or sent."""


class Failure(click.ClickException):
    """One line on standard error that says what is wrong, and one that says what to do."""

    def __init__(self, message: str, *, hint: str = "", exit_code: int = REFUSED) -> None:
        super().__init__(message)
        self.hint = hint
        self.exit_code = exit_code  # type: ignore[misc]  # click reads it from the instance

    def show(self, file: IO[Any] | None = None) -> None:
        """Write the two lines."""
        click.echo(f"{click.style('error:', fg='red')} {self.message}", file=file, err=True)
        if self.hint:
            click.echo(f"{click.style('hint:', fg='yellow')} {self.hint}", file=file, err=True)


@contextmanager
def reported(exit_code: int = REFUSED) -> Iterator[None]:
    """Turn the package's own errors into a `Failure` with this exit code."""
    try:
        yield
    except ServableError as error:
        raise Failure(error.message, hint=error.hint, exit_code=exit_code) from error
