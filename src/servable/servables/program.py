"""From a MetaGraph to plans: restore, initialise, then compile each signature."""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from functools import partial

import numpy as np

from servable.engine.backends import host
from servable.engine.compile import Backend, compile_function
from servable.engine.plan import Plan
from servable.engine.rows import mixing
from servable.engine.run import run, run_inside
from servable.errors import ServableError
from servable.graph.cut import cut
from servable.graph.equal import same
from servable.graph.features import example_features
from servable.graph.importer import import_graph, parse_tensor_name
from servable.graph.ir import Function, FunctionRef, GraphError, Node, Value
from servable.graph.passes import Traced, expand, reduce
from servable.graph.passes.freeze import Frozen, assigned_variables
from servable.graph.passes.prune import drop_unreachable
from servable.graph.passes.refs import HANDLE, VARIABLES
from servable.graph.passes.restore import restore_only, variables_of
from servable.ops.limits import MOST_STEPS
from servable.ops.registry import Body, Environment
from servable.ops.resources import Resources
from servable.savedmodel.assets import DIRECTORY as ASSETS
from servable.savedmodel.reader import MetaGraph, SavedModel
from servable.tensors import STRING, Array, DType, Shape, Signature, TensorSpec


class Program:
    """The graph of one MetaGraph on its way to plans. Used by one thread, while loading."""

    def __init__(
        self,
        model: SavedModel,
        meta_graph: MetaGraph,
        backend: Backend,
        most_steps: int = MOST_STEPS,
    ) -> None:
        self._model = model
        self._meta_graph = meta_graph
        self._backend = backend
        self._nodes, self._library = import_graph(meta_graph.graph, meta_graph.op_defs)
        self._resources = Resources()
        assets = model.path / ASSETS
        self._environment = Environment(
            self._resources, None, self._body, most_steps=most_steps, assets=assets
        )
        # Until the signatures are known, any variable may be assigned.
        self._frozen: Frozen = lambda _: None
        self._compiling: set[str] = set()
        self.features: dict[str, Mapping[str, TensorSpec]] = {}
        """By signature that was compiled, what it reads from tf.Examples."""
        self.mixing: dict[str, str] = {}
        """Likewise, where rows of a batch could depend on one another; "" for nowhere."""

    def initialise(self, *, all_variables: bool = False) -> None:
        """Restore the variables, then run the init op with the assets' paths fed.

        The order and the rules are TensorFlow Serving's.

        Args:
            all_variables: also those that no signature can reach, which `prune` may.
        """
        restore = self._meta_graph.restore
        # Not mapped: a file that is overwritten in place would end the server.
        variables = self._model.variables(mapped=False)
        if restore is not None and variables is not None:
            prefix = os.fspath(self._model.path / "variables" / "variables")

            def read(key: bytes, piece: bytes) -> Array:
                return variables.read_slice(key.decode(), piece.decode(), verify=True)

            with variables:
                self._run_once(
                    "restore",
                    restore.op_name,
                    {restore.filename_tensor: prefix},
                    Environment(self._resources, read, self._body),
                    None if all_variables else self._variables_in_use(),
                )
        if self._meta_graph.init_op is not None:
            assets = {name: os.fspath(path) for name, path in self._meta_graph.assets.items()}
            self._run_once("init", self._meta_graph.init_op, assets, self._environment)

    def close(self) -> None:
        """Let go of everything, at the end: weights too, which no other object may need.

        Kernels find functions through this object, a cycle, so that the memory would
        otherwise wait for the garbage collector.
        """
        vars(self).clear()

    def compile_signatures(self, traces: dict[str, list[Traced]] | None = None) -> dict[str, Plan]:
        """Plans by signature name, without signatures whose tensors are not all plain.

        TensorFlow loads a model with these too, and serves its other signatures.

        Args:
            traces: receives what each pass did, by signature name.

        Raises:
            ServableError: a signature names what the graph does not have, or needs an
                op outside the list.
        """
        signatures = {
            name: signature
            for name, signature in self._meta_graph.signatures.items()
            if plain(signature)
        }
        kept: dict[str, list[Traced] | None] = dict.fromkeys(signatures)
        if traces is not None:
            kept.update({name: traces.setdefault(name, []) for name in kept})
        expanded = {
            name: expand(self._cut(name, signature), self._library, kept[name])
            for name, signature in signatures.items()
        }
        assigned: set[str] = set()
        for function in expanded.values():
            assigned |= assigned_variables(function, self._library)

        self._frozen = lambda name: (
            None if name in assigned else self._resources.variable(name).value
        )
        compiled: list[tuple[Function, list[Shape], Plan]] = []
        plans = {}
        for name, function in expanded.items():
            reduced = self._reduced(function, kept[name])
            shapes = [spec.shape for spec in signatures[name].inputs.values()]
            plans[name] = self._plan(reduced, shapes, compiled)
            self.features[name] = example_features(reduced)
            self.mixing[name] = mixing(reduced)
        return plans

    def _plan(
        self,
        function: Function,
        shapes: list[Shape],
        compiled: list[tuple[Function, list[Shape], Plan]],
    ) -> Plan:
        """Compile a function, or find the plan of one that is the same."""
        for other, known, plan in compiled:
            if known == shapes and same(function, other):
                return plan
        plan = compile_function(function, self._environment, backend=self._backend, shapes=shapes)
        compiled.append((function, shapes, plan))
        return plan

    def prune(self, feeds: Sequence[str], fetches: Sequence[str]) -> tuple[Plan, list[DType]]:
        """A plan for any part of the flat graph, and the dtypes of what it is fed.

        A variable that this part assigns is read anew in each of its runs; signatures that
        were compiled before may hold the value from then.

        Args:
            feeds: tensors that the caller gives.
            fetches: tensors to return, or operations to run, which return nothing.

        Raises:
            ServableError: a tensor does not exist, or an op is outside the list.
        """
        given: dict[str, tuple[Value, DType]] = {}
        for name in feeds:
            value = parse_tensor_name(name)
            node = self._nodes.get(value.node)
            if node is None or value.index >= len(node.dtypes):
                raise GraphError(f"prune: tensor {name} does not exist in the graph")
            given[name] = (value, node.dtypes[value.index])
        values = [parse_tensor_name(name) for name in fetches]
        targets = tuple(
            value.node
            for name, value in zip(fetches, values, strict=True)
            if ":" not in name and value.node in self._nodes and not self._nodes[value.node].dtypes
        )
        results = tuple(value for value in values if value.node not in targets)
        function = expand(cut("prune", self._nodes, given, results, targets), self._library)
        assigned = assigned_variables(function, self._library)
        frozen, evaluate = self._frozen, self._evaluate
        reduced = reduce(
            function,
            self._library,
            frozen=lambda name: None if name in assigned else frozen(name),
            evaluate=evaluate,
        )
        plan = compile_function(reduced, self._environment, backend=self._backend)
        return plan, [dtype for _, dtype in given.values()]

    @property
    def environment(self) -> Environment:
        """What kernels are built with."""
        return self._environment

    def functions(self) -> Iterator[Function]:
        """Every function that would be compiled, for people to look at; nothing is restored.

        They are reduced as far as that goes without the values of variables. A function
        that is broken is left out: loading says what is wrong with it.
        """
        meta_graph = self._meta_graph
        makers: list[Callable[[], Function]] = [
            partial(self._cut, name, signature)
            for name, signature in meta_graph.signatures.items()
            if plain(signature)
        ]
        if meta_graph.init_op is not None:
            makers.append(partial(self._target, "init", meta_graph.init_op, meta_graph.assets))
        if meta_graph.restore is not None:
            feeds = (meta_graph.restore.filename_tensor,)
            makers.append(partial(self._target, "restore", meta_graph.restore.op_name, feeds))
        seen: set[str] = set()
        while makers:
            try:
                function = self._reduced(expand(makers.pop()(), self._library))
            except ServableError:
                continue
            for name in called(function.nodes.values()) - seen:
                seen.add(name)
                makers.append(partial(self._library.__getitem__, name))
            yield function

    def _cut(self, name: str, signature: Signature) -> Function:
        feeds: dict[str, tuple[Value, DType]] = {}
        for alias, spec in signature.inputs.items():
            if spec.dtype is None:
                raise GraphError(f"signature {name}: input {alias} has no dtype")
            feeds[alias] = (parse_tensor_name(spec.name), spec.dtype)
        results = tuple(parse_tensor_name(spec.name) for spec in signature.outputs.values())
        return cut(f"signature {name}", self._nodes, feeds, results)

    def _run_once(
        self,
        name: str,
        target: str,
        feeds: dict[str, str],
        environment: Environment,
        variables: Collection[str] | None = None,
    ) -> None:
        """Run a node for its effects; if `variables` are named, without assigning others."""
        function = expand(self._target(name, target, feeds), self._library)
        if variables is not None:
            function = restore_only(function, variables)
        function = self._reduced(function)
        args = []
        for path in feeds.values():
            array = np.empty((), object)
            array[()] = os.fsencode(path)
            args.append(array)
        run(compile_function(function, environment), args)

    def _variables_in_use(self) -> set[str]:
        """Names of the variables that a signature or the init op can reach."""
        meta_graph = self._meta_graph
        functions = [
            drop_unreachable(self._cut(name, signature))
            for name, signature in meta_graph.signatures.items()
            if plain(signature)
        ]
        if meta_graph.init_op is not None:
            functions.append(drop_unreachable(self._target("init", meta_graph.init_op, ())))
        # Importing all functions only to look for handles would take as long as loading.
        inside = {
            node.attr["shared_name"].s.decode("utf-8", "replace") or node.name
            for function in meta_graph.graph.library.function
            for node in function.node_def
            if node.op == HANDLE or node.op in VARIABLES
        }
        return inside.union(*map(variables_of, functions))

    def _target(self, name: str, target: str, feeds: Collection[str]) -> Function:
        return cut(
            name,
            self._nodes,
            {tensor: (parse_tensor_name(tensor), STRING) for tensor in feeds},
            (),
            (parse_tensor_name(target).node,),
        )

    def _evaluate(self, node: Node, inputs: Sequence[Array]) -> Sequence[Array] | None:
        return host.evaluate(node, inputs, self._environment)

    def _reduced(self, function: Function, trace: list[Traced] | None = None) -> Function:
        return reduce(
            function, self._library, frozen=self._frozen, evaluate=self._evaluate, trace=trace
        )

    def _body(self, ref: FunctionRef) -> Body:
        if ref.name in self._compiling:
            raise GraphError(f"function {ref.name} calls itself")
        self._compiling.add(ref.name)
        try:
            function = self._reduced(expand(self._library[ref.name], self._library))
            backend = self._backend.for_loops()
            plan = compile_function(function, self._environment, backend=backend)
        finally:
            self._compiling.discard(ref.name)
        return lambda args: run_inside(plan, args)


def plain(signature: Signature) -> bool:
    """Whether all inputs and outputs are plain tensors, and none a sparse or composite one."""
    return all(spec.name for spec in (*signature.inputs.values(), *signature.outputs.values()))


def called(nodes: Iterable[Node]) -> set[str]:
    """Names of the functions that these nodes name in their attributes."""
    values = [value for node in nodes for value in node.attrs.values()]
    refs = [item for value in values for item in (value if isinstance(value, tuple) else (value,))]
    return {ref.name for ref in refs if isinstance(ref, FunctionRef)}
