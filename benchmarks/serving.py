"""Requests a second, end to end: this server against TensorFlow and OpenVINO with no server at all.

No TensorFlow server can answer faster than TensorFlow computes, so the rates of whole
requests over gRPC and REST are divided by that of calls in process: TensorFlow's public
signatures, TensorFlow at its best (a session's callable in the callers' threads), and
OpenVINO itself. What the protocols cost alone is measured with a model that does nothing,
beside a bare gRPC server and a bare ASGI application.

Everything is measured in turn, in several rounds, batch 1, with the best number of clients or
callers; a ratio is the median of those of all rounds. The load generator, h2load, runs on the
same machine. What one process can do is measured, and beside it what `--workers 2` can.

Run it with `make bench ARGS=serving`. Prints tables and writes the figures as JSON.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import statistics
import sys
import threading
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from benchmarks import machine
from benchmarks.rounds import Measure, Rounds, measure
from benchmarks.runtime import public, session
from benchmarks.serving_load import Target, grpc_target, load, process, require, served
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
WORKERS = 2

TENSORFLOW, SIGNATURES, OPENVINO = "TensorFlow's best", "signatures", "OpenVINO"
RATIOS = (
    ("grpc", TENSORFLOW),
    ("json", TENSORFLOW),
    ("raw", TENSORFLOW),
    ("grpc, workers", TENSORFLOW),
    ("json, workers", TENSORFLOW),
    ("grpc", SIGNATURES),
    ("json", SIGNATURES),
    ("grpc", OPENVINO),
    ("natural, 32 clients", "off"),
)
"""What is to be reached."""


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


def openvino(
    path: Path, row: Array, hint: str, *, fixed: bool = False
) -> Callable[[], Callable[[], object]]:
    """Makers of calls of one compiled model, each with a request of its own.

    `fixed` compiles it for the shape of these rows alone, which small models gain by.
    """
    import openvino as ov

    model = ov.convert_model(path)
    if fixed:
        model.reshape({model.inputs[0]: list(row.shape)})
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


def measured(path: Path, row: Array, feed: str, rounds: int, moment: float) -> Rounds:
    """Rates of one model."""
    # What is under way when a moment ends is not counted: with 32 clients and a batch that
    # takes half a second that must not be a large part.
    slow = callers(shared(session(path, row, 1)), 2)
    slow(0.5)
    moment = max(moment, min(MOST_SECONDS, math.ceil(CALLS / slow(1.0))))
    ways: dict[str, dict[str, Measure]] = {
        TENSORFLOW: {
            f"intra-op {threads or 'default'}, {count}": callers(
                shared(session(path, row, threads)), count
            )
            for threads in (0, 1)
            for count in CALLERS
        },
        SIGNATURES: {str(count): callers(shared(public(path, row)), count) for count in CALLERS},
        OPENVINO: {
            f"{hint}{', shape known' * fixed}, {count}": callers(
                openvino(path, row, hint, fixed=fixed), count
            )
            for hint in ("LATENCY", "THROUGHPUT")
            for fixed in (False, True)
            for count in CALLERS
        },
    }
    with (
        process(served(path, "natural")) as natural,
        process(served(path, "off")) as off,
        process(["-m", "benchmarks.serving_servers", "workers", str(path), str(WORKERS)]) as many,
    ):
        for form, target in requests(natural, feed, row).items():
            ways[form] = {str(count): sending(target, count) for count in CLIENTS}
        for form in ("grpc", "json"):
            target = requests(many, feed, row)[form]
            ways[f"{form}, workers"] = {str(count): sending(target, count) for count in (8, 32)}
        ways["natural, 32 clients"] = {"32": ways["grpc"]["32"]}
        ways["off"] = {"32": sending(requests(off, feed, row)["grpc"], 32)}
        return measure(ways, rounds, moment)


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
            name: {str(count): sending(target, count) for count in CLIENTS}
            for name, target in {
                "no-op grpc": grpc,
                "bare grpc": grpc_target(bare_grpc[0], grpc.body[5:]),
                "no-op json": rest,
                "bare json": plain,
            }.items()
        }
        found = measure(ways, rounds, moment)
        idle = statistics.median(load(grpc, 1, moment).median_seconds for _ in range(rounds))
    return {
        "no-op gRPC / bare grpcio": found.ratio("no-op grpc", "bare grpc").median,
        "no-op REST / bare uvicorn and orjson": found.ratio("no-op json", "bare json").median,
        "median latency of a lone gRPC request, us": idle * 1e6,
        **{f"{name}, requests/s": round(found.rate(name)) for name in ways},
    }


def described_rounds(found: Rounds) -> dict[str, Any]:
    """Ratios with their ranges, the settings and the rates behind them."""
    ratios = {f"{way} / {other}": found.ratio(way, other) for way, other in RATIOS}
    return {
        "ratios": {name: round(ratio.median, 3) for name, ratio in ratios.items()},
        "ranges": {
            name: [round(ratio.lowest, 3), round(ratio.highest, 3)]
            for name, ratio in ratios.items()
        },
        "rates": {way: float(f"{found.rate(way):.4g}") for way in found.rates},
        "settings": {way: found.best(way) for way in found.rates},
        "tried": {
            way: {setting: float(f"{rate:.4g}") for setting, rate in group.items()}
            for way, group in found.tried.items()
        },
    }


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
    parser.add_argument("--rounds", type=int, default=5)
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
    from benchmarks.runtime_models import chosen

    models = [] if args.models == ["none"] else chosen(args.models)
    console = Console(width=150)
    protocols = overheads(args.rounds, args.moment)
    for name, value in protocols.items():
        console.print(f"{name}: {value:.2f}")
    content: dict[str, Any] = {
        "date": datetime.now(UTC).date().isoformat(),
        "machine": machine.describe(PACKAGES),
        "protocols": protocols,
        "statistic": "Medians of all rounds",
        "rows": [],
    }
    args.models_dir.mkdir(parents=True, exist_ok=True)
    args.out.parent.mkdir(parents=True, exist_ok=True)
    for model in models:
        path = model.export(args.models_dir)
        found = measured(path, model.rows(1), _feed(path), args.rounds, args.moment)
        content["rows"].append({"model": model.name, **described_rounds(found)})
        console.print(content["rows"][-1])
        args.out.write_text(json.dumps(content, indent=2) + "\n")  # it takes long: lose nothing
    console.print(table(content["rows"]))
    console.print(machine.line(content["machine"]))
    args.out.write_text(json.dumps(content, indent=2) + "\n")
    return 0


def _feed(path: Path) -> str:
    from servable.savedmodel.reader import read

    (feed,) = read(path).meta_graph(("serve",)).signatures["serving_default"].inputs
    return feed


if __name__ == "__main__":
    sys.exit(main())
