"""Every model of the zoo answers as TensorFlow does."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path

import numpy as np
import pytest
import zoo

from servable.engine.backends.null import NullBackend
from servable.engine.backends.openvino import OpenVinoBackend
from servable.engine.compile import Backend
from servable.engine.plan import Plan
from servable.errors import ServableError
from servable.graph.ir import Node
from servable.savedmodel.reader import read
from servable.servables.saved_model import SavedModelLoader, SavedModelServable
from servable.tensors import Array

pytestmark = pytest.mark.parity

pytest.importorskip("tensorflow", reason="needs the environment of `make parity`")


MODELS = zoo.models()
LIGHT = [entry for entry in MODELS if not entry.heavy]


class EagerBackend(OpenVinoBackend):
    """Takes whatever it may take, however small."""

    least_steps = 1

    def worth(self, nodes: Collection[Node], constants: Mapping[str, Node]) -> bool:
        del constants
        return bool(nodes)


@pytest.mark.parametrize("entry", MODELS, ids=lambda entry: entry.name)
def test_a_model_answers_as_tensorflow_does(
    entry: zoo.Model, zoo_cache: Path, record_property: Callable[[str, object], None]
) -> None:
    recorded = zoo.recorded(entry, zoo_cache)
    servables, worst = _compare(entry, recorded, None)
    record_property("zoo", _row(entry.name, recorded, servables, worst))


@pytest.mark.parametrize("entry", LIGHT, ids=lambda entry: entry.name)
def test_the_host_alone_answers_the_same(entry: zoo.Model, zoo_cache: Path) -> None:
    _compare(entry, zoo.recorded(entry, zoo_cache), NullBackend(lambda _: False))


@pytest.mark.parametrize("entry", LIGHT, ids=lambda entry: entry.name)
def test_islands_wherever_they_may_be_answer_the_same(entry: zoo.Model, zoo_cache: Path) -> None:
    _compare(entry, zoo.recorded(entry, zoo_cache), EagerBackend())


def _compare(
    entry: zoo.Model, recorded: zoo.Recorded, backend: Backend | None
) -> tuple[dict[tuple[str, ...], SavedModelServable], float]:
    """Make all calls; the servables by tags, and the largest difference of float outputs."""
    servables: dict[tuple[str, ...], SavedModelServable] = {}
    worst = 0.0
    for number, (call, answer) in enumerate(recorded.calls):
        if call.tags not in servables:
            servables[call.tags] = _loaded(recorded.path, call.tags, backend)
        servable = servables[call.tags]
        where = f"call {number}, {call.signature}"
        fetches = list(servable.signatures[call.signature].outputs)
        if answer.error:
            with pytest.raises(ServableError) as caught:
                servable.run(call.signature, call.inputs, fetches)
            assert caught.value.code == answer.error, f"{where}: {answer.message}"
            continue
        got = servable.run(call.signature, call.inputs, fetches)
        worst = max(worst, _difference(got, answer.outputs, entry.tolerance, where))
    return servables, worst


def _loaded(path: Path, tags: Sequence[str], backend: Backend | None) -> SavedModelServable:
    loader = SavedModelLoader(path, tags=tags, backend=backend)
    loader.load()
    return loader.servable()


def _difference(
    got: Mapping[str, Array], expected: Mapping[str, Array], tolerance: float, where: str
) -> float:
    """The largest difference of float outputs; raises AssertionError where it is too large."""
    assert set(got) == set(expected), where
    worst = 0.0
    wrong = []
    for alias, theirs in expected.items():
        ours = got[alias]
        if (ours.dtype, ours.shape) != (theirs.dtype, theirs.shape):
            wrong.append(
                f"{alias}: {ours.dtype}{ours.shape}, expected {theirs.dtype}{theirs.shape}"
            )
        elif theirs.dtype.kind not in "fcV":
            if not np.array_equal(ours, theirs):
                wrong.append(f"{alias}: {ours!r}, expected {theirs!r}"[:400])
        else:
            allowed = _allowed(theirs, tolerance)
            error = _relative(ours, theirs)
            worst = max(worst, error)
            if not error <= allowed:
                wrong.append(f"{alias}: off by {error:.2e}, {allowed:.0e} is allowed")
    assert not wrong, f"{where}: " + "; ".join(wrong)
    return worst


def _allowed(array: Array, tolerance: float) -> float:
    return min(tolerance, 1e-11) if array.dtype in (np.float64, np.complex128) else tolerance


def _relative(ours: Array, theirs: Array) -> float:
    """The largest difference over the largest magnitude; inf if one of them is not finite."""
    if theirs.dtype.kind == "V":  # bfloat16 and its kin
        ours, theirs = ours.astype(np.float32), theirs.astype(np.float32)
    if theirs.dtype.kind == "f":
        ours, theirs = ours.astype(np.float64), theirs.astype(np.float64)
    finite = np.isfinite(theirs)
    if not np.array_equal(ours[~finite], theirs[~finite], equal_nan=True):
        return np.inf
    scale = np.max(np.abs(theirs[finite]), initial=0) or 1.0
    difference = np.abs(ours[finite] - theirs[finite])
    return float(np.max(difference, initial=0) / scale)


def _row(
    name: str,
    recorded: zoo.Recorded,
    servables: Mapping[tuple[str, ...], SavedModelServable],
    worst: float,
) -> tuple[str, int, str, str, str, str]:
    """What the table says: sums over the signatures that were called."""
    model = read(recorded.path)
    asked = {(call.tags, call.signature) for call, _ in recorded.calls}
    plans = [servables[tags].plan(signature) for tags, signature in asked if tags in servables]
    nodes = 0
    for tags in {tags for tags, _ in asked}:
        graph = model.meta_graph(tags).graph
        nodes += len(graph.node) + sum(len(f.node_def) for f in graph.library.function)
    islands = [count for plan in plans for count in _islands(plan)]
    host = sum(step.unit.backend == "host" for plan in plans for step in plan.steps)
    held = f"{len(islands)} ({sum(islands)} nodes)" if islands else "0"
    refused = sum(answer.error != 0 for _, answer in recorded.calls)
    calls = f"{len(recorded.calls)}" + (f" ({refused} refused)" if refused else "")
    return name, nodes, held, str(host), calls, f"{worst:.1e}"


def _islands(plan: Plan) -> list[int]:
    """How many nodes each island of a plan holds."""
    labels = (step.unit.label for step in plan.steps if step.unit.backend != "host")
    return [int(n) for label in labels for n in re.findall(r"\((\d+) nodes\)", label)]
