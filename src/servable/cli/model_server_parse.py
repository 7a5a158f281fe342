"""TensorFlow Serving's command line: how flags are written, and what is said about wrong ones."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from servable.cli.model_server_flags import FLAGS, Flag, Status, Value
from servable.errors import InvalidArgument

_BITS = {"int32": 32, "int64": 64}
_INTEGER = re.compile(r"\s*[+-]?[0-9]+\s*", re.ASCII)
_LONGEST_NUMBER = 100


@dataclass(frozen=True, slots=True)
class CommandLine:
    """What was typed.

    Attributes:
        given: flag -> value, for those that were set.
        unknown: arguments that are no flags.
    """

    given: Mapping[str, Value]
    unknown: Sequence[str]

    def text(self, name: str) -> str:
        """The value of a flag that is a string."""
        return str(self._value(name))

    def number(self, name: str) -> int:
        """The value of a flag that is a whole number."""
        return int(self._value(name))

    def on(self, name: str) -> bool:
        """The value of a flag that is a bool."""
        return self._value(name) is True

    def without_effect(self) -> Iterable[Flag]:
        """The flags that were set to something, and do something else here or nothing."""
        for name, value in self.given.items():
            flag = FLAGS[name]
            if flag.here and not flag.quiet and value != flag.default:
                yield flag

    def _value(self, name: str) -> Value:
        return self.given.get(name, FLAGS[name].default)


def parse(arguments: Sequence[str]) -> CommandLine:
    """Read `--name=value`, `--name` for booleans and, unlike the peer, `--name value`.

    Raises:
        InvalidArgument: a flag has a value that it can not have.
    """
    given: dict[str, Value] = {}
    unknown = []
    rest = list(arguments)
    while rest:
        argument = rest.pop(0)
        name, equals, text = argument.removeprefix("--").partition("=")
        flag = FLAGS.get(name) if argument.startswith("--") else None
        if flag is None:
            unknown.append(argument)
            continue
        if not equals:
            text = _separate(flag, rest)
        given[name] = _value(flag, text)
    return CommandLine(given, unknown)


def usage() -> str:
    """Return the list of flags."""
    lines = ["usage: servable model_server [FLAGS]", "Flags:"]
    for flag in FLAGS.values():
        note = "" if flag.status in (Status.DONE, Status.OURS) else f" Here: {flag.here}"
        lines.append(f"\t--{flag.name}={shown(flag)}\t{flag.kind}\t{flag.help}{note}")
    return "\n".join(lines)


def shown(flag: Flag) -> str:
    """Return a flag's default as it would be typed, or in words."""
    if flag.default_text:
        return f"({flag.default_text})"
    if flag.kind == "bool":
        return str(flag.default).lower()
    return f'"{flag.default}"' if flag.kind == "string" else str(flag.default)


def _separate(flag: Flag, rest: list[str]) -> str:
    """Take the value from the next argument, if it is one."""
    if flag.kind == "bool":
        return rest.pop(0) if rest and rest[0] in ("true", "false") else "true"
    if not rest or rest[0].startswith("--"):
        raise _unreadable(flag, "")
    return rest.pop(0)


def _value(flag: Flag, text: str) -> Value:
    match flag.kind:
        case "string":
            return text
        case "bool":
            if text in ("true", "false"):
                return text == "true"
        case "float":
            return _real(flag, text)
        case "int32" | "int64":
            if len(text) <= _LONGEST_NUMBER and _INTEGER.fullmatch(text):
                half = 2 ** (_BITS[flag.kind] - 1)
                if -half <= int(text) < half:
                    return int(text)
    raise _unreadable(flag, text)


def _real(flag: Flag, text: str) -> float:
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if not math.isfinite(number):
        raise _unreadable(flag, text)
    return number


def _unreadable(flag: Flag, text: str) -> InvalidArgument:
    return InvalidArgument(f"Couldn't interpret value {text} for flag {flag.name}.")
