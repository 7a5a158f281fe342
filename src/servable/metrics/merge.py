"""The numbers of several processes as if they were those of one."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TypeAlias

from servable.metrics import table
from servable.metrics.families import AnyFamily, Family, Histogram, Labels, Number, histograms
from servable.metrics.table import Kind, Metric

Reading: TypeAlias = float | tuple[Sequence[int], float]
"""A number, or a histogram's cumulative counts and sum."""

Snapshot: TypeAlias = Mapping[str, Sequence[tuple[Labels, Reading]]]
"""Metric -> label values -> what was counted; plain data, to be sent to another process."""

_NOT_SUMMED: Mapping[str, Callable[[float, float], float]] = {
    table.AVAILABLE.name: max,
    table.START_TIME.name: min,
}
"""Gauges that say the same in every process, or of which one process's value counts."""


def snapshot(families: Sequence[AnyFamily]) -> Snapshot:
    """Return what these families hold now."""
    return {
        family.metric.name: [(labels, _read(member)) for labels, member in family.members()]
        for family in families
    }


def merged(own: Sequence[AnyFamily], others: Sequence[Snapshot]) -> list[AnyFamily]:
    """Return families like these that hold the numbers of all."""
    return [
        _merged(family, [other.get(family.metric.name, ()) for other in others]) for family in own
    ]


def _merged(own: AnyFamily, others: Sequence[Sequence[tuple[Labels, Reading]]]) -> AnyFamily:
    readings = [(labels, _read(member)) for labels, member in own.members()]
    for other in others:
        readings += other
    if own.metric.kind is Kind.HISTOGRAM:
        return _histograms(own.metric, readings)
    return _numbers(own.metric, readings)


def _numbers(metric: Metric, readings: Sequence[tuple[Labels, Reading]]) -> Family[Number]:
    totals: dict[Labels, float] = {}
    for labels, value in readings:
        if isinstance(value, tuple):
            continue
        join = _NOT_SUMMED.get(metric.name, float.__add__)
        totals[labels] = join(totals[labels], value) if labels in totals else value
    family: Family[Number] = Family(metric, Number)
    for labels, value in totals.items():
        family.at(*labels).set(value)
    return family


def _histograms(metric: Metric, readings: Sequence[tuple[Labels, Reading]]) -> Family[Histogram]:
    family = histograms(metric)
    for labels, value in readings:
        if isinstance(value, tuple):
            family.at(*labels).add_counted(*value)
    return family


def _read(member: Number | Histogram) -> Reading:
    return float(member.value) if isinstance(member, Number) else member.read()
