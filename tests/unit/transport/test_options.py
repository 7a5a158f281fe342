"""Settings of the transports: how they are read, and what readiness means."""

from __future__ import annotations

import pytest
from served_models import FakeModels, half_plus_two

from servable.errors import InvalidArgument
from servable.transport.options import parse_channel_arguments
from servable.transport.readiness import Readiness


@pytest.mark.parametrize(
    ("text", "arguments"),
    [
        ("", ()),
        ("grpc.max_connection_age_ms=2000", (("grpc.max_connection_age_ms", 2000),)),
        ("a=1,b=x,c=-2", (("a", 1), ("b", "x"), ("c", -2))),
        ("a==", (("a", "="),)),
        ("a=", (("a", ""),)),
        ("a=1.5,", (("a", "1.5"),)),
        ("a=99999999999", (("a", "99999999999"),)),
    ],
)
def test_channel_arguments(text: str, arguments: tuple[tuple[str, int | str], ...]) -> None:
    assert parse_channel_arguments(text) == arguments


@pytest.mark.parametrize("text", ["a", "=1", "a=1,b"])
def test_channel_arguments_that_are_none(text: str) -> None:
    with pytest.raises(InvalidArgument, match="is no gRPC channel argument") as caught:
        parse_channel_arguments(text)
    assert caught.value.hint


def test_a_server_is_not_ready_before_the_first_version_of_a_model_was_found() -> None:
    models = FakeModels({"a": {1: half_plus_two()}})
    assert Readiness(models).report().ready
    report = Readiness(models, lambda: ["a", "b"]).report()
    assert (report.ready, report.models) == (False, {"a": [1], "b": []})


def test_a_server_that_is_to_serve_nothing_is_ready() -> None:
    assert Readiness(FakeModels({}), lambda: []).report().ready


def test_a_model_that_is_no_longer_expected_does_not_count() -> None:
    models = FakeModels({"a": {1: half_plus_two()}, "old": {1: half_plus_two()}})
    models.statuses["old"][0].state = "END"
    assert not Readiness(models).report().ready
    assert Readiness(models, lambda: ["a"]).report().ready


def test_nothing_is_ready_before_it_is_known_what_is_expected() -> None:
    report = Readiness(FakeModels({}), lambda: None).report()
    assert not report.ready
    assert not report.models
