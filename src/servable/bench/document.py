"""A result as plain data, for JSON."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from servable import __version__
from servable.bench.machine import machine
from servable.bench.messages import Batches
from servable.bench.results import QUANTILES, Level, Measurement, Result
from servable.bench.table import quantile_name


def document(result: Result) -> dict[str, Any]:
    """Return everything in a result; numbers are in the units that their names end in."""
    return {
        "servable": __version__,
        "began": result.began.isoformat(timespec="seconds"),
        "machine": machine(),
        "settings": _settings(result),
        "servers": [
            {"version": version, "protocol": protocol}
            for version, protocol in zip(result.versions, result.protocols, strict=True)
        ],
        "requests": {
            "different": result.requests,
            "rows": list(result.rows),
            "mean_bytes": result.request_bytes,
        },
        "processes": result.processes,
        "levels": [_level(level) for level in result.levels],
        "comparison": None if result.comparison is None else asdict(result.comparison),
        "notes": list(result.notes),
        "interrupted": result.interrupted,
    }


def _settings(result: Result) -> dict[str, Any]:
    """Return what to repeat the run with; what does not apply is None, and files have no path."""
    settings = result.settings
    recorded = settings.traffic is not None
    values = "recorded" if recorded else "given" if settings.inputs else "made up"
    return {
        "model": settings.model,
        "version": settings.version,
        "label": settings.label,
        "signature": None if recorded else settings.signature,
        "values": values,
        "batch_size": None if recorded else settings.batch_size,
        "body": settings.body or "json" if "rest" in result.protocols else None,
        "clients": None if settings.rates else list(settings.clients),
        "rates": list(settings.rates) or None,
        "duration_s": settings.duration if settings.requests is None else None,
        "requests": settings.requests,
        "warmup_s": settings.warmup,
        "rounds": settings.rounds_made,
        "connections": settings.connections,
        "seed": settings.seed,
        "timeout_s": settings.timeout,
        "tolerance": settings.tolerance if settings.against is not None else None,
    }


def _level(level: Level) -> dict[str, Any]:
    return {
        "clients": level.clients,
        "rate": level.rate,
        "measurements": [_measurement(measured) for measured in level.measurements],
        "ratios": {
            ratio.name: {
                "median": ratio.median,
                "lowest": ratio.lowest,
                "highest": ratio.highest,
            }
            for ratio in level.ratios
        },
    }


def _measurement(measured: Measurement) -> dict[str, Any]:
    tally = measured.tally
    return {
        "address": measured.address,
        "seconds": tally.seconds,
        "requests": tally.latency.count,
        "requests_per_second": measured.throughput,
        "rows_per_second": measured.rows_per_second,
        "received_bytes": tally.received,
        "latency_ms": {
            "mean": measured.mean * 1e3,
            **{quantile_name(q): measured.quantile(q) * 1e3 for q in QUANTILES},
            "max": measured.longest * 1e3,
        },
        "errors": dict(tally.errors),
        "error_texts": dict(tally.texts),
        "unsent": tally.unsent,
        "sent_late_p99_ms": tally.late.quantile(0.99) / 1e6,
        "unreadable_answer": measured.unreadable,
        "generator": {
            "cpu_us_per_request": measured.cpu_per_request * 1e6,
            "busiest_process": tally.busiest,
        },
        "batches": _batches(tally.batches),
        "rounds": [
            {
                "requests_per_second": one.throughput,
                "p50_ms": one.p50 * 1e3,
                "p99_ms": one.p99 * 1e3,
            }
            for one in measured.rounds
        ],
        "histogram_ns": [list(bucket) for bucket in tally.latency.buckets()],
    }


def _batches(batches: Batches) -> dict[str, Any] | None:
    if not batches.told:
        return None
    return {
        "answers_looked_at": batches.told,
        "sizes": {str(size): count for size, count in sorted(batches.sizes.items())},
        "padded_rows": batches.padded,
        "reasons": dict(batches.reasons),
        "queue_p50_us": batches.queue.quantile(0.5) / 1e3,
    }
