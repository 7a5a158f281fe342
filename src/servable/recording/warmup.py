"""Warmup: recorded requests that a version answers before anybody else may ask it.

The rules and texts are the peer's (behaviour reference 6.1). Records run through what
answers gRPC requests, so that everything is warm that a request meets behind the socket.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter
from types import TracebackType

from servable.batching.steps import settled
from servable.contracts import Loader, Servable, ServableId, VersionStatus
from servable.errors import DataLoss, InvalidArgument, ServableError, Unimplemented
from servable.recording import prediction_log, tfrecord
from servable.recording.prediction_log import Kind
from servable.savedmodel.files import size_of
from servable.transport.grpc_services import SERVICES, Answer

log = logging.getLogger(__name__)

WARMUP_FILE = Path("assets.extra", "tf_serving_warmup_requests")
"""Where a version folder has its records."""

MOST_RECORDS = 1000

_SHOWN_BYTES = 100  # of a record that is no message

_PREDICTION = SERVICES["tensorflow.serving.PredictionService"]
_ANSWERS: Mapping[Kind, Answer] = {
    Kind.PREDICT: _PREDICTION["Predict"],
    Kind.CLASSIFY: _PREDICTION["Classify"],
    Kind.REGRESS: _PREDICTION["Regress"],
    Kind.MULTI_INFERENCE: _PREDICTION["MultiInference"],
}

Note = Callable[[str, str, int, float], None]
"""Hears of a replay: the version folder, how it ended, records read, seconds."""


class WarmingLoader:
    """A `contracts.Loader` around another one: what it has loaded is warm.

    A request that fails makes the load fail, and what was loaded is unloaded again.

    Args:
        id: the version; requests are sent to it whatever model they name.
        path: the version folder.
        loader: loads it.
        iterations: how often each record is replayed.
        note: hears of each replay.
    """

    def __init__(
        self,
        id: ServableId,
        path: Path,
        loader: Loader,
        *,
        iterations: int = 1,
        note: Note | None = None,
    ) -> None:
        self._id = id
        self._path = path
        self._loader = loader
        self._iterations = iterations
        self._note = note or _ignore

    def estimate_resources(self) -> int:
        """What the inner loader estimates."""
        return self._loader.estimate_resources()

    def load(self) -> None:
        """Load, then replay the version's records if it has any.

        Raises:
            ServableError: the version can not be loaded; its file is damaged, or is no file
                of this kind; or a request failed.
        """
        self._loader.load()
        try:
            self._warm()
        except BaseException:
            self._loader.unload()
            raise

    def unload(self) -> None:
        """Have the inner loader unload."""
        self._loader.unload()

    def servable(self) -> Servable:
        """What the inner loader has made."""
        return self._loader.servable()

    def _warm(self) -> None:
        path = self._path / WARMUP_FILE
        if not size_of(path):
            return
        began = perf_counter()
        replay = Replay(self._id, self._loader.servable(), self._iterations)
        try:
            replay.run(path)
        except ServableError as error:
            if not replay.refused:  # as the peer does
                self._tell(error.status_text, replay.records, began)
            raise
        self._tell("OK", replay.records, began)
        log.info("%s %d: %d warmup records", self._id.name, self._id.version, replay.records)

    def _tell(self, outcome: str, records: int, began: float) -> None:
        self._note(str(self._path), outcome, records, perf_counter() - began)


class Replay:
    """Sends recorded requests to a version, in order.

    Args:
        id: the version.
        servable: what it has loaded.
        iterations: how often each request is sent.

    Attributes:
        records: how many were read so far.
        refused: whether one was refused by the model.
    """

    def __init__(self, id: ServableId, servable: Servable, iterations: int = 1) -> None:
        self._version = _Only(id, servable)
        self._iterations = iterations
        self.records = 0
        self.refused = False

    def run(self, path: Path) -> None:
        """Replay every record of a file.

        Raises:
            DataLoss: the file is damaged.
            InvalidArgument: a record is no PredictionLog, or there are too many.
            Unimplemented: a record is of a kind that can not be replayed.
            ServableError: what a request was refused with.
        """
        try:
            for record in tfrecord.read(path):
                self.records += 1
                self.send(record, path)
                if self.records > MOST_RECORDS:
                    raise InvalidArgument(
                        f"Number of warmup records exceeds the maximum ({MOST_RECORDS}) at {path}"
                    )
        except DataLoss as error:
            raise DataLoss(
                f"{error.message}. Please verify your warmup data is in TFRecord format.",
                hint=f"servable warmup show {path} tells how far it can be read.",
            ) from error

    def send(self, record: bytes, path: Path) -> None:
        """Replay one record; errors name the file as where it is from.

        Raises:
            ServableError: as `run` does.
        """
        try:
            parsed = prediction_log.parse(record)
        except InvalidArgument as error:
            shown = record[:_SHOWN_BYTES].decode("utf-8", "backslashreplace")
            raise InvalidArgument(
                f"Failed to parse warmup record: {shown} from {path}", hint=error.message
            ) from error
        kind = prediction_log.kind_of(parsed)
        if kind is None:
            return
        if kind not in _ANSWERS:
            raise Unimplemented(
                f"Unsupported log_type for warmup: {kind:d}",
                hint="Record requests to predict, classify, regress or multi-inference.",
            )
        request = prediction_log.request_of(parsed)
        for spec in prediction_log.specs_of(request):
            spec.ClearField("version_choice")
            spec.name = self._version.id.name
        data = request.SerializeToString()
        try:
            for _ in range(self._iterations):
                settled(_ANSWERS[kind](self._version, data))
        except ServableError as error:
            self.refused = True
            error.hint = f"Record {self.records} of {path}. {error.hint}".rstrip()
            raise


@dataclass(frozen=True, slots=True)
class _Only:
    """A `contracts.ModelProvider` of one version, and the handle on it."""

    id: ServableId
    servable: Servable

    def acquire(self, name: str, version: int | None = None) -> _Only:  # noqa: ARG002
        return self

    def labels(self, name: str) -> Mapping[str, int]:  # noqa: ARG002
        return {}

    def status(
        self,
        name: str,  # noqa: ARG002
        version: int | None = None,  # noqa: ARG002
    ) -> Sequence[VersionStatus]:
        return []

    def names(self) -> Sequence[str]:
        return [self.id.name]

    def __enter__(self) -> _Only:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """There is nothing to give back."""


def _ignore(_path: str, _status: str, _records: int, _seconds: float) -> None:
    """Hear nothing."""
