"""Paths become loaders; what goes wrong with one version stays with it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from servable.contracts import Loader, ServableData, ServableId
from servable.core.adapter import LoaderAdapter
from servable.errors import DataLoss, Internal, UnknownError
from servable.servables.echo import EchoLoader


class Heard:
    def __init__(self) -> None:
        self.lists: list[tuple[str, list[ServableData[Loader]]]] = []

    def set_aspired_versions(self, name: str, versions: Sequence[ServableData[Loader]]) -> None:
        self.lists.append((name, list(versions)))


def make_loader(id: ServableId, path: Path) -> Loader:
    if id.version == 13:
        raise DataLoss("unlucky")
    if id.version == 14:
        raise ValueError("worse")
    assert path == Path(f"/models/{id.version}")
    return EchoLoader()


def test_each_path_becomes_a_loader_or_an_error(caplog: pytest.LogCaptureFixture) -> None:
    heard = Heard()
    early = Internal("No platform found for model")
    versions: list[ServableData[Path]] = [
        ServableData(ServableId("m", v), Path(f"/models/{v}")) for v in (1, 13, 14)
    ]
    versions.append(ServableData(ServableId("m", 15), error=early))
    LoaderAdapter(make_loader, heard).set_aspired_versions("m", versions)
    ((name, adapted),) = heard.lists
    assert name == "m"
    assert [data.id.version for data in adapted] == [1, 13, 14, 15]
    assert isinstance(adapted[0].payload, EchoLoader)
    assert [data.payload for data in adapted[1:]] == [None, None, None]
    errors = [data.error for data in adapted]
    assert errors[0] is None
    assert [str(error) for error in errors[1:]] == [
        "unlucky",
        "ValueError: worse",
        "No platform found for model",
    ]
    assert isinstance(errors[2], UnknownError)
    assert "m 14: no loader could be made" in caplog.text


def test_an_empty_list_is_passed_on() -> None:
    heard = Heard()
    LoaderAdapter(make_loader, heard).set_aspired_versions("m", [])
    assert heard.lists == [("m", [])]
