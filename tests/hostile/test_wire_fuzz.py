"""A few seconds of hostile requests over both ports; tests/fakes/wire_fuzz.py runs for hours."""

from __future__ import annotations

import wire_fuzz

SEED = 20
SHOTS = 150
GROWTH = 2**29
"""Bytes. A message of kilobytes that could claim gigabytes would show."""


def test_hostile_requests_are_answered_and_are_the_clients_fault() -> None:
    before = wire_fuzz.resident_bytes()
    assert wire_fuzz.rounds(SEED, SHOTS, None) == SHOTS
    assert wire_fuzz.resident_bytes() - before < GROWTH
