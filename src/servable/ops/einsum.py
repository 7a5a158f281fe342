"""Einstein summation, as a product of matrices.

Every label of an equation is one of: *batch*, in both inputs and the output; *summed*,
in both inputs only; *free*, in one input and the output. What is in one input only is
summed beforehand. With the dimensions in the order batch, free, summed, what is left
is one call of matmul.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np

from servable.errors import InvalidArgument
from servable.ops.halves import wide
from servable.ops.limits import check_size
from servable.ops.registry import Build, Island, Kernel, op
from servable.ops.support import shape_text
from servable.tensors import Array

ELLIPSIS = "..."

Label: TypeAlias = str | int
"""A label of the equation, or the number of an ellipsis dimension counted from the last."""


@dataclass(frozen=True)
class _Equation:
    """Labels of each input and of the output; an ellipsis is one of them."""

    inputs: tuple[tuple[str, ...], ...]
    output: tuple[str, ...]


@op("Einsum", attrs="equation", island=Island.HEAVY)
def einsum(build: Build) -> Kernel:
    """Sums of products of elements of one or two tensors, as an equation like `ij,jk->ik`."""
    equation = _parsed(build, build.text("equation"))

    def kernel(*arrays: Array) -> Any:
        labelled = [
            _expanded(labels, array, number)
            for number, (labels, array) in enumerate(zip(equation.inputs, arrays, strict=True))
        ]
        output = _output(equation.output, labelled)
        sizes = _sizes(labelled, arrays)
        check_size((sizes.get(label, 1) for label in output), arrays[0].itemsize)
        terms = [_Term(labels, wide(a)) for labels, a in zip(labelled, arrays, strict=True)]
        result = _multiplied(terms, output) if len(terms) == 2 else _only(terms[0], output)
        return _spread(result, output).astype(arrays[0].dtype, copy=False)

    return kernel


def _parsed(build: Build, text: str) -> _Equation:
    left, arrow, right = text.partition("->")
    if not arrow or "->" in right:
        raise build.unsupported(f"equation {text!r}: exactly one '->' is expected")
    inputs = tuple(_labels(build, part) for part in left.split(","))
    if len(inputs) != len(build.node.inputs) or len(inputs) > 2:
        raise build.unsupported(f"equation {text!r} and {len(build.node.inputs)} inputs")
    output = _labels(build, right)
    missing = set(output) - {ELLIPSIS, *(label for labels in inputs for label in labels)}
    if missing:
        raise build.unsupported(f"equation {text!r}: no input has {', '.join(sorted(missing))}")
    return _Equation(inputs, output)


def _labels(build: Build, text: str) -> tuple[str, ...]:
    before, dots, after = text.partition(ELLIPSIS)
    labels = (*before, *([ELLIPSIS] if dots else []), *after)
    if "." in labels:
        raise build.unsupported(f"the subscript {text!r}: at most one ellipsis is expected")
    return labels


def _expanded(labels: Sequence[str], array: Array, number: int) -> tuple[Label, ...]:
    """One label for each dimension of an input."""
    if ELLIPSIS not in labels:
        if array.ndim != len(labels):
            raise InvalidArgument(
                f"Expected input {number} to have rank {len(labels)} but got: {array.ndim}"
            )
        return tuple(labels)
    extra = array.ndim - len(labels) + 1
    if extra < 0:
        raise InvalidArgument(
            f"Expected input {number} to have rank at least {len(labels) - 1} but got: {array.ndim}"
        )
    return _with_ellipsis(labels, extra)


def _with_ellipsis(labels: Sequence[str], extra: int) -> tuple[Label, ...]:
    at = labels.index(ELLIPSIS)
    return (*labels[:at], *range(extra - 1, -1, -1), *labels[at + 1 :])


def _output(labels: Sequence[str], inputs: Sequence[Sequence[Label]]) -> tuple[Label, ...]:
    extra = max(sum(isinstance(label, int) for label in one) for one in inputs)
    if ELLIPSIS in labels:
        return _with_ellipsis(labels, extra)
    if extra:
        raise InvalidArgument(
            f"Output contains {extra} broadcasting dimension(s) but no ellipsis (...) was"
            " found in the output subscripts."
        )
    return tuple(labels)


def _sizes(inputs: Sequence[Sequence[Label]], arrays: Sequence[Array]) -> Mapping[Label, int]:
    sizes: dict[Label, int] = {}
    for labels, array in zip(inputs, arrays, strict=True):
        for axis, (label, size) in enumerate(zip(labels, array.shape, strict=True)):
            known = sizes.setdefault(label, size)
            if known == size:
                continue
            if not isinstance(label, int):
                raise InvalidArgument(
                    f"Expected dimension {known} at axis {axis} of the input shaped"
                    f" {shape_text(array)} but got dimension {size}"
                )
            if 1 not in (known, size):
                raise InvalidArgument(
                    "In[0] and In[1] must have compatible batch dimensions:"
                    f" {shape_text(arrays[0])} vs. {shape_text(arrays[1])}"
                )
            sizes[label] = size if known == 1 else known
    return sizes


class _Term:
    """An array whose dimensions have labels."""

    def __init__(self, labels: Sequence[Label], array: Array) -> None:
        """Take the diagonal where a label repeats."""
        distinct = tuple(dict.fromkeys(labels))
        if len(distinct) < len(labels):
            numbers = [distinct.index(label) for label in labels]
            array = np.einsum(array, numbers, list(range(len(distinct))))
        self.labels = distinct
        self.array = array

    def reduced(self, keep: Sequence[Label]) -> _Term:
        """Summed over every label that is not to be kept."""
        axes = tuple(i for i, label in enumerate(self.labels) if label not in keep)
        if not axes:
            return self
        total = np.sum(self.array, axis=axes, dtype=self.array.dtype)
        return _Term([label for label in self.labels if label in keep], total)

    def ordered(self, *groups: Sequence[Label]) -> Array:
        """Dimensions in the order of the groups; a label that it lacks has size 1."""
        axes = [self.labels.index(x) for group in groups for x in group if x in self.labels]
        shape = [
            self.array.shape[self.labels.index(label)] if label in self.labels else 1
            for group in groups
            for label in group
        ]
        return self.array.transpose(axes).reshape(shape)


def _only(term: _Term, output: Sequence[Label]) -> Array:
    distinct = tuple(dict.fromkeys(output))
    return term.reduced(distinct).ordered(distinct)


def _multiplied(terms: Sequence[_Term], output: Sequence[Label]) -> Array:
    """The product of two terms, its dimensions in the order of the output's labels."""
    distinct = tuple(dict.fromkeys(output))
    x = terms[0].reduced((*terms[1].labels, *distinct))
    y = terms[1].reduced((*terms[0].labels, *distinct))
    both = set(x.labels) & set(y.labels)
    batch = [label for label in distinct if label in both or isinstance(label, int)]
    summed = [label for label in x.labels if label in both and label not in batch]
    rows = [label for label in distinct if label in x.labels and label not in batch]
    columns = [label for label in distinct if label in y.labels and label not in batch]

    left, right = x.ordered(batch, rows, summed), y.ordered(batch, summed, columns)
    stack = len(batch)
    row_sizes = left.shape[stack : stack + len(rows)]
    column_sizes = right.shape[stack + len(summed) :]
    inner = math.prod(right.shape[stack : stack + len(summed)])
    left = left.reshape(*left.shape[:stack], math.prod(row_sizes), inner)
    right = right.reshape(*right.shape[:stack], inner, math.prod(column_sizes))
    # A product over nothing is no sum, and much slower as one.
    product = np.matmul(left, right) if summed else left * right
    made = (*batch, *rows, *columns)
    shape = (*product.shape[:stack], *row_sizes, *column_sizes)
    return _Term(made, product.reshape(shape)).ordered(distinct)


def _spread(array: Array, output: Sequence[Label]) -> Array:
    """Put the elements on the diagonal of dimensions whose label repeats."""
    distinct = tuple(dict.fromkeys(output))
    if len(distinct) == len(output):
        return array
    size = dict(zip(distinct, array.shape, strict=True))
    made = np.zeros([size[label] for label in output], array.dtype)
    index = np.ogrid[tuple(slice(s) for s in array.shape)]
    made[tuple(index[distinct.index(label)] for label in output)] = array
    return made
