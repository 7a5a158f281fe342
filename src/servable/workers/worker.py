"""One worker: a server that shares its ports with others, and does what a supervisor says.

Started by the supervisor as `python -m servable.workers.worker FD`, with one end of a socket
as that file descriptor. When the other end is gone, so is the worker, at once.
"""

from __future__ import annotations

import itertools
import logging
import os
import queue
import signal
import sys
import threading
from collections.abc import Sequence
from multiprocessing.connection import Connection
from typing import NoReturn

from servable.errors import Code, ServableError
from servable.metrics.merge import Snapshot
from servable.server import heap, observe
from servable.server.assemble import Server
from servable.workers.member import Member
from servable.workers.messages import (
    Ask,
    Came,
    Count,
    Counted,
    Failed,
    Hold,
    Job,
    Listen,
    Listening,
    Numbers,
    Release,
    Stop,
    Switch,
    ToSupervisor,
    ToWorker,
)

log = logging.getLogger(__name__)

_ANSWER_SECONDS = 2.0
"""How long a metrics page waits for the supervisor, which waits for less."""


class Desk:
    """Talks to the supervisor. `send` and `counted` may be called from any thread.

    Args:
        connection: to the supervisor.

    Attributes:
        member: the server's side of the agreement.
        listen: set when the ports should be opened, or the worker should end before that.
        stop: set when it should end.
    """

    def __init__(self, connection: Connection[ToSupervisor, ToWorker]) -> None:
        self._connection = connection
        self._sending = threading.Lock()
        self._questions = itertools.count()
        self._answers: dict[int, queue.SimpleQueue[Sequence[Snapshot]]] = {}
        self.member = Member(self.send)
        self.listen = threading.Event()
        self.stop = threading.Event()

    def send(self, message: ToSupervisor) -> None:
        """Tell the supervisor something."""
        try:
            with self._sending:
                self._connection.send(message)
        except OSError:
            os._exit(1)

    def counted(self) -> Sequence[Snapshot]:
        """Return what the other workers have counted; nothing if the supervisor is too busy."""
        question = next(self._questions)
        answer: queue.SimpleQueue[Sequence[Snapshot]] = queue.SimpleQueue()
        self._answers[question] = answer
        try:
            self.send(Ask(question))
            return answer.get(timeout=_ANSWER_SECONDS)
        except queue.Empty:
            log.warning("the other workers did not say in time what they have counted")
            return ()
        finally:
            del self._answers[question]

    def follow(self, server: Server) -> None:
        """Do what the supervisor says, for ever."""
        while True:
            match self.receive():
                case Hold(change):
                    self.member.hold(change)
                case Release(change):
                    self.member.release(change)
                case Switch(change):
                    self.member.switch(change)
                case Listen():
                    self.listen.set()
                case Stop():
                    self.leave()
                case Count(question):
                    self.send(Numbers(question, server.metrics.snapshot()))
                case Counted(question, snapshots):
                    waiting = self._answers.get(question)
                    if waiting is not None:
                        waiting.put(snapshots)

    def leave(self) -> None:
        """Have the worker answer what came, and end."""
        self.stop.set()
        self.listen.set()

    def receive(self) -> ToWorker:
        """Wait for the next message; without a supervisor nobody needs this process."""
        try:
            return self._connection.recv()
        except (EOFError, OSError):
            os._exit(1)

    def fail(self, error: ServableError, *, configured: bool) -> NoReturn:
        """Tell why this worker can not serve, and end."""
        self.send(Failed(error.code, error.message, error.hint, configured))
        logging.shutdown()
        os._exit(1)


def main(descriptor: int) -> None:
    """Serve until the supervisor has had enough."""
    desk = Desk(Connection(descriptor))
    # Ctrl-C reaches all processes of a terminal, and SIGTERM all of a service. The supervisor
    # knows better when a worker should stop.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, lambda *_: desk.leave())
    job = desk.receive()
    if not isinstance(job, Job):
        raise TypeError(f"A worker's first message is its job, and not {job}.")
    observe.configure(job.log_level, job.log_format, worker=job.number)
    heap.share_heaps()
    try:
        server = Server(job.config, agreement=desk.member)
    except ServableError as error:
        desk.fail(error, configured=False)
    server.metrics.share(str(job.number), desk.counted)
    threading.Thread(target=desk.follow, args=(server,), name="supervisor", daemon=True).start()
    try:
        desk.send(Came())
        server.load()
        _wait(desk.listen)
        if not desk.stop.is_set():
            server.listen_grpc()
            server.listen_rest()
            desk.send(Listening(tuple(server.models.configured().values())))
            _wait(desk.stop)
    except ServableError as error:
        desk.fail(error, configured=True)
    server.stop()
    logging.shutdown()
    # Not by returning: the interpreter would wait for a request that outlasted the grace.
    os._exit(Code.OK)


def _wait(event: threading.Event) -> None:
    while not event.wait(1.0):  # in between a signal's handler may run
        pass


if __name__ == "__main__":
    main(int(sys.argv[1]))
