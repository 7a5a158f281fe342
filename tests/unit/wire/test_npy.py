"""numpy's file formats, read as a stranger's."""

from __future__ import annotations

import contextlib
import io
import re
import struct
import zipfile
from typing import Any

import ml_dtypes
import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from servable import tensors
from servable.errors import InvalidArgument, ResourceExhausted
from servable.wire import npy


def saved(array: Any, **options: Any) -> bytes:
    file = io.BytesIO()
    np.save(file, array, **options)
    return file.getvalue()


def with_header(text: str, data: bytes = b"") -> bytes:
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(text)) + text.encode() + data


def is_text(array: Any) -> bool:
    """Whether no string holds half of a surrogate pair, which files may not hold either."""
    return array.dtype.kind != "U" or not re.search("[\ud800-\udfff]", "".join(array.flat))


ARRAYS = hnp.arrays(
    dtype=st.sampled_from(
        ["<f4", ">f8", "<f2", "<i8", ">i2", "|u1", "<u4", "|b1", "<c8", ">c16", "|S3", "<U2"]
    ),
    shape=hnp.array_shapes(min_dims=0, max_dims=4, min_side=0, max_side=3),
).filter(is_text)


@given(ARRAYS, st.booleans())
@example(np.array("\ue000"), False)
def test_what_numpy_saves_is_read_and_written_back(array: Any, fortran: bool) -> None:
    read = npy.read(saved(np.asarray(array, order="F" if fortran else "C")))
    assert read.shape == array.shape
    if array.dtype.kind in "SU":
        text = [a.encode() if isinstance(a, str) else a for a in array.reshape(-1).tolist()]
        assert read.reshape(-1).tolist() == text
    else:
        native = array.astype(array.dtype.newbyteorder("="))
        assert read.dtype == native.dtype
        assert read.tobytes() == native.tobytes()
        again = np.load(io.BytesIO(npy.write(read)))
        assert (again.dtype, again.shape) == (read.dtype, read.shape)
        assert again.tobytes() == read.tobytes()


def test_a_file_is_viewed_and_not_copied() -> None:
    data = saved(np.ones((4, 5), np.float32))
    read = npy.read(data)
    assert np.shares_memory(read, np.frombuffer(data, np.uint8))
    assert not read.flags.writeable


def test_bfloat16_is_read_where_the_signature_says_so() -> None:
    array = np.array([1, 2.5], ml_dtypes.bfloat16)
    assert npy.read(saved(array), tensors.BFLOAT16).tolist() == [1, 2.5]
    assert npy.read(npy.write(array), tensors.BFLOAT16).tolist() == [1, 2.5]
    with pytest.raises(InvalidArgument, match="has no dtype for numpy's '<V2'"):
        npy.read(saved(array), tensors.FLOAT)


def test_strings_are_written_with_a_fixed_width() -> None:
    array = np.array([[b"a", "ü".encode()], [b"", b"long"]], object)
    assert np.load(io.BytesIO(npy.write(array))).tolist() == array.tolist()
    with pytest.raises(InvalidArgument, match="ends in a zero byte"):
        npy.write(np.array([b"a\0"], object))
    many = np.array([b"x" * 2**20, *[b""] * 2**10], object)
    with pytest.raises(ResourceExhausted, match="too large"):
        npy.write(many)


GOOD = "{'descr': '<f4', 'fortran_order': False, 'shape': (2,), }"


@pytest.mark.parametrize(
    ("data", "text"),
    [
        (b"", "no .npy file"),
        (b"PK\x03\x04", "no .npy file"),
        (b"\x93NUMPY", "cut off"),
        (b"\x93NUMPY\x09\x00\x00\x00\x00\x00", "unknown version"),
        (b"\x93NUMPY\x01\x00\xff\xff", "cut off or too long"),
        (b"\x93NUMPY\x02\x00\xff\xff\xff\xff", "cut off or too long"),
        (with_header(GOOD, b"1234567"), "has 7 bytes where"),
        (with_header(GOOD, b"123456789"), "has 9 bytes where"),
        (with_header(GOOD.replace("(2,)", "(2")), "not understood"),
        (with_header(GOOD.replace("(2,)", "(-1,)")), "not understood"),
        (with_header(GOOD.replace("(2,)", "__import__('os').abort()")), "not understood"),
        (with_header("(" * 9000), "not understood"),
        (with_header("{" * 9000), "not understood"),
        (with_header("{'descr': '<f4'}"), "not understood"),
        (with_header(GOOD + "x"), "not understood"),
        (with_header(""), "not understood"),
        (with_header(GOOD.replace("'<f4'", "[('a', '<f4')]")), "not understood"),
        (with_header(GOOD.replace("'<f4'", "True")), "of the kind"),
        (with_header(GOOD.replace("False", "'no'")), "fortran_order"),
        (with_header(GOOD.replace("<f4", "|O")), "of the kind"),
        (with_header(GOOD.replace("<f4", "<M8")), "of the kind"),
        (with_header(GOOD.replace("<f4", "<f3")), "no dtype"),
        (with_header(GOOD.replace("<f4", "<b2")), "no dtype"),
        (with_header(GOOD.replace("<f4", "<f999999999")), "no dtype"),
        (with_header(GOOD.replace("<f4", "|S0")), "does not hold"),
        (with_header(GOOD.replace("<f4", "|S999999999")), "does not hold"),
        (with_header(GOOD.replace("(2,)", f"({2**62}, 4)")), "too many elements"),
        (with_header(GOOD.replace("(2,)", f"({'1,' * 40})"), b"1234"), "dimensions"),
        (with_header(GOOD.replace("(2,)", f"(0, {2**62}, {2**62})")), "can not be held"),
        (with_header(GOOD.replace("(2,)", f"({'9' * 30},)")), "no list of sizes"),
        (with_header(GOOD.replace("<f4", "|b1"), b"\x00\x02"), "other than 0 and 1"),
        (with_header(GOOD.replace("<f4", "<U1"), b"\xff" * 8), "no Unicode"),
        (saved(np.array([{}, 1], object), allow_pickle=True), "of the kind"),
    ],
)
def test_what_is_no_such_file_is_refused(data: bytes, text: str) -> None:
    with pytest.raises(InvalidArgument, match=text):
        npy.read(data)


@given(st.binary(max_size=200), st.integers(0, 200))
def test_no_damage_does_more_than_refuse(noise: bytes, at: int) -> None:
    good = saved(np.arange(6, dtype=np.float32).reshape(2, 3))
    for data in (noise, good[:at], good[:at] + noise + good[at + len(noise) :]):
        with contextlib.suppress(InvalidArgument):
            npy.read(data)


def archive(**arrays: Any) -> bytes:
    file = io.BytesIO()
    np.savez(file, **arrays)
    return file.getvalue()


def test_archives_are_read_and_written() -> None:
    arrays: dict[str, Any] = {"größe": np.ones((2, 3), np.float32), "s": np.array([b"x"])}
    for save in (np.savez, np.savez_compressed):
        file = io.BytesIO()
        save(file, **arrays)
        read = npy.read_archive(file.getvalue(), {}, 10_000)
        assert list(read) == ["größe", "s"]
        assert read["größe"].tolist() == arrays["größe"].tolist()
        assert read["s"].tolist() == [b"x"]
    back = np.load(io.BytesIO(npy.write_archive(read)))
    assert back["größe"].dtype == np.float32
    assert back["s"].tolist() == [b"x"]


def zipped(*members: tuple[str, bytes]) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as out:
        for name, content in members:
            out.writestr(zipfile.ZipInfo(name), content, zipfile.ZIP_DEFLATED)
    return file.getvalue()


ONE = saved(np.ones(2, np.float32))


@pytest.mark.parametrize(
    ("data", "text"),
    [
        (b"", "no .npz file"),
        (b"PK\x05\x06" + bytes(17), "no .npz file"),
        (archive(x=np.ones(3))[:-30], "no .npz file"),
        (archive(x=np.ones(3)).replace(b"\x93NUMPY", b"\x93NUMPX"), "no .npz file"),
        (zipped(("x.npy", b"hello")), "no .npy file"),
        (zipped(("x.npy", ONE), ("x", ONE)), "two members"),
        (zipped(("x.npy", bytes(20_000))), "are the most"),
        (zipped(*((f"{i}", ONE) for i in range(1001))), "more than 1000 members"),
        (archive(x=np.array([{}], object)), "of the kind"),
    ],
)
def test_what_is_no_archive_is_refused(data: bytes, text: str) -> None:
    with pytest.raises((InvalidArgument, ResourceExhausted), match=text):
        npy.read_archive(data, {}, 10_000)


@given(st.integers(0, 400), st.binary(min_size=1, max_size=8))
def test_no_damage_of_an_archive_does_more_than_refuse(at: int, noise: bytes) -> None:
    good = archive(x=np.ones(3, np.float32), y=np.zeros((2, 2)))
    data = good[:at] + noise + good[at + len(noise) :]
    with contextlib.suppress(InvalidArgument, ResourceExhausted):
        npy.read_archive(data, {}, 10_000)
