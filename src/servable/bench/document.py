"""A result as plain data, for JSON."""

from __future__ import annotations

from typing import Any

from servable.bench.messages import Batches
from servable.bench.results import QUANTILES, Level, Measurement, Result


def document(result: Result) -> dict[str, Any]:
    """Return everything in a result; numbers are in the units that their names end in."""
    return {
        "model": result.model,
        "signature": result.signature,
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
        "differences": [
            {
                "output": difference.output,
                "compared": difference.compared,
                "unequal": difference.unequal,
                "absolute": difference.absolute,
                "relative": difference.relative,
                "problem": difference.problem,
            }
            for difference in result.differences
        ],
        "notes": list(result.notes),
        "interrupted": result.interrupted,
    }


def quantile_name(share: float) -> str:
    """Return `p99.9` for 0.999."""
    return f"p{share * 100:g}"


def _level(level: Level) -> dict[str, Any]:
    return {
        "clients": level.clients,
        "rate": level.rate,
        "measurements": [_measurement(measured) for measured in level.measurements],
        "ratios": {
            ratio.name: {
                "overall": ratio.overall,
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
