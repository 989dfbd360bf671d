"""Who calls: credentials, the session that a session token carries, and the caller that a good signature stands for.

Two kinds of credentials exist. An access key of a user (AKIA...) is known to every region by its derived keys. Temporary
credentials (ASIA...) are stored nowhere: all that a region has to know stands in the session token that comes with every
request, the secret included, and only the stack's own regions can open it (brownout.identity.aws.auth.sealing).
Wire facts: docs/reference/aws-wire.md#session-tokens.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from types import MappingProxyType
from typing import Any, Literal, NamedTuple, Self, get_args

from brownout.identity.core.records import Json

CallerKind = Literal["root", "user", "assumed-role", "federated-user"]
CALLER_KINDS: tuple[CallerKind, ...] = get_args(CallerKind)
NOTHING: Mapping[str, Any] = MappingProxyType({})


class Credentials(NamedTuple):
    """What a client signs with. Long-term credentials have no session token and no end."""

    access_key_id: str
    secret_access_key: str
    session_token: str = ""
    expires_s: float | None = None

    def __repr__(self) -> str:
        return f"Credentials({self.access_key_id!r})"


class Session(NamedTuple):
    """What temporary credentials stand for. `kind` is what `Caller.kind` will be.

    `principal_arn` and `principal_id` name the role (assumed-role) or the user whose policies apply. `name` is the session
    name of a role or the name of a federated user, else "". `session_policies` are inline documents as text, `policy_arns`
    managed ones; both only take away. `tags` are session tags by key. `mfa_s` is when MFA was shown (emulated epoch
    seconds), None without. `chained` is true when a session asked for this one. `facts` are further condition keys that
    each request of the session has, such as `aws:FederatedProvider` or `ec2:SourceInstanceARN`. `scopes` are the documents by
    which the session was scoped down, one for each time; it may do only what every one of them allows.
    """

    access_key_id: str
    secret_access_key: str
    account_id: str
    kind: CallerKind
    principal_arn: str
    principal_id: str
    name: str
    issued_s: float
    expires_s: float
    issuing_region: str
    session_policies: tuple[str, ...] = ()
    policy_arns: tuple[str, ...] = ()
    tags: Mapping[str, str] = NOTHING
    transitive_tag_keys: tuple[str, ...] = ()
    source_identity: str = ""
    mfa_s: float | None = None
    chained: bool = False
    facts: Mapping[str, tuple[str, ...]] = NOTHING
    scopes: tuple[str, ...] = ()

    def __repr__(self) -> str:
        return f"Session({self.access_key_id!r}, {self.kind!r}, {self.principal_arn!r}, {self.name!r})"

    @property
    def arn(self) -> str:
        """The ARN that GetCallerIdentity shows and that policies see: a role's without its path."""
        return f"{_before_name(self.kind, self.account_id, self.principal_arn)}{self.name}"

    @property
    def user_id(self) -> str:
        """The unique id that GetCallerIdentity shows (`aws:userid`)."""
        if self.kind == "assumed-role":
            return f"{self.principal_id}:{self.name}"
        return f"{self.account_id}:{self.name}" if self.kind == "federated-user" else self.principal_id

    def packed(self) -> tuple[Any, ...] | dict[str, Any]:
        """The form inside a session token: the values that every session has, in their order; `to_json` where it has more."""
        return self[: len(_NAMES)] if self[len(_NAMES) :] == _PLAIN else self.to_json()

    @classmethod
    def unpacked(cls, raw: Any) -> Self:
        """Raises KeyError, TypeError or ValueError for what is no session."""
        return cls.from_json(dict(zip(_NAMES, raw, strict=True)) if isinstance(raw, list) else raw)

    def to_json(self) -> dict[str, Any]:
        """The session by short names; nothing that is at its default."""
        found: dict[str, Any] = dict(zip(_NAMES, self, strict=False))
        if self[len(_NAMES) :] == _PLAIN:
            return found
        if self.mfa_s is not None:
            found["mfa"] = self.mfa_s
        for name, value in (
            ("policies", self.session_policies),
            ("policy_arns", self.policy_arns),
            ("tags", self.tags),
            ("transitive", self.transitive_tag_keys),
            ("source_identity", self.source_identity),
            ("chained", self.chained),
            ("facts", self.facts),
            ("scopes", self.scopes),
        ):
            if value:
                found[name] = value if isinstance(value, str | bool) else _json_of(value)
        return found

    @classmethod
    def from_json(cls, raw: Json) -> Self:
        """Raises KeyError, TypeError or ValueError for what is no session."""
        kind = raw["kind"]
        if kind not in CALLER_KINDS:
            raise ValueError(f"no kind of caller {kind!r}")
        return cls(
            str(raw["key"]),
            str(raw["secret"]),
            str(raw["account"]),
            kind,
            str(raw["principal"]),
            str(raw["id"]),
            str(raw["name"]),
            float(raw["issued"]),
            float(raw["expires"]),
            str(raw["region"]),
            tuple(raw.get("policies", ())),
            tuple(raw.get("policy_arns", ())),
            dict(raw.get("tags", {})),
            tuple(raw.get("transitive", ())),
            str(raw.get("source_identity", "")),
            None if raw.get("mfa") is None else float(raw["mfa"]),
            bool(raw.get("chained", False)),
            {str(key): tuple(values) for key, values in raw.get("facts", {}).items()},
            tuple(raw.get("scopes", ())),
        )


@lru_cache(maxsize=1024)  # roles have many sessions
def _before_name(kind: CallerKind, account_id: str, principal_arn: str) -> str:
    """The ARN of a session up to its name, which is "" for those of a user."""
    owner = f"arn:{principal_arn.split(':')[1]}:sts::{account_id}"
    if kind == "assumed-role":
        return f"{owner}:assumed-role/{principal_arn.rpartition('/')[2]}/"
    return f"{owner}:federated-user/" if kind == "federated-user" else principal_arn


_NAMES = ("key", "secret", "account", "kind", "principal", "id", "name", "issued", "expires", "region")  # of the first fields
_PLAIN = tuple(Session._field_defaults.values())  # of most sessions: all that may be left out is
assert len(_NAMES) + len(_PLAIN) == len(Session._fields), "a field has a name here or a default"


class Caller(NamedTuple):
    """Who signed a request: `arn` as policies see the caller, `principal_arn` of the user or role whose policies apply.

    `user_id` is `aws:userid`. `signed_region` is the scope's region (`aws:RequestedRegion` is the endpoint's), `signed_s`
    when it was signed by the client's clock. `session` is None for a long-term key.
    """

    account_id: str
    kind: CallerKind
    arn: str
    user_id: str
    principal_arn: str
    access_key_id: str
    session: Session | None
    signed_region: str
    signed_s: float

    @property
    def is_root(self) -> bool:
        return self.kind == "root"

    @property
    def is_temporary(self) -> bool:
        return self.session is not None

    @property
    def principal_name(self) -> str:
        """The name of the user or role whose policies apply, "" for the root."""
        return "" if self.kind == "root" else self.principal_arn.rpartition("/")[2]

    def signed_at(self, signed_s: float) -> Caller:
        """The same caller in a request that was signed at that time."""
        return Caller(*self[:-1], signed_s)

    @classmethod
    def of_session(cls, session: Session, signed_region: str, signed_s: float) -> Self:
        return cls(
            session.account_id,
            session.kind,
            session.arn,
            session.user_id,
            session.principal_arn,
            session.access_key_id,
            session,
            signed_region,
            signed_s,
        )

    def to_json(self) -> dict[str, Any]:
        """The caller as nodes tell it to each other; a session goes without its secret."""
        return {
            "account_id": self.account_id,
            "kind": self.kind,
            "arn": self.arn,
            "user_id": self.user_id,
            "principal_arn": self.principal_arn,
            "access_key_id": self.access_key_id,
            "session": None if self.session is None else self.session.to_json() | {"secret": ""},
            "signed_region": self.signed_region,
            "signed_s": self.signed_s,
        }

    @classmethod
    def from_json(cls, raw: Json) -> Self:
        """Raises KeyError, TypeError or ValueError for what is no caller."""
        if raw["kind"] not in CALLER_KINDS:
            raise ValueError(f"no kind of caller {raw['kind']!r}")
        return cls(
            str(raw["account_id"]),
            raw["kind"],
            str(raw["arn"]),
            str(raw["user_id"]),
            str(raw["principal_arn"]),
            str(raw["access_key_id"]),
            None if raw["session"] is None else Session.from_json(raw["session"]),
            str(raw["signed_region"]),
            float(raw["signed_s"]),
        )


def _json_of(value: Mapping[str, Any] | tuple[str, ...]) -> Any:
    """Mappings as dictionaries and tuples as lists, as they come back."""
    if isinstance(value, tuple):
        return list(value)
    return {key: list(each) if isinstance(each, tuple) else each for key, each in value.items()}
