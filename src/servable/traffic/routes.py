"""The rules of every model that has some: one table, replaced as a whole."""

from __future__ import annotations

import logging
import random
import threading
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace

from servable.contracts import ModelProvider
from servable.errors import NotFound
from servable.metrics.traffic import TrafficMetrics
from servable.traffic.choice import Random
from servable.traffic.report import TrafficReport
from servable.traffic.route import Route
from servable.traffic.rules import ShadowRule, Share, Traffic, check_shadows
from servable.traffic.shadow import Shadow

log = logging.getLogger(__name__)

_NONE = Traffic()


def _never() -> bool:
    return False


class Routes:
    """The route of each model that has one. All methods may be called from any thread.

    Args:
        models: where versions are.
        metrics: count what goes where.
        busy: tells whether requests are being answered; shadows wait for those.
        random_number: where chance comes from.
    """

    def __init__(
        self,
        models: ModelProvider,
        metrics: TrafficMetrics | None = None,
        *,
        busy: Callable[[], bool] = _never,
        random_number: Random = random.random,
    ) -> None:
        self._models = models
        self._metrics = metrics or TrafficMetrics()
        self._busy = busy
        self._random = random_number
        self._changing = threading.Lock()
        self._configured: Mapping[str, Traffic] = {}
        self._routes: Mapping[str, Route] = {}

    def of(self, name: str) -> Route | None:
        """Return the route of a model. Takes no lock."""
        return self._routes.get(name)

    def configure(self, names: Collection[str], wanted: Mapping[str, Traffic]) -> None:
        """Take over what a configuration says.

        What was set for a model since holds on, as long as the configuration says the
        same about it as the last one did.

        Args:
            names: every model that is served from now on.
            wanted: model -> rules, for those that have some; `check_shadows` let them pass.
        """
        with self._changing:
            said = {name: wanted.get(name, _NONE) for name in names}
            self._replace(
                {
                    name: self._now(name) if self._configured.get(name) == rules else rules
                    for name, rules in said.items()
                }
            )
            self._configured = said

    def set_split(self, name: str, split: Sequence[Share]) -> None:
        """Divide the requests to a model otherwise from now on.

        Raises:
            InvalidArgument: the parts break a rule; then nothing changes.
            NotFound: no such model is served.
        """
        with self._changing:
            rules = self._served(name)
            header = rules.sticky_header if split else ""
            self._set(name, replace(rules, split=tuple(split), sticky_header=header))

    def set_shadow(self, name: str, shadow: ShadowRule | None) -> None:
        """Have copies of the requests to a model run otherwise from now on.

        Raises:
            ResourceExhausted: there are too many shadows; then nothing changes.
            NotFound: no such model is served.
        """
        with self._changing:
            self._set(name, replace(self._served(name), shadow=shadow))

    def report(self, name: str) -> TrafficReport:
        """Return the rules of a model and how they are kept; one without rules has few words."""
        route = self.of(name)
        return route.report() if route is not None else TrafficReport(name)

    def stop(self) -> None:
        """Have no more copies run, and send requests nowhere in particular."""
        with self._changing:
            self._replace({})

    def _now(self, name: str) -> Traffic:
        route = self._routes.get(name)
        return route.traffic if route is not None else _NONE

    def _served(self, name: str) -> Traffic:
        if name not in self._configured:
            raise NotFound(
                f"There is no model {name}.", hint=f"Models: {', '.join(sorted(self._configured))}."
            )
        return self._now(name)

    def _set(self, name: str, rules: Traffic) -> None:
        others = {other: route.traffic for other, route in self._routes.items()}
        wanted = {**others, name: rules}
        check_shadows(wanted)
        self._replace(wanted)

    def _replace(self, wanted: Mapping[str, Traffic]) -> None:
        before = self._routes
        after = {name: self._route(name, rules) for name, rules in wanted.items() if rules != _NONE}
        self._routes = after
        kept = {route.shadow for route in after.values()}
        for name in before.keys() | after.keys():
            old, new = before.get(name), after.get(name)
            if old is not new:
                log.info("%s: traffic: %s", name, new.traffic if new is not None else "no rules")
            if old is not None and old.shadow is not None and old.shadow not in kept:
                old.shadow.stop()

    def _route(self, name: str, rules: Traffic) -> Route:
        """Return a route that keeps the rules: the one there is, if it does."""
        before = self._routes.get(name)
        if before is not None and before.traffic == rules:
            return before
        shadow = None
        if rules.shadow is not None:
            shadow = before.shadow if before is not None else None
            if shadow is None or shadow.rule != rules.shadow:
                shadow = Shadow(
                    name,
                    rules.shadow,
                    self._models,
                    self._metrics,
                    busy=self._busy,
                    random_number=self._random,
                )
        return Route(name, rules, self._models, self._metrics, shadow, self._random)
