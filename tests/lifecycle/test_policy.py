"""Both policies as tables; a version is written like `3 ready A` (aspired) or `3 ready U`."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from servable.contracts import ServableId
from servable.core.policy import (
    Action,
    Policy,
    Snapshot,
    Verb,
    availability_preserving,
    highest_new,
    resource_preserving,
)
from servable.core.states import HarnessState


def parse(text: str) -> list[Snapshot]:
    rows = (row.split() for row in text.split(",") if row.strip())
    return [
        Snapshot(ServableId("m", int(number)), HarnessState(state), aspired == "A")
        for number, state, aspired in rows
    ]


def decide(policy: Policy, text: str) -> str:
    action = policy(parse(text))
    return f"{action.verb.value} {action.id.version}" if action else "none"


@pytest.mark.parametrize(
    ("versions", "decision"),
    [
        ("1 unloading U, 2 error U, 3 ready A, 4 new A, 5 new A", "load 5"),
        ("1 unloading U, 2 error U, 3 ready U, 4 ready A, 5 new A", "unload 3"),
        ("1 disabled U, 2 ready U, 3 error U", "unload 2"),
        ("1 ready A, 2 error A, 3 loading A, 4 unloading U, 5 disabled U", "none"),
        ("1 ready U, 2 loading A", "none"),
        ("1 ready U, 2 error A", "none"),
        ("1 ready U, 2 loading A, 3 ready A", "unload 1"),
        ("1 ready U, 2 error A, 3 ready A", "unload 1"),
        ("2 ready U, 1 ready U, 3 error A, 4 loading A", "unload 1"),
        ("1 ready U, 2 new A", "load 2"),
        ("2 ready U, 1 new A", "load 1"),
        ("1 new U", "none"),
        ("0 new A", "load 0"),
        ("", "none"),
    ],
)
def test_availability_preserving(versions: str, decision: str) -> None:
    assert decide(availability_preserving, versions) == decision


@pytest.mark.parametrize(
    ("versions", "decision"),
    [
        ("1 unloading U, 2 ready A, 3 ready U, 4 new A, 5 ready U", "unload 3"),
        ("1 ready A, 2 loading A, 3 new A, 4 disabled U, 5 new A", "load 5"),
        ("1 ready A, 2 error A, 3 loading A, 4 unloading U, 5 disabled U", "none"),
        ("1 unload-requested U, 2 new A", "none"),
        ("1 error U, 2 new A", "load 2"),
        ("1 error U, 2 unload-requested U, 3 new A", "none"),
        ("1 error U, 2 disabled U, 3 new A", "load 3"),
        ("1 ready U, 2 new A", "unload 1"),
        ("", "none"),
    ],
)
def test_resource_preserving(versions: str, decision: str) -> None:
    assert decide(resource_preserving, versions) == decision


@pytest.mark.parametrize(
    ("versions", "number"),
    [
        ("10 new U, 9 unloading A, 1 new A, 5 new A, 3 new A", 5),
        ("10 new U, 9 unloading A", None),
    ],
)
def test_the_highest_aspired_new_version(versions: str, number: int | None) -> None:
    found = highest_new(parse(versions))
    assert (found.id.version if found else None) == number


SNAPSHOTS = st.lists(
    st.builds(
        Snapshot,
        st.builds(ServableId, st.just("m"), st.integers(-3, 12)),
        st.sampled_from(HarnessState),
        st.booleans(),
    ),
    max_size=8,
    unique_by=lambda snapshot: snapshot.id,
)


@given(SNAPSHOTS, st.sampled_from([availability_preserving, resource_preserving]))
def test_only_wanted_new_versions_are_loaded_and_only_unwanted_ready_ones_unloaded(
    versions: list[Snapshot], policy: Policy
) -> None:
    action = policy(versions)
    if action is not None:
        (chosen,) = (v for v in versions if v.id == action.id)
        legal = {
            Verb.LOAD: (HarnessState.NEW, True),
            Verb.UNLOAD: (HarnessState.READY, False),
        }
        assert (chosen.state, chosen.aspired) == legal[action.verb]


@given(SNAPSHOTS)
def test_the_last_ready_version_stays_while_something_else_is_wanted(
    versions: list[Snapshot],
) -> None:
    action = availability_preserving(versions)
    ready = [v for v in versions if v.state is HarnessState.READY]
    if len(ready) == 1 and any(v.aspired for v in versions):
        assert action != Action(Verb.UNLOAD, ready[0].id)
