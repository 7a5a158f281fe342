"""What the generated gRPC modules have in common: a stub's and a servicer's methods."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NoReturn, TypeAlias

import grpc
from google.protobuf.message import Message

Methods: TypeAlias = Mapping[str, tuple[type[Message], type[Message]]]
"""Method name -> the messages it takes and gives."""


def attach(stub: object, channel: Any, service: str, methods: Methods) -> None:
    """Give a stub one callable for each method of a service.

    Args:
        stub: the object to set them on.
        channel: a `grpc.Channel` or a `grpc.aio.Channel`.
        service: the service's full name.
        methods: its methods.
    """
    for name, (request, answer) in methods.items():
        call = channel.unary_unary(
            f"/{service}/{name}",
            request_serializer=request.SerializeToString,
            response_deserializer=answer.FromString,
        )
        setattr(stub, name, call)


def register(servicer: object, server: Any, service: str, methods: Methods) -> None:
    """Make a `grpc.Server` or `grpc.aio.Server` answer a service with a servicer's methods."""
    handlers = {
        name: grpc.unary_unary_rpc_method_handler(
            getattr(servicer, name),
            request_deserializer=request.FromString,
            response_serializer=answer.SerializeToString,
        )
        for name, (request, answer) in methods.items()
    }
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(service, handlers),))


def unimplemented(request: Message, context: grpc.ServicerContext) -> NoReturn:
    """End a call that a servicer does not answer."""
    kind = request.DESCRIPTOR.name
    context.abort(grpc.StatusCode.UNIMPLEMENTED, f"this server does not answer a {kind}")
