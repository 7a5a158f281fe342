"""The values of a call, fitted to what a function was traced for."""

from __future__ import annotations

import inspect
from collections.abc import Iterator, Mapping
from typing import Any

from servable.errors import InvalidArgument, Unimplemented
from servable.savedmodel.errors import ObjectGraphInvalid
from servable.savedmodel.functions import Offered, Trace
from servable.savedmodel.structure import Structure, TensorSpec, TypeSpec, decode
from servable.servables.arguments import converted, fits
from servable.tensors import Array, from_enum


class NoMatch(Exception):
    """A value is not what a trace takes."""


def parameters(function: Offered) -> inspect.Signature | None:
    """The parameters of the function as it was written; None if they are not stored."""
    if not function.spec.HasField("fullargspec"):
        return None
    spec = decode(function.spec.fullargspec)
    try:
        names = list(spec.args)
        if names and (function.spec.is_method or names[0] == "self"):
            names = names[1:]
        defaults = list(spec.defaults or ())
        only, only_defaults = list(spec.kwonlyargs or ()), dict(spec.kwonlydefaults or {})
        empty = inspect.Parameter.empty
        filled = [empty] * (len(names) - len(defaults)) + defaults[-len(names) :]
        both, keyword = inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY
        made = [
            inspect.Parameter(name, both, default=default)
            for name, default in zip(names, filled, strict=False)
        ]
        if spec.varargs:
            made.append(inspect.Parameter(spec.varargs, inspect.Parameter.VAR_POSITIONAL))
        made += [
            inspect.Parameter(name, keyword, default=only_defaults.get(name, empty))
            for name in only
        ]
        if spec.varkw:
            made.append(inspect.Parameter(spec.varkw, inspect.Parameter.VAR_KEYWORD))
        return inspect.Signature(made)
    except (AttributeError, TypeError, ValueError) as error:
        raise ObjectGraphInvalid(f"the parameters of {function.name}: {error}") from None


def flat(expected: Structure, value: Any) -> Iterator[Array]:
    """Yield the arrays of a value, in TensorFlow's order, if it is as expected.

    Raises:
        NoMatch: it is not.
        Unimplemented: a composite tensor is expected.
    """
    if isinstance(expected, TensorSpec):
        yield _leaf(expected, value)
    elif isinstance(expected, TypeSpec):
        raise Unimplemented(f"arguments of type {expected.kind} are not supported")
    elif isinstance(expected, Mapping):
        if not isinstance(value, Mapping) or value.keys() != expected.keys():
            raise NoMatch
        for key in sorted(expected):
            yield from flat(expected[key], value[key])
    elif isinstance(expected, list | tuple):
        if not isinstance(value, list | tuple) or len(value) != len(expected):
            raise NoMatch
        for inner, item in zip(expected, value, strict=True):
            yield from flat(inner, item)
    elif type(value) is not type(expected) or value != expected:
        raise NoMatch


def _leaf(spec: TensorSpec, value: Any) -> Array:
    if value is None:
        raise NoMatch
    try:
        array = converted(value, from_enum(spec.dtype))
    except (InvalidArgument, KeyError):
        raise NoMatch from None
    if not fits(array.shape, spec.shape):
        raise NoMatch
    return array


def packed(output: Structure, arrays: Iterator[Array]) -> Any:
    """Put arrays in the places of a structure's specs."""
    if isinstance(output, TensorSpec):
        return next(arrays)
    if isinstance(output, TypeSpec):
        return tuple(next(arrays) for _ in range(output.components))
    if isinstance(output, Mapping):
        return {key: packed(output[key], arrays) for key in sorted(output)}
    if isinstance(output, list):
        return [packed(item, arrays) for item in output]
    if isinstance(output, tuple):
        items = [packed(item, arrays) for item in output]
        return type(output)(*items) if hasattr(output, "_fields") else tuple(items)
    return output


def described(trace: Trace) -> str:
    """A trace's arguments as people write a call."""
    shown = [repr(value) for value in trace.args]
    shown += [f"{name}={value!r}" for name, value in trace.kwargs.items()]
    return f"({', '.join(shown)})"
