"""Servers to talk to: one inside this process, and others as the command runs them."""

from __future__ import annotations

import json
import os
import queue
import re
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import numpy as np
import pytest

from servable.client import GrpcClient, RestClient
from servable.demos import digits
from servable.server.assemble import Server
from servable.server.config import ServerConfig
from servable.sources.filesystem import All, WatchedModel
from servable.tensors import Array

PATIENCE = 60.0
"""Seconds after which something that should happen counts as never happening."""


Eventually = Callable[[Callable[[], bool]], None]


def _eventually(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE
    pause = threading.Event()
    while not condition():
        assert time.monotonic() < deadline, "this never came true"
        pause.wait(0.005)


@pytest.fixture(scope="session")
def eventually() -> Eventually:
    """Ask again and again until something outside of the test's reach has happened."""
    return _eventually


class Command:
    """`servable ...` in a process of its own; its log is read as it comes."""

    def __init__(self, *arguments: str, env: dict[str, str] | None = None) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-m", "servable", *arguments],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, **(env or {})},
        )
        self.log: list[str] = []
        self._lines: queue.Queue[str | None] = queue.Queue()
        self._reader = threading.Thread(target=self._read)
        self._reader.start()

    def wait_for(self, pattern: str) -> re.Match[str]:
        """Return the first match of a line of the log that was not waited past yet."""
        while (line := self._lines.get(timeout=PATIENCE)) is not None:
            if match := re.search(pattern, line):
                return match
        raise AssertionError(f"{pattern!r} never came:\n" + "".join(self.log))

    def ports(self) -> tuple[str, str]:
        """Return the addresses of gRPC and REST, once they are listened on."""
        match = self.wait_for(r"gRPC on (\S+:\d+), REST on http://(\S+:\d+)")
        return match[1], match[2]

    def stop(self, signal_number: int) -> int:
        """Send a signal and return the exit code."""
        self.process.send_signal(signal_number)
        return self.process.wait(PATIENCE)

    def close(self) -> None:
        """Make sure that nothing is left of it."""
        self.process.kill()
        self.process.wait()
        self._reader.join()
        for stream in (self.process.stdout, self.process.stderr):
            assert stream is not None
            stream.close()

    def _read(self) -> None:
        assert self.process.stderr is not None
        for line in self.process.stderr:
            self.log.append(line)
            self._lines.put(line)
        self._lines.put(None)


@pytest.fixture
def servable() -> Iterator[Callable[..., Command]]:
    """Start `servable` with these arguments; it is gone when the test ends."""
    with ExitStack() as stack:

        def start(*arguments: str, env: dict[str, str] | None = None) -> Command:
            command = Command(*arguments, env=env)
            stack.callback(command.close)
            return command

        yield start


@pytest.fixture(scope="session")
def server() -> Iterator[Server]:
    """Both versions of the digits, in this process, ready."""
    models = (WatchedModel("digits", digits.MODELS, All()),)
    config = ServerConfig(models, "127.0.0.1", grpc_port=0, rest_port=0)
    with Server(config) as started:
        with GrpcClient(f"127.0.0.1:{started.grpc_port}") as client:
            assert started.wait_until_settled(PATIENCE)
            _eventually(lambda: {s.state for s in client.status("digits")} == {"AVAILABLE"})
        yield started


@pytest.fixture(params=["grpc", "rest"])
def client(request: pytest.FixtureRequest, server: Server) -> Iterator[GrpcClient | RestClient]:
    """A client of that server, over one protocol and then the other."""
    if request.param == "grpc":
        with GrpcClient(f"127.0.0.1:{server.grpc_port}") as grpc:
            yield grpc
    else:
        with RestClient(f"127.0.0.1:{server.rest_port}") as rest:
            yield rest


@pytest.fixture(scope="session")
def images() -> Array:
    """float32 [360, 8, 8, 1]."""
    return digits.heldout()[0]


@pytest.fixture(scope="session")
def expected() -> dict[int, Array]:
    """Version -> TensorFlow's answers to `images`, float32 [360, 10]."""
    path = Path(__file__).parents[1] / "data" / "digits_expected.npz"
    with np.load(path) as stored:
        return {int(key.removeprefix("v")): stored[key] for key in stored.files}


@pytest.fixture
def log_entry() -> Callable[[str], dict[str, str]]:
    """Read one line of a JSON log."""

    def read(line: str) -> dict[str, str]:
        entry = json.loads(line)
        assert isinstance(entry, dict)
        return entry

    return read
