"""Server reflection: tools such as grpcurl ask a server for its methods and messages."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from google.protobuf import descriptor_pb2
from google.protobuf.message import DecodeError

from servable.errors import Code, InvalidArgument, ResourceExhausted
from servable.pb import reflection_pb2
from servable.pb._pool import POOL
from servable.transport.grpc_call import Answered, refused
from servable.transport.grpc_stream import GrpcStream, Inlet, Method

SERVICES = ("grpc.reflection.v1.ServerReflection", "grpc.reflection.v1alpha.ServerReflection")
"""The same messages under two names; tools try the newer one first."""

MAX_QUESTIONS = 1000
"""What one stream may ask. A tool asks once for each file, some dozen times."""

_Response = reflection_pb2.ServerReflectionResponse


class Reflection:
    """Answers questions about services, on the event loop's thread.

    `stop` ends all streams: clients may leave them open.

    Args:
        services: full names to list, beside reflection itself.
    """

    def __init__(self, services: Sequence[str]) -> None:
        self._listed = sorted({*services, *SERVICES})
        self._open: set[_Questions] = set()

    def methods(self) -> dict[str, Method]:
        """Return path -> method."""
        return {f"/{service}/ServerReflectionInfo": self._info for service in SERVICES}

    def stop(self) -> None:
        """Cancel the streams that are open."""
        for questions in self._open.copy():
            questions.stream.cancel()

    def _info(self, stream: GrpcStream) -> Inlet:
        questions = _Questions(stream, self._listed)
        stream.awaits = False  # it may ask when it likes
        self._open.add(questions)
        stream.call.add_callback(lambda: self._open.discard(questions))
        return questions


class _Questions:
    """One stream of them."""

    def __init__(self, stream: GrpcStream, listed: Sequence[str]) -> None:
        self.stream = stream
        self._listed = listed
        self._count = 0

    def message(self, data: bytes) -> None:
        self._count += 1
        if self._count > MAX_QUESTIONS:
            self.stream.end(refused(ResourceExhausted("Too many questions on one stream.")))
            return
        try:
            request = reflection_pb2.ServerReflectionRequest.FromString(data)
        except DecodeError:
            self.stream.end(refused(InvalidArgument("This is no ServerReflectionRequest.")))
            return
        self.stream.send(respond(request, self._listed).SerializeToString())

    def half_close(self) -> None:
        self.stream.end(Answered(None))


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
