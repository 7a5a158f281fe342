"""Request logs: which requests are chosen, and the log of each model."""

from __future__ import annotations

import random
from collections.abc import Callable, Collection, Mapping

from servable.config.request_logs import LoggingConfig
from servable.core.clock import Clock, SystemClock
from servable.errors import Code, FailedPrecondition
from servable.pb import logs_pb2
from servable.recording.collector import Collector, Exchange, Outcome
from servable.recording.prediction_log import Kind
from servable.recording.rotation import Limits, RotatingFiles

Random = Callable[[], float]
"""Returns a number from 0 up to, and without, 1."""


class RequestLog:
    """Logs a share of the requests to the models that have this configuration. Thread-safe.

    Args:
        config: how many, and where to.
        outcome: hears what became of each request that was chosen.
        tags: the tags of the MetaGraphs that are served.
        limits: when files are finished and deleted.
    """

    def __init__(
        self,
        config: LoggingConfig,
        outcome: Outcome,
        *,
        tags: Collection[str] = (),
        limits: Limits | None = None,
        clock: Clock | None = None,
        random_number: Random = random.random,
    ) -> None:
        self.config = config
        self._tags = tuple(tags)
        self._clock = clock or SystemClock()
        self._random = random_number
        self._outcome = outcome
        files = RotatingFiles(config.filename_prefix, limits, self._clock)
        self._collector = Collector(files, self._describe, outcome)
        self._collector.start()

    def chosen(self) -> bool:
        """Draw lots for one request."""
        return self._random() < self.config.rate

    def keep(self, model: str, kind: Kind, request: bytes, response: bytes) -> None:
        """Have a request that was chosen, and its answer, written soon. Never waits or raises."""
        now = int(self._clock.wall())
        self._collector.offer(Exchange(model, kind, request, response, now))

    def drop(self, model: str, code: Code) -> None:
        """Count a request that was chosen and can not be written."""
        self._outcome(model, code)

    def stop(self) -> None:
        """Write what was kept, and finish the file."""
        self._collector.stop()

    def _describe(self, metadata: logs_pb2.LogMetadata) -> None:
        metadata.sampling_config.sampling_rate = self.config.rate
        metadata.saved_model_tags.extend(self._tags)


class RequestLogs:
    """The log of each model that has one. Thread-safe, but for one change at a time.

    Args:
        make: makes the log of a configuration.
    """

    def __init__(self, make: Callable[[LoggingConfig], RequestLog] | None = None) -> None:
        self._make = make or _uncounted
        self._logs: Mapping[LoggingConfig, RequestLog] = {}
        self._by_model: Mapping[str, RequestLog] = {}

    @property
    def active(self) -> Collection[LoggingConfig]:
        """The configurations in use."""
        return self._logs.keys()

    def of(self, model: str) -> RequestLog | None:
        """Return the log of a model. Takes no lock."""
        return self._by_model.get(model)

    def configure(self, wanted: Mapping[str, LoggingConfig]) -> None:
        """Replace which models have which log; unchanged logs go on.

        Raises:
            FailedPrecondition: a folder can not be made; then nothing changes.
        """
        for config in wanted.values():
            make_folder(config)
        before = self._logs
        self._logs = {
            config: before.get(config) or self._make(config) for config in set(wanted.values())
        }
        self._by_model = {name: self._logs[config] for name, config in wanted.items()}
        for config in before.keys() - self._logs.keys():
            before[config].stop()

    def stop(self) -> None:
        """Finish all files; nothing is logged any more."""
        self.configure({})


def _uncounted(config: LoggingConfig) -> RequestLog:
    return RequestLog(config, lambda _model, _code: None)


def make_folder(config: LoggingConfig) -> None:
    """Make the folder of a log's files if there is none.

    Raises:
        FailedPrecondition: it can not be made.
    """
    folder = config.filename_prefix.parent
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise FailedPrecondition(
            f"The folder of the request log {config.filename_prefix} can not be made: "
            f"{error.strerror or error}"
        ) from error
