"""The machine that made the load, without its name."""

from __future__ import annotations

import os
import platform
import sysconfig
from typing import Any


def machine() -> dict[str, Any]:
    """Return what the numbers depend on, as plain data for JSON.

    `cpus` are all processors; `cpus_usable` are those that this process may run on.
    """
    everything = os.cpu_count() or 1
    usable = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else everything
    return {
        "platform": sysconfig.get_platform(),
        "cpus": everything,
        "cpus_usable": usable,
        "python": platform.python_version(),
    }
