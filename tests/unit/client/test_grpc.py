"""The gRPC client against a scripted server."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator
from concurrent import futures
from contextlib import closing, contextmanager
from typing import Any

import grpc
import numpy as np
import pytest

from servable.client import GrpcClient
from servable.client.grpc import HINT_KEY
from servable.errors import Code, DeadlineExceeded, NotFound, Unavailable
from servable.pb import error_codes_pb2, framework_pb2, saved_model_pb2, serving_pb2
from servable.tensor_proto import decode, encode

PREDICTION = "tensorflow.serving.PredictionService"
MODEL = "tensorflow.serving.ModelService"

Answer = Callable[[bytes, grpc.ServicerContext], bytes]


@contextmanager
def server(service: str, method: str, answer: Answer) -> Iterator[GrpcClient]:
    handler: Any = grpc.unary_unary_rpc_method_handler(answer)
    listening = grpc.server(futures.ThreadPoolExecutor(1))
    listening.add_generic_rpc_handlers(
        (grpc.method_handlers_generic_handler(service, {method: handler}),)
    )
    port = listening.add_insecure_port("127.0.0.1:0")
    listening.start()
    try:
        with GrpcClient(f"127.0.0.1:{port}") as client:
            yield client
    finally:
        listening.stop(None).wait()


def test_a_request_carries_everything_that_was_asked() -> None:
    seen: list[serving_pb2.PredictRequest] = []

    def answer(request: bytes, _: grpc.ServicerContext) -> bytes:
        seen.append(serving_pb2.PredictRequest.FromString(request))
        reply = serving_pb2.PredictResponse()
        reply.outputs["y"].CopyFrom(encode(np.array([2.5], np.float32)))
        reply.model_spec.version.value = 4
        return reply.SerializeToString()

    with server(PREDICTION, "Predict", answer) as client:
        reply = client.predict("m", {"x": [np.float32(1)]}, version=0, signature="s", outputs=["y"])

    assert (reply.version, reply.outputs["y"].tolist()) == (4, [2.5])
    spec = seen[0].model_spec
    assert (spec.name, spec.signature_name) == ("m", "s")
    assert spec.HasField("version")  # zero is a version like any other
    assert list(seen[0].output_filter) == ["y"]
    assert decode(seen[0].inputs["x"]).tolist() == [1.0]


def test_no_version_asks_for_the_newest() -> None:
    def answer(request: bytes, _: grpc.ServicerContext) -> bytes:
        assert not serving_pb2.PredictRequest.FromString(request).model_spec.HasField("version")
        return serving_pb2.PredictResponse().SerializeToString()

    with server(PREDICTION, "Predict", answer) as client:
        assert client.predict("m", {}).outputs == {}


def test_metadata_is_read_as_signatures() -> None:
    def answer(request: bytes, _: grpc.ServicerContext) -> bytes:
        asked = serving_pb2.GetModelMetadataRequest.FromString(request)
        assert list(asked.metadata_field) == ["signature_def"]
        stored = serving_pb2.SignatureDefMap()
        signature = stored.signature_def["serving_default"]
        signature.inputs["x"].dtype = framework_pb2.DT_STRING
        signature.inputs["x"].tensor_shape.dim.add(size=-1)
        signature.outputs["__op"].CopyFrom(saved_model_pb2.TensorInfo(name="op"))
        reply = serving_pb2.GetModelMetadataResponse()
        reply.model_spec.name, reply.model_spec.version.value = "m", 7
        reply.metadata["signature_def"].value = stored.SerializeToString()
        return reply.SerializeToString()

    with server(PREDICTION, "GetModelMetadata", answer) as client:
        metadata = client.metadata("m")

    assert (metadata.model, metadata.version) == ("m", 7)
    assert str(metadata.signatures["serving_default"]) == "(x: string [?]) -> (__op: no dtype [])"


def test_status_is_read_with_its_error() -> None:
    def answer(request: bytes, _: grpc.ServicerContext) -> bytes:
        assert serving_pb2.GetModelStatusRequest.FromString(request).model_spec.version.value == 3
        reply = serving_pb2.GetModelStatusResponse()
        entry = reply.model_version_status.add(
            version=3, state=serving_pb2.ModelVersionStatus.State.Value("END")
        )
        entry.status.error_code = error_codes_pb2.DATA_LOSS
        entry.status.error_message = "a shard is missing"
        return reply.SerializeToString()

    with server(MODEL, "GetModelStatus", answer) as client:
        (state,) = client.status("m", version=3)

    assert (state.version, state.state) == (3, "END")
    assert (state.code, state.message) == (Code.DATA_LOSS, "a shard is missing")


def test_a_refusal_keeps_the_servers_text_and_hint() -> None:
    def answer(_: bytes, context: grpc.ServicerContext) -> bytes:
        context.set_trailing_metadata(((HINT_KEY, "try this"),))
        context.abort(grpc.StatusCode.NOT_FOUND, "no")

    with server(MODEL, "GetModelStatus", answer) as client, pytest.raises(NotFound) as caught:
        client.status("m")

    assert (caught.value.message, caught.value.hint) == ("no", "try this")


def test_a_server_that_is_unavailable_itself_keeps_its_text() -> None:
    def answer(_: bytes, context: grpc.ServicerContext) -> bytes:
        context.abort(grpc.StatusCode.UNAVAILABLE, "loading")

    with server(MODEL, "GetModelStatus", answer) as client, pytest.raises(Unavailable) as caught:
        client.status("m")

    assert caught.value.message == "loading"


def test_silence_ends_with_deadline_exceeded() -> None:
    with closing(socket.create_server(("127.0.0.1", 0))) as silent:
        address = f"127.0.0.1:{silent.getsockname()[1]}"
        with (
            GrpcClient(address, timeout=0.01) as client,
            pytest.raises(DeadlineExceeded, match=r"within 0\.01 s"),
        ):
            client.status("m")


def test_nobody_there_is_unavailable_in_plain_words() -> None:
    with closing(socket.create_server(("127.0.0.1", 0))) as gone:
        address = f"127.0.0.1:{gone.getsockname()[1]}"

    with GrpcClient(address) as client, pytest.raises(Unavailable, match="no gRPC server answers"):
        client.status("m")
