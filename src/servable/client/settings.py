"""How a client connects and how long it tries: plain data, the same for both protocols."""

from __future__ import annotations

import random
import ssl
from collections.abc import Iterator
from dataclasses import dataclass
from os import PathLike
from pathlib import Path

from servable.errors import InvalidArgument, NotFound

MOST_ATTEMPTS = 5
"""gRPC itself makes no more attempts than this for one call."""

_JITTER = 0.2
"""Each delay is off by up to this share, so that clients do not come back all at once."""


@dataclass(frozen=True, slots=True)
class Retries:
    """What to do when a server is UNAVAILABLE: ask again, later and later.

    Only calls that change nothing are repeated, so never a reload, and only within the
    call's timeout. A model that keeps state of its own may count a repeated request
    twice: use `NO_RETRIES` for one.

    Attributes:
        attempts: how often a call is made in all, from 1 to 5.
        first_delay: seconds before the second attempt, give or take a fifth.
        factor: how much longer each delay is than the one before.
        longest_delay: seconds that no delay exceeds, but for its fifth.
    """

    attempts: int = 3
    first_delay: float = 0.1
    factor: float = 2.0
    longest_delay: float = 2.0

    def __post_init__(self) -> None:
        if not 1 <= self.attempts <= MOST_ATTEMPTS:
            raise InvalidArgument(f"attempts must be from 1 to {MOST_ATTEMPTS}")
        if not (0 < self.first_delay <= self.longest_delay < float("inf") and self.factor >= 1):
            raise InvalidArgument(
                "delays must be positive and may not shrink",
                hint="0 < first_delay <= longest_delay, and factor >= 1.",
            )

    def delays(self) -> Iterator[float]:
        """Yield the seconds to wait before each further attempt, jitter included."""
        delay = self.first_delay
        for _ in range(self.attempts - 1):
            yield min(delay, self.longest_delay) * random.uniform(1 - _JITTER, 1 + _JITTER)
            delay *= self.factor


DEFAULT_RETRIES = Retries()
NO_RETRIES = Retries(attempts=1)


@dataclass(frozen=True, slots=True)
class Tls:
    """Transport security. `Tls()` trusts the authorities that the system trusts.

    Attributes:
        ca: PEM file of the authorities to trust instead.
        certificate: PEM file of the client's own certificate chain, for mutual TLS.
        key: PEM file of that certificate's key, without a passphrase.
        server_name: the name that the server's certificate must have, where that is not
            the host of the address (gRPC only).
    """

    ca: str | PathLike[str] | None = None
    certificate: str | PathLike[str] | None = None
    key: str | PathLike[str] | None = None
    server_name: str | None = None

    def __post_init__(self) -> None:
        if (self.certificate is None) != (self.key is None):
            raise InvalidArgument(
                "a client certificate and its key only work together",
                hint="Give both `certificate` and `key`, or neither.",
            )

    def pem(self) -> tuple[bytes | None, bytes | None, bytes | None]:
        """Return the contents of `ca`, `key` and `certificate`.

        Raises:
            NotFound: one of them can not be read.
        """
        return _read(self.ca), _read(self.key), _read(self.certificate)

    def context(self) -> ssl.SSLContext:
        """Return what Python's own sockets need.

        Raises:
            NotFound: a file can not be read.
            InvalidArgument: what a file holds is no PEM of the right kind.
        """
        self.pem()
        try:
            context = ssl.create_default_context(cafile=self.ca)
            if self.certificate is not None:
                context.load_cert_chain(self.certificate, self.key)
        except ssl.SSLError as error:
            raise InvalidArgument(
                f"the certificates can not be used: {error.reason or error}",
                hint="All three files are PEM, and the key belongs to the certificate.",
            ) from error
        return context


def _read(path: str | PathLike[str] | None) -> bytes | None:
    try:
        return None if path is None else Path(path).read_bytes()
    except OSError as error:
        raise NotFound(f"cannot read {path}: {error.strerror}") from error
