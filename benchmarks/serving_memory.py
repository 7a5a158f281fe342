"""What requests cost in memory: growth over many, and the peak of one with a large tensor.

Run it with `make bench ARGS=serving_memory`. Prints the figures and writes them as JSON.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import numpy as np

from benchmarks import machine
from benchmarks.serving import requests
from benchmarks.serving_load import Target, load, require, served
from servable.tensors import Array

HERE = Path(__file__).resolve().parent
PACKAGES = ("numpy", "grpcio", "uvloop", "httptools")
MIB = 2**20
CLIENTS = 8


def resident(pid: int, field: str = "VmRSS:") -> float:
    """MiB that a process holds, or held at most: VmHWM."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 / MIB for line in lines if line.startswith(field))


class Served:
    """A small servable in a process of its own; a context manager."""

    def __init__(self, servable: str = "echo") -> None:
        self._servable = servable

    def __enter__(self) -> Served:
        words = [sys.executable, *served(Path(self._servable), "natural")]
        self._process = subprocess.Popen(
            words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        if self._process.stdout is None:
            raise RuntimeError("no pipe")
        self._ports = [int(port) for port in self._process.stdout.readline().split()]
        self.pid = self._process.pid
        return self

    def __exit__(self, *_: object) -> None:
        if self._process.stdin is not None:
            self._process.stdin.close()
        self._process.wait(60)

    def target(self, form: str, row: Array) -> Target:
        """Where to send an array."""
        return requests(self._ports, "x", row)[form]


def growth(form: str, seconds: float) -> dict[str, float]:
    """MiB after a fifth of the time and after all of it, and how many requests lay between."""
    with Served() as server:
        target = server.target(form, np.ones((1, 8), np.float32))
        load(target, CLIENTS, max(1, seconds // 5))
        before = resident(server.pid)
        rate = load(target, CLIENTS, seconds)
        after = resident(server.pid)
    return {
        "requests": round(rate.per_second * seconds),
        "before MiB": round(before, 1),
        "after MiB": round(after, 1),
        "growth %": round(100 * (after / before - 1), 2),
    }


def peak(form: str, mebibytes: int) -> dict[str, float]:
    """How many times a tensor's size the server holds above its base while it sums it up."""
    row = np.ones((1, mebibytes * MIB // 4), np.float32)
    with Served("sum") as server:
        load(server.target(form, row[:, :8]), 1, 1.0)
        base = resident(server.pid)
        load(server.target(form, row), 1, 5.0)
        highest = resident(server.pid, "VmHWM:")
    return {"tensor MiB": mebibytes, "times its size": round((highest - base) / mebibytes, 2)}


def main() -> int:
    """Measure, print and write."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--seconds", type=float, default=600.0, help="of load, for each protocol")
    parser.add_argument("--out", type=Path, default=HERE / "results" / "serving_memory.json")
    args = parser.parse_args()
    require()
    described = machine.describe(PACKAGES)
    content = {
        "date": datetime.now(UTC).date().isoformat(),
        "machine": described,
        "growth": {form: growth(form, args.seconds) for form in ("grpc", "json")},
        "peak": {form: peak(form, 100) for form in ("grpc", "raw")},
    }
    for name in ("growth", "peak"):
        print(name, content[name])
    print(machine.line(described))
    args.out.write_text(json.dumps(content, indent=2) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
