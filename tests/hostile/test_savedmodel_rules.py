"""One broken SavedModel for each rule of the format, each refused by its own error."""

from __future__ import annotations

import os
import shutil
import struct
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from google.protobuf import text_format
from google.protobuf.message import Message

from servable import varint
from servable.pb import bundle_pb2, saved_model_pb2
from servable.savedmodel import errors, index, model_file, slices
from servable.savedmodel.checksum import crc32c, mask
from servable.savedmodel.functions import loading_order, offered
from servable.savedmodel.reader import read
from servable.savedmodel.table import MAGIC
from servable.savedmodel.variables import Variables

MODELS = Path(__file__).parents[1] / "data" / "models"

# A sound bundle of one tensor, in pieces small enough to break one at a time.


def message(of: type[Message], text: str) -> bytes:
    built = of()
    text_format.Parse(text, built)
    return built.SerializeToString()


def header(text: str = "num_shards: 1 version { producer: 1 }") -> tuple[bytes, bytes]:
    return b"", message(bundle_pb2.BundleHeaderProto, text)


def entry(text: str, *, size: int = 8, shape: str = "dim { size: 2 }") -> bytes:
    return message(
        bundle_pb2.BundleEntryProto, f"dtype: DT_FLOAT size: {size} shape {{ {shape} }} {text}"
    )


def block(entries: list[tuple[bytes, bytes]]) -> bytes:
    """Lay out keys and values without shared prefixes, and one restart point."""
    parts = [
        b"\x00" + varint.encode(len(key)) + varint.encode(len(value)) + key + value
        for key, value in entries
    ]
    return b"".join(parts) + struct.pack("<II", 0, 1)


def sealed(content: bytes, kind: int = 0) -> bytes:
    content += bytes([kind])
    return content + struct.pack("<I", mask(crc32c(content)))


def place(offset: int, size: int) -> bytes:
    return varint.encode(offset) + varint.encode(size)


def table(*blocks: bytes, kind: int = 0) -> bytes:
    """Join blocks, the index of blocks and the footer."""
    out, places = b"", []
    for i, content in enumerate(blocks):
        places.append((bytes([i]), place(len(out), len(content))))
        out += sealed(content, kind)
    return with_footer(out, block(places))


def with_footer(out: bytes, index_block: bytes) -> bytes:
    footer = place(0, 0) + place(len(out), len(index_block))
    return out + sealed(index_block) + footer.ljust(40, b"\0") + struct.pack("<Q", MAGIC)


def bundle(directory: Path, content: bytes, *data: bytes | None) -> Variables:
    """Write an index and data files, and open them."""
    (directory / "variables.index").write_bytes(content)
    for i, shard in enumerate(data):
        if shard is not None:
            name = f"variables.data-{i:05d}-of-{len(data):05d}"
            (directory / name).write_bytes(shard)
    return Variables.open(directory / "variables")


def opening(content: bytes, *data: bytes | None) -> Callable[[Path], object]:
    return lambda directory: bundle(directory, content, *(data or (b"\0" * 8,)))


def one(value: bytes, *data: bytes | None) -> Callable[[Path], object]:
    """Open a bundle with a sound header and one entry, `x`."""
    return opening(table(block([header(), (b"x", value)])), *data)


def reading(
    value: bytes, *data: bytes, verify: bool = False, spec: str = ""
) -> Callable[[Path], object]:
    """Open such a bundle and read `x`."""

    def act(directory: Path) -> object:
        variables = bundle(directory, table(block([header(), (b"x", value)])), *data)
        return variables.read_slice("x", spec) if spec else variables.read("x", verify=verify)

    return act


def sliced(*pieces: tuple[int, int], rows: int, each: int = -1, ones: int = 0) -> bytes:
    """Return the index of floats `x` in slices; all pieces begin at byte 0.

    The shape is `rows` and then a number of ones.
    """
    stored = " ".join(
        f"slices {{ extent {{ start: {s} length: {n} }} {'extent { }' * ones} }}" for s, n in pieces
    )
    more = "dim { size: 1 }" * ones
    entries = [header()]
    for start, length in pieces:
        count = length if each < 0 else each
        value = entry("", size=4 * count, shape=f"dim {{ size: {count} }} {more}")
        extents = ((start, length), *[(0, slices.WHOLE)] * ones)
        entries.append((slices.data_key("x", extents), value))
    entries.append((b"x", entry(stored, size=0, shape=f"dim {{ size: {rows} }} {more}")))
    return table(block(entries))


def assembling(
    *pieces: tuple[int, int], data: bytes, rows: int, ones: int = 0
) -> Callable[[Path], object]:
    return lambda directory: bundle(directory, sliced(*pieces, rows=rows, ones=ones), data).read(
        "x"
    )


def growing_keys() -> bytes:
    """Make a block in which each key is the one before and one byte more."""
    parts = [b"\x00\x00" + varint.encode(len(header()[1])) + header()[1]]
    value = entry("")
    for length in range(4000):
        parts.append(varint.encode(length) + b"\x01" + varint.encode(len(value)) + b"x" + value)
    return b"".join(parts) + struct.pack("<II", 0, 1)


def strings(
    lengths: bytes, rest: bytes, *, count: int, verify: bool = False
) -> Callable[[Path], object]:
    data = lengths + rest
    value = message(
        bundle_pb2.BundleEntryProto,
        f"dtype: DT_STRING size: {len(data)} shape {{ dim {{ size: {count} }} }}",
    )
    return reading(value, data, verify=verify)


def length_checksum(*lengths: int) -> bytes:
    return struct.pack("<I", mask(crc32c(struct.pack(f"<{len(lengths)}I", *lengths))))


def model(text: str) -> Callable[[Path], object]:
    """Read a SavedModel that consists of one MetaGraph."""

    def act(directory: Path) -> object:
        data = message(saved_model_pb2.SavedModel, f"meta_graphs {{ {text} }}")
        (directory / "saved_model.pb").write_bytes(data)
        return read(directory)

    return act


def file(name: str, content: bytes) -> Callable[[Path], object]:
    def act(directory: Path) -> object:
        (directory / name).write_bytes(content)
        return read(directory)

    return act


def pipe(directory: Path) -> object:
    os.mkfifo(directory / "saved_model.pb")
    return read(directory)


def huge(name: str, size: int) -> Callable[[Path], object]:
    """Make a file that is long and takes no space."""

    def act(directory: Path) -> object:
        (directory / name).touch()
        os.truncate(directory / name, size)
        if name == "variables.index":
            return Variables.open(directory / "variables")
        return read(directory)

    return act


def link_outside(directory: Path) -> object:
    inside = directory / "model"
    shutil.copytree(MODELS / "tf2_dtypes", inside)
    (directory / "secret").write_text("not yours\n")
    (inside / "assets" / "vocabulary.txt").unlink()
    (inside / "assets" / "vocabulary.txt").symlink_to(directory / "secret")
    return read(inside)


def link_to_itself(directory: Path) -> object:
    inside = directory / "model"
    shutil.copytree(MODELS / "tf2_dtypes", inside)
    (inside / "assets" / "vocabulary.txt").unlink()
    (inside / "assets" / "vocabulary.txt").symlink_to("vocabulary.txt")
    return read(inside)


def closed(directory: Path) -> object:
    variables = bundle(directory, GOOD, b"\0" * 8)
    variables.close()
    return variables.read("x")


def asset(filename: str) -> Callable[[Path], object]:
    return model(f'asset_file_def {{ filename: "{filename}" tensor_info {{ name: "a:0" }} }}')


def collected_asset(value: str) -> Callable[[Path], object]:
    return model(
        'collection_def { key: "saved_model_assets" value { any_list { value { '
        f"{value} }} }} }} }}"
    )


HEADER_BLOCK = block([header()])
GOOD = table(block([header(), (b"x", entry(""))]))
FLOATS = b"\0\0\x80\x3f" * 2
TWO_STRINGS = length_checksum(1, 2)
DEEP = b"meta_graphs{graph_def{node{" + b"attr{value{func{" * 50_000


def one_function(described: str = "") -> str:
    """A root with one function, and what the object graph says of that."""
    return f"""object_graph_def {{
      nodes {{ children {{ node_id: 1 local_name: "f" }} }}
      nodes {{ function {{ concrete_functions: "g" }} }} {described} }}"""


def arguments(signature: str) -> str:
    return one_function(f"""concrete_functions {{ key: "g" value {{
        canonicalized_input_signature {{ {signature} }} }} }}""")


def functions_of(text: str) -> Callable[[Path], object]:
    def act(folder: Path) -> object:
        del folder
        meta_graph = saved_model_pb2.MetaGraphDef()
        meta_graph.ParseFromString(message(saved_model_pb2.MetaGraphDef, text))
        return offered(meta_graph)

    return act


def calling_in_a_circle(folder: Path) -> object:
    del folder
    meta_graph = saved_model_pb2.MetaGraphDef()
    for name, other in ("ab", "ba"):
        function = meta_graph.graph_def.library.function.add()
        function.signature.name = name
        function.node_def.add(name="call", op=other)
    return loading_order(meta_graph.graph_def.library)


CASES: list[tuple[str, type[errors.SavedModelError], Callable[[Path], object]]] = [
    ("no model file", errors.NotASavedModel, read),
    ("a session bundle", errors.SessionBundleRemoved, file("export.meta", b"")),
    ("a pipe", errors.FileUnreadable, pipe),
    ("a model file over protobuf's limit", errors.FileTooLarge,
     huge("saved_model.pb", model_file.MAX_BINARY_BYTES + 1)),
    ("an endless text", errors.FileTooLarge,
     huge("saved_model.pbtxt", model_file.MAX_TEXT_BYTES + 1)),
    ("an endless index", errors.FileTooLarge,
     huge("variables.index", index.MAX_INDEX_BYTES + 1)),
    ("no protobuf", errors.ModelFileInvalid, file("saved_model.pb", b"\xff" * 9)),
    ("only zeros", errors.ModelFileInvalid, file("saved_model.pb", b"\0" * 4096)),
    ("deep protobuf", errors.ModelFileInvalid,
     file("saved_model.pb", b"\x12\x80\x80\x01" * 10_000)),
    ("no text format", errors.ModelFileInvalid, file("saved_model.pbtxt", b"meta_graphs {")),
    ("no UTF-8", errors.ModelFileInvalid, file("saved_model.pbtxt", b"\xff\xfe")),
    ("deep text", errors.ModelFileInvalid, file("saved_model.pbtxt", DEEP)),
    ("no MetaGraph", errors.MetaGraphNotFound,
     lambda d: (file("saved_model.pb", b"")(d), read(d).meta_graph())),
    ("no init op in its signature", errors.InitOpInvalid,
     model('signature_def { key: "__saved_model_init_op" value { } }')),
    ("two init ops", errors.InitOpInvalid,
     model('collection_def { key: "legacy_init_op" value { '
           'node_list { value: "a" value: "b" } } }')),
    ("a child that is not in the object graph", errors.ObjectGraphInvalid,
     functions_of("object_graph_def { nodes { children { node_id: 7 } } }")),
    ("a function that is not described", errors.ObjectGraphInvalid,
     functions_of(one_function())),
    ("arguments that are no pair", errors.StructureInvalid,
     functions_of(arguments("tuple_value { }"))),
    ("a structure of nothing", errors.StructureInvalid,
     functions_of(arguments(""))),
    ("a named tuple with code for a name", errors.StructureInvalid,
     functions_of(arguments('named_tuple_value { name: "a b" }'))),
    ("functions that call each other", errors.FunctionsUnordered, calling_in_a_circle),
    ("a negative size in a signature", errors.SignatureInvalid,
     model('signature_def { key: "s" value { inputs { key: "x" value { '
           "tensor_shape { dim { size: -2 } } } } } }")),
    ("a default that is no tensor", errors.SignatureInvalid,
     model('signature_def { key: "s" value { defaults { key: "x" value { } } } }')),
    ("a default of a terabyte", errors.SignatureInvalid,
     model('signature_def { key: "s" value { defaults { key: "x" value { dtype: DT_FLOAT '
           "tensor_shape { dim { size: 250000000000 } } } } } }")),
    ("an asset up the tree", errors.AssetOutside, asset("../../etc/passwd")),
    ("an asset up and down", errors.AssetOutside, asset("a/../../../etc/passwd")),
    ("an absolute asset", errors.AssetOutside, asset("/etc/passwd")),
    ("an asset on a drive", errors.AssetOutside, asset("c:passwd")),
    ("an asset up the tree, backslashes", errors.AssetOutside, asset("..\\\\..\\\\passwd")),
    ("an asset with a zero", errors.AssetOutside, asset("a\\0b")),
    ("a nameless asset", errors.AssetOutside, asset("")),
    ("an asset that is the directory", errors.AssetOutside, asset(".")),
    ("an asset linked to elsewhere", errors.AssetOutside, link_outside),
    ("an asset linked to itself", errors.AssetOutside, link_to_itself),
    ("an asset of another type", errors.AssetInvalid,
     collected_asset('type_url: "type.googleapis.com/tensorflow.NodeDef"')),
    ("an asset that does not parse", errors.AssetInvalid,
     collected_asset('type_url: "x/tensorflow.AssetFileDef" value: "\\377"')),
    # the table
    ("an empty index", errors.FooterInvalid, opening(b"")),
    ("no magic number", errors.FooterInvalid, opening(GOOD[:-1] + b"\0")),
    ("a cut index", errors.FooterInvalid, opening(GOOD[:-1])),
    ("a footer without places", errors.FooterInvalid,
     opening(GOOD[:-48] + b"\xff" * 40 + GOOD[-8:])),
    ("an index block outside", errors.BlockOutOfFile,
     opening(GOOD[:-48] + (place(0, 0) + place(2**62, 9)).ljust(40, b"\0") + GOOD[-8:])),
    ("a data block outside", errors.BlockOutOfFile,
     opening(with_footer(b"", block([(b"k", place(0, 10**12))])))),
    ("a flipped bit", errors.BlockChecksumWrong, opening(b"\x01" + GOOD[1:])),
    ("snappy", errors.BlockCompressed, opening(table(block([header()]), kind=1))),
    ("a block without restart points", errors.BlockInvalid, opening(table(b""))),
    ("more restart points than room", errors.BlockInvalid,
     opening(table(struct.pack("<I", 2**31)))),
    ("a prefix of nothing", errors.BlockInvalid,
     opening(table(b"\x01\x00\x00" + struct.pack("<II", 0, 1)))),
    ("a value past the end", errors.BlockInvalid,
     opening(table(b"\x00\x01\x7fk" + struct.pack("<II", 0, 1)))),
    ("a length without end", errors.BlockInvalid,
     opening(table(b"\xff\xff\xff" + struct.pack("<II", 0, 1)))),
    ("no place in the index block", errors.BlockInvalid,
     opening(with_footer(b"", block([(b"k", b"\x80")])))),
    ("keys out of order", errors.KeysUnordered,
     opening(table(block([header(), (b"y", entry("")), (b"x", entry(""))])))),
    ("a key twice", errors.KeysUnordered,
     opening(table(block([header(), (b"x", entry(""))]), block([(b"x", entry(""))])))),
    ("a block twice", errors.KeysUnordered,
     opening(with_footer(
         sealed(HEADER_BLOCK),
         block([(b"a", place(0, len(HEADER_BLOCK))), (b"b", place(0, len(HEADER_BLOCK)))]),
     ))),
    ("keys made of keys", errors.KeysTooLong, opening(table(growing_keys()))),
    # the bundle
    ("no entries at all", errors.HeaderInvalid, opening(table())),
    ("no header", errors.HeaderInvalid, opening(table(block([(b"x", entry(""))])))),
    ("a damaged header", errors.HeaderInvalid, opening(table(block([(b"", b"\xff")])))),
    ("fewer than no shards", errors.HeaderInvalid,
     opening(table(block([header("num_shards: -1")])))),
    ("big-endian", errors.BigEndian,
     opening(table(block([header("num_shards: 1 endianness: BIG")])))),
    ("a later format", errors.VersionUnsupported,
     opening(table(block([header("num_shards: 1 version { min_consumer: 2 }")])))),
    ("a format known to be read wrongly", errors.VersionUnsupported,
     opening(table(block([header("num_shards: 1 version { bad_consumers: 1 }")])))),
    ("a key of bytes", errors.KeyInvalid,
     opening(table(block([header(), (b"\xff", entry(""))])))),
    ("a damaged entry", errors.EntryInvalid, one(b"\xff")),
    ("an unknown dtype", errors.EntryInvalid, one(message(
        bundle_pb2.BundleEntryProto, "dtype: 99"))),
    ("a negative size", errors.EntryInvalid, one(entry("", shape="dim { size: -1 }"))),
    ("an unknown rank", errors.EntryInvalid, one(entry("", shape="unknown_rank: true"))),
    ("an endless shape", errors.EntryInvalid,
     one(entry("", size=4, shape="dim { size: 1 }" * 255))),
    ("an overflowing shape", errors.EntryInvalid,
     one(entry("", shape="dim { size: 4294967296 }" * 3))),
    ("an overflowing shape of nothing", errors.EntryInvalid,
     one(entry("", size=0, shape="dim { } " + "dim { size: 4294967296 }" * 3))),
    ("more dimensions than arrays have", errors.EntryInvalid,
     reading(entry("", size=4, shape="dim { size: 1 }" * 70), b"1234")),
    ("a shard that does not exist", errors.EntryInvalid, one(entry("shard_id: 1"))),
    ("a negative shard", errors.EntryInvalid, one(entry("shard_id: -1"))),
    ("a negative offset", errors.EntryInvalid, one(entry("offset: -8"))),
    ("fewer bytes than elements", errors.EntrySizeWrong, one(entry("", size=4))),
    ("more bytes than elements", errors.EntrySizeWrong, one(entry("", size=12), b"\0" * 12)),
    ("a terabyte from nothing", errors.EntrySizeWrong,
     one(entry("", shape="dim { size: 1000000000000 }"))),
    ("no room for the lengths of strings", errors.EntrySizeWrong, one(message(
        bundle_pb2.BundleEntryProto, "dtype: DT_STRING size: 8 shape { dim { size: 5 } }"))),
    ("a slice of another rank", errors.SliceInvalid,
     one(entry("slices { extent { } extent { } }", size=0))),
    ("a slice outside", errors.SliceInvalid,
     one(entry("slices { extent { start: 1 length: 2 } }", size=0))),
    ("a slice without data", errors.SliceInvalid, one(entry("slices { extent { } }", size=0))),
    ("a slice with data of another shape", errors.SliceInvalid,
     opening(sliced((0, 2), rows=2, each=1))),
    ("slices that overlap", errors.SlicesOverlap,
     assembling((0, 2), (1, 2), data=b"\0" * 8, rows=3)),
    ("slices that overlap and leave as much out", errors.SlicesOverlap,
     assembling((0, 2), (1, 2), data=b"\0" * 16, rows=4)),
    ("slices that leave a gap", errors.SlicesMissing,
     assembling((0, 1), (2, 1), data=b"\0" * 8, rows=3)),
    ("slices with more dimensions than arrays have", errors.EntryInvalid,
     assembling((0, 1), (1, 1), data=b"\0" * 8, rows=2, ones=70)),
    ("slices that all hold the same bytes", errors.AssembledTooLarge,
     assembling((0, 2), (2, 2), (4, 2), data=b"\0" * 8, rows=6)),
    # data files
    ("no data file", errors.ShardMissing, one(entry(""), None)),
    ("a cut data file", errors.ShardTruncated, one(entry(""), b"\0" * 7)),
    ("an entry past the end", errors.ShardTruncated, one(entry("offset: 4611686018427387904"))),
    ("wrong bytes", errors.DataChecksumWrong, reading(entry("crc32c: 1"), FLOATS, verify=True)),
    ("lengths that exceed the bytes", errors.StringsInvalid,
     strings(b"\x01\x02", TWO_STRINGS + b"ab", count=2)),
    ("lengths that leave bytes over", errors.StringsInvalid,
     strings(b"\x01\x02", TWO_STRINGS + b"abcd", count=2)),
    ("a length without end in the data", errors.StringsInvalid,
     strings(b"\xff" * 9, b"", count=2)),
    ("lengths that reach into their checksum", errors.StringsInvalid,
     strings(b"\x80\x80\x80\x00\x00", b"\x00", count=2)),
    ("lengths with a wrong checksum", errors.DataChecksumWrong,
     strings(b"\x01\x02", b"\0\0\0\0abc", count=2)),
    ("strings with a wrong checksum", errors.DataChecksumWrong,
     strings(b"\x01\x02", TWO_STRINGS + b"abc", count=2, verify=True)),
    ("a bool of two", errors.BoolInvalid, reading(message(
        bundle_pb2.BundleEntryProto, "dtype: DT_BOOL size: 1 shape { }"), b"\x02")),
    ("a variant", errors.DtypeUnreadable, reading(message(
        bundle_pb2.BundleEntryProto, "dtype: DT_VARIANT size: 1 shape { }"), b"\x02")),
    # what callers ask for
    ("no such key", errors.KeyNotFound, lambda d: bundle(d, GOOD, FLOATS).read("y")),
    ("no such slice", errors.SliceSpecInvalid, reading(entry(""), FLOATS, spec="2 1,2")),
    ("after closing", errors.VariablesClosed, closed),
]  # fmt: skip


@pytest.mark.parametrize(
    ("error", "act"), [case[1:] for case in CASES], ids=[case[0] for case in CASES]
)
def test_a_broken_rule_is_refused_by_its_own_error(
    tmp_path: Path, error: type[errors.SavedModelError], act: Callable[[Path], object]
) -> None:
    with pytest.raises(errors.SavedModelError) as caught:
        act(tmp_path)
    assert type(caught.value) is error, caught.value
    assert caught.value.message


def test_the_bundle_that_the_cases_break_is_sound(tmp_path: Path) -> None:
    assert bundle(tmp_path, GOOD, FLOATS).read("x").tolist() == [1.0, 1.0]


def test_the_slices_that_the_cases_break_are_sound(tmp_path: Path) -> None:
    read_back = assembling((0, 1), (1, 1), data=FLOATS, rows=2, ones=3)(tmp_path)
    assert isinstance(read_back, np.ndarray)
    assert read_back.tolist() == [[[[1.0]]], [[[1.0]]]]


def test_several_blocks_and_shared_prefixes_are_read(tmp_path: Path) -> None:
    value = entry("")
    shared = b"\x00\x02" + varint.encode(len(value)) + b"xa" + value
    shared += b"\x01\x01" + varint.encode(len(value)) + b"b" + value
    content = table(block([header()]), shared + struct.pack("<II", 0, 1), block([(b"y", value)]))
    assert list(bundle(tmp_path, content, FLOATS).entries) == ["xa", "xb", "y"]


def test_every_rule_has_a_case() -> None:
    def leaves(of: type[errors.SavedModelError]) -> Iterator[type[errors.SavedModelError]]:
        for below in of.__subclasses__():
            yield below
            yield from leaves(below)

    # What is not there yet has its own tests, beside the check that reports it.
    expected = set(leaves(errors.SavedModelError)) - {errors.Incomplete}
    assert {error for _, error, _ in CASES} == expected
