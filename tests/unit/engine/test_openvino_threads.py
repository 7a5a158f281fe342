"""How calls share the CPUs: what OpenVINO is told, which calls are small, calls that meet."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any, get_args

import numpy as np
import openvino as ov
import pytest
from openvino import opset13 as ops

from servable import cpus
from servable.engine.backends.openvino import OpenVinoBackend
from servable.engine.backends.openvino_requests import Requests
from servable.engine.backends.openvino_threads import (
    MOST_STREAMS,
    SMALL_WEIGHTS,
    Hint,
    Manner,
    Threads,
    is_small,
)
from servable.engine.compile import IslandRefused
from servable.tensors import Array

LATENCY, THROUGHPUT = "LATENCY", "THROUGHPUT"


@pytest.mark.parametrize(
    ("hint", "limit", "small", "mode", "streams", "threads"),
    [
        ("auto", None, True, LATENCY, "1", "1"),
        ("auto", None, False, LATENCY, "1", None),
        ("auto", 3, False, LATENCY, "1", "3"),
        ("latency", None, True, LATENCY, "1", None),
        ("latency", 3, True, LATENCY, "1", "3"),
        ("latency", 3, False, LATENCY, "1", "3"),
        ("throughput", None, True, THROUGHPUT, None, None),
        ("throughput", 3, False, THROUGHPUT, None, "3"),
    ],
)
def test_the_hint_divides_the_budget(
    hint: Hint, limit: int | None, small: bool, mode: str, streams: str | None, threads: str | None
) -> None:
    ours = Threads(hint, limit or 4, limit)

    told = ours.settings(ours.manner(small=small))

    assert told["PERFORMANCE_HINT"] == mode
    assert told.get("NUM_STREAMS") == streams
    assert told.get("INFERENCE_NUM_THREADS") == threads


@pytest.mark.parametrize(("budget", "streams"), [(2, 2), (64, MOST_STREAMS)])
def test_streams_for_small_calls_are_bounded_by_the_budget_and_have_a_thread_each(
    budget: int, streams: int
) -> None:
    told = Threads("auto", budget, None).settings(Manner.STREAMS)

    assert told["NUM_STREAMS"] == told["INFERENCE_NUM_THREADS"] == str(streams)


@pytest.mark.parametrize(
    ("limit", "manner", "may_be", "bound"),
    [
        (None, Manner.ALL, True, "YES"),
        (None, Manner.ALL, False, "NO"),
        (None, Manner.ONE, True, "NO"),
        (None, Manner.STREAMS, True, "NO"),
        (2, Manner.ALL, True, "NO"),
        (1, Manner.ONE, True, "NO"),
    ],
)
def test_only_threads_that_have_the_whole_machine_are_bound_to_cores(
    limit: int | None, manner: Manner, may_be: bool, bound: str
) -> None:
    told = Threads("auto", 4, limit).settings(manner, bound=may_be)

    assert told["ENABLE_CPU_PINNING"] == bound


def product(rows: int, *, inner: int = 1000, outer: int = 100) -> ov.Model:
    x = ops.parameter([rows, inner], np.float32)
    return ov.Model([ops.matmul(x, np.ones((inner, outer), np.float32), False, False)], [x])


@pytest.mark.parametrize("hint", get_args(Hint))
def test_with_time_for_one_cpu_a_model_is_compiled_for_one_thread(
    hint: Hint, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "cpu.max").write_text("100000 100000\n")
    (tmp_path / "own").write_text("0::/\n")
    monkeypatch.setattr(cpus, "_CGROUP", tmp_path)
    monkeypatch.setattr(cpus, "_OWN", tmp_path / "own")
    backend = OpenVinoBackend(hint=hint)
    compiled: list[ov.CompiledModel] = []
    core = backend.core()

    class Core:
        def compile_model(self, *given: Any) -> ov.CompiledModel:
            compiled.append(core.compile_model(*given))
            return compiled[-1]

    monkeypatch.setattr(backend, "core", Core)

    for rows in (1, 1000):
        model = product(rows)
        backend.compile_model(model, backend.threads.for_calls(model))

    for property_name in ("INFERENCE_NUM_THREADS", "NUM_STREAMS"):
        assert [model.get_property(property_name) for model in compiled] == [1, 1]
    assert not backend.threads.adds_streams(product(1))


def test_streams_are_added_as_long_as_keeping_the_weights_twice_costs_little() -> None:
    threads = Threads("auto", 2, None)
    assert threads.adds_streams(product(1))
    assert not threads.adds_streams(product(1, inner=8000, outer=4001))
    assert not Threads("latency", 2, None).adds_streams(product(1))


def convolution(size: int | None, kind: str = "plain") -> ov.Model:
    x = ops.parameter([-1, 16, size or -1, size or -1], np.float32)
    around: tuple[list[int], ...] = ([1, 1], [1, 1], [1, 1], [1, 1])
    if kind == "grouped":
        made = ops.group_convolution(x, np.ones((16, 1, 1, 3, 3), np.float32), *around)
    elif kind == "transposed":
        made = ops.convolution_backprop_data(x, np.ones((16, 32, 3, 3), np.float32), [1, 1])
    else:
        made = ops.convolution(x, np.ones((32, 16, 3, 3), np.float32), *around)
    return ov.Model([made], [x])


@pytest.mark.parametrize(
    ("model", "small"),
    [
        (product(1), True),
        (product(500), True),
        (product(501), False),
        (product(1, inner=SMALL_WEIGHTS // 10, outer=11), False),
        (convolution(100), True),
        (convolution(110), False),
        (convolution(100, "transposed"), True),
        (convolution(110, "transposed"), False),
        (convolution(580, "grouped"), True),
        (convolution(600, "grouped"), False),
        (convolution(None), True),
    ],
)
def test_calls_are_small_by_what_they_multiply_and_read(model: ov.Model, small: bool) -> None:
    assert is_small(model) is small


def test_products_of_activations_count_whichever_side_is_transposed() -> None:
    for transposed in (False, True):
        shape = [10, 1000, 300]
        x = ops.parameter(shape[:1] + shape[:0:-1] if transposed else shape, np.float32)
        y = ops.parameter([10, 300, 10], np.float32)
        model = ov.Model([ops.matmul(x, y, transposed, False)], [x, y])
        assert is_small(model)
        y = ops.parameter([10, 300, 20], np.float32)
        model = ov.Model([ops.matmul(x, y, transposed, False)], [x, y])
        assert not is_small(model)


class FakeModel:
    """Answers with its number; may be told to wait or fail. Stands for a compiled model."""

    outputs = (None,)

    def __init__(self, number: float) -> None:
        self.number = number
        self.entered = threading.Event()
        self.may_leave = threading.Event()
        self.may_leave.set()
        self.error: RuntimeError | None = None

    def create_infer_request(self) -> FakeModel:
        return self

    def set_input_tensor(self, number: int, tensor: ov.Tensor) -> None:
        pass

    def infer(self, **_: bool) -> None:
        self.entered.set()
        assert self.may_leave.wait(10)
        if self.error is not None:
            raise self.error

    def get_output_tensor(self, _: int) -> ov.Tensor:
        return ov.Tensor(np.array([self.number], np.float32))


def requests(model: FakeModel, streams: Streams) -> Requests:
    return Requests(model, streams)


def answered(computing: Requests) -> float:
    (made,) = computing.run([np.zeros(1, np.float32)])
    return float(made[0])


class Busy:
    """Keeps one call going in a fake model."""

    def __init__(self, computing: Requests, model: FakeModel) -> None:
        self._computing, self._model = computing, model
        self._thread = threading.Thread(target=lambda: answered(computing))

    def __enter__(self) -> None:
        self._model.may_leave.clear()
        self._model.entered.clear()
        self._thread.start()
        assert self._model.entered.wait(10)

    def __exit__(self, *_: object) -> None:
        self._model.may_leave.set()
        self._thread.join(10)


class Streams:
    """Makes a fake model that answers 2, when it may, or refuses."""

    def __init__(self, *, refuses: bool = False) -> None:
        self.asked = 0
        self.may_come = threading.Event()
        self._refuses = refuses

    def __call__(self) -> Any:
        self.asked += 1
        assert self.may_come.wait(10)
        if self._refuses:
            raise IslandRefused("no memory")
        return FakeModel(2)


def meet(computing: Requests, model: FakeModel, streams: Streams) -> None:
    """Let two calls meet, and wait for what that starts."""
    with Busy(computing, model):
        model.entered.clear()
        second = threading.Thread(target=lambda: answered(computing))
        second.start()
        assert model.entered.wait(10)
        model.may_leave.set()
        second.join(10)
    streams.may_come.set()
    for thread in threading.enumerate():
        if thread.name == "compile streams":
            thread.join(10)


def test_calls_that_never_meet_are_computed_by_one_model_alone() -> None:
    streams = Streams()
    computing = requests(FakeModel(1), streams)

    assert [answered(computing) for _ in range(3)] == [1, 1, 1]
    assert streams.asked == 0


def test_a_call_that_finds_the_model_busy_goes_to_streams_once_they_are_there() -> None:
    model, streams = FakeModel(1), Streams()
    computing = requests(model, streams)
    meet(computing, model, streams)

    for _ in range(2):
        assert [answered(computing) for _ in range(3)] == [1, 1, 1]
        with Busy(computing, model):
            assert answered(computing) == 2
    assert streams.asked == 1


def test_without_streams_calls_are_computed_one_after_the_other() -> None:
    model, streams = FakeModel(1), Streams(refuses=True)
    computing = requests(model, streams)
    for _ in range(2):
        meet(computing, model, streams)

    assert answered(computing) == 1
    assert streams.asked == 1


def test_a_call_that_fails_does_not_leave_the_model_busy() -> None:
    model, streams = FakeModel(1), Streams()
    computing = requests(model, streams)
    meet(computing, model, streams)
    model.error = RuntimeError("these values")

    with pytest.raises(RuntimeError, match="these values"):
        answered(computing)
    model.error = None
    assert answered(computing) == 1


def test_callers_at_once_get_their_own_answers_in_every_mode() -> None:
    weights = np.random.default_rng(0).normal(size=(64, 32)).astype(np.float32)
    x = ops.parameter([-1, 64], np.float32)
    model = ov.Model([ops.matmul(x, weights, False, False)], [x])
    for hint in get_args(Hint):
        backend = OpenVinoBackend(threads=2, hint=hint)
        computing = backend.compile_model(model, backend.threads.for_calls(model))
        wrong: list[Array] = []

        def call(seed: int, computing: Requests = computing, wrong: list[Array] = wrong) -> None:
            rng = np.random.default_rng(seed)
            for _ in range(50):
                rows = rng.normal(size=(4, 64)).astype(np.float32)
                (made,) = computing.run([rows])
                if not np.allclose(made, rows @ weights, atol=1e-4):
                    wrong.append(made)

        callers = [threading.Thread(target=call, args=(seed,)) for seed in range(8)]
        for caller in callers:
            caller.start()
        for caller in callers:
            caller.join()
        assert not wrong
