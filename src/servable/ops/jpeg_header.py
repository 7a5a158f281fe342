"""What a JPEG file says before its pixels, read as libjpeg reads it.

Sources: ITU-T T.81, annex B; the JFIF and Adobe markers as libjpeg takes them.
"""

from __future__ import annotations

from dataclasses import dataclass

_SOI = b"\xff\xd8"
END = b"\xff\xd9"
_BLOCK = 8
_BASELINE, _EXTENDED, _PROGRESSIVE = 0xC0, 0xC1, 0xC2
_HUFFMAN = (_BASELINE, _EXTENDED, _PROGRESSIVE)
_FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
_NO_LENGTH = frozenset({0x01, *range(0xD0, 0xD8)})
_TABLES = frozenset({0xC4, 0xDB, 0xDD})
_START_OF_SCAN = 0xDA


class BadJpeg(Exception):
    """The bytes are no JPEG file that can be decoded."""


@dataclass(frozen=True, slots=True)
class Component:
    """One component of the pixels: its number, and its samples across and down."""

    number: int
    across: int
    down: int


@dataclass(frozen=True, slots=True)
class JpegHeader:
    """A JPEG file's size and colours.

    Attributes:
        adobe: the colour transform that an Adobe marker names; None if there is none.
        head: the markers that decoding needs, up to the first scan, nothing between them.
        scans: where the first scan begins in the file.
        huffman: whether the pixels are Huffman-coded.
    """

    height: int
    width: int
    components: tuple[Component, ...]
    jfif: bool
    adobe: int | None
    head: bytes
    scans: int
    huffman: bool

    @property
    def across(self) -> int:
        """The most samples across that a component has."""
        return max(c.across for c in self.components)

    @property
    def down(self) -> int:
        """The most samples down that a component has."""
        return max(c.down for c in self.components)

    @property
    def luminance(self) -> bool:
        """Whether three components are a luminance and two chrominances, or one a luminance."""
        if len(self.components) == 1:
            return True
        if len(self.components) == 4:
            return self.adobe is not None and self.adobe != 0
        if self.jfif:
            return True
        if self.adobe is not None:
            return self.adobe != 0
        return tuple(c.number for c in self.components) != tuple(b"RGB")

    def least_bytes(self) -> int:
        """Bytes that its scans must have at least: Huffman codes have a bit for each block."""
        if not self.huffman:
            return 0
        blocks = sum(
            -(-self.height * c.down // (_BLOCK * self.down))
            * -(-self.width * c.across // (_BLOCK * self.across))
            for c in self.components
        )
        return blocks // 8


def read_header(data: bytes) -> JpegHeader:
    """Read the markers up to the first scan.

    The decoder gets `head` and not the file's own markers, so that it can not find another
    size in them than the one that memory was set aside for.

    Raises:
        BadJpeg: there is no scan, or what comes before is broken or not supported.
    """
    if data[:2] != _SOI:
        raise BadJpeg("no start of image")
    head = [_SOI]
    frame: tuple[int, bytes] | None = None
    jfif, adobe = False, None
    at = 2
    while True:
        marker, at = _next_marker(data, at)
        if marker in _NO_LENGTH:
            continue
        length = int.from_bytes(data[at : at + 2], "big")
        segment = data[at + 2 : at + length]
        if length < 2 or len(segment) != length - 2:
            raise BadJpeg("a marker is cut off")
        whole = b"\xff" + bytes([marker]) + data[at : at + length]
        at += length
        if marker == _START_OF_SCAN:
            head.append(whole)
            break
        if marker in _FRAMES:
            if frame is not None:
                raise BadJpeg("two frames")
            frame = marker, segment
        elif marker == 0xE0 and segment[:5] == b"JFIF\0" and len(segment) >= 14:
            jfif = True
        elif marker == 0xEE and segment[:5] == b"Adobe" and len(segment) >= 12:
            adobe = segment[11]
        elif marker not in _TABLES:
            if not (0xE0 <= marker <= 0xEF or marker in (0xDC, 0xFE)):
                raise BadJpeg(f"marker {marker:#x} before a scan")
            continue
        head.append(whole)
    if frame is None:
        raise BadJpeg("a scan without a frame")
    height, width, components = _frame(*frame)
    return JpegHeader(
        height, width, components, jfif, adobe, b"".join(head), at, frame[0] in _HUFFMAN
    )


def _next_marker(data: bytes, at: int) -> tuple[int, int]:
    """The next marker, and where it ends; bytes before it are skipped."""
    while True:
        at = data.find(b"\xff", at)
        if at < 0:
            raise BadJpeg("no scan")
        while at < len(data) and data[at] == 0xFF:
            at += 1
        if at == len(data):
            raise BadJpeg("no scan")
        if data[at]:
            return data[at], at + 1


def _frame(marker: int, segment: bytes) -> tuple[int, int, tuple[Component, ...]]:
    if marker not in _HUFFMAN:
        raise BadJpeg("a coding that is not supported")
    if len(segment) < 6 or len(segment) != 6 + 3 * segment[5]:
        raise BadJpeg("a frame of the wrong length")
    if segment[0] != _BLOCK:
        raise BadJpeg("samples of other than 8 bits")
    height, width = int.from_bytes(segment[1:3], "big"), int.from_bytes(segment[3:5], "big")
    components = tuple(
        Component(segment[i], segment[i + 1] >> 4, segment[i + 1] & 15)
        for i in range(6, len(segment), 3)
    )
    if len(components) not in (1, 3, 4) or not height or not width:
        raise BadJpeg("no pixels that can be decoded")
    if any(not 1 <= n <= 4 for c in components for n in (c.across, c.down)):
        raise BadJpeg("impossible sampling")
    return height, width, components
