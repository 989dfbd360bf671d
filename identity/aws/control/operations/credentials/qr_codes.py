"""QR codes (ISO/IEC 18004) of some hundred bytes, as PNG: what a user's phone reads the seed of an MFA device from.

The text is one segment of bytes with error correction of level L. It is cut into blocks, each gets its Reed-Solomon bytes, and
the blocks are interleaved. Finder, timing and alignment patterns, format and version stand at fixed places of the square;
the bits go into what is left, two columns at a time from the right, and are inverted where mask 0 says so. Any of the eight
masks is readable; choosing the best one only helps poor cameras.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

QUIET_MODULES = 4  # of white around the code
MODULE_PIXELS = 4
_BYTES_SEGMENT = 0b0100
_PADDING = (0xEC, 0x11)
_FORMAT_L_MASK_0 = 0b111011111000100  # level L and mask 0 with their error correction
_VERSION_GENERATOR = 0x1F25
_FIELD_POLYNOMIAL = 0x11D


@dataclass(frozen=True, slots=True)
class QrVersion:
    """One size of code: error correction bytes of each block, data bytes of each block, centres of alignment patterns."""

    number: int
    correction: int
    blocks: tuple[int, ...]
    centres: tuple[int, ...]

    @property
    def size(self) -> int:
        """Modules along one side."""
        return 17 + 4 * self.number

    @property
    def room(self) -> int:
        """Bytes of text that it holds, beside four bits of mode and the length."""
        return sum(self.blocks) - (2 if self.number < 10 else 3)


VERSIONS = (  # with level L; texts of MFA devices need version 8 and more
    QrVersion(7, 20, (78, 78), (6, 22, 38)),
    QrVersion(8, 24, (97, 97), (6, 24, 42)),
    QrVersion(9, 30, (116, 116), (6, 26, 46)),
    QrVersion(10, 18, (68, 68, 69, 69), (6, 28, 50)),
    QrVersion(11, 20, (81, 81, 81, 81), (6, 30, 54)),
    QrVersion(12, 24, (92, 92, 93, 93), (6, 32, 58)),
    QrVersion(13, 26, (107, 107, 107, 107), (6, 34, 62)),
    QrVersion(14, 30, (115, 115, 115, 116), (6, 26, 46, 66)),
)
MOST_BYTES = VERSIONS[-1].room
Modules = dict[tuple[int, int], bool]  # by row and column: True is black


def qr_code_png(text: bytes) -> bytes:
    """The code of the text, at most MOST_BYTES, as a black and white PNG; raises ValueError for a longer one."""
    version = next((each for each in VERSIONS if len(text) <= each.room), None)
    if version is None:
        raise ValueError(f"{len(text)} bytes are too many for a QR code of version {VERSIONS[-1].number}")
    modules = _fixed_modules(version)
    bits = (byte >> shift & 1 for byte in _interleaved(version, _data(version, text)) for shift in range(7, -1, -1))
    for row, column in _free_places(version.size, modules):
        modules[row, column] = bool(next(bits, 0)) ^ ((row + column) % 2 == 0)
    assert next(bits, None) is None, "all bits have a place"
    return _png(version.size, modules)


def _data(version: QrVersion, text: bytes) -> bytes:
    """Mode, length and text, padded to all that the version holds."""
    length_bits = 8 if version.number < 10 else 16
    bits = f"{_BYTES_SEGMENT:04b}{len(text):0{length_bits}b}" + "".join(f"{byte:08b}" for byte in text) + "0000"
    bits += "0" * (-len(bits) % 8)
    made = bytes(int(bits[at : at + 8], 2) for at in range(0, len(bits), 8))
    whole = sum(version.blocks)
    return (made + bytes(_PADDING) * whole)[:whole] if len(made) < whole else made[:whole]


def _interleaved(version: QrVersion, data: bytes) -> Iterator[int]:
    """The bytes of all blocks in turn, then their error correction in turn."""
    blocks, at = list[bytes](), 0
    for length in version.blocks:
        blocks.append(data[at : at + length])
        at += length
    for number in range(max(version.blocks)):
        yield from (block[number] for block in blocks if number < len(block))
    corrections = [reed_solomon(block, version.correction) for block in blocks]
    for number in range(version.correction):
        yield from (correction[number] for correction in corrections)


def reed_solomon(block: bytes, length: int) -> bytes:
    """The remainder of the block's polynomial after division by the generator with that many roots."""
    generator = [1]
    for power in range(length):
        root = _EXP[power]
        generator = [a ^ _product(b, root) for a, b in zip([*generator, 0], [0, *generator], strict=True)]
    rest = [0] * length
    for byte in block:
        factor = byte ^ rest[0]
        rest = [a ^ _product(factor, b) for a, b in zip([*rest[1:], 0], generator[1:], strict=True)]
    return bytes(rest)


def _fixed_modules(version: QrVersion) -> Modules:
    """Everything but the text."""
    size, modules = version.size, Modules()
    for number in range(size):  # timing
        modules[6, number] = modules[number, 6] = number % 2 == 0
    for row in version.centres:
        for column in version.centres:
            if (row, column) not in ((6, 6), (6, size - 7), (size - 7, 6)):
                _draw_rings(modules, size, row, column, (True, False, True))
    for row, column in ((3, 3), (3, size - 4), (size - 4, 3)):
        _draw_rings(modules, size, row, column, (True, True, False, True, False))
    modules[size - 8, 8] = True
    _draw_format(modules, size)
    _draw_version(modules, size, version.number)
    return modules


def _draw_rings(modules: Modules, size: int, row: int, column: int, colours: Sequence[bool]) -> None:
    """Squares around a centre, one in the other, as far as they are on the code."""
    reach = len(colours) - 1
    for down in range(-reach, reach + 1):
        for right in range(-reach, reach + 1):
            place = row + down, column + right
            if 0 <= place[0] < size and 0 <= place[1] < size:
                modules[place] = colours[max(abs(down), abs(right))]


def _draw_format(modules: Modules, size: int) -> None:
    """Twice the fifteen bits that name level and mask, around the finders."""
    around = [
        (8, 0),
        (8, 1),
        (8, 2),
        (8, 3),
        (8, 4),
        (8, 5),
        (8, 7),
        (8, 8),
        (7, 8),
        (5, 8),
        (4, 8),
        (3, 8),
        (2, 8),
        (1, 8),
        (0, 8),
    ]
    beside = [(size - 1 - number, 8) for number in range(7)] + [(8, size - 8 + number) for number in range(8)]
    for places in (around, beside):
        for number, place in enumerate(places):
            modules[place] = bool(_FORMAT_L_MASK_0 >> (14 - number) & 1)


def _draw_version(modules: Modules, size: int, number: int) -> None:
    """Twice the eighteen bits that name the version."""
    rest = number << 12
    for shift in range(5, -1, -1):
        if rest >> (12 + shift) & 1:
            rest ^= _VERSION_GENERATOR << shift
    bits = number << 12 | rest
    for at in range(18):
        row, column = at // 3, size - 11 + at % 3
        modules[row, column] = modules[column, row] = bool(bits >> at & 1)


def _free_places(size: int, fixed: Mapping[tuple[int, int], bool]) -> Iterator[tuple[int, int]]:
    """Where bits of the text go, in their order: up and down in pairs of columns, without the column of timing."""
    taken, upwards = set(fixed), True
    for right in (*range(size - 1, 6, -2), *range(5, 0, -2)):
        for row in range(size - 1, -1, -1) if upwards else range(size):
            yield from ((row, column) for column in (right, right - 1) if (row, column) not in taken)
        upwards = not upwards


def _png(size: int, modules: Modules) -> bytes:
    """One bit for each pixel, white around the code."""
    width = (size + 2 * QUIET_MODULES) * MODULE_PIXELS
    lines = []
    for row in range(-QUIET_MODULES, size + QUIET_MODULES):
        pixels = "".join(
            ("0" if modules.get((row, column)) else "1") * MODULE_PIXELS
            for column in range(-QUIET_MODULES, size + QUIET_MODULES)
        )
        line = b"\0" + int(pixels.ljust(-(-width // 8) * 8, "1"), 2).to_bytes(-(-width // 8), "big")
        lines += [line] * MODULE_PIXELS
    header = struct.pack(">IIBBBBB", width, width, 1, 0, 0, 0, 0)
    parts = ((b"IHDR", header), (b"IDAT", zlib.compress(b"".join(lines), 9)), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))
        for name, content in parts
    )


def _powers() -> list[int]:
    """The powers of 2 in the field of 256 elements, twice in a row."""
    found, value = list[int](), 1
    for _ in range(255):
        found.append(value)
        value = value << 1 ^ (_FIELD_POLYNOMIAL if value & 0x80 else 0)
    return found * 2


def _product(a: int, b: int) -> int:
    return _EXP[_LOG[a] + _LOG[b]] if a and b else 0


_EXP = _powers()
_LOG = {value: power for power, value in enumerate(_EXP[:255])}
