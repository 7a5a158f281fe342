"""Batches that wait for more requests, by TensorFlow Serving's rules."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import pytest
from gated_servable import PATIENCE, Askers, GatedServable

from servable.batching.queues import BatchThreads
from servable.batching.scheduled import ScheduledServable
from servable.config.batching import BatchingParameters, checked
from servable.errors import (
    FailedPrecondition,
    InvalidArgument,
    ResourceExhausted,
    ServableError,
    Unavailable,
)
from servable.metrics.requests import CURRENT, Observation
from servable.tensors import Array

NEVER = 10**12
"""Microseconds: longer than any test."""

FULL_AT_4 = BatchingParameters(4, NEVER, 10, 1)


def half_plus_two(inputs: Mapping[str, Array]) -> Mapping[str, Array]:
    return {"y": inputs["x"] / 2 + 2}


def batching(inner: GatedServable, parameters: BatchingParameters) -> ScheduledServable:
    return ScheduledServable(inner, checked(parameters), BatchThreads(parameters.threads))


def opened() -> GatedServable:
    inner = GatedServable(half_plus_two)
    inner.let_all()
    return inner


def wait_for_rows(servable: ScheduledServable, rows: int) -> None:
    """Return when so many rows wait."""
    pause = threading.Event()
    for _ in range(10_000):
        queues = servable._queues.values()
        if sum(batch.rows for queue in queues for batch in queue.batches) >= rows:
            return
        pause.wait(0.001)
    pytest.fail("nothing queued")


def test_two_requests_form_a_full_batch_and_get_their_own_rows() -> None:
    inner = opened()
    with Askers(batching(inner, FULL_AT_4)) as asking:
        one, other = asking.ask([[100.0], [42.0]]), asking.ask([[71.5], [18.3]])
        assert one.result(PATIENCE) == [[52.0], [23.0]]
        assert np.allclose(np.array(other.result(PATIENCE)), [[37.75], [11.15]])
    assert inner.sizes == [4]


def test_a_request_without_rows_is_answered_with_none_and_not_padded() -> None:
    inner = opened()
    parameters = BatchingParameters(4, 0, 10, 1, allowed_batch_sizes=(2, 4))
    answer = batching(inner, parameters).run(
        "serving_default", {"x": np.zeros((0, 3), np.float32)}, ["y"]
    )
    assert answer["y"].shape == (0, 3)
    assert inner.sizes == [0]


def test_a_batch_that_stays_too_small_runs_when_its_time_is_up() -> None:
    inner = opened()
    with Askers(batching(inner, replace(FULL_AT_4, timeout_micros=100))) as asking:
        assert asking.ask([[2.0]]).result(PATIENCE) == [[3.0]]
    assert inner.sizes == [1]


def test_a_request_that_does_not_fit_closes_the_batch_before_it() -> None:
    inner = opened()
    with Askers(batching(inner, FULL_AT_4)) as asking:
        small = asking.ask([[1.0]] * 3)
        wait_for_rows(asking._servable, 3)  # type: ignore[arg-type]  # it is what was handed in
        large = asking.ask([[2.0]] * 4)
        assert small.result(PATIENCE) == [[2.5]] * 3
        assert large.result(PATIENCE) == [[3.0]] * 4
    assert inner.sizes == [3, 4]


@pytest.mark.parametrize(("allowed", "size"), [((2, 4), 2), ((1, 3, 4), 3)])
def test_batches_are_padded_to_allowed_sizes(allowed: tuple[int, ...], size: int) -> None:
    inner = opened()
    parameters = BatchingParameters(4, 0, 10, 1, allowed_batch_sizes=allowed)
    with Askers(batching(inner, parameters)) as asking:
        assert asking.ask([[2.0], [4.0]]).result(PATIENCE) == [[3.0], [4.0]]
    assert inner.sizes == [size]


def test_each_batch_is_counted_with_one_of_its_requests() -> None:
    inner = opened()
    parameters = BatchingParameters(
        8, 0, 10, 1, split_large=True, max_execution_batch_size=2, allowed_batch_sizes=(2, 8)
    )
    seen = CURRENT.observation = Observation("predict", "grpc")
    batching(inner, parameters).run("serving_default", {"x": np.ones((5, 1))}, ["y"])
    CURRENT.observation = None
    assert [(note.rows, note.padding) for note in seen.batches] == [(2, 0), (2, 0), (1, 1)]


def test_a_request_that_could_never_be_queued_is_told_what_could() -> None:
    parameters = BatchingParameters(100, 0, 3, 1, split_large=True, max_execution_batch_size=4)
    with pytest.raises(Unavailable) as caught:
        batching(opened(), parameters).run("serving_default", {"x": np.ones((60, 1))}, ["y"])
    assert caught.value.hint == "Send 12 rows at most, or raise max_enqueued_batches."


def test_large_requests_are_cut_and_put_together_again() -> None:
    inner = opened()
    parameters = BatchingParameters(5, 0, 10, 1, split_large=True, max_execution_batch_size=2)
    with Askers(batching(inner, parameters)) as asking:
        asked = asking.ask([[float(n)] for n in range(5)])
        assert asked.result(PATIENCE) == [[n / 2 + 2] for n in range(5)]
    assert max(inner.sizes) <= 2


def test_rows_of_different_lengths_are_padded_where_that_is_asked_for() -> None:
    inner = opened()
    parameters = replace(FULL_AT_4, max_batch_size=2, pad_variable_length=True)
    with Askers(batching(inner, parameters)) as asking:
        short, long = asking.ask([[2.0, 4.0]]), asking.ask([[6.0, 8.0, 10.0]])
        assert short.result(PATIENCE) == [[3.0, 4.0, 3.0]]
        assert long.result(PATIENCE) == [[5.0, 6.0, 7.0]]
    assert inner.sizes == [2]


def test_rows_of_different_lengths_do_not_disturb_each_other_where_it_is_not() -> None:
    inner = opened()
    with Askers(batching(inner, replace(FULL_AT_4, max_batch_size=2))) as asking:
        short, long = asking.ask([[2.0, 4.0]]), asking.ask([[6.0, 8.0, 10.0]])
        assert short.result(PATIENCE) == [[3.0, 4.0]]
        assert long.result(PATIENCE) == [[5.0, 6.0, 7.0]]


@pytest.mark.parametrize(
    ("inputs", "text"),
    [
        ({}, "Batching Run() must have at least one input tensor"),
        (
            {"x": np.float32(1)},
            "Batching Run() input tensors must have at least one dimension",
        ),
        (
            {"x": np.ones(2), "z": np.ones(3)},
            "Batching Run() input tensors must have equal 0th-dimension size",
        ),
        ({"x": np.ones(5)}, "Task size 5 is larger than maximum input batch size 4"),
    ],
)
def test_requests_that_are_no_rows_are_refused(inputs: dict[str, Array], text: str) -> None:
    servable = batching(opened(), FULL_AT_4)
    with pytest.raises(InvalidArgument) as caught:
        servable.run("serving_default", {k: np.asarray(v) for k, v in inputs.items()}, ["y"])
    assert caught.value.message == text


@pytest.mark.parametrize(
    ("parameters", "text"),
    [
        (
            BatchingParameters(1, NEVER, 2, 1),
            "The batch scheduling queue to which this task was submitted is full; "
            "currently 2 batches enqueued and max_enqueued_batches is 2",
        ),
        (
            BatchingParameters(1, NEVER, 2, 1, split_large=True),
            "The batch scheduling queue to which this task was submitted is full; task size is 1 "
            "but scheduling capacity is only 0 (num_enqueued_batches=2, max_enqueued_batches=2, "
            "open_batch_size=1, max_execution_batch_size=1)",
        ),
    ],
)
def test_a_full_queue_refuses_and_answers_what_it_has(
    parameters: BatchingParameters, text: str
) -> None:
    inner = GatedServable(half_plus_two)
    servable = batching(inner, parameters)
    with Askers(servable) as asking:
        taken = [asking.ask([[0.0]])]
        inner.wait_begun()
        for rows in (1, 2):
            taken.append(asking.ask([[0.0]]))
            wait_for_rows(servable, rows)
        with pytest.raises(Unavailable) as caught:
            servable.run("serving_default", {"x": np.ones((1, 1))}, ["y"])
        assert caught.value.message == text
        inner.let_all()
        assert [future.result(PATIENCE) for future in taken] == [[[2.0]]] * 3


def test_a_bad_request_spoils_no_other() -> None:
    def refuse_negative(inputs: Mapping[str, Array]) -> Mapping[str, Array]:
        if (inputs["x"] < 0).any():
            raise InvalidArgument("negative")
        return half_plus_two(inputs)

    inner = GatedServable(refuse_negative)
    inner.let_all()
    with Askers(batching(inner, replace(FULL_AT_4, max_batch_size=2))) as asking:
        good, bad = asking.ask([[2.0]]), asking.ask([[-2.0]])
        assert good.result(PATIENCE) == [[3.0]]
        with pytest.raises(InvalidArgument, match="negative"):
            bad.result(PATIENCE)


def test_a_request_whose_client_left_is_told_that_its_time_is_over() -> None:
    inner = GatedServable(half_plus_two)
    servable = batching(inner, replace(FULL_AT_4, max_batch_size=1, timeout_micros=0))
    with Askers(servable) as asking:
        first = asking.ask([[0.0]])
        inner.wait_begun()

        def leave() -> None:
            CURRENT.observation = Observation("predict", "grpc", wanted=lambda: False)
            servable.run("serving_default", {"x": np.ones((1, 1))}, ["y"])

        left = asking._pool.submit(leave)
        wait_for_rows(servable, 1)
        inner.let_all()
        first.result(PATIENCE)
        text = r"Run\(\) timeout exceeded while waiting in batching queue"
        with pytest.raises(ResourceExhausted, match=text):
            left.result(PATIENCE)
    assert inner.sizes == [1]


@pytest.mark.parametrize(
    ("output", "error"),
    [(np.float32(1), FailedPrecondition), (np.ones((3, 1)), FailedPrecondition)],
)
def test_models_that_make_no_rows_are_refused(output: Array, error: type[ServableError]) -> None:
    inner = GatedServable(lambda _: {"y": np.asarray(output)})
    inner.let_all()
    servable = batching(inner, replace(FULL_AT_4, max_batch_size=1))
    with pytest.raises(error):
        servable.run("serving_default", {"x": np.ones((1, 1))}, ["y"])


def test_threads_end_with_the_last_queue() -> None:
    threads = BatchThreads(2)
    inner = opened()
    servable = ScheduledServable(inner, checked(replace(FULL_AT_4, timeout_micros=0)), threads)
    servable.run("serving_default", {"x": np.ones((1, 1))}, ["y"])
    running = set(threads._threads)
    assert len(running) == 2
    servable.close()
    for thread in running:
        thread.join(PATIENCE)
        assert not thread.is_alive()
