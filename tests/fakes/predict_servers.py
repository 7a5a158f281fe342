"""A gRPC server with answers of the test's own."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent import futures
from contextlib import contextmanager
from typing import Any

import grpc
from google.protobuf.message import Message

Answer = Callable[[bytes, grpc.ServicerContext], Message]

PREDICTION = "tensorflow.serving.PredictionService"
MODEL = "tensorflow.serving.ModelService"


@contextmanager
def grpc_server(
    answers: dict[str, Answer],
    *,
    address: str = "127.0.0.1:0",
    credentials: grpc.ServerCredentials | None = None,
) -> Iterator[str]:
    """Answer the methods named; yield the address.

    Args:
        answers: method name -> from a request's bytes to a message. The names of both
            services are known.
        address: where to listen; port 0 is any.
        credentials: for a secure port.
    """

    def method(answer: Answer) -> Any:
        return grpc.unary_unary_rpc_method_handler(
            lambda data, context: answer(data, context).SerializeToString()
        )

    server = grpc.server(futures.ThreadPoolExecutor(4))
    handlers = {name: method(answer) for name, answer in answers.items()}
    for service in (PREDICTION, MODEL):
        server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(service, handlers),))
    port = (
        server.add_insecure_port(address)
        if credentials is None
        else server.add_secure_port(address, credentials)
    )
    server.start()
    try:
        yield address if address.startswith("unix:") else f"{address.rpartition(':')[0]}:{port}"
    finally:
        server.stop(None).wait()
