"""A servable whose runs begin when a test lets them, and threads that ask it."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor

import numpy as np
from served_models import Run

from servable import tensors
from servable.contracts import Servable
from servable.tensors import Array, Signature, TensorSpec

PATIENCE = 30
"""Seconds after which a test that hangs is given up."""


class GatedServable:
    """Runs one Python function for its only signature, once it is let.

    Attributes:
        sizes: the rows of each run, in the order in which they began.
        mixed: what it says of rows that depend on one another.
    """

    def __init__(self, run: Run, *, dtype: tensors.DType = tensors.FLOAT) -> None:
        spec = TensorSpec("x:0", dtype, (None, None))
        self.signatures: Mapping[str, Signature] = {
            "serving_default": Signature({"x": spec}, {"y": spec})
        }
        self.sizes: list[int] = []
        self.mixed = ""
        self._run = run
        self._begun = threading.Semaphore(0)
        self._may = threading.Semaphore(0)
        self._open = False

    def mixing(self, signature: str) -> str:
        assert signature in self.signatures
        return self.mixed

    def run(
        self, signature: str, inputs: Mapping[str, Array], fetches: Sequence[str]
    ) -> dict[str, Array]:
        assert signature in self.signatures
        self.sizes.append(len(inputs["x"]))
        self._begun.release()
        if not self._open:
            assert self._may.acquire(timeout=PATIENCE)
        outputs = self._run(inputs)
        return {alias: outputs[alias] for alias in fetches}

    def wait_begun(self) -> None:
        """Return when one more run has begun."""
        assert self._begun.acquire(timeout=PATIENCE)

    def let(self) -> None:
        """Let one run go on."""
        self._may.release()

    def let_all(self) -> None:
        """Let all go on that run, and all to come."""
        self._open = True
        for _ in range(100):
            self._may.release()


class Askers:
    """Threads with a request each; a context manager."""

    def __init__(self, servable: Servable) -> None:
        self._servable = servable
        self._pool = ThreadPoolExecutor(64)

    def __enter__(self) -> Askers:
        return self

    def __exit__(self, *_: object) -> None:
        self._pool.shutdown()

    def ask(self, rows: Sequence[Sequence[object]] | Array) -> Future[list[object]]:
        """Send rows from a thread of their own; the future has the output's."""
        inputs = {"x": np.asarray(rows)}

        def run() -> list[object]:
            found: list[object] = self._servable.run("serving_default", inputs, ["y"])["y"].tolist()
            return found

        return self._pool.submit(run)
