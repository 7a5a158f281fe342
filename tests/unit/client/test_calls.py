"""What each call sends over gRPC and makes of the answer: blocking, as a future and awaited."""

from __future__ import annotations

import asyncio
import inspect
import threading
from collections.abc import Callable, Iterator
from concurrent import futures
from pathlib import Path
from typing import Any, NoReturn

import grpc
import numpy as np
import pytest
from google.protobuf.message import Message
from predict_servers import Answer, grpc_server

from servable.client import (
    NO_RETRIES,
    AsyncGrpcClient,
    Classification,
    GrpcClient,
    Regression,
    RestClient,
    Retries,
    Task,
    Tls,
)
from servable.client.grpc_channel import Target
from servable.errors import (
    Cancelled,
    DeadlineExceeded,
    Internal,
    InvalidArgument,
    NotFound,
    Unavailable,
)
from servable.pb import config_pb2, inference_pb2, serving_pb2
from servable.tensor_proto import encode

QUICKLY = Retries(attempts=3, first_delay=0.001, longest_delay=0.001)

Ask = Callable[..., Any]
"""Client method name, its arguments -> the result."""


def spec(version: int = 7) -> serving_pb2.ModelSpec:
    answer = serving_pb2.ModelSpec(name="m")
    answer.version.value = version
    return answer


def blocking(address: str, method: str, *args: Any, **kwargs: Any) -> Any:
    with GrpcClient(address, retries=QUICKLY) as client:
        return getattr(client, method)(*args, **kwargs)


def as_future(address: str, method: str, *args: Any, **kwargs: Any) -> Any:
    with GrpcClient(address, retries=QUICKLY) as client:
        return getattr(client.future, method)(*args, **kwargs).result(60)


def awaited(address: str, method: str, *args: Any, **kwargs: Any) -> Any:
    async def ask() -> Any:
        async with AsyncGrpcClient(address, retries=QUICKLY) as client:
            return await getattr(client, method)(*args, **kwargs)

    return asyncio.run(ask())


@pytest.fixture(params=[blocking, as_future, awaited])
def ask(request: pytest.FixtureRequest) -> Ask:
    """One of the three ways to call."""
    way: Ask = request.param
    return way


class Recorder:
    """Gives one answer and keeps the request."""

    def __init__(self, kind: type[Message], answer: Message) -> None:
        self.kind = kind
        self.answer = answer
        self.seen: Any = None

    def __call__(self, data: bytes, _: grpc.ServicerContext) -> Message:
        self.seen = self.kind.FromString(data)
        return self.answer


def test_predict(ask: Ask) -> None:
    answer = serving_pb2.PredictResponse(model_spec=spec())
    answer.outputs["y"].CopyFrom(encode(np.array([2.5], np.float32)))
    server = Recorder(serving_pb2.PredictRequest, answer)

    with grpc_server({"Predict": server}) as address:
        got = ask(address, "predict", "m", {"x": np.arange(3)}, label="stable", outputs=["y"])

    assert (got.version, got.outputs["y"].tolist()) == (7, [2.5])
    assert server.seen.model_spec.version_label == "stable"
    assert server.seen.inputs["x"].tensor_content == np.arange(3).tobytes()


def test_classify(ask: Ask) -> None:
    answer = inference_pb2.ClassificationResponse(model_spec=spec())
    for label, score in (("cat", 0.75), ("dog", 0.25)):
        row = answer.result.classifications.add()
        row.classes.add(label=label, score=score)
    server = Recorder(inference_pb2.ClassificationRequest, answer)

    with grpc_server({"Classify": server}) as address:
        got = ask(address, "classify", "m", [{"x": 1.5}, {}], context={"c": 1}, signature="s")

    assert (got.labels.tolist(), got.scores.tolist()) == ([["cat"], ["dog"]], [[0.75], [0.25]])
    assert (got.scores.dtype, got.version) == (np.float32, 7)
    assert server.seen.model_spec.signature_name == "s"
    shared = server.seen.input.example_list_with_context
    assert list(shared.examples[0].features.feature["x"].float_list.value) == [1.5]
    assert list(shared.context.features.feature["c"].int64_list.value) == [1]


def test_regress(ask: Ask) -> None:
    answer = inference_pb2.RegressionResponse(model_spec=spec())
    answer.result.regressions.add(value=2.5)
    server = Recorder(inference_pb2.RegressionRequest, answer)

    with grpc_server({"Regress": server}) as address:
        got = ask(address, "regress", "m", [{"x": 1.0}], version=7)

    assert (got.values.tolist(), got.values.dtype, got.version) == ([2.5], np.float32, 7)
    assert server.seen.model_spec.version.value == 7
    assert len(server.seen.input.example_list.examples) == 1


def test_multi_inference(ask: Ask) -> None:
    answer = inference_pb2.MultiInferenceResponse()
    answer.results.add(model_spec=spec()).classification_result.classifications.add().classes.add(
        label="a", score=1.0
    )
    answer.results.add(model_spec=spec()).regression_result.regressions.add(value=3.0)
    server = Recorder(inference_pb2.MultiInferenceRequest, answer)
    tasks = [Task("classify", "c"), Task("regress", "r")]

    with grpc_server({"MultiInference": server}) as address:
        first, second = ask(address, "multi_inference", "m", tasks, [{"x": 1.0}])

    assert isinstance(first, Classification)
    assert isinstance(second, Regression)
    assert (first.labels.tolist(), second.values.tolist()) == ([["a"]], [3.0])
    assert [(t.model_spec.signature_name, t.method_name) for t in server.seen.tasks] == [
        ("c", "tensorflow/serving/classify"),
        ("r", "tensorflow/serving/regress"),
    ]


def test_reload(ask: Ask) -> None:
    answer = config_pb2.ReloadConfigResponse()
    answer.metric.add(name="/a", int64_value_increase=2)
    server = Recorder(config_pb2.ReloadConfigRequest, answer)
    config = config_pb2.ModelServerConfig()
    config.model_config_list.config.add(name="m", base_path="/models/m")

    with grpc_server({"HandleReloadConfigRequest": server}) as address:
        assert ask(address, "reload", config, metrics=["/a"]) == {"/a": 2}

    assert server.seen.config == config
    assert list(server.seen.metric_names) == ["/a"]


def test_metadata_and_status_by_version(ask: Ask) -> None:
    metadata = serving_pb2.GetModelMetadataResponse(model_spec=spec())
    metadata.metadata["signature_def"].value = serving_pb2.SignatureDefMap().SerializeToString()
    status = serving_pb2.GetModelStatusResponse()
    status.model_version_status.add(
        version=7, state=serving_pb2.ModelVersionStatus.State.Value("AVAILABLE")
    )
    answers: dict[str, Answer] = {
        "GetModelMetadata": Recorder(serving_pb2.GetModelMetadataRequest, metadata),
        "GetModelStatus": Recorder(serving_pb2.GetModelStatusRequest, status),
    }

    with grpc_server(answers) as address:
        assert ask(address, "metadata", "m", version=7).version == 7
        assert [s.state for s in ask(address, "status", "m", version=7)] == ["AVAILABLE"]


class Flaky:
    """Is unavailable some times before it answers."""

    def __init__(self, failures: int, answer: Message) -> None:
        self.left = failures
        self.calls = 0
        self.answer = answer

    def __call__(self, _: bytes, context: grpc.ServicerContext) -> Message:
        self.calls += 1
        if self.calls <= self.left:
            context.abort(grpc.StatusCode.UNAVAILABLE, "loading")
        return self.answer


def test_a_server_that_is_unavailable_for_a_moment_is_asked_again(ask: Ask) -> None:
    server = Flaky(2, serving_pb2.PredictResponse(model_spec=spec()))
    big = np.zeros(2**17, np.float32)  # more than gRPC keeps for another attempt by default

    with grpc_server({"Predict": server}) as address:
        assert ask(address, "predict", "m", {"x": big}).version == 7

    assert server.calls == 3


def test_one_that_stays_unavailable_is_given_up(ask: Ask) -> None:
    server = Flaky(9, serving_pb2.PredictResponse())

    with grpc_server({"Predict": server}) as address, pytest.raises(Unavailable, match="loading"):
        ask(address, "predict", "m", {})

    assert server.calls == 3


def test_without_retries_there_is_one_attempt() -> None:
    server = Flaky(9, serving_pb2.PredictResponse())

    with (
        grpc_server({"Predict": server}) as address,
        GrpcClient(address, retries=NO_RETRIES) as client,
        pytest.raises(Unavailable),
    ):
        client.predict("m", {})

    assert server.calls == 1


def test_a_reload_is_never_sent_twice(ask: Ask) -> None:
    server = Flaky(1, config_pb2.ReloadConfigResponse())

    with grpc_server({"HandleReloadConfigRequest": server}) as address, pytest.raises(Unavailable):
        ask(address, "reload", config_pb2.ModelServerConfig())

    assert server.calls == 1


def refuse(_: bytes, context: grpc.ServicerContext) -> NoReturn:
    context.set_trailing_metadata((("servable-hint", "try this"),))
    context.abort(grpc.StatusCode.NOT_FOUND, "no")


def test_a_refusal_keeps_text_and_hint(ask: Ask) -> None:
    with grpc_server({"Predict": refuse}) as address, pytest.raises(NotFound) as caught:
        ask(address, "predict", "m", {})

    assert (caught.value.message, caught.value.hint) == ("no", "try this")


def test_an_answer_that_is_no_message_is_internal(ask: Ask) -> None:
    answer = serving_pb2.ModelSpec(name="\x00\x01")  # field 1 of an answer is a map entry
    server = Recorder(serving_pb2.PredictRequest, answer)

    with (
        grpc_server({"Predict": server}) as address,
        pytest.raises(Internal, match="can not be read"),
    ):
        ask(address, "predict", "m", {})


def test_a_version_and_a_label_together_are_refused(ask: Ask) -> None:
    with pytest.raises(InvalidArgument, match="both named"):
        ask("127.0.0.1:9", "predict", "m", {}, version=1, label="stable")


@pytest.fixture
def stuck() -> Iterator[tuple[str, threading.Event]]:
    """A server that does not answer until it is told to, and when a request is there."""
    asked, go = threading.Event(), threading.Event()

    def answer(_: bytes, __: grpc.ServicerContext) -> Message:
        asked.set()
        go.wait()
        return serving_pb2.PredictResponse()

    with grpc_server({"Predict": answer}) as address:
        try:
            yield address, asked
        finally:
            go.set()


def test_the_deadline_of_a_call_replaces_the_clients(
    stuck: tuple[str, threading.Event], ask: Ask
) -> None:
    with pytest.raises(DeadlineExceeded, match=r"within 0\.05 s"):
        ask(stuck[0], "predict", "m", {}, timeout=0.05)


def test_the_server_is_told_the_deadline() -> None:
    left: list[float] = []

    def answer(_: bytes, context: grpc.ServicerContext) -> Message:
        left.append(context.time_remaining())
        return serving_pb2.PredictResponse()

    with grpc_server({"Predict": answer}) as address, GrpcClient(address) as client:
        client.predict("m", {}, timeout=1000)

    assert 60 < left[0] <= 1000


def test_a_cancelled_future_ends_the_call(stuck: tuple[str, threading.Event]) -> None:
    address, asked = stuck
    with GrpcClient(address) as client:
        running = client.future.predict("m", {})
        asked.wait()
        assert running.cancel()
        with pytest.raises(futures.CancelledError):
            running.result(60)


def test_closing_the_client_ends_futures(stuck: tuple[str, threading.Event]) -> None:
    address, asked = stuck
    client = GrpcClient(address)
    running = client.future.predict("m", {})
    asked.wait()
    client.close()
    with pytest.raises(Cancelled):
        running.result(60)


def test_many_futures_run_at_once() -> None:
    meeting = threading.Barrier(3)

    def answer(_: bytes, __: grpc.ServicerContext) -> Message:
        meeting.wait(60)  # only passed if all three are there
        return serving_pb2.PredictResponse(model_spec=spec())

    with grpc_server({"Predict": answer}) as address, GrpcClient(address) as client:
        running = [client.future.predict("m", {}) for _ in range(3)]
        assert [f.result(60).version for f in futures.as_completed(running)] == [7, 7, 7]


@pytest.mark.parametrize("owner", [GrpcClient, AsyncGrpcClient])
def test_methods_show_their_own_arguments_and_words(owner: type) -> None:
    method = vars(owner)["classify"]
    assert list(inspect.signature(method).parameters)[:3] == ["self", "model", "examples"]
    assert "classes of some examples" in method.__doc__


def test_settings_reach_the_channel() -> None:
    tls = Tls(server_name="models.example")
    target = Target("h:1", 60.0, QUICKLY, tls, keepalive=300, gzip=True)

    options = dict(target.options())
    assert options["grpc.keepalive_time_ms"] == 300_000
    assert options["grpc.ssl_target_name_override"] == "models.example"
    assert target.compression() is grpc.Compression.Gzip


def test_a_certificate_without_its_key_is_refused() -> None:
    with pytest.raises(InvalidArgument, match="only work together"):
        Tls(certificate="me.pem")


def test_a_certificate_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(NotFound, match=r"nowhere\.pem"):
        GrpcClient("h:1", tls=Tls(ca=tmp_path / "nowhere.pem"))


def test_a_file_that_is_no_certificate_is_said(tmp_path: Path) -> None:
    (tmp_path / "ca.pem").write_text("no certificate")
    with pytest.raises(InvalidArgument, match="certificates can not be used"):
        RestClient("h:1", tls=Tls(ca=tmp_path / "ca.pem"))
