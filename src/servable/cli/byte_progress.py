"""A bar on standard error for work that takes longer than a second."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

_PATIENCE = 1.0


@contextmanager
def byte_progress(
    what: str,
    total: int,
    *,
    clock: Callable[[], float] = time.monotonic,
    terminal: bool | None = None,
) -> Iterator[Callable[[int], None]]:
    """Give a function to call with every number of bytes done.

    A bar appears after a second, if standard error is a terminal, and goes at the end.

    Args:
        what: said beside the bar.
        total: about how many bytes there will be.
        clock: seconds; for tests.
        terminal: whether standard error is one; asked of it if None.
    """
    shown: Progress | None = None
    task: TaskID | None = None
    done, begun = 0, clock()
    wanted = sys.stderr.isatty() if terminal is None else terminal

    def tell(count: int) -> None:
        nonlocal shown, task, done
        done += count
        if wanted and shown is None and clock() - begun > _PATIENCE:
            shown = _bar()
            task = shown.add_task(what, total=max(total, done))
            shown.start()
        if shown is not None and task is not None:
            shown.update(task, completed=done)

    try:
        yield tell
    finally:
        if shown is not None:
            shown.stop()


def _bar() -> Progress:
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        DownloadColumn,
        Progress,
        TextColumn,
        TimeRemainingColumn,
        TransferSpeedColumn,
    )

    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        DownloadColumn(),
        TransferSpeedColumn(),
        TimeRemainingColumn(),
        console=Console(stderr=True, force_terminal=True),
        transient=True,
    )
