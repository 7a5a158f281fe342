"""Levenshtein distances of the rows of sparse tensors."""

from __future__ import annotations

import numpy as np

from servable.errors import Internal, InvalidArgument
from servable.ops.registry import Build, Kernel, op
from servable.ops.sparse_support import flat_places, group_starts, merged
from servable.ops.support import blank
from servable.ops.text import dims
from servable.tensors import Array


@op("EditDistance", attrs="normalize")
def edit_distance(build: Build) -> Kernel:
    """How many insertions, deletions and replacements make each truth of its hypothesis.

    On request divided by the length of the truth: infinite where that is 0.
    """
    normalize = build.bool("normalize")

    def kernel(
        indices: Array, values: Array, shape: Array,
        truth: Array, truth_values: Array, truth_shape: Array,
    ) -> Array:  # fmt: skip
        _check((indices, values, shape), (truth, truth_values, truth_shape))
        sizes = np.maximum(shape, truth_shape)[:-1].tolist()
        made = blank(sizes, np.dtype(np.float32))
        if not made.size:
            raise InvalidArgument(f"Got output shape {dims(sizes)} which has 0 elements")
        if values.dtype == object:
            values, truth_values = _numbered(values, truth_values)
        starts, true_starts = group_starts(indices[:, :-1]), group_starts(truth[:, :-1])
        rows, true_rows = indices[starts, :-1], truth[true_starts, :-1]
        sequences, truths = _split(values, starts), _split(truth_values, true_starts)
        ours, theirs = merged(rows, true_rows)
        both = np.concatenate((rows, true_rows))
        places = flat_places(both[np.where(ours >= 0, ours, theirs + len(rows))], sizes)
        wrong = (places < 0) | (places >= made.size)
        if wrong.any():
            raise Internal(
                f"Got an inner product {int(places[wrong][0])} which would require writing to"
                f" outside of the buffer for the output tensor (max elements {made.size})"
            )
        for place, mine, other in zip(places.tolist(), ours.tolist(), theirs.tolist(), strict=True):
            steps = np.float32(_distance(sequences[mine], truths[other]))
            length = np.float32(truths[other].size)
            made.reshape(-1)[place] = np.divide(steps, length) if normalize else steps
        return made

    return kernel


def _split(values: Array, starts: Array) -> list[Array]:
    """The sequences, and one of nothing at the end, which stands for those that are missing."""
    ends = [*starts[1:].tolist(), values.size]
    parts = [values[start:end] for start, end in zip(starts.tolist(), ends, strict=False)]
    return [*parts, values[:0]]


def _numbered(a: Array, b: Array) -> tuple[Array, Array]:
    """Numbers that are equal where the strings are."""
    known: dict[bytes, int] = {}
    numbers = [known.setdefault(s, len(known)) for s in [*a.tolist(), *b.tolist()]]
    both = np.array(numbers, np.int64)
    return both[: a.size], both[a.size :]


def _distance(a: Array, b: Array) -> int:
    if a.size > b.size:
        a, b = b, a
    each = np.arange(b.size + 1)
    row = each
    for number, item in enumerate(a, 1):
        # Replaced or deleted; then inserted, any number of times.
        made = np.empty_like(row)
        made[0] = number
        made[1:] = np.minimum(row[:-1] + (b != item), row[1:] + 1)
        row = np.minimum.accumulate(made - each) + each
    return int(row[-1])


def _check(a: tuple[Array, Array, Array], b: tuple[Array, Array, Array]) -> None:
    kinds = (("indices", "matrix", 2), ("values", "vector", 1), ("shape", "vector", 1))
    for place, (part, what, rank) in enumerate(kinds):
        for name, x in (("hypothesis", a[place]), ("truth", b[place])):
            if x.ndim != rank:
                raise InvalidArgument(
                    f"{name}_{part} should be a {what}, but got shape: {dims(x.shape)}"
                )
    for name, (indices, values, shape) in (("hypothesis", a), ("truth", b)):
        if name == "truth" and shape.size < 2:
            raise InvalidArgument(
                "Input SparseTensors must have rank at least 2, but truth_shape rank is:"
                f" {shape.size}"
            )
        for part, x, side, size in (
            ("shape", shape, "cols", indices.shape[1]),
            ("values", values, "rows", len(indices)),
        ):
            if x.size != size:
                raise InvalidArgument(
                    f"Expected {name}_{part}.NumElements == #{side}({name}_indices), their shapes"
                    f" are: {dims(x.shape)} and {dims(indices.shape)}"
                )
        if np.any(shape < 0):
            raise InvalidArgument(f"Dimension {int(shape[shape < 0][0])} must be >= 0")
    if a[2].size != b[2].size:
        raise InvalidArgument(
            "Expected truth and hypothesis to have matching ranks, but their shapes are:"
            f" {dims(b[2].shape)} and {dims(a[2].shape)}"
        )
