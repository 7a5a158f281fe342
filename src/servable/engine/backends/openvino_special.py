"""Islands compiled once more, for the very shapes that come again and again.

Measured with OpenVINO 2026.4 on two cores: compiled for sizes that it does not know, a
transformer took 1.8 times as long for one row as compiled for that, and 1.2 to 1.6 times for
eight, a CNN 1.2 times for one, MobileNetV2 1.1 times, ResNet-50 no longer. So shapes that are
asked for often are compiled for, in the background, as far as that does not take much memory.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Sequence

import numpy as np

from servable.engine.backends.openvino_requests import Requests
from servable.engine.compile import IslandRefused
from servable.tensors import Array

log = logging.getLogger(__name__)

OFTEN = 64
"""Calls of a shape after which it is compiled for. Few shapes of many, such as the lengths of
texts, come as often."""

MOST = 6
"""Bound on the shapes of one island that are compiled for: the batch sizes up to 32."""

MOST_WEIGHTS = 8_000_000
"""Bound on the weights that are kept again for all these, in an island's shapes together: 32 MB.
Calls that meet keep them once more (`openvino_threads`)."""

TOLERANCE = 1e-3
"""By how much, of the largest number of an output, what was compiled for a shape may differ from
what computes all shapes. They add in another order; what differs by more is not used."""

HALF_TOLERANCE = 0.03
"""Likewise in half precision, of which 0.004 is one step."""

_COMPILING = threading.Lock()
"""One at a time in a process: requests need the CPUs, and a process that ends waits for it."""


class Room:
    """How many shapes of an island may still be compiled for. Thread-safe.

    Args:
        weights: what each of them keeps.
    """

    def __init__(self, weights: int) -> None:
        # list.pop is atomic.
        self._places = [None] * min(MOST, MOST_WEIGHTS // max(weights, 1))

    @property
    def full(self) -> bool:
        """Whether there is no place."""
        return not self._places

    def take(self) -> bool:
        """Whether there is one more place, which is taken then."""
        try:
            self._places.pop()
        except IndexError:
            return False
        return True


class Often:
    """Calls of one shape. Thread-safe.

    Args:
        general: computes them, and others.
        special: compiles what computes only these; asked once, on a thread of its own. May
            raise IslandRefused.
        room: whether that may be kept.
        tolerance: instead of TOLERANCE, for less than single precision.
    """

    def __init__(
        self,
        general: Requests,
        special: Callable[[], Requests],
        room: Room,
        tolerance: float = TOLERANCE,
    ) -> None:
        self._requests = general
        self._special = special
        self._room = room
        self._tolerance = tolerance
        self._left = list(range(OFTEN))

    def run(self, arrays: Sequence[Array]) -> list[Array]:
        """Compute; see `Requests.run`."""
        made = self._requests.run(arrays)
        if self._left:
            self._count(arrays, made)
        return made

    def _count(self, arrays: Sequence[Array], made: Sequence[Array]) -> None:
        try:
            last = self._left.pop() == 0
        except IndexError:  # another thread had the last
            return
        if not last or self._room.full:
            return
        copies = [[array.copy() for array in some] for some in (arrays, made)]
        if not _COMPILING.acquire(blocking=False):
            self._left = list(range(OFTEN))
            return
        # The interpreter waits for it: OpenVINO must not be compiling when it ends.
        adding = threading.Thread(target=self._add, args=copies, name="compile shape")
        try:
            adding.start()
        except RuntimeError as error:  # no more threads; the calls can be computed as before
            _COMPILING.release()
            log.debug("a shape is not compiled for: %s", error)

    def _add(self, given: Sequence[Array], made: Sequence[Array]) -> None:
        try:
            if not self._room.take():
                return
            special = self._special()
            if self._same(special.run(given), made):
                self._requests = special
            else:
                shapes = [array.shape for array in given]
                log.warning("compiled for %s an island computes something else; not used", shapes)
        except (IslandRefused, RuntimeError) as refusal:
            log.debug("a shape is not compiled for: %s", refusal)
        finally:
            _COMPILING.release()

    def _same(self, made: Sequence[Array], expected: Sequence[Array]) -> bool:
        return all(
            a.shape == b.shape and a.dtype == b.dtype and self._close(a, b)
            for a, b in zip(made, expected, strict=True)
        )

    def _close(self, a: Array, b: Array) -> bool:
        if a.dtype.kind != "f" or not b.size:
            return a.tobytes() == b.tobytes()
        largest = float(np.abs(b, where=np.isfinite(b), out=np.zeros_like(b)).max())
        return bool(np.allclose(a, b, rtol=0.0, atol=self._tolerance * largest, equal_nan=True))
