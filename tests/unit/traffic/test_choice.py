"""Choosing by weight: every part gets its share, and keys stay where they are."""

from __future__ import annotations

import random
from hashlib import blake2b
from math import log, sqrt

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from servable.traffic.choice import Choice
from servable.traffic.rules import Share, Which

weights = st.lists(st.integers(0, 1000), min_size=1, max_size=6).filter(any)
DRAWS = 1500


def split(*given: int) -> tuple[Share, ...]:
    return tuple(Share(Which(version=n), weight) for n, weight in enumerate(given))


def version(choice: Choice, place: int) -> int | None:
    return choice.shares[place].which.version


def within_bounds(count: int, of: int, probability: float) -> bool:
    """Whether a binomial count is within six standard deviations: one in 500 million is not."""
    spread = sqrt(of * probability * (1 - probability))
    return abs(count - of * probability) <= 6 * spread + 1


@given(weights, st.integers())
@settings(max_examples=60, deadline=None)
def test_chance_gives_every_part_its_share(given: list[int], seed: int) -> None:
    choice = Choice("m", split(*given), random.Random(seed).random)

    drawn = [version(choice, next(iter(choice.drawn()))) for _ in range(DRAWS)]

    for number, weight in enumerate(given):
        assert within_bounds(drawn.count(number), DRAWS, weight / sum(given))


@given(st.lists(st.integers(1, 100), min_size=2, max_size=5), st.integers())
@settings(max_examples=60, deadline=None)
def test_the_share_of_one_that_is_missing_goes_to_the_others_by_their_weights(
    given: list[int], seed: int
) -> None:
    choice = Choice("m", split(*given), random.Random(seed).random)

    second = [next(place for place in choice.drawn() if place != 0) for _ in range(DRAWS)]

    for place in range(1, len(given)):
        assert within_bounds(second.count(place), DRAWS, given[place] / sum(given[1:]))


@given(weights, st.integers())
@settings(deadline=None)
def test_every_part_with_a_weight_is_tried_once(given: list[int], seed: int) -> None:
    choice = Choice("m", split(*given), random.Random(seed).random)
    places = list(range(sum(weight > 0 for weight in given)))

    assert sorted(choice.drawn()) == places
    assert sorted(choice.ranked(b"key")) == places
    assert sorted(choice.by_weight()) == places


@pytest.mark.parametrize("number", [0.0, 1.0 - 2.0**-53])
def test_the_ends_of_chance_are_parts_of_the_split(number: float) -> None:
    choice = Choice("m", split(0, 3, 0, 7, 0), lambda: number)

    assert version(choice, next(iter(choice.drawn()))) == (1 if number == 0 else 3)


@given(weights, st.text())
@settings(max_examples=30, deadline=None)
def test_keys_give_every_part_its_share(given: list[int], prefix: str) -> None:
    choice = Choice("m", split(*given))

    chosen = [
        version(choice, next(iter(choice.ranked(f"{prefix}{n}".encode())))) for n in range(DRAWS)
    ]

    for number, weight in enumerate(given):
        assert within_bounds(chosen.count(number), DRAWS, weight / sum(given))


@given(st.lists(st.integers(1, 100), min_size=2, max_size=5), st.integers(1, 100), st.data())
@settings(deadline=None)
def test_a_weight_that_grows_moves_keys_to_its_part_only(
    given: list[int], growth: int, data: st.DataObject
) -> None:
    grown = data.draw(st.integers(0, len(given) - 1))
    before = Choice("m", split(*given))
    after = Choice("m", split(*(w + growth * (n == grown) for n, w in enumerate(given))))

    for number in range(30):
        key = b"%d" % number
        old, new = next(iter(before.ranked(key))), next(iter(after.ranked(key)))
        assert new in (old, grown)


@given(st.lists(st.integers(1, 100), min_size=2, max_size=5), st.data())
@settings(deadline=None)
def test_a_part_that_is_taken_away_moves_its_own_keys_only(
    given: list[int], data: st.DataObject
) -> None:
    gone = data.draw(st.integers(0, len(given) - 1))
    all_of_them = split(*given)
    before = Choice("m", all_of_them)
    after = Choice("m", [*all_of_them[:gone], *all_of_them[gone + 1 :]])

    for number in range(30):
        key = b"%d" % number
        left = [version(before, p) for p in before.ranked(key) if version(before, p) != gone]
        assert [version(after, p) for p in after.ranked(key)] == left


def test_keys_stay_where_they_are_over_releases_restarts_and_replicas() -> None:
    shares = (Share(Which(version=1), 1), Share(Which(label="canary"), 1))
    choice = Choice("ranker", shares)

    chosen = "".join(str(next(iter(choice.ranked(b"user-%d" % n)))) for n in range(32))

    assert chosen == "01110011000001001001100110001101"


def test_the_hash_is_the_documented_one() -> None:
    def wait(which: str, key: str, weight: int) -> float:
        digest = blake2b(f"ranker\0{which}\0{key}".encode(), digest_size=8).digest()
        return -log((int.from_bytes(digest, "big") + 1) / 2**64) / weight

    choice = Choice("ranker", (Share(Which(version=1), 3), Share(Which(label="canary"), 1)))

    for n in range(32):
        by_hand = [wait("version 1", f"user-{n}", 3), wait('label "canary"', f"user-{n}", 1)]
        assert next(iter(choice.ranked(b"user-%d" % n))) == by_hand.index(min(by_hand))


def test_models_choose_independently_of_each_other() -> None:
    one, other = Choice("one", split(1, 1)), Choice("other", split(1, 1))
    keys = [b"%d" % n for n in range(DRAWS)]

    same = sum(next(iter(one.ranked(k))) == next(iter(other.ranked(k))) for k in keys)

    assert within_bounds(same, DRAWS, 0.5)
