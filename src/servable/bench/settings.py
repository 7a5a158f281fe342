"""What is to be measured."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from servable.client.grpc_calls import check_choice
from servable.client.probe import UNIX, Protocol
from servable.errors import InvalidArgument
from servable.tensors import Array

Body = Literal["json", "protobuf", "npy", "raw"]

DEFAULT_CLIENTS = (1, 8, 32)
MOST_CLIENTS = 4096
MOST_PROCESSES = 64
MOST_RATE = 10**6
MOST_SEED = MOST_VERSION = 2**63 - 1
ROUNDS_AGAINST = 3
TOLERANCE = 1e-5
"""Of rounding: two engines add the same float32 numbers in another order."""

_DEFAULT_SIGNATURE = "serving_default"


class Unfit(InvalidArgument):
    """The settings do not go together with what the servers speak."""


@dataclass(frozen=True, slots=True)
class Settings:
    """What to measure, and how. Every field but the first two has a default.

    Attributes:
        address: `host:port`, or `unix:PATH` over gRPC.
        model: its name on the server.
        protocol: "auto" asks the port which one it speaks.
        version, label: which version; neither for the newest. At most one of them.
        signature: the signature to run.
        clients: closed loop: one measurement for each of these numbers of clients.
        rates: open loop instead: one measurement for each of these requests per second.
        duration: seconds of each round; `requests` instead ends it after so many.
        requests: see `duration`.
        warmup: seconds of the same load before each round that are not counted.
        rounds: how often each measurement is made; None for once, or three times in turn
            with `against`. Their numbers are added up.
        batch_size: rows in each request, where the signature leaves the number open.
        inputs: input alias -> array to take rows from; {} to make values up.
        traffic: a file or folder of recorded requests to send instead.
        body: how tensors travel over REST; None for JSON. `run` refuses one that no server
            would get.
        connections: over how many connections; None for one each process (gRPC), or one
            each client (REST), where the closed loop can have no other number.
        processes: how many processes make the load; None for half the processors.
        seed: of values and arrivals.
        against: a second server that gets the same load in turn.
        timeout: seconds after which a request counts as failed.
        tolerance: two floating-point outputs are equal if they differ by no more than this
            times the largest magnitude in the second server's; other outputs must be the
            same.

    Raises:
        InvalidArgument: a number is out of range, or two of these contradict each other.
    """

    address: str
    model: str
    protocol: Protocol = "auto"
    version: int | None = None
    label: str | None = None
    signature: str = _DEFAULT_SIGNATURE
    clients: tuple[int, ...] = DEFAULT_CLIENTS
    rates: tuple[float, ...] = ()
    duration: float = 10.0
    requests: int | None = None
    warmup: float = 2.0
    rounds: int | None = None
    batch_size: int = 1
    inputs: Mapping[str, Array] | None = None
    traffic: Path | None = None
    body: Body | None = None
    connections: int | None = None
    processes: int | None = None
    seed: int = 0
    against: str | None = None
    timeout: float = 60.0
    tolerance: float = TOLERANCE

    def __post_init__(self) -> None:
        check_choice(self.version, self.label)
        _check(
            self.version is None or 0 <= self.version <= MOST_VERSION,
            f"the version must be from 0 to {MOST_VERSION}",
        )
        _check(0 <= self.seed <= MOST_SEED, f"the seed must be from 0 to {MOST_SEED}")
        _check(
            not any((place or "").startswith("https://") for place in (self.address, self.against)),
            "load is made over plain connections only, and https:// is not",
            hint="Measure a port without TLS.",
        )
        _check(
            self.protocol != "rest"
            or not any((place or "").startswith(UNIX) for place in (self.address, self.against)),
            "only gRPC is spoken over UNIX sockets",
        )
        _check(bool(self.clients or self.rates), "there are no clients and no rate")
        _check(
            all(1 <= n <= MOST_CLIENTS for n in self.clients),
            f"clients must be from 1 to {MOST_CLIENTS}",
        )
        _check(
            all(0 < rate <= MOST_RATE for rate in self.rates),
            f"a rate must be more than 0 and at most {MOST_RATE} requests per second",
        )
        _check(0 < self.duration <= 86400, "the duration must be more than 0, and a day at most")
        _check(self.requests is None or self.requests > 0, "requests must be at least 1")
        _check(0 <= self.warmup <= 3600, "the warmup must be from 0 seconds to an hour")
        _check(self.rounds is None or 1 <= self.rounds <= 1000, "rounds must be from 1 to 1000")
        _check(1 <= self.batch_size <= 10**6, "the batch size must be from 1 to a million")
        _check(
            self.connections is None or 1 <= self.connections <= MOST_CLIENTS,
            f"connections must be from 1 to {MOST_CLIENTS}",
        )
        _check(
            self.processes is None or 1 <= self.processes <= MOST_PROCESSES,
            f"processes must be from 1 to {MOST_PROCESSES}",
        )
        _check(math.isfinite(self.timeout) and self.timeout > 0, "the timeout must be more than 0")
        _check(0 <= self.tolerance < math.inf, "the tolerance must be a number from 0 on")
        _check(
            not (self.inputs and self.traffic),
            "both inputs and recorded traffic are given",
            hint="Recorded requests have their own inputs.",
        )
        _check(
            self.traffic is None or (self.batch_size, self.signature) == (1, _DEFAULT_SIGNATURE),
            "a batch size or a signature is given beside recorded traffic",
            hint="Recorded requests have their own rows and signatures.",
        )

    @property
    def rounds_made(self) -> int:
        """How often each measurement is made."""
        if self.rounds is not None:
            return self.rounds
        return 1 if self.against is None else ROUNDS_AGAINST

    def check_fits(self, protocols: Collection[str]) -> None:
        """Refuse what servers that speak these protocols, "grpc" or "rest", would not get.

        Raises:
            Unfit: there is such a setting.
        """
        if self.body is not None and "rest" not in protocols:
            raise Unfit(
                f"the body {self.body} is for REST, and gRPC is spoken",
                hint="Leave --body out, or measure the REST port.",
            )
        if self.connections is not None and not self.rates and "grpc" not in protocols:
            raise Unfit(
                "over REST each client has a connection of its own",
                hint="Leave --connections out, or measure with --rate.",
            )


def _check(good: bool, message: str, *, hint: str = "") -> None:
    if not good:
        raise InvalidArgument(message, hint=hint)
