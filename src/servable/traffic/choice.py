"""Choosing a version by weight: by chance, or always the same one for the same key.

Both ways give versions that are not there no traffic: their share goes to the others in the
proportion of the others' weights, and with a key nobody else moves.
"""

from __future__ import annotations

import random
from bisect import bisect_right
from collections.abc import Callable, Iterator, Sequence
from hashlib import blake2b
from itertools import accumulate
from math import log

from servable.traffic.rules import Share

Random = Callable[[], float]
"""Returns a number from 0 up to, and without, 1."""

_HASH_BYTES = 8


class Choice:
    """Weights, made ready to be chosen by. May be used from many threads; takes no lock.

    Args:
        name: the model; it is part of what is hashed, so that the splits of two models
            have nothing to do with each other.
        split: at least one with a weight above 0.
        random_number: where chance comes from.
    """

    def __init__(
        self, name: str, split: Sequence[Share], random_number: Random = random.random
    ) -> None:
        self.shares = tuple(share for share in split if share.weight)
        self._salts = [
            f"{name}\0{s.which}\0".encode("utf-8", "surrogateescape") for s in self.shares
        ]
        self._sums = list(accumulate(share.weight for share in self.shares))
        self._random = random_number

    def drawn(self) -> Iterator[int]:
        """Yield all places in an order drawn by weight: the first one is who is asked."""
        first = bisect_right(self._sums, self._random() * self._sums[-1])
        yield first
        # The smallest of exponential variates belongs to each with a probability
        # proportional to its rate; so do, among the rest, the second and the third.
        waits = {
            place: -log(1.0 - self._random()) / share.weight
            for place, share in enumerate(self.shares)
            if place != first
        }
        yield from sorted(waits, key=waits.__getitem__)

    def ranked(self, key: bytes) -> Iterator[int]:
        """Yield all places in the order in which this key wants them (rendezvous hashing).

        The order depends on the model's name, the key, and how each part is written, and on
        nothing else: other processes and machines have the same one. A part of more weight
        gets more keys, and takes them from the others; no other key moves.
        """
        waits = {
            place: -log(_unit(salt + key)) / share.weight
            for place, (share, salt) in enumerate(zip(self.shares, self._salts, strict=True))
        }
        yield from sorted(waits, key=waits.__getitem__)

    def by_weight(self) -> Iterator[int]:
        """Yield all places, the one with the largest weight first."""
        yield from sorted(range(len(self.shares)), key=lambda place: -self.shares[place].weight)


def _unit(data: bytes) -> float:
    """Hash to a number above 0 and up to 1."""
    digest = blake2b(data, digest_size=_HASH_BYTES).digest()
    return (int.from_bytes(digest, "big") + 1) / 2.0 ** (8 * _HASH_BYTES)
