"""Two servers' answers to the same requests, compared."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from servable.bench.results import OutputDifference
from servable.servables.compare import Difference, differences
from servable.tensors import Array

Answer = Mapping[str, Array]


def apart(pairs: Sequence[tuple[Answer, Answer]]) -> tuple[OutputDifference, ...]:
    """Return how far answers are apart, for every output that either side has.

    Args:
        pairs: the first server's answer and the second's, to the same request.
    """
    found: dict[str, list[Difference]] = {}
    for ours, theirs in pairs:
        for difference in differences(ours, theirs):
            found.setdefault(difference.output, []).append(difference)
        for alias in ours.keys() - theirs.keys():
            missing = Difference(alias, problem="is not an output of the second server")
            found.setdefault(alias, []).append(missing)
    return tuple(_worst(alias, found[alias]) for alias in sorted(found))


def _worst(alias: str, found: Sequence[Difference]) -> OutputDifference:
    return OutputDifference(
        alias,
        len(found),
        sum(1 for d in found if d.problem or d.absolute),
        max(d.absolute for d in found),
        max(d.relative for d in found),
        next((d.problem for d in found if d.problem), ""),
    )
