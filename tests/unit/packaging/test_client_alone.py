"""The client's own distribution holds all that it imports, and needs only what it says."""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
import zipfile
from importlib.util import find_spec
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]
PROJECT = tomllib.loads((ROOT / "packaging/client/pyproject.toml").read_text())
FILES = PROJECT["tool"]["hatch"]["build"]["targets"]["wheel"]["force-include"]
IMPORTED_AS = {"grpcio": "grpc", "protobuf": "google", "ml-dtypes": "ml_dtypes"}
BROUGHT_ALONG = {"typing_extensions"}  # by grpcio

# Refuses every module outside of the standard library that the distribution neither holds
# nor requires, and then does some work with each part.
SCRIPT = """
import sys

allowed, packages, modules = {allowed!r}, {packages!r}, {modules!r}

class Blocker:
    def find_spec(self, name, path=None, target=None):
        top = name.partition(".")[0]
        if top == "servable":
            held = name in modules or any((name + ".").startswith(p + ".") for p in packages)
            # Folders that hold a module of the distribution are there too.
            held = held or any(m.startswith(name + ".") for m in modules)
        else:
            held = top in allowed or top in sys.stdlib_module_names or top.startswith("_")
        if not held:
            raise ModuleNotFoundError("blocked: " + name)

sys.meta_path.insert(0, Blocker())
import asyncio
import numpy as np
import servable.client as c
from servable.client import compat
from servable.client.compat import tf, predict_pb2, prediction_service_pb2_grpc, prediction_log_pb2
from servable.client.compat import model_service_pb2_grpc, model_server_config_pb2
from servable.errors import ServableError

assert tf.make_ndarray(tf.make_tensor_proto([1.0])).tolist() == [1.0]
for client in (c.GrpcClient("127.0.0.1:9", retries=c.NO_RETRIES), c.RestClient("127.0.0.1:9")):
    try:
        client.predict("m", {{"x": np.zeros(3)}})
    except ServableError as error:
        print(type(error).__name__)
try:
    c.make_example({{"x": 1j}})
except ServableError as error:
    print(type(error).__name__)
"""


def names(entry: str) -> str:
    return entry.removesuffix(".py").removesuffix("/__init__").replace("/", ".")


def test_it_works_with_everything_else_blocked() -> None:
    requirements = [re.split(r"[<>=]", r)[0] for r in PROJECT["project"]["dependencies"]]
    script = SCRIPT.format(
        allowed={IMPORTED_AS.get(name, name) for name in requirements} | BROUGHT_ALONG,
        packages=[names(entry) for entry in FILES.values() if "." not in entry],
        modules=[names(entry) for entry in FILES.values() if entry.endswith(".py")],
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == ["Unavailable", "Unavailable", "InvalidArgument"]


def test_its_requirements_are_the_servers_own() -> None:
    server = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["dependencies"]
    assert set(PROJECT["project"]["dependencies"]) <= set(server)


@pytest.mark.parametrize("source", FILES)
def test_every_file_that_it_names_is_there(source: str) -> None:
    assert (ROOT / "packaging/client" / source).exists()


@pytest.mark.skipif(find_spec("hatchling") is None, reason="needs hatchling")
def test_the_wheel_holds_the_client_and_nothing_of_the_server(tmp_path: Path) -> None:
    built = subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", tmp_path / "dist"],
        cwd=ROOT / "packaging" / "client",
        capture_output=True,
        text=True,
        check=False,
    )
    assert built.returncode == 0, built.stderr
    (wheel,) = (tmp_path / "dist").iterdir()
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(tmp_path / "site")
    held = {path.name for path in (tmp_path / "site" / "servable").iterdir() if path.is_dir()}
    assert held - {"__pycache__"} == {"client", "pb", "savedmodel", "tensor_wire"}

    used = subprocess.run(
        [sys.executable, "-c", "import servable.client.compat.tf as tf; print(tf.__file__)"],
        env={"PYTHONPATH": str(tmp_path / "site")},
        capture_output=True,
        text=True,
        check=False,
    )
    assert used.stdout.startswith(str(tmp_path / "site")), used.stderr
