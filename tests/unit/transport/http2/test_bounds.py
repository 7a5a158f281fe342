"""gRPC's settings, read as bounds of a connection."""

from __future__ import annotations

import logging
import math

import pytest

from servable.transport.http2.bounds import Bounds, from_arguments


@pytest.mark.parametrize(
    ("arguments", "bounds"),
    [
        ([], Bounds()),
        ([("grpc.max_concurrent_streams", 5)], Bounds(max_concurrent_streams=5)),
        ([("grpc.max_metadata_size", 99)], Bounds(max_metadata_size=99)),
        ([("grpc.max_receive_message_length", 0)], Bounds(max_receive_message_length=0)),
        ([("grpc.max_receive_message_length", -1)], Bounds()),
        ([("grpc.max_send_message_length", 7)], Bounds(max_send_message_length=7)),
        ([("grpc.max_connection_age_ms", 2500)], Bounds(max_connection_age=2.5)),
        ([("grpc.max_connection_age_grace_ms", 1)], Bounds(max_connection_age_grace=0.001)),
        ([("grpc.max_connection_idle_ms", 1000)], Bounds(max_connection_idle=1.0)),
        ([("grpc.keepalive_time_ms", 2**31 - 1)], Bounds(keepalive_time=math.inf)),
        ([("grpc.keepalive_timeout_ms", 50)], Bounds(keepalive_timeout=0.05)),
        (
            [("grpc.max_concurrent_streams", 5), ("grpc.max_concurrent_streams", 6)],
            Bounds(max_concurrent_streams=6),
        ),
    ],
)
def test_settings_are_bounds(arguments: list[tuple[str, int | str]], bounds: Bounds) -> None:
    assert from_arguments(arguments) == bounds


@pytest.mark.parametrize(
    "argument",
    [
        ("grpc.lb_policy_name", "grpclb"),
        ("grpc.max_concurrent_streams", "many"),
        ("grpc.max_concurrent_streams", 0),
        ("grpc.max_connection_age", 5),
        ("grpc.max_connection_age_ms", -1),
        ("max_concurrent_streams", 5),
    ],
)
def test_settings_that_mean_nothing_here_are_named_in_the_log(
    argument: tuple[str, int | str], caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING):
        assert from_arguments([argument]) == Bounds()
    assert argument[0] in caplog.text
