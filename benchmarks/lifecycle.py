"""What loading, swapping and finding models costs.

- `handles`: time of taking a handle on a model and giving it back, on the thread's own clock,
  by several threads while versions are swapped as fast as they can be.
- `swaps`: a model of 25 MB is replaced again and again while clients ask for it. Requests that
  failed, the 99th percentile around swaps beside that of the same load without any, and the
  server's memory after the tenth and the last swap.
- `many`: a server of 500 models of 100 KB. Seconds until all are available, memory, and the
  share of a core that it takes when nothing happens but looking for new versions.

Run it with `make bench ARGS=lifecycle`; `--quick` is a look at whether it works. Prints a table
and writes the figures as JSON; what misses its target is marked.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
from google.protobuf import text_format
from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from benchmarks import machine
from servable import edit
from servable.client import GrpcClient
from servable.contracts import Loader, ServableData, ServableId
from servable.core.manager import Manager
from servable.errors import ServableError
from servable.pb import framework_pb2
from servable.pb._pool import POOL
from servable.servables.echo import EchoLoader

HERE = Path(__file__).resolve().parent
PACKAGES = ("openvino", "grpcio", "numpy")
PATIENCE = 600.0
TICKS = os.sysconf("SC_CLK_TCK")

GRAPH = """
node {{ name: "x" op: "Placeholder"
       attr {{ key: "dtype" value {{ type: DT_FLOAT }} }}
       attr {{ key: "shape" value {{ shape {{ dim {{ size: -1 }} dim {{ size: {0} }} }} }} }} }}
node {{ name: "w" op: "VarHandleOp"
       attr {{ key: "dtype" value {{ type: DT_FLOAT }} }}
       attr {{ key: "shape" value {{ shape {{ dim {{ size: {0} }} dim {{ size: {0} }} }} }} }}
       attr {{ key: "shared_name" value {{ s: "w" }} }} }}
node {{ name: "w/read" op: "ReadVariableOp" input: "w"
       attr {{ key: "dtype" value {{ type: DT_FLOAT }} }} }}
node {{ name: "y" op: "MatMul" input: "x" input: "w/read"
       attr {{ key: "T" value {{ type: DT_FLOAT }} }} }}
versions {{ producer: 2000 }}
"""


@dataclass(frozen=True)
class Figure:
    """A number that was measured, and what it should be at most."""

    name: str
    value: float
    unit: str
    target: float | None = None

    @property
    def met(self) -> bool:
        return self.target is None or self.value <= self.target


def save_model(folder: Path, side: int) -> Path:
    """A model of one square matrix, of four bytes for each element."""
    graph = framework_pb2.GraphDef()
    text_format.Parse(GRAPH.format(side), graph, descriptor_pool=POOL)
    weights = np.random.default_rng(1).normal(size=(side, side)).astype(np.float32)
    builder = edit.SavedModelBuilder(folder)
    shape = (None, side)
    builder.add_meta_graph_and_variables(
        graph,
        {"w": weights},
        ["serve"],
        signature_def_map={
            "serving_default": edit.predict_signature_def(
                {"x": edit.build_tensor_info("x", np.float32, shape)},
                {"y": edit.build_tensor_info("y", np.float32, shape)},
            )
        },
    )
    return builder.save()


def handles(seconds: float, threads: int = 4) -> list[Figure]:
    """What a handle costs while versions swap."""
    manager = Manager(tick_seconds=0.001)
    manager.start()
    taken: list[float] = []
    over = threading.Event()

    def want(version: int) -> None:
        data: ServableData[Loader] = ServableData(ServableId("m", version), EchoLoader())
        manager.set_aspired_versions("m", [data])

    def take() -> None:
        acquire, rounds = manager.acquire, 2000
        while not over.is_set():
            began = time.thread_time()
            for _ in range(rounds):
                with acquire("m"):
                    pass
            taken.append((time.thread_time() - began) / rounds)

    want(1)
    manager.wait_until_settled(["m"], PATIENCE)
    takers = [threading.Thread(target=take) for _ in range(threads)]
    for taker in takers:
        taker.start()
    ends, version = time.monotonic() + seconds, 1
    while time.monotonic() < ends:
        version += 1
        want(version)
        manager.wait_until_settled(["m"], PATIENCE)
    over.set()
    for taker in takers:
        taker.join()
    manager.stop()
    return [
        Figure("handle taken and given back", statistics.median(taken) * 1e6, "µs", 2.0),
        Figure("versions swapped meanwhile", version - 1, ""),
    ]


@contextmanager
def server(*arguments: str) -> Iterator[tuple[subprocess.Popen[str], int, int]]:
    """`servable serve` as a process, with its gRPC and REST ports."""
    command = [sys.executable, "-m", "servable", "serve", *arguments, "--host", "127.0.0.1"]
    process = subprocess.Popen(
        [*command, "--grpc-port", "0", "--rest-port", "0", "--log-format", "json"],
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stderr is not None
    ports: list[int] = []
    for line in process.stderr:
        message = json.loads(line)["message"]
        if message.startswith("gRPC on "):
            ports = [int(part.rpartition(":")[2]) for part in message.split(", ")]
            break
    drain = threading.Thread(target=lambda: list(process.stderr or ()), daemon=True)
    drain.start()
    try:
        yield process, ports[0], ports[1]
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(60)


def rss(pid: int) -> int:
    """Bytes of memory that a process holds."""
    for text in Path(f"/proc/{pid}/status").read_text().splitlines():
        if text.startswith("VmRSS:"):
            return int(text.split()[1]) * 1024
    return 0


def cpu_seconds(pid: int) -> float:
    """Processor time that a process took so far."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


def until(condition: Callable[[], bool], pause: float = 0.02) -> None:
    """Wait, with a limit."""
    ends = time.monotonic() + PATIENCE
    while not condition():
        if time.monotonic() > ends:
            raise TimeoutError("this never came true")
        time.sleep(pause)


class Load:
    """Clients that ask all the time, and remember when and for how long."""

    def __init__(self, address: str, side: int, clients: int = 2) -> None:
        self.asked: list[tuple[float, float]] = []
        self.failed: list[str] = []
        self._address = address
        self._rows = np.ones((1, side), np.float32)
        self._over = threading.Event()
        self._threads = [threading.Thread(target=self._ask) for _ in range(clients)]

    def __enter__(self) -> Load:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        for thread in self._threads:
            thread.join()

    def _ask(self) -> None:
        with GrpcClient(self._address) as client:
            while not self._over.is_set():
                began = time.perf_counter()
                try:
                    client.predict("m", {"x": self._rows})
                except ServableError as error:
                    self.failed.append(error.status_text)
                self.asked.append((began, time.perf_counter() - began))
                time.sleep(0.002)


def swaps(count: int, side: int, steady_seconds: float, folder: Path) -> list[Figure]:
    """What clients and memory notice of a model that is replaced again and again."""
    made, base = save_model(folder / "made", side), folder / "m"

    def put(version: int) -> None:
        shutil.copytree(made, base / f"{version}.tmp", copy_function=os.link)
        (base / f"{version}.tmp").rename(base / str(version))

    put(1)
    held: list[int] = []
    windows: list[tuple[float, float]] = []
    with (
        server(f"m={base}", "--poll-seconds", "0.05") as (process, port, _),
        GrpcClient(f"127.0.0.1:{port}") as client,
    ):

        def is_in(version: int, state: str) -> bool:
            try:
                return client.status("m", version=version)[0].state == state
            except ServableError:
                return False

        until(lambda: is_in(1, "AVAILABLE"))
        with Load(f"127.0.0.1:{port}", side) as load:
            time.sleep(1.0)  # connections are made, and the first requests are slow
            steady_from = time.perf_counter()
            time.sleep(steady_seconds)
            steady_to = time.perf_counter()
            with Progress(transient=True) as progress:
                for version in progress.track(range(2, count + 2), description="swaps"):
                    began = time.perf_counter()
                    put(version)
                    until(lambda v=version: is_in(v, "AVAILABLE"))  # type: ignore[misc]
                    until(lambda v=version - 1: is_in(v, "END"))  # type: ignore[misc]
                    windows.append((began, time.perf_counter()))
                    shutil.rmtree(base / str(version - 1))
                    held.append(rss(process.pid))
    steady = [taken for began, taken in load.asked if steady_from < began < steady_to]
    during = [
        taken
        for began, taken in load.asked
        if any(start <= began + taken and began <= end for start, end in windows)
    ]
    for text in sorted(set(load.failed))[:5]:
        print("failed:", text, file=sys.stderr)
    p99 = float(np.percentile(steady, 99)), float(np.percentile(during, 99))
    tenth = held[min(9, len(held) - 1)]
    return [
        Figure("swaps", count, ""),
        Figure("requests", len(load.asked), ""),
        Figure("requests that failed", len(load.failed), "", 0),
        Figure("p99 without swaps", p99[0] * 1e3, "ms"),
        Figure("p99 during swaps", p99[1] * 1e3, "ms"),
        Figure("p99 during swaps, of that without", p99[1] / p99[0], "x", 2.0),
        Figure("memory after the tenth swap", tenth / 2**20, "MiB"),
        Figure("memory after the last, of that", held[-1] / tenth, "x", 1.15),
    ]


def many(count: int, side: int, idle_seconds: float, folder: Path) -> list[Figure]:
    """What a server of many small models takes."""
    made = save_model(folder / "made", side)
    entries = []
    for number in range(count):
        base = folder / "models" / f"m{number}"
        base.mkdir(parents=True)
        shutil.copytree(made, base / "1", copy_function=os.link)
        entries.append(
            f'config {{ name: "m{number}" base_path: "{base}" model_platform: "tensorflow" }}'
        )
    config = folder / "models.config"
    config.write_text(f"model_config_list {{ {' '.join(entries)} }}")
    began = time.perf_counter()
    with server("--config", str(config)) as (process, _, rest_port):

        def ready() -> bool:
            try:
                url = f"http://127.0.0.1:{rest_port}/readyz"
                with urllib.request.urlopen(url, timeout=PATIENCE) as reply:
                    return bool(reply.status == 200)
            except urllib.error.HTTPError:
                return False

        until(ready, 0.25)
        taken = time.perf_counter() - began
        time.sleep(2.0)
        before = cpu_seconds(process.pid)
        time.sleep(idle_seconds)
        share = (cpu_seconds(process.pid) - before) / idle_seconds
        held = rss(process.pid)
    return [
        Figure("models", count, ""),
        Figure("until all are available", taken, "s", 60.0),
        Figure("memory", held / 2**20, "MiB", 1536.0),
        Figure("looking for versions, of a core", share * 100, "%", 2.0),
    ]


def table(parts: dict[str, list[Figure]]) -> Table:
    """The figures for a person."""
    view = Table(title="Life of models")
    for column in ("", "figure", "at most", ""):
        view.add_column(column, justify="left" if not column else "right")
    for part, figures in parts.items():
        view.add_section()
        for figure in figures:
            target = "" if figure.target is None else f"{figure.target:g}"
            mark = "" if figure.met else "missed"
            value = f"{figure.value:.4g} {figure.unit}"
            view.add_row(f"{part}: {figure.name}", value, target, mark)
    return view


def main() -> int:
    """Measure, print and write."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    names = ("handles", "swaps", "many")
    parser.add_argument("parts", nargs="*", help="only these: handles, swaps, many")
    parser.add_argument("--quick", action="store_true", help="a tenth of it; writes nothing")
    parser.add_argument("--out", type=Path, default=HERE / "results" / "lifecycle.json")
    args = parser.parse_args()
    if set(args.parts) - set(names):
        parser.error(f"parts are {', '.join(names)}")
    quick = args.quick
    parts: dict[str, list[Figure]] = {}
    with tempfile.TemporaryDirectory() as scratch:
        makers: dict[str, Callable[[], list[Figure]]] = {
            "handles": lambda: handles(1.0 if quick else 5.0),
            "swaps": lambda: swaps(
                20 if quick else 200, 2500, 2.0 if quick else 15.0, Path(scratch, "swaps")
            ),
            "many": lambda: many(
                50 if quick else 500, 160, 3.0 if quick else 20.0, Path(scratch, "many")
            ),
        }
        for name in args.parts or names:
            Path(scratch, name).mkdir()
            parts[name] = makers[name]()
    described = machine.describe(PACKAGES)
    console = Console(width=120)
    console.print(table(parts))
    console.print(machine.line(described))
    console.print(f"load average at the end: {os.getloadavg()[0]:.1f}")
    if not quick:
        content: dict[str, Any] = {
            "date": datetime.now(UTC).date().isoformat(),
            "machine": described,
            "load_average": round(os.getloadavg()[0], 1),
            "parts": {
                part: [
                    {"name": f.name, "value": float(f"{f.value:.4g}"), "unit": f.unit}
                    for f in figures
                ]
                for part, figures in parts.items()
            },
        }
        args.out.parent.mkdir(parents=True, exist_ok=True)
        args.out.write_text(json.dumps(content, indent=2) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
