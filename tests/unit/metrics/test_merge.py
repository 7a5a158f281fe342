"""Numbers of several processes shown as those of one."""

from __future__ import annotations

import pickle

import numpy as np
from prometheus_client.parser import text_string_to_metric_families

from servable.contracts import ServableId
from servable.core.events import Event
from servable.core.states import VersionState
from servable.errors import Code
from servable.metrics.monitor import Metrics
from servable.metrics.requests import Observation


def counted(samples: int, *, version: str) -> Metrics:
    metrics = Metrics()
    metrics.shed.at("rest").add(samples)
    metrics.requests.peer_latency.at("m", "Predict", "GRPC").add(np.full(samples, 100.0))
    metrics.note(Event(ServableId("m", int(version)), VersionState.AVAILABLE, None, 0.0))
    metrics.watch_in_flight("grpc", lambda: samples)
    return metrics


def values(page: str) -> dict[tuple[str, str], float]:
    return {
        (sample.name, ",".join(sample.labels.values())): sample.value
        for family in text_string_to_metric_families(page)
        for sample in family.samples
    }


def test_a_page_shows_sums_and_each_version_once() -> None:
    other = pickle.loads(pickle.dumps(counted(3, version="1").snapshot()))
    metrics = counted(2, version="1")
    metrics.share("1", lambda: [other])

    shown = values(metrics.page())

    assert shown["servable_requests_shed_total", "rest"] == 5
    assert shown["servable_requests_in_flight", "grpc"] == 5
    assert shown["servable_version_available", "m,1"] == 1
    assert shown["servable_workers", ""] == 2
    assert shown[":tensorflow:serving:request_latency_count", "m,Predict,GRPC"] == 5
    assert shown[":tensorflow:serving:request_latency_sum", "m,Predict,GRPC"] == 500
    start = metrics.snapshot()["process_start_time_seconds"][0][1]
    assert shown["process_start_time_seconds", ""] <= float(str(start))
    assert ":tensorflow:serving:request_latency_count" in metrics.peer_page()


def test_what_only_another_process_has_counted_is_shown_too() -> None:
    other = counted(3, version="2").snapshot()
    metrics = Metrics()
    metrics.share("1", lambda: [other])

    shown = values(metrics.page())

    assert shown["servable_version_available", "m,2"] == 1
    assert shown["servable_requests_shed_total", "rest"] == 3


def test_requests_are_also_counted_by_worker() -> None:
    metrics, second = Metrics(), Metrics()
    metrics.share("1", lambda: [second.snapshot()])
    second.share("2", tuple)
    for one in (metrics, second, second):
        one.requests.record(Observation("predict", "grpc", model="m"), Code.OK, 10)

    shown = values(metrics.page())

    assert shown["servable_worker_requests_total", "1"] == 1
    assert shown["servable_worker_requests_total", "2"] == 2


def test_what_a_worker_has_answered_is_not_forgotten_with_the_version_that_did() -> None:
    metrics = Metrics()
    metrics.share("1", tuple)
    for version in (1, 2):
        seen = Observation("predict", "grpc", model="m")
        seen.version = version
        metrics.requests.record(seen, Code.OK, 10)
    assert values(metrics.page())["servable_worker_requests_total", "1"] == 2

    metrics.note(Event(ServableId("m", 1), VersionState.END, None, 0.0))
    shown = values(metrics.page())

    assert ("servable_requests_total", "m,1,predict,grpc,OK") not in shown
    assert shown["servable_worker_requests_total", "1"] == 2
