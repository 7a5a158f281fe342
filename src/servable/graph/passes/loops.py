"""TF1 loops become While: a frame of Enter, Merge, Switch, NextIteration and Exit nodes
turns into two functions and one node.

A frame's parts, for each loop variable:

    Enter -> Merge -> Switch(LoopCond) -> body -> NextIteration -> back to Merge
                          `-> Exit

Enters that no Merge reads are constant over the loop. Inner frames go first, so that an
outer one finds a While in their place.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import replace

from servable.graph.effects import has_effect
from servable.graph.importer import Library
from servable.graph.ir import ARG, Function, FunctionRef, GraphError, Node, Value
from servable.tensors import DType

Frame = tuple[str, ...]
"""Names of the loops around a node, the outermost first."""


def functionalise_loops(function: Function, library: Library) -> Function:
    """Replace every TF1 loop. The new functions are added to the library.

    Raises:
        GraphError: a frame is not what TensorFlow's `while_loop` builds.
    """
    while any(node.op == "Enter" for node in function.nodes.values()):
        frames = _frames(function)
        deepest = max(frames.values(), key=len)
        members = {n: function.nodes[n] for n, frame in frames.items() if frame == deepest}
        function = _Loop(function, "/".join(deepest), members, library).replaced()
    return function


def _frames(function: Function) -> dict[str, Frame]:
    """The frame of every node that is inside of one."""
    nodes = function.nodes
    waits = dict.fromkeys(nodes, 0)
    readers: dict[str, list[str]] = {name: [] for name in nodes}
    for node in nodes.values():
        for before in node.predecessors():
            if nodes[before].op != "NextIteration":
                waits[node.name] += 1
                readers[before].append(node.name)
    ready = deque(name for name, count in waits.items() if not count)
    around: dict[str, Frame] = {}
    outside: dict[str, Frame] = {}
    while ready:
        name = ready.popleft()
        node = nodes[name]
        frame = max((outside[b] for b in node.predecessors() if b in outside), key=len, default=())
        if node.op == "Enter":
            frame = (*frame, str(node.attrs["frame_name"]))
        around[name] = frame
        outside[name] = frame[:-1] if node.op == "Exit" else frame
        for reader in readers[name]:
            waits[reader] -= 1
            if not waits[reader]:
                ready.append(reader)
    if len(around) < len(nodes):
        stuck = min(nodes.keys() - around.keys())
        raise GraphError(f"{function.name}: node {stuck} waits for itself through others")
    return {name: frame for name, frame in around.items() if frame}


class _Loop:
    """One frame on its way to a While node."""

    def __init__(
        self, function: Function, frame: str, members: Mapping[str, Node], library: Library
    ) -> None:
        self._function = function
        self._frame = frame
        self._members = members
        self._library = library
        self._enters = [n for n in members.values() if n.op == "Enter"]
        enters = {n.name for n in self._enters}
        self._merges = [
            n for n in members.values() if n.op == "Merge" and n.inputs[0].node in enters
        ]
        self._next = [self._next_iteration(merge) for merge in self._merges]
        varying = {merge.inputs[0].node for merge in self._merges}
        self._constants = [n for n in self._enters if n.name not in varying]
        self._conditions = [n for n in members.values() if n.op == "LoopCond"]
        if len(self._conditions) != 1:
            raise self._broken(f"{len(self._conditions)} conditions")
        self._dtypes: tuple[DType, ...] = tuple(
            n.dtypes[0] for n in (*self._merges, *self._constants)
        )

    def _broken(self, what: str) -> GraphError:
        return GraphError(f"{self._function.name}: the loop {self._frame} has {what}")

    def _next_iteration(self, merge: Node) -> Node:
        back = self._members.get(merge.inputs[1].node) if len(merge.inputs) == 2 else None
        if back is None or back.op != "NextIteration":
            raise self._broken(f"a Merge, {merge.name}, without a NextIteration")
        return back

    def replaced(self) -> Function:
        """The function with a While node in place of the frame."""
        name = f"{self._frame}/While"
        while name in self._function.nodes:
            name += "_"
        values = {v: i for i, v in enumerate(self._inside())}
        loop = Node(
            name,
            "While",
            tuple(
                enter.inputs[0]
                for enter in (
                    *(self._members[m.inputs[0].node] for m in self._merges),
                    *self._constants,
                )
            ),
            tuple(dict.fromkeys(c for enter in self._enters for c in enter.controls)),
            {
                "T": self._dtypes,
                "cond": FunctionRef(self._condition()),
                "body": FunctionRef(self._body()),
                "output_shapes": (),
                "parallel_iterations": 10,
            },
            self._dtypes,
        )
        exits = {
            Value(n.name): Value(name, values[n.inputs[0]])
            for n in self._members.values()
            if n.op == "Exit"
        }
        return self._rewired(loop, exits)

    def _inside(self) -> Iterable[Value]:
        """What an Exit may read, in the order of the loop's variables."""
        for merge in self._merges:
            yield Value(self._switch(merge).name, 0)

    def _switch(self, merge: Node) -> Node:
        condition = self._conditions[0].name
        for node in self._members.values():
            if (
                node.op == "Switch"
                and node.inputs[0] == Value(merge.name)
                and node.inputs[1].node == condition
            ):
                return node
        raise self._broken(f"a Merge, {merge.name}, without a Switch")

    def _condition(self) -> str:
        arguments = self._arguments()
        return self._add("cond", arguments, (self._conditions[0].inputs[0],), ())

    def _body(self) -> str:
        arguments = self._arguments()
        effects = tuple(n.name for n in self._members.values() if has_effect(n.op))
        results = (
            *(n.inputs[0] for n in self._next),
            *(Value(n.name) for n in self._constants),
        )
        return self._add("body", arguments, results, effects)

    def _arguments(self) -> dict[Value, int]:
        """Values inside the frame that stand for the loop's variables -> their number."""
        arguments = {}
        for index, merge in enumerate(self._merges):
            arguments[Value(merge.name)] = index
            arguments[Value(self._switch(merge).name, 1)] = index
        for index, enter in enumerate(self._constants, len(self._merges)):
            arguments[Value(enter.name)] = index
        return arguments

    def _add(
        self,
        kind: str,
        arguments: Mapping[Value, int],
        results: tuple[Value, ...],
        targets: tuple[str, ...],
    ) -> str:
        names = [f"arg_{i}" for i in range(len(self._dtypes))]
        nodes: dict[str, Node] = {
            name: Node(name, ARG, attrs={"T": dtype, "index": i}, dtypes=(dtype,))
            for i, (name, dtype) in enumerate(zip(names, self._dtypes, strict=True))
        }

        def mapped(value: Value) -> Value:
            return Value(names[arguments[value]]) if value in arguments else value

        frame_parts = {v.node for v in arguments} | {
            n.name
            for n in self._members.values()
            if n.op in ("Enter", "Exit", "NextIteration", "LoopCond")
        }
        for node in self._members.values():
            if node.name in frame_parts:
                continue
            nodes[node.name] = replace(
                node,
                inputs=tuple(mapped(v) for v in node.inputs),
                controls=tuple(
                    c for c in node.controls if c in self._members and c not in frame_parts
                ),
            )
        self._bring_in(nodes)
        function = Function(
            self._library.unused(f"{self._function.name}/{self._frame}/{kind}"),
            tuple(names),
            nodes,
            tuple(mapped(v) for v in results),
            targets,
        )
        self._library.add(function)
        return function.name

    def _bring_in(self, nodes: dict[str, Node]) -> None:
        """Copy constants that the frame reads although they lie outside of it."""
        stack = [v.node for n in nodes.values() for v in n.inputs if v.node not in nodes]
        while stack:
            name = stack.pop()
            if name in nodes:
                continue
            node = self._function.nodes[name]
            if node.inputs:
                raise self._broken(f"an input, {name}, that does not enter it")
            nodes[name] = replace(node, controls=())

    def _rewired(self, loop: Node, exits: Mapping[Value, Value]) -> Function:
        def controls(node: Node) -> tuple[str, ...]:
            return tuple(
                dict.fromkeys(loop.name if c in self._members else c for c in node.controls)
            )

        nodes = {
            node.name: replace(
                node,
                inputs=tuple(exits.get(v, v) for v in node.inputs),
                controls=controls(node),
            )
            for node in (*self._function.nodes.values(), loop)
            if node.name not in self._members
        }
        return self._function.with_nodes(
            nodes,
            results=tuple(exits.get(v, v) for v in self._function.results),
            targets=tuple(loop.name if t in self._members else t for t in self._function.targets),
        )
