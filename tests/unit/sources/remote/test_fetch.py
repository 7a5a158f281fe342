"""Versions that come into the cache: whole or not at all, and not twice."""

from __future__ import annotations

import base64
import hashlib
import threading
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("fsspec", reason="needs fsspec")

from fsspec.implementations.memory import MemoryFileSystem
from remote_desk import Store

from servable.errors import Cancelled, DataLoss, ServableError, Unavailable
from servable.sources.remote import fetch as fetch_module
from servable.sources.remote import storage as storage_module
from servable.sources.remote.cache import Cache
from servable.sources.remote.fetch import Fetch
from servable.sources.remote.manifest import Manifest, RemoteFile, manifest
from servable.sources.remote.options import log_progress
from servable.sources.remote.storage import Storage

FILES = {"a": b"aaaa", "b/c": b"0123456789", "d": b""}


class Desk:
    """A storage with one version, and a cache."""

    def __init__(self, root: Path) -> None:
        self.store = Store()
        self.store.put("1", FILES)
        self.storage = Storage(self.store.base, timeout=10, max_files=100)
        self.cache = Cache(root / "cache", 1000)
        self.stopped = threading.Event()
        self.seen: list[int] = []

    def manifest(self) -> Manifest:
        return manifest(self.storage.files("1"), max_files=100, max_bytes=1000)

    def fetch(self, wanted: Manifest | None = None, cache: Cache | None = None) -> Path:
        fetch = Fetch(
            self.store.base, self.storage, cache or self.cache, log_progress, self.stopped
        )
        return fetch("m", "1", wanted or self.manifest())

    def read(self) -> list[tuple[str, int]]:
        read, self.store.read = self.store.read, []
        return read


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(tmp_path)


def content(path: Path) -> dict[str, bytes]:
    return {
        file.relative_to(path).as_posix(): file.read_bytes()
        for file in path.rglob("*")
        if file.is_file()
    }


def entries(cache: Cache) -> list[str]:
    """What a later start would take for whole versions."""
    return sorted(p.name for p in cache.root.glob("*/*") if not p.name.startswith("."))


def test_nothing_but_the_version_is_left(desk: Desk) -> None:
    path = desk.fetch()
    assert content(path) == FILES
    assert path.name == "1"
    assert {p.name for p in path.parent.iterdir()} == {"1", "manifest.json"}
    assert [p.name for p in path.parent.parent.iterdir()] == [path.parent.name]


def test_a_version_is_fetched_once(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    desk.store.spy(monkeypatch)
    assert desk.fetch() == desk.fetch()
    assert len(desk.read()) == 2  # the third file is empty


def broken_once(desk: Desk, monkeypatch: pytest.MonkeyPatch, name: str, start: int = 0) -> None:
    """Fetch, with a connection that breaks at that place."""

    def before(what: str, at: int) -> None:
        if (what, at) == (f"1/{name}", start):
            raise ConnectionResetError("reset by peer")

    with monkeypatch.context() as patch:
        desk.store.spy(patch, before)
        with pytest.raises(Unavailable, match="reset by peer"):
            desk.fetch()
    desk.read()


def test_a_broken_download_leaves_no_version_and_keeps_whole_files(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken_once(desk, monkeypatch, "b/c")
    assert entries(desk.cache) == []
    desk.store.spy(monkeypatch)
    assert content(desk.fetch()) == FILES
    assert desk.read() == [("1/b/c", 0)]


def test_a_large_file_goes_on_where_it_was_synced_last(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(storage_module, "CHUNK", 1)
    monkeypatch.setattr(fetch_module, "CHUNK", 1)
    monkeypatch.setattr(fetch_module, "SYNC", 4)
    broken_once(desk, monkeypatch, "b/c", 7)
    desk.store.spy(monkeypatch)
    assert content(desk.fetch()) == FILES
    assert desk.read()[0] == ("1/b/c", 4)


def test_a_file_that_changed_meanwhile_is_fetched_anew_and_others_are_kept(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken_once(desk, monkeypatch, "b/c")
    desk.store.put("1", {"b/c": b"9876543210"})
    desk.store.spy(monkeypatch)
    assert content(desk.fetch())["b/c"] == b"9876543210"
    assert desk.read() == [("1/b/c", 0)]


def test_leftovers_of_other_contents_are_removed(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken_once(desk, monkeypatch, "b/c")
    (shelf,) = desk.cache.root.glob("*/.partial-1")
    (shelf / "tree-00").mkdir()
    (shelf / "0123.part").write_text("x")
    assert content(desk.fetch()) == FILES
    assert not shelf.exists()


@pytest.mark.parametrize(
    ("size", "reason"),
    [(9, "more than the 9 bytes|10 bytes came, not 9"), (11, "bytes came|ended after")],
)
def test_a_file_of_another_size_than_listed_is_refused(
    desk: Desk, monkeypatch: pytest.MonkeyPatch, size: int, reason: str
) -> None:
    real = desk.manifest()
    wrong = manifest(
        [
            RemoteFile(f.name, size if f.name == "b/c" else f.size, f.token, f.url)
            for f in real.files
        ],
        max_files=10,
        max_bytes=1000,
    )

    def whole(_system: Any, path: str, **_limits: Any) -> bytes:
        return bytes(desk.store.files.store[path].getvalue())

    monkeypatch.setattr(MemoryFileSystem, "cat_file", whole)
    with pytest.raises(Unavailable, match=reason):
        desk.fetch(wrong)
    assert entries(desk.cache) == []


def test_content_that_does_not_match_the_storages_checksum_is_refused(desk: Desk) -> None:
    def with_md5(of: bytes) -> Manifest:
        md5 = base64.b64encode(hashlib.md5(of).digest()).decode()
        files = [f for f in desk.manifest().files if f.name == "a"]
        return Manifest(tuple(RemoteFile(f.name, f.size, of.hex(), f.url, md5) for f in files))

    with pytest.raises(DataLoss, match="a arrived with other content"):
        desk.fetch(with_md5(b"bbbb"))
    assert entries(desk.cache) == []
    assert content(desk.fetch(with_md5(b"aaaa"))) == {"a": b"aaaa"}


def test_a_download_that_is_not_wanted_any_more_ends(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    desk.store.spy(monkeypatch, lambda _name, _start: desk.stopped.set())
    with pytest.raises(Cancelled):
        desk.fetch()
    assert len(desk.read()) == 1


def test_a_version_that_was_damaged_in_the_cache_is_fetched_again(desk: Desk) -> None:
    path = desk.fetch()
    (path / "b" / "c").write_bytes(b"short")
    desk.cache.keep("m", [])
    assert content(desk.fetch()) == FILES


def test_two_who_want_the_same_version_fetch_it_once(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    wanted = desk.manifest()
    here, there = threading.Barrier(2, timeout=60), threading.Event()
    found: list[Path] = []

    def slowly(_name: str, _start: int) -> None:
        if not there.is_set():
            there.set()
            here.wait()  # the other one is about to begin

    desk.store.spy(monkeypatch, slowly)
    # A cache each, as two processes have.
    caches = [Cache(desk.cache.root, 1000) for _ in range(2)]
    first = threading.Thread(target=lambda: found.append(desk.fetch(wanted, caches[0])))
    first.start()
    assert there.wait(60)
    second = threading.Thread(target=lambda: found.append(desk.fetch(wanted, caches[1])))
    second.start()
    here.wait()
    first.join(60)
    second.join(60)
    assert len(set(found)) == 1
    assert len(found) == 2
    assert len(desk.read()) == 2


def test_errors_carry_no_secrets_of_the_url(tmp_path: Path) -> None:
    desk = Desk(tmp_path)
    with pytest.raises(ServableError) as caught:
        desk.storage.files("9")
    assert caught.value.message == f"{desk.store.base}/9: not found"
