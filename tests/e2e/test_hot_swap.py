"""A new version takes over while requests come in, and none of them fails."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from servable.client import connect
from servable.demos import digits
from servable.server.assemble import Server
from servable.server.config import ServerConfig
from servable.sources.filesystem import WatchedModel
from servable.tensors import Array

PATIENCE = 60.0

Eventually = Callable[[Callable[[], bool]], None]


@pytest.fixture
def base(tmp_path: Path) -> Path:
    base = tmp_path / "digits"
    shutil.copytree(digits.MODELS / "1", base / "1")
    return base


def deploy(base: Path, version: int) -> None:
    """Copy under a name that is no number, then rename: what the documents recommend."""
    shutil.copytree(digits.MODELS / str(version), base / f"{version}.tmp")
    (base / f"{version}.tmp").rename(base / str(version))


def versions_seen(address: str, image: Array, expected: dict[int, Array]) -> list[int]:
    """Ask for the newest version until it is 2; whose answers they were, in order."""
    seen: list[int] = []
    deadline = time.monotonic() + PATIENCE
    with connect(address) as client:
        while 2 not in seen and time.monotonic() < deadline:
            scores = client.predict("digits", {"image": image}).outputs["probabilities"]
            seen += [v for v in (1, 2) if np.allclose(scores, expected[v][:1], atol=1e-5)]
    return seen


def test_no_request_fails_while_version_2_takes_over(
    base: Path, images: Array, expected: dict[int, Array], eventually: Eventually
) -> None:
    config = ServerConfig(
        (WatchedModel("digits", base),),
        "127.0.0.1",
        grpc_port=0,
        rest_port=0,
        poll_seconds=0.05,
    )
    with Server(config) as server, ThreadPoolExecutor(3) as threads:
        assert server.wait_until_settled(PATIENCE)
        ports = (server.grpc_port, server.rest_port, server.grpc_port)
        asked = [
            threads.submit(versions_seen, f"127.0.0.1:{port}", images[:1], expected)
            for port in ports
        ]
        deploy(base, 2)

        for seen in asked:
            answers = seen.result(PATIENCE)
            assert answers == sorted(answers)
            assert answers[-1] == 2

        with connect(f"127.0.0.1:{server.grpc_port}") as client:
            eventually(lambda: client.status("digits", version=1)[0].state == "END")
            assert client.status("digits", version=2)[0].state == "AVAILABLE"


def test_a_half_copied_version_takes_nothing_out_of_service(
    base: Path, images: Array, eventually: Eventually
) -> None:
    config = ServerConfig(
        (WatchedModel("digits", base),),
        "127.0.0.1",
        grpc_port=0,
        rest_port=0,
        poll_seconds=0.05,
    )
    half = base / "2"
    with Server(config) as server, connect(f"127.0.0.1:{server.grpc_port}") as client:
        assert server.wait_until_settled(PATIENCE)
        half.mkdir()
        shutil.copy(digits.MODELS / "2" / "saved_model.pb", half)
        # What is wrong with it changes as it grows: still being written, then incomplete.
        eventually(lambda: "missing" in client.status("digits")[0].message)
        state = client.status("digits")[0]
        assert client.predict("digits", {"image": images[:1]}).version == 1
        assert (state.version, state.state, state.code.name) == (2, "START", "UNAVAILABLE")

        shutil.copytree(digits.MODELS / "2" / "variables", half / "variables")
        eventually(lambda: client.predict("digits", {"image": images[:1]}).version == 2)
