"""A whole measurement: meet the servers, try the requests, make the loads, add up."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import partial

from servable.bench.apart import compare, not_compared
from servable.bench.messages import Job, Load, Tally
from servable.bench.processes import LoadProcesses, processes_by_default
from servable.bench.results import Comparison, Level, Measurement, Result, Round, round_of
from servable.bench.servers import Server, meet
from servable.bench.settings import Settings
from servable.errors import Internal
from servable.tensors import Array

IN_FLIGHT = 1024
"""How many requests may be under way over gRPC in the open loop."""

OPEN_CONNECTIONS = 64
"""The same over REST, where each needs a connection."""

_WARMUP_SEED = 1_000_003


@dataclass(frozen=True, slots=True)
class Step:
    """Where a run is.

    Attributes:
        load: the load in words.
        address: the server that gets it.
        warming: whether this is warmup.
        done: share of the whole run that lies behind, by time or requests, from 0 to 1.
        ended: requests that have ended in this round.
    """

    load: str
    address: str
    warming: bool
    done: float
    ended: int


def run(
    settings: Settings,
    *,
    progress: Callable[[Step], None] | None = None,
    stop: threading.Event | None = None,
) -> Result:
    """Measure a server, or two in turn.

    Args:
        settings: what to measure.
        progress: hears several times a second where the run is.
        stop: set it, from another thread or a signal handler, to end early; the result has
            what was measured so far.

    Raises:
        Unfit: the settings do not go together with the servers' protocols.
        ServableError: a server can not be reached, does not have the model, or refuses the
            first requests; or nothing can be made to send.
    """
    began = datetime.now(UTC)
    addresses = (settings.address,) if settings.against is None else (
        settings.address, settings.against
    )  # fmt: skip
    servers = meet(settings, addresses)
    settings.check_fits({server.target.protocol for server in servers})
    probed = [server.probe(all_must=settings.traffic is None) for server in servers]
    count = settings.processes or processes_by_default(os.cpu_count() or 1)
    job = Job(
        tuple(server.target for server in servers), tuple(server.requests for server in servers)
    )
    with LoadProcesses(count, job) as processes:
        runner = _Runner(settings, servers, processes, stop or threading.Event(), progress)
        levels = runner.levels()
    first = servers[0].requests
    notes = [note for server in servers for note in server.notes]
    if len({len(server.requests) for server in servers}) > 1:
        notes.append("The servers do not get the same requests; their answers are not compared.")
    notes += _notes(levels)
    return Result(
        settings,
        began,
        tuple(server.version for server in servers),
        tuple(server.target.protocol for server in servers),
        len(first),
        (min(r.rows for r in first), max(r.rows for r in first)),
        sum(len(r.body) for r in first) / len(first),
        count,
        tuple(levels),
        _comparison(servers, probed, settings.tolerance),
        tuple(dict.fromkeys(notes)),
        runner.stop.is_set(),
        any(m.tally.lost for level in levels for m in level.measurements),
    )


class _Runner:
    """Makes the loads one after the other."""

    def __init__(
        self,
        settings: Settings,
        servers: Sequence[Server],
        processes: LoadProcesses,
        stop: threading.Event,
        progress: Callable[[Step], None] | None,
    ) -> None:
        self.stop = stop
        self._settings = settings
        self._servers = servers
        self._processes = processes
        self._progress = progress
        self._loads: list[tuple[int, float]] = (
            [(0, rate) for rate in settings.rates]
            if settings.rates
            else [(clients, 0.0) for clients in settings.clients]
        )
        self._rounds = len(self._loads) * settings.rounds_made * len(servers)
        self._done = 0
        self._round_began = 0.0

    def levels(self) -> list[Level]:
        """Measure every load that is wanted, until all are or it shall stop."""
        levels: list[Level] = []
        for clients, rate in self._loads:
            if self._over(levels):
                break
            level = self._level(clients, rate)
            if level.measurements:
                levels.append(level)
        return levels

    def _over(self, levels: Sequence[Level]) -> bool:
        lost = any(m.tally.lost for level in levels for m in level.measurements)
        return lost or self.stop.is_set()

    def _level(self, clients: int, rate: float) -> Level:
        tallies: list[list[Tally]] = [[] for _ in self._servers]
        label = Level(clients, rate, ()).label
        for number in range(self._settings.rounds_made):
            order = range(len(self._servers))
            # Whoever comes second may find the machine warmer: turn about.
            for target in order if number % 2 == 0 else reversed(order):
                if self.stop.is_set() or any(t.lost for side in tallies for t in side):
                    continue
                tally = self._round(target, clients, rate, number, label)
                if tally is not None:
                    tallies[target].append(tally)
        measurements = [
            _measurement(server, found)
            for server, found in zip(self._servers, tallies, strict=True)
            if found
        ]
        return Level(clients, rate, tuple(measurements))

    def _round(
        self, target: int, clients: int, rate: float, number: int, label: str
    ) -> Tally | None:
        """Warm up and measure; None if it was stopped before anything was measured."""
        settings, server = self._settings, self._servers[target]
        load = self._load(target, clients, rate, number)
        self._round_began = time.monotonic()
        if settings.warmup:
            seed = load.seed + _WARMUP_SEED
            warmup = replace(load, seconds=settings.warmup, requests=None, seed=seed)
            tally = self._processes.run(
                warmup, progress=partial(self._tell, label, server, True), stop=self.stop
            )
            if tally.lost:
                return tally
        if self.stop.is_set():
            return None
        told = partial(self._tell, label, server, False)
        tally = self._processes.run(load, progress=told, stop=self.stop)
        self._done += 1
        return tally

    def _load(self, target: int, clients: int, rate: float, number: int) -> Load:
        settings = self._settings
        rest = self._servers[target].target.protocol == "rest"
        if rate:
            clients = settings.connections or OPEN_CONNECTIONS if rest else IN_FLIGHT
        return Load(
            target,
            clients,
            settings.connections or self._processes.count,
            rate,
            None if settings.requests is not None else settings.duration,
            settings.requests,
            settings.seed + number,
            number,
        )

    def _tell(self, label: str, server: Server, warming: bool, ended: int) -> None:
        if self._progress is not None:
            done = (self._done + self._share_of_round(warming, ended)) / self._rounds
            self._progress(Step(label, server.target.address, warming, done, ended))

    def _share_of_round(self, warming: bool, ended: int) -> float:
        settings = self._settings
        seconds = time.monotonic() - self._round_began
        if settings.requests is not None:
            return 0.0 if warming else min(1.0, ended / settings.requests)
        return min(1.0, seconds / (settings.warmup + settings.duration))


def _measurement(server: Server, tallies: Sequence[Tally]) -> Measurement:
    whole = tallies[0]
    for tally in tallies[1:]:
        whole = whole.then(tally)
    rounds: tuple[Round, ...] = tuple(round_of(tally) for tally in tallies)
    unreadable = ""
    for sample in whole.samples:
        try:
            server.read(sample)
        except Internal as error:
            unreadable = error.message
    return Measurement(server.target.address, whole, rounds, unreadable)


def _comparison(
    servers: Sequence[Server],
    probed: Sequence[Sequence[dict[str, Array] | None]],
    tolerance: float,
) -> Comparison | None:
    """Return how far two servers' answers are apart; None for one server."""
    if len(servers) < 2:
        return None
    requests = len(servers[0].requests)
    if len(servers[1].requests) != requests:
        return not_compared(requests)
    addresses = [server.target.address for server in servers]
    return compare(probed[0], probed[1], addresses, requests, tolerance)


def _notes(levels: Sequence[Level]) -> list[str]:
    notes = []
    for level in levels:
        for measured in level.measurements:
            tally = measured.tally
            where = f"{level.label} on {measured.address}"
            if measured.generator_bound:
                notes.append(
                    f"{where}: the load generator used {tally.busiest:.0%} of a core in one "
                    "process, so it may be what was measured. Give it more --processes, or a "
                    "machine of its own."
                )
            if tally.unsent:
                notes.append(
                    f"{where}: {tally.unsent} requests were due and could not be sent in time, "
                    "because too many were waiting for answers. Latencies are of those that were."
                )
            late = tally.late.quantile(0.99)
            if tally.late.count and late > 1e6 and not tally.unsent:
                notes.append(
                    f"{where}: one request in a hundred was sent {late / 1e6:.1f} ms late or "
                    "later; its latency counts from when it was due."
                )
            if measured.unreadable:
                notes.append(f"{where}: {measured.unreadable}.")
            if tally.lost:
                notes.append(f"{where}: the server has gone; the rest was not measured.")
    return notes
