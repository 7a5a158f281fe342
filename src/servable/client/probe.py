"""Which protocol a port speaks, and the client for it."""

from __future__ import annotations

import socket
from typing import Literal

from servable.client import tls_probe
from servable.client.api import Client
from servable.client.grpc import GrpcClient
from servable.client.rest import RestClient
from servable.client.settings import DEFAULT_RETRIES, Retries, Tls
from servable.errors import InvalidArgument, Unavailable

Protocol = Literal["auto", "grpc", "rest"]

UNIX = "unix:"
"""How the address of a UNIX socket begins."""

_QUESTION = b"GET /v1/models HTTP/1.1\r\nHost: probe\r\nConnection: close\r\n\r\n"
_OTHER_VERSION = b"HTTP/1.1 505"


def connect(
    address: str,
    *,
    protocol: Protocol = "auto",
    timeout: float = 60.0,
    retries: Retries = DEFAULT_RETRIES,
    tls: Tls | None = None,
    gzip: bool = False,
) -> Client:
    """Return a client for a server's port, whichever of the two protocols it speaks.

    Args:
        address: `host:port`, `[ipv6]:port`, `http://host:port`, `https://host:port` for
            transport security, or `unix:PATH` (gRPC).
        protocol: "auto" asks the port itself.
        timeout, retries, tls, gzip: as for `GrpcClient` and `RestClient`.

    Raises:
        InvalidArgument: the address has no port.
        Unavailable: nothing answers there ("auto" only).
    """
    if address.startswith(UNIX):
        if protocol == "rest":
            raise InvalidArgument("only gRPC is spoken over UNIX sockets")
        return GrpcClient(address, timeout=timeout, retries=retries, tls=tls, gzip=gzip)
    host, port = split_address(address)
    plain = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
    if tls is None and address.startswith("https://"):
        tls = Tls()
    if protocol == "auto":
        protocol = "rest" if _speaks_http1(host, port, timeout, tls) else "grpc"
    if protocol == "rest":
        return RestClient(plain, timeout=timeout, retries=retries, tls=tls, gzip=gzip)
    return GrpcClient(plain, timeout=timeout, retries=retries, tls=tls, gzip=gzip)


def split_address(address: str) -> tuple[str, int]:
    """Return host and port of an address.

    Raises:
        InvalidArgument: it has no port, or one that is no port number.
    """
    bare = address.removeprefix("http://").removeprefix("https://")
    host, _, port = bare.rstrip("/").rpartition(":")
    if not host or not (port.isascii() and port.isdigit() and 0 < int(port) < 65536):
        raise InvalidArgument(
            f"{address!r} is not an address of the form HOST:PORT",
            hint="For example localhost:8500 for gRPC, or localhost:8501 for REST.",
        )
    return host.removeprefix("[").removesuffix("]"), int(port)


def _speaks_http1(host: str, port: int, timeout: float, tls: Tls | None) -> bool:
    """Ask one HTTP/1 question; a gRPC server answers it with an HTTP/2 frame, or status 505."""
    try:
        with socket.create_connection((host, port), timeout=timeout) as connection:
            if tls is None:
                connection.sendall(_QUESTION)
                with connection.makefile("rb") as file:
                    answer = file.read(1)
                    line = answer + file.readline() if answer == b"H" else b""
                # An HTTP/2 frame begins with the high byte of its length.
                if answer in (b"H", b"\0"):
                    return answer == b"H" and not line.startswith(_OTHER_VERSION)
            else:
                context = tls.context()
                context.set_alpn_protocols(["h2", "http/1.1"])
                name = tls.server_name or host
                with context.wrap_socket(connection, server_hostname=name) as secured:
                    return secured.selected_alpn_protocol() != "h2"
    except OSError as error:
        # Some ports that speak TLS cut off who does not, and some wait for more.
        cut_off = tls is None and isinstance(error, ConnectionResetError | TimeoutError)
        hint = tls_probe.mismatch(f"{host}:{port}", None) if cut_off else tls_probe.reason(error)
        raise Unavailable(
            f"cannot reach {host}:{port}: {error.strerror or error}",
            hint=hint or "Is the server running? Serve a model with `servable serve PATH`.",
        ) from error
    if hint := tls_probe.mismatch(f"{host}:{port}", None):
        raise Unavailable(f"cannot talk to {host}:{port} in plain text", hint=hint)
    return False
