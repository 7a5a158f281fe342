"""Load processes, driven over their pipes and as a group."""

from __future__ import annotations

import pickle
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import grpc
import pytest
from predict_servers import grpc_server

from servable.bench.encoding import PREDICT
from servable.bench.messages import Job, Load, Progress, Request, Tally, Target
from servable.bench.processes import LoadProcesses
from servable.errors import Internal
from servable.pb import serving_pb2

ANSWER = serving_pb2.PredictResponse(model_spec=serving_pb2.ModelSpec(name="m"))


@contextmanager
def job(wait_for: threading.Event | None = None, path: str = PREDICT) -> Iterator[Job]:
    """A job for a server that answers at once, or after an event."""

    def answer(_data: bytes, _context: grpc.ServicerContext) -> serving_pb2.PredictResponse:
        if wait_for is not None:
            wait_for.wait(30)
        return ANSWER

    with grpc_server({"Predict": answer}) as address:
        request = Request(path, b"", b"", 2, "serving_default")
        yield Job((Target(address, "grpc", 30.0),), ((request,),))


def load(clients: int = 4, requests: int | None = 20, seconds: float | None = None) -> Load:
    return Load(0, clients, 2, 0.0, seconds, requests, 0, 0)


def no_progress(_ended: int) -> None: ...


def test_several_processes_do_a_load_together_and_their_numbers_are_added() -> None:
    with job() as given, LoadProcesses(2, given) as processes:
        tally = processes.run(load(), progress=no_progress, stop=threading.Event())
        again = processes.run(load(requests=3), progress=no_progress, stop=threading.Event())
    assert tally.latency.count == 20
    assert tally.rows == 40
    assert tally.received == 20 * len(ANSWER.SerializeToString())
    assert (tally.cpu_seconds > 0, tally.busiest > 0, tally.seconds > 0) == (True, True, True)
    assert again.latency.count == 3


def test_an_open_load_is_done_too() -> None:
    with job() as given, LoadProcesses(1, given) as processes:
        opened = Load(0, 16, 1, 2000.0, None, 30, 5, 0)
        tally = processes.run(opened, progress=no_progress, stop=threading.Event())
    assert tally.latency.count == tally.late.count == 30


def test_a_load_that_is_stopped_returns_what_it_has() -> None:
    stop = threading.Event()
    seen: list[int] = []

    def progress(ended: int) -> None:
        seen.append(ended)
        if ended:
            stop.set()

    with job() as given, LoadProcesses(1, given) as processes:
        tally = processes.run(load(requests=None, seconds=3600.0), progress=progress, stop=stop)
    assert tally.latency.count == seen[-1] > 0


def test_a_process_that_dies_is_an_error_and_not_a_hang() -> None:
    hold = threading.Event()
    with job(hold) as given, LoadProcesses(1, given) as processes:
        dying = threading.Timer(0, processes._processes[0].kill)
        dying.start()
        with pytest.raises(Internal, match="ended with exit code"):
            processes.run(load(), progress=no_progress, stop=threading.Event())
        hold.set()
        dying.join()


def test_what_goes_wrong_inside_a_process_is_told() -> None:
    with job(path="\udcff") as given, LoadProcesses(1, given) as processes:  # noqa: SIM117
        with pytest.raises(Internal, match="UnicodeEncodeError"):
            processes.run(load(), progress=no_progress, stop=threading.Event())


def test_a_process_ends_when_the_one_that_started_it_is_gone() -> None:
    with job() as given:
        process = subprocess.Popen(
            [sys.executable, "-m", "servable.bench.worker"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        with process:
            assert process.stdin is not None
            assert process.stdout is not None
            pickle.dump(given, process.stdin)
            pickle.dump(load(requests=None, seconds=3600.0), process.stdin)
            process.stdin.flush()
            assert isinstance(pickle.load(process.stdout), Progress | Tally)
            process.stdin.close()
            process.stdout.close()
            assert process.wait(30) == 0
