"""Tensors of variants other than TensorLists: object arrays of the things below."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from servable.tensors import Array


@dataclass(frozen=True, slots=True)
class TensorVariant:
    """A tensor as an element of another."""

    value: Array


@dataclass(frozen=True, slots=True)
class RaggedVariant:
    """A ragged tensor as an element of another: splits of each dimension, outermost first."""

    splits: tuple[Array, ...]
    values: Array


def variants(items: Sequence[object], shape: tuple[int, ...]) -> Array:
    """The things as a tensor."""
    made = np.empty(len(items), object)
    for place, item in enumerate(items):
        # One by one: numpy would look into anything that is like a list.
        made[place] = item
    return made.reshape(shape)
