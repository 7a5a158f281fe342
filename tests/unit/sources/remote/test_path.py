"""URLs as base paths, and what must be installed for them."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any

import pytest

from servable.errors import InvalidArgument, Unimplemented
from servable.sources.remote.options import cache_folder, log_progress
from servable.sources.remote.path import RemotePath, check_readable, remote_path


@pytest.mark.parametrize(
    ("text", "url"),
    [
        ("s3://bucket/m", "s3://bucket/m"),
        ("S3://Bucket/m/", "s3://Bucket/m"),
        ("gs://bucket", "gs://bucket"),
        ("https://host:8080/a/m/", "https://host:8080/a/m"),
        ("memory://m", "memory://m"),
    ],
)
def test_a_text_with_a_scheme_is_a_url(text: str, url: str) -> None:
    assert remote_path(text) == RemotePath(url)


@pytest.mark.parametrize("text", ["/models/m", "m", "file:///models/m", "s3:/m", "C:\\models", ""])
def test_other_texts_are_paths_of_this_machine(text: str) -> None:
    assert remote_path(text) is None


def test_a_url_is_shown_without_its_secrets() -> None:
    path = RemotePath("https://me:secret@host/models/m?token=secret")
    assert str(path) == "https://host/models/m"
    assert str(RemotePath("s3://bucket/m") / "1") == "s3://bucket/m/1"


@pytest.mark.parametrize(
    ("url", "name"), [("s3://b/models/ranker", "ranker"), ("s3://b", ""), ("https://h:1/m", "m")]
)
def test_a_model_is_called_after_the_last_part(url: str, name: str) -> None:
    assert RemotePath(url).name == name


@pytest.mark.parametrize(
    ("url", "extra"), [("s3://b/m", "s3"), ("gs://b/m", "gcs"), ("https://h/m", "http")]
)
def test_without_the_extra_the_line_that_installs_it_is_told(
    monkeypatch: pytest.MonkeyPatch, url: str, extra: str
) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda _name: None)
    with pytest.raises(Unimplemented) as caught:
        check_readable(RemotePath(url))
    assert f"pip install 'servable[{extra}]'" in caught.value.hint


def test_without_what_reads_the_storage_the_line_that_installs_it_is_told(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    fsspec = pytest.importorskip("fsspec", reason="needs fsspec")

    def missing(_scheme: str) -> Any:
        raise ImportError("Install s3fs to access S3")

    monkeypatch.setattr(fsspec, "get_filesystem_class", missing)
    with pytest.raises(Unimplemented) as caught:
        check_readable(RemotePath("s3://b/m"))
    assert caught.value.message == "File system scheme 's3' not implemented (file: 's3://b/m')"
    assert "pip install 'servable[s3]'" in caught.value.hint


def test_an_unknown_scheme_is_refused_before_anything_is_served() -> None:
    pytest.importorskip("fsspec", reason="needs fsspec")
    with pytest.raises(Unimplemented, match="File system scheme 'nowhere' not implemented"):
        check_readable(RemotePath("nowhere://b/m"))


@pytest.mark.parametrize("url", ["memory://m?x=1", "memory://m#x", "memory://a::memory://b"])
def test_what_nothing_can_be_under_is_no_base_path(url: str) -> None:
    pytest.importorskip("fsspec", reason="needs fsspec")
    with pytest.raises(InvalidArgument, match="can be no base path"):
        check_readable(RemotePath(url))


def test_the_cache_is_where_the_platform_keeps_such_things(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr("sys.platform", "linux")
    assert cache_folder({"XDG_CACHE_HOME": str(tmp_path)}) == tmp_path / "servable"
    assert cache_folder({}) == Path.home() / ".cache" / "servable"


def test_a_user_without_a_home_has_a_cache_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.path.expanduser", lambda path: path)
    assert cache_folder({}) == Path("/var/cache/servable")


def test_a_long_download_is_told_in_lines_with_its_rate(caplog: pytest.LogCaptureFixture) -> None:
    now = [0.0]
    with caplog.at_level("INFO"), log_progress("m", 40_000_000, clock=lambda: now[0]) as tell:
        tell(1_000_000)
        assert caplog.messages == []
        now[0] = 10.0
        tell(19_000_000)
        tell(1)
    assert caplog.messages == ["m: 20 of 40 MB, 2.0 MB/s"]
