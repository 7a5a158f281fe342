"""What a connection may do, from gRPC's own settings."""

from __future__ import annotations

import logging
import math
from collections.abc import Sequence
from dataclasses import dataclass

log = logging.getLogger(__name__)

_PREFIX = "grpc."


@dataclass(frozen=True, slots=True)
class Bounds:
    """Bounds of each connection; times in seconds. Names are those of gRPC's settings.

    Attributes:
        max_concurrent_streams: calls that a connection may have at once; further ones are
            refused, which clients that keep the rules of HTTP/2 wait to avoid.
        max_metadata_size: bytes of a call's metadata, with 32 more for each entry.
        max_receive_message_length, max_send_message_length: bytes of a message.
        max_connection_age: after it a client is told to connect anew; its calls go on.
        max_connection_age_grace: how long they may.
        max_connection_idle: a connection without calls for as long is closed.
        keepalive_time: a client is asked whether it lives when nothing came for so long.
        keepalive_timeout: how long it may take to say so.
    """

    max_concurrent_streams: int = 1024
    max_metadata_size: int = 2**14
    max_receive_message_length: float = math.inf
    max_send_message_length: float = math.inf
    max_connection_age: float = math.inf
    max_connection_age_grace: float = math.inf
    max_connection_idle: float = math.inf
    keepalive_time: float = 7200.0
    keepalive_timeout: float = 20.0


_COUNTS = ("max_concurrent_streams", "max_metadata_size")
_LENGTHS = ("max_receive_message_length", "max_send_message_length")
_TIMES = (
    *("max_connection_age", "max_connection_age_grace", "max_connection_idle"),
    *("keepalive_time", "keepalive_timeout"),
)
_NEVER_MS = 2**31 - 1


def from_arguments(arguments: Sequence[tuple[str, int | str]]) -> Bounds:
    """Return the bounds that gRPC's settings ask for, such as ("grpc.max_connection_age_ms", 2000).

    Later ones win. Settings that are about other things change nothing, as with gRPC; the log
    names them.
    """
    found: dict[str, float] = {}
    for key, value in arguments:
        name = key.removeprefix(_PREFIX)
        of_time = name.removesuffix("_ms")
        if isinstance(value, int) and key.startswith(_PREFIX):
            if name in _COUNTS and value > 0:
                found[name] = value
                continue
            if name in _LENGTHS:
                found[name] = value if value >= 0 else math.inf
                continue
            if name != of_time and of_time in _TIMES and value > 0:
                found[of_time] = value / 1000 if value < _NEVER_MS else math.inf
                continue
        log.warning("the channel argument %s=%s changes nothing here", key, value)
    return Bounds(**found)  # type: ignore[arg-type] # counts are whole numbers
