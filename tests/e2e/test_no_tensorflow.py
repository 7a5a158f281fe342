"""Nothing here needs TensorFlow: with its import forbidden, everything works."""

from __future__ import annotations

import os
import pkgutil
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import servable as package
from servable.client import connect
from servable.demos import digits
from servable.tensors import Array

GUARD = """
import sys

# The last one reports every start of OpenVINO to a statistics server.
FORBIDDEN = {"tensorflow", "keras", "tf_keras", "tensorflow_serving", "openvino_telemetry"}

class Guard:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in FORBIDDEN:
            sys.stderr.write(f"FORBIDDEN IMPORT {name}\\\\n")
            raise ImportError(f"{name} is forbidden here")

sys.meta_path.insert(0, Guard())
"""


@pytest.fixture
def guarded(tmp_path: Path) -> dict[str, str]:
    """An environment in which Python refuses to import TensorFlow, and says so."""
    (tmp_path / "sitecustomize.py").write_text(GUARD)
    return {"PYTHONPATH": str(tmp_path)}


def python(code: str, env: dict[str, str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
        env={**os.environ, **env},
    )


def test_the_guard_guards(guarded: dict[str, str]) -> None:
    run = python("import tensorflow", guarded)

    assert run.returncode != 0
    assert "FORBIDDEN IMPORT tensorflow" in run.stderr


def test_every_module_of_the_package_can_be_imported(guarded: dict[str, str]) -> None:
    modules = [
        module.name
        for module in pkgutil.walk_packages(package.__path__, "servable.")
        if not module.name.endswith("__main__")
    ]
    assert "servable.server.assemble" in modules

    run = python("".join(f"import {module}\n" for module in modules), guarded)

    assert (run.returncode, run.stderr) == (0, "")


def test_a_server_runs_without_even_trying(
    servable: Callable[..., Any], guarded: dict[str, str], images: Array
) -> None:
    command = servable(
        *("serve", str(digits.MODELS), "--host", "127.0.0.1", "--grpc-port", "0"),
        *("--rest-port", "0", "--versions", "all"),
        env=guarded,
    )
    addresses = command.ports()
    command.wait_for(r"digits \d: available")
    command.wait_for(r"digits \d: available")
    for address in addresses:
        with connect(address) as client:
            for version in (1, 2):
                client.predict("digits", {"image": images[:1]}, version=version)

    assert command.stop(signal.SIGTERM) == 0
    assert not [line for line in command.log if "FORBIDDEN" in line]
