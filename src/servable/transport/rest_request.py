"""A REST request that was read completely."""

from __future__ import annotations

import zlib
from collections.abc import Mapping
from functools import lru_cache
from types import MappingProxyType
from typing import NamedTuple

from servable.contracts import ModelSpec
from servable.errors import InvalidArgument
from servable.transport.buffers import as_bytes
from servable.transport.rest_actions import LONGEST_REMEMBERED, Route

MAX_INFLATED_BYTES = 104_857_600
"""What a compressed body may grow to; the peer's limit."""

_WINDOW = {"gzip": 16 + zlib.MAX_WBITS, "deflate": zlib.MAX_WBITS}
_DAMAGED = "The body can not be decompressed."


class Request(NamedTuple):
    """A request that was read completely.

    Attributes:
        route: what it asks for.
        target: path and query, as received.
        body: as received; a long one is a bytearray, which nobody changes any more.
        gzipped: whether the body says that it is compressed.
        host: the server as the client calls it, with the scheme, for examples in hints.
        headers: the first of each name, in lower case.
        check_method_name: whether the server refuses signatures that were exported for
            another method.
    """

    route: Route
    target: str
    body: bytes | bytearray = b""
    gzipped: bool = False
    host: str = ""
    headers: Mapping[bytes, bytes] = MappingProxyType({})
    check_method_name: bool = False

    def header(self, name: bytes) -> str:
        """Return the first header of that name, "" if there is none."""
        value = self.headers.get(name)
        return "" if value is None else value.decode("utf-8", "surrogateescape")

    def text(self) -> bytes:
        """Return the body, inflated; what can not be inflated counts as empty for the peer.

        Raises:
            InvalidArgument: as above, with the peer's text for an empty body.
        """
        return self._inflated("JSON Parse error: The document is empty")

    def content(self) -> bytes:
        """Return the body of a request that the peer does not know, inflated.

        Raises:
            InvalidArgument: it can not be inflated.
        """
        if self.header(b"content-encoding").strip().lower() == "deflate":
            return _inflate(self.body, "deflate", _DAMAGED)
        return self._inflated(_DAMAGED)

    def spec(self, signature_name: str = "") -> ModelSpec:
        """Return which model is asked for, and which signature of it."""
        route = self.route
        parts = (route.name, route.version, route.label, signature_name)
        if signature_name or len(self.target) > LONGEST_REMEMBERED:
            return ModelSpec(*parts)
        return _spec(*parts)

    def _inflated(self, complaint: str) -> bytes:
        if self.gzipped:
            return _inflate(self.body, "gzip", complaint)
        return as_bytes(self.body)


_spec = lru_cache(2**8)(ModelSpec)  # to make one takes five times as long


def _inflate(body: bytes | bytearray, coding: str, complaint: str) -> bytes:
    inflater = zlib.decompressobj(wbits=_WINDOW[coding])
    try:
        text = inflater.decompress(body, MAX_INFLATED_BYTES)
    except zlib.error:
        text = b""
    if not inflater.eof:
        raise InvalidArgument(
            complaint,
            hint=f"The body says it is {coding}, but it is damaged, cut off, or inflates to more "
            f"than {MAX_INFLATED_BYTES} bytes.",
        )
    return text
