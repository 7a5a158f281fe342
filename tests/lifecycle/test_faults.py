"""What goes wrong with versions: the last good one answers, status says why, mending suffices.

Whole servers without ports, over real SavedModels. `test_storage_faults` has base paths that
vanish, `test_loading` loaders that raise, `test_harness` and `test_threads` what they leave
behind, `tests/e2e/test_config_file` files of garbage in a server's place.
"""

from __future__ import annotations

import os
import shutil
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
from lifecycle_stage import FakeLoader, Stage

from servable.config.models import ModelConfig
from servable.contracts import Loader
from servable.core.clock import SystemClock
from servable.core.labels import LabelRule
from servable.core.manager import Manager
from servable.errors import ServableError, Unavailable
from servable.servables.saved_model import SavedModelLoader
from servable.server.assemble import Server
from servable.server.config import Loading, ServerConfig
from servable.sources.filesystem import All, WatchedModel
from servable.transport.admin_calls import Addition

HALF = Path(__file__).parents[1] / "data" / "models" / "tf1_half_plus_two"
DATA = "variables/variables.data-00000-of-00001"
PATIENCE = 60.0
AS_ROOT = os.geteuid() == 0

Spoil = Callable[[Path], None]


def half_copied(folder: Path) -> None:
    shutil.rmtree(folder / "variables")


def truncated_graph(folder: Path) -> None:
    os.truncate(folder / "saved_model.pb", 5000)


def truncated_weights(folder: Path) -> None:
    os.truncate(folder / DATA, 3)


def flipped_bit(folder: Path) -> None:
    content = bytearray((folder / DATA).read_bytes())
    content[1] ^= 0x40
    (folder / DATA).write_bytes(content)


def unreadable_file(folder: Path) -> None:
    (folder / "saved_model.pb").unlink()
    (folder / "saved_model.pb").symlink_to("/proc/self/mem")  # opens, and then reads fail


def closed_file(folder: Path) -> None:
    (folder / DATA).chmod(0)


def closed_folder(folder: Path) -> None:
    folder.chmod(0)


def garbage(folder: Path) -> None:
    (folder / "saved_model.pb").write_bytes(b"\xff" * 4096)


def mend(folder: Path) -> None:
    if not folder.stat().st_mode & 0o100:
        folder.chmod(0o755)
    for path in HALF.rglob("*"):
        copy = folder / path.relative_to(HALF)
        if path.is_dir():
            copy.mkdir(exist_ok=True)
        elif copy.is_symlink() or not copy.exists() or not copy.stat().st_mode & 0o400:
            copy.unlink(missing_ok=True)
            shutil.copy(path, copy)
        elif copy.read_bytes() != path.read_bytes():
            shutil.copy(path, copy)


class Site:
    """A server over a folder with version 1 of the model `half`."""

    def __init__(self, root: Path) -> None:
        self.base = root / "half"
        shutil.copytree(HALF, self.base / "1")
        self.make: Callable[[Path], Loader] = SavedModelLoader

    @contextmanager
    def open(self) -> Iterator[Server]:
        config = ServerConfig(
            (WatchedModel("half", self.base, All()),),
            grpc_port=None,
            rest_port=None,
            poll_seconds=0.01,
            grace_seconds=1.0,
            batching=None,
            loading=Loading(max_retries=1, retry_seconds=0.01, warmup_iterations=0),
        )
        with Server(config, lambda path: self.make(path)) as server:  # noqa: PLW0108  # it changes
            assert server.wait_until_settled(PATIENCE)
            yield server

    def arrive(self, spoil: Spoil = lambda _: None) -> Path:
        """Put version 2 in place, spoilt."""
        folder = self.base / "2"
        shutil.copytree(HALF, self.base / "2.tmp")
        spoil(self.base / "2.tmp")
        (self.base / "2.tmp").rename(folder)
        return folder


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return Site(tmp_path)


def answer(server: Server, version: int | None = None) -> float:
    with server.models.acquire("half", version) as handle:
        outputs = handle.servable.run("serving_default", {"x": np.array([[2.0]], "f4")}, ["y"])
    return float(outputs["y"][0, 0])


def state(server: Server, version: int = 2) -> tuple[str, ServableError | None]:
    found = server.models.status("half", version)
    return (found[0].state, found[0].error) if found else ("", None)


def eventually(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE
    pause = threading.Event()
    while not condition():
        assert time.monotonic() < deadline, "this never came true"
        pause.wait(0.005)


@pytest.mark.parametrize(
    "spoil",
    [
        half_copied,
        truncated_graph,
        truncated_weights,
        flipped_bit,
        unreadable_file,
        garbage,
        pytest.param(closed_file, marks=pytest.mark.skipif(AS_ROOT, reason="root reads it")),
        pytest.param(closed_folder, marks=pytest.mark.skipif(AS_ROOT, reason="root reads it")),
    ],
)
def test_a_spoilt_version_is_told_and_loaded_once_it_is_mended(site: Site, spoil: Spoil) -> None:
    with site.open() as server:
        folder = site.arrive(spoil)
        eventually(lambda: state(server)[0] in ("START", "END") and state(server)[1] is not None)
        assert answer(server) == 3.0
        assert state(server, 1)[0] == "AVAILABLE"
        mend(folder)
        eventually(lambda: state(server) == ("AVAILABLE", None))
        assert answer(server, 2) == 3.0


def test_a_version_that_is_deleted_while_it_loads_is_told_and_loaded_when_it_is_back(
    site: Site,
) -> None:
    deleted = threading.Event()

    class Deleting(SavedModelLoader):
        def load(self) -> None:
            if not deleted.is_set():
                shutil.rmtree(site.base / "2")
                deleted.set()
            super().load()

    with site.open() as server:
        site.make = Deleting
        site.arrive()
        eventually(lambda: deleted.is_set() and state(server)[0] == "END")
        assert state(server)[1] is not None
        assert answer(server) == 3.0
        site.arrive()
        eventually(lambda: state(server)[0] == "AVAILABLE")


def test_a_loader_that_raises_anything_takes_nothing_out_of_service(site: Site) -> None:
    failures: list[BaseException] = [SystemExit(3), MemoryError("no more")]

    class Raising(SavedModelLoader):
        def load(self) -> None:
            if failures:
                raise failures.pop()
            super().load()

    with site.open() as server:
        site.make = Raising
        folder = site.arrive()
        eventually(lambda: state(server)[0] == "END")
        error = state(server)[1]
        assert error is not None
        assert error.message == "SystemExit: 3"
        assert answer(server) == 3.0
        os.utime(folder / "saved_model.pb")  # somebody has touched it: tried again
        eventually(lambda: state(server)[0] == "AVAILABLE")


def test_a_loader_that_hangs_holds_up_nobody_and_not_the_stop(site: Site) -> None:
    entered, gate = threading.Event(), threading.Event()

    class Hanging(SavedModelLoader):
        def load(self) -> None:
            entered.set()
            assert gate.wait(PATIENCE)

    with site.open() as server:
        site.make = Hanging
        site.arrive()
        assert entered.wait(PATIENCE)
        site.make = SavedModelLoader
        server.repository.add(Addition("other", str(site.base), "1"))
        eventually(lambda: any(s.state == "AVAILABLE" for s in server.models.status("other")))
        assert state(server)[0] == "LOADING"
        assert answer(server) == 3.0
    # Leaving the block has stopped the server, within its grace, and the load still hangs.
    assert not gate.is_set()
    gate.set()


@pytest.mark.parametrize("moment", [0.0, 4102444800.0])  # 1970, 2100
def test_files_from_any_time_are_loaded_and_replaced(site: Site, moment: float) -> None:
    with site.open() as server:
        folder = site.arrive(flipped_bit)
        os.utime(folder / DATA, (moment, moment))
        eventually(lambda: state(server)[1] is not None)
        mend(folder)
        eventually(lambda: state(server)[0] == "AVAILABLE")


class Jumping(SystemClock):
    """A wall clock that somebody sets, beside a monotonic one that goes on."""

    def __init__(self) -> None:
        self.now = 0.0
        self.offset = 0.0

    def monotonic(self) -> float:
        return self.now

    def wall(self) -> float:
        return 1e9 + self.now + self.offset


@pytest.mark.parametrize("jump", [-1e8, 1e8])
def test_a_wall_clock_that_jumps_changes_no_retry_and_no_answer(jump: float) -> None:
    clock = Jumping()
    stage = Stage()
    stage.manager = Manager(load_threads=0, unload_threads=0, load_retry_seconds=60.0, clock=clock)
    stage.want("m", {1: FakeLoader()})
    stage.settle()
    stage.want("m", {1: FakeLoader(), 2: FakeLoader(Unavailable("not yet"))})
    stage.settle()
    clock.offset = jump
    clock.now += 59.0
    stage.settle()
    assert stage.states() == {1: "AVAILABLE", 2: "LOADING"}
    clock.now += 1.0
    stage.settle()
    assert stage.states() == {1: "AVAILABLE", 2: "AVAILABLE"}
    assert stage.served() == 2


def test_fifty_who_change_what_is_served_disturb_fifty_who_ask(site: Site) -> None:
    changers, askers, rounds = 50, 50, 4
    over = threading.Event()
    models = ServerConfig((WatchedModel("half", site.base, All()),)).models

    with site.open() as server:

        def change(number: int) -> None:
            name = f"m{number}"
            repository = server.repository
            for turn in range(rounds):
                match (number + turn) % 5:
                    case 0:
                        repository.add(Addition(name, str(site.base)))
                        repository.remove(name)
                    case 1:
                        repository.look_again("half")
                    case 2:
                        repository.relabel("half", {name: 1})
                    case 3:
                        repository.relabel("half", {name: None})
                    case 4:
                        listed = [ModelConfig(name, str(site.base))]
                        server.models.configure(listed, LabelRule.WHEN_READY, fixed=models)

        def ask() -> int:
            asked = 0
            while not over.wait(0.01):  # they would not let anybody else compute otherwise
                assert answer(server) == 3.0
                asked += 1
            return asked

        def changed(number: int) -> str:
            try:
                change(number)
            except ServableError as error:
                return error.status_text  # another one replaced the list in between
            return ""

        with ThreadPoolExecutor(changers + askers) as threads:
            asking = [threads.submit(ask) for _ in range(askers)]
            told = list(threads.map(changed, range(changers)))
            over.set()
            assert all(future.result(PATIENCE) > 0 for future in asking)
        assert {text.partition(":")[0] for text in told} <= {"", "NOT_FOUND", "ALREADY_EXISTS"}
        server.models.configure([], LabelRule.WHEN_READY, fixed=models)
        names = [name for name in server.models.names() if name != "half"]
        eventually(lambda: all(s.state == "END" for n in names for s in server.models.status(n)))
        assert answer(server) == 3.0
