"""Walking and cutting GraphDefs as they are stored, without reading what nodes compute.

Editing works on the stored messages and not on `graph.ir`: what nobody touches comes out
as it went in, attributes that no table knows included.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, MutableSequence

from servable.edit.errors import EditRefused
from servable.pb import framework_pb2

Nodes = dict[str, framework_pb2.NodeDef]

_COLOCATION = "_class"
_COLOCATED_WITH = b"loc:@"


def node_of(reference: str) -> str:
    """Return the node that `name`, `name:1`, `name:out:0` or `^name` refers to."""
    return reference.removeprefix("^").partition(":")[0]


def index_of(reference: str) -> int:
    """Return the number at the end of a reference; 0 where there is none."""
    last = reference.rpartition(":")[2]
    return int(last) if ":" in reference and last.isascii() and last.isdigit() else 0


def by_name(nodes: Iterable[framework_pb2.NodeDef], where: str) -> Nodes:
    """Return nodes by name.

    Raises:
        EditRefused: two have the same name.
    """
    found: Nodes = {}
    for node in nodes:
        if node.name in found:
            raise EditRefused(f"{where}: two nodes are called {node.name!r}")
        found[node.name] = node
    return found


def reached(nodes: Nodes, roots: Iterable[str]) -> set[str]:
    """Return the names of nodes that some nodes need, these included; unknown names are skipped."""
    seen: set[str] = set()
    waiting = [node_of(root) for root in roots]
    while waiting:
        name = waiting.pop()
        if name in seen or name not in nodes:
            continue
        seen.add(name)
        waiting.extend(map(node_of, nodes[name].input))
    return seen


def bodies(graph: framework_pb2.GraphDef) -> Iterator[MutableSequence[framework_pb2.NodeDef]]:
    """Yield the nodes of the graph, then those of each function."""
    yield graph.node
    for function in graph.library.function:
        yield function.node_def


def keep_only(nodes: MutableSequence[framework_pb2.NodeDef], keep: Callable[[str], bool]) -> None:
    """Remove nodes by name, and wishes of the others to be placed where they were."""
    kept = [node for node in nodes if keep(node.name)]
    names = {node.name for node in kept}
    if len(kept) != len(nodes):
        del nodes[:]
        nodes.extend(kept)
    for node in nodes:
        if _COLOCATION in node.attr:
            _drop_colocation(node, names)


def _drop_colocation(node: framework_pb2.NodeDef, names: set[str]) -> None:
    wishes = node.attr[_COLOCATION].list.s
    kept = [
        wish
        for wish in wishes
        if not wish.startswith(_COLOCATED_WITH)
        or wish.removeprefix(_COLOCATED_WITH).decode(errors="replace") in names
    ]
    if not kept:
        del node.attr[_COLOCATION]
    elif len(kept) != len(wishes):
        del wishes[:]
        wishes.extend(kept)


def called(node: framework_pb2.NodeDef) -> Iterator[str]:
    """Yield the functions that a node names; its op is one if the library has it."""
    yield node.op
    waiting = list(node.attr.values())
    while waiting:
        attr = waiting.pop()
        for function in [attr.func, *attr.list.func]:
            if function.name:
                yield function.name
                waiting.extend(function.attr.values())


def prune_functions(graph: framework_pb2.GraphDef) -> None:
    """Remove the functions that nothing calls, and their gradients."""
    library = {function.signature.name: function for function in graph.library.function}
    used: set[str] = set()
    waiting = [name for node in graph.node for name in called(node)]
    gradients = {g.function_name: g.gradient_func for g in graph.library.gradient}
    while waiting:
        name = waiting.pop()
        if name in used or name not in library:
            continue
        used.add(name)
        waiting.extend(inner for node in library[name].node_def for inner in called(node))
        waiting.append(gradients.get(name, ""))
    kept = [f for f in graph.library.function if f.signature.name in used]
    kept_gradients = [g for g in graph.library.gradient if g.function_name in used]
    del graph.library.function[:], graph.library.gradient[:]
    graph.library.function.extend(kept)
    graph.library.gradient.extend(kept_gradients)


def fresh_name(wanted: str, taken: Callable[[str], bool]) -> str:
    """Return `wanted`, or it with the first number that makes it new."""
    name, number = wanted, 0
    while taken(name):
        number += 1
        name = f"{wanted}_{number}"
    return name
