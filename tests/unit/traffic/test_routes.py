"""Which version a request gets that names none."""

from __future__ import annotations

import logging
import random
import threading
from collections import Counter
from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from lifecycle_stage import FakeLoader, Stage
from requests_at_hand import request
from served_models import FakeModels, half_plus_two

from servable.contracts import ModelProvider
from servable.errors import InvalidArgument, NotFound, ResourceExhausted
from servable.metrics.monitor import Metrics
from servable.metrics.traffic import TrafficMetrics
from servable.traffic.models import RoutedModels
from servable.traffic.report import TrafficReport
from servable.traffic.routes import Routes
from servable.traffic.rules import MAX_SHADOWS, ShadowRule, Share, Traffic, Which

V1, V2, V3, CANARY = (*(Which(version=n) for n in (1, 2, 3)), Which(label="canary"))
HALVES = (Share(V1, 1), Share(V2, 1))


class Counted:
    """Models that count how often they are asked."""

    def __init__(self, models: FakeModels) -> None:
        self._models = models
        self.asked: list[tuple[str, int | None]] = []
        self.labels = models.labels
        self.status = models.status
        self.names = models.names

    def acquire(self, name: str, version: int | None = None):  # type: ignore[no-untyped-def]  # the fake's own handle
        self.asked.append((name, version))
        return self._models.acquire(name, version)


def fakes(*versions: int, **labels: int) -> FakeModels:
    models = FakeModels({"m": {version: half_plus_two() for version in versions}})
    models.given["m"] = labels
    return models


def routed(
    models: ModelProvider,
    *split: Share,
    sticky_header: str = "",
    seed: int = 0,
    metrics: TrafficMetrics | None = None,
) -> tuple[RoutedModels, Routes]:
    routes = Routes(models, metrics, random_number=random.Random(seed).random)
    rules = Traffic(split, sticky_header)
    routes.configure(["m"], {"m": rules} if split else {})
    return RoutedModels(models, routes), routes


def version(models: RoutedModels, wanted: int | None = None) -> int:
    with models.acquire("m", wanted) as handle:
        return handle.id.version


def versions(models: RoutedModels, count: int = 200, **headers: str) -> Counter[int]:
    found: Counter[int] = Counter()
    for _ in range(count):
        with request(headers=headers):
            found[version(models)] += 1
    return found


def test_requests_are_divided_by_weight() -> None:
    models, _ = routed(fakes(1, 2, 3), Share(V1, 90), Share(V2, 10))

    found = versions(models, 1000)

    assert found.keys() == {1, 2}
    assert 50 < found[2] < 150


def test_a_request_that_names_a_version_gets_it() -> None:
    models, _ = routed(fakes(1, 2, 3), Share(V1, 1))

    with request():
        assert [version(models, n) for n in (1, 2, 3)] == [1, 2, 3]


def test_without_rules_the_highest_version_answers_and_no_lot_is_drawn() -> None:
    def never() -> float:
        raise AssertionError("a lot was drawn")

    inner = Counted(fakes(1, 2))
    routes = Routes(inner, random_number=never)
    routes.configure(["m"], {})
    models = RoutedModels(inner, routes)

    with request():
        assert version(models) == 2
    assert inner.asked == [("m", None)]


def test_a_label_in_a_split_means_what_it_means_at_the_moment() -> None:
    inner = fakes(1, 2, canary=1)
    models, _ = routed(inner, Share(CANARY, 1))

    assert versions(models, 5) == {1: 5}
    inner.given["m"] = {"canary": 2}
    assert versions(models, 5) == {2: 5}


@pytest.mark.parametrize(
    ("there", "labels", "expected"),
    [
        ((1, 2), {"canary": 2}, {1, 2}),
        ((1,), {"canary": 2}, {1}),  # the label's version is not there
        ((1, 9), {}, {1}),  # the label is not given: 9 is in no part
        ((2,), {"canary": 2}, {2}),
        ((9,), {}, {9}),  # of the split nobody is there: what there is answers
    ],
)
def test_the_share_of_what_is_not_there_goes_to_the_others(
    there: tuple[int, ...], labels: dict[str, int], expected: set[int]
) -> None:
    models, _ = routed(fakes(*there, **labels), Share(V1, 1), Share(CANARY, 1))

    assert set(versions(models, 60)) == expected
    assert set(versions(models, 60, key="anything")) == expected


def test_where_nothing_is_there_the_text_is_the_usual_one() -> None:
    models, _ = routed(fakes(), *HALVES)

    with pytest.raises(NotFound) as caught, request():
        models.acquire("m")

    assert caught.value.message == "Servable not found for request: Latest(m)"


@given(
    st.dictionaries(st.integers(1, 6), st.integers(0, 9), min_size=1).filter(
        lambda weights: any(weights.values())
    ),
    st.sets(st.integers(1, 6), min_size=1),
    st.text(max_size=3),
    st.integers(),
)
@settings(deadline=None)
def test_whoever_answers_is_there_and_has_a_weight_if_anyone_has(
    weights: dict[int, int], there: set[int], key: str, seed: int
) -> None:
    split = [Share(Which(version=n), weight) for n, weight in weights.items()]
    models, _ = routed(fakes(*there), *split, sticky_header="key", seed=seed)
    may = {n for n in there if weights.get(n)} or {max(there)}

    found = versions(models, 5, key=key)

    assert found.keys() <= may
    if key:
        assert len(found) == 1


def test_the_same_key_gets_the_same_version_and_no_key_gets_any() -> None:
    models, _ = routed(fakes(1, 2), *HALVES, sticky_header="x-user-id")

    by_key = [versions(models, 20, **{"x-user-id": f"u{n}"}) for n in range(20)]

    assert all(len(found) == 1 for found in by_key)
    assert {next(iter(found)) for found in by_key} == {1, 2}
    assert versions(models).keys() == {1, 2}


@pytest.mark.parametrize("api", ["get_model_metadata", "metadata", "model_metadata"])
def test_who_asks_what_a_model_takes_always_hears_of_the_same_version(api: str) -> None:
    models, routes = routed(fakes(1, 2), Share(V1, 2), Share(V2, 1))

    for _ in range(30):
        with request(api):
            assert version(models) == 1
    assert version(models) == 1  # no request is at hand: a description of all models
    assert routes.report("m").requests == {}


def test_what_is_not_there_is_said_once_and_again_when_it_is_back(
    caplog: pytest.LogCaptureFixture,
) -> None:
    inner = fakes(1, 2, canary=9)
    models, _ = routed(inner, Share(V1, 1), Share(CANARY, 1))
    caplog.set_level(logging.INFO, "servable.traffic")
    caplog.clear()

    versions(models, 50)
    inner.given["m"] = {"canary": 2}
    versions(models, 50)

    assert [record.message for record in caplog.records] == [
        'm: label "canary" is not available; the others get its share',
        'm: label "canary" gets its share of the traffic',
    ]


def test_the_report_says_who_gets_what() -> None:
    inner = fakes(1, 2, canary=9)
    models, routes = routed(inner, Share(V1, 3), Share(V2, 1), Share(CANARY, 4))

    found = versions(models, 40)
    report = routes.report("m")

    assert [(s.which, s.version, s.weight, s.available, s.share) for s in report.split] == [
        (V1, 1, 3, True, 0.75),
        (V2, 2, 1, True, 0.25),
        (CANARY, 9, 4, False, 0.0),
    ]
    assert report.requests == dict(found)
    assert routes.report("other") == TrafficReport("other")


def test_requests_are_counted_by_version_until_it_is_gone() -> None:
    metrics = TrafficMetrics()
    models, _ = routed(fakes(1, 2), *HALVES, metrics=metrics)
    found = versions(models, 1100)  # more than are added up at a time

    assert metrics.routed("m") == dict(sorted(found.items()))
    metrics.forget("m", 1)
    assert metrics.routed("m") == {2: found[2]}
    assert metrics.routed("other") == {}


# Changes


def test_a_split_that_was_set_holds_until_the_configuration_says_something_else() -> None:
    models, routes = routed(fakes(1, 2), Share(V1, 1))
    said = {"m": Traffic((Share(V1, 1),))}

    routes.set_split("m", [Share(V2, 1)])
    routes.configure(["m", "new"], said)
    assert versions(models, 5) == {2: 5}

    routes.configure(["m"], {"m": Traffic((Share(V1, 2),))})
    assert versions(models, 5) == {1: 5}

    routes.set_split("m", [])
    assert versions(models, 5) == {2: 5}

    routes.configure([], {})
    routes.configure(["m"], said)
    assert versions(models, 5) == {1: 5}


def test_a_split_that_breaks_a_rule_changes_nothing() -> None:
    models, routes = routed(fakes(1, 2), Share(V1, 1))

    with pytest.raises(InvalidArgument):
        routes.set_split("m", [Share(V2, 0)])
    with pytest.raises(NotFound) as caught:
        routes.set_split("other", [Share(V2, 1)])

    assert caught.value.message == "There is no model other."
    assert versions(models, 5) == {1: 5}


def test_one_shadow_too_many_is_refused() -> None:
    routes = Routes(fakes(1, 2))
    names = [f"m{n}" for n in range(MAX_SHADOWS + 1)]
    routes.configure(names, {})
    for name in names[1:]:
        routes.set_shadow(name, ShadowRule(V1))

    with pytest.raises(ResourceExhausted):
        routes.set_shadow(names[0], ShadowRule(V1))

    assert routes.report(names[0]).shadow is None
    routes.set_shadow(names[1], None)
    routes.set_shadow(names[0], ShadowRule(V1))
    routes.stop()


def test_a_split_keeps_the_shadow_and_a_shadow_the_split() -> None:
    _, routes = routed(fakes(1, 2), *HALVES, sticky_header="key")

    routes.set_shadow("m", ShadowRule(V2))
    routes.set_split("m", [Share(V1, 5)])
    report = routes.report("m")

    assert report.shadow is not None
    assert (len(report.split), report.sticky_header, report.shadow.rule.which) == (1, "key", V2)
    routes.stop()


def test_what_models_can_do_beside_being_asked_is_passed_on() -> None:
    class Reloadable(FakeModels):
        def reload(self, configs: Sequence[object]) -> None:
            self.reloaded = configs

    inner = Reloadable({})
    with_it = RoutedModels(inner, Routes(inner))

    with_it.reload([])
    assert inner.reloaded == []
    assert not hasattr(RoutedModels(fakes(1), Routes(fakes(1))), "reload")


def test_no_request_fails_while_weights_and_versions_change_under_fifty_threads() -> None:
    stage = Stage()
    both = {1: FakeLoader(), 2: FakeLoader()}
    stage.want("m", both)
    stage.settle()
    metrics = Metrics()
    models, routes = routed(stage.manager, *HALVES, metrics=metrics.traffic)
    found: Counter[int] = Counter()
    problems: list[BaseException] = []
    begin = threading.Barrier(51)
    x = {"x": np.zeros(2, np.float32)}

    def ask() -> None:
        mine: Counter[int] = Counter()
        begin.wait()
        try:
            for _ in range(100):
                with request(metrics=metrics), models.acquire("m") as handle:
                    handle.servable.run("serving_default", x, ["x"])
                    mine[handle.id.version] += 1
        except BaseException as error:
            problems.append(error)
        found.update(mine)

    threads = [threading.Thread(target=ask) for _ in range(50)]
    for thread in threads:
        thread.start()
    begin.wait()
    turn = 0
    while any(thread.is_alive() for thread in threads):
        turn += 1
        routes.set_split("m", [Share(V1, turn % 7), Share(V2, 1 + turn % 3)])
        if turn % 5 == 0:
            stage.want("m", {2: both[2]} if turn % 2 else {1: FakeLoader(), 2: both[2]})
            stage.settle()
    for thread in threads:
        thread.join()

    assert problems == []
    assert sum(found.values()) == 5000
    assert found[2] > 0
