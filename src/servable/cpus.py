"""How many processors this process may use, which is often fewer than the machine has."""

from __future__ import annotations

import math
import os
from pathlib import Path

_CGROUP = Path("/sys/fs/cgroup")
_OWN = Path("/proc/self/cgroup")


def cpu_budget() -> int:
    """Return how many CPUs may be busy at once, at least 1.

    The fewest of those that the machine has, that the scheduler gives this process, and
    that the time limits of its control group and of those around it (Linux: `cpu.max` of
    version 2, `cpu.cfs_quota_us` of version 1) come to, rounded up.
    """
    cpus = os.cpu_count() or 1
    if hasattr(os, "sched_getaffinity"):
        cpus = len(os.sched_getaffinity(0))
    limit = cgroup_limit(_CGROUP, _OWN)
    return cpus if limit is None else max(1, min(cpus, math.ceil(limit)))


def cgroup_limit(root: Path, own: Path) -> float | None:
    """Return how many CPUs' time control groups allow; None for any.

    Args:
        root: where their file system is mounted.
        own: the file that names this process's groups.
    """
    found: list[float] = []
    for line in _read(own).splitlines():
        _, controllers, path = [*line.split(":", 2), "", ""][:3]
        # A container may see its own group as the root, whatever the file calls it.
        parts = [part for part in path.split("/") if part not in ("", "..")]
        if not controllers:
            for folder in _upwards(root, parts):
                found += _limit(*[*_read(folder / "cpu.max").split(), "", ""][:2])
        elif "cpu" in controllers.split(","):
            for folder in _upwards(root / "cpu", parts):
                quota, period = (_read(folder / f"cpu.cfs_{w}_us") for w in ("quota", "period"))
                found += _limit(quota.strip(), period.strip())
    return min(found, default=None)


def _upwards(root: Path, parts: list[str]) -> list[Path]:
    return [root.joinpath(*parts[:count]) for count in range(len(parts), -1, -1)]


def _limit(quota: str, period: str) -> list[float]:
    if quota.isdecimal() and period.isdecimal() and int(period):
        return [int(quota) / int(period)]
    return []


def _read(file: Path) -> str:
    try:
        return file.read_text("utf-8", "replace")
    except OSError:
        return ""
