"""What is kept in the cache, and what goes when room is needed."""

from __future__ import annotations

import os
import threading
from pathlib import Path

import pytest

from servable.errors import ResourceExhausted, Unavailable
from servable.sources.remote.cache import Cache
from servable.sources.remote.locks import try_lock, wait_lock
from servable.sources.remote.manifest import Manifest, RemoteFile, dump
from servable.sources.remote.path import RemotePath

BASE = RemotePath("s3://bucket/m")


class Shelf:
    """A cache of 100 bytes, and versions in it that nobody has fetched."""

    def __init__(self, root: Path) -> None:
        self.cache = Cache(root, 100)
        self.clock = 0
        self.stopped = threading.Event()

    def put(self, name: str, size: int) -> Path:
        made = Manifest((RemoteFile("data", size, "etag"),))
        path = self.cache.entry(BASE, name, made.digest) / name
        path.mkdir(parents=True)
        (path / "data").write_bytes(b"x" * size)
        manifest = path.parent / "manifest.json"
        manifest.write_bytes(dump(made, str(BASE)))
        self.clock += 1
        os.utime(manifest, (self.clock, self.clock))
        return path

    def find(self, name: str, size: int, owner: str = "m") -> Path | None:
        digest = Manifest((RemoteFile("data", size, "etag"),)).digest
        return self.cache.find(owner, BASE, name, digest)

    def make_room(self, size: int, name: str = "new", have: int = 0) -> None:
        partial = self.cache.shelf(BASE) / f".partial-{name}"
        partial.mkdir(parents=True, exist_ok=True)
        self.cache.make_room(partial, size, have, self.stopped)

    def there(self) -> list[str]:
        return sorted(self.cache.versions(BASE))


@pytest.fixture
def shelf(tmp_path: Path) -> Shelf:
    return Shelf(tmp_path / "cache")


def test_what_was_not_used_for_the_longest_time_goes_first(shelf: Shelf) -> None:
    for name in ("1", "2", "3"):
        shelf.put(name, 30)
    shelf.find("1", 30)
    shelf.cache.keep("m", [])
    shelf.make_room(40)
    assert shelf.there() == ["1", "3"]


def test_no_more_goes_than_must(shelf: Shelf) -> None:
    for name in ("1", "2", "3"):
        shelf.put(name, 30)
    shelf.make_room(10)
    assert shelf.there() == ["1", "2", "3"]


def test_what_is_served_stays_whoever_serves_it(shelf: Shelf) -> None:
    paths = [shelf.put(name, 30) for name in ("1", "2", "3")]
    shelf.cache.keep("m", paths[:1])
    other = Cache(shelf.cache.root, 100)  # another process
    other.keep("m", paths[1:2])
    shelf.make_room(30)
    assert shelf.there() == ["1", "2"]


def test_if_the_rest_would_not_do_nothing_goes(shelf: Shelf) -> None:
    served = shelf.put("1", 60)
    shelf.put("2", 30)
    shelf.cache.keep("m", [served])
    with pytest.raises(ResourceExhausted, match="50 bytes does not fit into the cache of 100") as e:
        shelf.make_room(50)
    assert "--remote_cache_bytes" in e.value.hint
    assert shelf.there() == ["1", "2"]


def test_what_fits_in_no_cache_removes_nothing(shelf: Shelf) -> None:
    shelf.put("1", 30)
    with pytest.raises(ResourceExhausted):
        shelf.make_room(101)
    assert shelf.there() == ["1"]


def test_a_version_is_free_to_go_when_it_is_served_no_longer(shelf: Shelf) -> None:
    shelf.cache.keep("m", [shelf.put("1", 80)])
    shelf.cache.keep("m", [shelf.put("2", 20)])
    shelf.make_room(80)
    assert shelf.there() == ["2"]


def test_what_was_served_until_now_counts_as_used(shelf: Shelf) -> None:
    old = shelf.put("1", 40)
    shelf.put("2", 40)
    shelf.cache.keep("m", [old])
    shelf.cache.keep("m", [])
    shelf.make_room(60)
    assert shelf.there() == ["1"]


def test_what_is_being_fetched_counts(shelf: Shelf) -> None:
    shelf.make_room(70, "1")
    lock = try_lock(shelf.cache.shelf(BASE) / ".partial-1" / "lock", create=True)
    assert lock is not None
    with pytest.raises(ResourceExhausted):
        shelf.make_room(40, "2")
    lock.release()
    shelf.make_room(40, "2")  # nobody goes on with it: it was left by one that was killed


def test_a_disk_without_room_is_told_before_anything_is_fetched(
    shelf: Shelf, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("shutil.disk_usage", lambda _path: Usage())
    with pytest.raises(ResourceExhausted, match="No room on the disk for a version of 50 bytes"):
        shelf.make_room(50)
    shelf.make_room(50, have=40)  # what is there already needs none


class Usage:
    total, used, free = 1000, 985, 15


def test_a_name_is_of_the_content_used_last(shelf: Shelf) -> None:
    shelf.put("1", 30)
    shelf.put("1", 40)
    assert shelf.cache.versions(BASE) == {"1": Manifest((RemoteFile("data", 40, "etag"),)).digest}
    assert shelf.cache.versions(RemotePath("s3://bucket/other")) == {}


@pytest.mark.parametrize("harm", ["shorter", "gone", "manifest"])
def test_a_version_that_is_not_whole_is_not_found(shelf: Shelf, harm: str) -> None:
    path = shelf.put("1", 30)
    if harm == "shorter":
        (path / "data").write_bytes(b"x")
    elif harm == "gone":
        (path / "data").unlink()
    else:
        (path.parent / "manifest.json").write_bytes(b"{")
    assert shelf.find("1", 30) is None
    assert not path.exists()


def test_what_was_being_removed_is_removed_at_the_next_occasion(shelf: Shelf) -> None:
    trash = shelf.cache.root / ".trash-1"
    trash.mkdir(parents=True)
    shelf.make_room(1)
    assert not trash.exists()


def test_base_paths_have_shelves_of_their_own(tmp_path: Path) -> None:
    cache = Cache(tmp_path, 1)
    urls = [
        "s3://b/m",
        "s3://b/m2",
        "s3://c/m",
        "https://b/m",
        "s3://b-m",
        f"s3://{'x' * 300}/../m",
    ]
    shelves = {cache.shelf(RemotePath(url)) for url in urls}
    assert len(shelves) == len(urls)
    assert {shelf.parent for shelf in shelves} == {tmp_path}
    assert all(len(shelf.name) < 100 for shelf in shelves)


def test_nobody_waits_for_a_lock_when_the_server_stops(shelf: Shelf) -> None:
    shelf.cache.root.mkdir(parents=True)
    lock = wait_lock(shelf.cache.root / "lock", shelf.stopped)
    assert lock is not None
    shelf.stopped.set()
    with pytest.raises(Unavailable):
        shelf.make_room(1)
    lock.release()


def test_a_lock_on_a_file_that_was_taken_away_is_none(tmp_path: Path) -> None:
    file = tmp_path / "lock"
    file.touch()
    held = try_lock(file)
    assert held is not None
    assert try_lock(file, shared=True) is None
    file.unlink()
    file.touch()
    again = try_lock(file)
    assert again is not None
    held.release()
    held.release()
    again.release()
