"""What sampled answers say, as arrays by name, whatever they travelled in."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from google.protobuf.message import DecodeError

from servable.bench.messages import Request
from servable.client.rest_json import outputs_of, parse
from servable.errors import Internal, ServableError
from servable.pb import inference_pb2, serving_pb2
from servable.tensor_proto import decode
from servable.tensors import Array, Signature
from servable.wire import dense, npy

_MOST_BYTES = 2**31

_Classified = inference_pb2.ClassificationResult
_Regressed = inference_pb2.RegressionResult


def read(
    request: Request, data: bytes, content_type: str, signatures: Mapping[str, Signature]
) -> dict[str, Array]:
    """Return what an answer says: outputs by alias, or `labels`, `scores` and `values`.

    Args:
        request: what it answers.
        data: the message, or the body.
        content_type: what `Carrier.content_type` said of it.
        signatures: of the model.

    Raises:
        Internal: the answer is not what the request asks for.
    """
    try:
        if request.headers:
            return _from_http(request, data, content_type, signatures.get(request.signature))
        return _from_message(request.path.rpartition("/")[2], data)
    except (DecodeError, ServableError, ValueError, TypeError, KeyError, AttributeError) as error:
        raise Internal(f"an answer can not be read: {error}") from error


def _from_http(
    request: Request, data: bytes, content_type: str, signature: Signature | None
) -> dict[str, Array]:
    kind, name, dtype, shape = (content_type.split("\n") + [""] * 4)[:4]
    outputs = {} if signature is None else signature.outputs
    match kind.partition(";")[0].strip().lower():
        case "application/x-protobuf":
            return _from_message("Predict", data)
        case "application/x-npy":
            alias = next(iter(outputs), "output")
            return {alias: npy.read(data, outputs[alias].dtype if alias in outputs else None)}
        case "application/x-npz":
            dtypes = {alias: spec.dtype for alias, spec in outputs.items()}
            return npy.read_archive(data, dtypes, _MOST_BYTES)
        case "application/octet-stream":
            array = dense.view(data, dense.read_dtype(dtype), dense.read_shape(shape))
            return {name or "output": array}
    document = parse(data)
    path = request.path.partition("?")[0]
    if path.endswith(":classify"):
        return _classes([[(label, score) for label, score in row] for row in document["results"]])
    if path.endswith(":regress"):
        return {"values": np.asarray(document["results"], np.float32)}
    if signature is None:
        return {}
    return outputs_of(document, signature, ())


def _from_message(method: str, data: bytes) -> dict[str, Array]:
    match method:
        case "Predict":
            predicted = serving_pb2.PredictResponse.FromString(data)
            return {alias: decode(proto) for alias, proto in sorted(predicted.outputs.items())}
        case "Classify":
            return _classified(inference_pb2.ClassificationResponse.FromString(data).result)
        case "Regress":
            return _regressed(inference_pb2.RegressionResponse.FromString(data).result)
    several = inference_pb2.MultiInferenceResponse.FromString(data)
    found: dict[str, Array] = {}
    for number, result in enumerate(several.results):
        one = (
            _classified(result.classification_result)
            if result.HasField("classification_result")
            else _regressed(result.regression_result)
        )
        found |= {f"{number}/{name}": array for name, array in one.items()}
    return found


def _classified(result: _Classified) -> dict[str, Array]:
    return _classes([[(c.label, c.score) for c in row.classes] for row in result.classifications])


def _regressed(result: _Regressed) -> dict[str, Array]:
    return {"values": np.array([r.value for r in result.regressions], np.float32)}


def _classes(rows: list[list[tuple[str, float]]]) -> dict[str, Array]:
    labels = [label.encode() for row in rows for label, _ in row]
    array = np.empty(len(labels), object)
    array[:] = labels
    scores = np.array([score for row in rows for _, score in row], np.float32)
    return {"labels": array, "scores": scores}
