"""A SavedModel: its loader, and the servable that it makes."""

from __future__ import annotations

import functools
import os
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path

import numpy as np

from servable.engine.backends.openvino import OpenVinoBackend
from servable.engine.compile import Backend
from servable.engine.plan import Plan
from servable.engine.run import run
from servable.errors import FailedPrecondition
from servable.graph.passes import Traced
from servable.savedmodel.reader import read
from servable.servables.formats import memory_estimate
from servable.servables.program import Program
from servable.tensors import Array, Signature


@functools.cache
def default_backend() -> OpenVinoBackend:
    """The backend that loaders share when none is named."""
    return OpenVinoBackend()


class SavedModelServable:
    """A loaded SavedModel. Thread-safe."""

    def __init__(self, signatures: Mapping[str, Signature], plans: Mapping[str, Plan]) -> None:
        self._signatures = dict(signatures)
        self._plans = dict(plans)

    @property
    def signatures(self) -> Mapping[str, Signature]:
        """Signature name -> signature."""
        return self._signatures

    def plan(self, signature: str) -> Plan:
        """How a signature is run, for people to read."""
        return self._plans[signature]

    def run(
        self, signature: str, inputs: Mapping[str, Array], fetches: Sequence[str]
    ) -> dict[str, Array]:
        """Compute outputs of a signature; see `contracts.Servable`."""
        definition = self._signatures[signature]
        results = run(self._plans[signature], [inputs[alias] for alias in definition.inputs])
        by_alias = dict(zip(definition.outputs, results, strict=True))
        return {alias: np.asarray(by_alias[alias]) for alias in fetches}


class SavedModelLoader:
    """Loads one version folder. A `contracts.Loader`.

    Args:
        path: the folder with `saved_model.pb`.
        tags: the MetaGraph to take, by its exact set of tags.
        backend: computes islands; None for the default one.
        traces: receives what each pass over the graph did, by signature name.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        *,
        tags: Collection[str] = ("serve",),
        backend: Backend | None = None,
        traces: dict[str, list[Traced]] | None = None,
    ) -> None:
        self._path = Path(path)
        self._tags = tuple(tags)
        self._backend = backend
        self._traces = traces
        self._servable: SavedModelServable | None = None

    def estimate_resources(self) -> int:
        """Bytes: the size of all files, and a fifth more."""
        return memory_estimate(self._path)

    def load(self) -> None:
        """Read, restore, initialise and compile.

        Raises:
            ServableError: the files are broken, or an op is outside the list.
        """
        model = read(self._path)
        meta_graph = model.meta_graph(self._tags)
        program = Program(model, meta_graph, self._backend or default_backend())
        program.initialise()
        plans = program.compile_signatures(self._traces)
        self._servable = SavedModelServable(meta_graph.signatures, plans)

    def unload(self) -> None:
        """Drop the servable."""
        self._servable = None

    def servable(self) -> SavedModelServable:
        """The loaded model.

        Raises:
            FailedPrecondition: `load` has not succeeded.
        """
        if self._servable is None:
            raise FailedPrecondition(f"{self._path} is not loaded")
        return self._servable
