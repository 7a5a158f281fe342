"""Recorded requests, sent again: to another model, version or protocol if need be."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from servable.bench import encoding
from servable.bench.encoding import Form
from servable.bench.messages import Request
from servable.bench.settings import Unfit
from servable.client.examples import request_body
from servable.errors import DataLoss, NotFound, ServableError
from servable.pb import inference_pb2, logs_pb2, serving_pb2
from servable.recording import tfrecord
from servable.recording.prediction_log import Kind, kind_of, request_of, specs_of
from servable.recording.prediction_log import Request as Message
from servable.recording.summary import files_of, requests_in
from servable.tensor_proto import decode
from servable.tensors import Signature

MOST_REQUESTS = 10_000
MOST_BYTES = 2**28
"""What recorded requests may take together; what comes after that is not sent."""

_METHODS: Mapping[Kind, str] = {
    Kind.PREDICT: "Predict",
    Kind.CLASSIFY: "Classify",
    Kind.REGRESS: "Regress",
    Kind.MULTI_INFERENCE: "MultiInference",
}
_DEFAULT = "serving_default"


@dataclass(frozen=True, slots=True)
class Traffic:
    """What a recording gave.

    Attributes:
        requests: in the order in which they were recorded.
        skipped: how many have no form over the protocol.
        cut: whether there were more than are taken.
    """

    requests: tuple[Request, ...]
    skipped: int
    cut: bool


def read(path: Path, form: Form, signatures: Mapping[str, Signature]) -> Traffic:
    """Return the requests in a file of PredictionLogs, or in a folder of such files.

    They go to the model and version of `form`, whatever they named, and keep their signature.

    Raises:
        NotFound: there are no such files, or no record in any.
        Unfit: nothing in them can be sent.
        ServableError: a file is damaged.
    """
    check(path)
    found: list[Request] = []
    skipped = size = 0
    for file in files_of(path):
        for log in _logs(file):
            request = _encoded(kind_of(log), request_of(log), form, signatures)
            if request is None:
                skipped += 1
                continue
            size += len(request.body)
            if len(found) == MOST_REQUESTS or (found and size > MOST_BYTES):
                return Traffic(tuple(found), skipped, True)
            found.append(request)
    if not found:
        raise Unfit(
            f"none of {skipped} recorded requests at {path} can be sent over {form.protocol}"
            if skipped
            else f"no record at {path} is a request that can be sent",
            hint="`servable warmup show` tells what a file holds. MultiInference needs gRPC.",
        )
    return Traffic(tuple(found), skipped, False)


def check(path: Path) -> None:
    """Look whether there are recorded requests, as far as the first record of each file.

    Raises:
        NotFound: there are no such files, or no record in any.
        DataLoss: a file does not begin with a record; the message names it.
    """
    begin = [_begins_with_a_record(file) for file in files_of(path)]
    if not any(begin):
        raise NotFound(
            f"no recorded requests at {path}",
            hint=f"Looked for {path.absolute()}: a file of PredictionLogs, or a folder of "
            "`servable serve --log-requests`.",
        )


def _logs(file: Path) -> Iterator[logs_pb2.PredictionLog]:
    try:
        for _, log in requests_in(file):
            yield log
    except DataLoss as error:
        raise _named(file, error) from error


def _begins_with_a_record(file: Path) -> bool:
    try:
        return next(tfrecord.read(file), None) is not None
    except ServableError as error:
        raise _named(file, error) from error


def _named(file: Path, error: ServableError) -> DataLoss:
    named = str(file) in error.message
    return DataLoss(error.message if named else f"{file}: {error.message}", hint=error.hint)


def _encoded(
    kind: Kind | None, message: Message, form: Form, signatures: Mapping[str, Signature]
) -> Request | None:
    if kind is None:
        return None
    for spec in specs_of(message):
        spec.name = form.model
        spec.ClearField("version_choice")
        if form.version is not None:
            spec.version.value = form.version
        elif form.label is not None:
            spec.version_label = form.label
    name = specs_of(message)[0].signature_name or _DEFAULT if specs_of(message) else _DEFAULT
    rows = _rows(message)
    if form.protocol == "grpc":
        path = f"/tensorflow.serving.PredictionService/{_METHODS[kind]}"
        return Request(path, b"", message.SerializeToString(), rows, name)
    if isinstance(message, serving_pb2.PredictRequest):
        inputs = {alias: decode(proto) for alias, proto in sorted(message.inputs.items())}
        signature = signatures.get(name, Signature({}, {}))
        return encoding.predict(form, name, signature, inputs, rows)
    if isinstance(message, inference_pb2.MultiInferenceRequest):
        return None
    if message.input.WhichOneof("kind") == "example_list_with_context":
        shared = message.input.example_list_with_context
        body = request_body(name, list(shared.examples), shared.context)
    else:
        body = request_body(name, list(message.input.example_list.examples), None)
    verb = "classify" if kind is Kind.CLASSIFY else "regress"
    return encoding.post_json(form.url(verb), body, rows, name)


def _rows(message: Message) -> int:
    if isinstance(message, serving_pb2.PredictRequest):
        for _, proto in sorted(message.inputs.items()):
            if proto.tensor_shape.dim:
                return int(proto.tensor_shape.dim[0].size)
        return 1
    if message.input.WhichOneof("kind") == "example_list_with_context":
        return len(message.input.example_list_with_context.examples)
    return len(message.input.example_list.examples)
