"""What a file of PredictionLogs holds, told without the values."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from servable import tensors
from servable.errors import InvalidArgument
from servable.pb import framework_pb2, inference_pb2, logs_pb2, serving_pb2
from servable.recording import prediction_log, tfrecord
from servable.recording.prediction_log import Kind
from servable.recording.rotation import FINISHED, UNFINISHED, files_of_log
from servable.recording.warmup import WARMUP_FILE


@dataclass(frozen=True, slots=True)
class Summary:
    """One record.

    Attributes:
        kind: what was asked; None if nothing can be told.
        model: the name in the request.
        signature: the signature, "" for the usual one; several with commas.
        inputs: alias -> dtype and shape, as in `float [2, 3]`, or a number of examples.
        size: bytes of the record.
        seconds: when it was logged, since 1970-01-01 UTC; 0 if it does not say.
        problem: why it can not be replayed; "" if it can.
    """

    kind: Kind | None
    size: int
    model: str = ""
    signature: str = ""
    inputs: dict[str, str] = field(default_factory=dict)
    seconds: int = 0
    problem: str = ""

    @property
    def form(self) -> tuple[object, ...]:
        """What two requests have in common that make a model do the same work."""
        return self.kind, self.signature, tuple(sorted(self.inputs.items()))


def summarise(record: bytes) -> Summary:
    """Return what is to know about a record."""
    try:
        log = prediction_log.parse(record)
    except InvalidArgument as error:
        return Summary(None, len(record), problem=error.message)
    kind, seconds = prediction_log.kind_of(log), log.log_metadata.timestamp_secs
    try:
        request = prediction_log.request_of(log)
    except InvalidArgument:
        what = "an empty record" if kind is None else "no request of this kind is replayed"
        return Summary(kind, len(record), seconds=seconds, problem=what)
    specs = prediction_log.specs_of(request)
    return Summary(
        kind,
        len(record),
        model=specs[0].name if specs else "",
        signature=", ".join(spec.signature_name for spec in specs),
        inputs=_inputs(request),
        seconds=seconds,
    )


def files_of(path: Path) -> list[Path]:
    """Return the files that a path stands for, oldest first.

    A version folder stands for its warmup file, any other folder for the logs in it, and a
    log's prefix for its files, also the one that is being written.
    """
    if path.is_file():
        return [path]
    if (path / WARMUP_FILE).is_file():
        return [path / WARMUP_FILE]
    if path.is_dir():
        return sorted(f for f in path.iterdir() if f.name.endswith((FINISHED, UNFINISHED)))
    if not path.parent.is_dir():
        return []
    return files_of_log(path)


def requests_in(path: Path, model: str = "") -> Iterator[tuple[Summary, logs_pb2.PredictionLog]]:
    """Yield the records of a file that can be replayed, with no more in them than that needs.

    Args:
        model: only those for this model; "" for all.

    Raises:
        ServableError: as `tfrecord.read` does.
    """
    for record in tfrecord.read(path):
        summary = summarise(record)
        if summary.problem or (model and summary.model != model):
            continue
        log = prediction_log.parse(record)
        log.ClearField("log_metadata")
        exchange = getattr(log, str(log.WhichOneof("log_type")))
        exchange.ClearField("response")
        yield summary, log


def _inputs(request: prediction_log.Request) -> dict[str, str]:
    if isinstance(request, serving_pb2.PredictRequest):
        return {alias: _described(request.inputs[alias]) for alias in sorted(request.inputs)}
    return {"examples": str(_examples(request.input))}


def _examples(message: inference_pb2.Input) -> int:
    if message.WhichOneof("kind") == "example_list_with_context":
        return len(message.example_list_with_context.examples)
    return len(message.example_list.examples)


def _described(proto: framework_pb2.TensorProto) -> str:
    sizes = ", ".join(str(dim.size) for dim in proto.tensor_shape.dim)
    try:
        dtype = tensors.from_enum(proto.dtype).name
    except KeyError:
        dtype = f"dtype {proto.dtype}"
    return f"{dtype} [{sizes}]"
