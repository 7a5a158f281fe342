"""The line on a terminal while something takes long."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from servable.cli.waiting import waiting


class AtOnce:
    """A timer whose second has passed when it is started."""

    def __init__(self, seconds: float, show: Callable[[], None]) -> None:
        assert seconds == 1
        self._show = show

    def start(self) -> None:
        self._show()

    def cancel(self) -> None:
        pass

    def join(self) -> None:
        pass


class Never(AtOnce):
    """A timer that is cancelled before its second has passed."""

    def start(self) -> None:
        pass


def test_what_takes_long_is_said_with_the_time_it_takes(capsys: pytest.CaptureFixture[str]) -> None:
    with waiting("loading [a]", timer=AtOnce, terminal=True):
        pass
    captured = capsys.readouterr()
    assert "loading [a]" in captured.err
    assert "0:00:00" in captured.err
    assert captured.out == ""


@pytest.mark.parametrize(("timer", "terminal"), [(Never, True), (AtOnce, False), (AtOnce, None)])
def test_nothing_is_said_of_short_work_and_in_files(
    timer: type[AtOnce], terminal: bool | None, capsys: pytest.CaptureFixture[str]
) -> None:
    with waiting("loading", timer=timer, terminal=terminal):
        pass
    assert capsys.readouterr() == ("", "")


def test_the_line_goes_when_the_work_fails(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(ValueError, match="broken"), waiting("x", timer=AtOnce, terminal=True):
        raise ValueError("broken")
    assert capsys.readouterr().err.endswith("\x1b[2K"), "the line is wiped"
