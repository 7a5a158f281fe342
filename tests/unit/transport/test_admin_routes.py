"""The URLs by which models are changed one at a time."""

from __future__ import annotations

import pytest

from servable.errors import InvalidArgument, NotFound
from servable.transport.rest_actions import ADMINISTRATIVE, Action
from servable.transport.rest_routes import route


@pytest.mark.parametrize(
    ("method", "target", "action", "name"),
    [
        ("GET", "/v1/admin/models", Action.ADMIN_LIST, ""),
        ("POST", "/v1/admin/models", Action.ADMIN_ADD, ""),
        ("DELETE", "/v1/admin/models/m", Action.ADMIN_REMOVE, "m"),
        ("DELETE", "/v1/admin/models/a%2Fb%3Ac", Action.ADMIN_REMOVE, "a/b:c"),
        ("POST", "/v1/admin/models/m:reload", Action.ADMIN_RELOAD, "m"),
        ("POST", "/v1/admin/models/m/labels", Action.ADMIN_LABEL, "m"),
        ("POST", "/v1/admin/models/m/traffic", Action.ADMIN_TRAFFIC, "m"),
    ],
)
def test_what_a_request_line_asks_for(method: str, target: str, action: Action, name: str) -> None:
    found = route(method, target)
    assert (found.action, found.name) == (action, name)
    assert found.action in ADMINISTRATIVE


@pytest.mark.parametrize(
    ("method", "target", "error"),
    [
        ("PUT", "/v1/admin/models", InvalidArgument),
        ("GET", "/v1/admin/models/m", InvalidArgument),
        ("GET", "/v1/admin/models/m:reload", InvalidArgument),
        ("DELETE", "/v1/admin/models/m/labels", InvalidArgument),
        ("GET", "/v1/admin/models/m/traffic", InvalidArgument),
        ("DELETE", "/v1/admin/models/%zz", InvalidArgument),
        ("POST", "/v1/admin/models/m:unload", NotFound),
        ("GET", "/v1/admin/models/", NotFound),
        ("GET", "/v1/admin/", NotFound),
        ("GET", "/v1/admin/models?x=1", NotFound),
        ("DELETE", "/v1/admin/models/m/n", NotFound),
    ],
)
def test_other_request_lines_are_refused_with_the_grammar(
    method: str, target: str, error: type[Exception]
) -> None:
    with pytest.raises(error) as refused:
        route(method, target)
    assert "percent" in getattr(refused.value, "hint", "") or "/v1/admin/models" in getattr(
        refused.value, "hint", ""
    )
