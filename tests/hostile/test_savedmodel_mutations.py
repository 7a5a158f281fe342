"""Real SavedModels with bytes flipped, cut and repeated: refused or read, never worse.

A flipped byte in the index nearly always ends at a block's checksum. To get behind it,
some of these tests write the checksums anew after the change.
"""

from __future__ import annotations

import shutil
import struct
import tempfile
import tracemalloc
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from google.protobuf import text_format
from hypothesis import given, settings
from hypothesis import strategies as st

from servable import varint
from servable.errors import ServableError
from servable.pb import saved_model_pb2
from servable.savedmodel.checks import check_complete
from servable.savedmodel.checksum import crc32c, mask
from servable.savedmodel.reader import read
from servable.savedmodel.variables import Variables

MODELS = Path(__file__).parents[1] / "data" / "models"

# Every file here has less than 80 kB, and most have one or two. What is read from one
# of them may take some multiple of that (objects are larger than bytes), not megabytes
# for each kilobyte.
MEMORY = 24 * 2**20

unhurried = settings(deadline=None)


@st.composite
def mutations(draw: st.DrawFn) -> Callable[[bytes], bytes]:
    """Return a function that changes some bytes at places relative to the length."""
    changes = draw(
        st.lists(
            st.tuples(
                st.sampled_from(["flip", "set", "cut", "insert", "repeat"]),
                st.floats(0, 1, exclude_max=True),
                st.binary(min_size=1, max_size=12),
            ),
            min_size=1,
            max_size=4,
        )
    )

    def change(data: bytes) -> bytes:
        for kind, where, what in changes:
            at = int(where * len(data))
            if kind == "flip":
                flipped = bytes(a ^ b for a, b in zip(data[at:], what, strict=False))
                data = data[:at] + flipped + data[at + len(flipped) :]
            elif kind == "set":
                data = data[:at] + what + data[at + len(what) :]
            elif kind == "cut":
                data = data[:at]
            elif kind == "insert":
                data = data[:at] + what + data[at:]
            else:
                data = data[:at] + data[at : at + 40] * len(what) + data[at:]
        return data

    return change


@contextmanager
def copy_of(model: str) -> Iterator[Path]:
    with tempfile.TemporaryDirectory() as directory:
        yield Path(shutil.copytree(MODELS / model, Path(directory) / "1"))


@contextmanager
def little_memory() -> Iterator[None]:
    tracemalloc.start()
    try:
        yield
        assert tracemalloc.get_traced_memory()[1] < MEMORY
    finally:
        tracemalloc.stop()


def read_everything(model: Path) -> None:
    """Do all that a loader does; only errors of ours may come out."""
    for act in (check_complete, read, read_variables):
        with suppress(ServableError):
            act(model)


def read_variables(model: Path) -> None:
    with Variables.open(model / "variables" / "variables") as variables:
        for key in variables.entries:
            for verify in (False, True):
                with suppress(ServableError):
                    variables.read(key, verify=verify)


models_with_variables = st.sampled_from(["tf1_partitioned", "tf2_dtypes"])


@unhurried
@given(models_with_variables, mutations())
def test_a_changed_index(model: str, change: Callable[[bytes], bytes]) -> None:
    with copy_of(model) as copy, little_memory():
        path = copy / "variables" / "variables.index"
        path.write_bytes(change(path.read_bytes()))
        read_everything(copy)


def resealed(blocks: list[bytes]) -> bytes:
    """Join a data block, an empty block and an index block anew, with right checksums."""
    out, places = b"", []
    for content in blocks:
        places.append(varint.encode(len(out)) + varint.encode(len(content)))
        out += content + b"\0" + struct.pack("<I", mask(crc32c(content + b"\0")))
    footer = b"".join(places[1:]).ljust(40, b"\0")
    return out + footer + struct.pack("<Q", 0xDB4775248B80FB57)


def blocks_of(data: bytes) -> list[bytes]:
    """Return the three blocks of a small index: data, metadata and index."""
    at, places = len(data) - 48, []
    for _ in range(2):
        offset, at = varint.read(data, at)
        size, at = varint.read(data, at)
        places.append((offset, size))
    return [data[: places[0][0] - 5], *(data[offset : offset + size] for offset, size in places)]


def with_place(data_block: bytes) -> bytes:
    """Return an index block that names a first block of the right length."""
    place = b"\0" + varint.encode(len(data_block))
    return b"\0\1" + varint.encode(len(place)) + b"z" + place + struct.pack("<II", 0, 1)


@unhurried
@given(models_with_variables, mutations())
def test_changed_entries_under_right_checksums(
    model: str, change: Callable[[bytes], bytes]
) -> None:
    with copy_of(model) as copy, little_memory():
        path = copy / "variables" / "variables.index"
        entries, metadata, _ = blocks_of(path.read_bytes())
        changed = change(entries[:-8]) + entries[-8:]
        path.write_bytes(resealed([changed, metadata, with_place(changed)]))
        read_everything(copy)


@unhurried
@given(models_with_variables, mutations())
def test_changed_places_under_right_checksums(model: str, change: Callable[[bytes], bytes]) -> None:
    with copy_of(model) as copy, little_memory():
        path = copy / "variables" / "variables.index"
        entries, metadata, places = blocks_of(path.read_bytes())
        path.write_bytes(resealed([entries, metadata, change(places)]))
        read_everything(copy)


@unhurried
@given(models_with_variables, mutations())
def test_a_changed_data_file(model: str, change: Callable[[bytes], bytes]) -> None:
    with copy_of(model) as copy, little_memory():
        path = max((copy / "variables").glob("variables.data-*"))
        path.write_bytes(change(path.read_bytes()))
        read_everything(copy)


@unhurried
@given(st.sampled_from(["tf1_half_plus_two", "tf2_dtypes", "tf1_stateless"]), mutations())
def test_a_changed_model_file(model: str, change: Callable[[bytes], bytes]) -> None:
    with copy_of(model) as copy, little_memory():
        path = next(copy.glob("saved_model.pb*"))
        path.write_bytes(change(path.read_bytes()))
        read_everything(copy)


@unhurried
@given(mutations())
def test_a_changed_signature(change: Callable[[bytes], bytes]) -> None:
    """Change one signature only: the rest of the file is too large to hit it often."""
    whole = saved_model_pb2.SavedModel.FromString(
        (MODELS / "tf2_dtypes" / "saved_model.pb").read_bytes()
    )
    part = whole.meta_graphs[0]
    small = saved_model_pb2.SavedModel(
        meta_graphs=[
            saved_model_pb2.MetaGraphDef(
                signature_def=part.signature_def,
                asset_file_def=part.asset_file_def,
                saver_def=part.saver_def,
                collection_def=part.collection_def,
            )
        ]
    )
    with tempfile.TemporaryDirectory() as directory, little_memory():
        path = Path(directory)
        (path / "saved_model.pb").write_bytes(change(small.SerializeToString(deterministic=True)))
        read_everything(path)
        text = text_format.MessageToString(small).encode()
        (path / "saved_model.pb").unlink()
        (path / "saved_model.pbtxt").write_bytes(change(text))
        read_everything(path)


def test_the_blocks_are_put_together_as_they_were() -> None:
    for model in ("tf1_partitioned", "tf2_dtypes"):
        data = (MODELS / model / "variables" / "variables.index").read_bytes()
        blocks = blocks_of(data)
        assert resealed(blocks) == data
        with copy_of(model) as copy:
            path = copy / "variables" / "variables.index"
            path.write_bytes(resealed([*blocks[:2], with_place(blocks[0])]))
            check_complete(copy)
