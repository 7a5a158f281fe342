"""Where each microsecond of a request goes that asks for nothing.

A server with the toy servable is under load from 8 clients while py-spy looks at its event loop,
and the process' own clock says what a request costs of a CPU. Run it with
`make bench ARGS=noop_profile`, after `pip install py-spy`.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import threading
from collections import Counter
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.table import Table

from benchmarks import machine
from benchmarks.serving_load import Rate, Target, load, require
from benchmarks.serving_memory import Served

HERE = Path(__file__).resolve().parent
PACKAGES = ("numpy", "uvloop", "httptools", "orjson")
SPY = shutil.which("py-spy") or str(Path(sys.executable).with_name("py-spy"))
CLIENTS = 8
WARM_SECONDS = 2.0
HERTZ = 500

PARTS: Mapping[str, tuple[str, ...]] = {
    "the socket: epoll, recv, send": ("loop_server.py",),
    "HTTP/2 frames and headers": ("transport/http2/",),
    "gRPC's messages and calls": ("transport/grpc",),
    "HTTP/1.1": ("transport/http_",),
    "routes, forms and replies of REST": ("transport/rest",),
    "turns: who is answered where, together": ("dispatch", "quick.py", "gathering", "steps.py"),
    "tensors from and to bytes": ("servable/wire/", "tensor_wire/", "varint.py"),
    "what is asked for: model, signature, inputs": ("servable/handlers/", "tensors.py"),
    "handles on the version": ("servable/core/", "servable/server/", "traffic/", "recording/"),
    "the servable, with natural batching": ("servables/", "engine/", "batching/"),
    "metrics": ("servable/metrics/",),
}
"""What a line of the table is about -> parts of the names of files."""

SENDING = ("Sender.write", "HttpConnection.reply")
"""Functions that hardly do anything but hand bytes to the loop, which sends them."""


def cpu_seconds(pid: int) -> float:
    """What a process has used of CPUs."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def cost(server: Served, target: Target, seconds: float) -> float:
    """Microseconds of a CPU for each request."""
    load(target, CLIENTS, WARM_SECONDS)
    before = cpu_seconds(server.pid)
    rate = load(target, CLIENTS, seconds)
    return (cpu_seconds(server.pid) - before) / (rate.per_second * seconds) * 1e6


def stacks(server: Served, target: Target, seconds: float) -> Counter[tuple[str, ...]]:
    """What the event loop was seen to be at: stacks of frames, and how often."""
    rates: list[Rate] = []
    loading = threading.Thread(
        target=lambda: rates.append(load(target, CLIENTS, seconds + WARM_SECONDS))
    )
    loading.start()
    found: Counter[tuple[str, ...]] = Counter()
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder, "stacks")
        words = [SPY, "record", "-p", str(server.pid), "-d", f"{seconds:g}", "-r", str(HERTZ)]
        subprocess.run([*words, "-t", "-f", "raw", "-o", str(out)], check=True, capture_output=True)
        loading.join()
        for line in out.read_text().splitlines():
            frames, _, count = line.rpartition(" ")
            stack = tuple(frames.split(";"))
            if "-loop" in stack[0]:
                found[stack] += int(count)
    return found


def part_of(frame: str) -> str:
    """Which line of the table a frame belongs to."""
    if frame.startswith(SENDING):
        return next(iter(PARTS))
    for name, pieces in PARTS.items():
        if any(piece in frame for piece in pieces):
            return name
    return "other"


def profile(form: str, seconds: float) -> dict[str, float]:
    """Microseconds of each part, and of all."""
    with Served() as server:
        target = server.target(form, np.ones((1, 8), np.float32))
        microseconds = cost(server, target, seconds)
        seen = stacks(server, target, seconds)
    parts: Counter[str] = Counter()
    for stack, count in seen.items():
        parts[part_of(stack[-1])] += count
    whole = sum(parts.values())
    shares = {name: microseconds * count / whole for name, count in parts.most_common()}
    return {"all": round(microseconds, 1)} | {k: round(v, 1) for k, v in shares.items()}


def main() -> int:
    """Measure, print and write."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--seconds", type=float, default=10.0)
    parser.add_argument("--out", type=Path, default=HERE / "results" / "noop_profile.json")
    args = parser.parse_args()
    require()
    if not Path(SPY).exists():
        sys.exit("py-spy looks at the server: pip install py-spy")
    described = machine.describe(PACKAGES)
    found = {form: profile(form, args.seconds) for form in ("grpc", "json")}
    console = Console(width=120)
    for form, parts in found.items():
        view = Table("where", "us of a CPU", title=f"A request that asks for nothing: {form}")
        for name, value in parts.items():
            view.add_row(name, f"{value:.1f}")
        console.print(view)
    console.print(machine.line(described))
    content = {"date": datetime.now(UTC).date().isoformat(), "machine": described, "parts": found}
    args.out.write_text(json.dumps(content, indent=2) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
