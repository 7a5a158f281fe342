"""Requests as bytes: encoded once, before anything is measured."""

from __future__ import annotations

import urllib.parse
from collections.abc import Mapping
from dataclasses import dataclass

from servable.bench.messages import Protocol, Request
from servable.bench.settings import Body
from servable.client import grpc_calls
from servable.client.rest_json import request_body
from servable.errors import InvalidArgument
from servable.tensors import STRING, Array, Signature
from servable.wire import dense, npy

PREDICT = "/tensorflow.serving.PredictionService/Predict"

_JSON = "application/json"
_PROTOBUF = "application/x-protobuf"
_NPY = "application/x-npy"
_NPZ = "application/x-npz"
_RAW = "application/octet-stream"


@dataclass(frozen=True, slots=True)
class Form:
    """How requests for one model travel.

    Attributes:
        protocol: over what.
        body: how tensors are written over REST.
        model, version, label: which version is asked.
    """

    protocol: Protocol
    body: Body
    model: str
    version: int | None = None
    label: str | None = None

    def url(self, verb: str, signature: str = "") -> str:
        """Return the path of the URL for `predict`, `classify` or `regress`."""
        path = "/v1/models/" + urllib.parse.quote(self.model, safe="")
        if self.version is not None:
            path += f"/versions/{self.version}"
        elif self.label is not None:
            path += f"/labels/{urllib.parse.quote(self.label, safe='')}"
        query = f"?signature_name={urllib.parse.quote(signature, safe='')}" if signature else ""
        return f"{path}:{verb}{query}"


def predict(
    form: Form, name: str, signature: Signature, inputs: Mapping[str, Array], rows: int
) -> Request:
    """Return a predict request.

    Raises:
        ServableError: the inputs have no such form: strings as plain bytes, several arrays
            in one, a complex number in JSON.
    """
    if form.protocol == "grpc":
        return Request(PREDICT, b"", _message(form, name, inputs), rows, name)
    accept = ""
    match form.body:
        case "json":
            return _post(form.url("predict"), _JSON, request_body(name, inputs), rows, name)
        case "protobuf":
            kind, content = _PROTOBUF, _message(form, name, inputs)
        case "npy" if len(inputs) == 1:
            kind, content = _NPY, npy.write(*inputs.values())
            accept = _NPY if len(signature.outputs) == 1 else _NPZ
        case "npy":
            kind, content, accept = _NPZ, npy.write_archive(inputs), _NPZ
        case "raw":
            return _raw(form, name, signature, inputs, rows)
    return _post(form.url("predict", name), kind, content, rows, name, accept)


def post_json(path: str, content: bytes, rows: int, name: str) -> Request:
    """Return a request with a JSON body."""
    return _post(path, _JSON, content, rows, name)


def _raw(
    form: Form, name: str, signature: Signature, inputs: Mapping[str, Array], rows: int
) -> Request:
    if len(inputs) != 1 or any(array.dtype.hasobject for array in inputs.values()):
        raise InvalidArgument(
            "plain bytes hold one input, and no strings",
            hint="Choose --body npy, protobuf or json.",
        )
    ((alias, array),) = inputs.items()
    dtype = signature.inputs[alias].dtype if alias in signature.inputs else None
    if dtype is STRING:
        raise InvalidArgument(f"input {alias} is of strings, which have no form as plain bytes")
    shape = ",".join(map(str, array.shape))
    headers = f"X-Tensor-Name: {urllib.parse.quote(alias)}\r\nX-Tensor-Shape: {shape}\r\n"
    accept = _RAW if len(signature.outputs) == 1 else _NPZ
    content = bytes(dense.elements(array))
    return _post(form.url("predict", name), _RAW, content, rows, name, accept, headers)


def _message(form: Form, name: str, inputs: Mapping[str, Array]) -> bytes:
    call = grpc_calls.predict(
        form.model, inputs, version=form.version, label=form.label, signature=name
    )
    return call.request


def _post(
    path: str,
    kind: str,
    content: bytes,
    rows: int,
    name: str,
    accept: str = "",
    more: str = "",
) -> Request:
    headers = f"Content-Type: {kind}\r\n" + (f"Accept: {accept}\r\n" if accept else "") + more
    return Request(path, headers.encode(), content, rows, name)
