"""Islands: shapes that come and go, values that OpenVINO gets wrong, many threads."""

from __future__ import annotations

import gc
import threading
from typing import Any

import numpy as np
import pytest

from servable.engine.backends import openvino
from servable.engine.backends.openvino import OpenVinoBackend
from servable.engine.backends.openvino_requests import Requests
from servable.engine.backends.openvino_threads import Manner
from servable.engine.compile import Backend, compile_function
from servable.engine.plan import Plan
from servable.engine.run import run
from servable.errors import InvalidArgument
from servable.graph.ir import ARG, Function, FunctionRef, Node, Value, const
from servable.ops.registry import Body, Environment
from servable.ops.resources import Resources
from servable.tensors import DOUBLE, FLOAT, INT64, Array, DType, Shape

WEIGHTS = np.random.default_rng(0).normal(size=(256, 200)).astype(np.float32)


def no_functions(ref: FunctionRef) -> Body:
    raise AssertionError(f"nothing calls {ref}")


def matmul(
    shape: Shape = (None, 256), weights: Array = WEIGHTS, backend: Backend | None = None
) -> Plan:
    """exp(x @ w), with weights that are read-only as a file's are."""
    frozen = weights.copy()
    frozen.flags.writeable = False
    dtype = FLOAT
    w = const("w", frozen, dtype)
    nodes = (
        Node("x", ARG, attrs={"T": dtype, "index": 0}, dtypes=(dtype,)),
        w,
        Node(
            "mm",
            "MatMul",
            (Value("x"), Value("w")),
            (),
            {"T": dtype, "transpose_a": False, "transpose_b": False},
            (dtype,),
        ),
        Node("y", "Exp", (Value("mm"),), (), {"T": dtype}, (dtype,)),
    )
    function = Function("f", ("x",), {n.name: n for n in nodes}, (Value("y"),))
    return compile_function(
        function,
        Environment(Resources(), None, no_functions),
        backend=backend or OpenVinoBackend(),
        shapes=[shape],
    )


def backends(plan: Plan) -> list[str]:
    return [s.unit.backend for s in plan.steps]


def close(plan: Plan, x: Array) -> None:
    (y,) = run(plan, [x])
    np.testing.assert_allclose(y, np.exp(x @ WEIGHTS), rtol=2e-5)


X = np.random.default_rng(1).normal(size=(4, 256)).astype(np.float32) / 100


@pytest.mark.parametrize("shape", [(None, 256), (4, 256), (None, None), None])
def test_an_island_answers_whatever_the_signature_says_of_shapes(shape: Shape) -> None:
    plan = matmul(shape=shape)
    assert backends(plan) == ["openvino"]
    for rows in (4, 1, 0, 3):
        close(plan, X[:rows])


def test_a_shape_that_the_graph_refuses_gets_tensorflows_text_and_the_next_request_its_answer() -> (
    None
):
    plan = matmul()
    with pytest.raises(InvalidArgument, match=r"Matrix size-incompatible: In\[0\]: \[4,7\]"):
        run(plan, [np.zeros((4, 7), np.float32)])
    close(plan, X)


def test_values_that_are_not_finite_come_out_as_tensorflow_has_them() -> None:
    x = X.copy()
    x[1, 3] = np.nan
    (y,) = run(matmul(), [x])
    assert np.isnan(y[1]).all()
    assert np.isfinite(y[[0, 2, 3]]).all()


def test_values_whose_squares_overflow_are_still_finite() -> None:
    plan = matmul(weights=np.zeros_like(WEIGHTS))
    assert run(plan, [np.full((1, 256), 1e30, np.float32)])[0].tolist() == [[1.0] * 200]


@pytest.mark.parametrize("dtype", [DOUBLE, INT64])
def test_wide_arithmetic_stays_on_the_host(dtype: DType) -> None:
    assert backends(plain(dtype)) == ["host"]


def plain(dtype: DType) -> Plan:
    """A product of matrices of some size, and nothing else."""
    w = const("w", WEIGHTS.astype(dtype.numpy), dtype)
    nodes = (
        Node("x", ARG, attrs={"T": dtype, "index": 0}, dtypes=(dtype,)),
        w,
        Node(
            "mm",
            "MatMul",
            (Value("x"), Value("w")),
            (),
            {"T": dtype, "transpose_a": False, "transpose_b": False},
            (dtype,),
        ),
    )
    return compile_function(
        Function("f", ("x",), {n.name: n for n in nodes}, (Value("mm"),)),
        Environment(Resources(), None, no_functions),
        backend=OpenVinoBackend(),
        shapes=[(None, 256)],
    )


def test_small_products_stay_on_the_host() -> None:
    assert backends(matmul(shape=(None, 4), weights=WEIGHTS[:4, :4])) == ["host", "host"]


def test_a_product_that_is_worth_a_call_is_not_worth_one_at_every_step_of_a_loop() -> None:
    backend = OpenVinoBackend().for_loops()
    assert backends(matmul(backend=backend)) == ["host", "host"]
    large = np.zeros((256, 5000), np.float32)
    assert backends(matmul(weights=large, backend=backend)) == ["openvino"]


def test_weights_live_as_long_as_the_plan() -> None:
    plan = matmul(weights=WEIGHTS.copy())
    gc.collect()
    np.random.default_rng(2).normal(size=(256, 200)).astype(np.float32)
    close(plan, X)


def test_results_stay_as_they_are_when_the_next_request_runs() -> None:
    plan = matmul()
    (first,) = run(plan, [X])
    kept = first.copy()
    run(plan, [X * 2])
    np.testing.assert_array_equal(first, kept)


def test_many_threads_share_one_island() -> None:
    plan = matmul()
    wrong: list[int] = []

    def work(row: int) -> None:
        x = X[row : row + 1]
        expected = run(plan, [x])[0]
        wrong.extend(row for _ in range(100) if not np.array_equal(run(plan, [x])[0], expected))

    threads = [threading.Thread(target=work, args=(i,)) for i in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


def test_inputs_that_are_views_or_read_only_are_fine() -> None:
    wide = np.repeat(X, 2, axis=1)
    close(matmul(), wide[:, ::2])
    frozen = X.copy()
    frozen.flags.writeable = False
    close(matmul(), frozen)


def test_a_large_request_that_can_not_be_written_is_computed_where_it_lies() -> None:
    rows = np.random.default_rng(3).normal(size=(400, X.shape[1])).astype(np.float32)
    received = np.frombuffer(rows.tobytes(), np.float32).reshape(rows.shape)
    assert not received.flags.writeable
    close(matmul(), received)
    np.testing.assert_array_equal(received, rows)


@pytest.mark.parametrize(
    ("wanted", "capabilities", "used"),
    [
        ("f32", ["FP32"], "f32"),
        ("bf16", ["FP32", "BF16"], "bf16"),
        ("bf16", ["FP32"], "f32"),
        ("f16", ["FP32", "BF16"], "f32"),
        ("f16", ["FP16"], "f16"),
    ],
)
def test_a_precision_that_the_processor_lacks_is_not_imitated(
    wanted: str, capabilities: list[str], used: str
) -> None:
    class Core:
        def get_property(self, device: str, name: str) -> list[str]:
            assert (device, name) == ("CPU", "OPTIMIZATION_CAPABILITIES")
            return capabilities

    assert openvino._possible(Core(), wanted) == used


def test_the_same_island_computes_few_rows_in_the_callers_thread_and_many_with_all() -> None:
    manners = []

    class Recording(OpenVinoBackend):
        def compile_model(
            self, model: Any, manner: Manner, *, bound: bool = True, cached: bool = True
        ) -> Requests:
            manners.append(manner)
            return super().compile_model(model, manner, bound=bound, cached=cached)

    plan = matmul(backend=Recording())
    for rows in (4, 2000, 1, 1500):
        close(plan, np.resize(X, (rows, 256)))

    assert manners == [Manner.ONE, Manner.ALL]
