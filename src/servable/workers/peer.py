"""A worker as its supervisor sees it: a process, and what is said over the socket between."""

from __future__ import annotations

import contextlib
import os
import queue
import socket
import subprocess
import sys
import threading
from collections.abc import Callable
from multiprocessing.connection import Connection

from servable.workers.messages import Job, ToSupervisor, ToWorker

_BLAS_THREADS = ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS")
"""How the libraries under numpy are told how many threads may compute one product."""


class Peer:
    """A worker's process. Compared by identity; used by one thread, but for `heard`.

    Nothing here waits for the worker: a thread of its own writes, and another one reads.

    Args:
        job: what it serves.
        threads: how many CPUs it may keep busy at once.
        heard: gets the peer and each message, and None when the worker has ended; called
            from the reading thread.
    """

    def __init__(
        self, job: Job, threads: int, heard: Callable[[Peer, ToSupervisor | None], None]
    ) -> None:
        self.number = job.number
        self._heard = heard
        ours, theirs = socket.socketpair()
        with theirs:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "servable.workers.worker", str(theirs.fileno())],
                pass_fds=(theirs.fileno(),),
                stdin=subprocess.DEVNULL,
                env=dict.fromkeys(_BLAS_THREADS, str(threads)) | os.environ,
            )
        self._connection: Connection[ToWorker, ToSupervisor] = Connection(ours.detach())
        self._outbox: queue.SimpleQueue[ToWorker | None] = queue.SimpleQueue()
        for work in (self._write, self._read):
            threading.Thread(target=work, name=f"worker {self.number}", daemon=True).start()
        self.tell(job)

    @property
    def pid(self) -> int:
        """The number of the process."""
        return self._process.pid

    def tell(self, message: ToWorker) -> None:
        """Send a message soon."""
        self._outbox.put(message)

    def kill(self) -> None:
        """End the process at once; `heard` is told."""
        self._process.kill()

    def end(self) -> int:
        """Return the exit code of a process that has closed its socket, and free what it had."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            return self._process.wait(1.0)
        self.kill()
        return self._process.wait()

    def _write(self) -> None:
        with contextlib.suppress(OSError):
            while (message := self._outbox.get()) is not None:
                self._connection.send(message)

    def _read(self) -> None:
        with contextlib.suppress(EOFError, OSError):
            while True:
                self._heard(self, self._connection.recv())
        self._outbox.put(None)
        self._heard(self, None)
