"""`--input` options as named tensors."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from servable import tensors
from servable.cli.inputs import tensors_for
from servable.errors import InvalidArgument, NotFound
from servable.tensors import DType, Shape, Signature, TensorSpec


def signature(**inputs: tuple[DType, Shape]) -> Signature:
    specs = {alias: TensorSpec("", *spec) for alias, spec in sorted(inputs.items())}
    return Signature(inputs=specs, outputs={})


ONE = signature(x=(tensors.FLOAT, (None, 2)))
TWO = signature(a=(tensors.FLOAT, None), b=(tensors.STRING, (None,)))


def test_values_go_to_the_inputs_they_name() -> None:
    arrays = tensors_for(['b=["t=1"]', "a=[[1, 2]]"], TWO)

    assert arrays["a"].tolist() == [[1.0, 2.0]]
    assert arrays["b"].tolist() == [b"t=1"]


def test_a_single_input_needs_no_name() -> None:
    assert tensors_for(["[[1, 2]]"], ONE)["x"].tolist() == [[1.0, 2.0]]


def test_not_a_number_and_infinities_are_numbers() -> None:
    array = tensors_for(["x=[[NaN, -Infinity], [Infinity, 1]]"], ONE)["x"]
    np.testing.assert_array_equal(array, np.array([[np.nan, -np.inf], [np.inf, 1]], np.float32))
    with pytest.raises(InvalidArgument, match="is not JSON"):
        tensors_for(["[[NaN, 1,]]"], ONE)


@pytest.mark.parametrize("at", ["", "@"])
def test_numpy_and_json_files_are_read(tmp_path: Path, at: str) -> None:
    np.save(tmp_path / "a.npy", np.array([[1, 2]], np.int64))
    (tmp_path / "b.json").write_text('["text"]')

    arrays = tensors_for([f"a={at}{tmp_path / 'a.npy'}", f"b={at}{tmp_path / 'b.json'}"], TWO)

    assert arrays["a"].tolist() == [[1.0, 2.0]]
    assert arrays["a"].dtype == np.float32
    assert arrays["b"].tolist() == [b"text"]


@pytest.mark.parametrize(
    ("shape", "expected"), [(None, [b"\xff\xd8"]), ((None,), [b"\xff\xd8"]), ((), b"\xff\xd8")]
)
def test_an_image_for_a_string_input_is_its_bytes(
    tmp_path: Path, shape: Shape, expected: object
) -> None:
    path = tmp_path / "photo.jpg"
    path.write_bytes(b"\xff\xd8")

    assert tensors_for([str(path)], signature(x=(tensors.STRING, shape)))["x"].tolist() == expected


def test_an_image_for_a_numeric_input_is_its_pixels(tmp_path: Path) -> None:
    path = tmp_path / "Photo.PNG"
    Image.new("L", (3, 3), 255).save(path)

    array = tensors_for([str(path)], signature(x=(tensors.FLOAT, (None, 8, 8, 1))))["x"]

    assert array.shape == (1, 8, 8, 1)
    assert array.min() == 1.0


@pytest.mark.parametrize(
    ("texts", "complaint", "hint"),
    [
        (["z=[1]"], "no input z", "x (float [?, 2])"),
        (["x=[1]", "x=[2]"], "given twice", ""),
        (["x=[1"], r"'\[1' is not JSON", "@FILE"),
        (["x=cat"], "'cat' is not JSON", "@FILE"),
        (['x=["a"]'], "input x: the signature wants float", "float values"),
    ],
)
def test_what_can_not_be_read_is_explained(texts: list[str], complaint: str, hint: str) -> None:
    with pytest.raises(InvalidArgument, match=complaint) as caught:
        tensors_for(texts, ONE)

    assert hint in caught.value.hint


def test_a_value_without_a_name_is_refused_where_several_inputs_could_be_meant() -> None:
    with pytest.raises(InvalidArgument, match="which input") as caught:
        tensors_for(["[1]"], TWO)

    assert "b (string [?])" in caught.value.hint


@pytest.mark.parametrize("value", ["@nowhere.json", "nowhere.npy", "nowhere.png", "@/"])
def test_a_file_that_does_not_exist_is_named(value: str) -> None:
    with pytest.raises(NotFound, match="no file"):
        tensors_for([value], ONE)


@pytest.mark.parametrize("content", [b"", b"garbage", b"\x93NUMPY\x01\x00"])
def test_a_broken_numpy_file_is_named(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "broken.npy"
    path.write_bytes(content)

    with pytest.raises(InvalidArgument, match=r"broken\.npy"):
        tensors_for([str(path)], ONE)


def test_a_pickled_array_is_never_loaded(tmp_path: Path) -> None:
    np.save(tmp_path / "p.npy", np.array([print], dtype=object), allow_pickle=True)

    with pytest.raises(InvalidArgument, match=r"p\.npy"):
        tensors_for([str(tmp_path / "p.npy")], ONE)
