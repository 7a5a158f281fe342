"""Metrics as Prometheus reads them: its text format 0.0.4, and the peer's dialect of it.

The peer writes no HELP lines, always writes braces, and shows six digits of bounds and sums
(behaviour reference, section 6.5). It leaves control characters in label values as they are, and
with a newline among them nobody can read its page; here both pages escape them.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from servable.metrics.families import AnyFamily, Histogram, Number


@dataclass(frozen=True, slots=True)
class Dialect:
    """How the two pages differ.

    Attributes:
        helps: write HELP lines.
        braces: write braces around no labels too.
        digits: of bounds and sums.
    """

    helps: bool
    braces: bool
    digits: int


_UNSEEN = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029]")
"""Control characters, and what some readers take for the end of a line."""

PROMETHEUS = Dialect(helps=True, braces=False, digits=12)
PEER = Dialect(helps=False, braces=True, digits=6)


def page(families: Iterable[AnyFamily], dialect: Dialect = PROMETHEUS) -> str:
    """Return the lines of all families; each family's TYPE line even if it has no members."""
    lines: list[str] = []
    for family in families:
        metric = family.metric
        if dialect.helps:
            lines.append(f"# HELP {metric.name} {metric.help}")
        lines.append(f"# TYPE {metric.name} {metric.kind}")
        lines.extend(_samples(family, dialect))
    return "\n".join(lines) + "\n"


def _samples(family: AnyFamily, dialect: Dialect) -> Iterator[str]:
    name = family.metric.name
    for values, member in family.members():
        labels = [
            f'{label}="{_escaped(value)}"'
            for label, value in zip(family.metric.labels, values, strict=True)
        ]
        if isinstance(member, Number):
            yield f"{name}{_set(labels, dialect)} {_number(member.value)}"
        else:
            bounds = [f"{bound:.{dialect.digits}g}" for bound in family.metric.buckets]
            yield from _histogram(name, labels, member, bounds, dialect)


def _histogram(
    name: str, labels: list[str], member: Histogram, bounds: list[str], dialect: Dialect
) -> Iterator[str]:
    counts, total = member.read()
    for bound, count in zip((*bounds, "+Inf"), counts, strict=True):
        within = f'le="{bound}"'
        yield f"{name}_bucket{_set([*labels, within], dialect)} {count}"
    yield f"{name}_sum{_set(labels, dialect)} {total:.{dialect.digits}g}"
    yield f"{name}_count{_set(labels, dialect)} {counts[-1]}"


def _set(labels: list[str], dialect: Dialect) -> str:
    return "{" + ",".join(labels) + "}" if labels or dialect.braces else ""


def _number(value: float) -> str:
    return str(int(value)) if value == int(value) else repr(float(value))


def _escaped(value: str) -> str:
    # A name that was no UTF-8 came as surrogates, which the page can not carry.
    plain = value.encode("utf-8", "replace").decode()
    return _UNSEEN.sub(_visible, plain.replace("\\", "\\\\").replace('"', '\\"'))


def _visible(match: re.Match[str]) -> str:
    r"""A newline as the format escapes it, others as `\x00` with the backslash escaped."""
    character = match[0]
    return "\\n" if character == "\n" else f"\\\\x{ord(character):02x}"
