"""How a process is told to stop, and how it ends. Each runs in a process of its own."""

from __future__ import annotations

import signal
import subprocess
import sys

import pytest

BEGIN = "import os, signal, threading\nfrom servable.cli.signals import *\n"


def run(code: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", BEGIN + code],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_the_first_signal_asks_and_the_second_ends(number: int) -> None:
    kill = f"os.kill(os.getpid(), {number:d})\n"

    once = run(f"with stop_requested() as stop:\n    {kill}    wait_for(stop)\nprint('clean')")
    twice = run(f"with stop_requested() as stop:\n    {kill}    {kill}    print('too late')")

    assert (once.returncode, once.stdout) == (0, "clean\n")
    assert (twice.returncode, twice.stdout) == (128 + number, "")


def test_afterwards_signals_mean_what_they_meant_before() -> None:
    after = run("with stop_requested():\n    pass\nos.kill(os.getpid(), signal.SIGTERM)")

    assert after.returncode == -signal.SIGTERM


def test_a_thread_that_never_ends_does_not_keep_the_process() -> None:
    stuck = run("threading.Thread(target=threading.Event().wait).start()\nleave()")

    assert stuck.returncode == 0
    assert "outlasted the grace" in stuck.stderr


def test_leaving_with_nothing_running_says_nothing() -> None:
    assert run("leave()\nprint('here')").stdout == "here\n"
