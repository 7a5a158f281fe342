"""A SavedModel: its loader, and the servable that it makes."""

from __future__ import annotations

import functools
import os
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType

import numpy as np

from servable.engine.backends.openvino import OpenVinoBackend
from servable.engine.compile import Backend
from servable.engine.plan import Plan, narrowed
from servable.engine.run import run
from servable.errors import FailedPrecondition
from servable.graph.effects import leaves_trace
from servable.graph.ir import UnsupportedOps
from servable.graph.passes import Traced
from servable.savedmodel.reader import read
from servable.servables.formats import memory_estimate
from servable.servables.program import Program
from servable.servables.samples import Trial
from servable.servables.settings import DEFAULTS, EngineSettings
from servable.tensors import Array, Signature

_MOST_NARROWED = 256
"""Bound on the choices of outputs whose plans are kept."""


@functools.cache
def backend_for(settings: EngineSettings) -> OpenVinoBackend:
    """The backend that loaders of the same settings share."""
    return OpenVinoBackend(
        precision=settings.precision,
        cache=settings.compile_cache,
        threads=settings.threads,
        hint=settings.hint,
    )


class SavedModelServable:
    """A loaded SavedModel. Thread-safe.

    Args:
        signatures: all that the model has.
        plans: how they are run, for those of plain tensors.
        mixing: for each plan, where rows of a batch could depend on one another.
    """

    def __init__(
        self,
        signatures: Mapping[str, Signature],
        plans: Mapping[str, Plan],
        mixing: Mapping[str, str] = MappingProxyType({}),
    ) -> None:
        self._mixing = mixing
        self._plans = dict(plans)
        self._signatures = {
            name: _sampled(signature, plans.get(name)) for name, signature in signatures.items()
        }
        self._narrow: dict[tuple[str, tuple[str, ...]], Plan] = {}

    @property
    def signatures(self) -> Mapping[str, Signature]:
        """Signature name -> signature."""
        return self._signatures

    @property
    def compiled(self) -> Collection[str]:
        """The signatures that have a plan: those of plain tensors only."""
        return self._plans.keys()

    def plan(self, signature: str) -> Plan:
        """How a signature is run, for people to read."""
        return self._plans[signature]

    def mixing(self, signature: str) -> str:
        """Say why requests must be computed one by one, or ""; see `contracts.RowByRow`."""
        return self._mixing.get(signature, "nothing is known of it")

    def run(
        self, signature: str, inputs: Mapping[str, Array], fetches: Sequence[str]
    ) -> dict[str, Array]:
        """Compute outputs of a signature; see `contracts.Servable`.

        Raises:
            UnsupportedOps: an input or output of the signature is not a plain tensor.
        """
        definition = self._signatures[signature]
        if signature not in self._plans:
            raise UnsupportedOps(
                f"signature {signature} has inputs or outputs that are not plain tensors, and"
                " others are not supported"
            )
        plan = self._plans[signature]
        if len(fetches) < len(definition.outputs):
            plan = self._narrowed(signature, tuple(fetches))
        else:
            fetches = tuple(definition.outputs)
        results = run(plan, [inputs[alias] for alias in definition.inputs])
        return {alias: np.asarray(made) for alias, made in zip(fetches, results, strict=True)}

    def _narrowed(self, signature: str, fetches: tuple[str, ...]) -> Plan:
        """The plan that computes these outputs and no others."""
        plan = self._narrow.get((signature, fetches))
        if plan is None:
            places = {alias: n for n, alias in enumerate(self._signatures[signature].outputs)}
            plan = narrowed(self._plans[signature], [places[alias] for alias in fetches])
            if len(self._narrow) >= _MOST_NARROWED:
                self._narrow.clear()
            self._narrow[signature, fetches] = plan
        return plan


def _sampled(signature: Signature, plan: Plan | None) -> Signature:
    """The signature, with samples if running it changes nothing."""
    if plan is None:  # nothing it is asked would be answered
        return replace(signature, sample=lambda: None)
    if any(leaves_trace(op) for step in plan.steps for op in step.unit.ops):
        return signature

    # This must not refer to the servable, which would then outlive its last user.
    def answer(inputs: Mapping[str, Array]) -> dict[str, Array]:
        results = run(plan, [inputs[alias] for alias in signature.inputs])
        return {a: np.asarray(made) for a, made in zip(signature.outputs, results, strict=True)}

    return replace(signature, sample=Trial(signature, answer))


class SavedModelLoader:
    """Loads one version folder. A `contracts.Loader`.

    Args:
        path: the folder with `saved_model.pb`.
        tags: the MetaGraph to take, by its exact set of tags.
        backend: computes islands; None for the one that the settings ask for.
        settings: precision, and bounds.
        traces: receives what each pass over the graph did, by signature name.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        *,
        tags: Collection[str] = ("serve",),
        backend: Backend | None = None,
        settings: EngineSettings = DEFAULTS,
        traces: dict[str, list[Traced]] | None = None,
    ) -> None:
        self._path = Path(path)
        self._tags = tuple(tags)
        self._backend = backend or backend_for(settings)
        self._settings = settings
        self._traces = traces
        self._servable: SavedModelServable | None = None
        self._program: Program | None = None

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
        program = Program(model, meta_graph, self._backend, self._settings.most_steps)
        self._program = program
        program.initialise()
        plans = program.compile_signatures(self._traces)
        signatures = {
            name: replace(signature, features=program.features.get(name, {}))
            for name, signature in meta_graph.signatures.items()
        }
        self._servable = SavedModelServable(signatures, plans, program.mixing)

    def unload(self) -> None:
        """Drop the servable."""
        self._servable = None
        if self._program is not None:
            self._program.close()
            self._program = None

    def servable(self) -> SavedModelServable:
        """The loaded model.

        Raises:
            FailedPrecondition: `load` has not succeeded.
        """
        if self._servable is None:
            raise FailedPrecondition(f"{self._path} is not loaded")
        return self._servable
