"""A TFLite model, computed by LiteRT where it is installed, and else by OpenVINO."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TypeAlias

from servable.engine.backends.openvino import OpenVinoBackend
from servable.engine.backends.openvino_model import WholeModel
from servable.errors import FailedPrecondition
from servable.graph.ir import UnsupportedOps
from servable.savedmodel.files import read_bytes
from servable.servables.extras import install, installed
from servable.servables.formats import TFLITE_NAME, memory_estimate
from servable.servables.litert import LiteRtModel, interpreters
from servable.servables.saved_model import backend_for
from servable.servables.settings import DEFAULTS, EngineSettings
from servable.servables.tflite_file import Entry, read_signatures
from servable.tensors import Array, Signature

MAX_BYTES = 2**31 - 1
"""No flatbuffer can be larger."""

Compute: TypeAlias = Callable[[str, Mapping[str, Array]], Mapping[str, Array]]
"""Computes all outputs of a signature, by alias."""


class TfLiteServable:
    """A loaded model. Thread-safe if `compute` is."""

    def __init__(self, signatures: Mapping[str, Signature], compute: Compute) -> None:
        self._signatures = dict(signatures)
        self._compute = compute

    @property
    def signatures(self) -> Mapping[str, Signature]:
        """Those of the file, or `serving_default` over its main subgraph."""
        return self._signatures

    def run(
        self, signature: str, inputs: Mapping[str, Array], fetches: Sequence[str]
    ) -> dict[str, Array]:
        """Compute outputs; see `contracts.Servable`. Inputs may have any shape that works."""
        made = self._compute(signature, inputs)
        return {alias: made[alias] for alias in fetches}


class TfLiteLoader:
    """Loads the `model.tflite` of one version folder. A `contracts.Loader`."""

    def __init__(
        self, path: str | os.PathLike[str], *, settings: EngineSettings = DEFAULTS
    ) -> None:
        self._path = Path(path)
        self._settings = settings
        self._servable: TfLiteServable | None = None

    def estimate_resources(self) -> int:
        """Bytes: the size of all files, and a fifth more."""
        return memory_estimate(self._path)

    def load(self) -> None:
        """Read the signatures and make an engine.

        Raises:
            InvalidArgument: the file is broken.
            Internal: LiteRT refuses it.
            UnsupportedOps: OpenVINO does not do, and LiteRT is not installed.
        """
        file = self._path / TFLITE_NAME
        data = read_bytes(file, limit=MAX_BYTES)
        entries = read_signatures(data)
        compute: Compute
        if installed("ai_edge_litert"):
            compute = LiteRtModel(interpreters(data), entries)
        else:
            compute = _through_openvino(backend_for(self._settings), file, entries)
        signatures = {name: entry.signature for name, entry in entries.items()}
        self._servable = TfLiteServable(signatures, compute)

    def unload(self) -> None:
        """Drop the servable."""
        self._servable = None

    def servable(self) -> TfLiteServable:
        """The loaded model.

        Raises:
            FailedPrecondition: `load` has not succeeded.
        """
        if self._servable is None:
            raise FailedPrecondition(f"{self._path} is not loaded")
        return self._servable


def _through_openvino(
    backend: OpenVinoBackend, file: Path, entries: Mapping[str, Entry]
) -> Compute:
    try:
        model = WholeModel(backend, "tflite", file, resizable=True)
        if any(entry.subgraph for entry in entries.values()):
            raise UnsupportedOps(f"{file.name} has signatures beside its main subgraph")
        inputs = {name: i for i, port in enumerate(model.inputs) for name in port.names}
        outputs = {name: i for i, port in enumerate(model.outputs) for name in port.names}
        for entry in entries.values():
            _check_whole(file, entry, inputs, outputs)
    except UnsupportedOps as refusal:
        raise UnsupportedOps(
            refusal.message,
            hint=f"LiteRT, TensorFlow Lite's own runtime, may run it: {install('tflite')}",
        ) from refusal

    def compute(name: str, given: Mapping[str, Array]) -> Mapping[str, Array]:
        signature = entries[name].signature
        by_place = {inputs[spec.name]: given[alias] for alias, spec in signature.inputs.items()}
        made = model.run([by_place[place] for place in sorted(by_place)])
        return {alias: made[outputs[spec.name]] for alias, spec in signature.outputs.items()}

    return compute


def _check_whole(
    file: Path, entry: Entry, inputs: Mapping[str, int], outputs: Mapping[str, int]
) -> None:
    """Refuse a signature that is not over exactly what OpenVINO made of the file."""
    fed = sorted(inputs.get(spec.name, -1) for spec in entry.signature.inputs.values())
    fetched = {spec.name for spec in entry.signature.outputs.values()}
    if fed != sorted(set(inputs.values())) or not fetched <= outputs.keys():
        raise UnsupportedOps(f"{file.name} has a signature over a part of its main subgraph")
