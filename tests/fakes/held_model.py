"""A model that answers only when a test lets it."""

from __future__ import annotations

import threading
from collections.abc import Mapping

from served_models import FakeModels, FakeServable, half_plus_two

from servable.tensors import Array


class Held:
    """A model whose every prediction waits until it is let go."""

    def __init__(self) -> None:
        self.entered = threading.Semaphore(0)
        self.release = threading.Event()
        self.servable = FakeServable(half_plus_two().signatures, self._run)
        self.models = FakeModels({"m": {1: self.servable}})

    def _run(self, inputs: Mapping[str, Array]) -> Mapping[str, Array]:
        self.entered.release()
        assert self.release.wait(60)
        return {"y": inputs["x"]}

    def wait_until_entered(self) -> None:
        assert self.entered.acquire(timeout=60)
