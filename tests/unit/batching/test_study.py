"""Which sizes a model is prepared for before requests are computed together."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping

import numpy as np
import pytest
from gated_servable import GatedServable

from servable.batching.pace import Pace
from servable.batching.study import AGAIN_SECONDS, LOOKS, Answered, Study
from servable.batching.trials import Trials
from servable.errors import InvalidArgument
from servable.tensors import Array

MILLISECOND = 0.001


def studied(
    seconds: Callable[[int], float], most: int = 10**9, *, width: int = 1, looks: int = LOOKS
) -> Pace:
    """Return what is found out of a model that takes so long for rows, in some looks at it."""
    now = 0.0

    def run(inputs: Mapping[str, Array]) -> Mapping[str, Array]:
        nonlocal now
        rows = len(inputs["x"])
        if rows > most:
            raise InvalidArgument("too many")
        now += seconds(rows)
        return {"y": inputs["x"]}

    model = GatedServable(run)
    model.let_all()
    pace = Pace()
    study = Study(model, "m", "serving_default", Trials(0), pace, lambda work: work(), lambda: now)
    row = {"x": np.ones((1, width), np.float32)}
    for look in range(looks):
        study.offer(Answered(row, {"y": row["x"]}))
        times = len(model.sizes)
        study.offer(Answered(row, {"y": row["x"]}))
        assert len(model.sizes) == times, "it is looked at again at once"
        if study.over:
            break
        now += AGAIN_SECONDS * 4 ** (look + 1)
    assert study.over == (looks == LOOKS)
    return pace


@pytest.mark.parametrize(
    ("seconds", "largest"),
    [
        (lambda rows: MILLISECOND + rows * 0.1 * MILLISECOND, 64),
        (lambda rows: rows * MILLISECOND, 16),
        (lambda rows: rows**1.5 * 20 * MILLISECOND, 1),
        (lambda rows: rows**1.5 * MILLISECOND, 4),
        (lambda rows: rows**0.9 * 100 * MILLISECOND, 8),
    ],
    ids=["gains", "gains nothing and loses nothing", "loses", "loses later", "takes a second"],
)
def test_sizes_are_prepared_as_long_as_they_may_pay(
    seconds: Callable[[int], float], largest: int
) -> None:
    assert studied(seconds).most == largest


def test_a_size_that_had_bad_luck_is_looked_at_again() -> None:
    looks: list[int] = []

    def unlucky(rows: int) -> float:
        if rows == 1 and looks[-1:] != [1]:
            looks.append(1)
        elif rows > 1:
            looks.append(rows)
        gains = MILLISECOND + rows * 0.1 * MILLISECOND
        return 100 * gains if rows > 4 and looks.count(1) < 2 else gains

    assert studied(unlucky, looks=1).most == 4
    looks.clear()
    assert studied(unlucky).most == 64


def test_a_size_of_no_use_does_not_stand_before_one_that_is() -> None:
    def jagged(rows: int) -> float:
        return rows * (6 if rows == 4 else 4.9 - math.log2(rows) / 2) * MILLISECOND

    assert studied(jagged).most == 64


def test_a_size_that_the_model_refuses_is_not_tried() -> None:
    assert studied(lambda _: MILLISECOND, most=8).most == 8


def test_what_is_prepared_takes_a_bounded_amount_of_memory() -> None:
    assert studied(lambda _: MILLISECOND, width=2**20).most == 16
