"""What dtypes fed arrays must have, and what they and results are called in error texts."""

from __future__ import annotations

from collections.abc import Collection

from servable import tensors
from servable.errors import InvalidArgument
from servable.tensors import Array, DType, TensorSpec


def check_fed(fed: Collection[tuple[TensorSpec, Array]]) -> None:
    """Refuse what the peer's runtime refuses: an array of another dtype. Shapes are free.

    Raises:
        InvalidArgument: naming the first array at fault, as the runtime counts them.
    """
    if all(_fits(spec, array) for spec, array in fed):
        return
    # TensorFlow numbers the arguments of a run by the fed tensors' names, sorted, and
    # reports the first that does not fit (measured with 2.21).
    numbered = enumerate(sorted(fed, key=lambda pair: pair[0].name))
    index, spec, array = next((i, s, a) for i, (s, a) in numbered if not _fits(s, a))
    found = dtype_of(array)
    raise InvalidArgument(
        f"Expects arg[{index}] to be {spec.dtype} "
        f"but {found.name if found else array.dtype} is provided"
    )


def _fits(spec: TensorSpec, array: Array) -> bool:
    return spec.dtype is None or array.dtype == spec.dtype.numpy


def dtype_of(array: Array) -> DType | None:
    """Return the dtype of an array; None if TensorFlow has none like it."""
    try:
        return tensors.from_numpy(array.dtype)
    except KeyError:
        return None


def wire_name(array: Array) -> str:
    """Return the name of an array's dtype as texts about results have it, as in `DT_FLOAT`."""
    dtype = dtype_of(array)
    return dtype.wire_name if dtype else str(array.dtype)
