"""Scalars of a YAML file that mean something else than what is written, or that are no plain values.

PyYAML reads YAML 1.1, in which 010 is 8, 12:30 is 750, 1_000 is 1000 and yes is true. YAML 1.2, JSON and people read these
otherwise, so none of them is guessed at: each is refused with the two ways to write what may have been meant. Numbers are
decimal and finite, and whole ones fit 64 bits.
"""

from __future__ import annotations

import math
import re

import yaml

from brownout.harness.base.plain import number_flaw, text_flaw

DIGITS_MAX = 40
_TAG = "tag:yaml.org,2002:"
_BOOL, _INT, _FLOAT = _TAG + "bool", _TAG + "int", _TAG + "float"
_WHOLE = re.compile(r"[-+]?(0|[1-9][0-9]*)")
_DECIMAL = re.compile(r"[-+]?((0|[1-9][0-9]*)\.[0-9]*|\.[0-9]+)([eE][-+]?[0-9]+)?")
_SPOKEN = {"yes": "true", "on": "true", "no": "false", "off": "false"}

Flaw = tuple[str, str]  # what is wrong, and what to write


def scalar_flaw(node: yaml.ScalarNode) -> Flaw | None:
    """What is wrong with the scalar, and how it is written; None for nothing."""
    word = str(node.value)
    if node.tag in (_INT, _FLOAT):
        return _number(word, node.tag)
    if node.tag == _BOOL and word.lower() in _SPOKEN:
        meant = _SPOKEN[word.lower()]
        return f"YAML 1.1 reads {word} without quotes as {meant}", f'write {meant}, or "{word}" where text is meant'
    flaw = text_flaw(word)
    return (flaw, "") if flaw else None


def _number(word: str, tag: str) -> Flaw | None:
    if len(word) > DIGITS_MAX:
        return f"this number has {len(word):,} characters, more than {DIGITS_MAX}", "write it shorter"
    if tag == _INT and _WHOLE.fullmatch(word):
        flaw = number_flaw(int(word))
        return (flaw, f'write "{word}" where text is meant') if flaw else None
    if tag == _FLOAT and _DECIMAL.fullmatch(word):
        return None if math.isfinite(float(word)) else (f"{word} is too large for a number", "write a smaller one")
    if word.lower().strip("+-") in (".inf", ".nan"):
        return f"{word} is no finite number", "write a number"
    read = yaml.safe_load(word)
    said = f"{word} without quotes is the number {read} in YAML 1.1"
    if ":" in word:
        return said, f'write "{word}", or {read} where a number is meant'
    plain = word.replace("_", "").lstrip("0") if word.replace("_", "").isdigit() else f"{read}"
    return said, f'write {plain or 0}, or "{word}" where text is meant'
