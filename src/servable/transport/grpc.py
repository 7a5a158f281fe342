"""The gRPC server: PredictionService and ModelService, bytes in and bytes out.

Messages are decoded by `wire`, not by gRPC, so that a hot message may have a codec of
its own. Each request runs on a thread of the pool: the model computes there too.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import NoReturn

import grpc

from servable.contracts import ModelProvider
from servable.errors import DeadlineExceeded, FailedPrecondition, ServableError
from servable.transport.failures import unforeseen
from servable.transport.grpc_services import SERVICES, Answer
from servable.transport.ports import listen
from servable.wire.status import ascii_line, grpc_message

log = logging.getLogger(__name__)

HINT_KEY = "servable-hint"
"""Trailing metadata that carries an error's hint, in ASCII with Python's escapes."""

_STATUS_CODES = {status.value[0]: status for status in grpc.StatusCode}

_OPTIONS = (
    ("grpc.max_receive_message_length", -1),
    ("grpc.max_send_message_length", -1),
    # With port reuse two servers would share a port and take turns answering.
    ("grpc.so_reuseport", 0),
)


class GrpcServer:
    """Serves models over gRPC, without transport security.

    Args:
        models: what is served.
        host: the address to listen on.
        port: the port; 0 for any free one.
        threads: requests that run at the same time; by default four for each CPU.
    """

    def __init__(
        self, models: ModelProvider, host: str, port: int, *, threads: int | None = None
    ) -> None:
        self._models = models
        self._host = host
        self._port = port
        self._pool = ThreadPoolExecutor(
            threads or 4 * (os.cpu_count() or 1), thread_name_prefix="grpc"
        )
        self._server = grpc.server(self._pool, options=_OPTIONS)

    def start(self) -> int:
        """Listen, and return the port. Call once.

        Raises:
            FailedPrecondition: the port is taken.
            PermissionDenied, InvalidArgument: it may not or can not be opened.
        """
        for service, methods in SERVICES.items():
            handlers = {
                method: grpc.unary_unary_rpc_method_handler(_answering(answer, self._models))
                for method, answer in methods.items()
            }
            generic = grpc.method_handlers_generic_handler(service, handlers)
            self._server.add_generic_rpc_handlers((generic,))
        # gRPC does not tell why it can not have a port; a socket does.
        listen(self._host, self._port, flag="--grpc-port").close()
        host = f"[{self._host}]" if ":" in self._host else self._host
        try:
            port = self._server.add_insecure_port(f"{host}:{self._port}")
        except RuntimeError as error:
            raise FailedPrecondition(f"port {self._port} on {self._host} was lost") from error
        self._server.start()
        return port

    def stop(self, grace_seconds: float) -> None:
        """Refuse new requests, and return when the running ones are answered or time is up."""
        self._server.stop(grace_seconds).wait()
        self._pool.shutdown(wait=False, cancel_futures=True)


def _answering(
    answer: Answer, models: ModelProvider
) -> Callable[[bytes, grpc.ServicerContext], bytes]:
    """Return a gRPC method: it answers, or ends the call with a status."""

    def method(data: bytes, context: grpc.ServicerContext) -> bytes:
        try:
            if not context.is_active() or context.time_remaining() <= 0:
                raise DeadlineExceeded("The deadline passed before the request could be run.")
            response = answer(models, data)
        except ServableError as error:
            _abort(context, error)
        except Exception as error:
            _abort(context, unforeseen("a gRPC request", error))
        log.debug("answered %d bytes with %d", len(data), len(response))
        return response

    return method


def _abort(context: grpc.ServicerContext, error: ServableError) -> NoReturn:
    log.debug("refused: %s", error.status_text)
    if error.hint:
        context.set_trailing_metadata(((HINT_KEY, ascii_line(error.hint)),))
    context.abort(_STATUS_CODES[error.code], grpc_message(error.message))
