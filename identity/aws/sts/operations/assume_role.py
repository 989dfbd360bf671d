"""AssumeRole: a session of a role, for who may assume it.

Wire facts: docs/reference/aws-wire.md#assuming-a-role.
"""

from __future__ import annotations

from brownout.identity.aws.auth.caller import Caller
from brownout.identity.aws.errors import AwsError, access_denied, not_authorized
from brownout.identity.aws.sts.call import StsCall, StsResult
from brownout.identity.aws.sts.issuing import SessionWish, issue, members
from brownout.identity.aws.sts.session_policies import NO_TAGS, session_limits, session_tags
from brownout.identity.aws.sts.trust import RoleRequest, check_caller, find_role, session_length, unknown_role

ACTION = "sts:AssumeRole"
SHOWN_NOW = {"aws:MultiFactorAuthPresent": "true", "aws:MultiFactorAuthAge": "0"}


_LEAST = frozenset({"RoleArn", "RoleSessionName"})


def assume_role(call: StsCall) -> StsResult:
    wish = _settled_wish(call) or _wish(call)
    session, credentials = issue(call.annex, wish)
    result = members(wish, credentials)
    result["AssumedRoleUser"] = {"AssumedRoleId": session.user_id, "Arn": session.arn}
    return result


def _settled_wish(call: StsCall) -> SessionWish | None:
    """What `_wish` says, where the caller may assume the role whatever the request says, and it says no more than it must."""
    annex, _, params, signer, is_global = call  # by name it takes longer
    if signer is None or params.keys() != _LEAST:
        return None
    role = annex.index.settled_role(signer, ACTION, params["RoleArn"])
    if role is None:
        return None
    annex.check_activated()
    length_s = session_length(role, None)
    return SessionWish("assumed-role", role.arn, role.role_id, params["RoleSessionName"], length_s, is_global=is_global)


def _wish(call: StsCall) -> SessionWish:
    """The session that the caller asks for and may have; raises AwsError."""
    caller, params, annex = call.caller, call.params, call.annex
    if caller.is_root:
        raise access_denied("Roles may not be assumed by root accounts.")
    role = find_role(annex.index, params["RoleArn"])
    if role is None or caller.kind == "federated-user":
        raise unknown_role(caller, params["RoleArn"])
    annex.check_activated()
    if params.get("ProvidedContexts"):
        raise AwsError.of("InvalidContextAssertion", "No trusted context provider is known to this account")
    is_chained = caller.kind == "assumed-role"
    length_s = session_length(role, params.get("DurationSeconds"), chained=is_chained)
    tags = session_tags(params, caller)
    limits = session_limits(params, annex.index, tags)
    name, source = params["RoleSessionName"], _source_identity(call, caller)
    keys: dict[str, str] = {"sts:ExternalId": params["ExternalId"]} if "ExternalId" in params else {}
    if "SerialNumber" in params or "TokenCode" in params:
        annex.mfa.shown(caller, params)
        keys.update(SHOWN_NOW)
    settled = tags is NO_TAGS and not source and annex.index.settled_role(caller, ACTION, role.arn) is not None
    if not settled:
        check_caller(annex, caller, RoleRequest(ACTION, role, name, call.facts, tags, source, keys))
    return SessionWish(
        "assumed-role",
        role.arn,
        role.role_id,
        name,
        length_s,
        limits,
        tags,
        source_identity=source,
        chained=is_chained,
        is_global=call.is_global,
        least_token_bytes=call.least_token_bytes,
    )


def _source_identity(call: StsCall, caller: Caller) -> str:
    """The source identity of the session: once set it stays through all sessions that follow. Raises AwsError AccessDenied."""
    asked = str(call.params.get("SourceIdentity", ""))
    inherited = caller.session.source_identity if caller.session is not None else ""
    if inherited and asked not in ("", inherited):
        raise not_authorized(caller.arn, "sts:SetSourceIdentity", call.params["RoleArn"])
    return asked or inherited
