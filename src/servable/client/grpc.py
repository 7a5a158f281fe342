"""The gRPC client."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import Any, TypeVar, cast

import grpc
from google.protobuf.message import Message
from numpy.typing import ArrayLike

from servable.client.api import Metadata, Prediction, VersionState
from servable.client.arrays import tensors
from servable.client.failures import error_for
from servable.client.signatures import signatures_from_map
from servable.errors import Code, DeadlineExceeded, ServableError, Unavailable
from servable.pb import serving_pb2
from servable.tensor_proto import decode, encode

HINT_KEY = "servable-hint"
"""Trailing metadata in which our server sends an error's hint."""

_PREDICTION = "/tensorflow.serving.PredictionService/"
_MODEL = "/tensorflow.serving.ModelService/"
_UNBOUNDED = -1

AnswerT = TypeVar("AnswerT", bound=Message)


class GrpcClient:
    """A client of the gRPC API; see `Client`. May be used from many threads at once.

    Args:
        address: `host:port`.
        timeout: seconds that one request may take, connecting included.
    """

    def __init__(self, address: str, *, timeout: float = 60.0) -> None:
        self._address = address
        self._timeout = timeout
        self._channel = grpc.insecure_channel(
            address,
            options=[
                ("grpc.max_receive_message_length", _UNBOUNDED),
                ("grpc.max_send_message_length", _UNBOUNDED),
            ],
        )

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
        request = serving_pb2.PredictRequest(
            model_spec=_spec(model, version, signature),
            inputs={alias: encode(array) for alias, array in tensors(inputs).items()},
            output_filter=outputs,
        )
        answer = self._call(_PREDICTION + "Predict", request, serving_pb2.PredictResponse)
        return Prediction(
            outputs={alias: decode(proto) for alias, proto in sorted(answer.outputs.items())},
            version=answer.model_spec.version.value,
        )

    def metadata(self, model: str, *, version: int | None = None) -> Metadata:
        """Ask for the signatures of a model."""
        request = serving_pb2.GetModelMetadataRequest(
            model_spec=_spec(model, version), metadata_field=["signature_def"]
        )
        answer = self._call(
            _PREDICTION + "GetModelMetadata", request, serving_pb2.GetModelMetadataResponse
        )
        stored = serving_pb2.SignatureDefMap.FromString(answer.metadata["signature_def"].value)
        spec = answer.model_spec
        return Metadata(spec.name, spec.version.value, signatures_from_map(stored))

    def status(self, model: str, *, version: int | None = None) -> tuple[VersionState, ...]:
        """Ask for the state of every version, or of one; the highest first."""
        request = serving_pb2.GetModelStatusRequest(model_spec=_spec(model, version))
        answer = self._call(_MODEL + "GetModelStatus", request, serving_pb2.GetModelStatusResponse)
        return tuple(
            VersionState(
                version=entry.version,
                state=serving_pb2.ModelVersionStatus.State.Name(entry.state),
                code=Code(entry.status.error_code),
                message=entry.status.error_message,
            )
            for entry in answer.model_version_status
        )

    def close(self) -> None:
        """Close the connection."""
        self._channel.close()

    def __enter__(self) -> GrpcClient:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def _call(self, method: str, request: Message, answer: type[AnswerT]) -> AnswerT:
        call = self._channel.unary_unary(
            method,
            request_serializer=lambda message: message.SerializeToString(),
            response_deserializer=answer.FromString,
        )
        try:
            return cast(AnswerT, call(request, timeout=self._timeout))
        except grpc.RpcError as error:
            raise self._failure(error) from error

    def _failure(self, error: grpc.RpcError) -> ServableError:
        code = Code(error.code().value[0])
        text = error.details() or ""
        # Only grpc itself says these two; what a server says keeps its text.
        if code is Code.UNAVAILABLE and "onnect to all addresses" in text:
            return Unavailable(
                f"cannot talk to {self._address} over gRPC: no gRPC server answers there",
                hint="Is the server running, and is this its gRPC port?",
            )
        if code is Code.DEADLINE_EXCEEDED and text == "Deadline Exceeded":
            return DeadlineExceeded(
                f"no answer from {self._address} within {self._timeout:g} s",
                hint="Allow more time, or look at the server's log.",
            )
        trailing: Any = error.trailing_metadata() or ()  # pairs, whatever the stub says
        hints = [value for key, value in trailing if key == HINT_KEY]
        return error_for(code, text, *hints[:1])


def _spec(model: str, version: int | None, signature: str = "") -> serving_pb2.ModelSpec:
    spec = serving_pb2.ModelSpec(name=model, signature_name=signature)
    if version is not None:
        spec.version.value = version
    return spec
