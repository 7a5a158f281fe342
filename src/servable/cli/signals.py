"""Ctrl-C and SIGTERM: the first asks for a clean stop, the second ends the process."""

from __future__ import annotations

import logging
import os
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

log = logging.getLogger(__name__)

_POLL_SECONDS = 1.0
_LAST_MOMENT_SECONDS = 0.5


@contextmanager
def stop_requested() -> Iterator[threading.Event]:
    """Yield an event that is set by SIGINT or SIGTERM; for the main thread only.

    A second signal ends the process at once with the exit code that shells give a
    process killed by it. The handlers that were there before come back at the end.
    """
    stop = threading.Event()

    def handle(number: int, _frame: FrameType | None) -> None:
        if stop.is_set():
            os._exit(128 + number)
        stop.set()

    before = {number: signal.signal(number, handle) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def wait_for(stop: threading.Event) -> None:
    """Return when the event is set.

    On Windows a wait without a limit would never let a signal handler run.
    """
    while not stop.wait(_POLL_SECONDS):
        pass


def leave() -> None:
    """End the process with exit code 0, also while a request runs that outlasted the grace.

    The interpreter would wait for the thread of such a request for ever. To be called
    last: returns if there is none, and else does not return.
    """
    deadline = time.monotonic() + _LAST_MOMENT_SECONDS
    others = [t for t in threading.enumerate() if t is not threading.main_thread()]
    workers = [thread for thread in others if not thread.daemon]
    for worker in workers:
        worker.join(max(0.0, deadline - time.monotonic()))
    if any(worker.is_alive() for worker in workers):
        log.warning("a request outlasted the grace and is cut off")
        logging.shutdown()
        os._exit(0)
