"""Calls of IAM between a region's front end and the directory, as values.

A front end has authenticated and authorized the caller; the directory runs the operation. Both are JSON on the way, so binary
values of an answer, which JSON has not, are marked there.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from brownout.identity.aws import arns
from brownout.identity.aws.auth.caller import Caller
from brownout.identity.aws.errors import AwsError
from brownout.identity.core.records import Json

CALL_PATH = "/call"  # below the vendor's own part of the directory's control plane
_BINARY = "base64"  # the one key of an object that stands for bytes


@dataclass(frozen=True, slots=True)
class IamCall:
    """One call: `params` by the names of the service model, with its types."""

    action: str
    params: Mapping[str, Any]
    caller: Caller
    request_id: str

    def to_json(self) -> dict[str, Any]:
        params, caller = marked(self.params), self.caller.to_json()
        return {"action": self.action, "params": params, "caller": caller, "request_id": self.request_id}

    @classmethod
    def from_json(cls, raw: Json) -> IamCall:
        """Raises KeyError, TypeError, ValueError or AttributeError for what is no call."""
        caller, params = Caller.from_json(raw["caller"]), unmarked(raw["params"])
        return cls(str(raw["action"]), params, caller, str(raw["request_id"]))


@dataclass(frozen=True, slots=True)
class IamAnswer:
    """What a call came to: the output's members (None for an operation without output) or the error.

    `version` is the account's by which the call was answered: every region that has it knows what the call changed, and 0 is
    that of a call that did not come so far. `made`: the call made that version.
    """

    result: Mapping[str, Any] | None = None
    error: AwsError | None = None
    version: int = 0
    made: bool = False

    def to_json(self) -> dict[str, Any]:
        found = {"error": self.error.to_json()} if self.error else {"result": marked(self.result)}
        return found | {"version": self.version, "made": self.made}

    @classmethod
    def from_json(cls, raw: Json) -> IamAnswer:
        """Raises KeyError, TypeError, ValueError or AttributeError for what is no answer."""
        error = AwsError.from_json(raw["error"]) if "error" in raw else None
        return cls(unmarked(raw.get("result")), error, int(raw["version"]), raw["made"] is True)


def trial_call(account_id: str, now_s: float) -> IamCall:
    """A call that only describes, by the account's root: for looks at the control plane from outside."""
    root = arns.root(account_id)
    caller = Caller(account_id, "root", root, account_id, root, "", None, "us-east-1", now_s)
    return IamCall("ListRoles", {"MaxItems": 1}, caller, "try")


def marked(value: Any) -> Any:
    """The value with its bytes marked."""
    if isinstance(value, bytes):
        return {_BINARY: base64.b64encode(value).decode()}
    if isinstance(value, Mapping):
        return {name: marked(item) for name, item in value.items()}
    return [marked(item) for item in value] if isinstance(value, list | tuple) else value


def unmarked(value: Any) -> Any:
    """The value with its bytes as bytes again."""
    if isinstance(value, Mapping):
        if set(value) == {_BINARY}:
            return base64.b64decode(value[_BINARY])
        return {name: unmarked(item) for name, item in value.items()}
    return [unmarked(item) for item in value] if isinstance(value, list | tuple) else value
