"""Messages of Classify, Regress and MultiInference <-> tf.Examples as bytes, and arrays.

The bytes of a tf.Example are what the client's encoder made: they are not parsed here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from functools import partial
from itertools import repeat
from typing import NamedTuple

from google.protobuf.message import DecodeError

from servable.contracts import ModelSpec, ServableId
from servable.errors import Internal
from servable.pb import inference_pb2, raw_inference_pb2
from servable.tensors import Array
from servable.wire.examples import with_context
from servable.wire.spec_proto import parse, read_spec, write_spec


class InferenceMessage(NamedTuple):
    """The contents of a ClassificationRequest or RegressionRequest.

    Attributes:
        spec: which model, or None if the message does not say.
        examples: returns the serialized tf.Examples, each behind the bytes of the
            common context if there is one: protobuf takes messages that follow each
            other for one, and a feature's last value counts. Raises Internal if the
            input is no message, ResourceExhausted if it grows too much.
    """

    spec: ModelSpec | None
    examples: Callable[[], Sequence[bytes]]


class TaskMessage(NamedTuple):
    """One task of a MultiInferenceRequest; a spec that is missing is an empty one."""

    spec: ModelSpec
    method_name: str


class MultiInferenceMessage(NamedTuple):
    """The contents of a MultiInferenceRequest; `examples` as in InferenceMessage."""

    tasks: Sequence[TaskMessage]
    examples: Callable[[], Sequence[bytes]]


def read_classify(data: bytes) -> InferenceMessage:
    """Return the contents of a serialized ClassificationRequest.

    Raises:
        InvalidArgument: the bytes are no such message.
    """
    return _read(data, "tensorflow.serving.ClassificationRequest")


def read_regress(data: bytes) -> InferenceMessage:
    """Return the contents of a serialized RegressionRequest.

    Raises:
        InvalidArgument: the bytes are no such message.
    """
    return _read(data, "tensorflow.serving.RegressionRequest")


def read_multi_inference(data: bytes) -> MultiInferenceMessage:
    """Return the contents of a serialized MultiInferenceRequest.

    Raises:
        InvalidArgument: the bytes are no such message.
    """
    name = "tensorflow.serving.MultiInferenceRequest"
    request = parse(raw_inference_pb2.RawMultiInferenceRequest, data, name)
    tasks = [TaskMessage(read_spec(task.model_spec), task.method_name) for task in request.tasks]
    return MultiInferenceMessage(tasks, partial(_examples, request.input))


def write_classify(
    id: ServableId, signature_name: str, labels: Array | None, scores: Array | None
) -> bytes:
    """Return a serialized ClassificationResponse.

    Args:
        id: the version that answered.
        signature_name: the signature that was run.
        labels: bytes [examples, classes], or None for empty ones.
        scores: float32 [examples, classes], or None for zeros; not both are None.
    """
    response = raw_inference_pb2.RawClassificationResponse()
    response.result.SetInParent()
    _fill_classes(response.result, labels, scores)
    write_spec(response.model_spec, id, signature_name)
    return response.SerializeToString()


def write_regress(id: ServableId, signature_name: str, values: Array) -> bytes:
    """Return a serialized RegressionResponse of float32 [examples]."""
    response = inference_pb2.RegressionResponse()
    response.result.SetInParent()
    _fill_values(response.result, values)
    write_spec(response.model_spec, id, signature_name)
    return response.SerializeToString()


class MultiInferenceResponse:
    """A MultiInferenceResponse in the making: one result for each task, in order."""

    def __init__(self) -> None:
        self._message = raw_inference_pb2.RawMultiInferenceResponse()

    def add_classes(
        self, id: ServableId, signature_name: str, labels: Array | None, scores: Array | None
    ) -> None:
        """Add what `write_classify` writes."""
        result = self._message.results.add()
        write_spec(result.model_spec, id, signature_name)
        result.classification_result.SetInParent()
        _fill_classes(result.classification_result, labels, scores)

    def add_values(self, id: ServableId, signature_name: str, values: Array) -> None:
        """Add what `write_regress` writes."""
        result = self._message.results.add()
        write_spec(result.model_spec, id, signature_name)
        result.regression_result.SetInParent()
        _fill_values(result.regression_result, values)

    def write(self) -> bytes:
        """Return the message's bytes."""
        return self._message.SerializeToString()


def _read(data: bytes, name: str) -> InferenceMessage:
    request = parse(raw_inference_pb2.RawInferenceRequest, data, name)
    spec = read_spec(request.model_spec) if request.HasField("model_spec") else None
    return InferenceMessage(spec, partial(_examples, request.input))


def _examples(pieces: Iterable[bytes]) -> Sequence[bytes]:
    """Return the tf.Examples of an Input message that came in these pieces."""
    message = raw_inference_pb2.RawInput()
    try:
        message.ParseFromString(b"".join(pieces))
    except DecodeError:
        raise Internal(
            "Error parsing serialized input.",
            hint="The request's input is not a serialized tensorflow.serving.Input.",
        ) from None
    if message.WhichOneof("kind") != "example_list_with_context":
        return list(message.example_list.examples)
    merged = message.example_list_with_context
    return with_context(b"".join(merged.context), merged.examples)


def _fill_classes(
    message: raw_inference_pb2.RawClassificationResult, labels: Array | None, scores: Array | None
) -> None:
    label_rows = repeat(repeat(b"")) if labels is None else labels.tolist()
    score_rows = repeat(repeat(0.0)) if scores is None else scores.tolist()
    for row in zip(label_rows, score_rows, strict=False):
        classes = message.classifications.add().classes
        for label, score in zip(*row, strict=False):
            classes.add(label=label, score=score)


def _fill_values(message: inference_pb2.RegressionResult, values: Array) -> None:
    for value in values.tolist():
        message.regressions.add(value=value)
