"""Whether a model gives the same answers to requests that are computed together.

The graph is looked at when a model is loaded (`contracts.RowByRow`); this compares real
answers on top, before any client is given one that was computed with others.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from servable.batching.merging import cut, merged
from servable.contracts import Servable
from servable.errors import ServableError
from servable.tensors import Array

ENOUGH = 3
"""Comparisons with different rows that must have come out well."""

RTOL = 2e-3
"""Of the largest element. Sums of float32 in another order differ by some 1e-6 of it; rows
that influence one another differ by far more."""

LOW_PRECISION_RTOL = 5e-2


class Trials:
    """The comparisons of one signature. Used by one thread at a time.

    Args:
        enough: how many it takes to be trusted.

    Attributes:
        passed: how many have come out well.
        failure: what was wrong with one that did not; "" as long as there is none.
    """

    def __init__(self, enough: int = ENOUGH) -> None:
        self._enough = enough
        self.passed = 0
        self.failure = ""

    @property
    def trusted(self) -> bool:
        """Whether requests may be computed together."""
        return not self.failure and self.passed >= self._enough

    def compare(
        self,
        servable: Servable,
        signature: str,
        parts: Sequence[Mapping[str, Array]],
        answers: Sequence[Mapping[str, Array]],
    ) -> None:
        """Compute parts together and compare with what each gave alone.

        Rows that are all the same prove nothing and are not counted.
        """
        if _same(parts):
            shuffled = _shuffled(parts[0])
            if shuffled is None:
                return
            try:
                other = servable.run(signature, shuffled, tuple(answers[0]))
            except ServableError:
                return
            parts, answers = (parts[0], shuffled), (answers[0], other)
        try:
            together = servable.run(signature, merged(parts), tuple(answers[0]))
            cuts = cut(together, [len(next(iter(part.values()))) for part in parts])
        except ServableError as error:
            self.failure = error.message
            return
        for alone, beside in zip(answers, cuts, strict=True):
            for alias, expected in alone.items():
                if not close(expected, beside[alias]):
                    self.failure = f"output {alias} of a row depends on the rows beside it"
                    return
        self.passed += 1


def close(expected: Array, actual: Array) -> bool:
    """Whether two outputs are the same but for rounding."""
    if expected.shape != actual.shape or expected.dtype != actual.dtype:
        return False
    if expected.dtype.kind in "fcV":
        low = expected.dtype.itemsize < np.float32().itemsize
        wide = np.complex128 if expected.dtype.kind == "c" else np.float64
        one, other = expected.astype(wide), actual.astype(wide)
        scale = np.max(np.abs(one), initial=0.0, where=np.isfinite(one))
        margin = (LOW_PRECISION_RTOL if low else RTOL) * float(scale)
        return bool(np.allclose(one, other, rtol=RTOL, atol=margin, equal_nan=True))
    return bool(np.array_equal(expected, actual))


def _same(parts: Sequence[Mapping[str, Array]]) -> bool:
    first = parts[0]
    return all(np.array_equal(part[alias], first[alias]) for part in parts[1:] for alias in first)


def _shuffled(part: Mapping[str, Array]) -> dict[str, Array] | None:
    """Another request of the same kind: each row's elements in another order.

    That keeps all values in their range. None if nothing changes by it.
    """
    random = np.random.default_rng(0)
    changed = False
    made = {}
    for alias, array in part.items():
        flat = array.reshape(len(array), -1)
        mixed = random.permuted(flat, axis=1) if array.dtype != object else flat.copy()
        if flat.shape[1] == 1 and array.dtype.kind == "f":
            mixed = flat * np.asarray(1.5, array.dtype) + np.asarray(1, array.dtype)
        changed = changed or not np.array_equal(mixed, flat)
        made[alias] = mixed.reshape(array.shape)
    return made if changed else None
