"""Bounds on what one kernel may make."""

from __future__ import annotations

from collections.abc import Iterable

from servable.errors import InvalidArgument, ResourceExhausted

MOST_BYTES = 4 << 30
"""Bytes of the largest tensor that a kernel makes from sizes that a request names."""


MOST_STEPS = 1_000_000
"""Steps of one loop: more are taken for a loop that never ends."""


def check_size(shape: Iterable[int], itemsize: int) -> tuple[int, ...]:
    """Return the shape as plain numbers, if a tensor of it may be made.

    Raises:
        InvalidArgument: a size is negative.
        ResourceExhausted: the tensor would be larger than `MOST_BYTES`.
    """
    sizes = tuple(int(size) for size in shape)
    total = itemsize
    for size in sizes:
        if size < 0:
            raise InvalidArgument(f"Dimension {size} must be >= 0")
        total *= size
    if total > MOST_BYTES:
        text = "[" + ",".join(map(str, sizes)) + "]"
        raise ResourceExhausted(
            f"OOM when allocating tensor with shape{text}: {total} bytes,"
            f" and {MOST_BYTES} is the most"
        )
    return sizes
