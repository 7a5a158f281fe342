"""Which children of a base path are versions, and which of them a policy picks. Pure."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field

_NUMBER = re.compile(r"[ \t\n\v\f\r]*[+-]?[0-9]+[ \t\n\v\f\r]*", re.ASCII)
_INT64 = range(-(2**63), 2**63)


@dataclass(frozen=True, slots=True)
class Latest:
    """The `n` highest versions; at least one."""

    n: int = 1


@dataclass(frozen=True, slots=True)
class All:
    """Every version."""


@dataclass(frozen=True, slots=True)
class Specific:
    """Those of the listed versions that exist."""

    versions: Collection[int]


LATEST = Latest()
"""The policy where none is named."""

VersionPolicy = Latest | All | Specific


@dataclass(frozen=True, slots=True)
class Children:
    """The children of a base path, sorted out.

    Attributes:
        versions: number -> name as it is on disk.
        doubles: names that were passed over because another has the same number.
        others: names that are no version.
    """

    versions: Mapping[int, str] = field(default_factory=dict)
    doubles: tuple[str, ...] = ()
    others: tuple[str, ...] = ()


def parse_version(name: str) -> int | None:
    """Return the number that a child's name stands for, or None if it is no version.

    TensorFlow Serving's rule: the whole name is a decimal int64; leading zeros, a sign
    and white space around it are let through.
    """
    if not _NUMBER.fullmatch(name):
        return None
    number = int(name)
    return number if number in _INT64 else None


def sort_out(names: Iterable[str]) -> Children:
    """Find the versions among the names of a base path's children.

    Of two names with the same number (`1` and `001`) the lexicographically last one
    counts, as in TensorFlow Serving.
    """
    versions: dict[int, str] = {}
    doubles = []
    others = []
    for name in sorted(names):
        number = parse_version(name)
        if number is None:
            others.append(name)
            continue
        if number in versions:
            doubles.append(versions[number])
        versions[number] = name
    return Children(versions, tuple(doubles), tuple(others))


def candidates(policy: VersionPolicy, versions: Collection[int]) -> tuple[list[int], int | None]:
    """Return the versions that a policy would serve, first choice first, and how many.

    The count is None where all of them should be served. Versions beyond the count are
    the second choice, for when an earlier one turns out to be incomplete.
    """
    match policy:
        case Latest(n):
            return sorted(versions, reverse=True), max(n, 1)
        case All():
            return sorted(versions), None
        case Specific(listed):
            return sorted(set(versions) & set(listed)), None
