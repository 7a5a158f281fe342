"""Which bucket each number falls into."""

from __future__ import annotations

import numpy as np

from servable.ops.registry import Build, Kernel, op
from servable.tensors import Array


@op("Bucketize", attrs="boundaries")
def bucketize(build: Build) -> Kernel:
    """How many boundaries are no larger than each number."""
    boundaries = np.array(build.list("boundaries"), np.float32)
    if np.any(np.diff(boundaries) < 0):
        raise build.unsupported("boundaries that are not in ascending order")

    def kernel(x: Array) -> Array:
        return np.searchsorted(boundaries, x, side="right").astype(np.int32)

    return kernel
