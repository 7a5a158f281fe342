"""What a version folder holds, whether it would be served, and by what."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from servable.contracts import Servable
from servable.engine.plan import Plan
from servable.errors import ServableError
from servable.graph.passes import Traced
from servable.savedmodel.reader import SavedModel, read
from servable.servables.extras import installed
from servable.servables.formats import Format, check_complete, format_of, memory_estimate
from servable.servables.loaders import Engine, loader_for
from servable.servables.saved_model import SavedModelServable
from servable.servables.survey import Refusal, refusals
from servable.servables.tensorflow_model import TensorFlowServable
from servable.tensors import Signature

TAGS = ("serve",)


@dataclass(frozen=True, slots=True)
class Compiled:
    """How the native engine runs a signature.

    Attributes:
        islands: for each island its backend and, by op, how many nodes it computes.
        host: by op, how many nodes run one by one; a loop or branch counts as one.
        passes: what each pass over the graph did.
        plan: the steps, as a text.
    """

    islands: tuple[tuple[str, Mapping[str, int]], ...]
    host: Mapping[str, int]
    passes: tuple[Traced, ...]
    plan: str


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """What was found out about a version folder.

    Attributes:
        path: the folder.
        format: None if it holds no model.
        files: name relative to the folder -> bytes.
        estimated_bytes: of memory; what the server reckons with.
        tag_sets: those of a SavedModel's MetaGraphs.
        signatures: of the MetaGraph that is served, also if it would not load.
        refusals: what the native engine would not run; empty if it runs everything.
        error: why the model would not be served; None if it would.
        engine: what serves it; "" if nothing does.
        load_seconds: how long loading took, the start of the engine included.
        compiled: by signature; empty unless the native engine serves the model.
        servable: the loaded model.
    """

    path: Path
    format: Format | None
    files: Mapping[str, int]
    estimated_bytes: int
    tag_sets: tuple[tuple[str, ...], ...] = ()
    signatures: Mapping[str, Signature] = field(default_factory=dict)
    refusals: tuple[Refusal, ...] = ()
    error: ServableError | None = None
    engine: str = ""
    load_seconds: float | None = None
    compiled: Mapping[str, Compiled] = field(default_factory=dict)
    servable: Servable | None = None


def diagnose(
    path: Path,
    *,
    engine: Engine = "auto",
    stage: Callable[[str], None] = lambda _: None,
) -> Diagnosis:
    """Look at a version folder and load it, the way the server would.

    Args:
        path: the version folder.
        engine: as for the server.
        stage: told what is done now, for people who wait.

    Raises:
        OSError: the folder can not be listed.
    """
    found = Diagnosis(path, format_of(path), _files(path), memory_estimate(path))
    stage("reading")
    model: SavedModel | None = None
    try:
        check_complete(path)
        if found.format is Format.SAVED_MODEL:
            model = read(path)
            found = replace(found, tag_sets=tuple(tuple(sorted(m.tags)) for m in model.meta_graphs))
            found = replace(found, signatures=model.meta_graph(TAGS).signatures)
    except ServableError as error:
        return replace(found, error=error)
    return _loaded(found, model, engine, stage)


def _loaded(
    found: Diagnosis,
    model: SavedModel | None,
    engine: Engine,
    stage: Callable[[str], None],
) -> Diagnosis:
    stage("loading")
    traces: dict[str, list[Traced]] = {}
    loader = loader_for(found.path, engine=engine, traces=traces)
    start = time.perf_counter()
    error: ServableError | None = None
    try:
        loader.load()
    except ServableError as refusal:
        error = refusal
    seconds = time.perf_counter() - start
    servable = None if error else loader.servable()
    native = isinstance(servable, SavedModelServable)
    if model is not None and engine != "tensorflow" and not native:
        stage("looking for everything that is not supported")
        found = replace(found, refusals=_refusals(model))
    if servable is None:
        return replace(found, error=error)
    return replace(
        found,
        engine=_engine(found.format, servable),
        load_seconds=seconds,
        signatures=servable.signatures,
        servable=servable,
        compiled={
            name: _compiled(servable.plan(name), traces.get(name, [])) for name in servable.compiled
        }
        if isinstance(servable, SavedModelServable)
        else {},
    )


def _refusals(model: SavedModel) -> tuple[Refusal, ...]:
    try:
        return tuple(refusals(model, model.meta_graph(TAGS)))
    except ServableError:
        return ()  # broken in another way, which loading has reported


def _engine(kind: Format | None, servable: Servable) -> str:
    if isinstance(servable, TensorFlowServable):
        return "tensorflow"
    if kind is Format.TFLITE and installed("ai_edge_litert"):
        return "litert"
    return "native" if kind is Format.SAVED_MODEL else "openvino"


def _compiled(plan: Plan, passes: list[Traced]) -> Compiled:
    units = [step.unit for step in plan.steps]
    return Compiled(
        islands=tuple((u.backend, _counted(u.ops)) for u in units if u.backend != "host"),
        host=_counted(op for u in units if u.backend == "host" for op in u.ops),
        passes=tuple(passes),
        plan=str(plan),
    )


def _counted(ops: Iterable[str]) -> dict[str, int]:
    return dict(Counter(ops).most_common())


def _files(path: Path) -> dict[str, int]:
    files = sorted(p for p in path.rglob("*") if p.is_file())
    return {p.relative_to(path).as_posix(): p.stat().st_size for p in files}
