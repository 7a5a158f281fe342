"""The REST client: the standard library's HTTP and the columnar JSON format."""

from __future__ import annotations

import http.client
import urllib.parse
from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import Any

from numpy.typing import ArrayLike

from servable.client.api import DEFAULT_SIGNATURE, Metadata, Prediction, VersionState
from servable.client.arrays import tensors
from servable.client.failures import error_for_http
from servable.client.rest_json import outputs_of, parse, request_body
from servable.client.signatures import signatures_from_json
from servable.errors import Code, DeadlineExceeded, FailedPrecondition, Internal, Unavailable


class RestClient:
    """A client of the REST API over one kept-alive connection; see `Client`.

    Not for use from several threads at once: make one for each.

    A JSON answer names neither its dtypes nor, when there is only one, its
    output; the client learns them from the model's metadata. It remembers them
    for a version that is named, and asks again before each request otherwise,
    since the newest version may have changed.

    Args:
        address: `host:port`.
        timeout: seconds to wait for the server at each step of a request: to connect,
            to take in more of the request, to give out more of the answer.
    """

    def __init__(self, address: str, *, timeout: float = 60.0) -> None:
        self._address = address
        self._timeout = timeout
        self._connection = http.client.HTTPConnection(address, timeout=timeout)
        self._metadata: dict[tuple[str, int], Metadata] = {}

    def predict(
        self,
        model: str,
        inputs: Mapping[str, ArrayLike],
        *,
        version: int | None = None,
        signature: str = "",
        outputs: Sequence[str] = (),
    ) -> Prediction:
        """Run one signature of a model; see `Client.predict`."""
        metadata = self._remembered(model, version)
        chosen = metadata.signatures.get(signature or DEFAULT_SIGNATURE)
        body = request_body(signature, tensors(inputs))
        document = self._call("POST", _path(model, version) + ":predict", body)
        if chosen is None:
            raise FailedPrecondition(f"the model's metadata lists no signature {signature!r}")
        return Prediction(outputs_of(document, chosen, outputs), version)

    def metadata(self, model: str, *, version: int | None = None) -> Metadata:
        """Ask for the signatures of a model."""
        document = self._call("GET", _path(model, version) + "/metadata")
        try:
            spec = document["model_spec"]
            stored = document["metadata"]["signature_def"]
            return Metadata(spec["name"], int(spec["version"]), signatures_from_json(stored))
        except (KeyError, TypeError, ValueError) as error:
            raise _no_answer_of_this_api(error) from error

    def status(self, model: str, *, version: int | None = None) -> tuple[VersionState, ...]:
        """Ask for the state of every version, or of one; the highest first."""
        document = self._call("GET", _path(model, version))
        try:
            return tuple(_state(entry) for entry in document["model_version_status"])
        except (KeyError, TypeError, ValueError) as error:
            raise _no_answer_of_this_api(error) from error

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()

    def __enter__(self) -> RestClient:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def _remembered(self, model: str, version: int | None) -> Metadata:
        if version is None:
            return self.metadata(model)
        key = (model, version)
        if key not in self._metadata:
            self._metadata[key] = self.metadata(model, version=version)
        return self._metadata[key]

    def _call(self, method: str, path: str, body: bytes | None = None) -> Any:
        status, content = self._exchange(method, path, body)
        document = parse(content)
        if status == http.HTTPStatus.OK:
            return document
        if not isinstance(document, dict):
            raise _no_answer_of_this_api(document)
        raise error_for_http(status, str(document.get("error", "")), str(document.get("hint", "")))

    def _exchange(self, method: str, path: str, body: bytes | None) -> tuple[int, bytes]:
        # A server may close a connection that was idle. Nothing has been answered then,
        # and asking once more on a new connection is safe: no call here changes anything.
        reused = self._connection.sock is not None
        try:
            return self._send(method, path, body)
        except (http.client.RemoteDisconnected, BrokenPipeError, ConnectionResetError) as error:
            self._connection.close()
            if not reused:
                raise self._unreachable(error) from error
        except TimeoutError as error:
            self._connection.close()
            raise DeadlineExceeded(
                f"no answer from {self._address} within {self._timeout:g} s",
                hint="Allow more time, or look at the server's log.",
            ) from error
        except http.client.HTTPException as error:
            self._connection.close()
            raise self._unreachable("what answers there does not speak HTTP/1.1") from error
        except OSError as error:
            self._connection.close()
            raise self._unreachable(error) from error
        return self._exchange(method, path, body)

    def _send(self, method: str, path: str, body: bytes | None) -> tuple[int, bytes]:
        self._connection.request(method, path, body, {"Content-Type": "application/json"})
        response = self._connection.getresponse()
        return response.status, response.read()

    def _unreachable(self, why: object) -> Unavailable:
        return Unavailable(
            f"cannot talk to {self._address} over REST: {why}",
            hint="Is the server running, and is this its REST port?",
        )


def _path(model: str, version: int | None) -> str:
    path = "/v1/models/" + urllib.parse.quote(model, safe="")
    return path if version is None else f"{path}/versions/{version}"


def _state(entry: Mapping[str, Any]) -> VersionState:
    status = entry["status"]
    return VersionState(
        version=int(entry["version"]),
        state=str(entry["state"]),
        code=Code[status["error_code"]],
        message=str(status["error_message"]),
    )


def _no_answer_of_this_api(detail: object) -> Internal:
    return Internal(
        f"the server's answer is not one of the predict API: {detail!r}",
        hint="Is this address a server that speaks TensorFlow Serving's REST API?",
    )
