"""Channel options and failures that every way of calling over gRPC shares."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any

import grpc

from servable.client import tls_probe
from servable.client.failures import error_for
from servable.client.grpc_calls import Call
from servable.client.settings import NO_RETRIES, Retries, Tls
from servable.errors import Cancelled, Code, DeadlineExceeded, ServableError, Unavailable

HINT_KEY = "servable-hint"
"""Trailing metadata in which our server sends an error's hint."""

_UNBOUNDED = -1
_FIRST_RECONNECT_MS = 100


@dataclass(frozen=True, slots=True)
class Target:
    """Where a client connects, and how.

    Attributes:
        address: `host:port` or `unix:PATH`.
        timeout: seconds that one call may take, connecting and retries included.
        retries: see `Retries`.
        tls: None for plain text.
        keepalive: seconds of silence after which the connection is checked; None never.
        gzip: compress requests, and accept compressed answers.
    """

    address: str
    timeout: float
    retries: Retries
    tls: Tls | None
    keepalive: float | None
    gzip: bool

    def options(self) -> list[tuple[str, Any]]:
        """Return the channel's options."""
        options: list[tuple[str, Any]] = [
            ("grpc.max_receive_message_length", _UNBOUNDED),
            ("grpc.max_send_message_length", _UNBOUNDED),
            # With its own retries requests of 100 kB and more were seen to hang until the
            # deadline, with grpcio 1.85. See `Attempts`.
            ("grpc.enable_retries", 0),
            # gRPC's own second is longer than all attempts together, so none would reconnect.
            ("grpc.initial_reconnect_backoff_ms", _FIRST_RECONNECT_MS),
        ]
        if self.keepalive is not None:
            options.append(("grpc.keepalive_time_ms", round(self.keepalive * 1000)))
            options.append(("grpc.keepalive_permit_without_calls", 1))
        if self.tls is not None and self.tls.server_name is not None:
            options.append(("grpc.ssl_target_name_override", self.tls.server_name))
        return options

    def credentials(self) -> grpc.ChannelCredentials | None:
        """Return what a secure channel needs, or None for an insecure one.

        Raises:
            NotFound: a file of `tls` can not be read.
        """
        return None if self.tls is None else grpc.ssl_channel_credentials(*self.tls.pem())

    def compression(self) -> grpc.Compression:
        """Return how requests are compressed."""
        return grpc.Compression.Gzip if self.gzip else grpc.Compression.NoCompression

    def failure(
        self, code: grpc.StatusCode, details: str | None, trailing: Any, timeout: float
    ) -> ServableError:
        """Return the error that a failed call stands for."""
        text = details or ""
        number = Code(code.value[0])
        # Only grpc itself says these; what a server says keeps its text.
        if number is Code.UNAVAILABLE and "onnect to all addresses" in text:
            return self._unreachable(text)
        if number is Code.DEADLINE_EXCEEDED and "Deadline Exceeded" in text:
            return DeadlineExceeded(
                f"no answer from {self.address} within {timeout:g} s",
                hint="Allow more time, or look at the server's log.",
            )
        if number is Code.CANCELLED and text in {"Channel closed!", "Channel closed."}:
            return Cancelled("the client was closed before the answer came")
        hints = [value for key, value in trailing or () if key == HINT_KEY]
        return error_for(number, text, *hints[:1])

    def explained(self, failure: ServableError) -> ServableError:
        """Return a failure, with a hint if TLS is why nobody was reached. Blocks."""
        if isinstance(failure, Unavailable) and failure.message.startswith(self._nobody):
            failure.hint = tls_probe.mismatch(self.address, self.tls) or failure.hint
        return failure

    @property
    def _nobody(self) -> str:
        """How the error begins when no server answered at all."""
        return f"cannot talk to {self.address} over gRPC"

    def _unreachable(self, text: str) -> Unavailable:
        if self.tls is not None:
            return Unavailable(
                f"{self._nobody} with TLS: {text}",
                hint="Is this its gRPC port, does it use TLS, and do the certificates match?",
            )
        return Unavailable(
            f"{self._nobody}: no gRPC server answers there",
            hint="Is the server running, and is this its gRPC port?",
        )


class Attempts:
    """How long one call still has, and whether it is made once more.

    Args:
        target: says how often and how soon.
        call: the call; one that may not be repeated is not.
    """

    def __init__(self, target: Target, call: Call[Any]) -> None:
        self.timeout = target.timeout if call.timeout is None else call.timeout
        self._end = time.monotonic() + self.timeout
        retries = target.retries if call.repeatable else NO_RETRIES
        self._delays = retries.delays()

    def left(self) -> float:
        """Return the seconds until the deadline, at least 0."""
        return max(0.0, self._end - time.monotonic())

    def delay_after(self, failure: ServableError) -> float | None:
        """Return the seconds to wait before the next attempt, or None if there is none."""
        if not isinstance(failure, Unavailable):
            return None
        delay = next(self._delays, None)
        return None if delay is None or delay >= self.left() else delay
