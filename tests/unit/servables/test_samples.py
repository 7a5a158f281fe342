"""Requests that are made up for a signature, and what of them a model is asked."""

from __future__ import annotations

import gc
import weakref
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest

from servable import tensors
from servable.errors import InvalidArgument
from servable.ops.image_decode import decode_first_frame
from servable.pb import example_pb2
from servable.servables.samples import MAX_ELEMENTS, Trial, candidates, example, find_sample
from servable.servables.saved_model import SavedModelLoader
from servable.tensors import Array, DType, Shape, Signature, TensorSpec

MODELS = Path(__file__).parents[2] / "data" / "models"


def signature(
    features: Mapping[str, TensorSpec] | None = None, **inputs: tuple[DType | None, Shape]
) -> Signature:
    specs = {alias: TensorSpec(f"{alias}:0", *spec) for alias, spec in inputs.items()}
    return Signature(specs, {}, features=features or {})


def only(inputs: Mapping[str, Array]) -> Array:
    (array,) = inputs.values()
    return array


def test_a_string_may_be_an_image_of_either_size() -> None:
    words = [only(inputs).tolist() for inputs in candidates(signature(x=(tensors.STRING, ())))]
    images = [decode_first_frame(word, 3) for word in words if word.startswith(b"\x89PNG")]
    assert {image.shape for image in images} == {(32, 32, 3), (224, 224, 3)}
    assert {b"text", b"1", b""} <= set(words)


def test_the_features_that_a_model_reads_come_first() -> None:
    read = {
        "age": TensorSpec("", tensors.INT64, (1,)),
        "tags": TensorSpec("", tensors.STRING, (2,)),
    }
    first = next(candidates(signature(read, inputs=(tensors.STRING, (None,)))))
    message = example_pb2.Example.FromString(only(first)[0])
    assert message.features.feature["age"].int64_list.value == [1]
    assert message.features.feature["tags"].bytes_list.value == [b"text", b"text"]
    assert example(read) == only(first)[0]


def test_unknown_sizes_are_tried_in_turn_and_the_first_is_one_row() -> None:
    shapes = [only(c).shape for c in candidates(signature(x=(tensors.FLOAT, (None, None))))]
    assert shapes[:3] == [(1, 1), (1, 8), (1, 32)]
    ranks = [only(c).ndim for c in candidates(signature(x=(tensors.FLOAT, None)))]
    assert set(ranks) == {0, 1, 2}


@pytest.mark.parametrize(
    "shape", [(None, MAX_ELEMENTS + 1), (10**9, 10**9), (None, None, None, MAX_ELEMENTS)]
)
def test_a_large_input_is_never_made(shape: Shape) -> None:
    made = list(candidates(signature(x=(tensors.FLOAT, shape))))
    assert all(only(inputs).size <= MAX_ELEMENTS for inputs in made)


@pytest.mark.parametrize("dtype", [tensors.VARIANT, tensors.RESOURCE, None])
def test_nothing_is_made_of_dtypes_without_values(dtype: DType | None) -> None:
    assert not list(candidates(signature(x=(dtype, ()))))
    assert not list(candidates(signature()))


def test_what_the_model_refuses_is_not_kept_and_the_model_is_asked_once() -> None:
    asked: list[Mapping[str, Array]] = []

    def run(inputs: Mapping[str, Array]) -> Mapping[str, Array]:
        asked.append(inputs)
        if only(inputs).shape[1] != 8:
            raise InvalidArgument("eight, please")
        return {"y": np.zeros(1)}

    trial = Trial(signature(x=(tensors.FLOAT, (None, None))), run)
    found = trial()
    assert found is not None
    assert only(found.inputs).shape == (1, 8)
    assert trial() is found
    assert len(asked) == 2


def test_a_fault_that_no_code_foresaw_stays_inside(caplog: pytest.LogCaptureFixture) -> None:
    def run(_: Mapping[str, Array]) -> Mapping[str, Array]:
        raise ZeroDivisionError

    assert find_sample(signature(x=(tensors.FLOAT, ())), run) is None
    assert "ZeroDivisionError" in caplog.text


def test_a_model_that_keeps_count_is_not_asked() -> None:
    loader = SavedModelLoader(MODELS / "tf1_half_plus_two")
    loader.load()
    signatures = loader.servable().signatures
    assert signatures["count"].sample is None
    assert signatures["serving_default"].sample is not None


def test_a_sample_does_not_keep_an_unloaded_model_alive() -> None:
    """Collections are rare on a server, and pass over what was there when it started."""
    loader = SavedModelLoader(MODELS / "tf2_mlp")
    loader.load()
    sample = loader.servable().signatures["serving_default"].sample
    assert sample is not None
    assert sample() is not None
    gone = weakref.ref(loader.servable())
    enabled = gc.isenabled()
    gc.disable()
    try:
        loader.unload()
        assert gone() is None
    finally:
        if enabled:
            gc.enable()
