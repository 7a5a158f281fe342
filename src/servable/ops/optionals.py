"""Values that hold others: optionals, and maps from tensors to tensors.

Like lists they are values themselves: every op that changes one makes a new one.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np

from servable.errors import InvalidArgument
from servable.ops.registry import Build, Kernel, op
from servable.ops.support import bare
from servable.tensors import Array

_Key: TypeAlias = tuple[str, tuple[int, ...], bytes]


@dataclass(frozen=True, slots=True)
class Optional:
    """Some tensors, or nothing."""

    components: tuple[Array, ...] | None


@dataclass(frozen=True, slots=True)
class TensorMap:
    """Values by key, with the keys as they were given."""

    items: Mapping[_Key, tuple[Array, Array]]


@op("OptionalFromValue")
def optional_from_value(build: Build) -> Kernel:
    """Something."""
    del build
    return lambda *components: Optional(components)


@op("OptionalNone")
def optional_none(build: Build) -> Kernel:
    """Nothing."""
    del build
    return lambda: Optional(None)


@op("OptionalHasValue")
def optional_has_value(build: Build) -> Kernel:
    """Whether there is something."""
    del build
    return lambda optional: np.asarray(optional.components is not None)


@op("OptionalGetValue", no_effect="output_shapes")
def optional_get_value(build: Build) -> Kernel:
    """What is there."""
    dtypes = [dtype.numpy for dtype in build.list("output_types")]

    def kernel(optional: Optional) -> Any:
        components = optional.components
        if components is None:
            raise InvalidArgument("The given optional does not have a value.")
        if [c.dtype for c in components] != dtypes:
            raise InvalidArgument("The given optional has components of other types.")
        return bare(components)

    return kernel


def _key(key: Array) -> _Key:
    key = np.asarray(key)
    if key.dtype.kind == "O":
        data = b"".join(b"%d:%s" % (len(s), s) for s in key.reshape(-1).tolist())
    else:
        data = key.tobytes()
    return key.dtype.str, key.shape, data


@op("EmptyTensorMap")
def empty_tensor_map(build: Build) -> Kernel:
    """A map of nothing."""
    del build
    return lambda: TensorMap({})


@op("TensorMapSize")
def tensor_map_size(build: Build) -> Kernel:
    """How many keys there are."""
    del build
    return lambda held: np.asarray(len(held.items), np.int32)


@op("TensorMapInsert", no_effect="key_dtype value_dtype")
def tensor_map_insert(build: Build) -> Kernel:
    """The map with a key more, or with another value for one."""
    del build

    def kernel(held: TensorMap, key: Array, value: Array) -> TensorMap:
        return TensorMap({**held.items, _key(key): (np.asarray(key), np.asarray(value))})

    return kernel


@op("TensorMapLookup", no_effect="key_dtype value_dtype")
def tensor_map_lookup(build: Build) -> Kernel:
    """The value of a key."""
    del build

    def kernel(held: TensorMap, key: Array) -> Array:
        return _found(held, key)[1]

    return kernel


def _found(held: TensorMap, key: Array) -> tuple[Array, Array]:
    item = held.items.get(_key(key))
    if item is None:
        raise InvalidArgument("Trying to lookup non-existent key.")
    return item


@op("TensorMapErase", no_effect="key_dtype value_dtype")
def tensor_map_erase(build: Build) -> Kernel:
    """The map without a key."""
    del build

    def kernel(held: TensorMap, key: Array) -> TensorMap:
        gone = _key(key)
        if gone not in held.items:
            raise InvalidArgument("Trying to erase non-existent item.")
        return TensorMap({k: v for k, v in held.items.items() if k != gone})

    return kernel


@op("TensorMapHasKey", no_effect="key_dtype")
def tensor_map_has_key(build: Build) -> Kernel:
    """Whether a key is there."""
    del build
    return lambda held, key: np.asarray(_key(key) in held.items)


@op("TensorMapStackKeys", attrs="key_dtype")
def tensor_map_stack_keys(build: Build) -> Kernel:
    """All keys as one tensor; their order is open."""
    dtype = build.type("key_dtype").numpy

    def kernel(held: TensorMap) -> Any:
        if not held.items:
            raise InvalidArgument("TensorMapStackKeys cannot be called on empty map.")
        keys = [key for key, _ in held.items.values()]
        if any(key.dtype != dtype for key in keys):
            raise InvalidArgument("Key does not match requested dtype.")
        if any(key.shape != keys[0].shape for key in keys):
            raise InvalidArgument("Keys must all have the same shape.")
        return np.stack(keys)

    return kernel
