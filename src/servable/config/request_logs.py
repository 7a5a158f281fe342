"""Which requests to a model are logged, and where: `logging_config`, and its rules.

TensorFlow Serving knows the message, and its open-source binary refuses every one of them.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from servable.errors import InvalidArgument, NotFound, Unimplemented
from servable.pb import config_pb2

TFRECORD = "tfrecord"
"""The one type of log: TFRecord files of PredictionLog messages."""

_WRITE = f'Write log_collector_config {{ type: "{TFRECORD}" filename_prefix: "/var/log/ranker" }}.'


@dataclass(frozen=True, slots=True)
class LoggingConfig:
    """How requests are logged. Models with equal ones share a log.

    Attributes:
        filename_prefix: what the paths of the log's files begin with.
        rate: the share of requests that is logged, 0..1.
    """

    filename_prefix: Path
    rate: float

    def __post_init__(self) -> None:
        prefix = str(self.filename_prefix)
        if not self.filename_prefix.is_absolute() or "\0" in prefix:
            raise InvalidArgument(
                f"The filename_prefix of a request log is no absolute path: {prefix!r}",
                hint='Write filename_prefix: "/var/log/servable/ranker", for files such as '
                "/var/log/servable/ranker-20260102T030405Z-000001.tfrecord.",
            )
        if not 0.0 <= self.rate <= 1.0:  # false for nan too
            raise InvalidArgument(
                f"The sampling rate of a request log is {self.rate:g}",
                hint="0 logs nothing, 0.01 one request in a hundred, 1 every one.",
            )


def read_logging(message: config_pb2.LoggingConfig) -> LoggingConfig:
    """Return what a `logging_config` says.

    Raises:
        InvalidArgument: it has no type, or a prefix or rate that can not be used.
        NotFound: its type is not known.
        Unimplemented: it has a part that only a custom build of the peer could know.
    """
    collector = message.log_collector_config
    if message.HasField("custom_logging_config"):
        raise Unimplemented(
            "There is no custom_logging_config.",
            hint=_WRITE,
        )
    if not collector.type:
        raise InvalidArgument("No request-logger-creator provided.", hint=_WRITE)
    if collector.type != TFRECORD:
        raise NotFound(
            f"Cannot find LogCollector::Factory for type: {collector.type}",
            hint=_WRITE,
        )
    return LoggingConfig(Path(collector.filename_prefix), _rate(message.sampling_config))


def _rate(sampling: config_pb2.SamplingConfig) -> float:
    """Return the rate of the first entry that applies to a task that has no number or place."""
    for entry in sampling.per_task_sampling_configs:
        if not entry.dc and not entry.HasField("task_index"):
            return entry.sampling_rate
    return sampling.sampling_rate
