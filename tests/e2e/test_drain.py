"""Stopping: running requests are answered, new ones not let in, then all is unloaded."""

from __future__ import annotations

import http.client
import socket
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from servable import tensors
from servable.client import connect
from servable.errors import ServableError
from servable.server import assemble
from servable.server.assemble import Server
from servable.server.config import BareModel, ServerConfig
from servable.tensors import Array, Signature, TensorSpec

PATIENCE = 60.0


class SlowModel:
    """A loader and its servable: answers when the gate is open, and notes what happens to it."""

    signatures: Mapping[str, Signature] = {
        "serving_default": Signature(
            inputs={"x": TensorSpec("x:0", tensors.FLOAT, (None,))},
            outputs={"y": TensorSpec("y:0", tensors.FLOAT, (None,))},
        )
    }

    def __init__(self) -> None:
        self.running = threading.Event()
        self.gate = threading.Event()
        self.notes: list[str] = []

    def estimate_resources(self) -> int:
        return 0

    def load(self) -> None:
        self.notes.append("load")

    def unload(self) -> None:
        self.notes.append("unload")

    def servable(self) -> SlowModel:
        return self

    def run(
        self, signature: str, inputs: Mapping[str, Array], fetches: Sequence[str]
    ) -> dict[str, Array]:
        assert signature in self.signatures
        self.running.set()
        opened = self.gate.wait(PATIENCE)
        self.notes.append("answer" if opened else "gave up")
        return dict.fromkeys(fetches, inputs["x"] + 1)


@contextmanager
def serving(model: SlowModel, grace_seconds: float) -> Iterator[Server]:
    config = ServerConfig(
        (BareModel("slow", Path("anywhere")),),
        "127.0.0.1",
        grpc_port=0,
        rest_port=0,
        grace_seconds=grace_seconds,
    )
    with Server(config, make_loader=lambda _path: model) as server:
        assert server.wait_until_settled(PATIENCE)
        yield server


def refuses(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), timeout=PATIENCE).close()
    except OSError:
        return True
    return False


@pytest.mark.parametrize("protocol", ["grpc", "rest"])
def test_a_running_request_is_answered_before_the_server_is_gone(
    protocol: str, eventually: Callable[[Callable[[], bool]], None]
) -> None:
    model = SlowModel()
    with serving(model, PATIENCE) as server, ThreadPoolExecutor(2) as threads:
        ports = {"grpc": server.grpc_port, "rest": server.rest_port}
        with connect(f"127.0.0.1:{ports[protocol]}") as client:
            answer = threads.submit(client.predict, "slow", {"x": np.array([1.0], np.float32)})
            assert model.running.wait(PATIENCE)
            stopped = threads.submit(server.stop)
            eventually(lambda: all(refuses(port) for port in ports.values()))
            assert not stopped.done()
            model.gate.set()

            assert answer.result(PATIENCE).outputs["y"].tolist() == [2.0]
            stopped.result(PATIENCE)

    assert model.notes == ["load", "answer", "unload"]


@pytest.mark.parametrize("protocol", ["grpc", "rest"])
def test_a_request_that_outlasts_the_grace_is_cut_off(protocol: str) -> None:
    model = SlowModel()
    with serving(model, 0.0) as server, ThreadPoolExecutor(1) as threads:
        ports = {"grpc": server.grpc_port, "rest": server.rest_port}
        with connect(f"127.0.0.1:{ports[protocol]}") as client:
            answer = threads.submit(client.predict, "slow", {"x": np.array([1.0], np.float32)})
            assert model.running.wait(PATIENCE)
            server.stop()

            with pytest.raises(ServableError):
                answer.result(PATIENCE)
            model.gate.set()


def test_first_probes_say_that_it_stops_while_requests_are_answered(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    model = SlowModel()
    model.gate.set()
    seen: list[object] = []
    config = ServerConfig(
        (BareModel("slow", Path("anywhere")),),
        "127.0.0.1",
        grpc_port=0,
        rest_port=0,
        drain_seconds=7.0,
    )
    with Server(config, make_loader=lambda _path: model) as server:
        assert server.wait_until_settled(PATIENCE)

        def pause(seconds: float) -> None:
            ready = http.client.HTTPConnection("127.0.0.1", server.rest_port, timeout=PATIENCE)
            ready.request("GET", "/readyz")
            seen.extend((seconds, ready.getresponse().status))
            ready.close()
            for port in (server.grpc_port, server.rest_port):
                with connect(f"127.0.0.1:{port}") as client:
                    answer = client.predict("slow", {"x": np.array([1.0], np.float32)})
                    seen.append(answer.outputs["y"].tolist())

        clock = SimpleNamespace(monotonic=time.monotonic, sleep=pause)
        monkeypatch.setattr(assemble, "time", clock)
        server.stop()
        monkeypatch.undo()

    assert seen == [7.0, 503, [2.0], [2.0]]
    assert model.notes == ["load", "answer", "answer", "unload"]
