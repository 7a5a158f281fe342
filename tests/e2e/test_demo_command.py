"""`servable demo` as a process."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable
from typing import Any

FREE = ("--grpc-port", "0", "--rest-port", "0")


def test_the_check_passes_and_shows_its_table() -> None:
    run = subprocess.run(
        [sys.executable, "-m", "servable", "demo", "--check", *FREE],
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
        env={**os.environ, "COLUMNS": "100"},
    )

    assert (run.returncode, run.stderr) == (0, "")
    rows = re.findall(r"(\d) +│ +(\w+) +│ +(gRPC|REST) +│ +(\d+)/360 +│ +([\d.]+)%", run.stdout)
    assert [(version, protocol) for version, _, protocol, *_ in rows] == [
        ("1", "gRPC"),
        ("1", "REST"),
        ("2", "gRPC"),
        ("2", "REST"),
    ]
    assert all(float(accuracy) >= 97 for version, *_, accuracy in rows if version == "2")


def test_the_curl_line_can_be_pasted(servable: Callable[..., Any]) -> None:
    demo = servable("demo", *FREE)
    lines = iter(demo.process.stdout)
    line = next(line for line in lines if line.startswith("curl "))
    next(line for line in lines if "Ctrl-C" in line)

    answer = subprocess.run(
        line.replace("curl", "curl -sS", 1), shell=True, capture_output=True, timeout=60, check=True
    )

    assert b'"predictions"' in answer.stdout
    assert demo.stop(signal.SIGINT) == 0


def test_the_check_fails_and_says_why() -> None:
    asking_too_much = (
        "from servable.cli import demo_check, main\n"
        "demo_check.WANTED_ACCURACY = 1.01\n"
        "main.main(['demo', '--check', '--grpc-port', '0', '--rest-port', '0'])\n"
    )
    run = subprocess.run(
        [sys.executable, "-c", asking_too_much],
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )

    assert run.returncode == 1
    assert "error: version 2 over gRPC gets 98.9% right, and 101% is the least" in run.stderr
