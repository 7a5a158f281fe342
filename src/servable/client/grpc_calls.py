"""Each gRPC method as data: what is sent, where, and how the answer is read.

The blocking client, futures and asyncio differ only in how they carry such a call.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Generic, Literal, TypeVar

from google.protobuf.message import EncodeError, Message
from numpy.typing import ArrayLike

from servable.client.api import (
    Classification,
    Metadata,
    Prediction,
    Regression,
    VersionState,
)
from servable.client.arrays import tensors
from servable.client.examples import ExampleLike, input_message
from servable.client.results import classification, regression
from servable.client.signatures import signatures_from_map
from servable.errors import Code, InvalidArgument, ResourceExhausted
from servable.pb import config_pb2, inference_pb2, serving_pb2
from servable.tensor_proto import decode, encode

_PREDICTION_SERVICE = "tensorflow.serving.PredictionService"
_MODEL_SERVICE = "tensorflow.serving.ModelService"

T_co = TypeVar("T_co", covariant=True)


@dataclass(frozen=True, slots=True)
class Call(Generic[T_co]):
    """One request on its way.

    Attributes:
        method: the full path.
        request: the serialized message.
        read: makes the result of the answer's bytes.
        timeout: seconds, or None for the client's.
        repeatable: whether a second attempt changes nothing that the first may have done.
    """

    method: str
    request: bytes
    read: Callable[[bytes], T_co]
    timeout: float | None
    repeatable: bool = True


@dataclass(frozen=True, slots=True)
class Task:
    """One question of a multi-inference request.

    Attributes:
        kind: how the signature's outputs are to be understood.
        signature: the signature to run; "" for `serving_default`.
    """

    kind: Literal["classify", "regress"]
    signature: str = ""


def predict(
    model: str,
    inputs: Mapping[str, ArrayLike],
    *,
    version: int | None = None,
    label: str | None = None,
    signature: str = "",
    outputs: Sequence[str] = (),
    timeout: float | None = None,
) -> Call[Prediction]:
    """Run one signature of a model; see `Client.predict`."""
    request = serving_pb2.PredictRequest(
        model_spec=_spec(model, version, label, signature), output_filter=outputs
    )
    for alias, array in tensors(inputs).items():
        # The content is the array's own memory; strings are read faster one by one.
        proto = encode(array, as_content=array.dtype != object)
        request.inputs[alias].CopyFrom(proto)
    return Call(_PREDICT, _bytes(request), _prediction, timeout)


def classify(
    model: str,
    examples: Sequence[ExampleLike],
    *,
    context: ExampleLike | None = None,
    version: int | None = None,
    label: str | None = None,
    signature: str = "",
    timeout: float | None = None,
) -> Call[Classification]:
    """Ask for the classes of some examples; see `Client.classify`."""
    request = inference_pb2.ClassificationRequest(
        model_spec=_spec(model, version, label, signature), input=input_message(examples, context)
    )
    return Call(_CLASSIFY, _bytes(request), _classification, timeout)


def regress(
    model: str,
    examples: Sequence[ExampleLike],
    *,
    context: ExampleLike | None = None,
    version: int | None = None,
    label: str | None = None,
    signature: str = "",
    timeout: float | None = None,
) -> Call[Regression]:
    """Ask for one number for each example; see `Client.regress`."""
    request = inference_pb2.RegressionRequest(
        model_spec=_spec(model, version, label, signature), input=input_message(examples, context)
    )
    return Call(_REGRESS, _bytes(request), _regression, timeout)


def multi_inference(
    model: str,
    tasks: Sequence[Task],
    examples: Sequence[ExampleLike],
    *,
    context: ExampleLike | None = None,
    version: int | None = None,
    label: str | None = None,
    timeout: float | None = None,
) -> Call[tuple[Classification | Regression, ...]]:
    """Put several questions about the same examples to one version, which runs once.

    Args:
        model: the model's name on the server.
        tasks: the questions, each with a signature of its own; the answers come in
            the same order.
        examples, context, version, label, timeout: as for `Client.classify`.
    """
    request = inference_pb2.MultiInferenceRequest(input=input_message(examples, context))
    for task in tasks:
        request.tasks.add(
            model_spec=_spec(model, version, label, task.signature),
            method_name=f"tensorflow/serving/{task.kind}",
        )
    return Call(_MULTI_INFERENCE, _bytes(request), _multi_inference, timeout)


def metadata(
    model: str,
    *,
    version: int | None = None,
    label: str | None = None,
    timeout: float | None = None,
) -> Call[Metadata]:
    """Ask for the signatures of a model."""
    request = serving_pb2.GetModelMetadataRequest(
        model_spec=_spec(model, version, label), metadata_field=["signature_def"]
    )
    return Call(_METADATA, _bytes(request), _metadata, timeout)


def status(
    model: str, *, version: int | None = None, timeout: float | None = None
) -> Call[tuple[VersionState, ...]]:
    """Ask for the state of every version, or of one; the highest first.

    Takes no label: TensorFlow Serving ignores one here and lists every version.
    """
    request = serving_pb2.GetModelStatusRequest(model_spec=_spec(model, version))
    return Call(_STATUS, _bytes(request), _status, timeout)


def reload(
    config: config_pb2.ModelServerConfig,
    *,
    metrics: Sequence[str] = (),
    timeout: float | None = None,
) -> Call[Mapping[str, int]]:
    """Replace the list of models that the server serves; what is not listed is unloaded.

    Returns when the new models are ready or one of them failed. Is never retried.

    Args:
        config: the complete list.
        metrics: names of counters; the answer says by how much each one grew.
        timeout: seconds; loading counts.
    """
    request = config_pb2.ReloadConfigRequest(config=config, metric_names=metrics)
    return Call(_RELOAD, _bytes(request), _reload, timeout, repeatable=False)


_PREDICT = f"/{_PREDICTION_SERVICE}/Predict"
_CLASSIFY = f"/{_PREDICTION_SERVICE}/Classify"
_REGRESS = f"/{_PREDICTION_SERVICE}/Regress"
_MULTI_INFERENCE = f"/{_PREDICTION_SERVICE}/MultiInference"
_METADATA = f"/{_PREDICTION_SERVICE}/GetModelMetadata"
_STATUS = f"/{_MODEL_SERVICE}/GetModelStatus"
_RELOAD = f"/{_MODEL_SERVICE}/HandleReloadConfigRequest"


def _spec(
    model: str, version: int | None, label: str | None = None, signature: str = ""
) -> serving_pb2.ModelSpec:
    check_choice(version, label)
    spec = serving_pb2.ModelSpec(name=model, signature_name=signature)
    if version is not None:
        spec.version.value = version
    if label is not None:
        spec.version_label = label
    return spec


def check_choice(version: int | None, label: str | None) -> None:
    """Refuse a request that names a version and a label.

    Raises:
        InvalidArgument: it names both.
    """
    if version is not None and label is not None:
        raise InvalidArgument(
            f"version {version} and label {label!r} are both named",
            hint="Name one of them, or neither for the newest version.",
        )


def _bytes(request: Message) -> bytes:
    try:
        return request.SerializeToString()
    except EncodeError as error:
        raise ResourceExhausted(
            f"the request is larger than a message may be: {error}",
            hint="Send fewer rows at once; 2 GiB is the most.",
        ) from error


def _prediction(data: bytes) -> Prediction:
    answer = serving_pb2.PredictResponse.FromString(data)
    return Prediction(
        outputs={alias: decode(proto) for alias, proto in sorted(answer.outputs.items())},
        version=answer.model_spec.version.value,
    )


def _classification(data: bytes) -> Classification:
    answer = inference_pb2.ClassificationResponse.FromString(data)
    return _classified(answer.result, answer.model_spec)


def _regression(data: bytes) -> Regression:
    answer = inference_pb2.RegressionResponse.FromString(data)
    return _regressed(answer.result, answer.model_spec)


def _multi_inference(data: bytes) -> tuple[Classification | Regression, ...]:
    answer = inference_pb2.MultiInferenceResponse.FromString(data)
    return tuple(
        _classified(result.classification_result, result.model_spec)
        if result.HasField("classification_result")
        else _regressed(result.regression_result, result.model_spec)
        for result in answer.results
    )


def _classified(
    result: inference_pb2.ClassificationResult, spec: serving_pb2.ModelSpec
) -> Classification:
    rows = [[(c.label, c.score) for c in row.classes] for row in result.classifications]
    return classification(rows, spec.version.value)


def _regressed(result: inference_pb2.RegressionResult, spec: serving_pb2.ModelSpec) -> Regression:
    return regression([r.value for r in result.regressions], spec.version.value)


def _metadata(data: bytes) -> Metadata:
    answer = serving_pb2.GetModelMetadataResponse.FromString(data)
    stored = serving_pb2.SignatureDefMap.FromString(answer.metadata["signature_def"].value)
    spec = answer.model_spec
    return Metadata(spec.name, spec.version.value, signatures_from_map(stored))


def _status(data: bytes) -> tuple[VersionState, ...]:
    answer = serving_pb2.GetModelStatusResponse.FromString(data)
    return tuple(
        VersionState(
            version=entry.version,
            state=serving_pb2.ModelVersionStatus.State.Name(entry.state),
            code=Code(entry.status.error_code),
            message=entry.status.error_message,
        )
        for entry in answer.model_version_status
    )


def _reload(data: bytes) -> Mapping[str, int]:
    answer = config_pb2.ReloadConfigResponse.FromString(data)
    return {metric.name: metric.int64_value_increase for metric in answer.metric}
