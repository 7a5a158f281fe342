"""A SavedModel inside a Python program: signatures, variables, functions, any subgraph."""

from __future__ import annotations

import os
import threading
from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from servable.engine.plan import Plan
from servable.engine.run import run
from servable.errors import FailedPrecondition, InvalidArgument
from servable.pb import saved_model_pb2
from servable.savedmodel import model_file
from servable.savedmodel.reader import SavedModel, read
from servable.savedmodel.select import default_tags, meta_graph_of
from servable.savedmodel.variable_names import Named, named_variables
from servable.savedmodel.variables import Variables
from servable.servables.arguments import arguments, converted
from servable.servables.object_calls import Caller
from servable.servables.program import Program
from servable.servables.saved_model import SavedModelServable, backend_for
from servable.servables.settings import DEFAULTS
from servable.tensors import Array, DType, Signature


class SignatureFunction:
    """A signature that can be called. Thread-safe.

    Attributes:
        name: of the signature.
        signature: its inputs and outputs.
    """

    def __init__(self, name: str, signature: Signature, servable: SavedModelServable) -> None:
        self.name = name
        self.signature = signature
        self._servable: SavedModelServable | None = servable

    def __call__(self, **inputs: Any) -> dict[str, Array]:
        """Run it.

        Args:
            inputs: an array, list or scalar for each input; arrays must have the dtype
                and every value the shape that the signature names.

        Returns:
            Alias -> array, for every output; strings are object arrays of bytes.

        Raises:
            InvalidArgument: an input is missing, unknown, or not what the signature
                takes, which the hint lists; or a kernel refuses the values.
            FailedPrecondition: the model is closed.
        """
        servable = self._servable
        if servable is None:
            raise FailedPrecondition(f"signature {self.name}: the model is closed")
        arrays = arguments(self.name, self.signature, inputs)
        return servable.run(self.name, arrays, list(self.signature.outputs))

    def close(self) -> None:
        """Let go of the model."""
        self._servable = None

    def __repr__(self) -> str:
        return f"<signature {self.name}{self.signature}>"


class PrunedFunction:
    """A part of a graph that can be called with the tensors it is fed, in order. Thread-safe."""

    def __init__(self, plan: Plan, feeds: Sequence[tuple[str, DType]]) -> None:
        self._plan = plan
        self._feeds = tuple(feeds)

    def __call__(self, *values: Any) -> list[Array]:
        """Run it.

        Args:
            values: one for each feed; arrays must have the tensor's dtype.

        Returns:
            One array for each tensor that was to be fetched.

        Raises:
            InvalidArgument: too many or too few values, one of another dtype, or a
                kernel refuses them.
        """
        expected = ", ".join(f"{name} ({dtype.name})" for name, dtype in self._feeds) or "nothing"
        if len(values) != len(self._feeds):
            raise InvalidArgument(
                f"{len(values)} values for {len(self._feeds)} tensors",
                hint=f"In order: {expected}.",
            )
        arrays = []
        for value, (name, dtype) in zip(values, self._feeds, strict=True):
            try:
                arrays.append(converted(value, dtype))
            except InvalidArgument as error:
                raise InvalidArgument(
                    f"{name}: {error.message}", hint=f"In order: {expected}."
                ) from error
        return run(self._plan, arrays)


class StoredVariables(Mapping[str, Array]):
    """Variable name -> value as stored, read when it is asked for. Thread-safe."""

    def __init__(self, named: Sequence[Named], stored: Variables | None) -> None:
        self._keys = {variable.name: variable.key for variable in named}
        self._stored = stored

    def __getitem__(self, name: str) -> Array:
        """The value, read-only; of a fixed size as a view of the mapped file.

        Raises:
            KeyError: there is no such variable.
            SavedModelError: its bytes break a rule of the format, or the model is closed.
        """
        key = self._keys[name]
        if self._stored is None:
            raise KeyError(name)
        return self._stored.read(key)

    def __iter__(self) -> Iterator[str]:
        return iter(self._keys)

    def __len__(self) -> int:
        return len(self._keys)


class PythonModel:
    """A SavedModel, restored and ready to be called. Thread-safe.

    A context manager; leaving it is `close`.

    Attributes:
        path: the SavedModel's folder.
        tags: of the MetaGraph that was taken.
        signatures: name -> what can be called.
    """

    def __init__(self, path: str | os.PathLike[str], tags: Collection[str] | None = None) -> None:
        self.path = Path(path)
        self._model: SavedModel = read(self.path)
        if tags is None:
            tags = default_tags([meta_graph.tags for meta_graph in self._model.meta_graphs])
        meta_graph = self._model.meta_graph(tags)
        self.tags = meta_graph.tags
        self._program: Program | None = Program(self._model, meta_graph, backend_for(DEFAULTS))
        self._program.initialise(all_variables=True)
        plans = self._program.compile_signatures()
        servable = SavedModelServable(meta_graph.signatures, plans)
        self.signatures: Mapping[str, SignatureFunction] = {
            name: SignatureFunction(name, signature, servable)
            for name, signature in meta_graph.signatures.items()
        }
        self._lock = threading.Lock()
        self._stored: Variables | None = None
        self._named: tuple[Named, ...] | None = None
        self._proto: saved_model_pb2.MetaGraphDef | None = None
        self._caller: Caller | None = None

    @property
    def variables(self) -> Mapping[str, Array]:
        """Variables by name, as they are stored in the files.

        Where the model lists its variables, as what Keras exports does, these and no copies
        beside them. Variables of one name are called by their paths, as in `layers/0/w`.

        Raises:
            SavedModelError: the variables or the object graph are damaged.
        """
        with self._lock:
            named = [variable for variable in self._all_named() if variable.listed]
            return StoredVariables(named, self._stored)

    @property
    def trainable_variables(self) -> Mapping[str, Array]:
        """Those of `variables` that training would change."""
        with self._lock:
            named = [v for v in self._all_named() if v.listed and v.trainable]
            return StoredVariables(named, self._stored)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Call the model as its class was called, where it was saved with such a function.

        Variables that this function assigns are its own: signatures do not see them.

        Args:
            args, kwargs: as for the function that was traced; tensors as arrays, lists
                or scalars, everything else as it was when the function was traced.

        Returns:
            What the function returned, with arrays in place of tensors.

        Raises:
            InvalidArgument: no trace takes these; the hint lists those that are there.
            Unimplemented: the model has no such function, or it needs what is not supported.
        """
        with self._lock:
            if self._caller is None:
                named = self._all_named()
                backend = backend_for(DEFAULTS)
                self._running()
                self._caller = Caller(
                    self._model, self._stored_proto(), named, self._stored, backend
                )
            caller = self._caller
        return caller(args, kwargs)

    def prune(self, feeds: Sequence[str], fetches: Sequence[str]) -> PrunedFunction:
        """Cut a function out of the flat graph.

        Args:
            feeds: names of tensors to give, as in `x:0`, in the order of the arguments.
            fetches: names of tensors to return, or of operations to run.

        Raises:
            ServableError: a tensor does not exist, or an op is not supported.
            FailedPrecondition: the model is closed.
        """
        with self._lock:
            plan, dtypes = self._running().prune(feeds, fetches)
        return PrunedFunction(plan, list(zip(feeds, dtypes, strict=True)))

    def close(self) -> None:
        """Let go of the graph, the plans and the files; arrays that were read stay valid."""
        with self._lock:
            self._program = None
            self._caller = None
            if self._stored is not None:
                self._stored.close()
        for function in self.signatures.values():
            function.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"<SavedModel {self.path} [{','.join(sorted(self.tags))}]>"

    def _running(self) -> Program:
        if self._program is None:
            raise FailedPrecondition(f"{self.path}: the model is closed")
        return self._program

    def _stored_proto(self) -> saved_model_pb2.MetaGraphDef:
        if self._proto is None:
            model = model_file.parse(model_file.find(self.path))
            self._proto = meta_graph_of(model, self.tags)
        return self._proto

    def _all_named(self) -> tuple[Named, ...]:
        if self._named is None:
            self._running()
            self._stored = self._model.variables()
            self._named = (
                () if self._stored is None else named_variables(self._stored_proto(), self._stored)
            )
        return self._named
