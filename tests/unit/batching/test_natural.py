"""What queues while a model is busy is computed together; every request gets its own rows."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping

import numpy as np
import pytest
from gated_servable import PATIENCE, Askers, GatedServable

from servable.batching.natural import NaturallyBatched
from servable.errors import Cancelled, InvalidArgument
from servable.metrics.requests import CURRENT, Observation
from servable.tensors import FLOAT, Array, Signature, TensorSpec


def at_once(work: Callable[[], None]) -> None:
    """What is found out about a model takes place in the request that lets it."""
    work()


def double(inputs: Mapping[str, Array]) -> Mapping[str, Array]:
    return {"y": inputs["x"] * 2}


def centred(inputs: Mapping[str, Array]) -> Mapping[str, Array]:
    return {"y": inputs["x"] - inputs["x"].mean(axis=0)}


def refuse_negative(inputs: Mapping[str, Array]) -> Mapping[str, Array]:
    if (inputs["x"] < 0).any():
        raise InvalidArgument("negative")
    return double(inputs)


class Waiting:
    """A batched servable that is busy with one request, behind which others queue."""

    def __init__(self, inner: GatedServable, batched: NaturallyBatched, asking: Askers) -> None:
        self.inner = inner
        self.batched = batched
        self.asking = asking
        self.first = asking.ask([[1.0]])
        inner.wait_begun()

    def until_queued(self, tasks: int) -> None:
        """Return when so many requests wait."""
        lane = next(iter(self.batched._lanes.values()))
        assert lane is not None
        deadline = threading.Event()
        for _ in range(10_000):
            if len(lane._queue) >= tasks:
                return
            deadline.wait(0.001)
        pytest.fail("nothing queued")


def test_an_idle_model_answers_at_once_and_alone() -> None:
    inner = GatedServable(double)
    inner.let_all()
    batched = NaturallyBatched(inner, "m", rows=8, trusted=True)
    assert batched.run("serving_default", {"x": np.ones((3, 1))}, ["y"])["y"].tolist() == [[2]] * 3
    assert inner.sizes == [3]


def test_what_queued_goes_together_and_comes_apart() -> None:
    inner = GatedServable(double)
    batched = NaturallyBatched(inner, "m", rows=8, trusted=True)
    with Askers(batched) as asking:
        waiting = Waiting(inner, batched, asking)
        futures = [asking.ask([[float(n)], [float(-n)]]) for n in range(4)]
        waiting.until_queued(4)
        inner.let_all()
        assert waiting.first.result(PATIENCE) == [[2]]
        assert [f.result(PATIENCE) for f in futures] == [[[2 * n], [-2 * n]] for n in range(4)]
    assert inner.sizes == [1, 8]


def test_no_more_rows_go_together_than_the_limit() -> None:
    inner = GatedServable(double)
    batched = NaturallyBatched(inner, "m", rows=4, trusted=True)
    with Askers(batched) as asking:
        waiting = Waiting(inner, batched, asking)
        futures = [asking.ask([[float(n)]]) for n in range(10)]
        waiting.until_queued(10)
        inner.let_all()
        assert [f.result(PATIENCE) for f in futures] == [[[2 * n]] for n in range(10)]
    assert inner.sizes == [1, 4, 4, 2]


def test_rows_of_another_shape_are_not_merged() -> None:
    inner = GatedServable(double)
    batched = NaturallyBatched(inner, "m", rows=8, trusted=True)
    with Askers(batched) as asking:
        waiting = Waiting(inner, batched, asking)
        wide, narrow = asking.ask([[1.0, 2.0]]), asking.ask([[3.0]])
        waiting.until_queued(2)
        inner.let_all()
        assert wide.result(PATIENCE) == [[2, 4]]
        assert narrow.result(PATIENCE) == [[6]]
    assert inner.sizes == [1, 1, 1]


def test_a_bad_request_spoils_no_other() -> None:
    inner = GatedServable(refuse_negative)
    batched = NaturallyBatched(inner, "m", rows=8, trusted=True)
    with Askers(batched) as asking:
        waiting = Waiting(inner, batched, asking)
        good, bad, fine = (asking.ask([[n]]) for n in (1.0, -1.0, 3.0))
        waiting.until_queued(3)
        inner.let_all()
        assert (good.result(PATIENCE), fine.result(PATIENCE)) == ([[2]], [[6]])
        with pytest.raises(InvalidArgument, match="negative"):
            bad.result(PATIENCE)


def test_requests_whose_clients_left_are_not_computed() -> None:
    inner = GatedServable(double)
    batched = NaturallyBatched(inner, "m", rows=8, trusted=True)
    with Askers(batched) as asking:
        waiting = Waiting(inner, batched, asking)
        stays = asking.ask([[1.0]])
        waiting.until_queued(1)

        def leave() -> None:
            CURRENT.observation = Observation("predict", "grpc", wanted=lambda: False)
            batched.run("serving_default", {"x": np.ones((1, 1))}, ["y"])

        left = asking._pool.submit(leave)
        waiting.until_queued(2)
        inner.let_all()
        assert stays.result(PATIENCE) == [[2]]
        with pytest.raises(Cancelled):
            left.result(PATIENCE)
    assert inner.sizes == [1, 1]


def test_a_request_is_told_which_batch_it_was_in() -> None:
    inner = GatedServable(double)
    batched = NaturallyBatched(inner, "m", rows=8, trusted=True)
    with Askers(batched) as asking:
        waiting = Waiting(inner, batched, asking)
        other = asking.ask([[1.0]])
        waiting.until_queued(1)

        def observed() -> str:
            CURRENT.observation = seen = Observation("predict", "grpc")
            batched.run("serving_default", {"x": np.ones((1, 1))}, ["y"])
            return str(seen.batch)

        told = asking._pool.submit(observed)
        waiting.until_queued(2)
        inner.let_all()
        other.result(PATIENCE)
        assert told.result(PATIENCE).endswith(";size=2;requests=2;padded=0;reason=free")


def run_side_by_side(inner: GatedServable, batched: NaturallyBatched, times: int) -> None:
    """Send pairs of different requests that overlap, until they would be merged."""
    with Askers(batched) as asking:
        for number in range(times):
            lane = next(iter(batched._lanes.values()), None)
            if lane is not None and (lane.closed or lane._trials.trusted):
                return
            first = asking.ask([[1.0, float(number)]])
            inner.wait_begun()
            second = asking.ask([[2.0, 9.0 + number]])
            inner.wait_begun()
            inner.let_all()
            first.result(PATIENCE)
            second.result(PATIENCE)
            inner._open = False
            while inner._may.acquire(blocking=False):
                pass
            while inner._begun.acquire(blocking=False):
                pass


def test_a_model_whose_rows_depend_on_one_another_is_never_batched() -> None:
    inner = GatedServable(centred)
    batched = NaturallyBatched(inner, "m", rows=8, apart=at_once)
    run_side_by_side(inner, batched, 20)
    lane = next(iter(batched._lanes.values()))
    assert lane is not None
    assert lane.closed


def test_a_model_is_batched_after_its_answers_were_compared() -> None:
    inner = GatedServable(double)
    batched = NaturallyBatched(inner, "m", rows=8, apart=at_once)
    run_side_by_side(inner, batched, 20)
    inner.sizes.clear()
    with Askers(batched) as asking:
        waiting = Waiting(inner, batched, asking)
        futures = [asking.ask([[float(n)]]) for n in range(4)]
        waiting.until_queued(4)
        inner.let_all()
        assert [f.result(PATIENCE) for f in futures] == [[[2 * n]] for n in range(4)]
    assert inner.sizes == [1, 4]


def along_the_last_axis(inputs: Mapping[str, Array]) -> Mapping[str, Array]:
    return {"y": np.cumsum(inputs["x"], axis=-1)}


@pytest.mark.parametrize("rank", [2, None])
def test_answers_at_one_rank_say_nothing_of_another(rank: int | None) -> None:
    inner = GatedServable(along_the_last_axis)
    shape = None if rank is None else (None,) * rank
    spec = TensorSpec("x:0", FLOAT, shape)
    inner.signatures = {"serving_default": Signature({"x": spec}, {"y": spec})}
    batched = NaturallyBatched(inner, "m", rows=8, apart=at_once)
    run_side_by_side(inner, batched, 20)
    inner._open = True
    inner.let_all()
    with Askers(batched) as asking:
        vectors = [asking.ask(np.array([1.0, 2.0])) for _ in range(50)]
        assert [vector.result(PATIENCE) for vector in vectors] == [[1, 3]] * 50


def test_a_graph_in_which_rows_may_meet_is_not_even_tried() -> None:
    inner = GatedServable(double)
    inner.mixed = "Cumsum: it goes along the rows"
    batched = NaturallyBatched(inner, "m", rows=8, apart=at_once)
    run_side_by_side(inner, batched, 4)
    assert set(inner.sizes) == {1}


def test_hundreds_of_requests_from_many_threads_all_get_their_own_answer() -> None:
    inner = GatedServable(double)
    inner.let_all()
    batched = NaturallyBatched(inner, "m", trusted=True)
    with Askers(batched) as asking:
        futures = [(n, asking.ask([[float(n)]] * (1 + n % 3))) for n in range(600)]
        for n, future in futures:
            assert future.result(PATIENCE) == [[2 * n]] * (1 + n % 3)
