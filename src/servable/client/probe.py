"""Which protocol a port speaks, and the client for it."""

from __future__ import annotations

import socket
from typing import Literal

from servable.client.api import Client
from servable.client.grpc import GrpcClient
from servable.client.rest import RestClient
from servable.errors import InvalidArgument, Unavailable

Protocol = Literal["auto", "grpc", "rest"]

_QUESTION = b"GET /v1/models HTTP/1.1\r\nHost: probe\r\nConnection: close\r\n\r\n"


def connect(address: str, *, protocol: Protocol = "auto", timeout: float = 60.0) -> Client:
    """Return a client for a server's port, whichever of the two protocols it speaks.

    Args:
        address: `host:port`, `[ipv6]:port` or `http://host:port`.
        protocol: "auto" asks the port itself.
        timeout: seconds that one request may take.

    Raises:
        InvalidArgument: the address has no port.
        Unavailable: nothing answers there ("auto" only).
    """
    host, port = split_address(address)
    plain = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
    if protocol == "auto":
        protocol = "rest" if _speaks_http1(host, port, timeout) else "grpc"
    return (RestClient if protocol == "rest" else GrpcClient)(plain, timeout=timeout)


def split_address(address: str) -> tuple[str, int]:
    """Return host and port of an address.

    Raises:
        InvalidArgument: it has no port, or one that is no port number.
    """
    host, _, port = address.removeprefix("http://").rstrip("/").rpartition(":")
    if not host or not (port.isascii() and port.isdigit() and 0 < int(port) < 65536):
        raise InvalidArgument(
            f"{address!r} is not an address of the form HOST:PORT",
            hint="For example localhost:8500 for gRPC, or localhost:8501 for REST.",
        )
    return host.removeprefix("[").removesuffix("]"), int(port)


def _speaks_http1(host: str, port: int, timeout: float) -> bool:
    """Ask one HTTP/1 question; a gRPC server answers it with an HTTP/2 frame."""
    try:
        with socket.create_connection((host, port), timeout=timeout) as connection:
            connection.sendall(_QUESTION)
            return connection.recv(1) == b"H"
    except OSError as error:
        raise Unavailable(
            f"cannot reach {host}:{port}: {error.strerror or error}",
            hint="Is the server running? Serve a model with `servable serve PATH`.",
        ) from error
