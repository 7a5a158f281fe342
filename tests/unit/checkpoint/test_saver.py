"""Saver: which checkpoints stay, and what the state file says."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from servable import checkpoint
from servable.errors import InvalidArgument
from servable.savedmodel.write_errors import NotWritable

W = {"w": np.ones(2)}
HOUR = 3600.0


class Clock:
    """Time that only tests move."""

    def __init__(self) -> None:
        self.now = 1_000_000.0

    def __call__(self) -> float:
        return self.now


def there(folder: Path) -> list[str]:
    return sorted(p.stem for p in folder.glob("*.index"))


def test_the_newest_five_stay(tmp_path: Path) -> None:
    saver = checkpoint.Saver()
    for step in range(8):
        saver.save(W, tmp_path / "model", step)
    assert there(tmp_path) == [f"model-{step}" for step in range(3, 8)]
    assert len(list(tmp_path.glob("*.data-*"))) == 5
    assert checkpoint.latest_checkpoint(tmp_path) == str(tmp_path / "model-7")
    state = checkpoint.read_state(tmp_path)
    assert state is not None
    assert [path.name for path in state.all] == there(tmp_path)


@pytest.mark.parametrize("keep", [0, None])
def test_all_stay_on_request_and_the_state_names_the_last(keep: int | None, tmp_path: Path) -> None:
    saver = checkpoint.Saver(max_to_keep=keep)
    for step in range(7):
        saver.save(W, tmp_path / "model", step)
    assert len(there(tmp_path)) == 7
    state = checkpoint.read_state(tmp_path)
    assert state is not None
    assert [path.name for path in state.all] == ["model-6"]


def test_one_for_every_few_hours_stays_for_ever(tmp_path: Path) -> None:
    clock = Clock()
    saver = checkpoint.Saver(max_to_keep=1, keep_checkpoint_every_n_hours=2, clock=clock)
    for step in range(7):
        clock.now += HOUR * 0.9
        saver.save(W, tmp_path / "model", step)
    # Written at 0.9, 1.8, 2.7, 3.6, 4.5, 5.4 and 6.3 hours: the first after 2 and after 4.
    assert there(tmp_path) == ["model-2", "model-4", "model-6"]


def test_without_a_step_the_same_name_is_written_again(tmp_path: Path) -> None:
    saver = checkpoint.Saver(max_to_keep=2)
    for value in range(4):
        assert saver.save({"w": np.array(value)}, tmp_path / "model") == str(tmp_path / "model")
    assert saver.last_checkpoints == [str(tmp_path / "model")]
    assert saver.restore(tmp_path / "model", ["w"])["w"] == 3


def test_checkpoints_of_an_earlier_run_are_taken_over(tmp_path: Path) -> None:
    first = checkpoint.Saver(max_to_keep=2)
    for step in range(2):
        first.save(W, tmp_path / "model", step)
    second = checkpoint.Saver(max_to_keep=2)
    second.recover(tmp_path)
    second.save(W, tmp_path / "model", 2)
    assert there(tmp_path) == ["model-1", "model-2"]


def test_a_neighbour_of_a_longer_name_is_not_removed(tmp_path: Path) -> None:
    saver = checkpoint.Saver(max_to_keep=1)
    checkpoint.write_checkpoint(tmp_path / "model-1x", W)
    checkpoint.write_checkpoint(tmp_path / "model-11", W)
    saver.save(W, tmp_path / "model", 1)
    saver.save(W, tmp_path / "model", 2)
    assert there(tmp_path) == ["model-11", "model-1x", "model-2"]
    assert len(list(tmp_path.glob("*.data-*"))) == 3


def test_a_failed_save_removes_nothing(tmp_path: Path) -> None:
    saver = checkpoint.Saver(max_to_keep=1)
    saver.save(W, tmp_path / "model", 1)
    with pytest.raises(NotWritable, match="no dtype"):
        saver.save({"w": np.zeros(1, "datetime64[s]")}, tmp_path / "model", 2)
    assert there(tmp_path) == ["model-1"]
    assert checkpoint.latest_checkpoint(tmp_path) == str(tmp_path / "model-1")


def test_a_negative_number_to_keep_is_refused() -> None:
    with pytest.raises(InvalidArgument, match="max_to_keep"):
        checkpoint.Saver(max_to_keep=-1)
