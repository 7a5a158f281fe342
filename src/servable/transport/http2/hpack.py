"""Header compression for HTTP/2: HPACK (RFC 7541).

A decoder has the state that the client's encoder builds up. Responses are encoded without
any: they have few fields, and the same ones each time.
"""

from __future__ import annotations

from typing import NamedTuple

from servable.transport.http2 import huffman

MAX_INTEGER = 2**28
"""The largest index, length or table size that is read."""

_MAX_CONTINUATION_BYTES = 5
_MAX_SIZE_UPDATES = 2  # a smallest size in between, and the final one (section 4.2)
_FIELD_OVERHEAD_BYTES = 32  # section 4.1

_Field = tuple[bytes, bytes]
_Entry = tuple[_Field, int]  # a field, and its size with the overhead


class CompressionError(Exception):
    """The block is no HPACK. The connection has to end: COMPRESSION_ERROR (RFC 9113, 4.3)."""


class Decoded(NamedTuple):
    """The fields of one block, in their order.

    `too_large`: their names and values, plus 32 bytes for each, are more than the decoder's
    `max_list_bytes`. `fields` then ends before the first that went over. What the block did
    to the dynamic table is done nevertheless, and so the connection can go on.
    """

    fields: tuple[tuple[bytes, bytes], ...]
    too_large: bool


class Decoder:
    """The decoding state of one connection; for one thread.

    `table_bytes` is what this side announced as SETTINGS_HEADER_TABLE_SIZE: 4096 unless it
    announced another. The time that a block takes is bounded by its length, and the memory by
    its length, `max_list_bytes` and `table_bytes`.

    `changes` counts the blocks that inserted into the dynamic table or set its size. A block
    that left it as it was decodes to the same result for as long as it stays the same.
    """

    changes: int

    def __init__(self, max_list_bytes: int, table_bytes: int = 4096) -> None:
        self.changes = 0
        self._changing = False
        self._max_list_bytes = max_list_bytes
        self._table_bytes = table_bytes
        self._capacity = table_bytes
        self._dynamic_bytes = 0
        self._entries = list(_STATIC_ENTRIES)  # by index; the oldest dynamic entry is the last

    def decode(self, block: bytes) -> Decoded:
        """Return the fields of a whole block: a HEADERS frame with its CONTINUATION frames.

        Raises:
            CompressionError: the block breaks a rule of RFC 7541, or has an integer above
                `MAX_INTEGER`. The decoder is of no use from then on.
        """
        entries = self._entries
        limit = self._max_list_bytes
        self._changing = False
        fields: list[_Field] = []
        total = 0
        at = self._size_updates(block)
        end = len(block)
        while at < end:
            first = block[at]
            if 0x80 < first < 0xFF:  # an index that fits the byte: most fields
                at += 1
                try:
                    field, size = entries[first & 0x7F]
                except IndexError:
                    raise _no_entry(first & 0x7F) from None
            else:
                (field, size), at = self._representation(block, at)
            total += size
            if total <= limit:
                fields.append(field)
        return Decoded(tuple(fields), total > limit)

    def _representation(self, block: bytes, at: int) -> tuple[_Entry, int]:
        """Return the field at `at` in any representation (section 6), and where it ends."""
        first = block[at]
        if first & 0x80:
            index, at = read_integer(block, at, 0x7F)
            return self._entry(index), at
        if first & 0xE0 == 0x20:
            raise CompressionError(
                "a table size update stands after a field, or after two other updates"
            )
        inserts = bool(first & 0x40)
        index, at = read_integer(block, at, 0x3F if inserts else 0x0F)
        if index:
            name = self._entry(index)[0][0]
        else:
            name, at = _read_string(block, at)
        value, at = _read_string(block, at)
        entry = (name, value), len(name) + len(value) + _FIELD_OVERHEAD_BYTES
        if inserts:
            self._insert(entry)
        return entry, at

    def _entry(self, index: int) -> _Entry:
        if not 0 < index < len(self._entries):
            raise _no_entry(index)
        return self._entries[index]

    def _size_updates(self, block: bytes) -> int:
        """Apply the table size updates that the block starts with; return where they end."""
        at = 0
        for _ in range(_MAX_SIZE_UPDATES):
            if at == len(block) or block[at] & 0xE0 != 0x20:
                break
            size, at = read_integer(block, at, 0x1F)
            if size > self._table_bytes:
                raise CompressionError(
                    f"a table size update to {size} bytes: at most {self._table_bytes} are allowed"
                )
            self._changed()
            self._capacity = size
            self._evict(size)
        return at

    def _insert(self, entry: _Entry) -> None:
        """Make an entry the newest; one larger than the table only empties it (section 4.4)."""
        self._changed()
        room = self._capacity - entry[1]
        self._evict(max(room, 0))
        if room >= 0:
            self._entries.insert(len(_STATIC_ENTRIES), entry)
            self._dynamic_bytes += entry[1]

    def _evict(self, most: int) -> None:
        """Drop the oldest dynamic entries until the others are at most this many bytes."""
        while self._dynamic_bytes > most:
            self._dynamic_bytes -= self._entries.pop()[1]

    def _changed(self) -> None:
        if not self._changing:
            self._changing = True
            self.changes += 1


def literal(name: bytes, value: bytes) -> bytes:
    """Return a field as any decoder takes it, whatever its state.

    That is an index where the static table has the field, and otherwise a literal that is not
    inserted, with the name's index where the static table has the name. `name` is lower-case.
    """
    index = _STATIC_FIELDS.get((name, value))
    if index is not None:
        return bytes((0x80 | index,))
    index = _STATIC_NAMES.get(name)
    if index is not None:
        return _integer(index, 0x0F) + _string(value)
    return b"\x00" + _string(name) + _string(value)


def read_integer(block: bytes, at: int, mask: int) -> tuple[int, int]:
    """Return the integer at `at`, whose prefix is what `mask` covers, and where it ends.

    Raises:
        CompressionError: the block ends in it, or it is above `MAX_INTEGER` or takes more
            than five bytes after the first (section 5.1 asks for such limits).
    """
    try:
        value = block[at] & mask
        at += 1
        if value < mask:
            return value, at
        for shift in range(0, 7 * _MAX_CONTINUATION_BYTES, 7):
            byte = block[at]
            at += 1
            value += (byte & 0x7F) << shift
            if byte < 0x80:
                break
        else:
            raise CompressionError("an integer takes too many bytes")
    except IndexError:
        raise CompressionError("the block ends inside an integer") from None
    if value > MAX_INTEGER:
        raise CompressionError(f"the integer {value} is larger than {MAX_INTEGER}")
    return value, at


def _read_string(block: bytes, at: int) -> tuple[bytes, int]:
    length, start = read_integer(block, at, 0x7F)
    end = start + length
    if end > len(block):
        raise CompressionError("the block ends inside a string")
    text = block[start:end]
    if block[at] & 0x80:
        try:
            text = huffman.decode(text)
        except ValueError as error:
            raise CompressionError(str(error)) from None
    return text, end


def _integer(value: int, mask: int) -> bytes:
    if value < mask:
        return bytes((value,))
    out = bytearray((mask,))
    value -= mask
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def _string(text: bytes) -> bytes:
    return _integer(len(text), 0x7F) + text


def _no_entry(index: int) -> CompressionError:
    return CompressionError(f"the index {index} is in neither table")


_STATIC_TABLE = b"""\
:authority
:method GET
:method POST
:path /
:path /index.html
:scheme http
:scheme https
:status 200
:status 204
:status 206
:status 304
:status 400
:status 404
:status 500
accept-charset
accept-encoding gzip, deflate
accept-language
accept-ranges
accept
access-control-allow-origin
age
allow
authorization
cache-control
content-disposition
content-encoding
content-language
content-length
content-location
content-range
content-type
cookie
date
etag
expect
expires
from
host
if-match
if-modified-since
if-none-match
if-range
if-unmodified-since
last-modified
link
location
max-forwards
proxy-authenticate
proxy-authorization
range
referer
refresh
retry-after
server
set-cookie
strict-transport-security
transfer-encoding
user-agent
vary
via
www-authenticate
"""
"""Appendix A: line i is index i, a name and mostly no value."""


def _static_entries() -> list[_Entry]:
    """Return the static table by index. Index 0 is no field's, and never looked up."""
    entries: list[_Entry] = [((b"", b""), 0)]
    for line in _STATIC_TABLE.splitlines():
        name, _, value = line.partition(b" ")
        entries.append(((name, value), len(name) + len(value) + _FIELD_OVERHEAD_BYTES))
    return entries


_STATIC_ENTRIES = _static_entries()
_STATIC_FIELDS = {field: index for index, (field, _) in enumerate(_STATIC_ENTRIES) if index}
_STATIC_NAMES = {name: index for (name, _), index in reversed(_STATIC_FIELDS.items())}
"""The first index of each name: the last one set here."""
