"""Text with wildcards and policy variables, taken apart once and matched without trying anything twice.

A pattern is a tuple of pieces: literal text, `*` (any run), `?` (any one character), and variables (`${aws:username}`,
`${aws:username, 'guest'}`). A variable is replaced by the value of its condition key, in which `*` and `?` are plain
characters. A variable without a value, or with several, and without a default makes the pattern match nothing.

A pattern is cut at its `*` into runs. The first must begin the text, the last must end it, and each in between is looked for
behind the one before: its first place is as good as any later one, so nothing is ever tried twice. The time is at most the
product of both lengths, whatever a client writes, and nothing is compiled but runs with a `?`.
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


class PatternRun:
    """Text between two `*`, with `?` for any one character."""

    __slots__ = ("_expression", "_text", "length")

    def __init__(self, pieces: Sequence[str | Wildcard]) -> None:
        texts = [piece for piece in pieces if isinstance(piece, str)]
        self._text = "".join(texts)
        self._expression: re.Pattern[str] | None = None
        self.length = len(self._text) + len(pieces) - len(texts)
        if len(texts) < len(pieces):
            source = "".join("." if isinstance(piece, Wildcard) else re.escape(piece) for piece in pieces)
            self._expression = re.compile(source, re.DOTALL)

    def is_at(self, text: str, start: int) -> bool:
        """The text has the run at `start`."""
        if self._expression is None:
            return text.startswith(self._text, start)
        return self._expression.match(text, start) is not None

    def end_of_first(self, text: str, start: int, end: int) -> int:
        """Where the run's first place between `start` and `end` ends, -1 for none."""
        if self._expression is None:
            found = text.find(self._text, start, end)
            return found if found < 0 else found + self.length
        match = self._expression.search(text, start, end)
        return -1 if match is None else match.end()


class Glob:
    """A pattern without variables."""

    __slots__ = ("_first", "_last", "_middle")

    def __init__(self, pieces: Resolved) -> None:
        runs: list[list[str | Wildcard]] = [[]]
        for piece in pieces:
            if piece is Wildcard.RUN:
                runs.append([])
            else:
                runs[-1].append(piece)
        first, *middle = (PatternRun(run) for run in runs)
        self._first = first
        self._last = middle.pop() if middle else None  # None: nothing but the first run matches
        self._middle = tuple(run for run in middle if run.length)

    def matches(self, text: str) -> bool:
        start = self._first.length
        end = len(text) - self._last.length if self._last is not None else start
        if end < start or not self._first.is_at(text, 0):
            return False
        if self._last is None:
            return len(text) == start
        if not self._last.is_at(text, end):
            return False
        for run in self._middle:
            start = run.end_of_first(text, start, end)
            if start < 0:
                return False
        return True


@lru_cache(maxsize=8192)
def glob(pieces: Resolved) -> Glob:
    """The pattern, remembered: most variables have the same values again and again."""
    return Glob(pieces)


def prefix(pieces: Pieces) -> str | None:
    """The text with which all that matches begins and which may go on in any way, None for other patterns."""
    return literal(pieces[:-1]) if pieces and pieces[-1] is Wildcard.RUN else None


class TextSet:
    """Fixed patterns, of which any may match: literals, prefixes, and the rest."""

    __slots__ = ("_globs", "_literals", "_prefixes")

    def __init__(self, patterns: Sequence[Pieces]) -> None:
        assert all(is_fixed(pieces) for pieces in patterns), patterns
        others = [pieces for pieces in patterns if literal(pieces) is None and prefix(pieces) is None]
        self._literals = frozenset(text for pieces in patterns if (text := literal(pieces)) is not None)
        self._prefixes = tuple(text for pieces in patterns if (text := prefix(pieces)) is not None)
        self._globs = tuple(Glob(resolved) for pieces in others if (resolved := resolve(pieces, {})) is not None)

    def matches(self, text: str) -> bool:
        if text in self._literals or text.startswith(self._prefixes):
            return True
        return any(each.matches(text) for each in self._globs)


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
    return resolved is not None and glob(resolved).matches(text)


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
