"""Which requests are answered where they were read."""

from __future__ import annotations

from servable.transport.quick import (
    BESIDE_OTHERS,
    BY_ITSELF,
    FIRST_PENALTY,
    FORGIVEN,
    LAST_PENALTY,
    LONG_SECONDS,
    MOST_KINDS,
    MOST_LONG,
    TRIES,
    TRY_SECONDS,
    Quick,
    inline_seconds,
)

LIMIT = 0.001
FAST = LIMIT / 10


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
    tried(Quick(LIMIT))


def test_requests_that_take_long_are_never_tried() -> None:
    quick = Quick(LIMIT)
    for _ in range(10 * TRIES):
        quick.note_threaded("k", TRY_SECONDS)
    assert not quick("k")


def test_quick_ones_stay_quick() -> None:
    quick = tried(Quick(LIMIT))
    for _ in range(1000):
        quick.note_inline("k", FAST)
    assert quick("k")


def slow(quick: Quick, kind: str = "k") -> None:
    """Let requests be too slow until none is tried any more."""
    while quick(kind):
        quick.note_inline(kind, 5 * LIMIT)


def test_the_more_often_they_are_slow_the_longer_they_are_not_tried_again() -> None:
    quick = tried(Quick(LIMIT))
    slow(quick)
    assert threaded_until_tried(quick) == FIRST_PENALTY
    slow(quick)
    assert threaded_until_tried(quick) == 2 * FIRST_PENALTY


def test_who_holds_up_all_others_is_not_tried_again_for_long_and_then_never() -> None:
    quick = tried(Quick(LIMIT))
    for _ in range(MOST_LONG - 1):
        quick.note_inline("k", 2 * LONG_SECONDS)
        assert threaded_until_tried(quick) == LAST_PENALTY
    quick.note_inline("k", 2 * LONG_SECONDS)
    for _ in range(2 * LAST_PENALTY):
        quick.note_threaded("k", FAST)
    assert not quick("k")


def test_a_single_hiccup_is_borne_but_not_many() -> None:
    quick = tried(Quick(LIMIT))
    quick.note_inline("k", 5 * LIMIT)
    assert quick("k")
    for _ in range(20):
        quick.note_inline("k", 5 * LIMIT)
    assert not quick("k")


def test_what_was_slow_is_forgiven_after_long() -> None:
    quick = tried(Quick(LIMIT))
    for _ in range(2):
        slow(quick)
        threaded_until_tried(quick)
    for _ in range(2 * FORGIVEN):
        quick.note_inline("k", FAST)
    slow(quick)
    assert threaded_until_tried(quick) == FIRST_PENALTY


def test_queueing_on_threads_does_not_keep_a_request_there() -> None:
    quick = tried(Quick(LIMIT))
    slow(quick)
    for _ in range(FIRST_PENALTY):
        quick.note_threaded("k", 100 * TRY_SECONDS)
    assert quick("k")


def test_the_more_cpus_the_less_is_done_on_one_thread() -> None:
    limits = [inline_seconds(cpus) for cpus in (1, 2, 4, 8, 64)]
    assert limits == sorted(limits, reverse=True)
    assert limits[0] > limits[-1] > 0


def test_kinds_are_told_apart() -> None:
    quick = tried(Quick(LIMIT), "a")
    assert not quick("b")
    tried(quick, "b").note_inline("b", 1.0)
    assert quick("a")
    assert not quick("b")


def test_kinds_that_strangers_make_up_are_forgotten() -> None:
    quick = tried(Quick(LIMIT))
    for i in range(2 * MOST_KINDS):
        quick.note_threaded(i, FAST)
    assert len(quick._kinds) <= MOST_KINDS  # its memory is what this is about
    quick.note_inline("nobody", 1.0)
    assert not quick("nobody")


def test_what_is_computed_together_may_take_longer_than_what_others_wait_for() -> None:
    together, apart = tried(Quick(LIMIT)), tried(Quick(LIMIT))
    for _ in range(1000):
        together.note_inline("k", 1.5 * LIMIT, BY_ITSELF)
        apart.note_inline("k", 0.75 * LIMIT, BESIDE_OTHERS)
    assert together("k")
    assert not apart("k")
