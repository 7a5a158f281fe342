"""From `--input` options to named tensors."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import orjson

from servable.cli.images import SUFFIXES, from_image
from servable.cli.values import cast, from_json, loads
from servable.errors import InvalidArgument, NotFound, ServableError
from servable.tensors import STRING, Array, Signature, TensorSpec

_ALIAS = re.compile(r"([A-Za-z_][\w./-]*)=(.*)", re.DOTALL)
_FILES = SUFFIXES | {".npy", ".json"}


def tensors_for(texts: Sequence[str], signature: Signature) -> Mapping[str, Array]:
    """Return one array for each `--input` option, of the dtype its input has.

    Each text is `ALIAS=VALUE`, or only `VALUE` where the signature has one input.
    A value is JSON, or a file: its name ends in .npy, .json or that of an image, or
    `@` stands before it. For a string input a file is its bytes (a .json or .npy
    file still its contents).

    Raises:
        InvalidArgument: a text that can not be read in this way; NotFound: no such
            file. The message names the input.
    """
    arrays: dict[str, Array] = {}
    for text in texts:
        alias, value = _split(text, signature)
        if alias in arrays:
            raise InvalidArgument(f"input {alias} is given twice")
        try:
            arrays[alias] = _array(value, signature.inputs[alias])
        except ServableError as error:
            raise type(error)(f"input {alias}: {error.message}", hint=error.hint) from error
    return arrays


def _split(text: str, signature: Signature) -> tuple[str, str]:
    match = _ALIAS.fullmatch(text)
    if match and match[1] in signature.inputs:
        return match[1], match[2]
    known = "The signature's inputs: " + ", ".join(
        f"{alias} ({spec})" for alias, spec in signature.inputs.items()
    )
    if match:
        raise InvalidArgument(f"the signature has no input {match[1]}", hint=known)
    if len(signature.inputs) != 1:
        raise InvalidArgument(f"which input is {_short(text)} for?", hint=f"{known}. Say NAME=...")
    return next(iter(signature.inputs)), text


def _array(value: str, spec: TensorSpec) -> Array:
    if value.startswith("@"):
        return _from_file(Path(value[1:]), spec)
    if value[:1] not in tuple('[{"') and Path(value).suffix.lower() in _FILES:
        return _from_file(Path(value), spec)
    return from_json(_parsed(value.encode("utf-8", "surrogateescape"), _short(value)), spec)


def _from_file(path: Path, spec: TensorSpec) -> Array:
    suffix = path.suffix.lower()
    if not path.is_file():
        raise NotFound(f"no file {path}", hint=f"Looked for {path.absolute()}.")
    if suffix == ".npy":
        try:
            return cast(np.load(path, allow_pickle=False), spec)
        except (ValueError, EOFError) as error:
            raise InvalidArgument(f"{path} is no .npy file: {error}") from error
    if suffix == ".json" or (spec.dtype is not STRING and suffix not in SUFFIXES):
        return from_json(_parsed(path.read_bytes(), str(path)), spec)
    if spec.dtype is STRING:
        rank = 1 if spec.shape is None else len(spec.shape)
        array = np.empty((1,) * rank, dtype=object)
        array[(0,) * rank] = path.read_bytes()
        return array
    return from_image(path, spec)


def _parsed(text: bytes, name: str) -> object:
    try:
        return loads(text)
    except orjson.JSONDecodeError as error:
        raise InvalidArgument(
            f"{name} is not JSON: {error}",
            hint='Write numbers as [[1, 2]], text as ["text"]; for a file write @FILE.',
        ) from error


def _short(text: str) -> str:
    return repr(text if len(text) <= 60 else text[:60] + "...")
