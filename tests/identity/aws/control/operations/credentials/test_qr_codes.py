"""QR codes are those that an independent reader has read."""

from __future__ import annotations

import hashlib
import struct
import zlib

import pytest

from brownout.identity.aws.control.operations.credentials.qr_codes import (
    MODULE_PIXELS,
    MOST_BYTES,
    QUIET_MODULES,
    VERSIONS,
    QrVersion,
    qr_code_png,
    reed_solomon,
)

# By version, the beginning of SHA-256 of the picture's pixels. zxing-cpp 3.1.1 read each of these codes as what was written.
READ = {
    7: "cc58d5e9c4cb332d",
    8: "9f16d45b2486e637",
    9: "aaf38ca1f3621574",
    10: "8ee969738decb9a5",
    11: "f09e2cc59cefc8d8",
    12: "4945aba512e0141b",
    13: "31645cd15487c4d1",
    14: "3077b053cdcb6d8b",
}


def full_text(version: QrVersion) -> bytes:
    """A text that fills the version to its last byte."""
    return bytes(65 + (number * 7 + version.room) % 26 for number in range(version.room))


def pixels(png: bytes) -> bytes:
    """The unpacked content of a PNG, whose parts have the right checksums."""
    assert png.startswith(b"\x89PNG\r\n\x1a\n")
    at, found = 8, b""
    while at < len(png):
        (length,) = struct.unpack(">I", png[at : at + 4])
        part, checksum = png[at + 4 : at + 8 + length], png[at + 8 + length : at + 12 + length]
        assert struct.pack(">I", zlib.crc32(part)) == checksum
        found += part[4:] if part.startswith(b"IDAT") else b""
        at += 12 + length
    return zlib.decompress(found)


@pytest.mark.parametrize("version", VERSIONS, ids=lambda version: str(version.number))
def test_each_size_is_one_that_was_read(version: QrVersion) -> None:
    """The pixels of a full code of every version are those that an independent reader understood."""
    found = pixels(qr_code_png(full_text(version)))
    width = (version.size + 2 * QUIET_MODULES) * MODULE_PIXELS
    assert len(found) == width * (1 + -(-width // 8))
    assert hashlib.sha256(found).hexdigest()[:16] == READ[version.number]


def test_one_byte_more_needs_the_next_size() -> None:
    """A code grows with its text, and a text that no version holds is refused."""
    small, large = (len(pixels(qr_code_png(b"x" * length))) for length in (VERSIONS[0].room, VERSIONS[0].room + 1))
    assert small < large
    with pytest.raises(ValueError, match="too many"):
        qr_code_png(b"x" * (MOST_BYTES + 1))


def test_error_correction_is_that_of_the_standard() -> None:
    """The example of ISO/IEC 18004 for version 1-M has the ten bytes that the standard gives."""
    data = bytes([16, 32, 12, 86, 97, 128, 236, 17, 236, 17, 236, 17, 236, 17, 236, 17])
    assert list(reed_solomon(data, 10)) == [165, 36, 212, 193, 237, 54, 199, 135, 44, 85]
