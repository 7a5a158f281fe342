"""Dividing a load among processes, and among the connections of one."""

from __future__ import annotations

from dataclasses import replace

from servable.bench.messages import Load

_APART = 7
"""So many requests further on each part begins, so that not all send the same one at once."""


def share(load: Load, count: int) -> list[Load]:
    """Return a load as at most `count` parts, each with a client and a request at least.

    Clients, requests and rate of the parts are together those of the whole. Each has a seed
    of its own.
    """
    most = load.clients if load.requests is None else min(load.clients, load.requests)
    parts = max(1, min(count, most))
    return [
        replace(
            load,
            clients=_part(load.clients, number, parts),
            connections=max(1, _part(load.connections, number, parts)),
            requests=None if load.requests is None else _part(load.requests, number, parts),
            rate=load.rate / parts,
            seed=load.seed * 1009 + number,
            first=load.first + number * _APART,
        )
        for number in range(parts)
    ]


def _part(whole: int, number: int, parts: int) -> int:
    return whole // parts + (number < whole % parts)
