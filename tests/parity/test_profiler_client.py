"""TensorFlow's own profiler client takes a trace of a server under load."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from served_models import FakeModels, half_plus_two

from servable.metrics.monitor import Metrics
from servable.pb import profiler_pb2
from servable.transport.grpc import GrpcServer
from servable.transport.options import GrpcOptions

pytestmark = [
    pytest.mark.parity,
    pytest.mark.filterwarnings("default"),  # TensorFlow's own deprecations
]
tf: Any = pytest.importorskip("tensorflow", reason="needs tensorflow")


@pytest.fixture
def busy() -> Iterator[str]:
    """The address of a server that is being asked all the time."""
    import grpc

    metrics = Metrics()
    models = FakeModels({"m": {1: half_plus_two()}})
    server = GrpcServer(models, "127.0.0.1", 0, GrpcOptions(profiler=True), metrics=metrics)
    address = f"127.0.0.1:{server.start()}"
    enough = threading.Event()

    def ask() -> None:
        with grpc.insecure_channel(address) as channel:
            call = channel.unary_unary(
                "/tensorflow.serving.PredictionService/Predict",
                request_serializer=bytes,
                response_deserializer=bytes,
            )
            while not enough.is_set():
                with pytest.raises(grpc.RpcError):  # refused, but traced all the same
                    call(b"", timeout=30)

    asking = threading.Thread(target=ask)
    asking.start()
    yield address
    enough.set()
    asking.join()
    server.stop(10)


def test_trace_and_monitor(busy: str, tmp_path: Path) -> None:
    client = tf.profiler.experimental.client

    client.trace(f"grpc://{busy}", str(tmp_path), 1000)

    (kept,) = tmp_path.rglob("*.xplane.pb")
    space = profiler_pb2.XSpace.FromString(kept.read_bytes())
    assert sum(len(line.events) for plane in space.planes for line in plane.lines)
    assert "Requests: " in client.monitor(f"grpc://{busy}", 200)
