"""Options of `servable serve` about models: how they are loaded, warmed, and logged."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import click

from servable.cli.gathered import gathered

if TYPE_CHECKING:
    from servable.batching.choice import Batching
    from servable.config.request_logs import LoggingConfig
    from servable.server.config import Loading

_SIZE = re.compile(r"(\d{1,15}(?:\.\d{1,6})?)\s*([KMGT]?)(i?)B?", re.IGNORECASE)
_POWERS = {"": 0, "K": 1, "M": 2, "G": 3, "T": 4}


def read_size(_ctx: click.Context, _param: click.Parameter, value: str | None) -> int | None:
    """Return a number of bytes, such as 500MB or 4GiB; a callback of an option."""
    if value is None:
        return None
    match = _SIZE.fullmatch(value.strip())
    if match is None:
        raise click.BadParameter(f"{value!r} is no size; write 500MB or 4GiB.")
    number, unit, binary = match.groups()
    return int(float(number) * (1024 if binary else 1000) ** _POWERS[unit.upper()])


@dataclass(frozen=True, slots=True)
class Tending:
    """What the options said."""

    warmup: bool
    warmup_iterations: int
    memory_limit: int | None
    swap: str
    log_requests: Path | None
    log_rate: float
    platform: str
    sources: tuple[str, ...]
    batching: str

    def batched(self) -> Batching | None:
        """Return how requests are computed together."""
        from servable.batching.choice import natural

        return natural if self.batching == "natural" else None

    def loading(self) -> Loading:
        """Return how versions are loaded."""
        from servable.server.config import Loading

        return Loading(
            resource_preserving=self.swap == "unload-first",
            memory_limit_bytes=self.memory_limit,
            warmup_iterations=self.warmup_iterations if self.warmup else 0,
        )

    def log(self) -> LoggingConfig | None:
        """Return how requests are logged; raises InvalidArgument for a prefix that can not be."""
        from servable.config.request_logs import LoggingConfig

        if self.log_requests is None:
            return None
        return LoggingConfig(self.log_requests.absolute(), self.log_rate)


_OPTIONS = [
    click.option(
        "--warmup/--no-warmup",
        default=True,
        show_default=True,
        help="Replay a version's recorded requests before it is available; see `servable warmup`.",
    ),
    click.option(
        "--warmup-iterations",
        type=click.IntRange(1),
        default=1,
        show_default=True,
        help="How often each of them is replayed.",
    ),
    click.option(
        "--memory-limit",
        callback=read_size,
        metavar="SIZE",
        help="What all versions may need together, such as 4GiB, by the size of their files and "
        "a fifth more; one that does not fit is not loaded.",
    ),
    click.option(
        "--swap",
        type=click.Choice(["load-first", "unload-first"]),
        default="load-first",
        show_default=True,
        help="unload-first has one version of a model in memory at a time; requests between the "
        "two find none.",
    ),
    click.option(
        "--log-requests",
        type=click.Path(path_type=Path),
        metavar="PREFIX",
        help="Log requests and answers, as TFRecords of PredictionLogs, to files whose paths "
        "begin with this.",
    ),
    click.option(
        "--log-rate",
        type=click.FloatRange(0, 1),
        default=1.0,
        show_default=True,
        help="The share of requests that is logged.",
    ),
    click.option(
        "--platform",
        default="tensorflow",
        show_default=True,
        metavar="NAME",
        help="What loads PATH: tensorflow tells by its files; python runs its model.py, with all "
        "that the server may do; or what a package adds, by name or as package.module:Name.",
    ),
    click.option(
        "--source",
        "sources",
        multiple=True,
        metavar="NAME[=ARGUMENT]",
        help="Versions from what a package adds, by name or as package.module:Name. Repeatable.",
    ),
    click.option(
        "--batching",
        type=click.Choice(["natural", "off"]),
        default="natural",
        show_default=True,
        help="natural computes requests together that came while the model was busy, where that "
        "was seen to be faster and to give the same answers. No request ever waits for others.",
    ),
]

tending = gathered("tending", Tending, _OPTIONS)
"""Adds the options to a command, which gets them together, as `tending`."""
