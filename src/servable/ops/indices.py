"""Indices and dimensions counted in another way."""

from __future__ import annotations

from typing import Any

import numpy as np

from servable.errors import InvalidArgument
from servable.ops.limits import check_size
from servable.ops.registry import Build, Kernel, op
from servable.ops.support import shape_text
from servable.ops.text import dims
from servable.tensors import Array

_NO_HIT = -np.finfo(np.float32).max


@op("UnravelIndex")
def unravel_index(build: Build) -> Kernel:
    """Places in row-major order as coordinates, the first dimension's in the first row."""
    dtype = build.type("Tidx").numpy

    def kernel(indices: Array, sizes: Array) -> Any:
        if indices.ndim > 1:
            raise InvalidArgument(
                f'The indices can only be scalar or vector, got "{dims(indices.shape)}"'
            )
        if sizes.ndim != 1:
            raise InvalidArgument(f'The indices can only be 1-D, got "{dims(sizes.shape)}"')
        if not indices.size or not sizes.size:
            raise InvalidArgument("received an empty tensor of indices or of dims")
        if np.any(sizes == 0):
            raise InvalidArgument("Input dims cannot contain a dim of zero, but got a zero")
        whole = 1
        for size in sizes.tolist():
            whole *= size
        if not -(2**63) <= whole < 2**63:
            raise InvalidArgument("Input dims product is causing integer overflow")
        if np.any(indices >= whole):
            raise InvalidArgument("index is out of bound as with dims")
        check_size((sizes.size, *indices.shape), 8)
        # Of negative places the coordinates are as C++ divides: those of the positive, negated.
        rest, rows = np.abs(indices.astype(np.int64)), []
        for size in reversed(sizes.tolist()):
            rows.append(rest % size)
            rest = rest // size
        made = np.stack(rows[::-1]) * np.sign(indices)
        return made.astype(dtype)

    return kernel


def _order(build: Build) -> list[int]:
    """For each letter of the target format, its place in the source format."""
    source, target = build.text("src_format"), build.text("dst_format")
    if sorted(source) != sorted(target) or len(set(source)) < len(source):
        raise build.unsupported(f"src_format={source!r} and dst_format={target!r}")
    return [source.index(letter) for letter in target]


@op("DataFormatDimMap", attrs="src_format dst_format")
def data_format_dim_map(build: Build) -> Kernel:
    """Dimensions of one format as those of another."""
    order = _order(build)
    if len(order) not in (4, 5):
        raise InvalidArgument(f"Source format must be of length 4 or 5, received {len(order)}")
    there = np.argsort(order)

    def kernel(x: Array) -> Any:
        rank = len(there)
        return there[x % rank].astype(x.dtype)

    return kernel


@op("DataFormatVecPermute", attrs="src_format dst_format")
def data_format_vec_permute(build: Build) -> Kernel:
    """One value, or a pair, for each dimension of a format in the order of another.

    A vector may leave out the batch and the channels.
    """
    order = _order(build)
    source, target = build.text("src_format"), build.text("dst_format")
    inner = [letter for letter in source if letter not in "NC"]
    spatial = [inner.index(letter) for letter in target if letter not in "NC"]

    def kernel(x: Array) -> Any:
        if x.ndim not in (1, 2):
            raise InvalidArgument(
                f"input must be a vector or 2D tensor, but got shape {shape_text(x)}"
            )
        if x.ndim == 2 and x.shape[1] != 2:
            raise InvalidArgument(
                f"Second dimension of 2D input must be of size 2, but got shape {shape_text(x)}"
            )
        if len(x) == len(order):
            return x[order]
        if len(x) == len(spatial):
            return x[spatial]
        raise InvalidArgument(
            f"Input must be of size {len(order)} or {len(spatial)}, but got shape {shape_text(x)}"
        )

    return kernel


@op("ComputeAccidentalHits", attrs="num_true", no_effect="seed seed2")
def compute_accidental_hits(build: Build) -> Kernel:
    """Which sampled candidates are among the true classes of each row.

    Outputs: rows, positions of candidates, and the weights that take them out.
    """
    count = build.int("num_true")

    def kernel(true_classes: Array, candidates: Array) -> tuple[Any, Any, Any]:
        if true_classes.ndim != 2 or true_classes.shape[1] != count:
            raise InvalidArgument("true_candidates must be a batch_size * num_true matrix")
        if candidates.ndim != 1:
            raise InvalidArgument(
                "sampled_candidates must be a vector, which is typically an output from"
                " CandidateSampler"
            )
        # Of a candidate that is sampled more than once the last position counts.
        position = {value: place for place, value in enumerate(candidates.tolist())}
        hits = [
            (row, position[value])
            for row, values in enumerate(true_classes.tolist())
            for value in values
            if value in position
        ]
        rows = np.array([row for row, _ in hits], np.int32)
        places = np.array([place for _, place in hits], np.int64)
        return rows, places, np.full(len(hits), _NO_HIT, np.float32)

    return kernel
