"""Natural batching: what has queued while the engine was busy goes next, together.

There is no timer, so a request to an idle server waits for nothing, and there are no threads:
the request that has waited longest computes for all that wait with it. Who finishes wakes
the next. How many rows go together is measured (`pace`), and only what was seen to give the
same answers is computed together (`trials`, `contracts.RowByRow`).
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence

from servable.batching.gathering import HERE
from servable.batching.lane import Lane
from servable.batching.pace import Fixed, Pace
from servable.batching.study import Apart, in_thread
from servable.batching.tasks import rows_of
from servable.batching.trials import ENOUGH, Trials
from servable.contracts import RowByRow, Servable
from servable.tensors import Array, Signature

log = logging.getLogger(__name__)

MOST_LANES = 64
"""Bound on the choices of outputs, and of the inputs' ranks, that have a queue of their own."""

_Key = tuple[str, tuple[str, ...], tuple[int, ...]]
"""Signature, outputs, the rank of each input."""


class NaturallyBatched:
    """A `contracts.Servable` around another one. As thread-safe as that one is.

    Args:
        servable: computes.
        name: what log lines call it.
        rows: how many rows to compute at once: None for as many as are measured to pay.
        trusted: merge whatever the graph is, and do not compare answers.
        apart: runs what is not for any request, such as comparisons.
    """

    def __init__(
        self,
        servable: Servable,
        name: str,
        *,
        rows: int | None = None,
        trusted: bool = False,
        apart: Apart = in_thread,
    ) -> None:
        self._servable = servable
        self._name = name
        self._rows = rows
        self._trusted = trusted
        self._apart = apart
        self._lanes: dict[_Key, Lane | None] = {}

    @property
    def signatures(self) -> Mapping[str, Signature]:
        """Signature name -> signature."""
        return self._servable.signatures

    def close(self) -> None:
        """Return when the servable is used for requests only; it can be unloaded then."""
        for lane in list(self._lanes.values()):
            if lane is not None:
                lane.close()

    def run(
        self, signature: str, inputs: Mapping[str, Array], fetches: Sequence[str]
    ) -> dict[str, Array]:
        """Compute outputs, maybe together with other requests; see `contracts.Servable`.

        Raises:
            Cancelled: the client stopped waiting while the request was queued.
        """
        task, HERE.task = HERE.task, None
        if task is not None and task.inputs is inputs:
            return task.answer()
        lane = self._find(signature, inputs, fetches)
        if lane is None or (HERE.size and lane.rests):
            return self._servable.run(signature, inputs, fetches)
        return lane.run(inputs)

    def lane(
        self, signature: str, inputs: Mapping[str, Array], fetches: Sequence[str]
    ) -> Lane | None:
        """Return what merges such requests; see `contracts.lane_of`."""
        lane = self._find(signature, inputs, fetches)
        return lane if lane is not None and lane.merges(rows_of(inputs)) else None

    def _find(
        self, signature: str, inputs: Mapping[str, Array], fetches: Sequence[str]
    ) -> Lane | None:
        # What keeps rows apart at one rank may not at another: the last axis of a vector is
        # that of its rows.
        key = (signature, tuple(fetches), tuple([array.ndim for array in inputs.values()]))
        lane = self._lanes[key] if key in self._lanes else self._open(key, inputs)
        return None if lane is None or lane.closed else lane

    def _open(self, key: _Key, inputs: Mapping[str, Array]) -> Lane | None:
        """A lane for these outputs of a signature; None if its requests must stay apart."""
        if len(self._lanes) >= MOST_LANES or not self._has_its_ranks(key[0], inputs):
            return None
        reason = self._why_apart(key[0])
        if reason:
            log.debug("%s: %s is not batched: %s", self._name, key[0], reason)
        lane = None
        if not reason:
            pace = Pace() if self._rows is None else Fixed(self._rows)
            trials = Trials(0 if self._trusted else ENOUGH)
            lane = Lane(self._servable, self._name, *key[:2], pace, trials, self._apart)
        return self._lanes.setdefault(key, lane)

    def _has_its_ranks(self, name: str, inputs: Mapping[str, Array]) -> bool:
        """Whether inputs have as many axes as their signature says, where it does."""
        signature = self.signatures.get(name)
        specs = signature.inputs if signature is not None else {}
        return all(
            spec.shape is None or alias not in inputs or len(spec.shape) == inputs[alias].ndim
            for alias, spec in specs.items()
        )

    def _why_apart(self, name: str) -> str:
        """Say why requests to a signature are computed one by one."""
        signature = self.signatures.get(name)
        if signature is None or not signature.inputs:
            return "it has no inputs"
        for spec in signature.inputs.values():
            if spec.shape is not None and (not spec.shape or spec.shape[0] is not None):
                return "its inputs have a fixed number of rows"
        if self._trusted:
            return ""
        if not isinstance(self._servable, RowByRow):
            return "nothing is known of it"
        return self._servable.mixing(name)
