"""What a measurement was made on. A figure without this says little."""

from __future__ import annotations

import os
import platform
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path


def describe(packages: Sequence[str]) -> dict[str, str | int]:
    """Name the processor, its cores that this process may use, memory, system and versions."""
    return {
        "cpu": _cpu(),
        "cores": len(os.sched_getaffinity(0)) if _on_linux() else os.cpu_count() or 1,
        "memory_gib": round(_memory_bytes() / 2**30),
        "system": f"{platform.system()} {platform.release().partition('-')[0]}",
        "python": platform.python_version(),
        **{package: version(package) for package in packages},
    }


def line(machine: dict[str, str | int]) -> str:
    """The description as one sentence."""
    known = ("cpu", "cores", "memory_gib", "system")
    versions = ", ".join(f"{name} {value}" for name, value in machine.items() if name not in known)
    return (
        f"{machine['cpu']}, {machine['cores']} cores, {machine['memory_gib']} GiB,"
        f" {machine['system']}; {versions}"
    )


def peak_rss(pid: int | str = "self") -> int | None:
    """Bytes of memory a process held at most since its program began; None where unknown.

    VmHWM rather than getrusage: the kernel's ru_maxrss keeps what the parent held when it
    forked.
    """
    status = Path(f"/proc/{pid}/status")
    if not status.exists():
        return None
    for text in status.read_text().splitlines():
        if text.startswith("VmHWM:"):
            return int(text.split()[1]) * 1024
    return None


def _on_linux() -> bool:
    return platform.system() == "Linux"


def _cpu() -> str:
    if _on_linux():
        for text in Path("/proc/cpuinfo").read_text().splitlines():
            if text.startswith("model name"):
                return text.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def _memory_bytes() -> int:
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
