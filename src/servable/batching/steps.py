"""Requests that stop where they need the model, so that several can be computed together.

What answers a request is a generator: it yields each `Run` that it needs and is sent the
outputs, or thrown what the model raised. Who drives it decides when and with whom the model
computes; `complete` does so at once.
"""

from __future__ import annotations

from collections.abc import Generator, Mapping, Sequence
from types import GeneratorType
from typing import NamedTuple, TypeAlias, TypeVar, cast

from servable.contracts import Servable
from servable.errors import Internal
from servable.tensors import Array

T = TypeVar("T")


class Run(NamedTuple):
    """What a request needs of a servable: the arguments of `contracts.Servable.run`."""

    servable: Servable
    signature: str
    inputs: Mapping[str, Array]
    fetches: Sequence[str]

    def now(self) -> dict[str, Array]:
        """Compute it; raises what the servable raises.

        Raises:
            Internal: what that is would end the thread, which others need.
        """
        try:
            return self.servable.run(self.signature, self.inputs, self.fetches)
        except (Exception, KeyboardInterrupt):
            raise
        except BaseException as error:
            raise Internal(f"the model ended: {type(error).__name__}: {error}") from error


Steps: TypeAlias = Generator[Run, dict[str, Array], T]
"""What answers a request; returns the answer."""


def complete(steps: Steps[T]) -> T:
    """Drive a request to its end on this thread, and return its answer."""
    try:
        run = next(steps)
        while True:
            try:
                outputs = run.now()
            except Exception as error:
                run = steps.throw(error)
            else:
                run = steps.send(outputs)
    except StopIteration as end:
        answer: T = end.value
        return answer


def settled(answer: T | Steps[T]) -> T:
    """Return an answer that may have come at once, or may have to be driven to."""
    if isinstance(answer, GeneratorType):  # the abstract class takes longer to ask
        return complete(cast("Steps[T]", answer))
    return cast(T, answer)


def steps_of(answer: T | Steps[T]) -> Steps[T]:
    """Return an answer as steps, none if it has come already."""
    if isinstance(answer, GeneratorType):
        return (yield from cast("Steps[T]", answer))
    return cast(T, answer)
