"""Which engine loads what, and what happens where the native one lacks an op."""

from __future__ import annotations

import logging
import sys
from pathlib import Path

import pytest
from google.protobuf import text_format

from servable.contracts import Servable
from servable.errors import Code, DataLoss, FailedPrecondition, ServableError
from servable.graph.ir import UnsupportedOps
from servable.pb import saved_model_pb2
from servable.pb._pool import POOL
from servable.savedmodel.errors import NotASavedModel
from servable.servables import extras, loaders
from servable.servables.echo import Echo, EchoLoader
from servable.servables.extras import MissingExtra
from servable.servables.loaders import FallbackLoader, loader_for

OUTSIDE = """
graph_def {
  node { name: "x" op: "Placeholder" attr { key: "dtype" value { type: DT_FLOAT } } }
  node { name: "y" op: "Frobnicate" input: "x" }
}
signature_def { key: "serving_default" value {
  inputs { key: "x" value { name: "x:0" dtype: DT_FLOAT tensor_shape { unknown_rank: true } } }
  outputs { key: "y" value { name: "y:0" dtype: DT_FLOAT tensor_shape { unknown_rank: true } } } } }
meta_info_def { tags: "serve" stripped_op_list { op { name: "Frobnicate"
  input_arg { name: "x" type: DT_FLOAT } output_arg { name: "y" type: DT_FLOAT } } } }
"""


class Refusing(EchoLoader):
    """A loader whose `load` raises."""

    def __init__(self, error: ServableError) -> None:
        super().__init__()
        self.error = error

    def load(self) -> None:
        raise self.error


class Counting(EchoLoader):
    """A loader that counts."""

    unloads = 0

    def unload(self) -> None:
        super().unload()
        self.unloads += 1


LACKING = UnsupportedOps("Op type not registered 'Frobnicate' (node y)", hint="ours")
HERE = Path("model/1")


@pytest.fixture
def outside(tmp_path: Path) -> Path:
    """A SavedModel with an op that nobody has."""
    proto = saved_model_pb2.SavedModel(saved_model_schema_version=1)
    text_format.Parse(OUTSIDE, proto.meta_graphs.add(), descriptor_pool=POOL)
    (tmp_path / "saved_model.pb").write_bytes(proto.SerializeToString())
    return tmp_path


@pytest.fixture
def no_tensorflow(monkeypatch: pytest.MonkeyPatch) -> None:
    # None is how Python marks a module that can not be imported.
    monkeypatch.setitem(sys.modules, "tensorflow", None)


def test_the_first_engine_is_enough_where_it_has_every_op() -> None:
    def never() -> EchoLoader:
        raise AssertionError("the second engine was asked for")

    first = Counting()
    loader = FallbackLoader(first, never, HERE)
    loader.load()
    assert isinstance(loader.servable(), Servable)
    loader.unload()
    assert first.unloads == 1
    with pytest.raises(FailedPrecondition, match="is not loaded"):
        loader.servable()


def test_an_op_outside_the_list_is_left_to_the_second_engine_with_one_warning(
    caplog: pytest.LogCaptureFixture,
) -> None:
    second = Counting()
    loader = FallbackLoader(Refusing(LACKING), lambda: second, HERE)
    with caplog.at_level(logging.INFO, "servable"):
        loader.load()
    assert isinstance(loader.servable(), Echo)
    (record,) = caplog.records
    assert record.levelno == logging.WARNING
    for told in ("model/1", "'Frobnicate'", "node y", "TensorFlow", "--engine native"):
        assert told in record.getMessage()
    loader.unload()
    assert second.unloads == 1


def test_another_failure_is_not_papered_over() -> None:
    loader = FallbackLoader(Refusing(DataLoss("checksum")), EchoLoader, HERE)
    with pytest.raises(DataLoss, match="checksum"):
        loader.load()


def test_without_the_second_engine_the_refusal_says_how_to_get_it() -> None:
    second = Refusing(MissingExtra("TensorFlow", "tensorflow"))
    with pytest.raises(UnsupportedOps) as caught:
        FallbackLoader(Refusing(LACKING), lambda: second, HERE).load()
    assert caught.value.message == LACKING.message
    assert "pip install 'servable[tensorflow]'" in caught.value.hint


def test_what_the_second_engine_refuses_is_told_as_it_says_it() -> None:
    second = Refusing(FailedPrecondition("table not initialised"))
    with pytest.raises(FailedPrecondition, match="table not initialised"):
        FallbackLoader(Refusing(LACKING), lambda: second, HERE).load()


@pytest.mark.usefixtures("no_tensorflow")
def test_auto_without_tensorflow_names_the_op_the_node_and_the_way_out(outside: Path) -> None:
    with pytest.raises(UnsupportedOps) as caught:
        loader_for(outside).load()
    assert "'Frobnicate' (node y)" in caught.value.message
    assert "servable[tensorflow]" in caught.value.hint


def test_native_never_asks_another_engine(outside: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loaders, "TensorFlowLoader", None)
    with pytest.raises(UnsupportedOps, match="Frobnicate"):
        loader_for(outside, engine="native").load()


@pytest.mark.usefixtures("no_tensorflow")
def test_tensorflow_that_is_not_there_is_a_failed_precondition(outside: Path) -> None:
    for act in (
        loader_for(outside, engine="tensorflow").load,
        lambda: loaders.check_installed("tensorflow"),
    ):
        with pytest.raises(MissingExtra, match=r"servable\[tensorflow\]") as caught:
            act()
        assert caught.value.code is Code.FAILED_PRECONDITION
        assert caught.value.hint == "pip install 'servable[tensorflow]'"


def test_the_other_engines_need_nothing_installed() -> None:
    loaders.check_installed("auto")
    loaders.check_installed("native")


def test_what_is_installed_is_found_without_importing_it() -> None:
    assert extras.installed("this")
    assert "this" not in sys.modules
    assert not extras.installed("no_such_module_anywhere")


@pytest.mark.parametrize("engine", ["auto", "native"])
def test_a_folder_without_a_model_gets_tensorflow_servings_text(
    tmp_path: Path, engine: loaders.Engine
) -> None:
    with pytest.raises(NotASavedModel, match="does not appear to contain a SavedModel bundle"):
        loader_for(tmp_path, engine=engine).load()
