"""Bundles that are written: TensorFlow's bytes, and whatever is written is read back."""

from __future__ import annotations

import tempfile
from pathlib import Path

import ml_dtypes
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from servable.savedmodel import slices
from servable.savedmodel.bundle_write import BundleWriter
from servable.savedmodel.table import read_table
from servable.savedmodel.table_write import write_table
from servable.savedmodel.variables import Variables, index_path, shard_path
from servable.savedmodel.write_errors import NotWritable, WriteFailed
from servable.tensors import Array

MODELS = Path(__file__).parents[2] / "data" / "models"
ONE_SHARD = ["tf1_half_plus_two", "tf1_inference", "tf2_dtypes", "tf2_inference", "tf2_mlp"]


@pytest.mark.parametrize("model", ONE_SHARD)
def test_the_files_are_those_that_tensorflow_wrote(model: str, tmp_path: Path) -> None:
    original = MODELS / model / "variables" / "variables"
    copy = tmp_path / "copy"
    with Variables.open(original) as variables, BundleWriter(copy) as writer:
        entries = variables.entries
        for key in sorted(entries, key=lambda key: entries[key].offset):
            writer.add(key, variables.read(key), dtype=entries[key].dtype)
    assert index_path(copy).read_bytes() == index_path(original).read_bytes()
    assert shard_path(copy, 0, 1).read_bytes() == shard_path(original, 0, 1).read_bytes()


def written_and_read(values: dict[str, Array], shards: int = 1) -> dict[str, Array]:
    with tempfile.TemporaryDirectory() as folder:
        prefix = Path(folder, "bundle")
        with BundleWriter(prefix, shards=shards) as writer:
            for key, value in values.items():
                writer.add(key, value)
        with Variables.open(prefix, mapped=False) as variables:
            assert variables.entries.keys() == values.keys()
            return {key: variables.read(key, verify=True) for key in values}


NAMES = st.text(
    st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1, max_size=40
)
NUMBERS = hnp.arrays(
    st.sampled_from(["<f4", ">f8", "<f2", "i1", "u1", ">i4", "<u8", "?", "<c8", ">c16"]).map(
        np.dtype
    ),
    hnp.array_shapes(min_dims=0, max_dims=4, min_side=0, max_side=4),
)
STRINGS = st.lists(st.binary(max_size=300), max_size=5).map(
    lambda items: np.array([*items, None], object)[:-1]
)


@settings(deadline=None, max_examples=60)
@given(st.dictionaries(NAMES, NUMBERS | STRINGS, max_size=8), st.integers(1, 3))
def test_what_is_written_is_read_back(values: dict[str, Array], shards: int) -> None:
    for key, got in written_and_read(values, shards).items():
        expected = values[key]
        assert got.shape == expected.shape
        assert got.dtype == expected.dtype.newbyteorder("=")
        if expected.dtype == object:
            assert got.tolist() == expected.tolist()
        else:
            assert got.tobytes() == expected.astype(got.dtype).tobytes()


@pytest.mark.parametrize(
    "name", ["bfloat16", "float8_e5m2", "float8_e4m3fn", "int4", "uint4"], ids=str
)
def test_dtypes_that_numpy_lacks_are_read_back(name: str) -> None:
    value = np.array([[0, 1], [2, 3]], getattr(ml_dtypes, name))
    got = written_and_read({"x": value})["x"]
    assert (got.dtype, got.tolist()) == (value.dtype, value.tolist())


def test_any_memory_layout_is_written_in_order() -> None:
    value = np.arange(12, dtype=np.float32).reshape(3, 4)
    got = written_and_read({"turned": value.T, "thinned": value[:, ::2]})
    np.testing.assert_array_equal(got["turned"], value.T)
    np.testing.assert_array_equal(got["thinned"], value[:, ::2])


@settings(deadline=None, max_examples=30)
@given(hnp.arrays(np.int32, st.tuples(st.integers(2, 9), st.integers(1, 4))), st.data())
def test_slices_are_put_together_again(value: Array, data: st.DataObject) -> None:
    cut = data.draw(st.integers(1, value.shape[0] - 1))
    with tempfile.TemporaryDirectory() as folder:
        prefix = Path(folder, "bundle")
        with BundleWriter(prefix, shards=2) as writer:
            writer.add_slice("x", value.shape, ((0, cut), (0, slices.WHOLE)), value[:cut])
            rest = value.shape[0] - cut
            writer.add_slice("x", value.shape, ((cut, rest), (0, slices.WHOLE)), value[cut:])
        with Variables.open(prefix, mapped=False) as variables:
            np.testing.assert_array_equal(variables.read("x", verify=True), value)
            spec = slices.spec_of(value.shape, ((cut, rest), (0, slices.WHOLE)))
            np.testing.assert_array_equal(variables.read_slice("x", spec), value[cut:])


@settings(deadline=None, max_examples=60)
@given(st.dictionaries(st.binary(max_size=60), st.binary(max_size=60), max_size=60))
def test_a_table_is_read_back(content: dict[bytes, bytes]) -> None:
    rows = sorted(content.items())
    assert list(read_table(write_table(rows), "table")) == rows


def test_a_table_of_many_blocks_is_read_back() -> None:
    rows = [(b"%06d/%s" % (i, b"k" * (i % 50)), bytes([i % 256]) * 300) for i in range(4000)]
    table = write_table(rows)
    assert len(table) > 3 * 2**18
    assert list(read_table(table, "table")) == rows


def test_keys_out_of_order_are_a_fault_of_the_caller() -> None:
    with pytest.raises(ValueError, match="comes after"):
        write_table([(b"b", b""), (b"a", b"")])


def test_an_error_leaves_nothing_behind(tmp_path: Path) -> None:
    def write() -> None:
        with BundleWriter(tmp_path / "bundle", shards=2) as writer:
            writer.add("x", np.zeros(1000))
            writer.add("x", np.zeros(1))

    with pytest.raises(NotWritable, match="'x' is written twice"):
        write()
    assert list(tmp_path.iterdir()) == []


def test_there_is_no_index_before_the_data_is_there(tmp_path: Path) -> None:
    with BundleWriter(tmp_path / "bundle") as writer:
        writer.add("x", np.zeros(3))
        assert [p for p in tmp_path.iterdir() if not p.name.startswith(".")] == []
    assert {p.name for p in tmp_path.iterdir()} == {
        "bundle.index",
        "bundle.data-00000-of-00001",
    }


def test_progress_adds_up_to_the_bytes_of_the_data(tmp_path: Path) -> None:
    told: list[int] = []
    with BundleWriter(tmp_path / "bundle", progress=told.append) as writer:
        writer.add("x", np.zeros(3_000_000, np.float32))
    assert sum(told) == 12_000_000 == shard_path(tmp_path / "bundle", 0, 1).stat().st_size
    assert len(told) > 1


@pytest.mark.parametrize(
    ("key", "array", "message"),
    [
        ("", np.zeros(1), "can not have the name"),
        ("\0x", np.zeros(1), "can not have the name"),
        ("\ud800", np.zeros(1), "surrogates not allowed"),
        ("x", np.zeros(1, "datetime64[s]"), "no dtype for datetime64"),
        ("x", np.array([1], object), "a string can not be a int"),
    ],
)
def test_what_no_tensor_can_be_is_refused(
    key: str, array: Array, message: str, tmp_path: Path
) -> None:
    with BundleWriter(tmp_path / "bundle") as writer, pytest.raises(NotWritable, match=message):
        writer.add(key, array)


def test_a_slice_that_does_not_fit_is_refused(tmp_path: Path) -> None:
    with BundleWriter(tmp_path / "bundle") as writer:
        with pytest.raises(NotWritable, match="does not fit the slice"):
            writer.add_slice("x", (4,), ((0, 3),), np.zeros(2))
        writer.add_slice("x", (4,), ((0, 2),), np.zeros(2))
        with pytest.raises(NotWritable, match="different dtypes or shapes"):
            writer.add_slice("x", (4,), ((2, 2),), np.zeros(2, np.int32))
        with pytest.raises(NotWritable, match="written twice"):
            writer.add_slice("x", (4,), ((0, 2),), np.zeros(2))
        with pytest.raises(NotWritable, match="in slices and as a whole"):
            writer.add("x", np.zeros(4))


def test_a_folder_that_is_not_there_is_an_error_with_a_hint(tmp_path: Path) -> None:
    with pytest.raises(WriteFailed, match="No such file") as caught:
        BundleWriter(tmp_path / "nowhere" / "bundle")
    assert caught.value.hint
