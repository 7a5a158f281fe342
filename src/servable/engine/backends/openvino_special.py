"""Islands compiled once more, for the very shapes that come again and again.

Measured with OpenVINO 2026.4 on two cores: compiled for sizes that it does not know, a
transformer took 1.8 times as long for one row as compiled for that, and 1.2 to 1.6 times for
eight, DeepLab 1.3 to 1.5 times for one, a CNN 1.2, MobileNetV2 1.1 times, ResNet-50 no longer. So
shapes that are asked for often are compiled for, in the background, as far as that does not take
much memory.
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
SHARE = 16
"""A shape is compiled for after so many calls, if they were one in so many of those whose shape
is not compiled for. The lengths of texts seldom are."""

MOST = 6
"""Bound on the shapes of one island that are compiled for: as many as the batch sizes up to 32."""

MOST_WEIGHTS = 8_000_000
"""Bound on the weights that an island's shapes keep again, all together: 32 MB. Calls that meet
keep them once more (`openvino_threads`)."""

MOST_VALUES = 128_000_000
"""Bound on what an island computes in between for its shapes, all together. OpenVINO keeps
buffers for a part of it, for each call that is computed at the same time. Measured on two cores:
1.0 to 1.1 bytes for each number, so this is some 140 MB."""

MOST_ATTEMPTS = 2 * MOST
"""Bound on the shapes of one island that are tried."""

TOLERANCE = 1e-3
"""By how much, of the largest number of an output, what was compiled for a shape may differ from
what computes all shapes. They add in another order; what differs by more is not used."""

_COMPILING = threading.Lock()
"""One shape at a time in a process: requests need the CPUs, and a process that ends waits."""


class Room:
    """How many shapes of an island may still be compiled for. For one thread at a time, but
    `calls` and `full`.

    Args:
        weights: what each of them keeps.

    Attributes:
        calls: those of the island whose shape is not compiled for, roughly.
    """

    def __init__(self, weights: int) -> None:
        self.calls = 0
        self._places = min(MOST, MOST_WEIGHTS // max(weights, 1))
        self._values, self._taken = MOST_VALUES, 0
        self._attempts = MOST_ATTEMPTS

    @property
    def full(self) -> bool:
        """Whether no shape is compiled for any more."""
        return not self._places or not self._attempts

    def take(self, values: int) -> None:
        """Make room for a shape for which so many numbers are computed in between; see `note`.

        Raises:
            IslandRefused: there is none.
        """
        if values > self._values:
            raise IslandRefused("it computes too much in between")
        self._taken = values

    def note(self, *, kept: bool) -> None:
        """Hear of the shape that was tried."""
        self._attempts -= 1
        if kept:
            self._places -= 1
            self._values -= self._taken
        self._taken = 0


class Often:
    """Calls of one shape. Thread-safe.

    Args:
        general: computes them, and others.
        special: compiles what computes only these; asked at most once, on a thread of its own.
            May raise IslandRefused.
        room: whether that may be kept.

    Attributes:
        compiled: whether what was compiled for the shape computes it.
    """

    def __init__(self, general: Requests, special: Callable[[], Requests], room: Room) -> None:
        self.compiled = False
        self._requests = general
        self._special = special
        self._room = room
        self._counting = not room.full
        self._calls, self._since = 0, room.calls

    def run(self, arrays: Sequence[Array]) -> list[Array]:
        """Compute; see `Requests.run`."""
        made = self._requests.run(arrays)
        if self._counting:
            self._count(arrays, made)
        return made

    def _count(self, arrays: Sequence[Array], made: Sequence[Array]) -> None:
        # Other threads count at the same time, and some calls may be lost.
        self._room.calls += 1
        self._calls += 1
        if self._calls < OFTEN:
            return
        rare = self._room.calls - self._since > SHARE * OFTEN
        self._calls, self._since = 0, self._room.calls
        if self._room.full:
            self._counting = False
        elif not rare and _COMPILING.acquire(blocking=False):
            self._start(arrays, made)

    def _start(self, arrays: Sequence[Array], made: Sequence[Array]) -> None:
        """Compile in the background, holding the lock, which is released at the end."""
        if not self._counting:  # another thread came first
            _COMPILING.release()
            return
        try:
            copies = [[array.copy() for array in some] for some in (arrays, made)]
            # The interpreter waits for it: OpenVINO must not be compiling when it ends.
            threading.Thread(target=self._add, args=copies, name="compile shape").start()
        except (RuntimeError, MemoryError) as error:  # no more threads; the answer is there
            _COMPILING.release()
            log.debug("a shape is not compiled for: %s", error)

    def _add(self, given: Sequence[Array], made: Sequence[Array]) -> None:
        try:
            special = self._special()
            if _same(special.run(given), made):
                self._requests = special
                self.compiled = True
            else:
                shapes = [array.shape for array in given]
                log.warning("compiled for %s an island computes something else; not used", shapes)
        except (IslandRefused, RuntimeError, MemoryError) as refusal:
            log.debug("a shape is not compiled for: %s", refusal)
        finally:
            self._counting = False
            self._room.note(kept=self.compiled)
            _COMPILING.release()


def _same(made: Sequence[Array], expected: Sequence[Array]) -> bool:
    return all(
        a.shape == b.shape and a.dtype == b.dtype and _close(a, b)
        for a, b in zip(made, expected, strict=True)
    )


def _close(a: Array, b: Array) -> bool:
    if a.dtype.kind != "f" or not b.size:
        return a.tobytes() == b.tobytes()
    largest = float(np.abs(b, where=np.isfinite(b), out=np.zeros_like(b)).max())
    return bool(np.allclose(a, b, rtol=0.0, atol=TOLERANCE * largest, equal_nan=True))
