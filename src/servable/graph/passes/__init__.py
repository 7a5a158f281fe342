"""The passes, and the one list that says in which order they run."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

from servable.graph.importer import Library
from servable.graph.ir import Function, FunctionRef, GraphError
from servable.graph.passes.bind import bind_captures, name_pure_calls
from servable.graph.passes.fold import Evaluate, fold, merge_equal
from servable.graph.passes.freeze import Frozen, freeze
from servable.graph.passes.inline import inline
from servable.graph.passes.loops import functionalise_loops
from servable.graph.passes.prune import drop_unreachable, prune
from servable.graph.passes.recurrent import fuse_recurrent
from servable.graph.passes.refs import pass_references, resolve_refs
from servable.graph.passes.simplify import drop_identities, simplify_controls
from servable.graph.passes.switches import decide_switches, gate_waits
from servable.graph.spec import check_ordered

Pass: TypeAlias = Callable[[Function], Function]
Passes: TypeAlias = tuple[tuple[str, Pass], ...]


@dataclass(frozen=True, slots=True)
class Traced:
    """What one pass did: how many nodes it left, and how many it changed, added or removed."""

    name: str
    nodes: int
    changed: int

    def __str__(self) -> str:
        return f"{self.name:<18} {self.nodes:>7} nodes {self.changed:>7} changed"


def expand(function: Function, library: Library, trace: list[Traced] | None = None) -> Function:
    """Bring everything that a function calls into it, and drop what it does not need.

    Raises:
        GraphError: the graph is broken in a way that a pass found.
    """
    passes: Passes = (
        ("drop unreachable", drop_unreachable),
        ("pass references", pass_references),
        ("TF1 loops", lambda f: functionalise_loops(f, library)),
        ("prune", prune),
        ("inline", lambda f: inline(f, library)),
        ("prune", prune),
        ("resolve references", resolve_refs),
        ("prune", prune),
        ("gate waits", gate_waits),
        ("prune", prune),
    )
    return _run(function, passes, trace)


def reduce(
    function: Function,
    library: Library,
    *,
    frozen: Frozen,
    evaluate: Evaluate,
    trace: list[Traced] | None = None,
    bodies: dict[str, Function | None] | None = None,
) -> Function:
    """Compute at load what can be, and drop what does nothing.

    Args:
        function: an expanded function.
        library: the functions that loops and branches name.
        frozen: the value of a variable that nothing assigns; None for others.
        evaluate: runs one pure node on constants.
        trace: receives one entry for each pass.
        bodies: functions that were reduced before, by name, and None for one that is
            being reduced; more are added.

    Raises:
        GraphError: the graph is broken in a way that a pass found.
    """
    known: dict[str, Function | None] = {} if bodies is None else bodies

    def body(ref: FunctionRef) -> Function:
        if ref.name not in known:
            known[ref.name] = None
            inner = expand(library[ref.name], library)
            known[ref.name] = reduce(inner, library, frozen=frozen, evaluate=evaluate, bodies=known)
        found = known[ref.name]
        if found is None:
            raise GraphError(f"function {ref.name} calls itself")
        return found

    passes: Passes = (
        ("freeze", lambda f: freeze(f, frozen)),
        ("prune", prune),
        ("simplify controls", simplify_controls),
        ("drop identities", drop_identities),
        ("prune", prune),
        ("bind captures", lambda f: bind_captures(f, library)),
        ("prune", prune),
        ("pure calls", lambda f: name_pure_calls(f, body)),
        ("simplify controls", simplify_controls),
        ("drop identities", drop_identities),
        ("recurrent cells", lambda f: fuse_recurrent(f, body)),
        ("prune", prune),
        ("fold", lambda f: fold(f, evaluate)),
        ("decide switches", decide_switches),
        ("prune", prune),
        ("fold", lambda f: fold(f, evaluate)),
        ("merge equal", merge_equal),
        ("prune", prune),
    )
    return _run(function, passes, trace)


def _run(function: Function, passes: Passes, trace: list[Traced] | None) -> Function:
    for name, run in passes:
        after = run(function)
        if trace is not None:
            trace.append(Traced(name, len(after.nodes), _changed(function, after)))
        function = after
    check_ordered(function)
    return function


def _changed(before: Function, after: Function) -> int:
    same = sum(before.nodes.get(name) is node for name, node in after.nodes.items())
    return len(after.nodes) - same + len(before.nodes.keys() - after.nodes.keys())
