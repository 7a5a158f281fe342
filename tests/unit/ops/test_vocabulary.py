"""Which files a graph may fill its tables from."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
from op_kernels import kernel

from servable.errors import Code, ServableError
from servable.ops.table_store import HashTable
from servable.ops.text import strings
from servable.tensors import INT64, STRING, Array


def fill(filename: bytes, assets: Path | None) -> HashTable:
    table = HashTable(STRING, INT64)
    initialise = kernel(
        "InitializeTableFromTextFileV2", assets=assets, key_index=-2, value_index=-1
    )
    initialise(table, strings([filename], ()))
    return table


def find(table: HashTable, *keys: bytes) -> list[int]:
    values: Array = table.find(strings(keys), np.asarray(-1, np.int64))
    found: list[int] = values.tolist()
    return found


@pytest.fixture
def assets(tmp_path: Path) -> Path:
    folder = tmp_path / "model" / "assets"
    folder.mkdir(parents=True)
    (folder / "vocabulary.txt").write_bytes(b"a\nb\n")
    (tmp_path / "secret.txt").write_bytes(b"secret\n")
    return folder


def test_an_asset_is_read(assets: Path) -> None:
    table = fill(os.fsencode(assets / "vocabulary.txt"), assets)

    assert find(table, b"a", b"b", b"c") == [0, 1, -1]


@pytest.mark.parametrize(
    "name",
    [
        b"{tmp}/secret.txt",
        b"{assets}/../../secret.txt",
        b"{assets}/link.txt",
        b"{assets}/../assets-of-another/x",
        b"/etc/passwd",
        b"secret.txt",
        b"{assets}/nul\0byte",
        b"gs://bucket/file",
    ],
)
def test_a_file_outside_the_assets_is_refused(name: bytes, assets: Path, tmp_path: Path) -> None:
    (assets / "link.txt").symlink_to(tmp_path / "secret.txt")
    path = name.replace(b"{tmp}", os.fsencode(tmp_path)).replace(b"{assets}", os.fsencode(assets))

    with pytest.raises(ServableError) as caught:
        fill(path, assets)

    assert caught.value.code is Code.PERMISSION_DENIED
    assert "assets" in caught.value.hint


def test_a_model_without_assets_reads_no_file(assets: Path) -> None:
    with pytest.raises(ServableError) as caught:
        fill(os.fsencode(assets / "vocabulary.txt"), None)

    assert caught.value.code is Code.PERMISSION_DENIED


@pytest.mark.parametrize(
    ("name", "code"), [("missing.txt", Code.NOT_FOUND), ("", Code.FAILED_PRECONDITION)]
)
def test_what_is_no_file_is_named(name: str, code: Code, assets: Path) -> None:
    with pytest.raises(ServableError) as caught:
        fill(os.fsencode(assets / name), assets)

    assert caught.value.code is code
    assert str(assets) in caught.value.message


def test_a_refused_file_leaves_the_table_empty(assets: Path) -> None:
    (assets / "broken.txt").write_bytes(b"a\n\n")
    table = HashTable(STRING, INT64)
    initialise = kernel(
        "InitializeTableFromTextFileV2", assets=assets, key_index=-2, value_index=-1
    )

    with pytest.raises(ServableError):
        initialise(table, strings([os.fsencode(assets / "broken.txt")], ()))

    assert not table.ready
    initialise(table, strings([os.fsencode(assets / "vocabulary.txt")], ()))
    assert find(table, b"b") == [1]
