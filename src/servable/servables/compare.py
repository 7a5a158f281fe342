"""Two answers to one request, side by side."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from servable import tensors
from servable.tensors import Array, DType, Signature, TensorSpec

OTHER_SIZES = (8, 1, 64)
"""What stands for unknown sizes behind the first, in the order in which they are tried."""

_WORDS = (b"servable", b"0", b"", b"Two words", "naïve".encode())


@dataclass(frozen=True, slots=True)
class Difference:
    """How far an output is from the reference.

    Attributes:
        output: its alias.
        absolute: the largest difference of two elements; 0 for equal strings and 1 for
            others; inf where one side alone is NaN or infinite.
        relative: that, over the largest magnitude in the reference.
        problem: why the two can not be compared; "" if they can.
    """

    output: str
    absolute: float = 0.0
    relative: float = 0.0
    problem: str = ""


def random_inputs(
    signature: Signature, rows: int, size: int, random: np.random.Generator
) -> dict[str, Array] | None:
    """Make inputs for a signature; None if there is a dtype that nothing can be made of.

    Floats are normal, uint8 is anything, other integers are small and not negative, so
    that they may be indices.

    Args:
        rows: stands for an unknown first size.
        size: stands for every other unknown size.
    """
    made = {}
    for alias, spec in signature.inputs.items():
        array = _random(spec, rows, size, random)
        if array is None:
            return None
        made[alias] = array
    return made


def takes_rows(signature: Signature) -> bool:
    """Whether any input leaves its first size open."""
    return any(s.shape is None or None in s.shape[:1] for s in signature.inputs.values())


def _random(spec: TensorSpec, rows: int, size: int, random: np.random.Generator) -> Array | None:
    if spec.dtype is None:
        return None
    shape: tuple[int, ...] = (rows,)
    if spec.shape is not None:
        shape = tuple(
            (rows if axis == 0 else size) if known is None else known
            for axis, known in enumerate(spec.shape)
        )
    return _values(spec.dtype, shape, random)


def _values(dtype: DType, shape: tuple[int, ...], random: np.random.Generator) -> Array | None:
    if dtype is tensors.STRING:
        words = np.array(_WORDS, object)
        return np.asarray(words[random.integers(0, len(words), shape)], object)
    if dtype in (tensors.RESOURCE, tensors.VARIANT):
        return None
    if dtype.numpy.kind == "b":
        return random.integers(0, 2, shape).astype(bool)
    if dtype.numpy.kind in "iu":
        return random.integers(0, 256 if dtype is tensors.UINT8 else 4, shape).astype(dtype.numpy)
    return random.normal(size=shape).astype(dtype.numpy)


def differences(ours: Mapping[str, Array], reference: Mapping[str, Array]) -> list[Difference]:
    """Compare the outputs that the reference has, in its order."""
    return [
        _difference(alias, ours[alias], wanted)
        if alias in ours
        else Difference(alias, problem="is not an output of the model")
        for alias, wanted in reference.items()
    ]


def _difference(alias: str, got: Array, wanted: Array) -> Difference:
    if got.shape != wanted.shape:
        return Difference(alias, problem=f"shape {list(got.shape)}, not {list(wanted.shape)}")
    if got.dtype != wanted.dtype:
        return Difference(alias, problem=f"dtype {got.dtype}, not {wanted.dtype}")
    if got.dtype == object or got.dtype.kind == "b":
        differs = float(not np.array_equal(got, wanted))
        return Difference(alias, differs, differs)
    kind = np.complex128 if got.dtype.kind == "c" else np.float64
    a, b = got.astype(kind), wanted.astype(kind)
    with np.errstate(all="ignore"):
        gap = np.asarray(np.abs(a - b))
        gap[(a == b) | (np.isnan(a) & np.isnan(b))] = 0
        gap[np.isnan(gap)] = np.inf
        magnitudes = np.abs(b[np.isfinite(b)])
    absolute = float(gap.max(initial=0))
    if absolute == np.inf:
        return Difference(alias, absolute, absolute, "NaN or infinite on one side only")
    largest = float(magnitudes.max(initial=0))
    return Difference(alias, absolute, absolute / largest if largest else absolute)
