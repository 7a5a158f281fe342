"""The features that a graph reads from tf.Examples, found in its parsing nodes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from servable.graph.features import example_features
from servable.graph.ir import ARG, Function, Node, Value, const
from servable.servables.saved_model import SavedModelLoader
from servable.tensors import FLOAT, INT64, STRING

MODELS = Path(__file__).parents[2] / "data" / "models"


def names(name: str, *keys: bytes, scalar: bool = False) -> Node:
    array = np.empty(len(keys), object)
    array[:] = keys
    return const(name, array.reshape(()) if scalar else array, STRING)


def function(op: str, keys: list[Node], **attrs: Any) -> Function:
    arg = Node("arg", ARG, dtypes=(STRING,))
    inputs = [Value(node.name) for node in (arg, names("none"), *keys)]
    parse = Node("parse", op, tuple(inputs), attrs=attrs)
    nodes = {node.name: node for node in (arg, names("none"), *keys, parse)}
    return Function("f", ("arg",), nodes, ())


def described(function: Function) -> dict[str, str]:
    return {name: str(spec) for name, spec in example_features(function).items()}


ATTRS: dict[str, Any] = {
    "sparse_types": (INT64,),
    "Tdense": (FLOAT, STRING),
    "dense_shapes": ((2, 3), (None,)),
}


def test_names_come_in_vectors() -> None:
    keys = [names("s", b"tags"), names("d", b"x", "ü".encode()), names("r", b"words")]
    assert described(function("ParseExampleV2", keys, **ATTRS, ragged_value_types=(STRING,))) == {
        "tags": "int64 [?]",
        "x": "float [2, 3]",
        "ü": "string [?]",
        "words": "string [?]",
    }


def test_names_come_one_by_one() -> None:
    keys = [names(k.decode(), k, scalar=True) for k in (b"tags", b"x", b"y")]
    assert described(function("ParseExample", keys, **ATTRS)) == {
        "tags": "int64 [?]",
        "x": "float [2, 3]",
        "y": "string [?]",
    }


def test_names_that_are_computed_are_not_guessed() -> None:
    keys = [names("s", b"tags"), Node("d", "Identity", dtypes=(STRING,)), names("r")]
    assert described(function("ParseExampleV2", keys, **ATTRS, ragged_value_types=())) == {}


def test_inputs_that_are_missing_or_wrong_are_left_to_those_who_run_the_graph() -> None:
    empty = Node("parse", "ParseExampleV2", (), attrs=ATTRS)
    assert described(Function("f", (), {"parse": empty}, ())) == {}
    numbers = const("s", np.zeros(1, np.float32), FLOAT)
    assert described(function("ParseExampleV2", [numbers], **ATTRS)) == {}


@pytest.mark.parametrize(
    ("model", "signature", "features"),
    [
        ("tf1_inference", "classify_x_to_y", {"x": "float [1]", "x2": "float [1]"}),
        ("tf1_inference", "serving_default", {}),
        (
            "tf2_inference",
            "serving_default",
            {"age": "int64 [1]", "names": "string [2]", "ratings": "float [2]"},
        ),
    ],
)
def test_loaded_models_know_their_features(
    model: str, signature: str, features: dict[str, str]
) -> None:
    loader = SavedModelLoader(MODELS / model)
    loader.load()
    found = loader.servable().signatures[signature].features
    assert {name: str(spec) for name, spec in found.items()} == features
