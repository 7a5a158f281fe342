"""The JSON of how traffic is divided. The peer has no such answer."""

from __future__ import annotations

from typing import Any

import orjson

from servable.traffic.report import OutputReport, PairReport, ShadowReport, TrafficReport
from servable.traffic.rules import Which
from servable.wire.status import unicode_text


def encode_traffic(report: TrafficReport) -> bytes:
    """Return who answers, how many requests each version got, and how the shadow does.

    Versions are strings, as in the JSON of model status; rates are null where there is
    nothing to tell of.
    """
    return orjson.dumps(
        {
            "model": unicode_text(report.model),
            "split": [
                {
                    **_which(share.which),
                    "weight": share.weight,
                    "now": _version(share.version),
                    "available": share.available,
                    "share": share.share,
                }
                for share in report.split
            ],
            "sticky_header": report.sticky_header,
            "requests": {str(version): count for version, count in report.requests.items()},
            "shadow": None if report.shadow is None else _shadow(report.shadow),
        }
    )


def _shadow(shadow: ShadowReport) -> dict[str, Any]:
    rule = shadow.rule
    return {
        **_which(rule.which),
        "percent": rule.percent,
        "tolerance": rule.tolerance,
        "max_queue": rule.max_queue,
        "max_shadow_bytes": rule.max_bytes,
        "now": _version(shadow.version),
        "available": shadow.available,
        "waiting": shadow.waiting,
        "kept_bytes": shadow.kept_bytes,
        "running_seconds": shadow.running_seconds,
        "dropped": shadow.dropped,
        "unavailable": shadow.unavailable,
        "comparisons": [_pair(pair) for pair in shadow.pairs],
    }


def _pair(pair: PairReport) -> dict[str, Any]:
    return {
        "version": str(pair.version),
        "shadow": str(pair.shadow),
        "compared": pair.compared,
        "failed": pair.failed,
        "last_error": unicode_text(pair.last_error),
        "mean_seconds": {
            "answer": _rate(pair.answer_seconds, pair.compared),
            "shadow": _rate(pair.shadow_seconds, pair.compared),
        },
        "outputs": {
            unicode_text(alias): _output(output) for alias, output in sorted(pair.outputs.items())
        },
    }


def _output(output: OutputReport) -> dict[str, Any]:
    return {
        "rows": output.rows,
        "disagreement_rate": _rate(output.differ, output.rows),
        "max_absolute_difference": output.max_absolute,
        "max_relative_difference": output.max_relative,
        "rows_not_finite_on_one_side": output.broken,
        "argmax_disagreement_rate": _rate(output.reranked, output.ranked),
        "not_comparable": output.problem,
    }


def _which(which: Which) -> dict[str, str]:
    if which.label is not None:
        return {"label": unicode_text(which.label)}
    return {"version": str(which.version)}


def _version(version: int | None) -> str | None:
    return None if version is None else str(version)


def _rate(part: float, whole: int) -> float | None:
    return part / whole if whole else None
