"""gRPC: what is answered, and what is not run."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from typing import Any

import grpc
import numpy as np
import pytest
from served_models import FakeModels, FakeServable, half_plus_two

from servable import tensor_proto
from servable.errors import Code
from servable.pb import serving_pb2
from servable.tensors import Array
from servable.transport.grpc import GrpcServer
from servable.transport.options import GrpcOptions

PREDICT = "/tensorflow.serving.PredictionService/Predict"
METADATA = "/tensorflow.serving.PredictionService/GetModelMetadata"
STATUS = "/tensorflow.serving.ModelService/GetModelStatus"


def request(array: Array, **spec: Any) -> serving_pb2.PredictRequest:
    message = serving_pb2.PredictRequest(model_spec={"name": "half_plus_two"} | spec)
    message.inputs["x"].CopyFrom(tensor_proto.encode(array))
    return message


X = np.array([1, 2, 5], np.float32)


def test_a_prediction_says_which_version_and_signature_answered(asking: Any) -> None:
    response = asking.predict(request(X))

    assert response.model_spec == serving_pb2.ModelSpec(
        name="half_plus_two", version={"value": 123}, signature_name="serving_default"
    )
    assert list(response.outputs) == ["y"]
    assert response.outputs["y"] == tensor_proto.encode(np.array([2.5, 3, 4.5], np.float32))


@pytest.mark.parametrize("shape", [(), (0,), (2, 0), (1, 1, 3)])
def test_any_shape_is_taken(asking: Any, shape: tuple[int, ...]) -> None:
    output = asking.predict(request(np.zeros(shape, np.float32))).outputs["y"]
    assert output.HasField("tensor_shape")
    assert tensor_proto.decode(output).shape == shape


def test_a_version_and_an_output_can_be_chosen(asking: Any) -> None:
    message = request(X, version={"value": 122})
    message.output_filter.append("y")
    assert asking.predict(message).model_spec.version.value == 122


def test_strings_keep_every_byte(asking: Any) -> None:
    message = serving_pb2.PredictRequest(model_spec={"name": "text"})
    message.inputs["s"].CopyFrom(tensor_proto.encode(np.array([b"\x00\xff", b""], object)))
    assert list(asking.predict(message).outputs["s"].string_val) == [b"\x00\xff", b""]


def test_messages_may_be_larger_than_grpcs_usual_limit(asking: Any) -> None:
    large = np.random.default_rng(0).standard_normal(2_000_000).astype(np.float32)
    answer = tensor_proto.decode(asking.predict(request(large)).outputs["y"])
    np.testing.assert_array_equal(answer, large * np.float32(0.5) + 2)


def test_fields_that_nothing_here_reads_are_ignored(asking: Any) -> None:
    data = request(X).SerializeToString() + b"\x32\x02id"  # client_id
    assert serving_pb2.PredictResponse.FromString(asking.grpc(PREDICT, data)).outputs["y"]


def test_metadata(asking: Any) -> None:
    message = serving_pb2.GetModelMetadataRequest(
        model_spec={"name": "half_plus_two"}, metadata_field=["signature_def"]
    )
    data = asking.grpc(METADATA, message.SerializeToString())
    response = serving_pb2.GetModelMetadataResponse.FromString(data)

    assert response.model_spec == serving_pb2.ModelSpec(
        name="half_plus_two", version={"value": 123}
    )
    signatures = serving_pb2.SignatureDefMap.FromString(response.metadata["signature_def"].value)
    assert list(signatures.signature_def) == ["serving_default"]


@pytest.mark.parametrize(
    ("fields", "text"),
    [
        ([], "GetModelMetadataRequest must specify at least one metadata_field"),
        (["other"], "Metadata field other is not supported"),
    ],
)
def test_metadata_that_is_refused(asking: Any, fields: list[str], text: str) -> None:
    message = serving_pb2.GetModelMetadataRequest(
        model_spec={"name": "half_plus_two"}, metadata_field=fields
    )
    refusal = asking.refusal(METADATA, message.SerializeToString())
    assert (refusal.code, refusal.text) == (3, text)


def test_status(asking: Any) -> None:
    message = serving_pb2.GetModelStatusRequest(
        model_spec={"name": "half_plus_two", "version_label": "ignored"}
    )
    data = asking.grpc(STATUS, message.SerializeToString())
    response = serving_pb2.GetModelStatusResponse.FromString(data)

    assert [(s.version, s.state) for s in response.model_version_status] == [(123, 30), (122, 30)]
    assert all(s.HasField("status") for s in response.model_version_status)


@pytest.mark.parametrize("method", [PREDICT, METADATA, STATUS])
def test_a_request_without_a_spec(asking: Any, method: str) -> None:
    refusal = asking.refusal(method, b"")
    assert (refusal.code, refusal.text) == (3, "Missing ModelSpec")
    assert refusal.hint


def test_a_status_that_is_not_there(asking: Any) -> None:
    message = serving_pb2.GetModelStatusRequest(model_spec={"name": "nope"})
    refusal = asking.refusal(STATUS, message.SerializeToString())
    assert (refusal.code, refusal.text) == (5, "Could not find any versions of model nope")


def test_a_method_that_does_not_exist(asking: Any) -> None:
    refusal = asking.refusal("/tensorflow.serving.SessionService/SessionRun", b"")
    assert refusal.code == Code.UNIMPLEMENTED.value


def test_a_request_whose_deadline_passed_in_the_queue_is_not_run() -> None:
    entered, release = threading.Event(), threading.Event()

    def run(inputs: Mapping[str, Array]) -> Mapping[str, Array]:
        entered.set()
        assert release.wait(60)
        return {"y": inputs["x"]}

    servable = FakeServable(half_plus_two().signatures, run)
    server = GrpcServer(
        FakeModels({"half_plus_two": {1: servable}}), "127.0.0.1", 0, GrpcOptions(threads=1)
    )
    data = request(X).SerializeToString()
    with grpc.insecure_channel(f"127.0.0.1:{server.start()}") as channel:
        method = channel.unary_unary(PREDICT, None, None)
        running = method.future(data, timeout=60)
        assert entered.wait(60)
        with pytest.raises(grpc.RpcError) as caught:
            method(data, timeout=0.05)
        release.set()
        assert running.result()
        assert method(data, timeout=60)  # comes after the expired one in the queue
    server.stop(10)

    error: Any = caught.value  # also the call, which the stubs do not know
    assert error.code() is grpc.StatusCode.DEADLINE_EXCEEDED
    assert len(servable.fed) == 2
