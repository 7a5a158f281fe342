"""Ops that only have to be there: triggers, stand-ins for values, and where things run."""

from __future__ import annotations

from typing import Any

import numpy as np

from servable.ops.registry import Build, Kernel, op
from servable.ops.support import blank


@op("ControlTrigger")
def control_trigger(build: Build) -> Kernel:
    """Nothing."""
    del build
    return lambda: None


@op("FakeParam", attrs="shape")
def fake_param(build: Build) -> Kernel:
    """A value that nobody looks at: where a branch has none to give."""
    shape: Any = build.node.attrs["shape"]
    known = () if shape is None else tuple(size or 0 for size in shape)
    made = blank(known, build.type("dtype").numpy)
    return lambda: made


@op("DeviceIndex", attrs="device_names")
def device_index(build: Build) -> Kernel:
    """The place of the CPU in a list of devices; their number if it is not there."""
    names = [name.decode("utf-8", "replace") for name in build.list("device_names")]
    index = np.asarray(names.index("CPU") if "CPU" in names else len(names), np.int32)
    return lambda: index


@op("ParallelConcat", no_effect="shape")
def parallel_concat(build: Build) -> Kernel:
    """Tensors whose first dimension is 1, one after another."""
    del build
    return lambda *rows: np.concatenate(rows)
