"""Requests by the completion queue, to a gRPC server with answers of the test's own."""

from __future__ import annotations

import socket
import threading
from pathlib import Path

import grpc
import pytest
from predict_servers import grpc_server

from servable.bench.batch_note import BatchNote
from servable.bench.encoding import PREDICT
from servable.bench.grpc_carrier import GrpcCarrier
from servable.bench.messages import Request, Target
from servable.pb import serving_pb2

ANSWER = serving_pb2.PredictResponse(model_spec=serving_pb2.ModelSpec(name="m"))


def asked(body: bytes = b"", path: str = PREDICT) -> Request:
    return Request(path, b"", body, 1, "serving_default")


def carrier_to(address: str, timeout: float = 30) -> GrpcCarrier:
    return GrpcCarrier(Target(address, "grpc", timeout))


def test_answers_come_back_as_the_bytes_they_are() -> None:
    seen = []

    def answer(data: bytes, _context: grpc.ServicerContext) -> serving_pb2.PredictResponse:
        seen.append(data)
        return ANSWER

    with grpc_server({"Predict": answer}) as address:
        carrier = carrier_to(address)
        for number in range(5):
            carrier.send(number, asked(b"request %d" % number))
        done = [carrier.receive() for _ in range(5)]
        carrier.close()
    assert {d.slot for d in done} == {0, 1, 2, 3, 4}
    assert {(d.error, d.data) for d in done} == {("", ANSWER.SerializeToString())}
    assert sorted(seen) == [b"request %d" % number for number in range(5)]


def test_a_unix_socket_is_an_address_too(tmp_path: Path) -> None:
    with grpc_server({"Predict": lambda *_: ANSWER}, address=f"unix:{tmp_path / 's'}") as address:
        carrier = carrier_to(address)
        carrier.send(0, asked())
        assert carrier.receive().error == ""
        carrier.close()


def test_requests_are_under_way_at_the_same_time() -> None:
    together = threading.Barrier(3)

    def answer(_data: bytes, _context: grpc.ServicerContext) -> serving_pb2.PredictResponse:
        together.wait(30)
        return ANSWER

    with grpc_server({"Predict": answer}) as address:
        carrier = carrier_to(address)
        for slot in range(3):
            carrier.send(slot, asked())
        assert [carrier.receive().error for _ in range(3)] == ["", "", ""]
        carrier.close()


@pytest.mark.parametrize("code", [grpc.StatusCode.NOT_FOUND, grpc.StatusCode.RESOURCE_EXHAUSTED])
def test_an_error_has_its_code_and_what_the_server_says(code: grpc.StatusCode) -> None:
    def refuse(_data: bytes, context: grpc.ServicerContext) -> serving_pb2.PredictResponse:
        context.set_trailing_metadata((("servable-hint", "tomorrow"),))
        context.abort(code, "not today")

    with grpc_server({"Predict": refuse}) as address:
        carrier = carrier_to(address)
        carrier.send(7, asked())
        done = carrier.receive()
        assert carrier.hint(done) == "tomorrow"
        carrier.close()
    assert (done.slot, done.error, done.text, done.lost) == (7, code.name, "not today", False)


def test_where_nobody_listens_the_request_is_lost() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        address = f"127.0.0.1:{listener.getsockname()[1]}"
    carrier = carrier_to(address)
    carrier.send(0, asked())
    done = carrier.receive()
    carrier.close()
    assert (done.error, done.lost) == ("UNAVAILABLE", True)


def test_a_server_that_does_not_answer_in_time_is_an_error() -> None:
    over = threading.Event()

    def wait(_data: bytes, _context: grpc.ServicerContext) -> serving_pb2.PredictResponse:
        over.wait(30)
        return ANSWER

    with grpc_server({"Predict": wait}) as address:
        carrier = carrier_to(address, timeout=0.01)
        carrier.send(0, asked())
        assert carrier.receive().error == "DEADLINE_EXCEEDED"
        over.set()
        carrier.close()


def test_what_the_server_tells_of_batches_is_read_from_the_trailing_metadata() -> None:
    def answer(data: bytes, context: grpc.ServicerContext) -> serving_pb2.PredictResponse:
        if data:
            context.set_trailing_metadata(
                (("other", "1"), ("x-servable-batch", "queue_us=80;size=8;padded=1;reason=full"))
            )
        return ANSWER

    with grpc_server({"Predict": answer}) as address:
        carrier = carrier_to(address)
        for data, note in ((b"tell", BatchNote(80, 8, 1, "full")), (b"", None)):
            carrier.send(0, asked(data))
            assert carrier.batch_note(carrier.receive()) == note
        carrier.close()
