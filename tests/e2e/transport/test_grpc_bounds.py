"""What a server bears over gRPC: too many clients, and those that give up."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Any

import grpc
import numpy as np
import pytest
from held_model import Held
from served_models import FakeModels, half_plus_two

from servable import tensor_proto
from servable.pb import serving_pb2
from servable.transport.grpc import GrpcServer
from servable.transport.options import GrpcOptions

PREDICT = "/tensorflow.serving.PredictionService/Predict"
STATUS = "/tensorflow.serving.ModelService/GetModelStatus"
REFLECT = "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo"
WATCH = "/grpc.health.v1.Health/Watch"


@pytest.fixture
def held() -> Iterator[Held]:
    held = Held()
    yield held
    held.release.set()


def predict() -> bytes:
    message = serving_pb2.PredictRequest(model_spec={"name": "m"})
    message.inputs["x"].CopyFrom(tensor_proto.encode(np.array([2], np.float32)))
    return message.SerializeToString()


class Rpc:
    def __init__(self, models: FakeModels, **options: Any) -> None:
        self.server = GrpcServer(models, "127.0.0.1", 0, GrpcOptions(**options))
        self.channel = grpc.insecure_channel(f"127.0.0.1:{self.server.start()}")
        self.predict = self.channel.unary_unary(PREDICT, None, None)

    def __enter__(self) -> Rpc:
        return self

    def __exit__(self, *_: object) -> None:
        self.channel.close()
        self.server.stop(10)


def code(error: pytest.ExceptionInfo[grpc.RpcError]) -> grpc.StatusCode:
    call: Any = error.value  # also the call, which the stubs do not know
    found: grpc.StatusCode = call.code()
    return found


def test_grpc_refuses_what_would_wait_too_long_but_answers_probes(held: Held) -> None:
    with Rpc(held.models, threads=1, max_queued=1) as rpc:
        running = rpc.predict.future(predict(), timeout=60)
        held.wait_until_entered()
        waiting = rpc.predict.future(predict(), timeout=60)
        answers = [rpc.predict.future(predict(), timeout=60) for _ in range(8)]
        for answer in answers:
            with pytest.raises(grpc.RpcError) as caught:
                answer.result()
            assert code(caught) is grpc.StatusCode.RESOURCE_EXHAUSTED
        status = serving_pb2.GetModelStatusRequest(model_spec={"name": "m"})
        assert rpc.channel.unary_unary(STATUS, None, None)(status.SerializeToString(), timeout=60)
        held.release.set()
        assert running.result()
        assert waiting.result()


def test_grpc_does_not_run_calls_that_were_cancelled(held: Held) -> None:
    with Rpc(held.models, threads=1) as rpc:
        running = rpc.predict.future(predict(), timeout=60)
        held.wait_until_entered()
        given_up = rpc.predict.future(predict(), timeout=60)
        given_up.cancel()  # type: ignore[no-untyped-call] # in the stubs
        held.release.set()
        assert running.result()
        assert rpc.predict(predict(), timeout=60)
    assert len(held.servable.fed) <= 3
    assert given_up.cancelled()


def test_a_call_without_its_message_does_not_keep_a_thread() -> None:
    with Rpc(FakeModels({"m": {1: half_plus_two()}}), threads=1, message_seconds=0.05) as rpc:
        never = threading.Event()

        def messages() -> Iterator[bytes]:
            never.wait(60)
            yield from ()

        stuck = rpc.channel.stream_unary(PREDICT, None, None).future(messages(), timeout=60)
        assert rpc.predict(predict(), timeout=60)
        with pytest.raises(grpc.RpcError) as caught:
            stuck.result()
        assert code(caught) is grpc.StatusCode.CANCELLED
        never.set()


def test_streams_that_clients_leave_open_do_not_hold_up_the_stop() -> None:
    never = threading.Event()

    def nothing() -> Iterator[bytes]:
        never.wait(60)
        yield from ()

    with Rpc(FakeModels({"m": {1: half_plus_two()}})) as rpc:
        predicting = rpc.channel.stream_unary(PREDICT, None, None).future(nothing(), timeout=600)
        reflecting = rpc.channel.stream_stream(REFLECT, None, None)(nothing(), timeout=600)
        watching: Any = rpc.channel.unary_stream(WATCH, None, None)(b"", timeout=600)
        assert next(watching)
        assert rpc.predict(predict(), timeout=60)
        rpc.server.stop(600)  # it would be as long as the grace otherwise
        assert list(watching) == []
        for call in (predicting, reflecting):
            assert call.code() is not grpc.StatusCode.OK
    never.set()


@pytest.mark.parametrize("count", [0, 2])
def test_a_call_with_no_message_or_two(count: int) -> None:
    with Rpc(FakeModels({"m": {1: half_plus_two()}})) as rpc:
        call = rpc.channel.stream_unary(PREDICT, None, None)
        if count:
            assert call(iter([predict()] * count), timeout=60)
        else:
            with pytest.raises(grpc.RpcError) as caught:
                call(iter([]), timeout=60)
            assert code(caught) is grpc.StatusCode.INVALID_ARGUMENT


def test_grpcs_own_settings_reach_it() -> None:
    arguments = (("grpc.max_receive_message_length", 10),)
    models = FakeModels({"m": {1: half_plus_two()}})
    with Rpc(models, channel_arguments=arguments) as rpc:
        with pytest.raises(grpc.RpcError) as caught:
            rpc.predict(predict(), timeout=60)
        assert code(caught) is grpc.StatusCode.RESOURCE_EXHAUSTED
