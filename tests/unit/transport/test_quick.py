"""Which requests are answered where they were read."""

from __future__ import annotations

from servable.transport.quick import (
    FIRST_PENALTY,
    INLINE_SECONDS,
    MOST_KINDS,
    TRIES,
    TRY_SECONDS,
    Quick,
)

FAST = INLINE_SECONDS / 10


def tried(quick: Quick, kind: str = "k") -> Quick:
    for _ in range(TRIES):
        assert not quick(kind)
        quick.note_threaded(kind, FAST)
    assert quick(kind)
    return quick


def threaded_until_tried(quick: Quick, kind: str = "k") -> int:
    count = 0
    while not quick(kind):
        quick.note_threaded(kind, FAST)
        count += 1
    return count


def test_requests_are_tried_after_several_were_quick() -> None:
    tried(Quick())


def test_requests_that_take_long_are_never_tried() -> None:
    quick = Quick()
    for _ in range(10 * TRIES):
        quick.note_threaded("k", TRY_SECONDS)
    assert not quick("k")


def test_quick_ones_stay_quick() -> None:
    quick = tried(Quick())
    for _ in range(1000):
        quick.note_inline("k", FAST)
    assert quick("k")


def test_one_that_holds_up_all_others_is_not_tried_again_for_long() -> None:
    quick = tried(Quick())
    quick.note_inline("k", 2 * TRY_SECONDS)
    assert threaded_until_tried(quick) == FIRST_PENALTY
    quick.note_inline("k", 2 * TRY_SECONDS)
    assert threaded_until_tried(quick) == 2 * FIRST_PENALTY


def test_a_single_hiccup_is_borne_but_not_many() -> None:
    quick = tried(Quick())
    quick.note_inline("k", 5 * INLINE_SECONDS)
    assert quick("k")
    for _ in range(20):
        quick.note_inline("k", 5 * INLINE_SECONDS)
    assert not quick("k")


def test_kinds_are_told_apart() -> None:
    quick = tried(Quick(), "a")
    assert not quick("b")
    tried(quick, "b").note_inline("b", 1.0)
    assert quick("a")
    assert not quick("b")


def test_kinds_that_strangers_make_up_are_forgotten() -> None:
    quick = tried(Quick())
    for i in range(2 * MOST_KINDS):
        quick.note_threaded(i, FAST)
    assert len(quick._kinds) <= MOST_KINDS  # its memory is what this is about
    quick.note_inline("nobody", 1.0)
    assert not quick("nobody")
