"""Expressions for `servable run --input_exprs`: literals, and a small part of numpy.

They are parsed, never evaluated as Python, so that an expression from elsewhere can do
nothing but make an array. `np.ones((2, 3))`, `np.float32`, `[1, 2]`, `-1.5`, `x + y` of
these, and the methods `reshape` and `astype` are all there is.
"""

from __future__ import annotations

import ast
import math
import operator
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from servable.errors import InvalidArgument

MOST_BYTES = 1 << 30
"""Bound on the array that one expression may make."""

_LONGEST = 1 << 20
_DTYPES = (
    *("bool_", "int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64"),
    *("float16", "float32", "float64", "complex64", "complex128"),
)
_SHAPED = frozenset({"ones", "zeros", "full", "random.random", "random.random_sample"})
_SIZED = frozenset({"random.rand", "random.randn"})
_FUNCTIONS: Mapping[str, Callable[..., Any]] = {
    "array": np.array,
    "asarray": np.asarray,
    "ones": np.ones,
    "zeros": np.zeros,
    "full": np.full,
    "arange": np.arange,
    "linspace": np.linspace,
    "eye": np.eye,
    "random.rand": np.random.rand,
    "random.randn": np.random.randn,
    "random.random": np.random.random,
    "random.random_sample": np.random.random_sample,
    "random.randint": np.random.randint,
    "random.uniform": np.random.uniform,
    "random.normal": np.random.normal,
}
_OPERATORS: Mapping[type[ast.operator], Callable[[Any, Any], Any]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
}
_CONSTANTS = {"nan": np.nan, "inf": np.inf, "pi": np.pi, "e": np.e, "newaxis": None}


def evaluate(text: str) -> Any:
    """Return what an expression stands for: a literal, or an array.

    Raises:
        InvalidArgument: it holds something else, or would make an array that is too large.
    """
    if len(text) > _LONGEST:
        raise InvalidArgument(f"an expression of {len(text)} characters is too long; use a file")
    try:
        tree = ast.parse(text.strip(), mode="eval")
        return _value(tree.body)
    except InvalidArgument as error:
        raise InvalidArgument(
            f"{text.strip()[:200]!r}: {error.message}",
            hint="Literals and np."
            + ", np.".join(sorted(_FUNCTIONS))
            + " can be used, with astype and reshape; anything else goes through --inputs.",
        ) from None
    except (
        SyntaxError, ValueError, TypeError, ArithmeticError, RecursionError, MemoryError
    ) as error:  # fmt: skip
        raise InvalidArgument(f"{text.strip()[:200]!r}: {error}") from None


def _value(node: ast.expr) -> Any:
    if isinstance(node, ast.Constant) and isinstance(
        node.value, bool | int | float | complex | str | bytes | None
    ):
        return node.value
    if isinstance(node, ast.List):
        return [_value(item) for item in node.elts]
    if isinstance(node, ast.Tuple):
        return tuple(_value(item) for item in node.elts)
    if isinstance(node, ast.Dict) and None not in node.keys:
        keys = [_value(key) for key in node.keys if key is not None]
        return dict(zip(keys, map(_value, node.values), strict=True))
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub | ast.UAdd):
        value = _number(_value(node.operand))
        return -value if isinstance(node.op, ast.USub) else value
    if isinstance(node, ast.BinOp) and type(node.op) in _OPERATORS:
        left, right = _number(_value(node.left)), _number(_value(node.right))
        _check_size(np.broadcast_shapes(np.shape(left), np.shape(right)))
        return _OPERATORS[type(node.op)](left, right)
    if isinstance(node, ast.Attribute):
        return _attribute(node)
    if isinstance(node, ast.Call):
        return _call(node)
    raise InvalidArgument(f"{ast.unparse(node)[:80]} is not supported")


def _attribute(node: ast.Attribute) -> Any:
    path = _path(node)
    if path in _CONSTANTS:
        return _CONSTANTS[path]
    if path in _DTYPES:
        return getattr(np, path)
    raise InvalidArgument(f"{ast.unparse(node)[:80]} is not supported")


def _call(node: ast.Call) -> Any:
    if any(keyword.arg is None for keyword in node.keywords):
        raise InvalidArgument("** is not supported")
    args = [_value(arg) for arg in node.args]
    named = {str(keyword.arg): _value(keyword.value) for keyword in node.keywords}
    path = _path(node.func)
    if path in _DTYPES:
        return getattr(np, path)(*args, **named)
    if path in _FUNCTIONS:
        _check_arguments(path, args, named)
        return _FUNCTIONS[path](*args, **named)
    if isinstance(node.func, ast.Attribute) and node.func.attr in ("astype", "reshape"):
        array = _value(node.func.value)
        if isinstance(array, np.ndarray):
            return getattr(array, node.func.attr)(*args, **named)
    raise InvalidArgument(f"{ast.unparse(node.func)[:80]} is not supported")


def _check_arguments(path: str, args: list[Any], named: Mapping[str, Any]) -> None:
    """Refuse what would take too much memory, before numpy takes it."""
    if path in _SHAPED:
        shape = args[0] if args else named.get("shape", named.get("size", ()))
        _check_size(shape if isinstance(shape, tuple | list) else (shape or 1,))
    elif path in _SIZED:
        _check_size(args)
    elif path in ("random.randint", "random.uniform", "random.normal"):
        size = named.get("size", args[2] if len(args) > 2 else ())
        _check_size(size if isinstance(size, tuple | list) else (size or 1,))
    elif path == "arange":
        start, stop, step = [*([0] if len(args) < 2 else []), *args, 1][:3] if args else (0, 0, 1)
        _check_size((abs((stop - start) / step) if step else 0,))
    elif path == "linspace":
        _check_size((named.get("num", args[2] if len(args) > 2 else 50),))
    elif path == "eye":
        rows = args[0] if args else named.get("N", 1)
        columns = named.get("M", args[1] if len(args) > 1 else rows)
        _check_size((rows, columns or rows))


def _check_size(shape: Any) -> None:
    count = math.prod(abs(float(size)) for size in shape)
    if not count * 16 <= MOST_BYTES:
        raise InvalidArgument("this would be an array of more than 1 GiB; use a file")


def _number(value: Any) -> Any:
    if isinstance(value, bool | int | float | complex | np.ndarray | np.generic):
        return value
    raise InvalidArgument(f"arithmetic with {type(value).__name__} is not supported")


def _path(node: ast.expr) -> str:
    """`random.rand` for `np.random.rand`; "" for anything that is not a name in numpy."""
    parts: list[str] = []
    while isinstance(node, ast.Attribute):
        parts.append(node.attr)
        node = node.value
    if isinstance(node, ast.Name) and node.id in ("np", "numpy"):
        return ".".join(reversed(parts))
    return ""
