"""Damaged models under `show`, `scan`, `servable.load`: refused or looked at, never worse."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import numpy as np
from google.protobuf.message import DecodeError
from hypothesis import given, settings
from hypothesis import strategies as st

import servable
from servable import checkpoint
from servable.cli import show_lines
from servable.errors import ServableError
from servable.pb import saved_model_pb2
from servable.savedmodel import model_file
from servable.savedmodel.variable_names import OBJECT_GRAPH_KEY, named_variables
from servable.savedmodel.variables import Variables
from servable.servables.overview import overview
from servable.servables.scan import scan

MODELS = Path(__file__).parents[1] / "data" / "models"
MODEL = MODELS / "tf2_mlp"
PREFIX = Path("variables", "variables")

Change = Callable[[bytes], bytes]


@st.composite
def mutations(draw: st.DrawFn) -> Change:
    """Return a function that sets, inserts and removes a few bytes."""
    places = st.tuples(st.floats(0, 1, exclude_max=True), st.binary(max_size=6), st.integers(0, 9))
    edits = draw(st.lists(places, min_size=1, max_size=4))

    def change(data: bytes) -> bytes:
        for where, what, removed in edits:
            at = int(where * len(data))
            data = data[:at] + what + data[at + removed :]
        return data

    return change


@contextmanager
def copied(model: Path = MODEL) -> Iterator[Path]:
    with tempfile.TemporaryDirectory() as directory:
        yield Path(shutil.copytree(model, Path(directory) / "1"))


def look_at(model: Path) -> None:
    """Do what the commands do; only errors of ours may come out."""
    for act in (show_all, overview, scan, name_variables):
        with suppress(ServableError):
            act(model)


def show_all(model: Path) -> str:
    return show_lines.everything(model_file.parse(model_file.find(model)))


def name_variables(model: Path) -> None:
    with Variables.open(model / PREFIX) as stored:
        for meta_graph in model_file.parse(model_file.find(model)).meta_graphs:
            named_variables(meta_graph, stored)


def use(model: Path) -> None:
    with suppress(ServableError), servable.load(model) as loaded:
        x = np.ones((1, 4), np.float32)
        for act in (lambda: dict(loaded.variables), lambda: loaded(x), lambda: loaded(x=x)):
            with suppress(ServableError):
                act()


@settings(deadline=None)
@given(st.sampled_from(["tf2_mlp", "tf2_dtypes", "tf1_half_plus_two"]), mutations())
def test_a_damaged_model_file_is_shown_and_scanned_or_refused(name: str, change: Change) -> None:
    with copied(MODELS / name) as model:
        file = model_file.find(model)
        file.write_bytes(change(file.read_bytes()))
        look_at(model)


@settings(deadline=None, max_examples=40)
@given(mutations())
def test_a_damaged_object_graph_is_used_or_refused(change: Change) -> None:
    with copied() as model:
        stored = model_file.parse(model_file.find(model))
        graph = stored.meta_graphs[0].object_graph_def
        damaged = change(graph.SerializeToString(deterministic=True))
        try:
            graph.CopyFrom(saved_model_pb2.SavedObjectGraph.FromString(damaged))
        except DecodeError:
            return
        model_file.find(model).write_bytes(stored.SerializeToString())
        look_at(model)
        use(model)


@settings(deadline=None, max_examples=40)
@given(mutations())
def test_a_damaged_object_graph_of_the_checkpoint_is_used_or_refused(change: Change) -> None:
    with copied() as model:
        with Variables.open(model / PREFIX, mapped=False) as stored:
            arrays = {key: np.array(stored.read(key)) for key in stored.entries}
        damaged = np.empty((), object)
        damaged[()] = change(arrays[OBJECT_GRAPH_KEY].item())
        checkpoint.write_checkpoint(model / PREFIX, arrays | {OBJECT_GRAPH_KEY: damaged})
        with suppress(ServableError):
            name_variables(model)
        use(model)
