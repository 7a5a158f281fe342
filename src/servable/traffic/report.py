"""What is told about the traffic of a model."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from servable.traffic.rules import ShadowRule, Which


@dataclass(frozen=True, slots=True)
class ShareReport:
    """One part of a split.

    Attributes:
        which: as it was configured.
        version: what that means now; None for a label that is not given.
        weight: as it was configured.
        available: whether that version can be asked.
        share: the part of the traffic that it gets now, 0..1.
    """

    which: Which
    version: int | None
    weight: int
    available: bool
    share: float


@dataclass(slots=True)
class OutputReport:
    """How far the answers of two versions were apart in one output; see `compare.Gap`.

    Attributes:
        problem: why some could not be compared; "" if all could.
    """

    rows: int = 0
    differ: int = 0
    max_absolute: float = 0.0
    max_relative: float = 0.0
    broken: int = 0
    ranked: int = 0
    reranked: int = 0
    problem: str = ""


@dataclass(slots=True)
class PairReport:
    """Two versions, compared.

    Attributes:
        version: the one that answered.
        shadow: the one that ran copies.
        compared: copies of which the outputs were compared.
        failed: copies at which the shadow raised an error.
        last_error: the last one's text.
        answer_seconds, shadow_seconds: how long the two computed, over all that were
            compared.
        outputs: alias -> differences.
    """

    version: int
    shadow: int
    compared: int = 0
    failed: int = 0
    last_error: str = ""
    answer_seconds: float = 0.0
    shadow_seconds: float = 0.0
    outputs: dict[str, OutputReport] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ShadowReport:
    """What a shadow does.

    Attributes:
        rule: as it was configured.
        version: who runs copies now; None for a label that is not given.
        available: whether that version can be asked.
        waiting: copies that wait.
        kept_bytes: what they and the one that runs keep in memory.
        running_seconds: since when one copy runs; 0.0 if none does.
        dropped: copies that were not run because too many, or too large ones, waited.
        unavailable: copies that were not run because the version was not there.
        pairs: what came of the others, the latest pair of versions last.
    """

    rule: ShadowRule
    version: int | None
    available: bool
    waiting: int
    kept_bytes: int
    running_seconds: float
    dropped: int
    unavailable: int
    pairs: Sequence[PairReport]


@dataclass(frozen=True, slots=True)
class TrafficReport:
    """Who answers requests to a model that name no version, and how many did.

    Attributes:
        split: the parts; empty where the highest version answers.
        sticky_header: the header that decides; "" for none.
        requests: version -> requests that it got so.
        shadow: who runs copies; None for nobody.
    """

    model: str
    split: Sequence[ShareReport] = ()
    sticky_header: str = ""
    requests: Mapping[int, int] = field(default_factory=dict)
    shadow: ShadowReport | None = None
