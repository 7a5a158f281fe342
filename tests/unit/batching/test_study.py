"""Which sizes a model is prepared for before requests are computed together."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
import pytest
from gated_servable import GatedServable

from servable.batching.pace import Pace
from servable.batching.study import Answered, Study
from servable.batching.trials import Trials
from servable.errors import InvalidArgument
from servable.tensors import Array

MILLISECOND = 0.001


def studied(seconds: Callable[[int], float], most: int = 10**9, *, width: int = 1) -> Pace:
    """Return what is found out of a model that takes so long for rows."""
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
    study.offer(Answered(row, {"y": row["x"]}))
    assert pace.complete
    assert study.over
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


def test_a_size_that_the_model_refuses_is_not_tried() -> None:
    assert studied(lambda _: MILLISECOND, most=8).most == 8


def test_what_is_prepared_takes_a_bounded_amount_of_memory() -> None:
    assert studied(lambda _: MILLISECOND, width=2**20).most == 16
