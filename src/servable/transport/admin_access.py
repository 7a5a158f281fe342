"""Who may change what is served: whoever has the key, or, without one, this machine itself.

A page in a browser on this machine, and a proxy on it, come from this machine too. So
without a key requests are refused that say they were passed on, that come from a web page,
or that call the server by a name which is not this machine's. A proxy that says nothing of
the kind can not be told from a person: a server behind one needs a key.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Iterable
from dataclasses import dataclass
from urllib.parse import unquote

from servable.errors import InvalidArgument, PermissionDenied, Unauthenticated

LEAST_KEY_CHARACTERS = 16
MOST_KEY_CHARACTERS = 4096

_HERE = frozenset({"127.0.0.1", "::1", "::ffff:127.0.0.1"})
_OUR_NAMES = frozenset({"localhost", "127.0.0.1", "::1"})
_PASSED_ON = frozenset({"forwarded", "via", "x-real-ip", "origin", "sec-fetch-site"})
_PASSED_ON_PREFIXES = ("x-forwarded-", "x-envoy-")

_WITH_KEY = "Send the header authorization: Bearer KEY, with the key that the server was given."
_WITHOUT_KEY = (
    "Ask from the machine that the server runs on, without a proxy; or start it with "
    "--admin-key-file and send authorization: Bearer KEY."
)


@dataclass(frozen=True, slots=True)
class Caller:
    """Where a request comes from.

    Attributes:
        address: of the client, as the socket says; "unix" for a UNIX socket.
        headers: name in lower case -> value.
        host: the server's name as the client calls it; "" if that is not known.
    """

    address: str
    headers: dict[str, str]
    host: str = ""


class Access:
    """Decides who may change what is served. May be asked from any thread.

    Args:
        key: what callers must show; "" for none, then only this machine may.

    Raises:
        InvalidArgument: the key is too short to be one, too long, or no printable ASCII.
    """

    def __init__(self, key: str = "") -> None:
        if key and not (
            LEAST_KEY_CHARACTERS <= len(key) <= MOST_KEY_CHARACTERS
            and key.isascii()
            and key.isprintable()
            and " " not in key
        ):
            raise InvalidArgument(
                f"The admin key is no line of {LEAST_KEY_CHARACTERS} to {MOST_KEY_CHARACTERS} "
                "characters.",
                hint="Make one with: openssl rand -hex 32",
            )
        self._digest = _digest(key) if key else None

    @property
    def keyed(self) -> bool:
        """Whether there is a key."""
        return self._digest is not None

    def check(self, caller: Caller) -> None:
        """Return if the caller may change what is served.

        Raises:
            Unauthenticated: the key is not the one.
            PermissionDenied: there is no key, and the request is not surely from this machine.
        """
        if self._digest is not None:
            scheme, _, shown = caller.headers.get("authorization", "").strip().partition(" ")
            # Digests are equally long, so that the time tells nothing about the key's length.
            right = hmac.compare_digest(_digest(shown.strip()), self._digest)
            if not right or scheme.lower() != "bearer":
                raise Unauthenticated("This needs the server's admin key.", hint=_WITH_KEY)
            return
        if caller.address == "unix":
            return
        if caller.address not in _HERE or _is_passed_on(caller) or not _is_ours(caller.host):
            raise PermissionDenied(
                "Clients may not change what this server serves.", hint=_WITHOUT_KEY
            )


def grpc_caller(peer: str, metadata: Iterable[tuple[str, str | bytes]]) -> Caller:
    """Return who made a call, as gRPC tells it; `peer` such as `ipv4:127.0.0.1:40000`."""
    headers = {
        key: value if isinstance(value, str) else value.decode("latin-1") for key, value in metadata
    }
    kind, _, rest = unquote(peer).partition(":")
    if kind == "unix":
        return Caller("unix", headers)
    return Caller(rest.rpartition(":")[0].strip("[]"), headers)


def _is_passed_on(caller: Caller) -> bool:
    return any(
        name in _PASSED_ON or name.startswith(_PASSED_ON_PREFIXES) for name in caller.headers
    )


def _is_ours(host: str) -> bool:
    if not host:
        return True
    name = host[1:].partition("]")[0] if host.startswith("[") else host.partition(":")[0]
    return name.lower() in _OUR_NAMES


def _digest(text: str) -> bytes:
    return hashlib.sha256(text.encode("utf-8", "surrogateescape")).digest()
