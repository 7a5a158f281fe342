"""CRC32C as these files store it: masked, so that checksums of checksums stay sound."""

from __future__ import annotations

import google_crc32c

_CHUNK_BYTES = 1 << 20


def mask(crc: int) -> int:
    """Return the form in which a CRC32C is stored: rotated by 15 bits, plus a constant."""
    return ((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF


def crc32c(data: bytes | memoryview) -> int:
    """Return the plain CRC32C; mapped memory is copied a piece at a time."""
    crc = 0
    for start in range(0, len(data), _CHUNK_BYTES):
        crc = google_crc32c.extend(crc, bytes(data[start : start + _CHUNK_BYTES]))
    return crc
