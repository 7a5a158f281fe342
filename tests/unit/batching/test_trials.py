"""A model is trusted with merged requests only after its answers were the same."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pytest
from gated_servable import GatedServable
from served_models import Run

from servable.batching.trials import ENOUGH, Trials, close
from servable.tensors import Array


def compared(run: Run, *requests: Array) -> Trials:
    """Compare what the model makes of these requests, several times."""
    servable = GatedServable(run)
    servable.let_all()
    trials = Trials()
    parts = [{"x": request} for request in requests]
    for _ in range(ENOUGH):
        answers = [servable.run("serving_default", part, ["y"]) for part in parts]
        trials.compare(servable, "serving_default", parts, answers)
    return trials


ROWS = np.array([[1.0, 2.0], [3.0, 5.0]], np.float32)
OTHER = np.array([[7.0, -2.0]], np.float32)


def test_a_model_that_computes_row_by_row_is_trusted() -> None:
    assert compared(lambda inputs: {"y": np.tanh(inputs["x"])}, ROWS, OTHER).trusted


@pytest.mark.parametrize(
    "run",
    [
        lambda inputs: {"y": inputs["x"] - inputs["x"].mean(axis=0)},
        lambda inputs: {"y": inputs["x"].cumsum(axis=0)},
        lambda inputs: {"y": inputs["x"].sum()},
        lambda inputs: {"y": inputs["x"][:1]},
        lambda inputs: {"y": inputs["x"][::-1]},
        lambda inputs: {"y": inputs["x"] + len(inputs["x"])},
        lambda inputs: {"y": inputs["x"] + np.arange(len(inputs["x"]))[:, None]},
    ],
    ids=["mean", "cumsum", "sum", "first", "reversed", "count", "position"],
)
@pytest.mark.parametrize("other", [OTHER, ROWS], ids=["different", "same"])
def test_a_model_whose_rows_influence_one_another_is_not(run: Run, other: Array) -> None:
    assert not compared(run, ROWS, other).trusted


def test_requests_that_are_all_the_same_and_can_not_be_varied_prove_nothing() -> None:
    same = np.array([[3]], np.int64)
    trials = compared(lambda inputs: {"y": inputs["x"].max(axis=0, keepdims=True)}, same, same)
    assert not trials.trusted
    assert not trials.failure


def test_a_model_that_refuses_merged_requests_is_not_trusted() -> None:
    def one_row(inputs: Mapping[str, Array]) -> Mapping[str, Array]:
        from servable.errors import InvalidArgument

        if len(inputs["x"]) != 1:
            raise InvalidArgument("one row, please")
        return inputs

    trials = compared(lambda inputs: {"y": one_row(inputs)["x"]}, OTHER, OTHER + 1)
    assert trials.failure == "one row, please"


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        (np.array([1, 2], np.float32), np.array([1, 2.00001], np.float32), True),
        (np.array([1, 2], np.float32), np.array([1, 2.1], np.float32), False),
        (np.array([np.nan, np.inf], np.float32), np.array([np.nan, np.inf], np.float32), True),
        (np.array([np.inf], np.float32), np.array([-np.inf], np.float32), False),
        (np.array([1], np.int64), np.array([2], np.int64), False),
        (np.array([b"a"], object), np.array([b"a"], object), True),
        (np.array([b"a"], object), np.array([b"b"], object), False),
        (np.array([], np.float32), np.array([], np.float32), True),
        (np.array([1], np.float32), np.array([[1]], np.float32), False),
    ],
)
def test_answers_are_the_same_but_for_rounding(one: Array, other: Array, same: bool) -> None:
    assert close(np.asarray(one), np.asarray(other)) is same
