"""Values of a service model's shapes, drawn from a seed: what a client could send and a handler could return; and damage."""

from __future__ import annotations

import random
import re
import string
from typing import Any
from urllib.parse import urlencode

from brownout.identity.aws.protocol.java_patterns import compiled
from brownout.identity.aws.protocol.shapes import Shape

MAX_LENGTH = 40  # of drawn text and lists beyond what a minimum asks for
PLAIN = string.ascii_letters + string.digits
ODD = PLAIN + " _+=,.@:/-&<>\"'%éß\u00a0漢😀\t\n\r;?#[]{}"
# Patterns that no repeated character meets.
SAMPLES = (
    "arn:aws:iam::123456789012:role/app",
    "https://issuer.example/path",
    "/",
    "/division/",
    "v1",
    "8h",
    "ap-southeast-2",
    "o-abcdefghij",
    "p-12345678",
    "o-abcdefghij/r-abcd/ou-1",
    "123456789012",
)


def drawn(shape: Shape, chance: random.Random, full: bool = False) -> Any:
    """A value that keeps the shape's constraints; with `full` every member of a structure is there.

    Structures and maps are not empty: the query protocol has no form for those.
    """
    if shape.type == "structure":
        members = [m for m in shape.members if full or m.required or chance.random() < 0.5] or shape.members[:1]
        return {member.name: drawn(member.shape, chance, full) for member in members}
    if shape.type == "list":
        assert shape.element is not None
        return [drawn(shape.element, chance, full) for _ in range(_length(shape, chance, 3))]
    if shape.type == "map":
        assert shape.element is not None
        assert shape.key is not None
        return {drawn(shape.key, chance): drawn(shape.element, chance, full) for _ in range(1 + _length(shape, chance, 2))}
    return _scalar(shape, chance)


def _scalar(shape: Shape, chance: random.Random) -> Any:
    if shape.type in ("integer", "long"):
        least = shape.minimum if shape.minimum is not None else -(2**31)
        return chance.randint(least, shape.maximum if shape.maximum is not None else 2**31 - 1)
    if shape.type in ("float", "double"):
        return chance.uniform(-1e6, 1e6)
    if shape.type == "boolean":
        return chance.random() < 0.5
    if shape.type == "timestamp":
        return chance.randint(0, 4_000_000_000)
    if shape.type == "blob":
        return chance.randbytes(_length(shape, chance, MAX_LENGTH))
    return _text(shape, chance)


def _length(shape: Shape, chance: random.Random, most: int) -> int:
    least = shape.minimum or 0
    return chance.randint(least, max(least, min(least + most, shape.maximum or least + most)))


def _text(shape: Shape, chance: random.Random) -> str:
    if shape.enum:
        return chance.choice(shape.enum)
    length = _length(shape, chance, MAX_LENGTH)
    candidates = [
        "".join(chance.choices(alphabet, k=length)) for alphabet in (ODD, PLAIN, string.digits, string.ascii_lowercase)
    ]
    candidates += [sample for sample in SAMPLES if (shape.minimum or 0) <= len(sample) <= (shape.maximum or len(sample))]
    candidates += [f"/{'x' * (length - 2)}/", "arn:aws:iam::aws:policy/" + "x" * length]
    for text in candidates:
        if _keeps(shape, text):
            return text
    raise AssertionError(f"no value for {shape.name}: {shape.pattern}")


def _keeps(shape: Shape, text: str) -> bool:
    within = (shape.minimum or 0) <= len(text) <= (shape.maximum if shape.maximum is not None else len(text))
    pattern: re.Pattern[str] | None = compiled(shape.pattern) if shape.pattern else None
    return within and (pattern is None or bool(pattern.fullmatch(text)))


def spoilt(payload: bytes, chance: random.Random) -> bytes:
    """A payload with a part replaced, left out or doubled, or with odd text in it."""
    at, to = sorted(chance.choices(range(len(payload) + 1), k=2))
    part = payload[at:to]
    how = chance.randrange(4)
    if how == 0:
        return payload[:at] + chance.randbytes(3) + payload[to:]
    if how == 1:
        return payload[:at] + payload[to:]
    if how == 2:
        return payload[:to] + b"&" + part + payload[to:]
    return payload[:at] + urlencode({"": "".join(chance.choices(ODD, k=4))}).encode() + payload[at:]
