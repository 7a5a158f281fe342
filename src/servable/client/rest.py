"""The REST client: the standard library's HTTP and the columnar JSON format."""

from __future__ import annotations

import urllib.parse
from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import Any

from numpy.typing import ArrayLike

from servable.client import examples as example_values
from servable.client.api import (
    DEFAULT_SIGNATURE,
    Classification,
    Metadata,
    Prediction,
    Regression,
    VersionState,
)
from servable.client.arrays import tensors
from servable.client.examples import ExampleLike
from servable.client.grpc_calls import check_choice
from servable.client.metadata_cache import Key, MetadataCache
from servable.client.rest_http import Http, no_answer_of_this_api
from servable.client.rest_json import Mismatch, outputs_of, request_body
from servable.client.results import classification, regression
from servable.client.settings import DEFAULT_RETRIES, Retries, Tls
from servable.client.signatures import signatures_from_json
from servable.errors import Code
from servable.tensors import Array


class RestClient:
    """A client of the REST API; see `Client`. May be used from many threads at once.

    A JSON answer names neither its dtypes nor, when there is only one, its output; the
    client learns them from the model's metadata, after the first answer. It remembers
    them for good where the request names a version, and for `metadata_seconds`
    otherwise. An answer that does not fit what is remembered is read again with fresh
    metadata.

    MultiInference and reload exist over gRPC only.

    Args:
        address: `host:port`.
        timeout: seconds that one request may take, connecting and retries included. Reading
            metadata is a request of its own.
        retries: what to do when the server is UNAVAILABLE.
        tls: None for plain text.
        gzip: compress requests. Pays where the network is slow; TensorFlow Serving
            takes at most 100 MiB that way.
        connections: how many idle connections are kept for the next requests.
        metadata_seconds: how long the outputs of the newest version, or of a label, are
            believed to stay the same.
    """

    def __init__(
        self,
        address: str,
        *,
        timeout: float = 60.0,
        retries: Retries = DEFAULT_RETRIES,
        tls: Tls | None = None,
        gzip: bool = False,
        connections: int = 8,
        metadata_seconds: float = 5.0,
    ) -> None:
        self._http = Http(
            address,
            timeout=timeout,
            retries=retries,
            tls=tls,
            gzip=gzip,
            connections=connections,
        )
        self._cache = MetadataCache(metadata_seconds)

    def predict(
        self,
        model: str,
        inputs: Mapping[str, ArrayLike],
        *,
        version: int | None = None,
        label: str | None = None,
        signature: str = "",
        outputs: Sequence[str] = (),
        timeout: float | None = None,
    ) -> Prediction:
        """Run one signature of a model; see `Client.predict`."""
        body = request_body(signature, tensors(inputs))
        path = _path(model, version, label)
        key = Key(model, version, label)
        # Before the answer: a server that is stopping still gives that, and nothing after it.
        known = self._cache.get(key) or self._learn(key, timeout)
        document = self._post(path + ":predict", body, timeout)
        try:
            return Prediction(_read(document, known, signature, outputs), version)
        except Mismatch:
            fresh = self._learn(key, timeout)  # another version may have become the newest
            return Prediction(_read(document, fresh, signature, outputs), version)

    def classify(
        self,
        model: str,
        examples: Sequence[ExampleLike],
        *,
        context: ExampleLike | None = None,
        version: int | None = None,
        label: str | None = None,
        signature: str = "",
        timeout: float | None = None,
    ) -> Classification:
        """Ask for the classes of some examples; see `Client.classify`."""
        body = example_values.request_body(signature, examples, context)
        document = self._post(_path(model, version, label) + ":classify", body, timeout)
        try:
            rows = [
                [(str(name), float(score)) for name, score in row] for row in _results(document)
            ]
        except (TypeError, ValueError) as error:
            raise no_answer_of_this_api(error) from error
        return classification(rows, version)

    def regress(
        self,
        model: str,
        examples: Sequence[ExampleLike],
        *,
        context: ExampleLike | None = None,
        version: int | None = None,
        label: str | None = None,
        signature: str = "",
        timeout: float | None = None,
    ) -> Regression:
        """Ask for one number for each example; see `Client.regress`."""
        body = example_values.request_body(signature, examples, context)
        document = self._post(_path(model, version, label) + ":regress", body, timeout)
        try:
            values = [float(value) for value in _results(document)]
        except (TypeError, ValueError) as error:
            raise no_answer_of_this_api(error) from error
        return regression(values, version)

    def metadata(
        self,
        model: str,
        *,
        version: int | None = None,
        label: str | None = None,
        timeout: float | None = None,
    ) -> Metadata:
        """Ask for the signatures of a model."""
        document: Any = self._get(_path(model, version, label) + "/metadata", timeout)
        try:
            spec = document["model_spec"]
            stored = document["metadata"]["signature_def"]
            return Metadata(spec["name"], int(spec["version"]), signatures_from_json(stored))
        except (KeyError, TypeError, ValueError) as error:
            raise no_answer_of_this_api(error) from error

    def status(
        self, model: str, *, version: int | None = None, timeout: float | None = None
    ) -> tuple[VersionState, ...]:
        """Ask for the state of every version, or of one; the highest first."""
        document: Any = self._get(_path(model, version), timeout)
        try:
            return tuple(_state(entry) for entry in document["model_version_status"])
        except (KeyError, TypeError, ValueError) as error:
            raise no_answer_of_this_api(error) from error

    def close(self) -> None:
        """Close the connections; requests that are running may finish."""
        self._http.close()

    def __enter__(self) -> RestClient:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def _learn(self, key: Key, timeout: float | None) -> Metadata:
        fresh = self.metadata(key.model, version=key.version, label=key.label, timeout=timeout)
        self._cache.put(key, fresh)
        return fresh

    def _post(self, path: str, body: bytes, timeout: float | None) -> Mapping[str, Any]:
        document = self._http.call("POST", path, body, timeout=timeout)
        if not isinstance(document, dict):
            raise no_answer_of_this_api(document)
        return document

    def _get(self, path: str, timeout: float | None) -> object:
        return self._http.call("GET", path, timeout=timeout)


def _read(
    document: Mapping[str, Any], known: Metadata, signature: str, outputs: Sequence[str]
) -> dict[str, Array]:
    found = known.signatures.get(signature or DEFAULT_SIGNATURE)
    if found is None:
        raise Mismatch(f"the model's metadata lists no signature {signature!r}")
    return outputs_of(document, found, outputs)


def _path(model: str, version: int | None, label: str | None = None) -> str:
    check_choice(version, label)
    path = "/v1/models/" + urllib.parse.quote(model, safe="")
    if version is not None:
        return f"{path}/versions/{version}"
    return path if label is None else f"{path}/labels/{urllib.parse.quote(label, safe='')}"


def _results(document: Mapping[str, Any]) -> list[Any]:
    results = document.get("results")
    if not isinstance(results, list):
        raise no_answer_of_this_api(document)
    return results


def _state(entry: Mapping[str, Any]) -> VersionState:
    status = entry["status"]
    return VersionState(
        version=int(entry["version"]),
        state=str(entry["state"]),
        code=Code[status["error_code"]],
        message=str(status["error_message"]),
    )
