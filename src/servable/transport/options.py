"""What can be set about the two servers, apart from where they listen."""

from __future__ import annotations

from dataclasses import dataclass

from servable.cpus import cpu_budget
from servable.errors import InvalidArgument

DEFAULT_MAX_BODY_BYTES = 2**28
"""A body may have 256 MiB, some 13 million floats. Parsed JSON of the worst kind takes 25
times the memory of its text, so the limit is below what the gRPC port takes."""

DEFAULT_MAX_QUEUED = 1000
"""Requests that wait for a thread. More of them would only wait longer than clients do."""


def default_threads() -> int:
    """Four for each CPU, since a thread that computes lets go of the interpreter; and 40 at least,
    since requests are computed together only if there are threads for that many to wait on."""
    return max(40, 4 * cpu_budget())


@dataclass(frozen=True, slots=True)
class Tls:
    """Transport security of one port; the fields are those of the peer's SSLConfig.

    Attributes:
        server_key: the private key, as PEM text, not a path. Never shown by `repr`.
        server_cert: the certificate, as PEM text; those of intermediates may follow it.
        custom_ca: certificates of who may sign clients' certificates, as PEM text.
        client_verify: refuse clients without a certificate that `custom_ca` has signed.
    """

    server_key: str
    server_cert: str
    custom_ca: str = ""
    client_verify: bool = False

    def __repr__(self) -> str:
        return f"Tls(client_verify={self.client_verify})"


@dataclass(frozen=True, slots=True)
class GrpcOptions:
    """Settings of the gRPC server.

    Attributes:
        socket_path: also listen on this UNIX socket; "" does not. The peer's
            `grpc_socket_path`.
        channel_arguments: gRPC's own settings, such as ("grpc.max_connection_age_ms",
            2000); see `parse_channel_arguments`.
        tls: for both listeners; None is plain text.
        threads: requests that run at the same time; None is `default_threads()`.
        max_queued: requests that may wait for a thread; one more is refused with
            RESOURCE_EXHAUSTED.
        message_seconds: how long a call's message may take to come; then the call is
            cancelled. None waits for ever.
        tensor_content: write the tensors of Predict answers as `tensor_content`.
        check_method_name: refuse signatures that were exported for another method.
        hints: tell clients in trailing metadata how to mend a request.
        profiler: serve `tensorflow.ProfilerService`.
        health: serve `grpc.health.v1.Health`.
        reflection: tell tools which methods and messages there are.
        reuse_port: share the port with other processes of this user; see `ports.reserve`.
    """

    socket_path: str = ""
    channel_arguments: tuple[tuple[str, int | str], ...] = ()
    tls: Tls | None = None
    threads: int | None = None
    max_queued: int = DEFAULT_MAX_QUEUED
    message_seconds: float | None = 120.0
    tensor_content: bool = False
    check_method_name: bool = False
    hints: bool = True
    profiler: bool = False
    health: bool = True
    reflection: bool = True
    reuse_port: bool = False


@dataclass(frozen=True, slots=True)
class RestOptions:
    """Settings of the REST server.

    Attributes:
        tls: None is plain text.
        threads: requests that are computed at the same time; None is `default_threads()`.
        max_queued: requests that may wait for a thread; one more is refused with 429.
        timeout_seconds: a request that waits and computes for longer is answered with
            504; None waits for ever. The peer's `rest_api_timeout_in_ms`.
        cors: let web pages of any origin call the API.
        gzip: compress answers for clients that ask for it. The peer never does.
        check_method_name: refuse signatures that were exported for another method.
        hints: put a `hint` beside the `error` of a refusal.
        metrics_path: where the peer's metrics are; "" does not show them there.
        max_body_bytes: a longer body is refused with 413.
        max_head_bytes, max_headers: a longer request head is refused with 431.
        head_seconds: how long a client may take from its first byte, or from connecting,
            to the end of a request's head.
        body_seconds: how long a client may go on without sending at least 1 KiB for each
            second of it; then it is answered with 408.
        keep_alive_seconds: how long an idle connection stays open between requests.
            Clients keep theirs in pools, and a request that meets a connection just being
            closed is lost; the shorter this is, the more often.
        max_connections: one more is answered with 503 and closed.
        reuse_port: share the port with other processes of this user; see `ports.reserve`.
    """

    tls: Tls | None = None
    threads: int | None = None
    max_queued: int = DEFAULT_MAX_QUEUED
    timeout_seconds: float | None = 30.0
    cors: bool = False
    gzip: bool = False
    check_method_name: bool = False
    hints: bool = True
    metrics_path: str = "/monitoring/prometheus/metrics"
    max_body_bytes: int = DEFAULT_MAX_BODY_BYTES
    max_head_bytes: int = 64 * 1024
    max_headers: int = 100
    head_seconds: float = 30.0
    body_seconds: float = 30.0
    keep_alive_seconds: float = 75.0
    max_connections: int = 4096
    reuse_port: bool = False


def parse_channel_arguments(text: str) -> tuple[tuple[str, int | str], ...]:
    """Read `k=v,k2=v2`; what looks like a whole number becomes one.

    Raises:
        InvalidArgument: an item has no `=`, or no name before it. The peer's behaviour
            for these is undefined.
    """
    arguments: list[tuple[str, int | str]] = []
    for item in filter(None, text.split(",")):
        name, equals, value = item.partition("=")
        if not equals or not name:
            raise InvalidArgument(
                f"{item!r} is no gRPC channel argument",
                hint="Write NAME=VALUE, several with commas: grpc.max_connection_age_ms=2000.",
            )
        arguments.append((name, _number_or_text(value)))
    return tuple(arguments)


def _number_or_text(value: str) -> int | str:
    try:
        number = int(value)
    except ValueError:
        return value
    # gRPC keeps these as C ints.
    return number if -(2**31) <= number < 2**31 else value
