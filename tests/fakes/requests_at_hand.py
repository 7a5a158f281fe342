"""Requests as a transport leaves them behind for those who look at the thread's own."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from servable.errors import Code
from servable.metrics.monitor import Metrics
from servable.metrics.requests import CURRENT, Observation


@contextmanager
def request(
    api: str = "predict",
    headers: Mapping[str, str] | None = None,
    metrics: Metrics | None = None,
) -> Iterator[Observation]:
    """Be at work on a request, and answer it well unless something is raised."""
    seen = Observation(api, "rest", model="m")
    seen.header = lambda name: (headers or {}).get(name, "")
    CURRENT.observation = seen
    try:
        yield seen
    finally:
        CURRENT.observation = None
    (metrics or Metrics()).requests.record(seen, Code.OK, 0)
