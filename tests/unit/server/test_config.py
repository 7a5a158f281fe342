"""What a server can be told."""

from __future__ import annotations

from pathlib import Path

import pytest

from servable.errors import InvalidArgument
from servable.server.config import BareModel, ServerConfig, parse_versions
from servable.sources.filesystem import All, Latest, Specific, VersionPolicy, WatchedModel


@pytest.mark.parametrize(
    ("text", "policy"),
    [
        ("latest", Latest(1)),
        ("latest:3", Latest(3)),
        ("all", All()),
        ("7", Specific((7,))),
        ("2,1,2", Specific((1, 2))),
        ("0", Specific((0,))),
    ],
)
def test_a_policy_is_read(text: str, policy: VersionPolicy) -> None:
    assert parse_versions(text) == policy


@pytest.mark.parametrize("text", ["", "newest", "latest:", "latest:0", "latest:x", "all:1", "1,,2"])
def test_what_is_no_policy_is_refused_with_the_choices(text: str) -> None:
    with pytest.raises(InvalidArgument, match="which versions") as caught:
        parse_versions(text)

    assert "latest:2" in caught.value.hint


def test_two_models_of_one_name_are_refused() -> None:
    models = (WatchedModel("m", Path("a")), BareModel("m", Path("b")))

    with pytest.raises(InvalidArgument, match="two models are called m") as caught:
        ServerConfig(models)

    assert "NAME=PATH" in caught.value.hint


def test_one_port_for_both_protocols_is_refused_unless_it_is_picked() -> None:
    assert ServerConfig((), grpc_port=0, rest_port=0).rest_port == 0

    with pytest.raises(InvalidArgument, match="share port 8500"):
        ServerConfig((), grpc_port=8500, rest_port=8500)
