"""TFRecord files: the format to the byte, and what damage to them is answered with."""

from __future__ import annotations

import os
import struct
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from servable.errors import DataLoss, NotFound, ResourceExhausted, ServableError
from servable.recording import tfrecord
from servable.recording.tfrecord import frame
from servable.savedmodel.checksum import crc32c, mask

# Written by TensorFlow's own writer: b"hello", b"" and twenty times b"x".
RECORDED = bytes.fromhex(
    "0500000000000000eab2043e68656c6c6fbb1f1c19000000000000000029039807d8ea82a2"
    "14000000000000005e3d291578787878787878787878787878787878787878780d2dd320"
)
CONTENT = [b"hello", b"", b"x" * 20]


@pytest.fixture
def file(tmp_path: Path) -> Callable[[bytes], Path]:
    def make(data: bytes) -> Path:
        path = tmp_path / "records"
        path.write_bytes(data)
        return path

    return make


def test_records_are_written_as_tensorflow_writes_them() -> None:
    assert b"".join(map(frame, CONTENT)) == RECORDED


def test_records_of_tensorflow_are_read(file: Callable[[bytes], Path]) -> None:
    assert list(tfrecord.read(file(RECORDED))) == CONTENT


def flipped(position: int) -> bytes:
    data = bytearray(RECORDED)
    data[position] ^= 1
    return bytes(data)


def claiming(length: int) -> bytes:
    """A head that is sound, and nothing behind it."""
    packed = struct.pack("<Q", length)
    return packed + struct.pack("<I", mask(crc32c(packed)))


@pytest.mark.parametrize(
    ("data", "whole", "text"),
    [
        (
            b"this is no such file at all",
            0,
            "corrupted record at 0 (Is this even a TFRecord file?)",
        ),
        (flipped(0), 0, "corrupted record at 0 (Is this even a TFRecord file?)"),
        (flipped(9), 0, "corrupted record at 0 (Is this even a TFRecord file?)"),
        (flipped(13), 0, "corrupted record at 12"),
        (flipped(21), 1, "corrupted record at 21"),
        (flipped(34), 1, "corrupted record at 33"),
        (flipped(-3), 2, "corrupted record at 49"),
        (RECORDED[:14], 0, "truncated record at 0' failed with Read less bytes than requested"),
        (RECORDED[:-3], 2, "truncated record at 37' failed with Read less bytes than requested"),
        (b"abc", 0, "truncated record at 0' failed with Read less bytes than requested"),
        (RECORDED[:22], 1, "truncated record at 21' failed with Read less bytes than requested"),
        (claiming(2**30), 0, "truncated record at 0' failed with Read less bytes than requested"),
    ],
)
def test_damage_is_told_where_it_is_and_what_came_before_is_read(
    file: Callable[[bytes], Path], data: bytes, whole: int, text: str
) -> None:
    records = tfrecord.read(file(data))
    assert [next(records) for _ in range(whole)] == CONTENT[:whole]
    with pytest.raises(DataLoss) as error:
        next(records)
    assert error.value.message == text


@pytest.mark.parametrize("length", [2**31 + 1, 2**63, 2**64 - 1])
def test_no_memory_is_taken_for_a_length_that_can_not_be(
    file: Callable[[bytes], Path], length: int
) -> None:
    with pytest.raises(ResourceExhausted):
        list(tfrecord.read(file(claiming(length))))


def test_a_reader_may_set_a_lower_limit(file: Callable[[bytes], Path]) -> None:
    with pytest.raises(ResourceExhausted):
        list(tfrecord.read(file(frame(b"12345")), limit=4))


def test_a_file_that_is_not_there_and_a_pipe_are_refused(tmp_path: Path) -> None:
    with pytest.raises(NotFound):
        list(tfrecord.read(tmp_path / "none"))
    os.mkfifo(tmp_path / "pipe")  # opening it would wait for ever
    with pytest.raises(ServableError, match="not a regular file"):
        list(tfrecord.read(tmp_path / "pipe"))


@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.binary(max_size=200), max_size=5))
def test_what_is_written_is_read(tmp_path: Path, records: list[bytes]) -> None:
    path = tmp_path / "records"
    assert tfrecord.write(path, iter(records)) == len(records)
    assert list(tfrecord.read(path)) == records


@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.binary(max_size=120))
def test_any_bytes_are_read_or_refused(file: Callable[[bytes], Path], data: bytes) -> None:
    with suppress(ServableError):
        assert b"".join(map(frame, tfrecord.read(file(data)))) == data


def test_a_write_that_fails_leaves_the_old_file_and_no_other(tmp_path: Path) -> None:
    path = tmp_path / "records"
    tfrecord.write(path, iter([b"old"]))

    def broken() -> object:
        yield b"new"
        raise DataLoss("the source is damaged")

    with pytest.raises(DataLoss):
        tfrecord.write(path, broken())  # type: ignore[arg-type]  # a generator, whatever it yields
    assert list(tfrecord.read(path)) == [b"old"]
    assert os.listdir(tmp_path) == ["records"]
