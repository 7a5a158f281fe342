"""Messages of requests that came in another form: JSON, say, or arrays from a file."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from servable import tensor_proto
from servable.contracts import ServableId
from servable.errors import Internal
from servable.handlers.classify import CLASSIFY
from servable.handlers.examples import INPUT
from servable.handlers.regress import REGRESS
from servable.pb import raw_inference_pb2, serving_pb2
from servable.recording.prediction_log import Kind
from servable.tensors import Array, Signature
from servable.wire import inference_proto, predict_proto
from servable.wire.spec_proto import write_spec


@dataclass(frozen=True, slots=True)
class Run:
    """What was computed for a request.

    Attributes:
        name: the signature that was run.
        signature: that signature.
        inputs, outputs: alias -> array.
    """

    name: str
    signature: Signature
    inputs: Mapping[str, Array]
    outputs: Mapping[str, Array]


def messages(kind: Kind, id: ServableId, run: Run) -> tuple[bytes, bytes]:
    """Return the serialized request and response that say the same over gRPC.

    Args:
        kind: what was asked: PREDICT, CLASSIFY or REGRESS.
        id: the version that answered; the request names it.

    Raises:
        InvalidArgument: TensorFlow has no dtype for an array.
    """
    match kind:
        case Kind.PREDICT:
            request = predict_request(id, run.name, run.signature, run.inputs)
            if len(run.outputs) < len(run.signature.outputs):
                request.output_filter.extend(run.outputs)
            response = predict_proto.write_response(id, run.name, run.signature, run.outputs)
            return request.SerializeToString(), response
        case Kind.CLASSIFY:
            examples = run.inputs[INPUT].tolist()
            classes = CLASSIFY.result(run.signature, run.outputs, len(examples))
            response = inference_proto.write_classify(id, run.name, classes.labels, classes.scores)
        case Kind.REGRESS:
            examples = run.inputs[INPUT].tolist()
            values = REGRESS.result(run.signature, run.outputs, len(examples))
            response = inference_proto.write_regress(id, run.name, values)
        case _:
            raise Internal(f"There is no {kind.name} request in another form.")
    return inference_request(id, run.name, examples), response


def predict_request(
    id: ServableId, name: str, signature: Signature, inputs: Mapping[str, Array]
) -> serving_pb2.PredictRequest:
    """Return a PredictRequest.

    Raises:
        InvalidArgument: TensorFlow has no dtype for an array.
    """
    request = serving_pb2.PredictRequest()
    write_spec(request.model_spec, id, name)
    for alias, array in inputs.items():
        # The signature tells quantised dtypes from plain ones; what is there is the truth.
        dtype = signature.inputs[alias].dtype
        if dtype is not None and dtype.numpy != array.dtype:
            dtype = None
        request.inputs[alias].CopyFrom(tensor_proto.encode(array, dtype=dtype))
    return request


def inference_request(id: ServableId, name: str, examples: Sequence[bytes]) -> bytes:
    """Return a serialized ClassificationRequest, or RegressionRequest, of these tf.Examples."""
    request = raw_inference_pb2.RawInferenceRequest()
    write_spec(request.model_spec, id, name)
    input = raw_inference_pb2.RawInput()
    input.example_list.examples.extend(examples)
    request.input.append(input.SerializeToString())
    return request.SerializeToString()
