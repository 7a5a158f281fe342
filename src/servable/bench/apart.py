"""Two servers' answers to the same requests, compared."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from servable.bench.results import Comparison, OutputDifference
from servable.servables.compare import Difference, differences
from servable.tensors import Array

Answer = Mapping[str, Array]
Answers = Sequence[Answer | None]
"""To the first requests, in order; None where the server refused one."""

_ROUNDED = "fcV"  # kinds of numpy dtypes whose values depend on the order of additions


def compare(
    ours: Answers, theirs: Answers, addresses: Sequence[str], requests: int, tolerance: float
) -> Comparison:
    """Return how far two servers' answers are apart, for every output that either has.

    Args:
        ours, theirs: the first and the second server's answers to the same requests.
        addresses: of the two.
        requests: how many different requests there are; these are answers to the first.
        tolerance: see `Settings`.
    """
    found: dict[str, list[OutputDifference]] = {}
    compared = unequal = 0
    for one, two in zip(ours, theirs, strict=True):
        if one is None or two is None:
            continue
        outputs = _outputs(one, two, tolerance)
        for output in outputs:
            found.setdefault(output.output, []).append(output)
        compared += 1
        unequal += any(output.unequal for output in outputs)
    return Comparison(
        requests,
        compared,
        sum((one is None) != (two is None) for one, two in zip(ours, theirs, strict=True)),
        unequal,
        _why_fewer(ours, theirs, addresses, requests),
        tuple(_worst(alias, found[alias]) for alias in sorted(found)),
    )


def not_compared(requests: int) -> Comparison:
    """Return what is to say of two servers that do not get the same requests."""
    return Comparison(requests, 0, 0, 0, "the servers do not get the same requests", ())


def _why_fewer(ours: Answers, theirs: Answers, addresses: Sequence[str], requests: int) -> str:
    reasons = []
    if len(ours) < requests:
        reasons.append(f"only the first {len(ours)} are")
    for address, answers in zip(addresses, (ours, theirs), strict=True):
        refused = sum(answer is None for answer in answers)
        if refused:
            reasons.append(f"{address} refused {refused}")
    return "; ".join(reasons)


def _outputs(ours: Answer, theirs: Answer, tolerance: float) -> list[OutputDifference]:
    missing = [
        Difference(alias, problem="is not an output of the second server")
        for alias in sorted(ours.keys() - theirs.keys())
    ]
    outputs = []
    for d in differences(ours, theirs) + missing:
        rounded = d.output in theirs and theirs[d.output].dtype.kind in _ROUNDED
        unequal = bool(d.problem) or d.relative > (tolerance if rounded else 0.0)
        outputs.append(
            OutputDifference(d.output, 1, int(unequal), d.absolute, d.relative, d.problem)
        )
    return outputs


def _worst(alias: str, found: Sequence[OutputDifference]) -> OutputDifference:
    return OutputDifference(
        alias,
        len(found),
        sum(d.unequal for d in found),
        max(d.absolute for d in found),
        max(d.relative for d in found),
        next((d.problem for d in found if d.problem), ""),
    )
