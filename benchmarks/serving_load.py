"""Servers as processes of their own, and load on them from h2load, which costs little itself."""

from __future__ import annotations

import math
import os
import re
import shutil
import statistics
import struct
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

GRPC_PATH = "/tensorflow.serving.PredictionService/Predict"
_CODES = re.compile(r"status codes: (\d+) 2xx, (\d+) 3xx, (\d+) 4xx, (\d+) 5xx")


@dataclass(frozen=True)
class Target:
    """Something to send the same request to, again and again.

    Attributes:
        url: where to.
        body: what is sent.
        headers: as `name: value`.
        http1: speak HTTP/1.1; otherwise HTTP/2, as gRPC does.
    """

    url: str
    body: bytes
    headers: tuple[str, ...]
    http1: bool = False


def grpc_target(port: int, message: bytes) -> Target:
    """A unary gRPC call."""
    body = b"\0" + struct.pack(">I", len(message)) + message
    url = f"http://127.0.0.1:{port}{GRPC_PATH}"
    return Target(url, body, ("content-type: application/grpc", "te: trailers"))


@dataclass(frozen=True)
class Rate:
    """What came of a moment of load.

    Attributes:
        per_second: requests that were answered, for each second.
        median_seconds: from a request to its answer.
    """

    per_second: float
    median_seconds: float


_AS_GRPC = ["--max-frame-size=4194304", "--window-bits=22"]
"""What gRPC's own clients say: the SETTINGS of grpcio 1.85, read from a socket. By itself h2load
takes frames of 16 KB and gives leave for 1 GB."""


def require() -> None:
    """End the program with what to do, if there is no h2load."""
    if shutil.which("h2load") is None:
        sys.exit("h2load makes the load: install it (Debian: apt-get install nghttp2-client).")


def load(target: Target, clients: int, seconds: float) -> Rate:
    """Let so many clients ask for so long, one request each at a time.

    Raises:
        RuntimeError: there is no h2load, or an answer was no success.
    """
    tool = shutil.which("h2load")
    if tool is None:
        raise RuntimeError("h2load is not installed: apt-get install nghttp2-client")
    with tempfile.TemporaryDirectory() as folder:
        body, log = Path(folder, "body"), Path(folder, "log")
        body.write_bytes(target.body)
        words = [tool, "-c", str(clients), "-m", "1", "-t", "1", "-D", f"{seconds:g}"]
        words += ["--h1"] if target.http1 else _AS_GRPC
        words += [f"-H{header}" for header in target.headers]
        words += [f"--log-file={log}", "-d", str(body), target.url]
        done = subprocess.run(words, capture_output=True, text=True, check=True)
        taken = [int(line.split()[2]) for line in log.read_text().splitlines()]
    codes = _CODES.search(done.stdout)
    if codes is None or any(map(int, codes.groups()[1:])):
        raise RuntimeError(f"{target.url}: {done.stdout}{done.stderr}")
    if not taken:
        return Rate(0.0, math.inf)  # none in the time that there was
    return Rate(len(taken) / seconds, statistics.median(taken) * 1e-6)


@contextmanager
def process(words: Sequence[str], **environment: str) -> Iterator[list[int]]:
    """Run a server that prints its ports on the first line; it ends when its input does."""
    server = subprocess.Popen(
        [sys.executable, *words],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, **environment},
    )
    if server.stdin is None or server.stdout is None:
        raise RuntimeError("no pipes")
    try:
        yield [int(port) for port in server.stdout.readline().split()]
    finally:
        server.stdin.close()
        try:
            server.wait(30)
        except subprocess.TimeoutExpired:
            server.kill()


def served(path: Path, batching: str) -> list[str]:
    """The words that start a server of one model, called `m`."""
    return ["-m", "benchmarks.serving_servers", "ours", str(path), batching]
