"""The metrics pages, after real requests over both ports."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import grpc
import numpy as np
import pytest
from served_models import FakeModels, half_plus_two

from servable import tensor_proto
from servable.metrics.monitor import Metrics
from servable.pb import serving_pb2
from servable.transport.grpc import GrpcServer
from servable.transport.options import RestOptions
from servable.transport.rest import RestServer

PEER_PATH = "/monitoring/prometheus/metrics"
PREDICT = "/tensorflow.serving.PredictionService/Predict"
STATUS = "/tensorflow.serving.ModelService/GetModelStatus"


@pytest.fixture
def port() -> Iterator[int]:
    """The REST port of a server that was asked over both: well, and badly."""
    models, metrics = FakeModels({"m": {4: half_plus_two()}}), Metrics()
    rpc = GrpcServer(models, "127.0.0.1", 0, metrics=metrics)
    rest = RestServer(models, "127.0.0.1", 0, metrics=metrics)
    message = serving_pb2.PredictRequest(model_spec={"name": "m"})
    message.inputs["x"].CopyFrom(tensor_proto.encode(np.array([2], np.float32)))
    with grpc.insecure_channel(f"127.0.0.1:{rpc.start()}") as channel:
        predict = channel.unary_unary(PREDICT, None, None)
        predict(message.SerializeToString(), timeout=60)
        for bad in (b"\xff", serving_pb2.PredictRequest(model_spec={"name": "nope"})):
            with pytest.raises(grpc.RpcError):
                predict(bad if isinstance(bad, bytes) else bad.SerializeToString(), timeout=60)
        status = serving_pb2.GetModelStatusRequest(model_spec={"name": "m"})
        channel.unary_unary(STATUS, None, None)(status.SerializeToString(), timeout=60)
    yield rest.start()
    rest.stop(10)
    rpc.stop(10)


def test_the_peers_page(port: int, ask: Callable[..., Any]) -> None:
    ask(port, "POST", "/v1/models/m:predict", '{"inputs": 2}')
    ask(port, "POST", "/v1/models/m:predict", "{")
    ask(port, "GET", "/v1/models/m")
    ask(port, "GET", "/v1/nothing")
    for method in ("GET", "POST"):
        reply = ask(port, method, PEER_PATH)
        assert (reply.status, reply.headers["content-type"]) == (200, "text/plain")
    counts = [line for line in reply.body.decode().splitlines() if "request_count{" in line]
    assert counts == [
        f':tensorflow:serving:request_count{{model_name="{model}",status="{status}"}} {count}'
        for model, status, count in (
            ("", "INVALID_ARGUMENT", 2),
            ("(unknown)", "NOT_FOUND", 1),
            ("m", "INVALID_ARGUMENT", 1),
            ("m", "OK", 3),
        )
    ]
    reply = ask(port, "GET", PEER_PATH + "?x=1")
    assert (reply.status, reply.body.decode()) == (
        400,
        f"Unexpected path: {PEER_PATH}?x=1. Should be {PEER_PATH}",
    )


def test_a_name_that_a_stranger_made_up_is_not_on_any_page(
    port: int, ask: Callable[..., Any]
) -> None:
    for name in ("%00", "made-up", "%22%7D%0A"):
        assert ask(port, "GET", f"/v1/models/{name}").status == 404
    for path in (PEER_PATH, "/metrics"):
        text = ask(port, "GET", path).body.decode()
        assert "\0" not in text
        assert "made-up" not in text
        assert 'model_name="(unknown)",status="NOT_FOUND"} 4' in text


def test_our_page(port: int, ask: Callable[..., Any]) -> None:
    ask(port, "POST", "/v1/models/m:predict", '{"inputs": 2}')
    reply = ask(port, "GET", "/metrics")
    assert reply.headers["content-type"].startswith("text/plain; version=0.0.4")
    text = reply.body.decode()
    for transport in ("grpc", "rest"):
        of = f'model="m",version="4",api="predict",transport="{transport}"'
        assert f'servable_requests_total{{{of},code="OK"}} 1' in text
        assert f'servable_request_phase_seconds_count{{{of},phase="queue"}} 1' in text
    assert f"servable_request_bytes_total{{{of}}} 13" in text
    assert 'servable_requests_in_flight{transport="rest"} 0' in text
    assert 'api="get_model_status",transport="grpc",code="OK"} 1' in text


def test_the_peers_page_can_be_elsewhere_or_nowhere(ask: Callable[..., Any]) -> None:
    for path in ("/elsewhere", ""):
        options = RestOptions(metrics_path=path)
        server = RestServer(FakeModels({}), "127.0.0.1", 0, options)
        port = server.start()
        assert ask(port, "GET", PEER_PATH).status == 404
        if path:
            assert ask(port, "GET", path).status == 200
        server.stop(10)
