"""Talks to a server's `/v1/admin/models`."""

from __future__ import annotations

import http.client
import json
import ssl
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import quote

from servable.client.failures import error_for_http
from servable.client.probe import split_address
from servable.errors import InvalidArgument, Unavailable

_TIMEOUT_SECONDS = 60.0
_MAX_ANSWER_BYTES = 2**26
_ROOT = "/v1/admin/models"

Models = list[dict[str, Any]]


class AdminClient:
    """Asks for changes; each returns what is served then. Nothing is asked twice.

    Every method raises ServableError: the server's own, or Unavailable where none answers.

    Args:
        address: `host:port` of the REST API.
        key: the admin key; "" for none.
        tls: whether to use TLS.
        ca: a PEM file with the authorities to trust; None for the system's.

    Raises:
        InvalidArgument: the address or the file can not be used.
    """

    def __init__(
        self, address: str, key: str = "", *, tls: bool = False, ca: Path | None = None
    ) -> None:
        self._address = address
        self._host, self._port = split_address(address)
        self._headers = {"authorization": f"Bearer {key}"} if key else {}
        self._context = None
        if tls:
            try:
                self._context = ssl.create_default_context(cafile=ca)
            except OSError as error:
                raise InvalidArgument(f"{ca} holds no certificates: {error}") from error

    def models(self) -> Models:
        """Return what is served."""
        return self._call("GET", _ROOT)

    def add(self, addition: Mapping[str, Any]) -> Models:
        """Serve one model more."""
        return self._call("POST", _ROOT, addition)

    def remove(self, name: str) -> Models:
        """Stop serving a model."""
        return self._call("DELETE", _path(name))

    def reload(self, name: str) -> Models:
        """Look for versions of a model now."""
        return self._call("POST", _path(name) + ":reload")

    def label(self, name: str, changes: Mapping[str, int | None]) -> Models:
        """Move labels of a model."""
        return self._call("POST", _path(name) + "/labels", changes)

    def direct(self, name: str, change: Mapping[str, Any]) -> Models:
        """Divide the requests to a model, or set its shadow."""
        return self._call("POST", _path(name) + "/traffic", change)

    def _call(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> Models:
        connection = self._connection()
        content = None if body is None else json.dumps(body).encode()
        try:
            connection.request(method, path, content, self._headers)
            reply = connection.getresponse()
            document = json.loads(reply.read(_MAX_ANSWER_BYTES))
        except (OSError, http.client.HTTPException) as error:
            raise Unavailable(
                f"{self._address} does not answer: {error}",
                hint="Is the server running, and is this its REST port?",
            ) from error
        except ValueError as error:
            raise self._stranger() from error
        finally:
            connection.close()
        if not isinstance(document, dict):
            raise self._stranger()
        if reply.status != http.HTTPStatus.OK:
            text, hint = str(document.get("error", "")), str(document.get("hint", ""))
            raise error_for_http(reply.status, text, hint)
        models = document.get("models")
        if not isinstance(models, list):
            raise self._stranger()
        return models

    def _connection(self) -> http.client.HTTPConnection:
        if self._context is None:
            return http.client.HTTPConnection(self._host, self._port, timeout=_TIMEOUT_SECONDS)
        return http.client.HTTPSConnection(
            self._host, self._port, timeout=_TIMEOUT_SECONDS, context=self._context
        )

    def _stranger(self) -> Unavailable:
        return Unavailable(
            f"{self._address} answers, but not as a Servable that can be changed.",
            hint="Name the REST port of `servable serve` or `servable model_server`.",
        )


def _path(name: str) -> str:
    return f"{_ROOT}/{quote(name, safe='')}"
