"""Replace calls by the bodies of the functions they call."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace

from servable.graph.importer import Library
from servable.graph.ir import ARG, Function, FunctionRef, GraphError, Node, Value
from servable.graph.passes.loops import functionalise_loops
from servable.graph.passes.prune import drop_unreachable, prune

CALLS: Mapping[str, int] = {
    "PartitionedCall": 0,
    "StatefulPartitionedCall": 0,
    "BatchFunction": 0,  # what it would wait for is for the server to say, not for the graph
    "RemoteCall": 1,  # the device, and there is one
}
"""Ops that call a function -> how many inputs come before its arguments."""

MOST_NODES = 1_000_000
"""Bound on the nodes of one function after inlining: a few lines that call each other
twice, thirty levels deep, describe a billion."""


def inline(function: Function, library: Library) -> Function:
    """Inline every call, also those by a function's own name.

    What a body does for its effects still happens before anything that waits for
    the call or reads one of its results, as TensorFlow promises.

    Raises:
        GraphError: functions call each other in a circle, or the result is too large.
    """
    return _Inliner(library).run(function, ())


class _Inliner:
    def __init__(self, library: Library) -> None:
        self._library = library
        self._done: dict[str, Function] = {}

    def run(self, function: Function, callers: tuple[str, ...]) -> Function:
        if function.name in callers:
            raise GraphError(f"function {function.name} calls itself")
        calls = {n.name: c for n in function.nodes.values() if (c := self._callee(n))}
        if not calls:
            return function
        nodes: dict[str, Node] = {}
        moved: dict[Value, Value] = {}
        ended: dict[str, tuple[str, ...]] = {}
        for node in function.nodes.values():
            if node.name not in calls:
                nodes[node.name] = node
                continue
            body = self._body(calls[node.name], (*callers, function.name))
            inputs = node.inputs[CALLS.get(node.op, 0) :]
            if len(body.args) != len(inputs) or len(body.results) != len(node.dtypes):
                raise GraphError(
                    f"node {node.name} calls {body.name} with {len(inputs)} arguments for"
                    f" {len(node.dtypes)} results; it takes {len(body.args)} and gives"
                    f" {len(body.results)}"
                )
            if len(nodes) + len(body.nodes) > MOST_NODES:
                raise GraphError(f"{function.name} has over {MOST_NODES} nodes with its calls")
            splice = _Splice(
                replace(node, inputs=inputs), body, function.nodes.keys() | nodes.keys()
            )
            nodes.update(splice.nodes)
            moved.update(splice.results)
            ended[node.name] = splice.ends
        return _rewire(function, nodes, moved, ended)

    def _callee(self, node: Node) -> str | None:
        if node.op in CALLS:
            ref = node.attrs.get("f")
            if not isinstance(ref, FunctionRef):
                raise GraphError(f"node {node.name} does not say which function it calls")
            return ref.name
        return node.op if node.op in self._library else None

    def _body(self, name: str, callers: tuple[str, ...]) -> Function:
        if name not in self._done:
            body = drop_unreachable(self._library[name])
            body = functionalise_loops(body, self._library)
            self._done[name] = prune(self.run(prune(body), callers))
        return self._done[name]


class _Splice:
    """One body under new names in place of one call.

    Attributes:
        nodes: the renamed nodes.
        results: the call's values -> the values that replace them.
        ends: nodes to wait for instead of the call.
    """

    def __init__(self, call: Node, body: Function, taken: Iterable[str]) -> None:
        self.nodes: dict[str, Node] = {}
        prefix = call.name + "/"
        names = set(taken)
        while any(prefix + name in names for name in body.nodes):
            prefix = prefix[:-1] + "_/"
        arguments = {Value(arg): value for arg, value in zip(body.args, call.inputs, strict=True)}

        def renamed(value: Value) -> Value:
            return arguments.get(value) or Value(prefix + value.node, value.index)

        for node in body.nodes.values():
            if node.op == ARG:
                continue
            controls = [prefix + c for c in node.controls if body.nodes[c].op != ARG]
            # Whatever the call waits for, its body waits for; nodes that read others of
            # the body do so through them.
            self.nodes[prefix + node.name] = replace(
                node,
                name=prefix + node.name,
                inputs=tuple(renamed(v) for v in node.inputs),
                controls=tuple(dict.fromkeys([*controls, *call.controls])),
            )
        targets = tuple(prefix + t for t in body.targets if body.nodes[t].op != ARG)
        self.results = dict(zip(call.outputs(), (renamed(v) for v in body.results), strict=True))
        if targets:
            self._hold_results(call, prefix, targets, names)
        self.ends = (
            *targets,
            *dict.fromkeys(v.node for v in self.results.values()),
            *call.controls,
        )

    def _hold_results(
        self, call: Node, prefix: str, targets: tuple[str, ...], taken: set[str]
    ) -> None:
        for index, (value, result) in enumerate(self.results.items()):
            dtype = call.dtypes[index]
            name = f"{prefix}result_{index}"
            while name in self.nodes or name in taken:
                name += "_"
            self.nodes[name] = Node(name, "Identity", (result,), targets, {"T": dtype}, (dtype,))
            self.results[value] = Value(name)


def _rewire(
    function: Function,
    nodes: dict[str, Node],
    moved: dict[Value, Value],
    ended: dict[str, tuple[str, ...]],
) -> Function:
    """Point everything that named a call at what took its place."""

    def final(value: Value) -> Value:
        # A call may return its argument, which may be another call's result.
        while value in moved:
            value = moved[value]
        return value

    def waits(names: Iterable[str]) -> tuple[str, ...]:
        found: dict[str, None] = {}
        stack = list(names)[::-1]
        seen = set()
        while stack:
            name = stack.pop()
            if name in seen:
                continue
            seen.add(name)
            if name in ended:
                stack.extend(ended[name][::-1])
            else:
                found[name] = None
        return tuple(found)

    rewired = {
        name: replace(
            node, inputs=tuple(final(v) for v in node.inputs), controls=waits(node.controls)
        )
        if node.controls or any(v in moved for v in node.inputs)
        else node
        for name, node in nodes.items()
    }
    return function.with_nodes(
        rewired,
        results=tuple(final(v) for v in function.results),
        targets=waits(function.targets),
    )
