"""A sign of life on standard error for work that takes longer than a second."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from rich.progress import Progress

_PATIENCE = 1.0


class _Timer(Protocol):
    def start(self) -> None: ...
    def cancel(self) -> None: ...
    def join(self) -> None: ...


@contextmanager
def waiting(
    what: str,
    *,
    timer: Callable[[float, Callable[[], None]], _Timer] = threading.Timer,
    terminal: bool | None = None,
) -> Iterator[None]:
    """Say what is being done, and since when, while the block runs.

    The line appears after a second, if standard error is a terminal, and goes at the end:
    for work of unknown length, beside `byte_progress`.

    Args:
        what: as in "loading ./export".
        timer: made with seconds and what to do then; for tests.
        terminal: whether standard error is one; asked of it if None.
    """
    if not (sys.stderr.isatty() if terminal is None else terminal):
        yield
        return
    shown: list[Progress] = []

    def show() -> None:
        line = _line(what)
        shown.append(line)
        line.start()

    pending = timer(_PATIENCE, show)
    pending.start()
    try:
        yield
    finally:
        pending.cancel()
        pending.join()
        for line in shown:
            line.stop()


def _line(what: str) -> Progress:
    from rich.console import Console
    from rich.markup import escape
    from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

    line = Progress(
        SpinnerColumn(),
        TextColumn("{task.description}"),
        TimeElapsedColumn(),
        console=Console(stderr=True, force_terminal=True),
        transient=True,
    )
    line.add_task(escape(what), total=None)
    return line
