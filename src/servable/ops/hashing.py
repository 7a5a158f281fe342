"""Hash buckets and fingerprints."""

from __future__ import annotations

from typing import Any

import numpy as np

from servable.errors import InvalidArgument
from servable.ops.hashes import Words, fingerprint64, hash64, sip_hash
from servable.ops.registry import Build, Kernel, op
from servable.ops.text import dims, flat, one
from servable.tensors import Array


def _bucketed(hashes: Words, buckets: int, shape: tuple[int, ...]) -> Array:
    result: Array = (hashes % np.uint64(buckets)).astype(np.int64).reshape(shape)
    return result


@op("StringToHashBucket", attrs="num_buckets")
def string_to_hash_bucket(build: Build) -> Kernel:
    """MurmurHash64A of each string, modulo the number of buckets."""
    buckets = build.int("num_buckets")
    return lambda x: _bucketed(hash64(flat(x)), buckets, np.shape(x))


@op("StringToHashBucketFast", attrs="num_buckets")
def string_to_hash_bucket_fast(build: Build) -> Kernel:
    """FarmHash's fingerprint of each string, modulo the number of buckets."""
    buckets = build.int("num_buckets")
    return lambda x: _bucketed(fingerprint64(flat(x)), buckets, np.shape(x))


@op("StringToHashBucketStrong", attrs="num_buckets key")
def string_to_hash_bucket_strong(build: Build) -> Kernel:
    """SipHash of each string under a key, modulo the number of buckets."""
    buckets, key = build.int("num_buckets"), build.list("key")
    if len(key) != 2:
        raise InvalidArgument("Key must have 2 elements")
    return lambda x: _bucketed(sip_hash(flat(x), (key[0], key[1])), buckets, np.shape(x))


@op("Fingerprint")
def fingerprint(build: Build) -> Kernel:
    """Eight bytes for each entry of the first dimension: the fingerprint of all that is in it.

    Rows of several strings are hashed by the fingerprints of the strings.
    """
    del build

    def kernel(data: Any, method: Array) -> Array:
        if np.ndim(method) != 0:
            raise InvalidArgument(f"`method` should be a scalar string: {dims(np.shape(method))}")
        name = one(method, "method")
        if name != b"farmhash64":
            raise InvalidArgument(
                f"Unsupported fingerprint method: {name.decode('utf-8', 'replace')}"
            )
        if data.ndim == 0:
            raise InvalidArgument("`data` should have at least one dimension: []")
        rows = len(data)
        if data.dtype == object:
            hashes = fingerprint64(flat(data)).astype("<u8")
            if rows and data.size // rows == 1:
                return hashes.view(np.uint8).reshape(rows, 8)
            data = hashes.reshape(data.shape)
        content = np.ascontiguousarray(data).reshape(rows, -1 if data.size else 0)
        return (
            fingerprint64([row.tobytes() for row in content])
            .astype("<u8")
            .view(np.uint8)
            .reshape(rows, 8)
        )

    return kernel
