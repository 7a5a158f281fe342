"""Showing a SavedModel of a gigabyte, and reading its variables.

- `servable show --all` against `saved_model_cli show --all`: wall time and peak memory of
  fresh processes, in turn;
- reading all variables against reading the bytes of the data file, in one process, in turn.

The model is made in a temporary folder, by this package. `--peer` names a saved_model_cli;
without it only our own figures are taken. They go to `results/savedmodel.json`.

    python -m benchmarks.savedmodel --peer .venv-parity/bin/saved_model_cli
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path

import numpy as np

from benchmarks import machine
from servable.pb import framework_pb2, saved_model_pb2
from servable.savedmodel.bundle_write import BundleWriter
from servable.savedmodel.variables import Variables

HERE = Path(__file__).resolve().parent
VARIABLES = 64
MIB = 2**20


def make(folder: Path, megabytes: int) -> None:
    """Write a TF1-style SavedModel of this size: handles, reads, and one signature."""
    (folder / "variables").mkdir(parents=True)
    shape = (megabytes * MIB // VARIABLES // 4 // 1024, 1024)
    model = saved_model_pb2.SavedModel(saved_model_schema_version=1)
    meta_graph = model.meta_graphs.add()
    meta_graph.meta_info_def.tags.append("serve")
    random = np.random.default_rng(5)
    with BundleWriter(folder / "variables" / "variables") as writer:
        for number in range(VARIABLES):
            name = f"layer_{number}/kernel"
            writer.add(name, random.standard_normal(shape, np.float32))
            handle = meta_graph.graph_def.node.add(name=name, op="VarHandleOp")
            handle.attr["dtype"].type = framework_pb2.DT_FLOAT
            handle.attr["shape"].shape.dim.extend(
                framework_pb2.TensorShapeProto.Dim(size=size) for size in shape
            )
            read = meta_graph.graph_def.node.add(name=f"{name}/read", op="ReadVariableOp")
            read.input.append(name)
            read.attr["dtype"].type = framework_pb2.DT_FLOAT
    info = meta_graph.signature_def["serving_default"].outputs["first"]
    info.name, info.dtype = "layer_0/kernel/read:0", framework_pb2.DT_FLOAT
    (folder / "saved_model.pb").write_bytes(model.SerializeToString(deterministic=True))


def show(command: list[str], folder: Path) -> tuple[float, int]:
    """Seconds and peak bytes of one run; the peak may be what this process held when it forked."""
    with tempfile.TemporaryFile() as nothing:
        started = time.perf_counter()
        child = subprocess.Popen(
            [*command, "show", "--all", "--dir", str(folder)],
            stdout=nothing,
            stderr=nothing,
            env=os.environ | {"TF_CPP_MIN_LOG_LEVEL": "3"},
        )
        _, status, usage = os.wait4(child.pid, 0)
        child.returncode = os.waitstatus_to_exitcode(status)
        seconds = time.perf_counter() - started
    if child.returncode:
        raise SystemExit(f"{command[0]} ended with {child.returncode}")
    return seconds, usage.ru_maxrss * 1024


def read_variables(folder: Path) -> float:
    """Seconds to have every variable in memory of its own."""
    started = time.perf_counter()
    with Variables.open(folder / "variables" / "variables", mapped=False) as variables:
        for key in variables.entries:
            variables.read(key)
    return time.perf_counter() - started


def read_bytes(folder: Path) -> float:
    """Seconds to have the same bytes in memory, in pieces of the same size."""
    file = folder / "variables" / "variables.data-00000-of-00001"
    piece = file.stat().st_size // VARIABLES
    started = time.perf_counter()
    with file.open("rb", buffering=0) as stream:
        while stream.readinto(np.empty(piece, np.uint8).data):
            pass
    return time.perf_counter() - started


def main() -> None:
    parser = argparse.ArgumentParser()
    beside = Path(sys.executable).parent / "saved_model_cli"
    parser.add_argument(
        "--peer",
        default=str(beside) if beside.exists() else None,
        help="a saved_model_cli to compare with; by default the one of this environment",
    )
    parser.add_argument("--megabytes", type=int, default=1024)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--out", type=Path, default=HERE / "results" / "savedmodel.json")
    options = parser.parse_args()
    ways = {"servable": [str(Path(sys.executable).parent / "servable")]}
    if options.peer:
        ways["saved_model_cli"] = [options.peer]
    with tempfile.TemporaryDirectory() as work:
        folder = Path(work) / "model"
        make(folder, options.megabytes)
        shown: dict[str, list[tuple[float, int]]] = {name: [] for name in ways}
        reads: list[tuple[float, float]] = []
        for _ in range(options.rounds):
            for name, command in ways.items():
                shown[name].append(show(command, folder))
            reads.append((read_variables(folder), read_bytes(folder)))
    best = {name: min(seconds for seconds, _ in runs) for name, runs in shown.items()}
    figures = {
        "date": datetime.now(UTC).date().isoformat(),
        "machine": machine.describe(("servable", "numpy")),
        "megabytes": options.megabytes,
        "show_seconds": {name: [s for s, _ in runs] for name, runs in shown.items()},
        "show_peak_mib": {n: max(peak for _, peak in runs) / MIB for n, runs in shown.items()},
        "show_ratio": best["servable"] / best["saved_model_cli"] if options.peer else None,
        "read_seconds": reads,
        "read_ratio": min(ours for ours, _ in reads) / min(theirs for _, theirs in reads),
    }
    print(json.dumps(figures, indent=1))
    options.out.parent.mkdir(parents=True, exist_ok=True)
    options.out.write_text(json.dumps(figures, indent=1) + "\n")


if __name__ == "__main__":
    main()
