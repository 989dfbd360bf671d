"""Users, groups, roles, and the instance profiles that give a machine its role.

Names are compared without regard to case, as IAM's are: `table_key` is the name in lower case. Inline policies are documents by
policy name; attached ones are ARNs in the order in which they were attached. Tags keep the order in which they were set.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, NamedTuple

from brownout.identity.aws.records.record import AccountRecord, JsonForm
from brownout.identity.core.records import Json

SHORTEST_SESSION_S, LONGEST_SESSION_S = 3600, 43_200  # what a role's maximum may be; the first is its default


@dataclass(frozen=True, slots=True)
class User(AccountRecord):
    """A user. `groups` are the names of its groups, `boundary` the ARN of its permissions boundary or ""."""

    KIND: ClassVar[str] = "user"

    name: str
    user_id: str
    arn: str
    created_s: float
    path: str = "/"
    tags: Mapping[str, str] = field(default_factory=dict)
    groups: tuple[str, ...] = ()
    inline: Mapping[str, str] = field(default_factory=dict)
    attached: tuple[str, ...] = ()
    boundary: str = ""

    @property
    def table_key(self) -> str:
        return self.name.lower()


@dataclass(frozen=True, slots=True)
class Group(AccountRecord):
    """A group. Who is in it is told by the users; `members` is how many they are."""

    KIND: ClassVar[str] = "group"

    name: str
    group_id: str
    arn: str
    created_s: float
    path: str = "/"
    inline: Mapping[str, str] = field(default_factory=dict)
    attached: tuple[str, ...] = ()
    members: int = 0

    @property
    def table_key(self) -> str:
        return self.name.lower()


@dataclass(frozen=True, slots=True)
class Role(AccountRecord):
    """A role. `trust` is its trust policy's document; `max_session_s` bounds the sessions of who assumes it."""

    KIND: ClassVar[str] = "role"

    name: str
    role_id: str
    arn: str
    created_s: float
    trust: str
    path: str = "/"
    description: str = ""
    max_session_s: int = SHORTEST_SESSION_S
    tags: Mapping[str, str] = field(default_factory=dict)
    inline: Mapping[str, str] = field(default_factory=dict)
    attached: tuple[str, ...] = ()
    boundary: str = ""

    @property
    def table_key(self) -> str:
        return self.name.lower()

    @property
    def is_service_linked(self) -> bool:
        """True for a role that only its service may change."""
        return self.path.startswith("/aws-service-role/")


@dataclass(frozen=True, slots=True)
class InstanceProfile(AccountRecord):
    """What gives a machine its role; `role_name` is "" while it has none."""

    KIND: ClassVar[str] = "instance-profile"

    name: str
    profile_id: str
    arn: str
    created_s: float
    path: str = "/"
    role_name: str = ""
    tags: Mapping[str, str] = field(default_factory=dict)

    @property
    def table_key(self) -> str:
        return self.name.lower()


@dataclass(frozen=True, slots=True)
class LastUsed(AccountRecord):
    """When an access key (by id), a role (`role/name`) or a password (`password/name`) was last used, and where."""

    KIND: ClassVar[str] = "last-used"

    subject: str
    at_s: float
    region: str
    service: str

    @property
    def table_key(self) -> str:
        return self.subject


class UsageReport(NamedTuple):
    """What a node tells the directory. Inside one process the uses themselves travel in the form."""

    uses: tuple[LastUsed, ...]

    def to_json(self) -> JsonForm[UsageReport]:
        return JsonForm(self, UsageReport._json)

    def _json(self) -> dict[str, Any]:
        return {"uses": [use.to_json() for use in self.uses]}

    @classmethod
    def from_json(cls, raw: Json) -> UsageReport:
        """Raises KeyError, TypeError, ValueError or AttributeError for what is no report."""
        if isinstance(raw, JsonForm) and isinstance(raw.value, cls):
            return raw.value
        return cls(tuple(LastUsed.from_json(each) for each in raw["uses"]))
