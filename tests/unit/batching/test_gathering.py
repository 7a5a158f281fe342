"""Requests that one thread answers together are computed together, and each gets its own."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
import pytest
from gated_servable import GatedServable

from servable.batching.gathering import MOST_AT_ONCE, answer_together
from servable.batching.natural import NaturallyBatched
from servable.batching.steps import Run, Steps, complete, settled, steps_of
from servable.batching.trials import ENOUGH
from servable.errors import Internal, InvalidArgument
from servable.metrics.batches import BatchNote
from servable.metrics.requests import CURRENT, Observation
from servable.tensors import Array

Answers = dict[int, object]


def double(inputs: Mapping[str, Array]) -> Mapping[str, Array]:
    return {"y": inputs["x"] * 2}


def refuse_negative(inputs: Mapping[str, Array]) -> Mapping[str, Array]:
    if (inputs["x"] < 0).any():
        raise InvalidArgument("negative")
    return double(inputs)


def never(_: Callable[[], None]) -> None:
    raise AssertionError("a request went on elsewhere")


def at_once(work: Callable[[], None]) -> None:
    work()


def served(
    run: Callable[[Mapping[str, Array]], Mapping[str, Array]] = double, rows: int | None = 8
) -> tuple[GatedServable, NaturallyBatched]:
    """A model that is trusted, and has seen a request."""
    inner = GatedServable(run)
    inner.let_all()
    batched = NaturallyBatched(inner, "m", rows=rows, trusted=True, apart=at_once)
    answers: Answers = {}
    answer_together([request(batched, n, 1.0, answers) for n in range(2)], never)
    inner.sizes.clear()
    return inner, batched


def request(
    batched: NaturallyBatched, number: int, value: float, answers: Answers, runs: int = 1
) -> Steps[None]:
    """Ask for the double so many times, and keep what comes of it."""
    seen = CURRENT.observation = Observation("predict", "grpc")
    array = np.array([[float(value)]])
    for _ in range(runs):
        try:
            array = (yield Run(batched, "serving_default", {"x": array}, ["y"]))["y"]
        except InvalidArgument as error:
            answers[number] = error.message
            return
        assert CURRENT.observation is seen
    answers[number] = array.tolist()


def ask(batched: NaturallyBatched, *values: float, runs: int = 1) -> Answers:
    answers: Answers = {}
    requests = [request(batched, n, v, answers, runs) for n, v in enumerate(values)]
    answer_together(requests, never)
    return answers


def test_requests_that_came_together_are_one_batch() -> None:
    inner, batched = served()
    assert ask(batched, 1, 2, 3, 4) == {0: [[2]], 1: [[4]], 2: [[6]], 3: [[8]]}
    assert inner.sizes == [4]


def test_each_run_of_a_request_is_in_a_batch_of_its_own() -> None:
    inner, batched = served()
    assert ask(batched, 1, 2, runs=3) == {0: [[8]], 1: [[16]]}
    assert inner.sizes == [2, 2, 2]


def test_one_that_is_at_fault_spoils_no_other() -> None:
    inner, batched = served(refuse_negative)
    assert ask(batched, 1, -1, 3, 4) == {0: [[2]], 1: "negative", 2: [[6]], 3: [[8]]}
    assert inner.sizes == [4, 1, 1, 1, 1]


def test_a_request_that_is_alone_is_computed_alone() -> None:
    inner, batched = served()
    assert ask(batched, 7) == {0: [[14]]}
    assert inner.sizes == [1]


def test_hundreds_go_in_turns_and_none_is_lost() -> None:
    _, batched = served(rows=64)
    values = [float(n) for n in range(3 * MOST_AT_ONCE + 5)]
    assert ask(batched, *values) == {n: [[2 * value]] for n, value in enumerate(values)}


def test_a_request_hears_of_its_batch() -> None:
    _, batched = served()
    notes, counted = [], list[BatchNote]()

    def asking() -> Steps[None]:
        seen = CURRENT.observation = Observation("predict", "grpc")
        yield Run(batched, "serving_default", {"x": np.ones((1, 1))}, ["y"])
        notes.append(seen.batch)
        counted.extend(seen.batches)

    answer_together([asking(), asking()], never)
    assert [(note.rows, note.requests) for note in notes if note] == [(2, 2)] * 2
    assert all(note.ahead > 0 for note in notes if note)
    assert len(counted) == 1


def test_a_model_that_merges_nothing_answers_all(caplog: pytest.LogCaptureFixture) -> None:
    plain = GatedServable(double)
    plain.let_all()
    got: list[float] = []

    def asking(value: float) -> Steps[None]:
        outputs = yield Run(plain, "serving_default", {"x": np.array([[value]])}, ["y"])
        got.append(float(outputs["y"][0, 0]))

    def failing() -> Steps[None]:
        yield Run(plain, "serving_default", {"x": np.ones((1, 1))}, ["y"])
        raise ValueError("a mistake in what answers")

    answer_together([asking(1), failing(), asking(2)], never)
    assert got == [2, 4]
    assert "a request raised" in caplog.text


def test_a_model_that_would_end_the_thread_spoils_no_other_request() -> None:
    def leave(inputs: Mapping[str, Array]) -> Mapping[str, Array]:
        if (inputs["x"] < 0).any():
            raise SystemExit(1)
        return double(inputs)

    plain = GatedServable(leave)
    plain.let_all()
    got: list[object] = []

    def asking(value: float) -> Steps[None]:
        try:
            yield Run(plain, "serving_default", {"x": np.array([[value]])}, ["y"])
        except Internal as error:
            got.append(error.message)
        else:
            got.append(value)

    answer_together([asking(1), asking(-1), asking(2)], never)
    assert got == [1, "the model ended: SystemExit: 1", 2]


def test_before_it_is_trusted_requests_that_meet_are_compared_apart_from_them() -> None:
    inner = GatedServable(double)
    inner.let_all()
    work: list[Callable[[], None]] = []
    batched = NaturallyBatched(inner, "m", rows=8, apart=work.append)
    for number in range(ENOUGH):
        assert ask(batched, number, number + 10) == {0: [[2 * number]], 1: [[2 * number + 20]]}
        assert set(inner.sizes) == {1}
        work.pop()()
        inner.sizes.clear()
    ask(batched, 1, 2)
    assert inner.sizes == [2]


def test_a_size_is_prepared_before_it_is_tried() -> None:
    inner = GatedServable(double)
    inner.let_all()
    batched = NaturallyBatched(inner, "m", trusted=True, apart=at_once)
    assert ask(batched, 1, 2) == {0: [[2]], 1: [[4]]}
    assert inner.sizes[0] == inner.sizes[-1] == 1  # those of the requests
    assert 2 in inner.sizes


def test_closing_waits_for_what_is_being_found_out() -> None:
    inner = GatedServable(double)
    inner.let_all()
    work: list[Callable[[], None]] = []
    batched = NaturallyBatched(inner, "m", apart=work.append)
    ask(batched, 1, 2)
    ask(batched, 3, 4)
    work.pop()()
    batched.close()
    ask(batched, 5, 6)
    assert not work


def test_steps_are_driven_to_the_answer() -> None:
    plain = GatedServable(refuse_negative)
    plain.let_all()

    def adding(value: float) -> Steps[float]:
        outputs = yield Run(plain, "serving_default", {"x": np.array([[value]])}, ["y"])
        return float(outputs["y"][0, 0]) + 1

    later: list[float | Steps[float]] = [adding(2), adding(3), adding(2)]
    at_once: float | Steps[float] = 9.0
    assert settled(later[0]) == 5
    assert settled(at_once) == 9
    assert complete(steps_of(later[1])) == 7
    assert complete(steps_of(at_once)) == 9
    with pytest.raises(InvalidArgument):
        complete(adding(-1))
