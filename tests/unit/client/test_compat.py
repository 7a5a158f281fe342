"""The familiar module names: what is in them, and that stubs and servicers talk to each other."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from concurrent import futures
from importlib import import_module
from typing import Any

import grpc
import grpc.aio
import numpy as np
import pytest

from servable.client.compat import (
    get_model_metadata_pb2,
    get_model_status_pb2,
    model_service_pb2_grpc,
    predict_pb2,
    prediction_service_pb2_grpc,
    tf,
)
from servable.client.compat.flags import FlagValues, _truth
from servable.pb import serving_pb2

MODULES = {
    "classification_pb2": "ClassificationRequest ClassificationResponse Class Classifications",
    "error_codes_pb2": "Code OK UNAVAILABLE",
    "example_pb2": "Example SequenceExample",
    "feature_pb2": "Feature Features BytesList FloatList Int64List",
    "file_system_storage_path_source_pb2": "FileSystemStoragePathSourceConfig",
    "get_model_metadata_pb2": "GetModelMetadataRequest GetModelMetadataResponse SignatureDefMap",
    "get_model_status_pb2": "GetModelStatusRequest GetModelStatusResponse ModelVersionStatus",
    "inference_pb2": "InferenceTask InferenceResult MultiInferenceRequest MultiInferenceResponse",
    "input_pb2": "Input ExampleList ExampleListWithContext",
    "log_collector_config_pb2": "LogCollectorConfig",
    "logging_config_pb2": "LoggingConfig SamplingConfig",
    "logging_pb2": "LogMetadata",
    "meta_graph_pb2": "SignatureDef TensorInfo",
    "model_management_pb2": "ReloadConfigRequest ReloadConfigResponse",
    "model_pb2": "ModelSpec",
    "model_server_config_pb2": "ModelServerConfig ModelConfigList ModelConfig TENSORFLOW",
    "model_service_pb2_grpc": "ModelServiceStub ModelServiceServicer",
    "predict_pb2": "PredictRequest PredictResponse",
    "prediction_log_pb2": "PredictionLog PredictLog ClassifyLog RegressLog",
    "prediction_service_pb2_grpc": "PredictionServiceStub add_PredictionServiceServicer_to_server",
    "regression_pb2": "RegressionRequest RegressionResponse Regression RegressionResult",
    "session_service_pb2": "SessionRunRequest SessionRunResponse",
    "status_pb2": "StatusProto",
    "tensor_pb2": "TensorProto",
    "tensor_shape_pb2": "TensorShapeProto",
    "types_pb2": "DataType DT_FLOAT DT_STRING DT_BFLOAT16",
}


@pytest.mark.parametrize("module", MODULES)
def test_a_module_has_the_names_that_scripts_use(module: str) -> None:
    found = import_module(f"servable.client.compat.{module}")

    assert set(MODULES[module].split()) <= set(vars(found))


class Half(prediction_service_pb2_grpc.PredictionServiceServicer):
    def Predict(  # gRPC passes both arguments by place
        self, request: serving_pb2.PredictRequest, _: grpc.ServicerContext
    ) -> serving_pb2.PredictResponse:
        reply = predict_pb2.PredictResponse()
        half = tf.make_ndarray(request.inputs["x"]) / 2
        reply.outputs["y"].CopyFrom(tf.make_tensor_proto(half))
        return reply

    def GetModelMetadata(
        self, request: serving_pb2.GetModelMetadataRequest, _: grpc.ServicerContext
    ) -> serving_pb2.GetModelMetadataResponse:
        assert list(request.metadata_field) == ["signature_def"]
        stored = get_model_metadata_pb2.SignatureDefMap()
        stored.signature_def["s"].method_name = "tensorflow/serving/predict"
        reply = get_model_metadata_pb2.GetModelMetadataResponse()
        reply.metadata["signature_def"].Pack(stored)
        return reply


@pytest.fixture
def address() -> Iterator[str]:
    server = grpc.server(futures.ThreadPoolExecutor(2))
    prediction_service_pb2_grpc.add_PredictionServiceServicer_to_server(Half(), server)
    model_service_pb2_grpc.add_ModelServiceServicer_to_server(
        model_service_pb2_grpc.ModelServiceServicer(), server
    )
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    try:
        yield f"127.0.0.1:{port}"
    finally:
        server.stop(None).wait()


def request() -> Any:
    message = predict_pb2.PredictRequest()
    message.model_spec.name = "half"
    message.inputs["x"].CopyFrom(tf.make_tensor_proto([3.0, 5.0], dtype=tf.float32))
    return message


def test_a_stub_calls_in_every_way_a_channel_can(address: str) -> None:
    with grpc.insecure_channel(address) as channel:
        stub = prediction_service_pb2_grpc.PredictionServiceStub(channel)
        answers = [stub.Predict(request(), 10.0), stub.Predict.future(request(), 10.0).result()]

    async def awaited() -> Any:
        async with grpc.aio.insecure_channel(address) as channel:
            return await prediction_service_pb2_grpc.PredictionServiceStub(channel).Predict(
                request(), timeout=10.0
            )

    answers.append(asyncio.run(awaited()))
    for answer in answers:
        np.testing.assert_array_equal(tf.make_ndarray(answer.outputs["y"]), [1.5, 2.5])


def test_metadata_is_unpacked_from_its_any(address: str) -> None:
    asked = get_model_metadata_pb2.GetModelMetadataRequest(metadata_field=["signature_def"])
    with grpc.insecure_channel(address) as channel:
        stub = prediction_service_pb2_grpc.PredictionServiceStub(channel)
        answer = stub.GetModelMetadata(asked, 10.0)

    stored = get_model_metadata_pb2.SignatureDefMap()
    assert answer.metadata["signature_def"].Unpack(stored)
    assert list(stored.signature_def) == ["s"]


def test_a_method_that_a_servicer_leaves_out_is_unimplemented(address: str) -> None:
    with grpc.insecure_channel(address) as channel:
        stub = model_service_pb2_grpc.ModelServiceStub(channel)
        with pytest.raises(grpc.RpcError) as caught:
            stub.GetModelStatus(get_model_status_pb2.GetModelStatusRequest(), 10.0)

    error: Any = caught.value
    assert error.code() is grpc.StatusCode.UNIMPLEMENTED


def test_examples_are_built_as_with_tensorflow() -> None:
    example = tf.train.Example(
        features=tf.train.Features(
            feature={"x": tf.train.Feature(float_list=tf.train.FloatList(value=[1.0]))}
        )
    )

    assert list(example.features.feature["x"].float_list.value) == [1.0]


def test_flags_are_read_by_name_and_kind() -> None:
    flags = FlagValues()
    flags.define("n", 1, None, type=int)
    flags.define("loud", False, None, type=_truth, nargs="?", const=True)
    assert (flags.n, flags.loud) == (1, False)

    assert flags.parse(["--n=3", "rest", "--loud"]) == ["rest"]

    assert (flags.n, flags.loud) == (3, True)
    with pytest.raises(AttributeError):
        _ = flags.other


@pytest.mark.parametrize("wrong", ["--m=1", "--n=x", "--loud=maybe"])
def test_a_wrong_flag_ends_the_script(wrong: str, capsys: pytest.CaptureFixture[str]) -> None:
    flags = FlagValues()
    flags.define("n", 1, None, type=int)
    flags.define("loud", False, None, type=_truth, nargs="?", const=True)

    with pytest.raises(SystemExit):
        flags.parse([wrong])
    assert wrong.partition("=")[0] in capsys.readouterr().err
