"""Where the requests to one model go that name no version."""

from __future__ import annotations

import logging
from collections.abc import Iterable

from servable.contracts import ModelProvider, ServableHandle
from servable.errors import NotFound
from servable.metrics.requests import CURRENT, Observation
from servable.metrics.traffic import TrafficMetrics
from servable.traffic.choice import Choice, Random
from servable.traffic.handle import CopiedHandle
from servable.traffic.report import ShareReport, TrafficReport
from servable.traffic.rules import Traffic, Which
from servable.traffic.shadow import Shadow

log = logging.getLogger(__name__)

_DESCRIBING = frozenset({"get_model_metadata", "metadata", "model_metadata"})
"""What asks for a version only to describe it. Every time the same one, for clients that look a
signature up before they send something."""

_MAX_KEY = 1024
"""Bytes of a key that count: clients choose how long it is."""


class Route:
    """Where the requests to one model go that name no version.

    May be used from many threads. Takes no lock.
    """

    def __init__(
        self,
        name: str,
        traffic: Traffic,
        models: ModelProvider,
        metrics: TrafficMetrics,
        shadow: Shadow | None,
        random_number: Random,
    ) -> None:
        self.traffic = traffic
        self.shadow = shadow
        self._name = name
        self._models = models
        self._metrics = metrics
        self._choice = Choice(name, traffic.split, random_number) if traffic.split else None
        self._missing: dict[Which, object] = {}

    def acquire(self) -> ServableHandle:
        """Return a handle on a version that the rules choose.

        Raises:
            NotFound: no version is ready.
        """
        seen = CURRENT.observation
        describing = seen is None or seen.api in _DESCRIBING
        handle = self._find(None if describing else seen)
        if describing:
            return handle
        version = handle.id.version
        self._metrics.note_routed(self._name, version)
        if self.shadow is not None and self.shadow.wants(version):
            return CopiedHandle(handle, self.shadow)
        return handle

    def report(self) -> TrafficReport:
        """Return the rules, and how they are kept at this moment."""
        labels = self._models.labels(self._name)
        ready = {s.id.version for s in self._models.status(self._name) if s.state == "AVAILABLE"}
        now = [share.which.now(labels) for share in self.traffic.split]
        weights = [
            share.weight if version in ready else 0
            for share, version in zip(self.traffic.split, now, strict=True)
        ]
        return TrafficReport(
            self._name,
            [
                ShareReport(
                    share.which,
                    version,
                    share.weight,
                    version in ready,
                    weight / (sum(weights) or 1),
                )
                for share, version, weight in zip(self.traffic.split, now, weights, strict=True)
            ],
            self.traffic.sticky_header,
            self._metrics.routed(self._name),
            self.shadow.report() if self.shadow is not None else None,
        )

    def _find(self, seen: Observation | None) -> ServableHandle:
        choice = self._choice
        if choice is not None:
            for place in self._order(choice, seen):
                handle = self._try(choice.shares[place].which)
                if handle is not None:
                    return handle
        # None of those that should answer can; what there is does.
        return self._models.acquire(self._name)

    def _order(self, choice: Choice, seen: Observation | None) -> Iterable[int]:
        """Return the places of a split in the order in which they are tried."""
        if seen is None:
            return choice.by_weight()
        header = self.traffic.sticky_header
        if header and seen.header is not None and (key := seen.header(header)):
            return choice.ranked(key.encode("utf-8", "surrogateescape")[:_MAX_KEY])
        return choice.drawn()

    def _try(self, which: Which) -> ServableHandle | None:
        version = which.now(self._models.labels(self._name))
        try:
            if version is not None:
                handle = self._models.acquire(self._name, version)
                if self._missing and self._missing.pop(which, None):
                    log.info("%s: %s gets its share of the traffic", self._name, which)
                return handle
        except NotFound:
            pass
        token = object()
        if self._missing.setdefault(which, token) is token:  # for one of many threads
            log.warning("%s: %s is not available; the others get its share", self._name, which)
        return None
