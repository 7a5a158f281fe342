"""docs/compat.md leaves nothing out. That it is fresh is checked where all pages are."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from servable.cli.model_server_flags import FLAGS
from servable.metrics import table
from servable.transport.grpc_services import SERVICES
from servable.transport.rest_actions import Action
from servable.transport.rest_routes import route

PAGE = (Path(__file__).resolve().parents[3] / "docs" / "compat.md").read_text()


@pytest.mark.parametrize("flag", FLAGS)
def test_every_flag_has_a_row(flag: str) -> None:
    assert f"\n| `--{flag}` | " in PAGE


def test_every_method_has_a_row_that_does_not_say_it_is_missing() -> None:
    services = {s: m for s, m in SERVICES.items() if s.startswith("tensorflow.serving.")}
    assert len(services) == 2
    for service, methods in services.items():
        for method in methods:
            row = re.search(rf"^\| {service.rpartition('.')[2]} \| {method} .*", PAGE, re.MULTILINE)
            assert row is not None, method
            assert "not there" not in row[0]


V1 = {
    Action.CLASSIFY,
    Action.REGRESS,
    Action.PREDICT,
    Action.STATUS,
    Action.METADATA,
    Action.MODELS,
    Action.TRAFFIC,
    *(action for action in Action if action.name.startswith("ADMIN_")),
}


def test_every_route_under_v1_has_a_row() -> None:
    rows = re.findall(r"^\| (GET|POST|DELETE) \| (/v1/\S+)(.*?) \| ", PAGE, re.MULTILINE)
    actions = set()
    for method, start, end in rows:
        path = re.sub(r"\[.*\]", "", start + end).replace("NAME", "m")
        actions.add(route(method, path).action)

    assert actions == V1


@pytest.mark.parametrize("metric", [*table.PEER, *table.OWN], ids=lambda metric: metric.name)
def test_every_metric_has_a_row(metric: table.Metric) -> None:
    assert f"\n| `{metric.name}` | {metric.kind} | " in PAGE
