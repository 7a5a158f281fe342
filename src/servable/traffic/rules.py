"""How the requests to a model are divided among its versions, and who runs copies of them."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from servable.errors import InvalidArgument, ResourceExhausted

MAX_SHARES = 100
"""Versions that one split may name."""

MAX_WEIGHT = 1_000_000

MAX_SHADOWS = 64
"""Models of one server with a shadow; each has a thread of its own."""

MAX_QUEUE = 10_000
MAX_KEPT_BYTES = 2**30

_HEADER = re.compile(r"[0-9a-z!#$%&'*+.^_`|~-]{1,100}")  # RFC 9110, token


@dataclass(frozen=True, slots=True)
class Which:
    """A version, by its number or by a label. Exactly one of the two is set."""

    version: int | None = None
    label: str | None = None

    def __post_init__(self) -> None:
        if (self.version is None) == (self.label is None):
            raise InvalidArgument(
                "a version is named by a version or by a label",
                hint='Write version: 3, or label: "canary".',
            )

    def now(self, labels: Mapping[str, int]) -> int | None:
        """Return the version that is meant at this moment; None if the label is not given.

        Args:
            labels: label -> version.
        """
        return self.version if self.label is None else labels.get(self.label)

    def __str__(self) -> str:
        return f"version {self.version}" if self.label is None else f'label "{self.label}"'


@dataclass(frozen=True, slots=True)
class Share:
    """One part of a split.

    Attributes:
        which: who answers.
        weight: how much of the traffic, in relation to the other parts' weights; 0 for none.
    """

    which: Which
    weight: int

    def __post_init__(self) -> None:
        if not 0 <= self.weight <= MAX_WEIGHT:
            raise InvalidArgument(
                f"the weight of {self.which} is {self.weight}",
                hint=f"A weight is a whole number from 0 to {MAX_WEIGHT}.",
            )


@dataclass(frozen=True, slots=True)
class ShadowRule:
    """Which version runs copies of requests, and how its answers are looked at.

    Attributes:
        which: who runs the copies.
        percent: how many of the requests are copied, 0..100.
        tolerance: elements of an output agree if they differ by no more than this times
            the larger of 1 and the answer's magnitude.
        max_queue: copies that may wait.
        max_bytes: how long the copies and the answers to compare with may be together,
            waiting or running.
    """

    which: Which
    percent: float = 100.0
    tolerance: float = 1e-5
    max_queue: int = 64
    max_bytes: int = 2**26

    def __post_init__(self) -> None:
        if not 0 <= self.percent <= 100:  # false for nan too
            raise InvalidArgument(
                f"the percent of a shadow is {self.percent:g}",
                hint="0 copies no request, 10 one in ten, 100 every one.",
            )
        if not 0 <= self.tolerance < math.inf:
            raise InvalidArgument(
                f"the tolerance of a shadow is {self.tolerance:g}",
                hint="0 asks for equal answers, 1e-5 allows for rounding in float32.",
            )
        for name, value, most in (
            ("max_queue", self.max_queue, MAX_QUEUE),
            ("max_shadow_bytes", self.max_bytes, MAX_KEPT_BYTES),
        ):
            if not 1 <= value <= most:
                raise InvalidArgument(
                    f"the {name} of a shadow is {value}", hint=f"It is a number from 1 to {most}."
                )


@dataclass(frozen=True, slots=True)
class Traffic:
    """What happens to requests that name neither a version nor a label.

    Attributes:
        split: who answers them; () for the highest version that is ready.
        sticky_header: the header, in lower case, whose value decides who does; "" for none:
            then chance decides.
        shadow: who runs copies of them; None for nobody.
    """

    split: tuple[Share, ...] = ()
    sticky_header: str = ""
    shadow: ShadowRule | None = None

    def __post_init__(self) -> None:
        if len(self.split) > MAX_SHARES:
            raise InvalidArgument(f"a split has more than {MAX_SHARES} parts")
        seen: set[Which] = set()
        for share in self.split:
            if share.which in seen:
                raise InvalidArgument(
                    f"a split names {share.which} twice", hint="Add the weights up."
                )
            seen.add(share.which)
        if self.split and not any(share.weight for share in self.split):
            raise InvalidArgument(
                "every weight of a split is 0", hint="Leave the split out, or give one a weight."
            )
        if self.sticky_header and not self.split:
            raise InvalidArgument(
                "there is a sticky_header and no split",
                hint="Name the versions among which the header decides.",
            )
        if self.sticky_header and not _HEADER.fullmatch(self.sticky_header):
            raise InvalidArgument(
                f"the sticky_header {self.sticky_header!r} is no name of a header",
                hint='Write it in lower case, as in sticky_header: "x-user-id".',
            )

    def __str__(self) -> str:
        parts = [f"{share.which} weight {share.weight}" for share in self.split]
        if self.sticky_header:
            parts.append(f"by the header {self.sticky_header}")
        if self.shadow is not None:
            parts.append(f"{self.shadow.percent:g} % also to {self.shadow.which} as a shadow")
        return ", ".join(parts)

    @property
    def named(self) -> Iterator[Which]:
        """Every version that is named, also as the shadow."""
        yield from (share.which for share in self.split)
        if self.shadow is not None:
            yield self.shadow.which


def check_shadows(rules: Mapping[str, Traffic]) -> None:
    """Return if the models of a server may have these rules.

    Raises:
        ResourceExhausted: more than MAX_SHADOWS have a shadow.
    """
    if sum(traffic.shadow is not None for traffic in rules.values()) > MAX_SHADOWS:
        raise ResourceExhausted(f"More than {MAX_SHADOWS} models have a shadow.")
