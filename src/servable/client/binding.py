"""From functions that describe a call to methods that make it."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any, TypeVar

MethodT = TypeVar("MethodT", bound=Callable[..., Any])


def described(method: MethodT, source: Callable[..., Any]) -> MethodT:
    """Give `method` the name, the docstring and, after `self`, the parameters of `source`.

    Args:
        method: a function made for a class body; changed in place.
        source: the function it stands for.
    """
    own = inspect.Parameter("self", inspect.Parameter.POSITIONAL_OR_KEYWORD)
    theirs = inspect.signature(source)
    parameters = [p for p in theirs.parameters.values() if p.name != "self"]
    method.__name__ = method.__qualname__ = source.__name__
    method.__doc__ = source.__doc__
    method.__signature__ = theirs.replace(  # type: ignore[attr-defined]  # inspect reads it
        parameters=[own, *parameters], return_annotation=inspect.Signature.empty
    )
    return method
