"""Traces of requests as TensorFlow's profiler reads them, and as text for people."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence

from servable.errors import Code
from servable.metrics.trace import Span
from servable.pb import profiler_pb2

PLANE = "/host:CPU"
"""What the profiler's pages call the lines of threads."""

EVENTS_PER_SPAN = 4
"""A request, and its parts: decode, run, encode."""

_PICOSECONDS = 10**12
_STATS = ("status", "version", "queued_us")


def write_space(spans: Sequence[Span], started: float, started_ns: int) -> profiler_pb2.XSpace:
    """Return a trace of requests: a line for each thread, on which a request has its parts.

    Args:
        spans: the requests.
        started: when the trace began, by `time.perf_counter`.
        started_ns: the same moment, in nanoseconds since 1970.
    """
    space = profiler_pb2.XSpace()
    plane = space.planes.add(id=1, name=PLANE)
    for number, name in enumerate(_STATS, 1):
        plane.stat_metadata[number].id = number
        plane.stat_metadata[number].name = name
    lines: dict[str, profiler_pb2.XLine] = {}
    names: dict[str, int] = {}
    # A request may have begun before the trace did.
    first = min([started, *(span.started for span in spans)])
    first_ns = started_ns - round((started - first) * 1e9)
    for span in spans:
        line = lines.get(span.thread)
        if line is None:
            line = lines[span.thread] = plane.lines.add(
                id=len(lines) + 1, name=span.thread, timestamp_ns=first_ns
            )
        for name, began, ended in _parts(span):
            event = line.events.add(
                metadata_id=names.setdefault(name, len(names) + 1),
                offset_ps=round((began - first) * _PICOSECONDS),
                duration_ps=round((ended - began) * _PICOSECONDS),
            )
            if began is span.started and ended is span.ended:
                event.stats.add(metadata_id=1, str_value=span.code.name)
                event.stats.add(metadata_id=2, str_value=span.version)
                event.stats.add(metadata_id=3, double_value=span.queued * 1e6)
    for name, number in names.items():
        plane.event_metadata[number].id = number
        plane.event_metadata[number].name = name
    return space


def write_summary(spans: Sequence[Span], seconds: float, dropped: int = 0) -> str:
    """Return in words what requests there were within some seconds, `dropped` not in `spans`."""
    count = len(spans) + dropped
    rate = count / seconds if seconds else 0.0
    lines = [f"Requests: {count} in {seconds:.3f} s ({rate:.1f}/s)"]
    if spans:
        times = sorted(span.ended - span.started + span.queued for span in spans)
        failed = sum(span.code is not Code.OK for span in spans)
        mean, median, last = sum(times) / len(times), times[len(times) // 2], times[-1]
        lines.append(f"Failed: {failed}")
        lines.append(
            f"Milliseconds: mean {mean * 1e3:.3f}, median {median * 1e3:.3f}, most {last * 1e3:.3f}"
        )
        kinds = Counter(map(_title, spans))
        lines += [f"  {title}: {number}" for title, number in kinds.most_common(20)]
    return "\n".join(lines) + "\n"


def _title(span: Span) -> str:
    return " ".join(filter(None, (span.transport, span.api, span.model[:200])))


def _parts(span: Span) -> Iterator[tuple[str, float, float]]:
    yield _title(span), span.started, span.ended
    if span.run_began:
        yield "decode", span.started, span.run_began
        yield "run", span.run_began, span.run_ended
        yield "encode", span.run_ended, span.ended
