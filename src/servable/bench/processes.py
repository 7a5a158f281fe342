"""The load processes, seen from the one that measures."""

from __future__ import annotations

import pickle
import queue
import subprocess
import sys
import threading
from collections.abc import Callable
from contextlib import suppress
from types import TracebackType
from typing import IO

from servable.bench.messages import Broken, Job, Load, Progress, Stop, Tally
from servable.bench.sharing import share
from servable.errors import Internal

_LOOK_EVERY = 0.2
_END_WITHIN = 5.0


class LoadProcesses:
    """Some processes that make load together; a context manager that ends them.

    They are started by name rather than forked, so that this works in any program, whatever
    threads it has, and without a main module that guards itself.

    Args:
        count: how many.
        job: whom they ask, and what.
    """

    def __init__(self, count: int, job: Job) -> None:
        self.count = count
        self._said: queue.Queue[tuple[int, object]] = queue.Queue()
        self._processes: list[subprocess.Popen[bytes]] = []
        try:
            for number in range(count):
                self._processes.append(self._started(number))
                self._tell(number, job)
        except BaseException:
            self.close()
            raise

    def run(
        self,
        load: Load,
        *,
        progress: Callable[[int], None],
        stop: threading.Event,
    ) -> Tally:
        """Have them do a load together and return what they measured.

        Args:
            load: is divided among them.
            progress: gets the number of requests that have ended, several times a second.
            stop: set it, from another thread or a signal handler, to have no more sent.

        Raises:
            Internal: a process failed or died.
        """
        parts = share(load, self.count)
        for number, part in enumerate(parts):
            self._tell(number, part)
        ended, tally, waiting, stopped = [0] * len(parts), Tally(), len(parts), False
        while waiting:
            if stop.is_set() and not stopped:
                stopped = True
                for number in range(len(parts)):
                    self._tell(number, Stop())
            with suppress(queue.Empty):
                number, answer = self._said.get(timeout=_LOOK_EVERY)
                match answer:
                    case Progress():
                        ended[number] = answer.ended
                        progress(sum(ended))
                    case Tally():
                        tally = tally.beside(answer)
                        waiting -= 1
                    case Broken():
                        raise Internal(f"a load process failed: {answer.text}")
        progress(tally.ended)
        return tally

    def close(self) -> None:
        """End the processes."""
        for process in self._processes:
            with suppress(OSError):
                _pipe(process.stdin).close()
        for process in self._processes:
            try:
                process.wait(_END_WITHIN)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()

    def __enter__(self) -> LoadProcesses:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def _started(self, number: int) -> subprocess.Popen[bytes]:
        process = subprocess.Popen(
            [sys.executable, "-m", "servable.bench.worker"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        threading.Thread(target=self._listen, args=(number, process), daemon=True).start()
        return process

    def _listen(self, number: int, process: subprocess.Popen[bytes]) -> None:
        """Pass on what a process says, until it ends."""
        with _pipe(process.stdout) as answers:
            try:
                while True:
                    self._said.put((number, pickle.load(answers)))
            except (EOFError, OSError, pickle.UnpicklingError):
                self._said.put((number, Broken(f"it ended with exit code {process.wait()}")))

    def _tell(self, number: int, order: Job | Load | Stop) -> None:
        stdin = _pipe(self._processes[number].stdin)
        with suppress(BrokenPipeError):  # `_listen` tells of its end
            pickle.dump(order, stdin)
            stdin.flush()


def _pipe(stream: IO[bytes] | None) -> IO[bytes]:
    if stream is None:
        raise Internal("a load process was started without pipes")
    return stream


def processes_by_default(cores: int) -> int:
    """Return how many processes leave a server on the same machine its share: half the cores."""
    return max(1, min(8, cores // 2))
