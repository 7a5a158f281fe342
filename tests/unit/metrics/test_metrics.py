"""The metrics pages: their format, and what is counted under which labels."""

from __future__ import annotations

import re
import threading
from collections.abc import Sequence
from unicodedata import category

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from prometheus_client.parser import text_string_to_metric_families
from served_models import FakeModels, FakeStatus, half_plus_two

from servable.config.models import ModelConfig
from servable.contracts import ModelProvider, ServableId
from servable.core.events import Event
from servable.core.states import VersionState
from servable.errors import Cancelled, Code, NotFound, ServableError, Unimplemented
from servable.handlers.reload import Reloadable, ReloadCall, reload
from servable.metrics import table
from servable.metrics.batches import BatchNote
from servable.metrics.families import AnyFamily, histograms, numbers
from servable.metrics.models import MeteredModels
from servable.metrics.monitor import Metrics
from servable.metrics.requests import CURRENT, UNKNOWN, Observation
from servable.metrics.table import Kind, Metric
from servable.metrics.text import PEER, PROMETHEUS, page

PREFIX = ":tensorflow:serving:"


def lines(text: str, start: str) -> list[str]:
    return [line for line in text.splitlines() if line.startswith(start)]


# The format


def counter(*labels: str) -> Metric:
    return Metric(":test:path:total", Kind.COUNTER, "Counts.", labels)


def test_the_peers_dialect() -> None:
    total = numbers(counter("name"))
    total.at("abc").add(2)
    bounds = tuple(2.0**i for i in range(10))
    sizes = histograms(Metric(":test:sizes", Kind.HISTOGRAM, "Sizes.", ("status",), bounds))
    sizes.at("good").add(np.array([2.0, 20.0, 200.0]))
    empty = numbers(Metric(":test:empty", Kind.GAUGE, "Nothing."))
    assert page([total, sizes, empty], PEER).splitlines() == [
        "# TYPE :test:path:total counter",
        ':test:path:total{name="abc"} 2',
        "# TYPE :test:sizes histogram",
        *(
            f':test:sizes_bucket{{status="good",le="{bound}"}} {count}'
            for bound, count in zip(
                (1, 2, 4, 8, 16, 32, 64, 128, 256, 512, "+Inf"),
                (0, 1, 1, 1, 1, 2, 2, 2, 3, 3, 3),
                strict=True,
            )
        ),
        ':test:sizes_sum{status="good"} 222',
        ':test:sizes_count{status="good"} 3',
        "# TYPE :test:empty gauge",
    ]


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        ('"abc\\"', '\\"abc\\\\\\"'),
        ("a\nb", "a\\nb"),
        ("größe", "größe"),
        ("\udcff", "?"),
        ("\0", "\\\\x00"),
        ("\r\x1b\x7f\x85", "\\\\x0d\\\\x1b\\\\x7f\\\\x85"),
        ("\u2028", "\\\\x2028"),
    ],
)
def test_label_values_are_escaped(value: str, shown: str) -> None:
    total = numbers(counter("name"))
    total.at(value)
    assert f'{{name="{shown}"}} 0' in page([total], PEER)
    assert f'{{name="{shown}"}} 0' in page([total], PROMETHEUS)


HIDDEN = {"Cc", "Zl", "Zp", "Cs"}


@settings(deadline=None)
@given(st.text(st.characters(exclude_categories=()), max_size=20))
@example("\0")
@example('a{b="c"} 1\n# TYPE x counter\r\u2028')
@example("\\")
def test_a_reader_finds_one_sample_for_each_model_whatever_it_is_called(name: str) -> None:
    metrics = Metrics()
    record(metrics, model=name)
    for text in (metrics.page(), metrics.peer_page()):
        families = {f.name: f for f in text_string_to_metric_families(text)}
        [sample] = families[PREFIX + "request_count"].samples
        assert sample.value == 1
        assert not HIDDEN & {category(character) for character in text.replace("\n", "")}
        if not HIDDEN & set(map(category, name)):
            assert sample.labels["model_name"] == name


def test_braces_around_nothing_are_the_peers() -> None:
    total = numbers(counter())
    total.at().add(0.5)
    assert ":test:path:total{} 0.5" in page([total], PEER)
    assert "\n:test:path:total 0.5\n" in page([total])


def test_the_whole_page_is_the_text_format() -> None:
    metrics = Metrics()
    record(metrics)
    sample = re.compile(
        r'[a-zA-Z_:][\w:]*(\{[a-zA-Z_]\w*="(\\.|[^"\\\n])*"(,[a-zA-Z_]\w*="(\\.|[^"\\\n])*")*\})? '
        r"[-+0-9.e]+"
    )
    text = metrics.page()
    for line in text.splitlines():
        assert line.startswith(("# HELP ", "# TYPE ")) or sample.fullmatch(line)
    assert text.endswith("\n")
    names = re.findall("^# TYPE (\\S+)", text, re.MULTILINE)
    assert names == [m.name for m in (*table.OWN, *table.PEER)]


def test_the_bounds_are_as_documented() -> None:
    assert table.PEER_MICROSECONDS[:3] == pytest.approx((10, 18, 32.4))
    assert len(table.PEER_MICROSECONDS) == 33
    for metric in (*table.OWN, *table.PEER):
        assert list(metric.buckets) == sorted(metric.buckets)


def test_counting_from_many_threads_loses_nothing() -> None:
    metrics = Metrics()
    threads = [threading.Thread(target=record_many, args=(metrics, 1000)) for _ in range(4)]
    for thread in threads:
        thread.start()
    while any(thread.is_alive() for thread in threads):
        metrics.page()
    assert lines(metrics.page(), "servable_requests_total") == [
        'servable_requests_total{model="m",version="1",api="predict",transport="grpc",code="OK"} '
        "4000"
    ]


# Requests


def record(
    metrics: Metrics,
    api: str = "predict",
    transport: str = "grpc",
    code: Code = Code.OK,
    *,
    ran: bool = True,
    model: str = "m",
) -> None:
    seen = Observation(api, transport, bytes_in=10, model=model)
    seen.version = 1
    if ran:
        seen.run_began, seen.run_ended, seen.run_seconds = seen.started, seen.started, 0.001
    metrics.requests.record(seen, code, 20)


def record_many(metrics: Metrics, count: int) -> None:
    for _ in range(count):
        record(metrics)


@pytest.mark.parametrize(
    ("api", "transport", "code", "counted", "latency", "runtime"),
    [
        ("predict", "grpc", Code.OK, "OK", '"Predict",entrypoint="GRPC"', "Predict"),
        ("classify", "grpc", Code.OK, "OK", '"Classify",entrypoint="GRPC"', "Classify"),
        ("regress", "rest", Code.OK, "OK", '"regress",entrypoint="REST"', "Regress"),
        ("predict", "grpc", Code.NOT_FOUND, "NOT_FOUND", None, "Predict"),
        ("multi_inference", "grpc", Code.OK, None, None, None),
        ("get_model_metadata", "grpc", Code.OK, None, None, None),
        ("status", "rest", Code.OK, "OK", '"",entrypoint="REST"', None),
        ("", "rest", Code.INVALID_ARGUMENT, "INVALID_ARGUMENT", None, None),
    ],
)
def test_the_peer_counts_some_requests_and_not_others(
    api: str,
    transport: str,
    code: Code,
    counted: str | None,
    latency: str | None,
    runtime: str | None,
) -> None:
    metrics = Metrics()
    record(metrics, api, transport, code)
    text = metrics.peer_page()
    assert lines(text, PREFIX + "request_count") == (
        [f'{PREFIX}request_count{{model_name="m",status="{counted}"}} 1'] if counted else []
    )
    assert lines(text, PREFIX + "request_latency_count") == (
        [f'{PREFIX}request_latency_count{{model_name="m",API={latency}}} 1'] if latency else []
    )
    assert lines(text, PREFIX + "runtime_latency_sum") == (
        [f'{PREFIX}runtime_latency_sum{{model_name="m",API="{runtime}",runtime="TF1"}} 1000']
        if runtime
        else []
    )


def test_our_own_say_version_and_phases_and_bytes() -> None:
    metrics = Metrics()
    record(metrics)
    record(metrics, code=Code.NOT_FOUND, ran=False)
    text = metrics.page()
    of = 'model="m",version="1",api="predict",transport="grpc"'
    assert f'servable_requests_total{{{of},code="NOT_FOUND"}} 1' in text
    assert f"servable_request_seconds_count{{{of}}} 2" in text
    for phase in ("queue", "decode", "host", "encode"):
        assert f'servable_request_phase_seconds_count{{{of},phase="{phase}"}} 1' in text
    assert f'servable_request_phase_seconds_sum{{{of},phase="host"}} 0.001' in text
    assert 'phase="island"' not in text
    assert f"servable_request_bytes_total{{{of}}} 20" in text
    assert f"servable_response_bytes_total{{{of}}} 40" in text


def test_islands_are_told_from_the_rest_of_the_model() -> None:
    metrics = Metrics()
    seen = Observation("predict", "grpc", model="m")
    seen.version = 1
    seen.run_began = seen.run_ended = seen.started
    seen.run_seconds, seen.island_seconds = 1.0, 0.75
    metrics.requests.record(seen, Code.OK, 20)
    record(metrics)
    text = metrics.page()
    assert 'phase="island"} 0.75' in text
    assert 'phase="host"} 0.251' in text
    counts = lines(text, "servable_request_phase_seconds_count{")
    assert [line.rpartition("phase=")[2] for line in counts] == [
        '"decode"} 2',
        '"encode"} 2',
        '"host"} 2',
        '"island"} 1',
        '"queue"} 2',
    ]


def test_a_batch_is_counted_once_whatever_it_is_made_of() -> None:
    metrics = Metrics()
    for notes in (
        [BatchNote(0.1, 3, 2, 1, "full")],
        [],
        [BatchNote(0.1, 4, 1, 0, "full"), BatchNote(0.1, 2, 1, 2, "timeout")],  # was split
    ):
        seen = Observation("predict", "grpc", model="m")
        seen.version = 1
        seen.run_began = seen.run_ended = seen.started
        seen.batches = tuple(notes)
        metrics.requests.record(seen, Code.OK, 20)
    text = metrics.page()
    of = 'model="m",version="1"'
    assert f'servable_batches_total{{{of},reason="full"}} 2' in text
    assert f'servable_batches_total{{{of},reason="timeout"}} 1' in text
    assert f"servable_batch_rows_sum{{{of}}} 9" in text
    assert f"servable_batch_rows_count{{{of}}} 3" in text
    assert f"servable_batch_padding_rows_total{{{of}}} 3" in text


def test_names_that_strangers_make_up_share_one_series_and_real_ones_keep_theirs() -> None:
    metrics = Metrics()
    metrics.requests.know(FakeModels({"m": {1: half_plus_two()}}))
    for i in range(2000):
        record(metrics, model=f"m{i}", code=Code.NOT_FOUND, ran=False)
    record(metrics, model="m")
    text = metrics.page()
    assert [line.partition(",")[::2] for line in lines(text, "servable_requests_total")] == [
        (
            f'servable_requests_total{{model="{UNKNOWN}"',
            'version="",api="predict",transport="grpc",code="NOT_FOUND"} 2000',
        ),
        (
            'servable_requests_total{model="m"',
            'version="1",api="predict",transport="grpc",code="OK"} 1',
        ),
    ]
    assert len(lines(text, PREFIX + "request_count")) == 2


def test_a_name_that_was_unknown_is_counted_once_there_is_such_a_model() -> None:
    metrics, models = Metrics(), FakeModels({})
    metrics.requests.know(models)
    record(metrics, model="late", code=Code.NOT_FOUND, ran=False)
    models.statuses["late"] = [FakeStatus(ServableId("late", 1))]
    record(metrics, model="late", code=Code.UNAVAILABLE, ran=False)
    text = metrics.page()
    assert f'{PREFIX}request_count{{model_name="{UNKNOWN}",status="NOT_FOUND"}} 1' in text
    assert f'{PREFIX}request_count{{model_name="late",status="UNAVAILABLE"}} 1' in text


def test_a_version_that_ended_is_forgotten_but_not_by_the_peer() -> None:
    metrics = Metrics()
    record(metrics)
    metrics.note(event(VersionState.END))
    assert lines(metrics.page(), "servable_request") == []
    record(metrics)
    assert f'{PREFIX}request_count{{model_name="m",status="OK"}} 2' in metrics.page()


def test_the_value_of_a_metric_by_tensorflows_name_and_by_the_pages() -> None:
    metrics = Metrics()
    record_many(metrics, 3)
    record(metrics, code=Code.NOT_FOUND)
    for name in ("/tensorflow/serving/request_count", PREFIX + "request_count"):
        assert metrics.value(name) == 1  # of NOT_FOUND, which is the first
    assert metrics.value("servable_requests_total") == 1
    assert metrics.value("/tensorflow/serving/request_latency") == 0
    assert metrics.value("/tensorflow/core/graph_runs") == 0


# Models


def test_metered_models_note_who_answered_and_for_how_long() -> None:
    models = MeteredModels(FakeModels({"m": {3: half_plus_two()}}))
    seen = CURRENT.observation = Observation("predict", "grpc")
    try:
        with models.acquire("m") as handle:
            answer = handle.servable.run("serving_default", {"x": np.array([2], np.float32)}, ["y"])
        assert (seen.model, seen.version) == ("m", 3)
        assert 0 < seen.run_began <= seen.run_ended
        assert answer["y"].tolist() == [3.0]
        with pytest.raises(NotFound):
            models.acquire("nope")
        assert seen.model == "nope"
    finally:
        CURRENT.observation = None


class Replaceable(FakeModels):
    def reload(self, configs: Sequence[ModelConfig]) -> None:
        raise Unimplemented(f"{len(configs)} models")


def test_metered_models_can_be_replaced_if_the_models_can() -> None:
    assert not isinstance(MeteredModels(FakeModels({})), Reloadable)
    metered: ModelProvider = MeteredModels(Replaceable({}))
    with pytest.raises(Unimplemented, match="0 models"):
        reload(metered, ReloadCall([]))


def test_what_nobody_waits_for_is_not_run() -> None:
    servable = half_plus_two()
    models = MeteredModels(FakeModels({"m": {3: servable}}))
    CURRENT.observation = Observation("predict", "rest", wanted=lambda: False)
    try:
        with models.acquire("m") as handle, pytest.raises(Cancelled):
            handle.servable.run("serving_default", {"x": np.array([2], np.float32)}, ["y"])
    finally:
        CURRENT.observation = None
    assert servable.fed == []


# Versions


def event(
    state: VersionState, version: int = 1, time: float = 0.0, error: ServableError | None = None
) -> Event:
    return Event(ServableId("m", version), state, error, time)


def test_loads_swaps_and_what_is_available() -> None:
    metrics = Metrics()
    for version, began in ((1, 100.0), (2, 200.0)):
        metrics.note(event(VersionState.LOADING, version, began))
        metrics.note(event(VersionState.AVAILABLE, version, began + 0.5))
    metrics.note(event(VersionState.LOADING, 3, 300))
    metrics.note(event(VersionState.END, 3, 301, Unimplemented("no such op")))
    metrics.note(event(VersionState.UNLOADING, 1, 400))
    metrics.note(event(VersionState.END, 1, 401))
    text = metrics.page()
    assert lines(text, "servable_loads_total") == [
        'servable_loads_total{model="m",outcome="OK"} 2',
        'servable_loads_total{model="m",outcome="UNIMPLEMENTED"} 1',
    ]
    assert 'servable_load_seconds_sum{model="m"} 1\n' in text
    assert lines(text, "servable_version_available") == [
        'servable_version_available{model="m",version="2"} 1'
    ]
    assert 'servable_swaps_total{model="m"} 1\n' in text


def test_a_version_that_was_called_off_is_no_failed_load() -> None:
    metrics = Metrics()
    metrics.note(event(VersionState.END, error=Cancelled("called off")))
    assert lines(metrics.page(), "servable_loads_total") == []


def test_every_family_is_in_the_table() -> None:
    families: list[AnyFamily] = [*Metrics().requests.families()]
    assert {f.metric for f in families} <= set(table.OWN)
