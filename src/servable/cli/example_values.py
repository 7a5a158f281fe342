"""From `--example` options to features by name."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import orjson

from servable.cli.values import loads
from servable.errors import InvalidArgument, NotFound


def examples_from(texts: Sequence[str]) -> list[dict[str, Any]]:
    """Return the examples of some options, in their order.

    Each text is a JSON object of features, a list of such objects, or `@FILE` with one of
    the two in it. `{"b64": ...}` stands for bytes. 1 is an integer and 1.0 a float, for
    tf.Example tells them apart.

    Raises:
        InvalidArgument: a text that is none of these; NotFound: no such file.
    """
    examples: list[dict[str, Any]] = []
    for text in texts:
        document = _parsed(text)
        for item in document if isinstance(document, list) else [document]:
            if not isinstance(item, Mapping):
                raise InvalidArgument(
                    f"an example is an object of features, and this is {item!r}",
                    hint="""For example --example '{"age": 42, "tags": ["a", "b"]}'.""",
                )
            examples.append({name: _feature(name, value) for name, value in item.items()})
    return examples


def _parsed(text: str) -> object:
    data = text.encode("utf-8", "surrogateescape")
    if text.startswith("@"):
        path = Path(text[1:])
        if not path.is_file():
            raise NotFound(f"no file {path}", hint=f"Looked for {path.absolute()}.")
        data = path.read_bytes()
    try:
        return loads(data)
    except orjson.JSONDecodeError as error:
        raise InvalidArgument(
            f"{text[:60]!r} is not JSON: {error}",
            hint="""For example --example '{"x": 1.0}'; for a file write @FILE.""",
        ) from error


def _feature(name: str, value: Any) -> Any:
    values = value if isinstance(value, list) else [value]
    if any(isinstance(item, list) or item is None for item in values):
        raise InvalidArgument(
            f"feature {name} is {value!r}",
            hint="A feature is a number, a text, or a flat list of one kind of these.",
        )
    if any(isinstance(item, dict) for item in values):
        decoded = np.empty(len(values), dtype=object)
        decoded[:] = [_bytes(name, item) for item in values]
        return decoded
    return values


def _bytes(name: str, item: Any) -> Any:
    if not isinstance(item, dict):
        return item
    try:
        (text,) = [item["b64"]] if len(item) == 1 else []
        return base64.b64decode(text, validate=True)
    except (KeyError, ValueError, TypeError, binascii.Error) as error:
        raise InvalidArgument(
            f"feature {name} holds an object that is not base64: {item!r}",
            hint='Bytes are written as {"b64": "..."}.',
        ) from error
