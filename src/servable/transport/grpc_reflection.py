"""Server reflection: tools such as grpcurl ask a server for its methods and messages."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import grpc
from google.protobuf import descriptor_pb2
from google.protobuf.message import DecodeError

from servable.errors import Code, InvalidArgument, ResourceExhausted
from servable.pb import reflection_pb2
from servable.pb._pool import POOL
from servable.transport.grpc_calls import Handler, abort, in_pool

SERVICES = ("grpc.reflection.v1.ServerReflection", "grpc.reflection.v1alpha.ServerReflection")
"""The same messages under two names; tools try the newer one first."""

MAX_QUESTIONS = 1000
"""What one stream may ask. A tool asks once for each file, some dozen times."""

_Response = reflection_pb2.ServerReflectionResponse


class Reflection:
    """Answers questions about services. `stop` ends all streams: clients may leave them open.

    Args:
        services: full names to list, beside reflection itself.
        pool: where streams are answered, one for each thread, so it should not be where
            requests are answered.
    """

    def __init__(self, services: Sequence[str], pool: ThreadPoolExecutor) -> None:
        self._listed = sorted({*services, *SERVICES})
        self._pool = pool
        self._open: set[grpc.ServicerContext] = set()

    def handlers(self) -> dict[str, Handler]:
        """Return path -> handler."""
        handler = grpc.stream_stream_rpc_method_handler(in_pool(self._info, self._pool))
        return {f"/{service}/ServerReflectionInfo": handler for service in SERVICES}

    def stop(self) -> None:
        """Cancel the streams that are open."""
        for context in self._open.copy():
            context.cancel()  # type: ignore[no-untyped-call] # in its stubs

    def _info(self, requests: Iterator[bytes], context: grpc.ServicerContext) -> Iterator[bytes]:
        self._open.add(context)
        try:
            for count, data in enumerate(requests):
                if count == MAX_QUESTIONS:
                    abort(context, ResourceExhausted("Too many questions on one stream."))
                try:
                    request = reflection_pb2.ServerReflectionRequest.FromString(data)
                except DecodeError:
                    abort(context, InvalidArgument("This is no ServerReflectionRequest."))
                yield respond(request, self._listed).SerializeToString()
        finally:
            self._open.discard(context)


def respond(request: Any, services: Sequence[str]) -> Any:
    """Return the ServerReflectionResponse to a ServerReflectionRequest."""
    response = _Response(valid_host=request.host, original_request=request)
    try:
        match request.WhichOneof("message_request"):
            case "list_services":
                for name in services:
                    response.list_services_response.service.add(name=name)
            case "file_by_filename":
                _describe(POOL.FindFileByName(request.file_by_filename), response)
            case "file_containing_symbol":
                _describe(_containing(request.file_containing_symbol), response)
            case "all_extension_numbers_of_type":
                name = request.all_extension_numbers_of_type
                POOL.FindMessageTypeByName(name)  # there are no extensions, but is there a type?
                response.all_extension_numbers_response.base_type_name = name
            case "file_containing_extension":
                raise KeyError("no message here has extensions")
            case _:
                _fail(response, Code.INVALID_ARGUMENT, "The request asks nothing.")
    except KeyError:
        _fail(response, Code.NOT_FOUND, "There is no such file, type or service here.")
    return response


def _containing(symbol: str) -> Any:
    """Return the file that describes a type, service or method. Raises KeyError."""
    if symbol.startswith("grpc.reflection.v1alpha."):
        symbol = symbol.replace("v1alpha", "v1", 1)
    return POOL.FindFileContainingSymbol(symbol)


def _describe(file: Any, response: Any) -> None:
    """Put a file into a response and then all that it imports, what imports before what is."""
    order: dict[str, Any] = {}
    _visit(file, order)
    for described in reversed(order.values()):
        proto = descriptor_pb2.FileDescriptorProto()
        described.CopyToProto(proto)
        response.file_descriptor_response.file_descriptor_proto.append(proto.SerializeToString())


def _visit(file: Any, order: dict[str, Any]) -> None:
    for imported in file.dependencies:
        if imported.name not in order:
            _visit(imported, order)
    order[file.name] = file


def _fail(response: Any, code: Code, text: str) -> None:
    response.error_response.error_code = code.value
    response.error_response.error_message = text
