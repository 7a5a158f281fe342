"""How many CPUs a process may use, by what control groups say."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from servable.cpus import cgroup_limit, cpu_budget


def test_the_budget_is_between_one_and_what_the_machine_has() -> None:
    assert 1 <= cpu_budget() <= (os.cpu_count() or 1)


@pytest.mark.parametrize(
    ("own", "files", "expected"),
    [
        ("0::/a/b", {"a/b/cpu.max": "150000 100000\n"}, 1.5),
        ("0::/a/b", {"a/cpu.max": "50000 100000\n", "a/b/cpu.max": "200000 100000\n"}, 0.5),
        ("0::/a/b", {"a/b/cpu.max": "max 100000\n"}, None),
        ("0::/../outside", {"cpu.max": "300000 100000\n"}, 3.0),
        ("0::/", {}, None),
        (
            "4:cpu,cpuacct:/a",
            {"cpu/a/cpu.cfs_quota_us": "200000\n", "cpu/a/cpu.cfs_period_us": "100000\n"},
            2.0,
        ),
        (
            "4:cpu,cpuacct:/a",
            {"cpu/a/cpu.cfs_quota_us": "-1\n", "cpu/a/cpu.cfs_period_us": "100000\n"},
            None,
        ),
        ("4:memory:/a", {"cpu/a/cpu.cfs_quota_us": "1\n"}, None),
        ("nonsense", {"cpu.max": "nonsense"}, None),
        ("0::/a", {"a/cpu.max": "100 0\n"}, None),
        ("", {}, None),
    ],
)
def test_the_tightest_limit_counts(
    tmp_path: Path, own: str, files: dict[str, str], expected: float | None
) -> None:
    (tmp_path / "own").write_text(own + "\n")
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)

    assert cgroup_limit(tmp_path, tmp_path / "own") == expected
