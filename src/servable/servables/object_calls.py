"""Calling a model as an object: the function `__call__` of the root of its object graph.

What such a function captured is not in the flat graph under a name that could be relied
on, so a graph of its own is made around it: a handle for each variable, a path for each
asset, a constant for each constant, and for each table the call that creates it.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from servable.engine.compile import Backend
from servable.engine.plan import Plan
from servable.engine.run import run
from servable.errors import InvalidArgument, Unimplemented
from servable.pb import framework_pb2, saved_model_pb2
from servable.savedmodel.assets import DIRECTORY
from servable.savedmodel.errors import ObjectGraphInvalid
from servable.savedmodel.functions import Offered, Trace, node_of, offered
from servable.savedmodel.reader import MetaGraph, SavedModel
from servable.savedmodel.variable_names import Named
from servable.savedmodel.variables import Variables
from servable.servables.call_values import NoMatch, described, flat, packed, parameters
from servable.servables.program import Program

_CALL = "__call__"
_CREATE = "_create_resource"
_INITIALISE = "_initialize"


class Caller:
    """The traces of a model's call function, compiled when they are first used. Thread-safe."""

    def __init__(
        self,
        model: SavedModel,
        meta_graph: saved_model_pb2.MetaGraphDef,
        named: Sequence[Named],
        stored: Variables | None,
        backend: Backend,
    ) -> None:
        functions = {function.name: function for function in offered(meta_graph)}
        if _CALL not in functions:
            raise Unimplemented(
                f"{model.path}: the model was saved without a function to call it by",
                hint="Call one of its signatures.",
            )
        self._function = functions[_CALL]
        self._parameters = parameters(self._function)
        self._model = model
        self._meta_graph = meta_graph
        self._named = named
        self._stored = stored
        self._backend = backend
        self._plans: dict[str, Plan] = {}
        self._compiler: tuple[_CallGraph, Program] | None = None
        self._lock = threading.Lock()

    def __call__(self, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Any:
        """Run the first trace that takes these; see `PythonModel.__call__`."""
        given = self._bound(args, kwargs)
        unsupported: Unimplemented | None = None
        for trace in self._function.traces:
            try:
                arrays = list(flat((trace.args, trace.kwargs), given))
            except NoMatch:
                continue
            except Unimplemented as error:
                unsupported = unsupported or error
                continue
            return packed(trace.output, iter(run(self._plan(trace), arrays)))
        if unsupported is not None:
            raise unsupported
        raise InvalidArgument(
            "the model was not traced for a call with these arguments",
            hint="It was traced for: " + "; ".join(described(t) for t in self._function.traces),
        )

    def _bound(self, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> tuple[Any, Any]:
        if self._parameters is None:
            return args, dict(kwargs)
        try:
            bound = self._parameters.bind(*args, **kwargs)
        except TypeError as error:
            raise InvalidArgument(
                f"the model can not be called so: {error}",
                hint="Its parameters: " + ", ".join(map(str, self._parameters.parameters.values())),
            ) from None
        bound.apply_defaults()
        return bound.args, bound.kwargs

    def _plan(self, trace: Trace) -> Plan:
        with self._lock:
            plan = self._plans.get(trace.name)
            if plan is None:
                if self._compiler is None:
                    self._compiler = self._made()
                graph, program = self._compiler
                plan, _ = program.prune(*graph.ends[trace.name])
                self._plans[trace.name] = plan
        return plan

    def _made(self) -> tuple[_CallGraph, Program]:
        graph = _CallGraph(self._meta_graph, self._model.path, self._function)
        return graph, graph.program(self._model, self._named, self._stored, self._backend)


class _CallGraph:
    """The graph around a function: a call for each of its traces.

    Attributes:
        ends: by trace, the tensors to feed and to fetch.
    """

    def __init__(
        self, meta_graph: saved_model_pb2.MetaGraphDef, path: Path, function: Offered
    ) -> None:
        self._stored = meta_graph
        self._path = path
        self._library = {f.signature.name: f for f in meta_graph.graph_def.library.function}
        self._graph = framework_pb2.GraphDef(library=meta_graph.graph_def.library)
        self._captured: dict[int, str] = {}
        self._starts: list[str] = []
        self._variables: dict[int, str] = {}
        self.ends: dict[str, tuple[list[str], list[str]]] = {}
        for number, trace in enumerate(function.traces):
            self._add_trace(number, trace)

    def program(
        self,
        model: SavedModel,
        named: Sequence[Named],
        stored: Variables | None,
        backend: Backend,
    ) -> Program:
        """A program of this graph, with its variables set and its tables filled."""
        init = self._graph.node.add(name="start", op="NoOp")
        init.input.extend(f"^{name}" for name in self._starts)
        op_defs = {op.name: op for op in self._stored.meta_info_def.stripped_op_list.op}
        meta_graph = MetaGraph(frozenset(), self._graph, op_defs, {}, "start", None, {})
        program = Program(model, meta_graph, backend)
        keys = {variable.node: variable.key for variable in named}
        for node, shared in self._variables.items():
            if node not in keys or stored is None:
                raise ObjectGraphInvalid(f"no value is stored for node {node} of the object graph")
            program.environment.resources.variable(shared).assign(stored.read(keys[node]))
        program.initialise()
        program.compile_signatures()
        return program

    def _add_trace(self, number: int, trace: Trace) -> None:
        function = self._function(trace.name)
        captured = [self._capture(node) for node in trace.bound]
        free = len(function.signature.input_arg) - len(captured)
        feeds = []
        for place, arg in enumerate(function.signature.input_arg[: max(free, 0)]):
            name = f"call_{number}/arg_{place}"
            node = self._graph.node.add(name=name, op="Placeholder")
            node.attr["dtype"].type = arg.type
            feeds.append(f"{name}:0")
        name = self._call(f"call_{number}", trace.name, [*feeds, *captured])
        results = range(len(function.signature.output_arg))
        self.ends[trace.name] = (feeds, [f"{name}:{place}" for place in results])

    def _function(self, name: str) -> framework_pb2.FunctionDef:
        if name not in self._library:
            raise ObjectGraphInvalid(f"the graph has no function {name}")
        return self._library[name]

    def _call(self, name: str, function: str, inputs: Sequence[str]) -> str:
        signature = self._function(function).signature
        node = self._graph.node.add(name=name, op="StatefulPartitionedCall", input=inputs)
        node.attr["f"].func.name = function
        node.attr["Tin"].list.type.extend(arg.type for arg in signature.input_arg)
        node.attr["Tout"].list.type.extend(arg.type for arg in signature.output_arg)
        return name

    def _capture(self, number: int) -> str:
        if number not in self._captured:
            self._captured[number] = self._add_capture(number)
        return self._captured[number]

    def _add_capture(self, number: int) -> str:
        stored = node_of(self._stored.object_graph_def, number)
        kind = stored.WhichOneof("kind")
        name = f"captured_{number}"
        if kind == "variable":
            node = self._graph.node.add(name=name, op="VarHandleOp")
            node.attr["dtype"].type = stored.variable.dtype
            node.attr["shape"].shape.CopyFrom(stored.variable.shape)
            node.attr["shared_name"].s = name.encode()
            self._variables[number] = name
        elif kind == "asset":
            path = self._path.absolute() / DIRECTORY / self._asset(stored.asset)
            node = self._graph.node.add(name=name, op="Const")
            node.attr["dtype"].type = framework_pb2.DT_STRING
            node.attr["value"].tensor.dtype = framework_pb2.DT_STRING
            node.attr["value"].tensor.string_val.append(str(path).encode())
        elif kind == "constant":
            self._graph.node.add().CopyFrom(self._constant(stored.constant.operation))
            self._graph.node[-1].name = name
        elif kind == "resource":
            return self._add_resource(number, stored)
        else:
            raise Unimplemented(f"a function captured a {kind}, which is not supported")
        return f"{name}:0"

    def _add_resource(self, number: int, stored: saved_model_pb2.SavedObject) -> str:
        children = {child.local_name: child.node_id for child in stored.children}
        create = self._only_trace(children.get(_CREATE, -1))
        name = self._call(f"captured_{number}", create, self._bound_of(create))
        self._captured[number] = f"{name}:0"
        if _INITIALISE in children:
            fill = self._only_trace(children[_INITIALISE])
            start = self._call(f"fill_{number}", fill, self._bound_of(fill))
            self._starts.append(start)
        return f"{name}:0"

    def _only_trace(self, number: int) -> str:
        function = node_of(self._stored.object_graph_def, number).function
        if len(function.concrete_functions) != 1:
            raise ObjectGraphInvalid(f"node {number} of the object graph should have one function")
        return function.concrete_functions[0]

    def _bound_of(self, function: str) -> list[str]:
        described = self._stored.object_graph_def.concrete_functions
        if function not in described:
            raise ObjectGraphInvalid(f"the object graph does not describe its function {function}")
        return [self._capture(node) for node in described[function].bound_inputs]

    def _constant(self, name: str) -> framework_pb2.NodeDef:
        for node in self._stored.graph_def.node:
            if node.name == name and node.op == "Const":
                return node
        raise ObjectGraphInvalid(f"the graph has no constant {name}")

    def _asset(self, stored: saved_model_pb2.SavedAsset) -> str:
        files = self._stored.asset_file_def
        if not 0 <= stored.asset_file_def_index < len(files):
            raise ObjectGraphInvalid(f"the model has no asset {stored.asset_file_def_index}")
        return files[stored.asset_file_def_index].filename
