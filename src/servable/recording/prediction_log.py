"""PredictionLog messages: what a warmup file and a request log hold, one in each record."""

from __future__ import annotations

import enum
from typing import TypeAlias

from google.protobuf.message import DecodeError

from servable import varint
from servable.errors import InvalidArgument
from servable.pb import inference_pb2, logs_pb2, serving_pb2

Request: TypeAlias = (
    serving_pb2.PredictRequest
    | inference_pb2.ClassificationRequest
    | inference_pb2.RegressionRequest
    | inference_pb2.MultiInferenceRequest
)


_DELIMITED = 2  # the wire type of all fields that are looked at
_MODEL_SPEC = 1


class Kind(enum.IntEnum):
    """What was asked; the value is the number of the field that holds it."""

    CLASSIFY = 2
    REGRESS = 3
    MULTI_INFERENCE = 4
    SESSION_RUN = 5
    PREDICT = 6
    PREDICT_STREAMED = 7


def encode(kind: Kind, request: bytes, response: bytes = b"") -> bytes:
    """Return a serialized PredictionLog without metadata.

    Args:
        kind: what was asked; not PREDICT_STREAMED.
        request: the serialized request.
        response: the serialized response; b"" to leave it out.
    """
    return _field(kind, _field(1, request) + (_field(2, response) if response else b""))


def with_metadata(metadata: logs_pb2.LogMetadata, log: bytes) -> bytes:
    """Return a serialized PredictionLog with metadata, of one without."""
    return _field(1, metadata.SerializeToString()) + log


def spec_in(request: bytes) -> serving_pb2.ModelSpec:
    """Return the `model_spec` of a serialized PredictRequest, past whose tensors it only skips.

    Raises:
        InvalidArgument: it is none.
    """
    pieces, offset = [], 0
    try:
        while offset < len(request):
            tag, offset = varint.read(request, offset)
            if tag & 7 != _DELIMITED:
                raise ValueError(f"a field of the wire type {tag & 7}")
            size, offset = varint.read(request, offset)
            if size > len(request) - offset:
                raise ValueError("it is cut off")
            if tag >> 3 == _MODEL_SPEC:
                pieces.append(request[offset : offset + size])
            offset += size
        return serving_pb2.ModelSpec.FromString(b"".join(pieces))
    except (ValueError, DecodeError) as error:
        raise InvalidArgument(f"The request is no PredictRequest: {error}") from None


def parse(data: bytes) -> logs_pb2.PredictionLog:
    """Return the message in a record.

    Raises:
        InvalidArgument: it is no PredictionLog.
    """
    try:
        return logs_pb2.PredictionLog.FromString(data)
    except DecodeError as error:
        raise InvalidArgument(f"The record is no PredictionLog: {error}") from None


def kind_of(log: logs_pb2.PredictionLog) -> Kind | None:
    """Return what was asked; None if nothing is set."""
    name = log.WhichOneof("log_type")
    return None if name is None else Kind[name.removesuffix("_log").upper()]


def request_of(log: logs_pb2.PredictionLog) -> Request:
    """Return the request of a log that holds one which can be asked again.

    Raises:
        InvalidArgument: the log holds none, or a session's or stream's.
    """
    match kind_of(log):
        case Kind.PREDICT:
            return log.predict_log.request
        case Kind.CLASSIFY:
            return log.classify_log.request
        case Kind.REGRESS:
            return log.regress_log.request
        case Kind.MULTI_INFERENCE:
            return log.multi_inference_log.request
        case other:
            raise InvalidArgument(f"A record of {other.name if other else 'nothing'} was not asked")


def specs_of(request: Request) -> list[serving_pb2.ModelSpec]:
    """Return the `model_spec` of a request, or those of its tasks; they may be changed."""
    if isinstance(request, inference_pb2.MultiInferenceRequest):
        return [task.model_spec for task in request.tasks]
    return [request.model_spec]


def _field(number: int, content: bytes) -> bytes:
    return varint.encode(number << 3 | _DELIMITED) + varint.encode(len(content)) + content
