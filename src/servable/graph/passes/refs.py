"""TF1 reference variables become resource variables, so that only one kind is left.

A reference is a handle on a variable, plus whatever must have happened to the variable
before it is read through this reference: `Assign` hands its reference on.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from servable.graph import schema
from servable.graph.effects import has_effect
from servable.graph.ir import AttrValue, Function, Node, UnsupportedOps, Value
from servable.tensors import RESOURCE, DType

VARIABLES = frozenset({"VariableV2", "Variable"})
HANDLE = "VarHandleOp"

# Ops on references, and the same on resources.
_RENAMED: Mapping[str, str] = {
    "Assign": "AssignVariableOp",
    "AssignAdd": "AssignAddVariableOp",
    "AssignSub": "AssignSubVariableOp",
    "IsVariableInitialized": "VarIsInitializedOp",
    "CountUpTo": "ResourceCountUpTo",
    **{
        f"Scatter{kind}": f"ResourceScatter{kind}"
        for kind in ("Update", "Add", "Sub", "Mul", "Div", "Min", "Max")
    },
    **{f"ScatterNd{kind}": f"ResourceScatterNd{kind}" for kind in ("Update", "Add", "Sub")},
}
_NOT_REFS = frozenset({"IsVariableInitialized", "CountUpTo"})
"""Ops on a reference whose output is a value."""


@dataclass(frozen=True, slots=True)
class _Ref:
    handle: Value
    after: tuple[str, ...]
    dtype: DType


def variable_name(node: Node) -> str:
    """The name under which a variable node shares its state."""
    shared = node.attrs.get("shared_name")
    return shared.decode("utf-8", "replace") if isinstance(shared, bytes) and shared else node.name


def resolve_refs(function: Function) -> Function:
    """Rewrite reference variables. Expects nodes in running order.

    Raises:
        UnsupportedOps: an op takes a reference for which there is no counterpart.
    """
    if not any(node.op in VARIABLES for node in function.nodes.values()):
        return function
    return _Rewrite(function).run()


def pass_references(function: Function) -> Function:
    """Let nodes in TF1 loops name the variables that are handed into these, as they are."""
    entered: dict[Value, Value] = {}

    def source(value: Value) -> Value:
        while value in entered:
            value = entered[value]
        return value

    for node in function.nodes.values():
        if node.op == "RefEnter" and node.attrs.get("is_constant"):
            entered[Value(node.name)] = node.inputs[0]
    moved = {
        value: variable
        for value in entered
        if function.nodes[(variable := source(value)).node].op in VARIABLES
    }
    if not moved:
        return function
    nodes = {
        node.name: replace(node, inputs=tuple(moved.get(v, v) for v in node.inputs))
        for node in function.nodes.values()
        if Value(node.name) not in moved
    }
    return function.with_nodes(nodes)


class _Rewrite:
    def __init__(self, function: Function) -> None:
        self._function = function
        self._refs: dict[Value, _Ref] = {}
        self._nodes: dict[str, Node] = {}

    def run(self) -> Function:
        for node in self._function.nodes.values():
            if node.op in VARIABLES:
                self._variable(node)
            elif node.op == "RefIdentity":
                self._refs[Value(node.name)] = self._ref(node)
            elif node.op == "RefSwitch" and node.inputs[0] in self._refs:
                self._switch(node)
            elif node.op in _RENAMED and node.inputs[0] in self._refs:
                self._write(node)
            else:
                self._plain(node)
        results = tuple(
            self._read(v, f"{v.node}/fetched_{v.index}", ()) for v in self._function.results
        )
        return self._function.with_nodes(self._nodes, results=results)

    def _variable(self, node: Node) -> None:
        dtype = node.dtypes[0]
        attrs: dict[str, AttrValue] = {
            "shared_name": variable_name(node).encode(),
            "container": b"",
            "dtype": dtype,
            "shape": node.attrs.get("shape"),
        }
        self._nodes[node.name] = Node(node.name, HANDLE, (), node.controls, attrs, (RESOURCE,))
        self._refs[Value(node.name)] = _Ref(Value(node.name), (), dtype)

    def _ref(self, node: Node) -> _Ref:
        ref = self._refs.get(node.inputs[0])
        if ref is None:
            raise UnsupportedOps(f"node {node.name}: {node.op} of something that is no variable")
        return replace(ref, after=(*ref.after, *node.controls))

    def _switch(self, node: Node) -> None:
        """A reference on two branches: the handle is switched, and so alive on one of them."""
        ref = self._ref(node)
        condition = self._read(node.inputs[1], f"{node.name}/read_1", node.controls)
        self._nodes[node.name] = Node(
            node.name,
            "Switch",
            (ref.handle, condition),
            node.controls,
            {"T": RESOURCE},
            (RESOURCE, RESOURCE),
        )
        for value in self._nodes[node.name].outputs():
            self._refs[value] = replace(ref, handle=value)

    def _write(self, node: Node) -> None:
        ref = self._refs[node.inputs[0]]
        op = _RENAMED[node.op]
        known = schema.known(op)
        wanted = known.attrs if known else {}
        attrs = {k: v for k, v in node.attrs.items() if k in wanted}
        attrs.setdefault("dtype", ref.dtype)
        if "Tindices" in wanted:
            attrs.setdefault("Tindices", node.attrs.get("Tindices"))
        inputs = [ref.handle]
        inputs += [
            self._read(v, f"{node.name}/read_{i}", node.controls)
            for i, v in enumerate(node.inputs[1:], 1)
        ]
        is_value = node.op in _NOT_REFS
        self._nodes[node.name] = Node(
            node.name,
            op,
            tuple(inputs),
            tuple(dict.fromkeys([*node.controls, *ref.after])),
            {k: v for k, v in attrs.items() if k in wanted},
            node.dtypes if is_value else (),
        )
        if not is_value:
            self._refs[Value(node.name)] = replace(ref, after=(*ref.after, node.name))

    def _plain(self, node: Node) -> None:
        if any(v in self._refs for v in node.inputs):
            if schema.takes_reference(node.op) and has_effect(node.op):
                raise UnsupportedOps(f"Op type not registered '{node.op}' (node {node.name})")
            node = replace(
                node,
                inputs=tuple(
                    self._read(v, f"{node.name}/read_{i}", node.controls)
                    for i, v in enumerate(node.inputs)
                ),
            )
        self._nodes[node.name] = node

    def _read(self, value: Value, name: str, controls: tuple[str, ...]) -> Value:
        """The value behind a reference, read after all that must come first."""
        ref = self._refs.get(value)
        if ref is None:
            return value
        while name in self._function.nodes or name in self._nodes:
            name += "_"
        after = tuple(dict.fromkeys([*ref.after, *controls]))
        self._nodes[name] = Node(
            name, "ReadVariableOp", (ref.handle,), after, {"dtype": ref.dtype}, (ref.dtype,)
        )
        return Value(name)
