"""An ONNX model, computed by OpenVINO; see `engine.backends.openvino_model` for its limits."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path

from servable.engine.backends.openvino_model import Port, WholeModel
from servable.errors import FailedPrecondition
from servable.servables.formats import ONNX_NAME, memory_estimate
from servable.servables.saved_model import backend_for
from servable.servables.settings import DEFAULTS, EngineSettings
from servable.tensors import Array, Signature, TensorSpec

SIGNATURE = "serving_default"


class OnnxServable:
    """A loaded model with one signature, of the file's own names. Thread-safe."""

    def __init__(self, model: WholeModel) -> None:
        self._model = model
        self._inputs = [port.names[0] for port in model.inputs]
        self._outputs = [port.names[0] for port in model.outputs]
        self._signatures = {SIGNATURE: Signature(_specs(model.inputs), _specs(model.outputs))}

    @property
    def signatures(self) -> Mapping[str, Signature]:
        """`serving_default` alone."""
        return self._signatures

    def run(
        self,
        signature: str,  # noqa: ARG002  there is one
        inputs: Mapping[str, Array],
        fetches: Sequence[str],
    ) -> dict[str, Array]:
        """Compute outputs; see `contracts.Servable`."""
        results = self._model.run([inputs[alias] for alias in self._inputs])
        by_alias = dict(zip(self._outputs, results, strict=True))
        return {alias: by_alias[alias] for alias in fetches}


class OnnxLoader:
    """Loads the `model.onnx` of one version folder. A `contracts.Loader`."""

    def __init__(
        self, path: str | os.PathLike[str], *, settings: EngineSettings = DEFAULTS
    ) -> None:
        self._path = Path(path)
        self._settings = settings
        self._servable: OnnxServable | None = None

    def estimate_resources(self) -> int:
        """Bytes: the size of all files, and a fifth more."""
        return memory_estimate(self._path)

    def load(self) -> None:
        """Read and compile.

        Raises:
            InvalidArgument: the file is broken.
            UnsupportedOps: it needs ops or dtypes that OpenVINO lacks.
        """
        backend = backend_for(self._settings)
        self._servable = OnnxServable(WholeModel(backend, "onnx", self._path / ONNX_NAME))

    def unload(self) -> None:
        """Drop the servable."""
        self._servable = None

    def servable(self) -> OnnxServable:
        """The loaded model.

        Raises:
            FailedPrecondition: `load` has not succeeded.
        """
        if self._servable is None:
            raise FailedPrecondition(f"{self._path} is not loaded")
        return self._servable


def _specs(ports: Sequence[Port]) -> dict[str, TensorSpec]:
    specs = {port.names[0]: TensorSpec(port.names[0], port.dtype, port.shape) for port in ports}
    return dict(sorted(specs.items()))
