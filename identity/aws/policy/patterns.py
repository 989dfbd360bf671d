"""Text with wildcards and policy variables, compiled once and matched in time linear in the text.

A pattern is a tuple of pieces: literal text, `*` (any run), `?` (any one character), and variables (`${aws:username}`,
`${aws:username, 'nobody'}`). A variable is replaced by the value of its condition key, in which `*` and `?` are plain
characters. A variable without a value, or with several, and without a default makes the pattern match nothing.

Wildcards become regular expressions without nested choice: each literal between two `*` is found at its first place, in an
atomic group that is never entered again. So the time is at most the product of both lengths, whatever a client writes.
Wire facts: docs/reference/aws-wire.md#policy-variables.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from functools import lru_cache

from brownout.identity.aws.policy.context import Keys


class Wildcard(Enum):
    RUN = "*"
    ONE = "?"


@dataclass(frozen=True, slots=True)
class Variable:
    """`key` in lower case, `name` as it was written; `default` is None for none."""

    key: str
    name: str
    default: str | None = None

    def value(self, keys: Keys) -> str | None:
        """The key's only value, else the default, else None."""
        values = keys.get(self.key, ())
        return values[0] if len(values) == 1 else self.default


Resolved = tuple[str | Wildcard, ...]
Pieces = tuple[str | Wildcard | Variable, ...]

_VARIABLE = re.compile(r"\$\{([^{}]*)\}")
_DEFAULT = re.compile(r"\s*'([^']*)'\s*")
_ESCAPED = frozenset("*?$")  # ${*} is an asterisk
_WILDCARDS = re.compile(r"([*?])")


def split_pieces(text: str, *, variables: bool, wildcards: bool = True) -> Pieces:
    """The pieces of a pattern; neighbouring literals are joined. Documents of version 2008-10-17 have no `variables`."""
    pieces: list[str | Wildcard | Variable] = []
    start = 0
    for found in _VARIABLE.finditer(text) if variables else ():
        variable = _variable(found[1])
        if variable is not None:
            _add_text(pieces, text[start : found.start()], wildcards)
            _add(pieces, variable)
            start = found.end()
    _add_text(pieces, text[start:], wildcards)
    return tuple(pieces)


def _variable(inside: str) -> str | Variable | None:
    """What stands for `${inside}`: an escaped character, a variable, None for what is neither and stays as it is."""
    if inside in _ESCAPED:
        return inside
    name, comma, rest = inside.partition(",")
    name, default = name.strip(), _DEFAULT.fullmatch(rest)
    if not name or (comma and default is None):
        return None
    return Variable(name.lower(), name, default[1] if default else None)


def _add_text(pieces: list[str | Wildcard | Variable], text: str, wildcards: bool) -> None:
    for part in _WILDCARDS.split(text) if wildcards else (text,):
        if part:
            _add(pieces, Wildcard(part) if wildcards and part in "*?" else part)


def _add(pieces: list[str | Wildcard | Variable], piece: str | Wildcard | Variable) -> None:
    last = pieces[-1] if pieces else None
    if isinstance(piece, str) and isinstance(last, str):
        pieces[-1] = last + piece
    elif piece is not Wildcard.RUN or last is not Wildcard.RUN:
        pieces.append(piece)


def resolve(pieces: Pieces, keys: Keys) -> Resolved | None:
    """The pieces with values for variables; None when a variable has none."""
    resolved: list[str | Wildcard] = []
    for piece in pieces:
        if isinstance(piece, Variable):
            value = piece.value(keys)
            if value is None:
                return None
            resolved.append(value)
        else:
            resolved.append(piece)
    return tuple(resolved)


def variables_of(pieces: Pieces) -> tuple[Variable, ...]:
    return tuple(piece for piece in pieces if isinstance(piece, Variable))


def is_fixed(pieces: Pieces) -> bool:
    """Nothing in it depends on the request."""
    return not any(isinstance(piece, Variable) for piece in pieces)


def literal(pieces: Pieces) -> str | None:
    """The only text that matches, None when there are wildcards or variables."""
    if not pieces:
        return ""
    only = pieces[0]
    return only if len(pieces) == 1 and isinstance(only, str) else None


@lru_cache(maxsize=8192)
def glob(pieces: Resolved) -> re.Pattern[str]:
    """The expression whose `fullmatch` says whether a text matches."""
    return re.compile(expression(pieces), re.DOTALL)


def expression(pieces: Sequence[str | Wildcard]) -> str:
    """The source of `glob`, to stand alone or as one of several choices."""
    runs: list[str] = [""]
    for piece in pieces:
        if piece is Wildcard.RUN:
            runs.append("")
        else:
            runs[-1] += "." if isinstance(piece, Wildcard) else re.escape(piece)
    first, *middle = runs
    if not middle:
        return first
    *middle, last = middle
    return first + "".join(f"(?>.*?{run})" for run in middle if run) + ".*" + last


def prefix(pieces: Pieces) -> str | None:
    """The text with which all that matches begins and which may go on in any way, None for other patterns."""
    return literal(pieces[:-1]) if pieces and pieces[-1] is Wildcard.RUN else None


class TextSet:
    """Fixed patterns, of which any may match: literals, prefixes, and the rest as one expression, compiled when first asked."""

    __slots__ = ("_globs", "_literals", "_prefixes", "_source")

    def __init__(self, patterns: Sequence[Pieces]) -> None:
        assert all(is_fixed(pieces) for pieces in patterns), patterns
        others = [pieces for pieces in patterns if literal(pieces) is None and prefix(pieces) is None]
        self._literals = frozenset(text for pieces in patterns if (text := literal(pieces)) is not None)
        self._prefixes = tuple(text for pieces in patterns if (text := prefix(pieces)) is not None)
        self._source = "|".join(expression([piece for piece in pieces if not isinstance(piece, Variable)]) for pieces in others)
        self._globs: re.Pattern[str] | None = None

    def matches(self, text: str) -> bool:
        if text in self._literals or text.startswith(self._prefixes):
            return True
        if not self._source:
            return False
        if self._globs is None:
            self._globs = re.compile(self._source, re.DOTALL)
        return self._globs.fullmatch(text) is not None


class PatternSet:
    """Patterns, some of which may have variables, of which any may match."""

    __slots__ = ("_fixed", "_open", "variables")

    def __init__(self, patterns: Sequence[Pieces]) -> None:
        self._fixed = TextSet([pieces for pieces in patterns if is_fixed(pieces)])
        self._open = tuple(pieces for pieces in patterns if not is_fixed(pieces))
        self.variables = tuple(variable for pieces in patterns for variable in variables_of(pieces))

    def matches(self, text: str, keys: Keys) -> bool:
        return self._fixed.matches(text) or any(matches(pieces, text, keys) for pieces in self._open)

    def is_known(self, keys: Keys) -> bool:
        """Every variable has a value."""
        return all(variable.value(keys) is not None for variable in self.variables)


def matches(pieces: Pieces, text: str, keys: Keys) -> bool:
    """The text matches the pattern, with variables replaced by this request's values."""
    resolved = resolve(pieces, keys)
    return resolved is not None and glob(resolved).fullmatch(text) is not None


class ActionSet:
    """Patterns of actions, looked up by vendor. Case does not matter: an action is asked for in lower case."""

    __slots__ = ("_all", "_vendors")

    def __init__(self, actions: Sequence[str]) -> None:
        by_vendor: dict[str, list[Pieces]] = {}
        for action in actions:
            vendor, _, name = action.lower().partition(":")
            by_vendor.setdefault(vendor, []).append(split_pieces(name, variables=False))
        self._all = "*" in actions
        self._vendors = {vendor: TextSet(names) for vendor, names in by_vendor.items()}

    def matches(self, action: str) -> bool:
        if self._all:
            return True
        vendor, _, name = action.partition(":")
        return any(names.matches(name) for key in (vendor, "*") if (names := self._vendors.get(key)))
