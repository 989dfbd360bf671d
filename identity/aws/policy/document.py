"""A policy document that was read and compiled: statements that know to which requests they apply.

Documents are values without a name. Who attaches one knows which policy it is; `MatchedStatement` of the evaluation pairs both.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from brownout.identity.aws.policy.conditions import Clause
from brownout.identity.aws.policy.context import Keys, RequestContext
from brownout.identity.aws.policy.patterns import ActionSet, PatternSet
from brownout.identity.aws.policy.principals import PrincipalElement

StatementEffect = Literal["Allow", "Deny"]
PolicyKind = Literal["identity", "managed", "boundary", "session", "resource", "trust"]

ACTIONS_REMEMBERED = 256  # per document


@dataclass(frozen=True, slots=True, eq=False)
class Statement:
    """One statement. `resources` is None in a trust policy, `principal` None in a policy of an identity."""

    index: int  # in its document, from 0
    sid: str
    effect: StatementEffect
    actions: ActionSet
    has_not_action: bool
    resources: PatternSet | None
    has_not_resource: bool
    principal: PrincipalElement | None
    clauses: tuple[Clause, ...]

    @property
    def is_deny(self) -> bool:
        return self.effect == "Deny"

    def has_action(self, action: str) -> bool:
        """The action, in lower case, is one of this statement's."""
        return self.actions.matches(action) != self.has_not_action

    def has_resource(self, resource: str, keys: Keys) -> bool:
        """The resource is one of this statement's; of NotResource only while every variable has a value."""
        if self.resources is None:
            return True
        if self.has_not_resource:
            return self.resources.is_known(keys) and not self.resources.matches(resource, keys)
        return self.resources.matches(resource, keys)

    def conditions_hold(self, keys: Keys) -> bool:
        return all(clause.holds(keys) for clause in self.clauses)

    @property
    def has_variable_resource(self) -> bool:
        """What it says about resources depends on the request."""
        return self.resources is not None and bool(self.resources.variables)

    @property
    def context_keys(self) -> tuple[str, ...]:
        """Names of the condition keys that it looks at, as written, each once: of conditions, then of variables."""
        names = [clause.name for clause in self.clauses]
        names += [variable.name for clause in self.clauses for variable in clause.variables]
        names += [variable.name for variable in self.resources.variables] if self.resources is not None else []
        return tuple({name.lower(): name for name in reversed(names)}.values())[::-1]


class PolicyDocument:
    """A document, compiled. Compared by identity: the same text read twice is the same object (`parse_document` remembers)."""

    __slots__ = ("_by_action", "id", "kind", "statements", "text", "version")

    def __init__(self, text: str, kind: PolicyKind, version: str, id: str, statements: tuple[Statement, ...]) -> None:  # noqa: A002
        self.text = text
        self.kind = kind
        self.version = version
        self.id = id
        self.statements = statements
        self._by_action: dict[str, tuple[Statement, ...]] = {}

    def statements_for(self, action: str) -> tuple[Statement, ...]:
        """Statements that have the action, given in lower case; what they say about resources is not asked yet."""
        found = self._by_action.get(action)
        if found is None:
            found = tuple(statement for statement in self.statements if statement.has_action(action))
            if len(self._by_action) >= ACTIONS_REMEMBERED:
                self._by_action.clear()
            self._by_action[action] = found
        return found

    def asks_nothing_more(self, action: str) -> bool:
        """True when what it says of the action, given in lower case, depends on the principal and the resource alone."""
        return not any(each.clauses or each.has_variable_resource for each in self.statements_for(action))

    def applying(self, action: str, context: RequestContext) -> list[Statement]:
        """Statements that apply to the request, of either effect and any principal. `action` is the context's in lower case."""
        resource, keys = context.resource, context.keys
        return [
            statement
            for statement in self.statements_for(action)
            if statement.has_resource(resource, keys) and statement.conditions_hold(keys)
        ]
