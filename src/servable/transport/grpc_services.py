"""What each gRPC method does: the bytes of a request in, those of the answer out."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import TypeAlias

from servable.batching.steps import Steps
from servable.contracts import ModelProvider
from servable.handlers.classify import CLASSIFY, Classes
from servable.handlers.examples import Examples, ExamplesCall, infer
from servable.handlers.metadata import get_metadata
from servable.handlers.multi_inference import Task, multi_inference
from servable.handlers.predict import PredictCall, predicting
from servable.handlers.regress import REGRESS
from servable.handlers.reload import ReloadCall, no_metrics, reload
from servable.handlers.status import get_status
from servable.metrics.requests import CURRENT
from servable.tensor_wire.message import Message, message
from servable.wire import inference_proto, metadata_proto, predict_proto, reload_proto, status_proto

Answer: TypeAlias = Callable[[ModelProvider, bytes], Message | Steps[Message]]
"""Answers a message, at once or in steps."""


def _predict(
    models: ModelProvider, data: bytes, *, check_method_name: bool, as_content: bool
) -> Steps[Message]:
    call = PredictCall(*predict_proto.read_request(data))
    answer = yield from predicting(models, call, check_method_name=check_method_name)
    return message(
        predict_proto.response_pieces(
            answer.id,
            answer.signature_name,
            answer.signature,
            answer.outputs,
            as_content=as_content,
        )
    )


def _classify(models: ModelProvider, data: bytes, *, check_method_name: bool) -> bytes:
    call = ExamplesCall(*inference_proto.read_classify(data))
    answer = infer(CLASSIFY, models, call, check_method_name=check_method_name)
    return inference_proto.write_classify(
        answer.id, answer.signature_name, answer.result.labels, answer.result.scores
    )


def _regress(models: ModelProvider, data: bytes, *, check_method_name: bool) -> bytes:
    call = ExamplesCall(*inference_proto.read_regress(data))
    answer = infer(REGRESS, models, call, check_method_name=check_method_name)
    return inference_proto.write_regress(answer.id, answer.signature_name, answer.result)


def _multi_inference(models: ModelProvider, data: bytes, *, check_method_name: bool) -> bytes:
    listed, examples = inference_proto.read_multi_inference(data)
    tasks = [Task(*task) for task in listed]
    counted = _Counted(examples)
    answers = multi_inference(models, tasks, counted, check_method_name=check_method_name)
    if CURRENT.observation is not None:
        CURRENT.observation.examples = counted.count
    response = inference_proto.MultiInferenceResponse()
    for answer in answers:
        id, name, result = answer.id, answer.signature_name, answer.result
        if isinstance(result, Classes):
            response.add_classes(id, name, result.labels, result.scores)
        else:
            response.add_values(id, name, result)
    return response.write()


class _Counted:
    """Examples that are counted when they are read."""

    def __init__(self, examples: Examples) -> None:
        self._examples = examples
        self.count = 0

    def __call__(self) -> Sequence[bytes]:
        examples = self._examples()
        self.count = len(examples)
        return examples


def _metadata(models: ModelProvider, data: bytes) -> bytes:
    spec, fields = metadata_proto.read_request(data)
    answer = get_metadata(models, spec, fields)
    return metadata_proto.write_response(answer.id, answer.signatures)


def _status(models: ModelProvider, data: bytes) -> bytes:
    return status_proto.write_response(get_status(models, status_proto.read_request(data)))


def _reload(models: ModelProvider, data: bytes, *, value_of: Callable[[str], int]) -> bytes:
    call = ReloadCall(*reload_proto.read_request(data))
    return reload_proto.write_response(reload(models, call, value_of))


def services(
    *,
    check_method_name: bool = False,
    as_content: bool = False,
    value_of: Callable[[str], int] = no_metrics,
) -> Mapping[str, Mapping[str, Answer]]:
    """Return service -> method -> its answer. Each may block, and raises ServableError.

    Args:
        check_method_name: refuse signatures that were exported for another method.
        as_content: write the tensors of Predict as `tensor_content`.
        value_of: returns what a metric counted so far; a reload tells how much it grew.
    """
    return {
        "tensorflow.serving.PredictionService": {
            "Classify": partial(_classify, check_method_name=check_method_name),
            "Regress": partial(_regress, check_method_name=check_method_name),
            "Predict": partial(
                _predict, check_method_name=check_method_name, as_content=as_content
            ),
            "MultiInference": partial(_multi_inference, check_method_name=check_method_name),
            "GetModelMetadata": _metadata,
        },
        "tensorflow.serving.ModelService": {
            "GetModelStatus": _status,
            "HandleReloadConfigRequest": partial(_reload, value_of=value_of),
        },
    }


SERVICES = services()
"""What `services` returns where no flag says otherwise."""
