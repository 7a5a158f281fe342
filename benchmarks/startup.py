"""From process start to the first answered prediction: this package against TensorFlow.

Three ways to the same answer, from the same SavedModel (the demo's convolutional net):

- in process: import, load, run once;
- the server: `servable serve`, until the first REST prediction is answered;
- TensorFlow: `import tensorflow`, `tf.saved_model.load`, call the signature once.

Every measurement is a fresh process. The ways alternate, so that a busy moment of the
machine meets all of them, and the first round is not counted. This is TensorFlow the
library, which is what people run where TensorFlow Serving does not install; it says
nothing about TensorFlow Serving itself.

Run it with `make bench ARGS=startup`. Prints a table and writes the figures as JSON.
"""

from __future__ import annotations

import argparse
import http.client
import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
from rich.console import Console

from benchmarks import machine
from benchmarks.comparison import Broken, Result, Sample, Way, collect, figures, table
from servable.demos import digits

HERE = Path(__file__).resolve().parent
VERSION = "2"
REFERENCE = "tensorflow"
PATIENCE = 120.0  # seconds; a server that takes longer is broken, not slow
PACKAGES = ("servable", "openvino", "numpy")
BUSY = 0.5  # load average above which something else was running


def environment() -> dict[str, str]:
    """The environment of every child: nothing that adds modules, no logs of TensorFlow's."""
    kept = {k: v for k, v in os.environ.items() if not k.startswith("PYTHON")}
    return kept | {"TF_CPP_MIN_LOG_LEVEL": "3"}


def tail(stream: tempfile._TemporaryFileWrapper[bytes]) -> str:
    """The end of what a child wrote, for an error."""
    stream.seek(0)
    return stream.read().decode(errors="replace")[-2000:]


def run_script(python: str, script: str, model: Path, images: Path) -> Sample:
    """Time a script of first_answer/ up to the line it prints when it has its answer."""
    command = [python, str(HERE / "first_answer" / script), str(model), str(images)]
    with tempfile.NamedTemporaryFile() as errors:
        started = time.perf_counter()
        with subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=errors,
            env=environment(),
        ) as child:
            assert child.stdout is not None  # asked for above; this is for the type checker
            line = child.stdout.readline()
            seconds = time.perf_counter() - started
            peak = machine.peak_rss(child.pid) if line else None
            child.communicate()
        if not line or child.returncode:
            raise Broken(f"{script} gave no answer:\n{tail(errors)}")
    return Sample(round(seconds, 4), peak, json.loads(line))


def free_port() -> int:
    """A port nobody listens on at the moment."""
    with closing(socket.socket()) as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def run_server(base_path: Path, images: list[object]) -> Sample:
    """Time `servable serve` up to the first REST prediction it answers."""
    rest, grpc = free_port(), free_port()
    command = [sys.executable, "-m", "servable", "serve", str(base_path)]
    command += ["--host", "127.0.0.1", "--rest-port", str(rest), "--grpc-port", str(grpc)]
    body = json.dumps({"instances": images})
    with tempfile.NamedTemporaryFile() as log:
        started = time.perf_counter()
        with subprocess.Popen(command, stdout=log, stderr=log, env=environment()) as server:
            try:
                answer = first_reply(server, rest, body, deadline=started + PATIENCE)
                seconds = time.perf_counter() - started
                peak = machine.peak_rss(server.pid)
            except Broken as error:
                raise Broken(f"{error}:\n{tail(log)}") from None
            finally:
                server.terminate()
    return Sample(round(seconds, 4), peak, answer)


def first_reply(
    server: subprocess.Popen[bytes], port: int, body: str, *, deadline: float
) -> list[list[float]]:
    """Ask again and again until the server is up, the model is loaded and there is an answer."""
    while time.perf_counter() < deadline:
        if server.poll() is not None:
            raise Broken(f"the server ended with status {server.returncode}")
        try:
            with closing(http.client.HTTPConnection("127.0.0.1", port, timeout=30)) as connection:
                connection.request("POST", "/v1/models/digits:predict", body)
                reply = connection.getresponse()
                content = reply.read()
                if reply.status == http.HTTPStatus.OK:
                    predictions: list[list[float]] = json.loads(content)["predictions"]
                    return predictions
        except ConnectionError:
            pass  # not listening yet
        time.sleep(0.01)  # more often, and asking is a part of what the server does meanwhile
    raise Broken(f"no answer after {PATIENCE:.0f} s")


def measure(tensorflow: str | None, repeats: int) -> list[Result]:
    """Measure all ways; the reference too if there is an interpreter that has TensorFlow."""
    with tempfile.TemporaryDirectory() as folder:
        base_path = Path(folder) / "digits"
        model = base_path / VERSION
        shutil.copytree(digits.MODELS / VERSION, model)
        image = digits.heldout()[0][:1]
        images = Path(folder) / "images.npy"
        np.save(images, image)

        def script(python: str, name: str) -> Sample:
            return run_script(python, name, model, images)

        ways = [
            Way(
                "in_process",
                "servable in process",
                lambda: script(sys.executable, "with_servable.py"),
            ),
            Way(
                "server",
                "servable serve (REST)",
                lambda: run_server(base_path, image.tolist()),
            ),
        ]
        if tensorflow:
            ways.append(
                Way(
                    REFERENCE,
                    "TensorFlow",
                    lambda: script(tensorflow, "with_tensorflow.py"),
                )
            )
        return collect(ways, repeats)


def tensorflow_version(python: str) -> str:
    """The version that an interpreter would import; "" if it has none."""
    code = "import importlib.metadata as m; print(m.version('tensorflow-cpu'))"
    found = subprocess.run(
        [python, "-c", code], capture_output=True, text=True, env=environment(), check=False
    )
    return found.stdout.strip()


def main() -> int:
    """Measure, print, write; return the exit status."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--tensorflow-python",
        default=str(HERE.parent / ".venv-parity" / "bin" / "python"),
        help="an interpreter that has TensorFlow; `make parity` makes the default one",
    )
    parser.add_argument("--repeats", type=int, default=7, help="counted rounds (default: 7)")
    parser.add_argument("--json", type=Path, default=HERE / "results" / "startup.json")
    arguments = parser.parse_args()
    console = Console(highlight=False)

    load = round(os.getloadavg()[0], 2)
    python = shutil.which(arguments.tensorflow_python)
    if python is None:
        console.print(
            f"No TensorFlow to compare with: there is no {arguments.tensorflow_python}."
            " `make parity` makes it, or name an interpreter with --tensorflow-python."
        )
    try:
        results = measure(python, arguments.repeats)
    except Broken as error:
        console.print("[red]error:[/]", end=" ")
        console.print(str(error), markup=False)
        return 1

    made_on = machine.describe(PACKAGES)
    if python:
        made_on["tensorflow"] = tensorflow_version(python)
    title = "From process start to the first answered prediction"
    console.print(table(title, results, REFERENCE))
    console.print(f"{arguments.repeats} fresh processes each, in turn. {machine.line(made_on)}")
    if load > BUSY:
        console.print(
            f"The machine was busy before this began (load {load}): trust the ratios more than"
            " the seconds."
        )
    arguments.json.parent.mkdir(parents=True, exist_ok=True)
    document = {
        "what": "seconds from process start to the first answered prediction; bytes of peak memory",
        "model": f"demos/digits, version {VERSION}, one image",
        "when": datetime.now(UTC).isoformat(timespec="seconds"),
        "machine": made_on,
        "load_average_before": load,
        **figures(results, REFERENCE),
    }
    arguments.json.write_text(json.dumps(document, indent=2) + "\n")
    console.print(f"Written to {arguments.json}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
