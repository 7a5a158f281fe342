"""From a folder to a served version: source, adapter and manager together."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from lifecycle_stage import Stage
from version_desk import Desk

from servable.contracts import Loader, ModelProvider, ServableId, Source, Target
from servable.core.adapter import LoaderAdapter
from servable.servables.echo import EchoLoader
from servable.sources.filesystem import All, FileSystemSource


class Road:
    """The whole road, one step at a time."""

    def __init__(self, root: Path) -> None:
        self.made: list[ServableId] = []
        self.desk = Desk(root)
        self.stage = Stage()
        target: Target[Loader] = self.stage.manager
        self.desk.source = FileSystemSource(
            [self.desk.model(All())],
            check=self.desk.check,
            note=self.stage.manager.note_incomplete,
        )
        source: Source[Path] = self.desk.source
        source.connect(LoaderAdapter(self.make_loader, target))

    def make_loader(self, id: ServableId, _path: Path) -> Loader:
        self.made.append(id)
        return EchoLoader()

    def go(self, polls: int = 1) -> dict[int, str]:
        for _ in range(polls):
            self.desk.source.poll_once()
            self.stage.settle()
        return self.stage.states()


def test_the_manager_provides_models(tmp_path: Path) -> None:
    road = Road(tmp_path)
    road.desk.put("1")
    road.go()
    provider: ModelProvider = road.stage.manager
    with provider.acquire("m") as handle:
        x = np.ones((2, 3), np.float32)
        assert handle.servable.run("serving_default", {"x": x}, ["x"])["x"] is x
    assert [str(status.state) for status in provider.status("m")] == ["AVAILABLE"]
    assert provider.status("nobody") == []


def test_versions_come_and_go_with_their_folders(tmp_path: Path) -> None:
    road = Road(tmp_path)
    road.desk.put("1", "2")
    assert road.go() == {2: "AVAILABLE", 1: "AVAILABLE"}
    road.desk.put("3")
    road.desk.remove("1")
    assert road.go(2) == {3: "AVAILABLE", 2: "AVAILABLE", 1: "END"}
    assert road.stage.served() == 3


def test_a_half_copied_version_is_shown_and_not_served_until_it_is_whole(tmp_path: Path) -> None:
    road = Road(tmp_path)
    road.desk.put("1")
    road.desk.put("2", whole=False)
    assert road.go(3) == {2: "START", 1: "AVAILABLE"}
    assert str(road.stage.error(2)) == "part of it is missing"
    assert road.stage.served() == 1
    road.desk.put("2")
    assert road.go(2) == {2: "AVAILABLE", 1: "AVAILABLE"}
    assert road.stage.error(2) is None


def test_a_folder_that_was_replaced_under_the_same_number_is_loaded_anew(tmp_path: Path) -> None:
    road = Road(tmp_path)
    road.desk.put("1", "2")
    road.go()
    road.desk.remove("1")
    road.go()
    road.desk.put("1")
    (tmp_path / "m" / "1" / "variables" / "data").write_bytes(b"the new weights")
    assert road.go(3) == {2: "AVAILABLE", 1: "AVAILABLE"}
    story = "START LOADING AVAILABLE UNLOADING END START LOADING AVAILABLE"
    assert road.stage.told(1) == story.split()


def test_a_replaced_folder_never_takes_the_only_version_out_of_service(tmp_path: Path) -> None:
    road = Road(tmp_path)
    road.desk.put("1")
    road.go()
    road.desk.remove("1")
    road.go()
    road.desk.put("1")
    (tmp_path / "m" / "1" / "variables" / "data").write_bytes(b"perhaps damaged")
    road.go(5)
    assert road.stage.told(1) == ["START", "LOADING", "AVAILABLE"]


def test_a_loader_is_made_only_when_the_list_changes(tmp_path: Path) -> None:
    road = Road(tmp_path)
    road.desk.put("1")
    road.go(5)
    assert road.made == [ServableId("m", 1)]
