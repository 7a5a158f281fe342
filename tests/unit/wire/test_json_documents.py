"""The JSON of model status and metadata, and the bodies that hints show."""

from __future__ import annotations

import json
from dataclasses import dataclass

import numpy as np
import pytest

from servable import tensors
from servable.contracts import ServableId
from servable.errors import NotFound, ServableError
from servable.pb import saved_model_pb2
from servable.tensors import DType, Shape, Signature, TensorSpec
from servable.wire import json_inference
from servable.wire.json_example import Example, example, examples
from servable.wire.json_metadata import encode_metadata
from servable.wire.json_predict import PredictBody
from servable.wire.json_status import encode_models, encode_status


@dataclass
class Status:
    id: ServableId
    state: str
    error: ServableError | None = None


STATUSES = [
    Status(ServableId("m", 2), "AVAILABLE"),
    Status(ServableId("m", 1), "END", NotFound("no file \udcff")),
]
ENTRIES = [
    {"version": "2", "state": "AVAILABLE", "status": {"error_code": "OK", "error_message": ""}},
    {
        "version": "1",
        "state": "END",
        "status": {"error_code": "NOT_FOUND", "error_message": "no file \ufffd\ufffd\ufffd"},
    },
]


def test_status_lists_versions_in_order_with_numbers_as_strings() -> None:
    assert json.loads(encode_status(STATUSES)) == {"model_version_status": ENTRIES}


def test_models_are_listed_with_their_versions() -> None:
    assert json.loads(encode_models({"m": STATUSES, "n": []})) == {
        "models": [{"name": "m", "versions": ENTRIES}, {"name": "n", "versions": []}]
    }


def info(name: str, dtype: str, dims: list[str], unknown_rank: bool = False) -> object:
    return {
        "name": name,
        "dtype": dtype,
        "tensor_shape": {
            "dim": [{"size": size, "name": ""} for size in dims],
            "unknown_rank": unknown_rank,
        },
    }


def test_metadata_of_a_signature_that_was_never_stored() -> None:
    signature = Signature(
        {
            "x": TensorSpec("x:0", tensors.FLOAT, (None, 1)),
            "n": TensorSpec("n:0", tensors.INT64, ()),
        },
        {"y": TensorSpec("y:0", None, None)},
        defaults={"n": np.array(7)},
    )

    document = json.loads(encode_metadata(ServableId("half", 123), {"serving_default": signature}))

    assert document["model_spec"] == {"name": "half", "signature_name": "", "version": "123"}
    assert list(document["metadata"]["signature_def"]) == ["signature_def"]
    defined = document["metadata"]["signature_def"]["signature_def"]["serving_default"]
    assert defined["inputs"] == {
        "x": info("x:0", "DT_FLOAT", ["-1", "1"]),
        "n": info("n:0", "DT_INT64", []),
    }
    assert defined["outputs"] == {"y": info("y:0", "DT_INVALID", [], unknown_rank=True)}
    assert defined["method_name"] == "tensorflow/serving/predict"
    assert defined["defaults"]["n"]["int64_val"] == ["7"]


def test_metadata_shows_a_stored_signature_as_it_was() -> None:
    stored = saved_model_pb2.SignatureDef(method_name="other")
    stored.inputs["x"].name = "x:0"
    stored.inputs["x"].dtype = saved_model_pb2.SignatureDef().inputs["x"].dtype
    signature = Signature({}, {}, stored=stored.SerializeToString())

    document = json.loads(encode_metadata(ServableId("m", 1), {"s": signature}))

    assert document["metadata"]["signature_def"]["signature_def"]["s"] == {
        "inputs": {"x": {"name": "x:0", "dtype": "DT_INVALID"}},
        "outputs": {},
        "method_name": "other",
        "defaults": {},
    }


def sides(**inputs: tuple[DType | None, Shape]) -> Signature:
    return Signature({a: TensorSpec(f"{a}:0", d, s) for a, (d, s) in inputs.items()}, {})


@pytest.mark.parametrize(
    ("name", "signature", "shown"),
    [
        ("serving_default", sides(x=(tensors.FLOAT, (None,))), '{"instances": [1.0]}'),
        ("serving_default", sides(x=(tensors.FLOAT, (None, 2))), '{"instances": [[1.0, 1.0]]}'),
        ("serving_default", sides(x=(tensors.FLOAT, None)), '{"instances": [1.0]}'),
        ("serving_default", sides(x=(tensors.INT64, (2, 1))), '{"instances": [[1], [1]]}'),
        ("serving_default", sides(x=(tensors.BOOL, ())), '{"inputs": true}'),
        ("s", sides(x=(tensors.STRING, (None,))), '{"signature_name": "s", "instances": ["text"]}'),
        (
            "serving_default",
            sides(a=(tensors.FLOAT, (None, 1)), b=(tensors.INT32, (None,))),
            '{"instances": [{"a": [1.0], "b": 1}]}',
        ),
        (
            "serving_default",
            sides(a=(tensors.FLOAT, (2,)), b=(tensors.INT32, ())),
            '{"inputs": {"a": [1.0, 1.0], "b": 1}}',
        ),
    ],
)
def test_an_example_would_be_accepted(name: str, signature: Signature, shown: str) -> None:
    result = example(name, signature)

    assert result == Example(shown, complete=True)
    body = PredictBody(shown.encode())
    assert (body.signature_name or "serving_default") == name
    _, arrays = body.decode(signature)
    for alias, spec in signature.inputs.items():
        if spec.shape is not None:
            assert arrays[alias].ndim == len(spec.shape)


def reading(**features: tuple[DType, Shape]) -> Signature:
    specs = {name: TensorSpec(name, dtype, shape) for name, (dtype, shape) in features.items()}
    return Signature({}, {}, features=specs)


def test_an_example_of_features_would_be_accepted() -> None:
    signature = reading(
        x=(tensors.FLOAT, (1,)),
        pair=(tensors.INT64, (2,)),
        tags=(tensors.STRING, (None,)),
        none=(tensors.FLOAT, (0,)),
    )
    shown = (
        '{"signature_name": "s", "examples": '
        '[{"x": 1.0, "pair": [1, 1], "tags": "text", "none": []}]}'
    )
    assert examples("s", signature) == Example(shown, complete=True)
    assert json_inference.read(shown.encode()).signature_name == "s"

    large = examples("serving_default", reading(x=(tensors.FLOAT, (1000, 1000))))
    assert large is not None
    assert not large.complete
    assert len(large.body) < 1000
    assert examples("s", reading()) is None


def test_a_large_example_is_only_sketched() -> None:
    image = sides(x=(tensors.FLOAT, (None, 224, 224, 3)))
    assert example("serving_default", image) == Example(
        '{"instances": [<lists of shape [224, 224, 3]>]}', complete=False
    )
    many = sides(**{f"input_{i}": (tensors.FLOAT, (None,)) for i in range(100)})
    sketched = example("serving_default", many)
    assert sketched is not None
    assert not sketched.complete


@pytest.mark.parametrize(
    "signature",
    [sides(), sides(x=(tensors.HALF, None)), sides(x=(None, None))],
    ids=["no inputs", "half", "no dtype"],
)
def test_there_is_no_example_where_json_has_no_form(signature: Signature) -> None:
    assert example("serving_default", signature) is None
