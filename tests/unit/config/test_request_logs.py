"""`logging_config`: what is taken, and what is refused with the peer's texts."""

from __future__ import annotations

from pathlib import Path

import pytest
from google.protobuf import text_format

from servable.config.request_logs import LoggingConfig, read_logging
from servable.errors import InvalidArgument, NotFound, ServableError, Unimplemented
from servable.pb import config_pb2
from servable.pb._pool import POOL

COLLECTOR = 'log_collector_config { type: "tfrecord" filename_prefix: "/logs/m" }'


def read(text: str) -> LoggingConfig:
    message = config_pb2.LoggingConfig()
    text_format.Parse(text, message, descriptor_pool=POOL)
    return read_logging(message)


@pytest.mark.parametrize(
    ("sampling", "rate"),
    [
        ("", 0.0),
        ("sampling_config { sampling_rate: 0.25 }", 0.25),
        ("sampling_config { sampling_rate: 0.25 attributes: 3 }", 0.25),
        (
            "sampling_config { sampling_rate: 0.25 per_task_sampling_configs { dc: 'a' "
            "sampling_rate: 1 } per_task_sampling_configs { task_index: 0 sampling_rate: 1 } }",
            0.25,
        ),
        (
            "sampling_config { sampling_rate: 0.25 per_task_sampling_configs { sampling_rate: 0.5 }"
            " per_task_sampling_configs { sampling_rate: 1 } }",
            0.5,
        ),
    ],
)
def test_the_first_rate_that_applies_counts(sampling: str, rate: float) -> None:
    assert read(f"{COLLECTOR} {sampling}") == LoggingConfig(Path("/logs/m"), rate)


@pytest.mark.parametrize(
    ("text", "kind", "message"),
    [
        ("", InvalidArgument, "No request-logger-creator provided."),
        ("log_collector_config {}", InvalidArgument, "No request-logger-creator provided."),
        (
            "log_collector_config { type: 'file' }",
            NotFound,
            "Cannot find LogCollector::Factory for type: file",
        ),
        (f"{COLLECTOR} custom_logging_config {{}}", Unimplemented, "There is no custom_logging_"),
        ("log_collector_config { type: 'tfrecord' }", InvalidArgument, "The filename_prefix"),
        (
            "log_collector_config { type: 'tfrecord' filename_prefix: 'logs/m' }",
            InvalidArgument,
            "The filename_prefix",
        ),
        (
            f"{COLLECTOR} sampling_config {{ sampling_rate: 1.5 }}",
            InvalidArgument,
            "The sampling rate",
        ),
        (
            f"{COLLECTOR} sampling_config {{ sampling_rate: nan }}",
            InvalidArgument,
            "The sampling rate",
        ),
    ],
)
def test_what_can_not_be_followed_is_refused(
    text: str, kind: type[ServableError], message: str
) -> None:
    with pytest.raises(kind) as error:
        read(text)
    assert error.value.message.startswith(message)
    assert error.value.hint
