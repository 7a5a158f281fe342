"""The command-line flags that client scripts take from `tf.compat.v1.app.flags`, on argparse."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from typing import Any


def _truth(text: str) -> bool:
    if text.lower() in {"true", "t", "1", "yes", "y"}:
        return True
    if text.lower() in {"false", "f", "0", "no", "n"}:
        return False
    raise argparse.ArgumentTypeError(f"{text!r} is neither true nor false")


class FlagValues:
    """The flags that were defined, as attributes. Read after `parse`; before, their defaults."""

    def __init__(self) -> None:
        self._parser = argparse.ArgumentParser(allow_abbrev=False)
        self._values: argparse.Namespace | None = None

    def define(self, name: str, default: Any, help_text: str | None, **how: Any) -> None:
        """Add a flag."""
        self._parser.add_argument(f"--{name}", default=default, help=help_text, **how)
        self._values = None

    def parse(self, arguments: Sequence[str]) -> list[str]:
        """Read the command line, and return what is no flag."""
        self._values, rest = self._parser.parse_known_args(arguments)
        unknown = [text for text in rest if text.startswith("--")]
        if unknown:
            self._parser.error(f"there is no flag {unknown[0]}")
        return rest

    def __getattr__(self, name: str) -> Any:
        values = self._parser.parse_args([]) if self._values is None else self._values
        try:
            return vars(values)[name]
        except KeyError:
            raise AttributeError(f"no flag {name} was defined") from None


FLAGS = FlagValues()


def DEFINE_string(name: str, default: str | None, help: str | None) -> None:
    """Define a flag that holds text."""
    FLAGS.define(name, default, help)


def DEFINE_integer(name: str, default: int | None, help: str | None) -> None:
    """Define a flag that holds a whole number."""
    FLAGS.define(name, default, help, type=int)


def DEFINE_float(name: str, default: float | None, help: str | None) -> None:
    """Define a flag that holds a number."""
    FLAGS.define(name, default, help, type=float)


def DEFINE_boolean(name: str, default: bool | None, help: str | None) -> None:
    """Define a flag that is set by `--name` or `--name=true`."""
    FLAGS.define(name, default, help, type=_truth, nargs="?", const=True)


DEFINE_bool = DEFINE_boolean
