"""Tables filled from the lines of a text file, which must be one of the model's assets."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from servable.errors import (
    FailedPrecondition,
    InvalidArgument,
    NotFound,
    OutOfRange,
    PermissionDenied,
)
from servable.ops.number_text import PARSERS
from servable.ops.registry import Build, Kernel, op
from servable.ops.table_store import HashTable, Table
from servable.ops.text import dims, one
from servable.tensors import INT32, INT64, STRING, Array, DType

_LINE_NUMBER = -1
_WHOLE_LINE = -2


@dataclass(frozen=True)
class _Layout:
    """What of a line is the key, and what the value.

    Attributes:
        key_index, value_index: a column, or one of the two special numbers.
        vocab_size: how many lines to read; -1 for all.
        offset: added to line numbers and to int32 columns.
    """

    key_index: int
    value_index: int
    vocab_size: int
    delimiter: bytes
    offset: int

    def check(self, table: Table) -> None:
        """Refuse a layout that can not fill a table of these dtypes.

        Raises:
            InvalidArgument: it can not.
        """
        for name, index, dtype in (
            ("Key", self.key_index, table.key),
            ("Value", self.value_index, table.value),
        ):
            if index == _LINE_NUMBER and dtype is not INT64:
                raise InvalidArgument(
                    f"{name} index for line number requires table {name.lower()} dtype of int64,"
                    f" got {dtype.name}"
                )
            if index == _WHOLE_LINE and dtype not in (STRING, INT32, INT64):
                wanted = (
                    "string or integer table key"
                    if name == "Key"
                    else "table value dtype of integer or string"
                )
                raise InvalidArgument(
                    f"{name} index for whole line requires {wanted}, got {dtype.name}"
                )


@op(
    "InitializeTableFromTextFile",
    "InitializeTableFromTextFileV2",
    attrs="key_index value_index vocab_size delimiter offset",
)
def initialize_table_from_text_file(build: Build) -> Kernel:
    """Fill a table from a file, one entry for each line.

    Only files inside the model's assets folder are read.
    """
    layout = _Layout(
        build.int("key_index"),
        build.int("value_index"),
        build.int("vocab_size"),
        build.data("delimiter"),
        build.int("offset"),
    )
    if len(layout.delimiter) != 1:
        raise InvalidArgument("delimiter should be only 1 char")
    assets = build.environment.assets

    def kernel(table: Table, filename: Array) -> None:
        if not isinstance(table, HashTable):
            raise InvalidArgument("Table is not initializable")
        if np.ndim(filename) != 0:
            raise InvalidArgument(
                f"filename should be a single string, but got {dims(np.shape(filename))}"
            )
        name = one(filename, "filename")
        if not name:
            raise InvalidArgument("filename cannot be empty.")
        layout.check(table)
        shown = name.decode("utf-8", "replace")
        entries = list(_entries(_asset(name, assets), shown, layout, table))
        if not entries:
            raise OutOfRange(
                "Read less bytes than requested"
                if layout.vocab_size
                else f"Finished reading 0 of lines from {shown}",
                hint="A table can not be filled from no lines at all.",
            )
        # The same table may stand in several init functions: the first one counts.
        if not table.ready:
            table.initialise(entries)

    return kernel


def _asset(name: bytes, assets: Path | None) -> Path:
    """The file to read.

    Raises:
        PermissionDenied: it is none of the model's assets.
        NotFound: there is no such file.
    """
    shown = name.decode("utf-8", "replace")
    try:
        path = Path(os.fsdecode(name)).resolve()
        inside = assets is not None and path.is_relative_to(assets.resolve())
    except (OSError, RuntimeError, ValueError):  # a link to itself, or a NUL in the name
        inside = False
    if not inside:
        raise PermissionDenied(
            f"{shown}; Permission denied",
            hint="A graph may read the files in its own assets folder, and no others.",
        )
    if not path.exists():
        raise NotFound(f"{shown}; No such file or directory")
    if not path.is_file():
        raise FailedPrecondition(f"{shown}; Is a directory")
    return path


def _entries(path: Path, shown: str, layout: _Layout, table: Table) -> Iterator[tuple[Any, Any]]:
    key = _reader(layout.key_index, table.key, layout.offset)
    value = _reader(layout.value_index, table.value, layout.offset)
    needed = max(layout.key_index, layout.value_index) + 1
    number = 0
    with path.open("rb") as file:
        for number, line in enumerate(file):
            if number == layout.vocab_size:
                return
            # The end of the line may be that of Windows.
            line = line.removesuffix(b"\n").removesuffix(b"\r")
            if not line:
                raise InvalidArgument(
                    f"Invalid content in {shown}: empty line found at position {file.tell()}."
                )
            columns = line.split(layout.delimiter) if needed > 0 else []
            if len(columns) < needed:
                raise InvalidArgument(
                    f"Invalid number of columns in {shown} line {number}"
                    f" ({line.decode('utf-8', 'replace')}) : expected at least {needed} got"
                    f" {len(columns)}"
                )
            yield key(number, line, columns), value(number, line, columns)
            number += 1
    if layout.vocab_size not in (-1, number):
        raise InvalidArgument(
            f"Invalid vocab_size in {shown}: expected {layout.vocab_size} but got {number}"
        )


def _reader(index: int, dtype: DType, offset: int) -> Callable[[int, bytes, list[bytes]], Any]:
    if index == _LINE_NUMBER:
        return lambda number, line, columns: number + offset  # noqa: ARG005
    parse = (lambda token: token) if dtype is STRING else PARSERS.get(dtype)
    if parse is None:
        raise InvalidArgument(f"Data type {dtype.name} not supported.")

    def read(number: int, line: bytes, columns: list[bytes]) -> Any:
        token = line if index == _WHOLE_LINE else columns[index]
        value = parse(token)
        if value is None:
            raise InvalidArgument(
                f"Field {token.decode('utf-8', 'replace')} in line {number} is not a valid"
                f" {dtype.name}."
            )
        return value + offset if dtype is INT32 else value

    return read
