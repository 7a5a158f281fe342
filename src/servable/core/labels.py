"""Names for versions: `stable`, `canary`, and what they mean at this moment.

A label is a version's number and no more: if that version is unloaded, requests by the
label find nothing, until the label or the version comes back. Readers see one table that
is replaced as a whole, so that a label which moves means the old version or the new one
and never nothing in between.
"""

from __future__ import annotations

import enum
import logging
import threading
from collections.abc import Callable, Mapping

from servable.contracts import ServableId
from servable.core.events import Event
from servable.core.states import VersionState
from servable.errors import FailedPrecondition

Table = Mapping[str, Mapping[str, int]]
"""Model name -> label -> version."""

_NONE: Mapping[str, int] = {}


log = logging.getLogger(__name__)


class LabelRule(enum.Enum):
    """What becomes of a label whose version is not AVAILABLE.

    WHEN_READY: it is given as soon as the version is; until then it stays where it was.
    READY_ONLY: it is refused. TensorFlow Serving's rule.
    NEW_ANYWHERE: it is given all the same, unless it means another version now. TensorFlow
        Serving's rule with `--allow_version_labels_for_unavailable_models`.
    """

    WHEN_READY = enum.auto()
    READY_ONLY = enum.auto()
    NEW_ANYWHERE = enum.auto()


class Labels:
    """Which version each label means. All methods may be called from any thread.

    Args:
        is_available: tells whether a version is AVAILABLE. It must say so before `note`
            hears of it.
    """

    def __init__(self, is_available: Callable[[ServableId], bool]) -> None:
        self._is_available = is_available
        self._changing = threading.Lock()
        self._waiting: Table = {}
        self._given: Table = {}

    def given(self, name: str) -> Mapping[str, int]:
        """Return what the labels of a model mean now. Takes no lock."""
        return self._given.get(name, _NONE)

    def replace(self, wanted: Table, rule: LabelRule) -> None:
        """Replace all labels of all models at once.

        Raises:
            FailedPrecondition: the rule refuses a label; then nothing changes.
        """
        with self._changing:
            given: dict[str, dict[str, int]] = {}
            waiting: dict[str, dict[str, int]] = {}
            for name, labels in wanted.items():
                before = self.given(name)
                given[name] = {}
                for label, version in labels.items():
                    if self._may_have(ServableId(name, version), before.get(label), rule):
                        given[name][label] = version
                        continue
                    waiting.setdefault(name, {})[label] = version
                    if label in before:
                        given[name][label] = before[label]
            _tell("is", self._given, given)
            _tell("waits for", self._waiting, waiting)
            self._given, self._waiting = given, waiting

    def note(self, event: Event) -> None:
        """Give a version that has become AVAILABLE its labels; meant as a subscriber of a bus."""
        if event.state is not VersionState.AVAILABLE:
            return
        name, version = event.id.name, event.id.version
        with self._changing:
            waiting = self._waiting.get(name, _NONE)
            due = {label: number for label, number in waiting.items() if number == version}
            if not due:
                return
            left = {label: number for label, number in waiting.items() if label not in due}
            given = {**self._given, name: {**self.given(name), **due}}
            _tell("is", self._given, given)
            self._given, self._waiting = given, {**self._waiting, name: left}

    def _may_have(self, id: ServableId, before: int | None, rule: LabelRule) -> bool:
        """Tell whether a label is given at once, False if it has to wait."""
        if self._is_available(id):
            return True
        if rule is LabelRule.WHEN_READY:
            return before == id.version
        if rule is LabelRule.NEW_ANYWHERE and before in (None, id.version):
            return True
        raise FailedPrecondition(
            f"Request to assign label to version {id.version} of model {id.name}, which is not "
            "currently available for inference",
            hint="Load the version first, and give it the label when it is AVAILABLE.",
        )


def _tell(verb: str, before: Table, after: Table) -> None:
    """Log which labels have another version than before."""
    for name, labels in after.items():
        old = before.get(name, _NONE)
        for label, version in labels.items():
            if old.get(label) != version:
                log.info("%s: label %s %s version %d", name, label, verb, version)
