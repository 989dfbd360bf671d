"""One call of an operation of STS, as the operations see it, and their table."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from functools import cached_property
from typing import Any, NamedTuple

from brownout.identity.aws.auth.caller import Caller
from brownout.identity.aws.errors import access_denied, missing_authentication_token
from brownout.identity.aws.policy.context import EMPTY, RequestFacts
from brownout.identity.aws.protocol.services import Params
from brownout.identity.aws.regional.annex import RequestKeys
from brownout.identity.aws.sts.annex import TokenAnnex
from brownout.identity.core.messages import Request

StsResult = Mapping[str, Any]


class _Understood(NamedTuple):
    annex: TokenAnnex
    request: Request
    params: Params
    signer: Caller | None
    is_global: bool  # at the global name of STS


class StsCall(_Understood):
    """A call that was understood and authenticated. `signer` is None for operations that come without a signature."""

    @property
    def caller(self) -> Caller:
        """The signer; raises AwsError MissingAuthenticationToken for an unsigned call."""
        if self.signer is None:
            raise missing_authentication_token()
        return self.signer

    @property
    def least_token_bytes(self) -> int:
        """How long the session token has to be at least."""
        return int(self.params.get("MinimumSessionTokenSize", 0))

    @cached_property
    def facts(self) -> RequestFacts:
        return self.annex.facts(self.request)

    @property
    def now_s(self) -> float:
        return self.facts.now_s

    def authorize(self, action: str, resource: str, keys: RequestKeys = EMPTY) -> None:
        """Raises AwsError AccessDenied unless the caller may do `action` to `resource`."""
        self.annex.authorize(self.caller, action, resource, self.facts, keys)

    def long_term_caller(self, name: str) -> Caller:
        """The caller, whose key must be a long-term one; raises AwsError AccessDenied for a session's."""
        if self.caller.is_temporary:
            raise access_denied(f"Cannot call {name} with session credentials")
        return self.caller


def check_session(caller: Caller, name: str) -> None:
    """Raises AwsError AccessDenied for an operation that a user's session, or a federated one, cannot call."""
    if caller.session is None or caller.kind == "assumed-role" or name == "GetCallerIdentity":
        return
    if name == "GetScopedCredentials":
        return
    if name != "AssumeRole" or caller.kind == "federated-user":
        raise access_denied(f"Cannot call {name} with session credentials")


RunSts = Callable[[StsCall], StsResult | Awaitable[StsResult]]
