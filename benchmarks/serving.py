"""Requests a second, end to end: this server against TensorFlow and OpenVINO with no server at all.

No TensorFlow server can answer faster than TensorFlow computes, so the rates of whole
requests over gRPC and REST are divided by that of calls in process: TensorFlow's public
signatures, TensorFlow at its best (a session's callable in the callers' threads), and
OpenVINO itself. What the protocols cost alone is measured with a model that does nothing,
beside a bare gRPC server and a bare ASGI application.

Everything is measured in turn, several rounds, batch 1; the best round of the best number of
clients or callers counts. The load generator, h2load, runs on the same machine.

Run it with `make bench ARGS=serving`. Prints tables and writes the figures as JSON.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from benchmarks import machine
from benchmarks.runtime import public, session
from benchmarks.serving_load import Rate, Target, grpc_target, load, process, require, served
from servable.pb import serving_pb2
from servable.tensor_proto import encode
from servable.tensors import Array

HERE = Path(__file__).resolve().parent
PACKAGES = ("openvino", "tensorflow-cpu", "numpy", "grpcio", "uvicorn", "orjson")
CLIENTS = (1, 8, 32)
CALLERS = (1, 2, 8)
CALLS = 100
"""Of TensorFlow's, that there is time for whenever something is measured."""

MOST_SECONDS = 8
Measure = Callable[[float], float]
"""Takes seconds, returns requests a second."""


def callers(make: Callable[[], Callable[[], object]], count: int) -> Measure:
    """Calls in this process, from so many threads."""
    calls = [make() for _ in range(count)]

    def measure(seconds: float) -> float:
        done = [0] * count
        ends = time.perf_counter() + seconds

        def work(number: int) -> None:
            while time.perf_counter() < ends:
                calls[number]()
                done[number] += 1

        threads = [threading.Thread(target=work, args=(n,)) for n in range(count)]
        began = time.perf_counter()
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        return sum(done) / (time.perf_counter() - began)

    return measure


def shared(call: Callable[[], object]) -> Callable[[], Callable[[], object]]:
    """The same call for every caller."""
    return lambda: call


def openvino(path: Path, row: Array, hint: str) -> Callable[[], Callable[[], object]]:
    """Makers of calls of one compiled model, each with a request of its own."""
    import openvino as ov

    model = ov.convert_model(path)
    config = {"INFERENCE_PRECISION_HINT": "f32", "PERFORMANCE_HINT": hint}
    compiled = ov.Core().compile_model(model, "CPU", config)

    def make() -> Callable[[], object]:
        request = compiled.create_infer_request()
        return lambda: request.infer([row], share_inputs=True, share_outputs=True)

    return make


def requests(ports: Sequence[int], feed: str, row: Array) -> dict[str, Target]:
    """The same row, in each form that the server takes."""
    message = serving_pb2.PredictRequest()
    message.model_spec.name = "m"
    message.inputs[feed].CopyFrom(encode(row, as_content=True))
    url = f"http://127.0.0.1:{ports[1]}/v1/models/m:predict"
    text = json.dumps({"instances": row.tolist()}, separators=(",", ":")).encode()
    shape = ",".join(map(str, row.shape))
    raw = (
        "content-type: application/octet-stream",
        "accept: application/octet-stream",
        f"x-tensor-shape: {shape}",
        f"x-tensor-dtype: {row.dtype.name}",
    )
    return {
        "grpc": grpc_target(ports[0], message.SerializeToString()),
        "json": Target(url, text, ("content-type: application/json",), http1=True),
        "raw": Target(url, row.tobytes(), raw, http1=True),
    }


def sending(target: Target, clients: int) -> Measure:
    """Whole requests, from so many clients."""
    return lambda seconds: load(target, clients, seconds).per_second


def best(ways: Mapping[str, Measure], rounds: int, moment: float) -> dict[str, float]:
    """Each way's best rate of several rounds; the first round warms up."""
    found: dict[str, float] = {}
    for number in range(rounds + 1):
        for name, measure in ways.items():
            rate = measure(moment)
            if number:
                found[name] = max(rate, found.get(name, 0.0))
    return found


def measured(path: Path, row: Array, feed: str, rounds: int, moment: float) -> dict[str, float]:
    """Rates of one model, by way and number of clients or callers."""
    # What is under way when a moment ends is not counted: with 32 clients and a batch that
    # takes half a second that must not be a large part.
    slow = callers(shared(session(path, row, 1)), 2)
    slow(0.5)
    moment = max(moment, min(MOST_SECONDS, math.ceil(CALLS / slow(1.0))))
    ways: dict[str, Measure] = {}
    for count in CALLERS:
        ways[f"signatures {count}"] = callers(lambda: public(path, row), count)
        for threads in (0, 1):
            ways[f"session/{threads} {count}"] = callers(shared(session(path, row, threads)), count)
        for hint in ("LATENCY", "THROUGHPUT"):
            ways[f"openvino/{hint} {count}"] = callers(openvino(path, row, hint), count)
    with (
        process(served(path, "natural")) as natural,
        process(served(path, "off")) as off,
    ):
        for form, target in requests(natural, feed, row).items():
            for count in CLIENTS:
                ways[f"{form} {count}"] = sending(target, count)
        ways["grpc, off 32"] = sending(requests(off, feed, row)["grpc"], 32)
        return best(ways, rounds, moment)


def ratios(rates: Mapping[str, float]) -> dict[str, float]:
    """What is to be reached, from the best of each way."""

    def top(way: str) -> float:
        return max(rate for name, rate in rates.items() if name.startswith(way))

    return {
        "grpc / TensorFlow's best": top("grpc ") / top("session"),
        "json / TensorFlow's best": top("json") / top("session"),
        "raw / TensorFlow's best": top("raw") / top("session"),
        "grpc / signatures": top("grpc ") / top("signatures"),
        "json / signatures": top("json") / top("signatures"),
        "grpc / OpenVINO": top("grpc ") / top("openvino"),
        "natural / off, 32 clients": rates["grpc 32"] / rates["grpc, off 32"],
    }


def overheads(rounds: int, moment: float) -> dict[str, float]:
    """What the protocols cost by themselves."""
    import numpy as np

    row = np.ones((1, 8), np.float32)
    with (
        process(served(Path("echo"), "natural")) as ports,
        process(["-m", "benchmarks.serving_servers", "bare-grpc"]) as bare_grpc,
        process(["-m", "benchmarks.serving_servers", "bare-asgi"]) as bare_asgi,
    ):
        sent = requests(ports, "x", row)
        grpc, rest = sent["grpc"], sent["json"]
        plain = Target(f"http://127.0.0.1:{bare_asgi[0]}/", rest.body, rest.headers, http1=True)
        ways = {
            f"{name} {count}": sending(target, count)
            for count in (1, 8, 32)
            for name, target in {
                "no-op grpc": grpc,
                "bare grpc": grpc_target(bare_grpc[0], grpc.body[5:]),
                "no-op json": rest,
                "bare json": plain,
            }.items()
        }
        rates = best(ways, rounds, moment)
        idle = min((load(grpc, 1, moment) for _ in range(rounds)), key=_median)

    def top(way: str) -> float:
        return max(rate for name, rate in rates.items() if name.startswith(way))

    return {
        "no-op gRPC / bare grpcio": top("no-op grpc") / top("bare grpc"),
        "no-op REST / bare uvicorn and orjson": top("no-op json") / top("bare json"),
        "added median latency, us": idle.median_seconds * 1e6,
        **{name: round(rate) for name, rate in rates.items()},
    }


def _median(rate: Rate) -> float:
    return rate.median_seconds


def table(rows: list[dict[str, Any]]) -> Table:
    """The ratios for a person."""
    view = Table(title="Requests a second, end to end, divided by ...")
    view.add_column("model")
    names = list(rows[0]["ratios"]) if rows else []
    for name in names:
        view.add_column(name, justify="right")
    for row in rows:
        view.add_row(row["model"], *(f"{row['ratios'][name]:.2f}" for name in names))
    return view


def main() -> int:
    """Measure, print and write."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("models", nargs="*", help="only these; `none` measures the protocols alone")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument(
        "--moment",
        type=float,
        default=2.0,
        help="seconds each way runs a round; slow models longer",
    )
    parser.add_argument("--models-dir", type=Path, default=HERE / "models")
    parser.add_argument("--out", type=Path, default=HERE / "results" / "serving.json")
    args = parser.parse_args()
    require()
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    console = Console(width=150)
    protocols = overheads(args.rounds, args.moment)
    for name, value in protocols.items():
        console.print(f"{name}: {value:.2f}")
    from benchmarks.runtime_models import MODELS

    rows: list[dict[str, Any]] = []
    args.models_dir.mkdir(parents=True, exist_ok=True)
    for model in MODELS:
        if args.models and model.name not in args.models:
            continue
        path = model.export(args.models_dir)
        rates = measured(path, model.rows(1), _feed(path), args.rounds, args.moment)
        rounded = {name: float(f"{rate:.4g}") for name, rate in rates.items()}
        found = {name: round(ratio, 3) for name, ratio in ratios(rates).items()}
        rows.append({"model": model.name, "rates": rounded, "ratios": found})
        console.print(model.name, found)
    described = machine.describe(PACKAGES)
    console.print(table(rows))
    console.print(machine.line(described))
    content = {
        "date": datetime.now(UTC).date().isoformat(),
        "machine": described,
        "protocols": protocols,
        "rows": rows,
    }
    args.out.parent.mkdir(parents=True, exist_ok=True)
    args.out.write_text(json.dumps(content, indent=2) + "\n")
    return 0


def _feed(path: Path) -> str:
    from servable.savedmodel.reader import read

    (feed,) = read(path).meta_graph(("serve",)).signatures["serving_default"].inputs
    return feed


if __name__ == "__main__":
    sys.exit(main())
