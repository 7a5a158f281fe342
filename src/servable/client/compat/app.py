"""Flags and the main function of a script, as `tf.compat.v1.app` has them."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from typing import Any, NoReturn

from servable.client.compat import flags

__all__ = ["flags", "run"]


def run(
    main: Callable[[list[str]], Any] | None = None, argv: Sequence[str] | None = None
) -> NoReturn:
    """Read the flags, call the script's main function, and exit with what it returns.

    Args:
        main: takes the program's name and what is no flag; by default `main` of the
            script that is running.
        argv: the command line; by default the process's.
    """
    program, *arguments = sys.argv if argv is None else argv
    if main is None:
        main = vars(sys.modules["__main__"])["main"]
    rest = flags.FLAGS.parse(arguments)
    sys.exit(main([program, *rest]))
