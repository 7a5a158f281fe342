"""What each gRPC method does: the bytes of a request in, those of the answer out."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from servable.contracts import ModelProvider
from servable.handlers.metadata import get_metadata
from servable.handlers.predict import PredictCall, predict
from servable.handlers.status import get_status
from servable.wire import metadata_proto, predict_proto, status_proto

Answer = Callable[[ModelProvider, bytes], bytes]


def _predict(models: ModelProvider, data: bytes) -> bytes:
    answer = predict(models, PredictCall(*predict_proto.read_request(data)))
    return predict_proto.write_response(
        answer.id, answer.signature_name, answer.signature, answer.outputs
    )


def _metadata(models: ModelProvider, data: bytes) -> bytes:
    spec, fields = metadata_proto.read_request(data)
    answer = get_metadata(models, spec, fields)
    return metadata_proto.write_response(answer.id, answer.signatures)


def _status(models: ModelProvider, data: bytes) -> bytes:
    return status_proto.write_response(get_status(models, status_proto.read_request(data)))


SERVICES: Mapping[str, Mapping[str, Answer]] = {
    "tensorflow.serving.PredictionService": {"Predict": _predict, "GetModelMetadata": _metadata},
    "tensorflow.serving.ModelService": {"GetModelStatus": _status},
}
"""Service -> method -> its answer. Each may block, and raises ServableError."""
