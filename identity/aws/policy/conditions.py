"""The Condition element: clauses, all of which must hold.

A clause is an operator, a key and values. The operator says when one value of the request matches one value of the policy; a
request's value matches when it matches any of the policy's. Operators with Not are the negation of that: no value matches, and
every variable in the policy's values is known.
A key that the request does not have matches nothing, so a plain operator fails and a negated one holds; `...IfExists` holds.
`ForAllValues:` and `ForAnyValue:` ask for every or for some value of a key with many; without values the first holds and the
second fails, with `IfExists` too.
Wire facts: docs/reference/aws-wire.md#condition-operators and, below it,
docs/reference/aws-wire.md#conditions-with-missing-and-multiple-values.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol, TypeVar

from brownout.identity.aws.policy import values as read
from brownout.identity.aws.policy.context import Keys
from brownout.identity.aws.policy.patterns import (
    PatternSet,
    Pieces,
    Variable,
    Wildcard,
    glob,
    is_fixed,
    resolve,
    split_pieces,
    variables_of,
)

Quantifier = Literal["", "ForAllValues", "ForAnyValue"]
Operand = TypeVar("Operand")
Relation = Callable[[str, Keys], bool]  # does this value of the request match any value of the policy?

ARN_PARTS = 6
IF_EXISTS = "IfExists"


class Clause(Protocol):
    """`name` of the condition key as written; `variables` in the values."""

    @property
    def name(self) -> str: ...
    @property
    def variables(self) -> tuple[Variable, ...]: ...
    def holds(self, keys: Keys) -> bool: ...


@dataclass(frozen=True, slots=True)
class Comparison:
    """A clause of any operator but Null."""

    name: str
    key: str
    quantifier: Quantifier
    if_exists: bool
    negated: bool
    relation: Relation
    variables: tuple[Variable, ...]

    def holds(self, keys: Keys) -> bool:
        found = keys.get(self.key, ())
        if self.quantifier:
            return self._holds_for_set(found, keys)
        if not found:
            return self.if_exists or self.negated
        if self.negated:
            return self._can_negate(keys) and not any(self.relation(value, keys) for value in found)
        return any(self.relation(value, keys) for value in found)

    def _holds_for_set(self, found: tuple[str, ...], keys: Keys) -> bool:
        values = found if any(found) else ()  # nothing but empty text is an empty set
        can_hold = not self.negated or self._can_negate(keys)
        each = (can_hold and self.relation(value, keys) != self.negated for value in values)
        return all(each) if self.quantifier == "ForAllValues" else any(each)

    def _can_negate(self, keys: Keys) -> bool:
        """All variables have values: that nothing matches says nothing while a value of the policy is not known."""
        return all(variable.value(keys) is not None for variable in self.variables)


@dataclass(frozen=True, slots=True)
class NullCheck:
    """The operator Null: `absent` holds the wanted answers to "is the key absent?"."""

    name: str
    key: str
    absent: frozenset[bool]
    variables: tuple[Variable, ...] = ()

    def holds(self, keys: Keys) -> bool:
        return (not keys.get(self.key)) in self.absent


@dataclass(frozen=True, slots=True)
class OperatorName:
    """`ForAllValues:StringEqualsIfExists`, taken apart."""

    quantifier: Quantifier
    base: str
    if_exists: bool


def split_operator(text: str) -> OperatorName | None:
    """None for what is no operator. Null has no IfExists."""
    prefix, colon, rest = text.partition(":")
    quantifier: Quantifier = ""
    if colon:
        if prefix not in ("ForAllValues", "ForAnyValue"):
            return None
        quantifier = "ForAllValues" if prefix == "ForAllValues" else "ForAnyValue"
    base = (rest if colon else prefix).removesuffix(IF_EXISTS)
    if_exists = text.endswith(IF_EXISTS)
    if base not in OPERATORS and not (base == "Null" and not if_exists):
        return None
    return OperatorName(quantifier, base, if_exists)


def clause(name: OperatorName, key: str, values: Sequence[str], *, variables: bool) -> Clause:
    """The compiled clause; with `variables` as documents of version 2012-10-17 have them."""
    if name.base == "Null":
        wanted = frozenset(value for text in values if (value := read.boolean(text)) is not None)
        return NullCheck(key, key.lower(), wanted)
    build, negated = OPERATORS[name.base]
    relation, used = build(values, variables)
    return Comparison(key, key.lower(), name.quantifier, name.if_exists, negated, relation, used)


Built = tuple[Relation, tuple[Variable, ...]]
BuildRelation = Callable[[Sequence[str], bool], Built]


def _patterns(values: Sequence[str], variables: bool, wildcards: bool) -> list[Pieces]:
    return [split_pieces(value, variables=variables, wildcards=wildcards) for value in values]


def _equal(values: Sequence[str], variables: bool) -> Built:
    patterns = PatternSet(_patterns(values, variables, wildcards=False))
    return patterns.matches, patterns.variables


def _like(values: Sequence[str], variables: bool) -> Built:
    patterns = PatternSet(_patterns(values, variables, wildcards=True))
    return patterns.matches, patterns.variables


def _equal_ignoring_case(values: Sequence[str], variables: bool) -> Built:
    patterns = _patterns(values, variables, wildcards=False)
    fixed = frozenset(value for pieces in patterns if is_fixed(pieces) and (value := _folded(pieces, {})) is not None)
    others = tuple(pieces for pieces in patterns if not is_fixed(pieces))

    def matches(text: str, keys: Keys) -> bool:
        folded = text.lower()
        return folded in fixed or any(folded == _folded(pieces, keys) for pieces in others)

    return matches, tuple(variable for pieces in others for variable in variables_of(pieces))


def _folded(pieces: Pieces, keys: Keys) -> str | None:
    resolved = resolve(pieces, keys)
    return None if resolved is None else "".join(str(piece) for piece in resolved).lower()


def _arn_like(values: Sequence[str], variables: bool) -> Built:
    """Each of the six parts by itself: no wildcard, and no variable's value, reaches over a colon into the next part."""
    patterns = [parts for value in values if (parts := _arn_parts(value, variables)) is not None]

    def matches(text: str, keys: Keys) -> bool:
        parts = text.split(":", ARN_PARTS - 1)
        return len(parts) == ARN_PARTS and any(_parts_match(pattern, parts, keys) for pattern in patterns)

    return matches, tuple(variable for parts in patterns for pieces in parts for variable in variables_of(pieces))


def _arn_parts(value: str, variables: bool) -> list[Pieces] | None:
    """The six parts of a pattern, split at its own colons; None for fewer. `*` alone is any ARN."""
    parts: list[list[str | Wildcard | Variable]] = [[]]
    for piece in split_pieces(value if value != "*" else ":".join("*" * ARN_PARTS), variables=variables):
        if isinstance(piece, str):
            first, *others = piece.split(":", ARN_PARTS - len(parts))
            parts[-1].append(first)
            parts += [[text] for text in others]
        else:
            parts[-1].append(piece)
    return [tuple(part) for part in parts] if len(parts) == ARN_PARTS else None


def _parts_match(pattern: Sequence[Pieces], parts: Sequence[str], keys: Keys) -> bool:
    for pieces, part in zip(pattern, parts, strict=True):
        resolved = resolve(pieces, keys)
        if resolved is None or not glob(resolved).matches(part):
            return False
    return True


def _compared(reader: Callable[[str], Operand | None], compare: Callable[[Operand, Operand], bool]) -> BuildRelation:
    """Both sides are read as values of a type; `compare` gets the request's first."""

    def build(values: Sequence[str], variables: bool) -> Built:
        wanted = [value for text in values if (value := reader(text)) is not None]

        def matches(text: str, keys: Keys) -> bool:
            found = reader(text)
            return found is not None and any(compare(found, value) for value in wanted)

        return matches, ()

    return build


def _in_network(values: Sequence[str], variables: bool) -> Built:
    networks = [network for text in values if (network := read.network(text)) is not None]

    def matches(text: str, keys: Keys) -> bool:
        found = read.address(text)
        return found is not None and any(found[0] == version and found[1] & mask == base for version, base, mask in networks)

    return matches, ()


_NUMBERS: Mapping[str, BuildRelation] = {
    "Equals": _compared(read.number, operator.eq),
    "LessThan": _compared(read.number, operator.lt),
    "LessThanEquals": _compared(read.number, operator.le),
    "GreaterThan": _compared(read.number, operator.gt),
    "GreaterThanEquals": _compared(read.number, operator.ge),
}
_DATES: Mapping[str, BuildRelation] = {
    "Equals": _compared(read.date, operator.eq),
    "LessThan": _compared(read.date, operator.lt),
    "LessThanEquals": _compared(read.date, operator.le),
    "GreaterThan": _compared(read.date, operator.gt),
    "GreaterThanEquals": _compared(read.date, operator.ge),
}
# By name: what matches, and whether the operator is its negation. Null is not a comparison and stands apart.
OPERATORS: Mapping[str, tuple[BuildRelation, bool]] = {
    "StringEquals": (_equal, False),
    "StringNotEquals": (_equal, True),
    "StringEqualsIgnoreCase": (_equal_ignoring_case, False),
    "StringNotEqualsIgnoreCase": (_equal_ignoring_case, True),
    "StringLike": (_like, False),
    "StringNotLike": (_like, True),
    "NumericNotEquals": (_NUMBERS["Equals"], True),
    "DateNotEquals": (_DATES["Equals"], True),
    **{f"Numeric{name}": (build, False) for name, build in _NUMBERS.items()},
    **{f"Date{name}": (build, False) for name, build in _DATES.items()},
    "Bool": (_compared(read.boolean, operator.eq), False),
    "BinaryEquals": (_compared(read.binary, operator.eq), False),
    "IpAddress": (_in_network, False),
    "NotIpAddress": (_in_network, True),
    "ArnEquals": (_arn_like, False),
    "ArnNotEquals": (_arn_like, True),
    "ArnLike": (_arn_like, False),
    "ArnNotLike": (_arn_like, True),
}
