"""Copies of requests on another version: what is compared, and that nobody waits for them."""

from __future__ import annotations

import logging
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from typing import Any

import numpy as np
import pytest
from requests_at_hand import request
from served_models import FakeModels, FakeServable, half_plus_two, spec

from servable import tensors
from servable.contracts import Servable
from servable.errors import InvalidArgument
from servable.metrics.monitor import Metrics
from servable.metrics.requests import Observation
from servable.tensors import Array, Signature
from servable.traffic.copies import Run, kept, size
from servable.traffic.models import RoutedModels
from servable.traffic.report import OutputReport, ShadowReport
from servable.traffic.routes import Routes
from servable.traffic.rules import ShadowRule, Share, Traffic, Which

V1, V2, CANARY = Which(version=1), Which(version=2), Which(label="canary")
PATIENCE = 30.0


def until(condition: Callable[[], bool]) -> None:
    pause = threading.Event()
    for _ in range(int(PATIENCE / 0.002)):
        if condition():
            return
        pause.wait(0.002)
    raise AssertionError("this never came true")


def model(run: Callable[[Mapping[str, Array]], Array]) -> FakeServable:
    """Like half_plus_two, but for what it computes."""
    signatures = half_plus_two().signatures
    return FakeServable(signatures, lambda inputs: {"y": run(inputs)})


def off_by(difference: float) -> FakeServable:
    return model(lambda inputs: np.asarray(inputs["x"] / 2 + 2 + difference, np.float32))


class Bench:
    """Version 1 answers, version 2 is the shadow."""

    def __init__(
        self,
        shadow: Servable | None,
        *,
        busy: Callable[[], bool] = lambda: False,
        random_number: Callable[[], float] = lambda: 0.5,
        **rule: Any,
    ) -> None:
        versions: dict[int, Servable] = {1: half_plus_two()}
        if shadow is not None:
            versions[2] = shadow
        self.inner = FakeModels({"m": versions})
        self.metrics = Metrics()
        self.routes = Routes(
            self.inner, self.metrics.traffic, busy=busy, random_number=random_number
        )
        which = rule.pop("which", V2)
        self.rules = Traffic((Share(V1, 1),), shadow=ShadowRule(which, **rule))
        self.routes.configure(["m"], {"m": self.rules})
        self.models = RoutedModels(self.inner, self.routes)

    def ask(self, *x: float) -> list[float]:
        """Ask over a transport, which has made its answer when this returns."""
        with request(metrics=self.metrics), self.models.acquire("m") as handle:
            inputs = {"x": np.array(x, np.float32)}
            (y,) = handle.servable.run("serving_default", inputs, ["y"]).values()
            return [float(value) for value in y]

    @contextmanager
    def computed(self, version: int | None = None) -> Iterator[Observation]:
        """Let a request be computed; it is answered when the block ends."""
        with request(metrics=self.metrics) as seen:
            with self.models.acquire("m", version) as handle:
                handle.servable.run("serving_default", {"x": np.zeros(1, np.float32)}, ["y"])
            yield seen

    @property
    def report(self) -> ShadowReport:
        report = self.routes.report("m").shadow
        assert report is not None
        return report

    @property
    def done(self) -> int:
        report = self.report
        return sum(p.compared + p.failed for p in report.pairs) + report.unavailable

    def lines(self, metric: str) -> dict[str, str]:
        return dict(
            line.removeprefix(metric).rsplit(" ", 1)
            for line in self.metrics.page().splitlines()
            if line.startswith(metric + "{")
        )


@contextmanager
def bench(shadow: Servable | None, **how: Any) -> Iterator[Bench]:
    made = Bench(shadow, **how)
    try:
        yield made
    finally:
        made.routes.stop()


def test_differences_are_measured_against_the_answers_that_were_given() -> None:
    with bench(off_by(0.25), tolerance=0.1) as b:
        assert b.ask(0.0, 2.0) == [2.0, 3.0]
        until(lambda: b.done == 1)
        (pair,) = b.report.pairs

    assert (pair.version, pair.shadow, pair.compared, pair.failed) == (1, 2, 1, 0)
    assert pair.outputs == {"y": OutputReport(2, 1, 0.25, 0.25 / 2.25)}
    assert pair.answer_seconds > 0
    assert pair.shadow_seconds > 0
    of = 'model="m",shadow="2",version="1"'
    assert b.lines("servable_shadow_rows_total") == {
        f'{{{of},outcome="agree"}}': "1",
        f'{{{of},outcome="differ"}}': "1",
    }
    assert b.lines("servable_shadow_requests_total") == {f'{{{of},outcome="compared"}}': "1"}
    assert b.lines("servable_shadow_difference_count") == {f"{{{of}}}": "1"}
    assert set(b.lines("servable_shadow_seconds_count")) == {
        f'{{{of},role="answer"}}',
        f'{{{of},role="shadow"}}',
    }


@pytest.mark.parametrize("gone", [1, 2])
def test_comparisons_are_forgotten_with_either_version(gone: int) -> None:
    with bench(off_by(0)) as b:
        b.ask(1.0)
        until(lambda: b.done == 1)
        assert b.lines("servable_shadow_requests_total")
        b.metrics.traffic.forget("m", gone)

    assert not b.lines("servable_shadow_requests_total")


def test_copies_add_up_and_the_largest_difference_stays() -> None:
    differences = iter([0.0, 0.5, 0.125])
    with bench(model(lambda i: np.asarray(i["x"] / 2 + 2 + next(differences), np.float32))) as b:
        for number in range(3):
            b.ask(0.0, 0.0)
            until(lambda number=number: b.done == number + 1)  # type: ignore[misc]  # bound now
        (pair,) = b.report.pairs

    assert pair.outputs["y"] == OutputReport(6, 4, 0.5, 0.2)


def raising(_: Mapping[str, Array]) -> Array:
    raise InvalidArgument("x is not to its liking")


def exploding(_: Mapping[str, Array]) -> Array:
    raise ZeroDivisionError("a fault in its code")


def leaving(_: Mapping[str, Array]) -> Array:
    sys.exit("it had enough")


other_input = FakeServable(
    {"serving_default": Signature({"z": spec("z:0")}, {"y": spec("y:0")})}, dict
)
other_dtype = FakeServable(
    {"serving_default": Signature({"x": spec("x:0", tensors.INT32)}, {"y": spec("y:0")})}, dict
)
other_name = FakeServable({"other": half_plus_two().signatures["serving_default"]}, dict)


@pytest.mark.parametrize(
    ("shadow", "error"),
    [
        (model(raising), "INVALID_ARGUMENT: x is not to its liking"),
        (model(exploding), "ZeroDivisionError('a fault in its code')"),
        (model(leaving), "SystemExit('it had enough')"),
        (other_input, "FAILED_PRECONDITION: Its inputs are ['z'], not ['x']."),
        (other_dtype, "FAILED_PRECONDITION: Its input x is int32, not float32."),
        (other_name, 'FAILED_PRECONDITION: It has no signature "serving_default".'),
    ],
)
def test_a_shadow_that_fails_is_counted_and_said_once_and_nobody_notices(
    shadow: FakeServable, error: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING, "servable.traffic")
    with bench(shadow) as b:
        assert [b.ask(0.0) for _ in range(3)] == [[2.0]] * 3
        until(lambda: b.done == 3)
        (pair,) = b.report.pairs

    assert (pair.failed, pair.compared, pair.last_error) == (3, 0, error)
    assert [r.message for r in caplog.records] == [f"m: the shadow, version 2, fails: {error}"]
    assert all(handle.returned for handle in b.inner.handles)


def test_an_output_that_the_shadow_lacks_differs_in_all_rows() -> None:
    signature = Signature(
        half_plus_two().signatures["serving_default"].inputs, {"other": spec("o:0")}
    )
    with bench(FakeServable({"serving_default": signature}, dict)) as b:
        b.ask(1.0, 2.0)
        until(lambda: b.done == 1)
        (pair,) = b.report.pairs

    assert pair.outputs == {"y": OutputReport(2, 2, problem="is missing")}


def test_an_input_that_the_shadow_takes_besides_gets_its_default() -> None:
    plain = half_plus_two().signatures["serving_default"]
    more = Signature(
        {**plain.inputs, "z": spec("z:0")}, plain.outputs, defaults={"z": np.ones(1, np.float32)}
    )
    shadow = FakeServable({"serving_default": more}, lambda i: {"y": i["x"] / 2 + 1 + i["z"]})
    with bench(shadow) as b:
        b.ask(4.0)
        until(lambda: b.done == 1)
        (pair,) = b.report.pairs

    assert (pair.compared, pair.outputs["y"].differ) == (1, 0)


def test_a_shadow_that_hangs_fills_its_queue_and_nothing_else() -> None:
    entered, go_on = threading.Event(), threading.Event()

    def hang(inputs: Mapping[str, Array]) -> Array:
        entered.set()
        go_on.wait(PATIENCE)
        return np.asarray(inputs["x"] / 2 + 2, np.float32)

    with bench(model(hang), max_queue=3) as b:
        b.ask(0.0)
        assert entered.wait(PATIENCE)
        until(lambda: b.report.running_seconds > 0)

        answers = [b.ask(float(n)) for n in range(10)]

        assert answers == [[n / 2 + 2] for n in range(10)]
        assert (b.report.waiting, b.report.dropped) == (3, 7)
        go_on.set()
        until(lambda: b.done == 4)
        assert (b.report.kept_bytes, b.report.running_seconds) == (0, 0.0)
        outcomes = b.lines("servable_shadow_requests_total")

    assert outcomes['{model="m",shadow="2",version="1",outcome="dropped"}'] == "7"


def test_copies_that_are_too_large_together_are_dropped() -> None:
    entered, go_on = threading.Event(), threading.Event()

    def hang(inputs: Mapping[str, Array]) -> Array:
        entered.set()
        go_on.wait(PATIENCE)
        return np.asarray(inputs["x"] / 2 + 2, np.float32)

    with bench(model(hang), max_bytes=2 * 2 * 4000) as b:  # two requests of x and y
        for _ in range(3):
            b.ask(*[0.0] * 1000)
        assert entered.wait(PATIENCE)
        report = b.report
        go_on.set()

    assert (report.waiting, report.dropped, report.kept_bytes) == (1, 1, 16_000)


def test_a_request_that_failed_is_not_copied() -> None:
    with bench(off_by(0)) as b:
        with request(metrics=b.metrics) as seen:
            handle = b.models.acquire("m")
            handle.servable.run("serving_default", {"x": np.zeros(1, np.float32)}, ["y"])
            handle.__exit__(InvalidArgument, InvalidArgument("said somebody afterwards"), None)

        assert seen.done is None
        assert all(handle.returned for handle in b.inner.handles)


def test_a_copy_is_made_when_the_answer_is() -> None:
    shadow = off_by(0)
    with bench(shadow) as b:
        with b.computed() as seen:
            assert seen.done is not None
            assert b.report.kept_bytes == 0
            assert shadow.fed == []
        until(lambda: b.done == 1)

    assert len(shadow.fed) == 1


@pytest.mark.parametrize(
    ("percent", "drawn", "copied"),
    [(0, 0.0, False), (10, 0.09, True), (10, 0.1, False), (100, 0.999, True)],
)
def test_lots_decide_which_requests_are_copied(percent: float, drawn: float, copied: bool) -> None:
    numbers = iter([0.0, drawn, 0.0, 0.0])
    draw = partial(next, numbers)
    with bench(off_by(0), percent=percent, random_number=draw) as b, b.computed() as seen:
        assert (seen.done is not None) is copied


def test_what_the_shadow_itself_answers_is_not_copied() -> None:
    with bench(off_by(0)) as b:
        b.routes.set_split("m", [Share(V2, 1)])
        with b.computed() as seen:
            assert seen.done is None


def test_a_request_that_names_a_version_is_not_copied() -> None:
    with bench(off_by(0)) as b, b.computed(version=1) as seen:
        assert seen.done is None


def test_a_shadow_that_is_not_there_is_counted() -> None:
    with bench(None) as b:
        assert b.ask(0.0) == [2.0]
        until(lambda: b.done == 1)
        report = b.report

    assert (report.unavailable, report.available, report.version) == (1, False, 2)
    assert b.lines("servable_shadow_requests_total") == {
        '{model="m",shadow="2",version="1",outcome="unavailable"}': "1"
    }


def test_a_label_names_the_shadow_and_may_move() -> None:
    with bench(off_by(0.5), which=CANARY) as b:
        b.ask(0.0)  # nobody has the label
        assert (b.report.version, b.done) == (None, 0)
        b.inner.given["m"] = {"canary": 2}
        b.ask(0.0)
        until(lambda: b.done == 1)
        assert [(p.version, p.shadow) for p in b.report.pairs] == [(1, 2)]


def test_copies_give_way_to_requests_but_not_for_ever() -> None:
    asked = threading.Event()

    def always() -> bool:
        asked.set()
        return True

    with bench(off_by(0), busy=always) as b:
        b.ask(0.0)
        until(lambda: b.done == 1)

    assert asked.is_set()


def test_other_weights_leave_the_shadow_and_its_figures_alone_and_another_shadow_does_not() -> None:
    with bench(off_by(0)) as b:
        b.ask(0.0)
        until(lambda: b.done == 1)
        b.routes.set_split("m", [Share(V1, 7)])
        assert b.done == 1
        b.routes.set_shadow("m", ShadowRule(V2, percent=50))
        assert b.done == 0
        b.routes.set_shadow("m", None)
        assert b.routes.report("m").shadow is None


def test_a_shadow_that_was_stopped_takes_nothing_and_its_thread_ends() -> None:
    with bench(off_by(0)) as b:
        b.ask(0.0)
        until(lambda: b.done == 1)
        route = b.routes.of("m")
        assert route is not None
        assert route.shadow is not None
    until(lambda: not any(thread.name == "shadow m" for thread in threading.enumerate()))

    route.shadow.offer(1, [Run("serving_default", {}, {}, 0.0)])

    assert route.shadow.report().dropped == 1


# What is kept


def run(**inputs: Array) -> Run:
    return Run("s", inputs, {}, 0.0)


def test_short_views_are_copied_and_long_ones_keep_what_they_are_views_of() -> None:
    message = bytes(100_000)
    short = np.frombuffer(message, np.float32, 10)
    long = np.frombuffer(message, np.float32, 20_000)

    both = kept(run(short=short, long=long)).inputs

    assert both["short"].base is None
    assert both["long"] is long


@pytest.mark.parametrize(
    ("arrays", "expected"),
    [
        ([np.zeros(10, np.float32)], 40),
        ([np.zeros((100, 100))[:1]], 80_000),
        ([np.frombuffer(bytes(1000), np.uint8, 10)], 1000),
        ([np.frombuffer(memoryview(bytes(1000))[10:20], np.uint8)], 1000),
        ([np.frombuffer(memoryview(bytearray(800))[8:16])], 800),
        ([np.array([b"abc", b"de"], object)], 2 * 8 + 5 + 2 * 48),
        ([np.float32(3.0)], 4),
        ([np.zeros(3, tensors.BFLOAT16.numpy)], 6),
    ],
)
def test_the_size_is_that_of_what_is_kept_alive(arrays: list[Array], expected: int) -> None:
    named = {str(n): np.asarray(array) for n, array in enumerate(arrays)}

    assert size(run(**named)) == expected


def test_a_buffer_that_inputs_share_counts_once() -> None:
    message = bytes(100_000)
    halves = {str(n): np.frombuffer(message, np.uint8, 50_000, n * 50_000) for n in range(2)}

    assert size(run(**halves)) == 100_000
