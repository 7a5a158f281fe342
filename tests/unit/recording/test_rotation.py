"""Files of a log: when one is finished, which are kept, and what a full disk leaves behind."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from lifecycle_stage import FakeClock

from servable.recording import tfrecord
from servable.recording.rotation import Limits, RotatingFiles


def contents(folder: Path) -> dict[str, list[bytes]]:
    return {name: list(tfrecord.read(folder / name)) for name in sorted(os.listdir(folder))}


def name(number: int, ending: str = ".tfrecord", prefix: str = "log") -> str:
    return f"{prefix}-19700101T000000Z-{number:06d}{ending}"


@pytest.mark.parametrize(
    ("limits", "expected"),
    [
        (Limits(), [[b"aa", b"bb", b"cc"]]),
        (Limits(file_records=2), [[b"aa", b"bb"], [b"cc"]]),
        (Limits(file_bytes=36), [[b"aa", b"bb"], [b"cc"]]),
        (Limits(file_bytes=35), [[b"aa"], [b"bb"], [b"cc"]]),
        (Limits(file_bytes=1), [[b"aa"], [b"bb"], [b"cc"]]),
        (Limits(file_records=1, files=2), [[b"bb"], [b"cc"]]),
    ],
)
def test_a_full_file_is_followed_by_another_and_the_oldest_go(
    tmp_path: Path, limits: Limits, expected: list[list[bytes]]
) -> None:
    files = RotatingFiles(tmp_path / "log", limits, FakeClock())
    for data in (b"aa", b"bb", b"cc"):
        files.write(data)
    files.finish()
    assert list(contents(tmp_path).values()) == expected


def test_what_is_written_can_be_read_before_the_file_is_finished(tmp_path: Path) -> None:
    files = RotatingFiles(tmp_path / "log", clock=FakeClock())
    files.write(b"one")
    assert contents(tmp_path) == {name(1, ".tfrecord.part"): [b"one"]}
    files.finish()
    assert contents(tmp_path) == {name(1): [b"one"]}


def test_an_old_file_is_finished_when_the_next_record_comes(tmp_path: Path) -> None:
    clock = FakeClock()
    files = RotatingFiles(tmp_path / "log", Limits(file_seconds=60), clock)
    files.write(b"one")
    clock.now = 61
    files.write(b"two")
    assert contents(tmp_path) == {
        name(1): [b"one"],
        "log-19700101T000101Z-000002.tfrecord.part": [b"two"],
    }
    files.finish()


def test_files_of_other_logs_and_of_earlier_servers_are_not_written_over(tmp_path: Path) -> None:
    (tmp_path / name(1)).write_bytes(tfrecord.frame(b"earlier"))
    (tmp_path / name(2, ".tfrecord.part")).write_bytes(tfrecord.frame(b"another's"))
    files = RotatingFiles(tmp_path / "log", clock=FakeClock())
    files.write(b"ours")
    files.finish()
    assert contents(tmp_path) == {
        name(1): [b"earlier"],
        name(2, ".tfrecord.part"): [b"another's"],
        name(3): [b"ours"],
    }


def test_only_files_of_this_log_are_deleted(tmp_path: Path) -> None:
    others = ["log", "log-notes.tfrecord", name(1, prefix="log-b"), name(1, prefix="a"), "x.txt"]
    for other in others:
        (tmp_path / other).write_bytes(b"")
    files = RotatingFiles(tmp_path / "log", Limits(file_records=1, files=1), FakeClock())
    for data in (b"one", b"two", b"three"):
        files.write(data)
    files.finish()
    assert sorted(os.listdir(tmp_path)) == sorted([*others, name(3)])


def test_nothing_written_is_no_file(tmp_path: Path) -> None:
    RotatingFiles(tmp_path / "log").finish()
    assert os.listdir(tmp_path) == []


def test_others_can_not_read_what_clients_sent(tmp_path: Path) -> None:
    files = RotatingFiles(tmp_path / "log", clock=FakeClock())
    files.write(b"secret")
    assert (tmp_path / name(1, ".tfrecord.part")).stat().st_mode & 0o007 == 0
    files.finish()


def test_a_full_disk_leaves_no_half_record(tmp_path: Path) -> None:
    import resource
    import signal

    files = RotatingFiles(tmp_path / "log", clock=FakeClock())
    files.write(b"one")
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    before = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (50, hard))  # in the middle of the second record
    try:
        with pytest.raises(OSError, match="File too large"):
            files.write(b"x" * 100)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        signal.signal(signal.SIGXFSZ, before)
    files.write(b"two")
    files.finish()
    assert contents(tmp_path) == {name(1): [b"one"], name(2): [b"two"]}
