"""The time of one call in process: this package against TensorFlow and OpenVINO alone.

For each model, at batch 1 and 16, in one process and in turn:

- `Servable.run`, in float32 and with bfloat16 allowed;
- OpenVINO, called directly on the whole graph that its own converter makes;
- TensorFlow's public way, `tf.saved_model.load(...).signatures[...]`;
- TensorFlow at its best: a session's callable that runs in the caller's thread, with one
  thread for each kernel or as many as it likes, whichever is faster.

Every way runs for a moment, then the next, several rounds; the best round counts, so that
what else the machine does meets all of them alike. A way whose answer differs from
TensorFlow's is not timed.

Run it with `make bench ARGS=runtime`. Prints a table and writes the figures as JSON.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import sys
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from benchmarks import machine
from servable.tensors import Array

HERE = Path(__file__).resolve().parent
PACKAGES = ("openvino", "tensorflow-cpu", "numpy")
BATCHES = (1, 16)
Call = Callable[[], Array]
OURS, OURS_BF16, RAW, RAW_BF16, PUBLIC = (
    "servable",
    "servable bf16",
    "openvino",
    "openvino bf16",
    "signatures",
)
BEST = ("session, 1 thread", "session")
HALF_PRECISION = (OURS_BF16, RAW_BF16)
TOLERANCE = {False: 1e-4, True: 0.1}


def ours(path: Path, rows: Array, precision: str) -> Call:
    """One call of the servable."""
    from servable.engine.backends.openvino import OpenVinoBackend
    from servable.servables.saved_model import SavedModelLoader

    loader = SavedModelLoader(path, backend=OpenVinoBackend(precision=precision))
    loader.load()
    servable = loader.servable()
    signature = servable.signatures["serving_default"]
    (feed,), fetches = signature.inputs, tuple(signature.outputs)
    return lambda: servable.run("serving_default", {feed: rows}, fetches)[fetches[0]]


def raw(path: Path, rows: Array, precision: str) -> Call:
    """One call of OpenVINO, with all that makes it quick: its own memory in and out."""
    import openvino as ov

    model = ov.convert_model(path)
    config = {"INFERENCE_PRECISION_HINT": precision, "PERFORMANCE_HINT": "LATENCY"}
    request = ov.Core().compile_model(model, "CPU", config).create_infer_request()
    return lambda: request.infer([rows], share_inputs=True, share_outputs=True)[0]


def public(path: Path, rows: Array) -> Call:
    """One call of the signature that TensorFlow loads."""
    import tensorflow as tf

    model = tf.saved_model.load(path)
    function = model.signatures["serving_default"]
    (feed,) = function.structured_input_signature[1]
    given = tf.constant(rows)

    def call(_keep: Any = model) -> Array:
        (made,) = function(**{feed: given}).values()
        answer: Array = made.numpy()
        return answer

    return call


def session(path: Path, rows: Array, threads: int) -> Call:
    """One call of a session in this thread, with so many threads for each kernel; 0 for all."""
    import tensorflow.compat.v1 as tf1

    config = tf1.ConfigProto(
        intra_op_parallelism_threads=threads,
        inter_op_parallelism_threads=-1,
        use_per_session_threads=True,
    )
    opened = tf1.Session(graph=tf1.Graph(), config=config)
    with opened.graph.as_default():
        meta_graph = tf1.saved_model.load(opened, ["serve"], str(path))
    signature = meta_graph.signature_def["serving_default"]
    (feed,), (fetch,) = signature.inputs.values(), signature.outputs.values()
    callable_: Callable[[Array], Array] = opened.make_callable(fetch.name, [feed.name])
    return lambda: callable_(rows)


def ways(path: Path, rows: Array) -> dict[str, Call]:
    """Every way that can compute the model."""
    makers: dict[str, Callable[[], Call]] = {
        OURS: lambda: ours(path, rows, "f32"),
        OURS_BF16: lambda: ours(path, rows, "bf16"),
        RAW: lambda: raw(path, rows, "f32"),
        RAW_BF16: lambda: raw(path, rows, "bf16"),
        PUBLIC: lambda: public(path, rows),
        BEST[0]: lambda: session(path, rows, 1),
        BEST[1]: lambda: session(path, rows, 0),
    }
    made = {name: make() for name, make in makers.items()}
    expected = made[PUBLIC]()
    scale = float(np.abs(expected).max())
    right = {}
    for name, call in made.items():
        worst = float(np.abs(np.asarray(call()) - expected).max()) / scale
        if worst <= TOLERANCE[name in HALF_PRECISION]:
            right[name] = call
        else:
            print(f"{path.name}: {name} is off by {worst:.1g} and not timed", file=sys.stderr)
    return right


def measure(calls: Mapping[str, Call], rounds: int, moment: float) -> dict[str, float]:
    """Seconds of a call each way: the median of a round, and of these the best."""
    found: dict[str, list[float]] = {name: [] for name in calls}
    for number in range(rounds + 1):
        for name, call in calls.items():
            taken: list[float] = []
            ends = time.perf_counter() + moment
            while (started := time.perf_counter()) < ends or len(taken) < 3:
                call()
                taken.append(time.perf_counter() - started)
            if number:  # the first round warms up
                found[name].append(statistics.median(taken))
    return {name: min(medians) for name, medians in found.items()}


def ratios(seconds: Mapping[str, float]) -> dict[str, float]:
    """How many times less time the servable takes than each other; bf16 against float32."""
    best = min(seconds[name] for name in BEST if name in seconds)
    found = {
        "openvino": seconds.get(RAW, 0) / seconds[OURS],
        "signatures": seconds[PUBLIC] / seconds[OURS],
        "tensorflow's best": best / seconds[OURS],
    }
    if OURS_BF16 in seconds:
        found["tensorflow's best, bf16"] = best / seconds[OURS_BF16]
    return {name: round(ratio, 3) for name, ratio in found.items() if ratio}


def table(rows: list[dict[str, Any]]) -> Table:
    """The figures for a person."""
    view = Table(title="One call in process: times faster than ...", caption="ms of servable")
    for column in ("model", "batch", "ms"):
        view.add_column(column, justify="left" if column == "model" else "right")
    names = ("openvino", "signatures", "tensorflow's best", "tensorflow's best, bf16")
    for name in names:
        view.add_column(name, justify="right")
    for row in rows:
        cells = (f"{row['ratios'][n]:.2f}" if n in row["ratios"] else "-" for n in names)
        view.add_row(row["model"], str(row["batch"]), f"{row['seconds'][OURS] * 1e3:.3f}", *cells)
    return view


def main() -> int:
    """Measure, print and write."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("models", nargs="*", help="only these")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--moment", type=float, default=0.3, help="seconds each way runs a round")
    parser.add_argument("--models-dir", type=Path, default=HERE / "models")
    parser.add_argument("--out", type=Path, default=HERE / "results" / "runtime.json")
    args = parser.parse_args()
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    from benchmarks.runtime_models import chosen

    models = chosen(args.models)
    args.models_dir.mkdir(parents=True, exist_ok=True)
    rows: list[dict[str, Any]] = []
    with Progress(transient=True) as progress:
        task = progress.add_task("", total=len(models) * len(BATCHES))
        for model in models:
            for batch in BATCHES:
                progress.update(task, description=f"{model.name}, batch {batch}")
                path = model.export(args.models_dir)
                seconds = measure(ways(path, model.rows(batch)), args.rounds, args.moment)
                rows.append(
                    {
                        "model": model.name,
                        "batch": batch,
                        "seconds": {n: float(f"{s:.4g}") for n, s in seconds.items()},
                        "ratios": ratios(seconds),
                    }
                )
                progress.console.print(rows[-1]["model"], batch, rows[-1]["ratios"])
                progress.advance(task)
    described = machine.describe(PACKAGES)
    console = Console(width=120)
    console.print(table(rows))
    console.print(machine.line(described))
    args.out.parent.mkdir(parents=True, exist_ok=True)
    content = {"date": datetime.now(UTC).date().isoformat(), "machine": described, "rows": rows}
    args.out.write_text(json.dumps(content, indent=2) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
