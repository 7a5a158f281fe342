"""Variables of models that TensorFlow wrote, compared with what TensorFlow reads back."""

from __future__ import annotations

import json
import os
import shutil
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from servable.errors import Code
from servable.savedmodel import errors
from servable.savedmodel.reader import read
from servable.savedmodel.variables import Variables, shard_path
from servable.tensors import Array, from_numpy

MODELS = Path(__file__).parents[2] / "data" / "models"
SUFFIX = "/.ATTRIBUTES/VARIABLE_VALUE"


def opened(name: str) -> Variables:
    variables = read(MODELS / name).variables()
    assert variables is not None
    return variables


RECORDED: dict[tuple[str, str], dict[str, Any]] = {
    (path.stem, key): value
    for path in sorted(MODELS.glob("*.json"))
    for key, value in json.loads(path.read_text()).items()
}


def flat(array: Array) -> str | list[str]:
    """Return elements as the recordings hold them: hex, a list of it for strings."""
    if array.dtype == object:
        return [item.hex() for item in array.ravel().tolist()]
    return array.tobytes().hex()


@pytest.mark.parametrize("verify", [False, True])
@pytest.mark.parametrize(("model", "key"), RECORDED)
def test_every_variable_is_what_tensorflow_reads(model: str, key: str, verify: bool) -> None:
    expected = RECORDED[model, key]
    with opened(model) as variables:
        array = variables.read(key, verify=verify)
        entry = variables.entries[key]
    assert str(array.dtype if array.dtype != object else "string") == expected["dtype"]
    assert from_numpy(array.dtype) == entry.dtype
    assert array.shape == entry.shape == tuple(expected["shape"])
    assert flat(array) == expected["data"]


@pytest.mark.parametrize("model", sorted({model for model, _ in RECORDED}))
def test_the_index_holds_nothing_else(model: str) -> None:
    keys = {key for name, key in RECORDED if name == model}
    assert set(opened(model).entries) - {"_CHECKPOINTABLE_OBJECT_GRAPH"} == keys


def test_a_number_is_a_view_of_the_file_and_can_not_be_written() -> None:
    array = opened("tf2_mlp").read("w1" + SUFFIX)
    assert not array.flags.owndata
    assert not array.flags.writeable
    with pytest.raises(ValueError, match="read-only"):
        array[0, 0] = 1.0


@pytest.mark.parametrize(
    ("model", "key"), [("tf2_dtypes", "string" + SUFFIX), ("tf1_partitioned", "rows")]
)
def test_copies_can_not_be_written_either(model: str, key: str) -> None:
    assert not opened(model).read(key).flags.writeable


def test_arrays_outlive_the_variables_they_came_from() -> None:
    with opened("tf2_mlp") as variables:
        array = variables.read("b1" + SUFFIX)
    np.testing.assert_array_equal(array, np.linspace(-1, 1, 8, dtype=np.float32))
    with pytest.raises(errors.VariablesClosed):
        variables.read("b1" + SUFFIX)


def test_many_threads_may_read_at_once() -> None:
    keys = [key for model, key in RECORDED if model == "tf1_partitioned"] * 50
    with opened("tf1_partitioned") as variables, ThreadPoolExecutor(8) as pool:
        arrays = list(pool.map(variables.read, keys))
    assert [flat(array) for array in arrays] == [
        RECORDED["tf1_partitioned", key]["data"] for key in keys
    ]


def test_a_key_that_is_not_there_is_not_found() -> None:
    with pytest.raises(errors.KeyNotFound) as caught:
        opened("tf2_mlp").read("w3")
    assert caught.value.status_text == "NOT_FOUND: Key w3 not found in checkpoint"


ROWS = np.arange(42, dtype=np.float32).reshape(7, 6)  # stored as 3, 2 and 2 rows
COLUMNS = np.arange(490, dtype=np.float32).reshape(7, 70)  # stored as 35 and 35 columns


@pytest.mark.parametrize(
    ("key", "spec", "expected"),
    [
        ("rows", "", ROWS),
        ("rows", "7 6 -:-", ROWS),
        ("rows", "7 6 0,7:0,6", ROWS),
        ("rows", "7 6 3,2:-", ROWS[3:5]),  # exactly one piece
        ("rows", "7 6 3,2:0,6", ROWS[3:5]),
        ("rows", "7 6 4,1:2,3", ROWS[4:5, 2:5]),  # inside one piece
        ("rows", "7 6 2,4:1,2", ROWS[2:6, 1:3]),  # across all three
        ("nested/columns", "7 70 -:34,2", COLUMNS[:, 34:36]),
        ("nested/columns", "7 70 0,7:35,35", COLUMNS[:, 35:]),
        ("plain", "4 1,2", np.array([1, 2], np.int32)),  # a piece of one that is whole
        ("plain", "4 -", np.arange(4, dtype=np.int32)),
    ],
)
def test_slices_of_variables(key: str, spec: str, expected: Array) -> None:
    array = opened("tf1_partitioned").read_slice(key, spec)
    assert array.dtype == expected.dtype
    np.testing.assert_array_equal(array, expected)


def test_a_slice_of_a_scalar_is_the_scalar() -> None:
    array = opened("tf1_half_plus_two").read_slice("a", "")
    assert isinstance(array, np.ndarray)
    assert array.shape == ()


def test_a_slice_for_another_shape_is_refused_with_both_shapes() -> None:
    with pytest.raises(errors.SliceSpecInvalid) as caught:
        opened("tf1_partitioned").read_slice("rows", "8 6 -:-")
    assert caught.value.code is Code.INVALID_ARGUMENT
    assert caught.value.message == (
        "tensor_name = rows; shape in shape_and_slice spec [8,6] does not match "
        "the shape stored in checkpoint: [7,6]"
    )


def test_slices_are_listed_as_stored() -> None:
    entries = opened("tf1_partitioned").entries
    assert entries["rows"].slices == (((0, 3), (0, 6)), ((3, 2), (0, 6)), ((5, 2), (0, 6)))
    assert entries["plain"].slices == ()


def test_one_flipped_bit_is_found_when_asked_to_verify(tmp_path: Path) -> None:
    model = shutil.copytree(MODELS / "tf2_dtypes", tmp_path / "model")
    data = model / "variables" / "variables.data-00000-of-00001"
    with opened("tf2_dtypes") as variables:
        entries = variables.entries
    for key in ("double" + SUFFIX, "string" + SUFFIX):
        content = bytearray(data.read_bytes())
        content[entries[key].offset + entries[key].size - 1] ^= 1
        data.write_bytes(content)
        with Variables.open(model / "variables" / "variables") as variables:
            variables.read(key)
            with pytest.raises(errors.DataChecksumWrong):
                variables.read(key, verify=True)


@pytest.mark.parametrize("mapped", [True, False])
def test_arrays_outlive_the_file_that_they_came_from(tmp_path: Path, mapped: bool) -> None:
    shutil.copytree(MODELS / "tf2_mlp" / "variables", tmp_path / "variables")
    prefix = tmp_path / "variables" / "variables"
    with Variables.open(prefix, mapped=mapped) as variables:
        arrays = {key: variables.read(key) for key in variables.entries}
    shutil.rmtree(tmp_path / "variables")
    with Variables.open(MODELS / "tf2_mlp" / "variables" / "variables") as original:
        for key, array in arrays.items():
            np.testing.assert_array_equal(array, original.read(key))


def test_a_file_that_is_cut_while_it_is_read_is_an_error_and_not_the_end(tmp_path: Path) -> None:
    shutil.copytree(MODELS / "tf2_mlp" / "variables", tmp_path / "variables")
    prefix = tmp_path / "variables" / "variables"
    with Variables.open(prefix, mapped=False) as variables:
        os.truncate(shard_path(prefix, 0, 1), 3)
        last = max(variables.entries, key=lambda key: variables.entries[key].offset)
        with pytest.raises(errors.ShardTruncated, match="ends at byte"):
            variables.read(last)
