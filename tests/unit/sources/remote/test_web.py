"""Versions on a web server that lists its folders, and processes that are killed meanwhile."""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import suppress
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("fsspec", reason="needs fsspec")
pytest.importorskip("aiohttp", reason="needs aiohttp")

from servable.errors import (
    InvalidArgument,
    NotFound,
    PermissionDenied,
    ResourceExhausted,
    ServableError,
    Unavailable,
)
from servable.sources.remote.cache import Cache
from servable.sources.remote.fetch import Fetch
from servable.sources.remote.manifest import manifest
from servable.sources.remote.options import log_progress
from servable.sources.remote.path import RemotePath
from servable.sources.remote.storage import Storage

PATIENCE = 60.0  # seconds until a test that hangs gives up; none comes near


class Web:
    """A folder on a port of this machine, and what is to go wrong with it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.pages: dict[str, str] = {}
        self.broken: dict[str, int] = {}
        self.stuck = ""
        self.half_sent, self.go_on = threading.Event(), threading.Event()
        self.got: list[str] = []
        handler = partial(Handler, web=self, directory=str(folder))
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self.base = RemotePath(f"http://127.0.0.1:{self.server.server_port}/m")
        self.storage = Storage(self.base, timeout=PATIENCE, max_files=50)

    def put(self, version: str, files: dict[str, bytes]) -> None:
        for name, content in files.items():
            file = self.folder / "m" / version / name
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(content)

    def fetch(self, cache: Path) -> Path:
        files = manifest(self.storage.files("1"), max_files=50, max_bytes=10**9)
        fetch = Fetch(self.base, self.storage, Cache(cache, 10**9), log_progress, threading.Event())
        return fetch("m", "1", files)


class Handler(SimpleHTTPRequestHandler):
    def __init__(self, *arguments: Any, web: Web, **named: Any) -> None:
        self.web = web
        with suppress(ConnectionError):  # a client that was killed
            super().__init__(*arguments, **named)

    def do_GET(self) -> None:
        web = self.web
        web.got.append(self.path)
        if self.path in web.broken:
            self.send_error(web.broken[self.path])
        elif self.path in web.pages:
            self.reply(web.pages[self.path].encode(), "text/html")
        elif self.path == web.stuck and not web.half_sent.is_set():
            content = (web.folder / self.path.lstrip("/")).read_bytes()
            self.reply(content, "application/octet-stream", pause_at=len(content) // 2)
        else:
            super().do_GET()

    def reply(self, content: bytes, kind: str, pause_at: int | None = None) -> None:
        self.send_response(200)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        if pause_at is not None:
            self.wfile.write(content[:pause_at])
            self.wfile.flush()
            self.web.half_sent.set()
            self.web.go_on.wait(PATIENCE)
        self.wfile.write(content[pause_at or 0 :])

    def log_message(self, *_arguments: Any) -> None:
        """Say nothing."""


@pytest.fixture
def web(tmp_path: Path) -> Iterator[Web]:
    made = Web(tmp_path / "www")
    thread = threading.Thread(target=made.server.serve_forever, args=(0.01,))
    thread.start()
    yield made
    made.go_on.set()
    made.server.shutdown()
    thread.join()
    made.server.server_close()


def content(path: Path) -> dict[str, bytes]:
    return {f.relative_to(path).as_posix(): f.read_bytes() for f in path.rglob("*") if f.is_file()}


def test_versions_are_the_links_of_an_index_page(web: Web, tmp_path: Path) -> None:
    files = {"saved_model.pb": b"graph", "variables/data": b"x" * 100_000, "assets/a b.txt": b"y"}
    web.put("1", files)
    web.put("v2", {"x": b""})
    assert sorted(web.storage.names()) == ["1", "v2"]
    assert content(web.fetch(tmp_path / "cache")) == files


def test_a_newer_file_is_another_version(web: Web) -> None:
    web.put("1", {"a": b"one"})
    before = web.storage.files("1")
    web.put("1", {"a": b"three"})
    assert web.storage.files("1") != before


@pytest.mark.parametrize(
    "link",
    ["../../secret", "%2e%2e/secret", "a/%2e%2e/%2e%2e/secret", "x/../../secret", "a%00b", "a%5Cb"],
)
def test_a_link_that_leads_elsewhere_is_refused(web: Web, tmp_path: Path, link: str) -> None:
    web.put("1", {"saved_model.pb": b"graph"})
    (tmp_path / "www" / "secret").write_text("secret")
    web.pages["/m/1/"] = f'<a href="saved_model.pb">x</a><a href="{link}">x</a>'
    with pytest.raises(InvalidArgument, match="not safe"):
        web.fetch(tmp_path / "cache")
    assert not (tmp_path / "cache").exists()


@pytest.mark.parametrize(
    "link", ["../", "/", "/other/1/", "http://127.0.0.2/m/7/", "?C=N;O=D", "#top", "mailto:a@b"]
)
def test_other_links_of_an_index_page_are_no_versions(web: Web, link: str) -> None:
    web.put("1", {"a": b""})
    web.pages["/m/"] = f'<a href="1/">1/</a><a href="{link}">x</a>'
    numbers = [name for name in web.storage.names() if name.isdigit()]
    assert numbers == ["1"]


def test_a_page_of_too_many_links_is_given_up(web: Web) -> None:
    web.put("1", {f"f{i}": b"" for i in range(60)})
    with pytest.raises(ResourceExhausted, match="more than 50 files"):
        web.storage.files("1")


def test_folders_in_folders_are_given_up(web: Web) -> None:
    for depth in range(20):
        web.pages["/m/1/" + "d/" * depth] = '<a href="d/">d/</a>'
    with pytest.raises(InvalidArgument, match="deeper than 16"):
        web.storage.files("1")


@pytest.mark.parametrize(
    ("status", "kind"), [(404, NotFound), (403, PermissionDenied), (500, Unavailable)]
)
def test_what_the_server_answers_is_told(web: Web, status: int, kind: type[ServableError]) -> None:
    web.broken["/m/"] = web.broken["/m"] = status
    with pytest.raises(kind, match=r"http://127\.0\.0\.1:\d+/m"):
        web.storage.names()


def test_a_server_that_is_not_there_is_told() -> None:
    nobody = Storage(RemotePath("http://127.0.0.1:1/m"), timeout=PATIENCE, max_files=10)
    with pytest.raises(Unavailable, match=r"http://127\.0\.0\.1:1/m"):
        nobody.names()


FETCH = """
import sys, threading
from pathlib import Path
from servable.sources.remote.cache import Cache
from servable.sources.remote.fetch import Fetch
from servable.sources.remote.manifest import manifest
from servable.sources.remote.options import log_progress
from servable.sources.remote.path import RemotePath
from servable.sources.remote.storage import Storage

base, cache = RemotePath(sys.argv[1]), Cache(Path(sys.argv[2]), 10**9)
storage = Storage(base, timeout=60, max_files=50)
wanted = manifest(storage.files("1"), max_files=50, max_bytes=10**9)
print(Fetch(base, storage, cache, log_progress, threading.Event())("m", "1", wanted))
"""


def fetching(web: Web, cache: Path) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", FETCH, web.base.url, str(cache)], stdout=subprocess.PIPE, text=True
    )


def test_a_process_that_is_killed_leaves_no_version_and_the_next_one_goes_on(
    web: Web, tmp_path: Path
) -> None:
    files = {"a": b"a" * 100_000, "b": b"b" * 100_000, "c": b"c"}
    web.put("1", files)
    web.stuck = "/m/1/b"
    cache = tmp_path / "cache"
    with fetching(web, cache) as process:
        assert web.half_sent.wait(PATIENCE)
        process.send_signal(signal.SIGKILL)
        process.communicate()
    web.go_on.set()
    assert Cache(cache, 10**9).versions(web.base) == {}
    assert content(web.fetch(cache)) == files
    assert web.got.count("/m/1/a") == 1
    assert list(cache.glob("*/.partial-*")) == []


def test_two_processes_with_one_cache_fetch_a_version_once(web: Web, tmp_path: Path) -> None:
    files = {"a": b"a" * 100_000, "b": b"b" * 100_000}
    web.put("1", files)
    web.stuck = "/m/1/b"
    cache = tmp_path / "cache"
    with fetching(web, cache) as first:
        assert web.half_sent.wait(PATIENCE)
        with fetching(web, cache) as second:
            while web.got.count("/m/1/") < 2:  # the second one is about to begin
                assert second.poll() is None
            web.go_on.set()
            paths = {p.communicate(timeout=PATIENCE)[0].strip() for p in (first, second)}
    (path,) = paths
    assert content(Path(path)) == files
    assert (web.got.count("/m/1/a"), web.got.count("/m/1/b")) == (1, 1)
