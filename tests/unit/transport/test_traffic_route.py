"""Where the page about a model's traffic is, and where it is not."""

from __future__ import annotations

import pytest

from servable.errors import InvalidArgument
from servable.transport.rest_actions import Action, Route
from servable.transport.rest_routes import route


@pytest.mark.parametrize(
    ("target", "name"),
    [("/v1/models/m/traffic", "m"), ("/V1/Models/a%2Fb/traffic", "a/b")],
)
def test_the_page_has_a_path_below_its_model(target: str, name: str) -> None:
    assert route("GET", target) == Route(Action.TRAFFIC, name)


@pytest.mark.parametrize(
    ("method", "target"),
    [
        ("POST", "/v1/models/m/traffic"),
        ("GET", "/v1/models/m/Traffic"),
        ("GET", "/v1/models/m/traffic/"),
        ("GET", "/v1/models/m/versions/1/traffic"),
        ("GET", "/v1/models/m/labels/canary/traffic"),
        ("GET", "/v1/models//traffic"),
    ],
)
def test_nothing_else_is_that_page(method: str, target: str) -> None:
    with pytest.raises(InvalidArgument) as caught:
        route(method, target)

    assert caught.value.message == f"Malformed request: {method} {target}"
