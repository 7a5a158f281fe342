"""Shapes that come often are compiled for, where that computes the same and may be kept."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from typing import cast

import numpy as np
import pytest

from servable.engine.backends.openvino import OpenVinoBackend
from servable.engine.backends.openvino_requests import Requests
from servable.engine.backends.openvino_special import (
    MOST,
    MOST_ATTEMPTS,
    MOST_VALUES,
    MOST_WEIGHTS,
    OFTEN,
    SHARE,
    Often,
    Room,
)
from servable.engine.compile import IslandRefused, compile_function
from servable.engine.run import run
from servable.graph.ir import ARG, AttrValue, Function, FunctionRef, Node, Value, const
from servable.ops.registry import Body, Environment
from servable.ops.resources import Resources
from servable.tensors import FLOAT, Array

X = np.ones((2, 3), np.float32)


class Computing:
    """Stands for what is compiled; answers an array."""

    def __init__(self, answer: Array) -> None:
        self.calls = 0
        self._answer = answer

    def run(self, arrays: Sequence[Array]) -> list[Array]:
        del arrays
        self.calls += 1
        return [self._answer]


def often(general: Computing, special: object, room: Room) -> Often:
    def compiled() -> Requests:
        if isinstance(special, Exception):
            raise special
        return cast(Requests, special)

    return Often(cast(Requests, general), compiled, room)


def called(calls: Often, times: int) -> None:
    """Call so many times, and wait for what that starts."""
    for _ in range(times):
        calls.run([X])
    for thread in threading.enumerate():
        if thread.name == "compile shape":
            thread.join(10)


def test_a_shape_is_compiled_for_once_it_came_often() -> None:
    general, special = Computing(X), Computing(X)
    calls = often(general, special, Room(1))

    called(calls, OFTEN - 1)
    assert special.calls == 0
    called(calls, 1)
    before = general.calls, special.calls
    called(calls, 10)

    assert (general.calls, special.calls) == (before[0], before[1] + 10)


@pytest.mark.parametrize(
    "special",
    [
        Computing(X * 1.01),
        Computing(X[:1]),
        Computing(X.astype(np.float64)),
        Computing(X * np.nan),
        IslandRefused("not this one"),
        RuntimeError("no memory"),
    ],
    ids=["other numbers", "another shape", "another dtype", "no numbers", "refused", "failed"],
)
def test_what_computes_something_else_is_not_used(special: object) -> None:
    general = Computing(X)
    calls = often(general, special, Room(1))
    called(calls, OFTEN)
    before = general.calls
    called(calls, 3 * OFTEN)
    assert general.calls == before + 3 * OFTEN


def test_the_last_digits_may_differ() -> None:
    special = Computing(X * np.float32(1.0001))
    calls = often(Computing(X), special, Room(1))
    called(calls, OFTEN)
    before = special.calls
    called(calls, 1)
    assert special.calls == before + 1


def test_a_shape_that_comes_often_while_another_is_compiled_has_its_turn_later() -> None:
    entered, may_leave = threading.Event(), threading.Event()
    first, second = Computing(X), Computing(X)

    def slow() -> Requests:
        entered.set()
        assert may_leave.wait(10)
        return cast(Requests, first)

    one = Often(cast(Requests, Computing(X)), slow, Room(1))
    other = often(Computing(X), second, Room(1))
    for _ in range(OFTEN):
        one.run([X])
    assert entered.wait(10)
    for _ in range(OFTEN):
        other.run([X])
    may_leave.set()
    called(one, 1)
    assert not second.calls

    called(other, OFTEN)
    assert second.calls


@pytest.mark.parametrize(
    ("weights", "places"), [(0, MOST), (1, MOST), (MOST_WEIGHTS // 2, 2), (MOST_WEIGHTS + 1, 0)]
)
def test_an_island_has_room_for_few_shapes_and_few_weights(weights: int, places: int) -> None:
    room = Room(weights)
    made = [Computing(X) for _ in range(MOST + 1)]
    for special in made:
        called(often(Computing(X), special, room), OFTEN)
    assert [bool(special.calls) for special in made] == [n < places for n in range(MOST + 1)]


def test_an_island_has_room_for_so_much_in_between_all_shapes_together() -> None:
    room = Room(1)
    room.take(MOST_VALUES - 10)
    room.note(kept=True)
    with pytest.raises(IslandRefused, match="too much"):
        room.take(11)
    room.note(kept=False)
    room.take(10)
    room.note(kept=False)
    room.take(10)
    room.note(kept=True)
    with pytest.raises(IslandRefused, match="too much"):
        room.take(1)


def test_shapes_that_are_refused_take_no_room_but_are_not_tried_for_ever() -> None:
    room, last = Room(MOST_WEIGHTS), Computing(X)
    for _ in range(MOST_ATTEMPTS - 1):
        called(often(Computing(X), IslandRefused("no"), room), OFTEN)
    assert not room.full
    called(often(Computing(X), IslandRefused("no"), room), OFTEN)
    called(often(Computing(X), last, room), OFTEN)
    assert not last.calls


def test_a_shape_that_is_one_of_very_many_is_not_compiled_for() -> None:
    room = Room(1)
    special = [Computing(X) for _ in range(2 * SHARE)]
    shapes = [often(Computing(X), one, room) for one in special]
    for _ in range(3 * OFTEN):
        for shape in shapes:
            shape.run([X])
    called(shapes[0], 0)
    assert not any(one.calls for one in special)


class Eager(OpenVinoBackend):
    """Takes what is not worth it."""

    def worth(self, *_: object) -> bool:
        return True


def test_an_island_answers_the_same_before_and_after_its_shapes_came_often() -> None:
    rng = np.random.default_rng(0)
    weights = rng.normal(size=(64, 16)).astype(np.float32)
    attrs: dict[str, AttrValue] = {"T": FLOAT, "transpose_a": False, "transpose_b": False}
    nodes = (
        Node("x", ARG, attrs={"T": FLOAT, "index": 0}, dtypes=(FLOAT,)),
        const("w", weights, FLOAT),
        Node("y", "MatMul", (Value("x"), Value("w")), (), attrs, (FLOAT,)),
        Node("out", "Erf", (Value("y"),), (), {"T": FLOAT}, (FLOAT,)),
    )
    function = Function("f", ("x",), {n.name: n for n in nodes}, (Value("out"),))
    environment = Environment(Resources(), None, no_functions)
    plan = compile_function(function, environment, backend=Eager(), shapes=[(None, 64)])
    host = compile_function(function, environment)
    for rows in (1, 7, 32):
        x = rng.normal(size=(rows, 64)).astype(np.float32)
        (expected,) = run(host, [x])
        for _ in range(2 * OFTEN):
            np.testing.assert_allclose(run(plan, [x])[0], expected, atol=1e-4)


def no_functions(ref: FunctionRef) -> Body:
    raise AssertionError(f"nothing calls {ref}")
