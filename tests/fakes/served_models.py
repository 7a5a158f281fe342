"""Models without a manager: servables made of a function, provided from a dictionary."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import TracebackType

import numpy as np

from servable import tensors
from servable.contracts import Servable, ServableId
from servable.errors import NotFound, ServableError
from servable.tensors import Array, DType, Shape, Signature, TensorSpec

Run = Callable[[Mapping[str, Array]], Mapping[str, Array]]


def spec(name: str, dtype: DType | None = tensors.FLOAT, shape: Shape = None) -> TensorSpec:
    return TensorSpec(name, dtype, shape)


class FakeServable:
    """Runs one Python function for every signature, and remembers what it was fed."""

    def __init__(self, signatures: Mapping[str, Signature], run: Run) -> None:
        self.signatures = signatures
        self.fed: list[Mapping[str, Array]] = []
        self._run = run

    def run(
        self,
        signature: str,
        inputs: Mapping[str, Array],
        fetches: Sequence[str],
    ) -> dict[str, Array]:
        assert signature in self.signatures
        self.fed.append(inputs)
        outputs = self._run(inputs)
        return {alias: outputs[alias] for alias in fetches if alias in outputs}


@dataclass
class FakeHandle:
    id: ServableId
    servable: Servable
    returned: bool = False

    def __enter__(self) -> FakeHandle:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.returned = True


@dataclass
class FakeStatus:
    id: ServableId
    state: str = "AVAILABLE"
    error: ServableError | None = None


class FakeModels:
    """A `contracts.ModelProvider` that serves the servables it was given."""

    def __init__(self, models: Mapping[str, Mapping[int, Servable]]) -> None:
        self.models = models
        self.handles: list[FakeHandle] = []
        self.given: dict[str, dict[str, int]] = {}
        self.statuses = {
            name: [FakeStatus(ServableId(name, v)) for v in sorted(versions, reverse=True)]
            for name, versions in models.items()
        }

    def acquire(self, name: str, version: int | None = None) -> FakeHandle:
        versions = self.models.get(name, {})
        found = max(versions, default=None) if version is None else version
        if found is None or found not in versions:
            wanted = f"Latest({name})" if version is None else f"Specific({name}, {version})"
            raise NotFound(f"Servable not found for request: {wanted}")
        self.handles.append(FakeHandle(ServableId(name, found), versions[found]))
        return self.handles[-1]

    def labels(self, name: str) -> Mapping[str, int]:
        return self.given.get(name, {})

    def status(self, name: str, version: int | None = None) -> Sequence[FakeStatus]:
        return [s for s in self.statuses.get(name, []) if version in (None, s.id.version)]

    def names(self) -> Sequence[str]:
        return sorted(self.statuses)


def half_plus_two() -> FakeServable:
    """TensorFlow Serving's own test model: y = x / 2 + 2."""
    signature = Signature({"x": spec("x:0", shape=(None,))}, {"y": spec("y:0", shape=(None,))})
    return FakeServable(
        {"serving_default": signature}, lambda x: {"y": np.asarray(x["x"] / 2 + 2, np.float32)}
    )


def echo(**inputs: DType) -> FakeServable:
    """Returns each input as the output of the same alias."""
    side = {alias: spec(f"{alias}:0", dtype) for alias, dtype in sorted(inputs.items())}
    return FakeServable({"serving_default": Signature(side, side)}, dict)
