"""Every recorded case: on the host, in an island, and after being written and read again."""

from __future__ import annotations

import base64
import contextlib
import functools
import json
import os
import tempfile
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from servable.engine.backends import host
from servable.engine.backends.openvino import OpenVinoBackend
from servable.engine.compile import compile_function
from servable.engine.run import run, run_inside
from servable.errors import ServableError
from servable.graph.cut import cut
from servable.graph.exporter import export_graph
from servable.graph.importer import import_graph, parse_tensor_name
from servable.graph.ir import Function, FunctionRef, Node
from servable.graph.passes import expand, reduce
from servable.ops.registry import Body, Environment, Kernel
from servable.ops.resources import Resources
from servable.pb import framework_pb2
from servable.tensors import Array, Shape, from_enum

RECORDED = Path(__file__).parent / "recorded"


@dataclass(frozen=True)
class Case:
    """One line of a recorded file."""

    op: str
    record: Mapping[str, Any]

    def __str__(self) -> str:
        return f"{self.op}-{self.record['name']}"


def _cases() -> list[Case]:
    return [
        Case(path.stem, json.loads(line))
        for path in sorted(RECORDED.glob("*.json"))
        for line in path.read_text().splitlines()
    ]


def _array(record: Mapping[str, Any]) -> Array:
    dtype = from_enum(record["dtype"]).numpy
    if dtype.kind == "O":
        items = [base64.b64decode(s) for s in record["data"]]
        return np.array([*items, None], object)[:-1].reshape(record["shape"])
    raw = base64.b64decode(record["data"])
    return np.frombuffer(raw, dtype).reshape(record["shape"])


class EagerBackend(OpenVinoBackend):
    """Takes whatever it may take, however small, and never turns to the host."""

    least_steps = 1

    def __init__(self) -> None:
        super().__init__()
        self.islands = 0

    def worth(self, nodes: Collection[Node], constants: Mapping[str, Node]) -> bool:
        del nodes, constants
        return True

    def compile(self, island: Any) -> Any:
        self.islands += 1
        return super().compile(island)

    def alone(self, node: Node, nodes: Mapping[str, Node], host: Kernel) -> Kernel | None:
        kernel = super().alone(node, nodes, host)
        self.islands += kernel is not None
        return kernel


class Program:
    """A recorded graph on its way to an answer."""

    def __init__(self, record: Mapping[str, Any], *, rewrite: bool = False) -> None:
        self.record = record
        proto = framework_pb2.GraphDef.FromString(base64.b64decode(record["graph"]))
        self.nodes, self.library = import_graph(proto, {})
        if rewrite:
            again = export_graph(self.nodes.values())
            again.library.CopyFrom(proto.library)
            self.nodes, self.library = import_graph(again, {})
        self.environment = Environment(Resources(), None, self._body)

    def _body(self, ref: FunctionRef) -> Body:
        plan = compile_function(self._reduced(self.library[ref.name]), self.environment)
        return lambda args: run_inside(plan, args)

    def _reduced(self, function: Function) -> Function:
        return reduce(
            expand(function, self.library),
            self.library,
            frozen=lambda _: None,
            evaluate=lambda node, inputs: host.evaluate(node, inputs, self.environment),
        )

    def answer(self, backend: OpenVinoBackend | None = None) -> list[Array]:
        with contextlib.ExitStack() as stack:
            if any("asset" in feed for feed in self.record["feeds"]):
                folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
                self.environment = replace(self.environment, assets=folder)
            return self._answer(backend)

    def _feed(self, feed: Mapping[str, Any]) -> Array:
        if "asset" not in feed or self.environment.assets is None:
            return _array(feed)
        path = self.environment.assets / feed["name"].replace("/", "_").replace(":", "_")
        path.write_bytes(base64.b64decode(feed["asset"]))
        return np.array(os.fsencode(path), object)

    def _answer(self, backend: OpenVinoBackend | None) -> list[Array]:
        for name in self.record["init"]:
            target = cut("init", self.nodes, {}, (), (parse_tensor_name(name).node,))
            run(compile_function(self._reduced(target), self.environment), [])
        feeds = self.record["feeds"]
        function = cut(
            "case",
            self.nodes,
            {f["name"]: (parse_tensor_name(f["name"]), from_enum(f["dtype"])) for f in feeds},
            tuple(parse_tensor_name(name) for name in self.record["fetches"]),
        )
        plan = compile_function(
            self._reduced(function),
            self.environment,
            backend=backend,
            shapes=[_known(f["known"]) for f in feeds],
        )
        return [np.asarray(r) for r in run(plan, [self._feed(f) for f in feeds])]


def _known(sizes: Sequence[int | None] | None) -> Shape:
    return None if sizes is None else tuple(sizes)


def _check(case: Case, answer: Callable[[], list[Array]]) -> None:
    record = case.record
    if "error" in record:
        with pytest.raises(ServableError) as caught:
            answer()
        assert caught.value.code == record["error"], caught.value.message
        return
    outputs = answer()
    assert len(outputs) == len(record["outputs"])
    for got, expected in zip(outputs, map(_array, record["outputs"]), strict=True):
        assert got.dtype == expected.dtype
        assert got.shape == expected.shape
        _compare(got, expected, record["tolerance"])


def _compare(got: Array, expected: Array, tolerance: float) -> None:
    if expected.dtype.kind not in "fcV" or tolerance == 0:
        np.testing.assert_array_equal(got, expected)
        return
    if expected.dtype.kind == "V":  # bfloat16 and friends
        got, expected = got.astype(np.float32), expected.astype(np.float32)
    finite = np.isfinite(expected)
    scale = float(np.max(np.abs(expected[finite]), initial=1e-30))
    if expected.dtype in (np.float64, np.complex128):
        tolerance = min(tolerance, 1e-12)
    np.testing.assert_allclose(got, expected, rtol=tolerance, atol=tolerance * scale)


CASES = _cases()


@pytest.mark.parametrize("case", CASES, ids=str)
def test_the_host_answers_as_tensorflow_did(case: Case) -> None:
    _check(case, lambda: Program(case.record).answer())


@pytest.mark.parametrize("case", CASES, ids=str)
def test_a_rewritten_graph_answers_the_same(case: Case) -> None:
    _check(case, lambda: Program(case.record, rewrite=True).answer())


@functools.cache
def _island_cases() -> list[Case]:
    return [c for c in CASES if c.record["island"] and "error" not in c.record]


@pytest.mark.parametrize("case", _island_cases(), ids=str)
def test_an_island_answers_as_tensorflow_did(case: Case) -> None:
    backend = EagerBackend()
    answer = Program(case.record).answer(backend)
    if not backend.islands:
        pytest.skip("no island may hold it")
    _check(case, lambda: answer)


def test_every_case_is_of_an_op_on_the_list() -> None:
    from servable.ops.registry import registered

    assert {c.op for c in CASES} <= registered().keys()
