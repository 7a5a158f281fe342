"""A load process: `python -m servable.bench.worker`, driven over its standard streams.

It is a process of its own, not a fork: gRPC's threads do not survive one. It reads pickled
`Job`, `Load` and `Stop` objects from the process that started it, and writes `Progress`,
`Tally` and `Broken`. Ctrl-C in a terminal reaches it too and is left to the other process.
"""

from __future__ import annotations

import os
import pickle
import queue
import signal
import sys
import threading
import time
from collections.abc import Sequence
from typing import BinaryIO

from servable.bench.carrier import Carrier
from servable.bench.load import Recorder, closed, opened
from servable.bench.messages import Broken, Job, Load, Progress, Stop, Tally, Target
from servable.bench.sharing import share

_TELL_EVERY = 0.2


def main() -> None:
    """Serve the process at the other end of the standard streams until it hangs up."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    answers = os.fdopen(os.dup(sys.stdout.fileno()), "wb")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())  # what libraries print is no answer
    Worker(sys.stdin.buffer, answers).run()


class Worker:
    """Runs phases as it is told.

    Args:
        orders: where the job and then loads and stops come from.
        answers: where progress and tallies go.
    """

    def __init__(self, orders: BinaryIO, answers: BinaryIO) -> None:
        self._orders = orders
        self._answers = answers
        self._stop = threading.Event()
        self._carriers: dict[tuple[int, int], tuple[int, Carrier]] = {}
        self._loads: queue.SimpleQueue[Load] = queue.SimpleQueue()

    def run(self) -> None:
        """Read the job, then run every load that comes; the process ends with the orders."""
        job: Job = pickle.load(self._orders)
        threading.Thread(target=self._listen, daemon=True).start()
        while True:
            self._say(self._phase(job, self._loads.get()))

    def _listen(self) -> None:
        while True:
            try:
                order = pickle.load(self._orders)
            except (EOFError, OSError, pickle.UnpicklingError):
                os._exit(0)  # nobody is there any more; other threads may wait for a server
            if isinstance(order, Stop):
                self._stop.set()
            else:
                self._stop.clear()
                self._loads.put(order)

    def _phase(self, job: Job, load: Load) -> Tally | Broken:
        target, requests = job.targets[load.target], job.requests[load.target]
        try:
            lanes = [
                (part, Recorder(self._carrier(target, n, part), requests, self._stop, part.first))
                for n, part in enumerate(_lanes(target, load))
            ]
        except Exception as error:  # whatever a library raises ends the measurement
            return Broken(f"{type(error).__name__}: {error}")
        faults: list[str] = []
        threads = [
            threading.Thread(target=_drive, args=(recorder, part, self._stop, faults))
            for part, recorder in lanes
        ]
        cpu, began = time.process_time(), time.perf_counter()
        for thread in threads:
            thread.start()
        for thread in threads:
            self._watch(thread, [recorder for _, recorder in lanes])
        cpu, seconds = time.process_time() - cpu, time.perf_counter() - began
        if faults:
            return Broken(faults[0])
        tally = Tally()
        for _, recorder in lanes:
            tally = tally.beside(recorder.tally)
        tally.cpu_seconds, tally.busiest = cpu, cpu / seconds
        return tally

    def _watch(self, thread: threading.Thread, recorders: Sequence[Recorder]) -> None:
        while thread.is_alive():
            thread.join(_TELL_EVERY)
            if thread.is_alive():
                self._say(Progress(sum(recorder.tally.ended for recorder in recorders)))

    def _carrier(self, target: Target, number: int, load: Load) -> Carrier:
        """Return connections, those of an earlier phase if they are as many."""
        slots = load.clients if target.protocol == "rest" else 0
        known = self._carriers.get((load.target, number))
        if known is not None and known[0] == slots:
            return known[1]
        if known is not None:
            known[1].close()
        carrier = _opened(target, slots)
        self._carriers[load.target, number] = slots, carrier
        return carrier

    def _say(self, answer: Tally | Progress | Broken) -> None:
        try:
            pickle.dump(answer, self._answers)
            self._answers.flush()
        except BrokenPipeError:
            os._exit(0)


def _opened(target: Target, slots: int) -> Carrier:
    if target.protocol == "rest":
        from servable.bench.http_carrier import HttpCarrier

        return HttpCarrier(target, slots)
    from servable.bench.grpc_carrier import GrpcCarrier

    return GrpcCarrier(target)


def _drive(recorder: Recorder, load: Load, stop: threading.Event, faults: list[str]) -> None:
    try:
        (opened if load.rate else closed)(recorder, load)
    except Exception as error:  # reported: a thread that just ended would look like an answer
        faults.append(f"{type(error).__name__}: {error}")
        stop.set()


def _lanes(target: Target, load: Load) -> list[Load]:
    """Return what each thread does.

    Over gRPC every connection has a thread; over REST one thread has all connections.
    """
    return share(load, 1 if target.protocol == "rest" else load.connections)


if __name__ == "__main__":
    main()
