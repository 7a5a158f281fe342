"""What holds a version in memory, and what does not."""

from __future__ import annotations

import gc
import weakref

import pytest

from servable.contracts import ServableId
from servable.core.handle import Handle, ReadyVersion, ServingMap
from servable.errors import FailedPrecondition
from servable.servables.echo import Echo


def ready(version: int = 1, name: str = "m") -> ReadyVersion:
    return ReadyVersion(ServableId(name, version), Echo())


def pinned(version: ReadyVersion) -> Handle:
    handle = version.pin()
    assert handle is not None
    return handle


def test_a_closed_version_is_drained_when_its_last_handle_is_back() -> None:
    version = ready()
    with pinned(version), pinned(version):
        version.close()
        assert not version.drained
    assert version.drained


def test_a_closed_version_gives_no_handle_and_stays_drained() -> None:
    version = ready()
    version.close()
    assert version.pin() is None
    assert version.drained


def test_an_open_version_is_not_drained_by_idleness() -> None:
    assert not ready().drained


def test_giving_back_twice_counts_once() -> None:
    version = ready()
    with pinned(version):
        with pinned(version) as handle:
            pass
        handle.__exit__(None, None, None)
        version.close()
        assert not version.drained
    assert version.drained


def test_a_handle_that_was_given_back_lets_go_of_the_servable_and_says_so() -> None:
    version = ready()
    with pinned(version) as handle:
        servable = weakref.ref(handle.servable)
    version.close()
    version.forget()
    gc.collect()
    assert servable() is None
    with pytest.raises(FailedPrecondition, match="given back already"):
        handle.servable  # noqa: B018  the property is what is tested


def test_a_handle_is_given_back_when_the_request_fails() -> None:
    version = ready()
    with pytest.raises(ZeroDivisionError), pinned(version):
        raise ZeroDivisionError
    version.close()
    assert version.drained


def test_a_handle_that_is_dropped_does_not_hold_its_version_for_ever(
    caplog: pytest.LogCaptureFixture,
) -> None:
    version = ready()
    handle = pinned(version)
    version.close()
    del handle
    gc.collect()
    assert version.drained
    assert "m 1: a handle was dropped unreturned" in caplog.text


def test_a_map_that_was_read_does_not_change() -> None:
    serving = ServingMap()
    one, two, zero = ready(1), ready(2), ready(0)
    serving.add(zero)
    before = serving.models
    serving.add(two)
    serving.add(one)
    serving.add(ready(9, "other"))
    assert before == {"m": {0: zero, None: zero}}
    assert serving.models["m"] == {0: zero, 1: one, 2: two, None: two}
    serving.remove(two)
    assert serving.models["m"] == {0: zero, 1: one, None: one}
    serving.remove(one)
    serving.remove(zero)
    assert list(serving.models) == ["other"]
