"""Options that belong together, given to a command as one object."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

CommandT = TypeVar("CommandT", bound=Callable[..., Any])

Decorator = Callable[[Any], Any]


def gathered(
    name: str, make: Callable[..., object], options: Sequence[Decorator]
) -> Callable[[CommandT], CommandT]:
    """Return a decorator that adds options to a command, which gets them together.

    Args:
        name: the argument of the command.
        make: makes the object of what the options said, each as an argument of its name.
        options: click's, in the order in which `--help` lists them.
    """

    def decorate(command: CommandT) -> CommandT:
        def called(**values: Any) -> Any:
            said = {option: values.pop(option) for option in names}
            return command(**{name: make(**said)}, **values)

        called.__name__, called.__doc__ = command.__name__, command.__doc__
        others = list(getattr(command, "__click_params__", []))
        decorated: Any = called
        decorated.__click_params__ = []
        for option in reversed(options):
            decorated = option(decorated)
        names = [param.name for param in decorated.__click_params__]
        decorated.__click_params__ = [*others, *decorated.__click_params__]
        result: CommandT = decorated
        return result

    return decorate
