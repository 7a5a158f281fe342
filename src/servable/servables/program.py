"""From a MetaGraph to plans: restore, initialise, then compile each signature."""

from __future__ import annotations

import os
from collections.abc import Sequence

import numpy as np

from servable.engine.backends import host
from servable.engine.compile import Backend, compile_function
from servable.engine.plan import Plan
from servable.engine.run import run, run_inside
from servable.graph.cut import cut
from servable.graph.importer import import_graph, parse_tensor_name
from servable.graph.ir import Function, FunctionRef, GraphError, Node, UnsupportedOps, Value
from servable.graph.passes import expand, reduce
from servable.graph.passes.freeze import Frozen, assigned_variables
from servable.ops.registry import Body, Environment
from servable.ops.resources import Resources
from servable.savedmodel.assets import DIRECTORY as ASSETS
from servable.savedmodel.reader import MetaGraph, SavedModel
from servable.tensors import STRING, Array, DType, Signature


class Program:
    """The graph of one MetaGraph on its way to plans. Used by one thread, while loading."""

    def __init__(self, model: SavedModel, meta_graph: MetaGraph, backend: Backend) -> None:
        self._model = model
        self._meta_graph = meta_graph
        self._backend = backend
        self._nodes, self._library = import_graph(meta_graph.graph, meta_graph.op_defs)
        self._resources = Resources()
        assets = model.path / ASSETS
        self._environment = Environment(self._resources, None, self._body, assets)
        # Until the signatures are known, any variable may be assigned.
        self._frozen: Frozen = lambda _: None
        self._compiling: set[str] = set()

    def initialise(self) -> None:
        """Restore the variables, then run the init op with the assets' paths fed.

        The order and the rules are TensorFlow Serving's.
        """
        restore = self._meta_graph.restore
        # Not mapped: a file that is overwritten in place would end the server.
        variables = self._model.variables(mapped=False)
        if restore is not None and variables is not None:
            prefix = os.fspath(self._model.path / "variables" / "variables")

            def read(key: bytes, piece: bytes) -> Array:
                return variables.read_slice(key.decode(), piece.decode())

            with variables:
                self._run_once(
                    "restore",
                    restore.op_name,
                    {restore.filename_tensor: prefix},
                    Environment(self._resources, read, self._body),
                )
        if self._meta_graph.init_op is not None:
            assets = {name: os.fspath(path) for name, path in self._meta_graph.assets.items()}
            self._run_once("init", self._meta_graph.init_op, assets, self._environment)

    def compile_signatures(self) -> dict[str, Plan]:
        """Plans by signature name.

        Raises:
            ServableError: a signature names what the graph does not have, or needs an
                op outside the list.
        """
        expanded = {
            name: expand(self._cut(name, signature), self._library)
            for name, signature in self._meta_graph.signatures.items()
        }
        assigned: set[str] = set()
        for function in expanded.values():
            assigned |= assigned_variables(function, self._library)

        self._frozen = lambda name: (
            None if name in assigned else self._resources.variable(name).value
        )
        return {
            name: compile_function(
                self._reduced(function),
                self._environment,
                backend=self._backend,
                shapes=[s.shape for s in self._meta_graph.signatures[name].inputs.values()],
            )
            for name, function in expanded.items()
        }

    def _cut(self, name: str, signature: Signature) -> Function:
        def tensor(alias: str, stored: str) -> Value:
            if not stored:
                raise UnsupportedOps(
                    f"signature {name}: {alias} is not a plain tensor, and others are not supported"
                )
            return parse_tensor_name(stored)

        feeds: dict[str, tuple[Value, DType]] = {}
        for alias, spec in signature.inputs.items():
            if spec.dtype is None:
                raise GraphError(f"signature {name}: input {alias} has no dtype")
            feeds[alias] = (tensor(alias, spec.name), spec.dtype)
        results = tuple(tensor(alias, s.name) for alias, s in signature.outputs.items())
        return cut(f"signature {name}", self._nodes, feeds, results)

    def _run_once(
        self, name: str, target: str, feeds: dict[str, str], environment: Environment
    ) -> None:
        function = cut(
            name,
            self._nodes,
            {tensor: (parse_tensor_name(tensor), STRING) for tensor in feeds},
            (),
            (parse_tensor_name(target).node,),
        )
        function = self._reduced(expand(function, self._library))
        args = []
        for path in feeds.values():
            array = np.empty((), object)
            array[()] = os.fsencode(path)
            args.append(array)
        run(compile_function(function, environment), args)

    def _evaluate(self, node: Node, inputs: Sequence[Array]) -> Sequence[Array] | None:
        return host.evaluate(node, inputs, self._environment)

    def _reduced(self, function: Function) -> Function:
        return reduce(function, self._library, frozen=self._frozen, evaluate=self._evaluate)

    def _body(self, ref: FunctionRef) -> Body:
        if ref.name in self._compiling:
            raise GraphError(f"function {ref.name} calls itself")
        self._compiling.add(ref.name)
        try:
            function = self._reduced(expand(self._library[ref.name], self._library))
            plan = compile_function(function, self._environment)
        finally:
            self._compiling.discard(ref.name)
        return lambda args: run_inside(plan, args)
