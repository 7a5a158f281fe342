"""Records of comma-separated values."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from servable.errors import InvalidArgument
from servable.ops.number_text import PARSERS
from servable.ops.registry import Build, Kernel, op
from servable.ops.support import bare
from servable.ops.text import flat, strings
from servable.tensors import DOUBLE, FLOAT, INT32, INT64, STRING, Array, DType

_QUOTE = b'"'
_PARSERS: dict[DType, Callable[[bytes], Any]] = {
    **{dtype: PARSERS[dtype] for dtype in (INT32, INT64, FLOAT, DOUBLE)},
    STRING: lambda field: field,
}


@op("DecodeCSV", attrs="OUT_TYPE field_delim use_quote_delim na_value select_cols")
def decode_csv(build: Build) -> Kernel:
    """One tensor for each column, of the records' shape."""
    dtypes: tuple[DType, ...] = build.list("OUT_TYPE")
    split = _Splitter(build, len(dtypes))
    missing = build.data("na_value")

    def kernel(records: Array, *defaults: Array) -> Any:
        for i, default in enumerate(defaults):
            if np.size(default) > 1:
                raise InvalidArgument(
                    f"There should only be 1 default per field but field {i} has {np.size(default)}"
                )
        rows = [split(record) for record in flat(records)]
        for number, row in enumerate(rows):
            if len(row) != len(dtypes):
                raise InvalidArgument(
                    f"Expect {len(dtypes)} fields but have {len(row)} in record {number}"
                )
        columns = []
        for i, (dtype, default) in enumerate(zip(dtypes, defaults, strict=True)):
            read = _reader(dtype, default, missing, i)
            values = [read(row[i], number) for number, row in enumerate(rows)]
            if dtype is STRING:
                columns.append(strings(values, np.shape(records)))
            else:
                columns.append(np.array(values, dtype.numpy).reshape(np.shape(records)))
        return bare(columns)

    return kernel


def _reader(
    dtype: DType, default: Array, missing: bytes, column: int
) -> Callable[[bytes, int], Any]:
    parse = _PARSERS[dtype]
    fallback = np.asarray(default).ravel().tolist()

    def read(field: bytes, record: int) -> Any:
        if not field or field == missing:
            if not fallback:
                raise InvalidArgument(f"Field {column} is required but missing in record {record}!")
            return fallback[0]
        value = parse(field)
        if value is None:
            raise InvalidArgument(
                f"Field {column} in record {record} is not a valid {dtype.name}:"
                f" {field.decode('utf-8', 'replace')}"
            )
        return value

    return read


class _Splitter:
    """Cuts a record into the fields that are asked for."""

    def __init__(self, build: Build, number: int) -> None:
        self._delimiter = build.data("field_delim")
        self._quotes = build.bool("use_quote_delim")
        self._columns: Sequence[int] = build.list("select_cols")
        if len(self._delimiter) != 1:
            raise InvalidArgument("field_delim should be only 1 char")
        if self._columns and len(self._columns) != number:
            raise InvalidArgument("select_cols should match output size")
        if any(a >= b for a, b in zip(self._columns, self._columns[1:], strict=False)):
            raise InvalidArgument("select_cols should be strictly increasing indices")
        if self._columns and self._columns[0] < 0:
            raise InvalidArgument("select_cols should be non-negative indices")

    def __call__(self, record: bytes) -> list[bytes]:
        fields: list[bytes] = []
        wanted = set(self._columns)
        at = number = 0
        while at < len(record):
            if record[at] in b"\r\n":
                at += 1
                continue
            if self._quotes and record[at : at + 1] == _QUOTE:
                field, at = self._quoted(record, at + 1)
            else:
                field, at = self._plain(record, at)
            if not wanted or number in wanted:
                fields.append(field)
                if len(fields) == len(wanted):
                    # What comes after the last selected column is not looked at.
                    return fields
            number += 1
        if record.endswith(self._delimiter) and (not wanted or number in wanted):
            fields.append(b"")
        return fields

    def _plain(self, record: bytes, at: int) -> tuple[bytes, int]:
        end = record.find(self._delimiter, at)
        end = len(record) if end < 0 else end
        field = record[at:end]
        if (self._quotes and _QUOTE in field) or b"\n" in field or b"\r" in field:
            raise InvalidArgument("Unquoted fields cannot have quotes/CRLFs inside")
        return field, end + 1

    def _quoted(self, record: bytes, at: int) -> tuple[bytes, int]:
        """A field up to a quote before the delimiter or the end; two quotes are one inside."""
        parts: list[bytes] = []
        last = len(record) - 1
        while at < last:
            quote = record.find(_QUOTE, at, last)
            if quote < 0:
                parts.append(record[at:last])
                at = last
                break
            parts.append(record[at:quote])
            following = record[quote + 1 : quote + 2]
            at = quote
            if following == self._delimiter:
                break
            if following != _QUOTE:
                raise InvalidArgument("Quote inside a string has to be escaped by another quote")
            parts.append(_QUOTE)
            at += 2
        following = record[at + 1 : at + 2]
        if record[at : at + 1] != _QUOTE or following not in (b"", self._delimiter):
            raise InvalidArgument("Quoted field has to end with quote followed by delim or end")
        return b"".join(parts), at + 2
